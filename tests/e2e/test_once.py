"""`once`: one reconcile for cron or Gluetun's up-command, judged by its exit code."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clock import Clock
from conftest import AT_ONCE, EMPTY_S, MakeSidecar, Sidecar
from faults import reply, silence
from faulty_server import LOGIN, PREFERENCES, SET_PREFERENCES, Exchange, FaultyServer
from harness import PATIENCE, PortFile, QBittorrent, free_port, wait_until


@pytest.fixture
def once(sidecar: MakeSidecar) -> Callable[..., Sidecar]:
    def make(server: object, **options: object) -> Sidecar:
        return sidecar(server, args=("once",), **options)

    return make


def test_a_needed_change_is_made_and_is_0(
    qbittorrent: QBittorrent, port_file: PortFile, once: Callable[..., Sidecar]
) -> None:
    port = free_port()
    port_file.write(port)
    run = once(qbittorrent)
    assert run.wait() == 0
    assert qbittorrent.listen_port() == port
    assert not run.health_file.exists(), "the health file is the sidecar's"


def test_nothing_to_do_is_0_and_sends_nothing(
    fake: FaultyServer, port_file: PortFile, once: Callable[..., Sidecar]
) -> None:
    port_file.write(6881)
    assert once(fake).wait() == 0
    assert fake.count(SET_PREFERENCES) == 0
    wait_until(lambda: not fake.sessions, what="the session to be closed")


def test_a_refused_connection_is_1_and_says_so(
    port_file: PortFile, once: Callable[..., Sidecar]
) -> None:
    port_file.write(41000)
    run = once(None, port=free_port())
    assert run.wait() == 1
    assert len(run.troubles()) == 1 and "refused" in run.troubles()[0]


def test_a_wrong_password_is_1_after_one_login(
    new_fake: Callable[..., FaultyServer], port_file: PortFile, once: Callable[..., Sidecar]
) -> None:
    server = new_fake(password="correct horse").start()
    port_file.write(41000)
    run = once(server, password="battery staple")
    assert run.wait() == 1
    assert server.count(LOGIN) == 1
    assert len(run.troubles()) == 1 and "rejected" in run.troubles()[0]


@pytest.mark.parametrize(("seconds", "status"), [(55, 0), (61, 1)])
def test_an_answer_is_waited_for_a_minute(
    seconds: int,
    status: int,
    fake: FaultyServer,
    port_file: PortFile,
    once: Callable[..., Sidecar],
) -> None:
    """A slow qBittorrent may need that long. The clock is moved, and what comes then has it look there."""
    asked, moved = threading.Event(), threading.Event()

    def late(exchange: Exchange) -> None:
        asked.set()
        moved.wait(PATIENCE)
        wire = exchange.reply().wire()
        exchange.send(wire[:1] if status else wire)
        if status:
            exchange.hold(PATIENCE)

    fake.fault(PREFERENCES, late, times=1)
    fake.local_auth = False
    port_file.write(6881)
    run = once(fake)
    assert asked.wait(PATIENCE)
    Clock(run.pid, time.CLOCK_MONOTONIC).move(seconds)
    moved.set()
    assert run.wait() == status
    assert bool(run.troubles()) is bool(status)


def test_a_set_that_is_not_taken_is_1(
    fake: FaultyServer, port_file: PortFile, once: Callable[..., Sidecar]
) -> None:
    fake.fault(SET_PREFERENCES, reply(200))
    port_file.write(41000)
    assert once(fake).wait() == 1


@pytest.mark.parametrize("content", [b"0", b"70000", b"text"], ids=repr)
def test_a_bad_port_file_is_1_and_sends_nothing(
    content: bytes, fake: FaultyServer, port_file: PortFile, once: Callable[..., Sidecar]
) -> None:
    port_file.write_bytes(content)
    run = once(fake)
    assert run.wait() == 1
    assert fake.count(SET_PREFERENCES) == 0
    assert len(run.lines("ERROR")) == 1 and str(port_file.path) in run.lines("ERROR")[0]


@pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
def test_no_forwarded_port_is_1_and_sends_nothing(
    content: bytes | None, fake: FaultyServer, port_file: PortFile, once: Callable[..., Sidecar]
) -> None:
    if content is not None:
        port_file.write_bytes(content)
    run = once(fake)
    assert run.wait() == 1
    assert fake.count(SET_PREFERENCES) == 0 and fake.listen_port == 6881
    assert any("no forwarded port" in line for line in run.log)


def test_the_instant_between_truncate_and_write_is_waited_out(
    fake: FaultyServer, port_file: PortFile, once: Callable[..., Sidecar]
) -> None:
    in_time = False
    while not in_time:  # a busy machine makes more of the instant than it is
        began = time.monotonic()
        port_file.clear()
        run = once(fake)
        time.sleep(0.4)
        port_file.write(41000)
        in_time = time.monotonic() - began < EMPTY_S
        code = run.wait()
    assert code == 0
    assert fake.listen_port == 41000


def test_a_wrong_configuration_is_2(
    fake: FaultyServer, port_file: PortFile, once: Callable[..., Sidecar]
) -> None:
    port_file.write(41000)
    run = once(fake, env={"QSTICKY_CHECK_INTERVAL": "soon"})
    assert run.wait() == 2
    assert not fake.connections


def test_the_sidecars_health_file_is_left_alone(
    fake: FaultyServer, place: Path, port_file: PortFile, once: Callable[..., Sidecar]
) -> None:
    health = place / "status.json"
    health.write_text(json.dumps({"healthy": True}))
    port_file.write(41000)
    assert once(fake, health_file=health).wait() == 0
    assert json.loads(health.read_text()) == {"healthy": True}


def test_a_stop_in_mid_exchange_ends_it_at_once_and_is_not_0(
    fake: FaultyServer, port_file: PortFile, once: Callable[..., Sidecar]
) -> None:
    fake.fault(PREFERENCES, silence())
    port_file.write(41000)
    run = once(fake)
    wait_until(lambda: fake.count(PREFERENCES), what="the request")
    started = time.monotonic()
    assert run.stop() == 1
    assert time.monotonic() - started < AT_ONCE

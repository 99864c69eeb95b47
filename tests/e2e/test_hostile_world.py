"""What a machine does to a process in months: its clock is set, it is suspended, its name server
dies, its descriptors run out, and somebody sends it every signal there is. (The disk that is full
is in test_health, inotify that is refused in test_watch, events that netlink dropped in
test_reconnects, system calls that fail in test_faults.)"""

from __future__ import annotations

import os
import platform
import resource
import signal
import subprocess
import sys
import time
from calendar import timegm
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

import strace
from clock import MOVABLE, Clock
from conftest import AS_PID_1, MakeSidecar, Sidecar, missing
from faults import silence
from faulty_server import LOGIN, PREFERENCES, FaultyServer
from harness import PortFile, wait_until, with_mounted
from listener import BlackHole
from name_server import NameServer
from namespace import Namespace
from test_stop import sends_syn

DAY_S = 86400
NAME = "qbittorrent.example"
LONGEST_DEADLINE_S = 15  # of a cycle
MUSL = pytest.mark.parametrize("binary", ["musl"], indirect=True)


# -- time --------------------------------------------------------------------------


def stamp(qsticky: Sidecar) -> int:
    return timegm(time.strptime(qsticky.health()["timestamp"], "%Y-%m-%dT%H:%M:%SZ"))


@pytest.mark.parametrize("jump", [DAY_S, -DAY_S], ids=["forth", "back"])
def test_a_clock_that_jumps_a_day_changes_nothing_but_what_it_shows(
    jump: int,
    root: None,
    fake: FaultyServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    if not MOVABLE:
        missing(f"the clock of one process cannot be moved on {platform.machine()}")
    port_file.write(41000)
    qsticky = sidecar(fake, interval=1)
    qsticky.wait_in_sync(41000)
    with Clock(qsticky.pid) as clock:
        for offset in (jump, 0):
            cycles, began = len(fake.connections), time.monotonic()
            clock.move(offset)
            wait_until(lambda: abs(stamp(qsticky) - time.time() - offset) < 60, what="the new time")
            qsticky.wait_cycles(3)
            assert len(fake.connections) - cycles <= 5 + 2 * (time.monotonic() - began)
            port = 42000 if offset else 43000
            port_file.write(port)
            health = qsticky.wait_in_sync(port)
            assert health["uptime_seconds"] < 60
            # A retry that was due before the jump is due all the same.
            fake.stop()
            qsticky.wait_health(state="retrying")
            clock.move(offset - jump)
            fake.start()
            qsticky.wait_in_sync(port)
            clock.move(offset)
    qsticky.wait_cycles(1)
    code, line = wait_until(
        lambda: (told := qsticky.healthcheck())[0] == 0 and told, what="healthy again"
    )
    assert "port 43000" in line
    assert fake.count(LOGIN) == 3, "the first, and one after each restart"


@MUSL
def test_a_suspension_longer_than_every_deadline_ends_in_sync(
    new_fake: Callable[..., FaultyServer], place: Path, sidecar: MakeSidecar, peers: ExitStack
) -> None:
    """Side by side, in whatever it is when the machine goes to sleep; the port changes then."""
    hole = peers.enter_context(BlackHole())
    servers = {name: new_fake() for name in ("asleep", "exchange", "login", "retry", "connect")}
    files = {name: PortFile(place / name / "port") for name in servers}
    running: dict[str, Sidecar] = {}
    for name, server in servers.items():
        files[name].write(41000)
        if name == "exchange":
            server.fault(PREFERENCES, silence())
        if name == "login":
            server.fault(LOGIN, silence())
        if name != "retry":
            server.start()
        running[name] = sidecar(
            server,
            port_file=files[name],
            port=hole.port if name == "connect" else server.port,
            interval=5,
        )
    running["asleep"].wait_in_sync(41000)
    running["retry"].wait_health(state="retrying")
    for name in ("exchange", "login"):
        wait_until(lambda name=name: servers[name].requests, what="the request that hangs")
    wait_until(lambda: sends_syn(running["connect"].pid, hole.port), what="the connect that hangs")

    for qsticky in running.values():
        qsticky.signal(signal.SIGSTOP)
    try:
        until = time.monotonic() + LONGEST_DEADLINE_S + 1
        for name, server in servers.items():
            files[name].write(42000)
            server.heal()
        servers["retry"].start()
        codes = [qsticky.healthcheck()[0] for qsticky in running.values()]
        wait_until(lambda: time.monotonic() > until, LONGEST_DEADLINE_S + 5, "the night to pass")
    finally:
        for qsticky in running.values():
            qsticky.signal(signal.SIGCONT)
    assert codes == [0, 1, 1, 1, 1]
    for name in servers:
        if name != "connect":
            running[name].wait_in_sync(42000)
            assert servers[name].listen_port == 42000
    running["connect"].wait_health(state="retrying", healthy=False)


# -- names -------------------------------------------------------------------------


def test_a_name_server_that_dies_and_comes_back_with_another_address_is_followed(
    namespace: Namespace,
    new_fake: Callable[..., FaultyServer],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    resolver = place / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    old = new_fake(host="127.0.0.5").start()
    new = new_fake(host="127.0.0.6")
    new.port = old.port
    port_file.write(41000)
    with NameServer({NAME: [old.host]}) as names:
        qsticky = sidecar(
            old,
            env={"QSTICKY_QBITTORRENT_HOST": NAME},
            wrapper=with_mounted(resolver, "/etc/resolv.conf"),
        )
        qsticky.wait_in_sync(41000)
        old.stop()
        new.start()

        names.deaf = True
        asked = len(names.asked)
        qsticky.wait_health(state="retrying", healthy=False)
        wait_until(lambda: len(names.asked) >= asked + 4, what="more questions")
        assert "look up" in qsticky.wait_failed()["last_error"]
        names.stop()
        failures = qsticky.wait_failed()["consecutive_failures"]
        wait_until(
            lambda: qsticky.health()["consecutive_failures"] >= failures + 2, what="more failures"
        )
        assert "no answer from the name server" in qsticky.wait_failed()["last_error"]
        names.deaf, names.addresses = False, None
        names.start()
        asked = len(names.asked)
        wait_until(lambda: len(names.asked) >= asked + 4, what="more questions")
        qsticky.wait_failed()

        names.addresses = {NAME: [new.host]}
        qsticky.wait_in_sync(41000)
    assert new.listen_port == 41000
    assert "no answer from the name server" in qsticky.troubles()[0]
    assert not any("127.0.0" in line for line in qsticky.troubles())


# -- descriptors ---------------------------------------------------------------------


def limit_descriptors(qsticky: Sidecar, soft: int) -> None:
    _, hard = resource.prlimit(qsticky.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(qsticky.pid, resource.RLIMIT_NOFILE, (soft, max(soft, hard)))


@MUSL
def test_without_descriptors_to_spare_it_says_so_and_goes_on_when_there_are(
    root: None, fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, log_level="INFO")
    qsticky.wait_in_sync(41000)
    wait_until(lambda: fake.open_connections == 0, what="the cycle's end")
    held = len(os.listdir(f"/proc/{qsticky.pid}/fd"))
    before, _ = resource.prlimit(qsticky.pid, resource.RLIMIT_NOFILE)
    for spare in range(3):
        port = 42000 + spare
        file = place / f"trace{spare}"
        with strace.Strace(qsticky.pid, file) as trace:
            limit_descriptors(qsticky, held + spare)
            port_file.write(port)
            # One at a time is enough for all but the connection, which needs two with a tunnel.
            if spare == 0:
                wait_until(lambda: not qsticky.health_file.exists(), what="health to be given up")
                assert qsticky.healthcheck()[0] == 1
                wait_until(lambda: sum(one.slept for one in trace.calls()) >= 2, what="two rounds")
                assert fake.listen_port == 41000
            limit_descriptors(qsticky, before)
        assert len(trace.calls()) < 2000
        qsticky.wait_in_sync(port)
    wait_until(
        lambda: len(os.listdir(f"/proc/{qsticky.pid}/fd")) <= held + 1, what="the rest to be closed"
    )


@MUSL
def test_started_with_few_descriptors_it_gets_there_or_says_why_not(
    root: None, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    got_there = []
    for limit in range(13):
        qsticky = sidecar(fake, wrapper=("prlimit", f"--nofile={limit}:4096"), log_level="INFO")

        def settled(qsticky: Sidecar = qsticky) -> bool:
            healthy = (qsticky.health() or {}).get("healthy")
            return healthy or bool(qsticky.troubles()) or qsticky.process.poll() is not None

        wait_until(settled, what=f"its end, trouble or sync with {limit} descriptors")
        ended = qsticky.process.poll() is not None
        gives_up = any("cannot go on" in line for line in qsticky.lines("ERROR"))
        if ended or gives_up:
            assert qsticky.wait() == 1
            assert gives_up or limit <= 3
            assert not qsticky.health_file.exists()
            continue
        if not (qsticky.health() or {}).get("healthy"):
            limit_descriptors(qsticky, 4096)
        got_there.append(limit)
        qsticky.wait_in_sync(41000)
        assert qsticky.stop() == 0
    assert got_there and got_there[-1] == 12


# -- signals -----------------------------------------------------------------------

ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGSTOP}


@MUSL  # ASan handles some of them in its own way
@pytest.mark.parametrize("where", ["outside", "inside"])
def test_pid_1_is_ended_by_no_signal_but_its_own_two(
    where: str, root: None, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """From its container and from the host; the kernel treats them differently."""
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600, wrapper=AS_PID_1)
    qsticky.wait_in_sync(41000)
    wait_until(lambda: fake.open_connections == 0, what="the cycle's end")
    cycles, harmless = len(fake.connections), [*range(1, signal.SIGRTMAX + 1)]
    harmless = [number for number in harmless if number not in ENDING | {signal.SIGHUP}]
    assert len(harmless) == 59

    def send(*numbers: int) -> None:
        if where == "outside":
            for number in numbers:
                qsticky.signal(number)
            return
        script = f"import os\nfor number in {[int(each) for each in numbers]}: os.kill(1, number)"
        enter = ["nsenter", "--target", str(qsticky.pid), "--pid", "--"]
        # With PID 1 goes all that is in there, the sender too.
        ends = signal.SIGTERM in numbers
        subprocess.run([*enter, sys.executable, "-c", script], check=not ends)

    send(*harmless)
    fake.preferences["listen_port"] = 6881  # nothing but a cycle can notice
    send(signal.SIGHUP)
    wait_until(lambda: fake.listen_port == 41000, what="the check that SIGHUP asks for")
    wait_until(lambda: fake.open_connections == 0, what="that cycle's end")
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    wait_until(lambda: fake.open_connections == 0, what="the cycle's end")
    assert len(fake.connections) == cycles + 2, "one for SIGHUP, one for the port"
    assert not qsticky.troubles()
    assert sum("SIGHUP" in line for line in qsticky.log) == 1
    send(*harmless, signal.SIGTERM)
    assert qsticky.wait() == 0
    assert not qsticky.health_file.exists()

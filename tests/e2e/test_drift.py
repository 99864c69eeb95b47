"""Point 3: what changes behind qsticky's back is repaired, and a qBittorrent that is not there
is waited for without noise."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import pytest

from clock import MOVABLE, Clock
from conftest import MakeSidecar
from faults import close_at_once, reply
from faulty_server import CONNECT, PREFERENCES, SET_PREFERENCES, FaultyServer
from harness import PortFile, QBittorrent, free_port, wait_until
from receiver import Receiver


def test_a_port_changed_by_hand_is_repaired_by_the_next_check(
    qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(qbittorrent)
    qsticky.wait_in_sync(port)
    qsticky.wait_log(f"in sync: port {port}")
    for _ in range(3):
        by_hand, before = free_port(), len(qsticky.log)
        qbittorrent.set_preferences({"listen_port": by_hand})
        qsticky.wait_log(f"port change needed: {by_hand} -> {port}", after=before)
        qsticky.wait_log(f"in sync: port {port}", after=before)
        assert qbittorrent.listen_port() == port
    assert not qsticky.troubles()


def test_a_fight_with_another_updater_is_told_once_and_repaired_in_silence(
    new_qbittorrent: Callable[..., QBittorrent],
    new_fake: Callable[..., FaultyServer],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """The other one sets its port whenever it finds another, as qsticky does."""
    server = new_qbittorrent().start()
    receiver = new_fake(Receiver, like="gotify").start()
    port, foreign = free_port(), free_port()
    port_file.write(port)
    qsticky = sidecar(
        server,
        log_level="INFO",
        env={"QSTICKY_WEBHOOK_URL": receiver.url, "QSTICKY_REANNOUNCE": "true"},
    )

    def repaired(times: int) -> None:
        for _ in range(times):
            server.set_preferences({"listen_port": foreign})
            wait_until(lambda: server.listen_port() == port, what="the repair")
            qsticky.wait_cycles(1)  # it reads back what it has set

    qsticky.wait_in_sync(port)
    qsticky.wait_log("asked qBittorrent to announce all torrents")
    repaired(2)
    assert not qsticky.troubles() and qsticky.health()["hint"] is None
    repaired(1)
    warning = qsticky.wait_trouble()
    assert f"something else sets port {foreign} again and again, and qsticky sets {port}" in warning
    for culprit in ("up-command", "a mod of qBittorrent's image", "another qsticky"):
        assert culprit in warning
    health = qsticky.wait_health(hint=warning.partition("WARN  ")[2].partition(" (")[0])
    assert health["healthy"] is True
    wait_until(lambda: any("again and again" in one for one in receiver.told()), what="the message")
    before, told = len(qsticky.log), receiver.told()
    repaired(5)
    qsticky.wait_cycles(2)
    assert qsticky.log[before:] == []
    assert receiver.told() == told and sum("again and again" in one for one in told) == 1
    assert sum("announce" in line for line in qsticky.log) == 1
    # It ends, which is one line.
    if MOVABLE:
        with Clock(qsticky.pid, time.CLOCK_MONOTONIC) as clock:
            clock.move(600)
            qsticky.wait_log("nothing has set another port for ten minutes", after=before)
            assert qsticky.wait_health(healthy=True)["hint"] is None
            qsticky.wait_cycles(2)
        assert len(qsticky.log[before:]) == 1
    # Another port is not fought over.
    other = free_port()
    port_file.write(other)
    assert qsticky.wait_in_sync(other)["hint"] is None
    wait_until(lambda: receiver.told()[-1].endswith(f"-> {other}"), what="that port to be told")


def test_a_repair_that_takes_several_attempts_is_one_drift(
    fake: FaultyServer,
    new_fake: Callable[..., FaultyServer],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    receiver = new_fake(Receiver, like="gotify").start()
    port_file.write(41000)
    qsticky = sidecar(fake, log_level="INFO", env={"QSTICKY_WEBHOOK_URL": receiver.url})
    qsticky.wait_in_sync(41000)
    wait_until(lambda: len(receiver.told()) == 1, what="the first message")
    before = qsticky.health()["last_port_change"]
    fake.fault(SET_PREFERENCES, reply(500), times=3)
    fake.preferences["listen_port"] = 6999
    qsticky.wait_health(state="retrying")
    health = qsticky.wait_in_sync(41000)
    assert fake.count(SET_PREFERENCES) == 5
    assert health["hint"] is None and health["last_port_change"] > before
    wait_until(
        lambda: any(one.endswith("port 6999 -> 41000") for one in receiver.told()),
        what="the message",
    )
    assert sum("port change needed: 6999 -> 41000" in line for line in qsticky.log) == 1
    assert not any("again and again" in line for line in qsticky.log)


def test_a_fight_is_told_once_however_many_attempts_its_repair_takes(
    fake: FaultyServer,
    new_fake: Callable[..., FaultyServer],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    receiver = new_fake(Receiver, like="gotify").start()
    port_file.write(41000)
    qsticky = sidecar(fake, log_level="INFO", env={"QSTICKY_WEBHOOK_URL": receiver.url})
    qsticky.wait_in_sync(41000)
    for attempts in (1, 1, 3):
        if attempts > 1:
            fake.fault(SET_PREFERENCES, reply(500), times=attempts - 1)
        fake.preferences["listen_port"] = 6881
        wait_until(lambda: fake.listen_port == 41000, what="the repair")
        qsticky.wait_cycles(1)
    assert qsticky.wait_in_sync(41000)["hint"]
    assert [line for line in qsticky.log if "again and again" in line] == [
        line for line in qsticky.log if line.endswith(" (3 times)")
    ]
    wait_until(lambda: any("again and again" in one for one in receiver.told()), what="the message")


def test_a_random_port_chosen_by_hand_is_repaired(
    qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(qbittorrent)
    qsticky.wait_in_sync(port)
    qbittorrent.set_preferences({"random_port": True})  # 4.4 and later say so by port 0
    wait_until(
        lambda: (qbittorrent.listen_port(), qbittorrent.preferences()["random_port"])
        == (port, False),
        what="the port to be set back",
    )


@pytest.mark.parametrize("found", [0, -5, 70000, 1])
def test_a_nonsense_port_in_qbittorrent_is_repaired(
    found: int, qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    qbittorrent.set_preferences({"listen_port": found})
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(qbittorrent)
    qsticky.wait_in_sync(port)
    assert qbittorrent.listen_port() == port


def test_a_killed_qbittorrent_that_comes_back_with_another_port_is_repaired(
    new_qbittorrent: Callable[..., QBittorrent], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_qbittorrent().start()
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server)
    qsticky.wait_in_sync(port)
    for _ in range(2):
        server.kill()
        down = qsticky.wait_health(state="retrying", healthy=False)
        assert "refused" in down["last_error"] and str(server.webui_port) in down["last_error"]
        assert qsticky.healthcheck()[0] == 1
        other = free_port()
        server.start(f"--torrenting-port={other}")
        qsticky.wait_log(f"port change needed: {other} -> {port}")
        qsticky.wait_in_sync(port)
        assert server.listen_port() == port
    wait_until(lambda: server.accepts_connections(port), what="the port to be open")
    assert not qsticky.lines("ERROR")
    assert len(qsticky.lines("WARN")) == 2, "one for each outage"
    assert server.logins().failure == 0


def test_changes_in_quick_succession_do_not_trip_over_a_web_ui_that_reopens_its_socket(
    new_qbittorrent: Callable[..., QBittorrent], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """As 4.5 does at each set, where it listens on all addresses: its default."""
    server = new_qbittorrent(
        password=secrets.token_hex(),  # for these seconds others may knock, too
        extra_config={"Preferences": {r"WebUI\Address": "*"}},
    ).start()
    port_file.write(free_port())
    qsticky = sidecar(server, interval=3600)
    for _ in range(30):
        port = free_port()
        port_file.write(port)
        qsticky.wait_in_sync(port)
        assert server.listen_port() == port
    assert not qsticky.troubles()
    assert server.logins("::ffff:127.0.0.1") == (1, 0, 0)


def test_a_restart_between_two_checks_is_repaired_by_the_next(
    new_fake: Callable[..., FaultyServer], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """No failed cycle shows it: only the comparison does."""
    server = new_fake(listen_port=6881).start()
    port_file.write(41000)
    qsticky = sidecar(server)
    qsticky.wait_in_sync(41000)
    wait_until(lambda: server.open_connections == 0, what="the cycle's connection to end")
    server.restart(listen_port=6881)
    wait_until(lambda: server.listen_port == 41000, what="the port to be set back")
    assert not qsticky.troubles()


def test_qbittorrent_not_there_at_start_is_one_warning_and_sync_when_it_comes(
    new_qbittorrent: Callable[..., QBittorrent], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_qbittorrent()
    port = free_port()
    port_file.write(port)
    # a whole hour between checks: it is the retry schedule that must find qBittorrent
    qsticky = sidecar(server, interval=3600)
    health = qsticky.wait_health(state="retrying", healthy=False)
    assert health["current_port"] is None and health["forwarded_port"] == port
    assert health["qbittorrent_version"] is None
    wait_until(
        lambda: (qsticky.health() or {})["consecutive_failures"] >= 3, what="two more retries"
    )
    server.start()
    qsticky.wait_in_sync(port)
    assert server.listen_port() == port
    assert len(qsticky.lines("WARN")) == 1 and not qsticky.lines("ERROR")
    qsticky.wait_log(f"in sync: port {port}")
    assert sum(f"in sync: port {port}" in line for line in qsticky.lines("INFO")) == 1


def test_retries_come_after_one_two_and_four_seconds(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Jitter may take an eighth, a busy machine may add."""
    fake.fault(CONNECT, close_at_once())
    port_file.write(41000)
    qsticky = sidecar(fake, interval=60)
    wait_until(lambda: len(fake.connections) >= 4, what="three retries")
    first, second, third = (
        after - before for before, after in zip(fake.connections, fake.connections[1:4])
    )
    assert first >= 0.85 and second >= 1.7 and third >= 3.4
    assert len(qsticky.lines("WARN")) == 1 and not qsticky.lines("ERROR")
    assert qsticky.health()["consecutive_failures"] >= 3


def test_retries_are_never_further_apart_than_the_interval(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.fault(CONNECT, close_at_once())
    port_file.write(41000)
    qsticky = sidecar(fake, interval=1)
    # doubling all the way, the seventh would come after a minute
    wait_until(lambda: len(fake.connections) >= 7, what="six retries")
    assert len(qsticky.lines("WARN")) == 1


def test_a_file_change_is_tried_at_once_in_the_middle_of_a_long_wait(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.fault(CONNECT, close_at_once())
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600)
    wait_until(lambda: (qsticky.health() or {}).get("consecutive_failures") == 5, what="5 failures")
    fake.heal()
    port_file.write(42000)  # the next retry is due in 14 s or more
    qsticky.wait_in_sync(42000, timeout=10)


def test_a_problem_that_changes_its_nature_is_said_anew(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    fake.fault(PREFERENCES, reply(500, b"oops", reason="Internal Server Error"))
    first = qsticky.wait_health(state="retrying")["last_error"]
    fake.stop()
    wait_until(lambda: qsticky.health()["last_error"] != first, what="the other error")
    qsticky.wait_cycles(2)
    assert len(qsticky.lines("WARN")) == 2
    fake.heal()
    fake.start()
    qsticky.wait_in_sync(41000)


def test_random_port_and_upnp_are_switched_off_only_where_they_are_on(
    new_fake: Callable[..., FaultyServer], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    plain = new_fake().start()
    port_file.write(41000)
    sidecar(plain).wait_in_sync(41000)
    assert plain.seen(SET_PREFERENCES)[0].form() == {"json": '{"listen_port":41000}'}

    server = new_fake(preferences={"random_port": True, "upnp": True}).start()
    sidecar(server).wait_in_sync(41000)
    assert (
        server.seen(SET_PREFERENCES)[0].form()["json"]
        == '{"listen_port":41000,"random_port":false,"upnp":false}'
    )


def test_upnp_that_was_switched_on_since_the_last_cycle_is_switched_off_with_the_new_port(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """A new port is sent without a look before, so the first request cannot know."""
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600)
    qsticky.wait_in_sync(41000)
    fake.preferences |= {"upnp": True, "random_port": True}
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    assert fake.preferences["upnp"] is fake.preferences["random_port"] is False
    assert fake.listen_port == 42000
    assert not qsticky.troubles()


def test_an_announce_port_or_a_peer_proxy_is_warned_of_once(
    new_fake: Callable[..., FaultyServer], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_fake(
        preferences={
            "announce_port": 50000,
            "proxy_type": 2,
            "proxy_ip": "10.0.0.1",
            "proxy_peer_connections": True,
        }
    ).start()
    port_file.write(41000)
    qsticky = sidecar(server)
    qsticky.wait_in_sync(41000)
    qsticky.wait_cycles(4)
    warnings = qsticky.lines("WARN")
    assert sum("announce" in line for line in warnings) == 1
    assert sum("proxy" in line for line in warnings) == 1
    assert len(warnings) <= 2 and not qsticky.lines("ERROR")

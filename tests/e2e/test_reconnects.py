"""The tunnel and qBittorrent come and go in all the orders that happen, and in some that hardly do:
a scripted qBittorrent whose listening sockets die with the interface, as libtorrent's do."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeSidecar, Sidecar
from faults import reply, reset_at_once
from faulty_server import (
    PREFERENCES,
    REANNOUNCE,
    SHUTDOWN,
    SET_PREFERENCES,
    TRANSFER_INFO,
    Exchange,
    Fault,
    FaultyServer,
)
from harness import PATIENCE, PortFile, QBittorrent, free_port, wait_until
from listening_server import ListeningServer
from namespace import BRIDGE, BRIDGE_ADDRESS, TUNNEL, TUNNEL_ADDRESS, Namespace
from receiver import Receiver
from versions import VERSIONS

MUSL = pytest.mark.parametrize("binary", ["musl"], indirect=True)
NewListening = Callable[..., ListeningServer]


@pytest.fixture(autouse=True)
def _inside(namespace: Namespace) -> None:
    """Before qBittorrent and qsticky, which are to be in it. Off, IPv6 takes no time."""
    namespace.set_ipv6(False)
    namespace.add_bridge()


def ports_set(server: FaultyServer) -> list[object]:
    """Every port that was asked for, in order."""
    values = (json.loads(request.form()["json"]) for request in server.seen(SET_PREFERENCES))
    return [value["listen_port"] for value in values if "listen_port" in value]


# -- a rebind, request by request -----------------------------------------------


def test_a_rebind_is_another_valid_port_and_then_the_right_one(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server, interval=3600)
    qsticky.wait_in_sync(41000)
    assert ports_set(server) == []

    namespace.delete(TUNNEL)
    qsticky.wait_health(reachable=False, healthy=False, rebinds=0)
    namespace.add_tunnel()
    namespace.wait_open(41000)
    health = qsticky.wait_health(reachable=True, healthy=True, rebinds=1)
    assert health["last_error"] is None
    other, right = ports_set(server)
    assert right == 41000 and other != 41000 and 1024 <= other <= 65535
    first, second = server.seen(SET_PREFERENCES)
    assert first.number < second.number and second.time > first.time
    assert server.listen_port == 41000


@MUSL
@pytest.mark.parametrize("port", [1, 1023, 1024, 65535])
def test_no_port_is_too_low_or_too_high_for_it(
    port: int,
    namespace: Namespace,
    new_listening: NewListening,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=port).start()
    server.close_port()
    port_file.write(port)
    sidecar(server).wait_health(reachable=True, healthy=True, rebinds=1)
    other, right = ports_set(server)
    assert right == port and other != port and 1024 <= other <= 65535


def test_killed_between_the_two_requests_the_next_start_repairs_the_port(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Point 4."""
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    server.close_port()
    port_file.write(41000)
    qsticky = sidecar(server, start=False)

    def kill(exchange: Exchange) -> None:
        exchange.reply()
        qsticky.kill()

    server.fault(SET_PREFERENCES, kill, times=1)
    qsticky.start()
    wait_until(lambda: qsticky.process.poll() is not None, what="the kill")
    assert server.listen_port != 41000, "the worst moment"
    after = sidecar(server)
    after.wait_health(state="in_sync", reachable=True, current_port=41000)
    assert server.listen_port == 41000 and namespace.far_end_reaches(41000)


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "unanswered"])
def test_stopped_between_the_two_requests_it_sends_the_second_one_first(
    answered: bool,
    namespace: Namespace,
    new_listening: NewListening,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    server.close_port()
    port_file.write(41000)
    qsticky = sidecar(server, start=False)

    def stop(exchange: Exchange) -> None:
        answer = exchange.reply().wire()
        os.kill(qsticky.pid, signal.SIGTERM)
        if answered:
            exchange.send(answer)
        else:
            exchange.hold()

    server.fault(SET_PREFERENCES, stop, times=1)
    qsticky.start()
    assert qsticky.wait() == 0
    wait_until(lambda: server.count(SET_PREFERENCES) == 2, what="the second request")
    wait_until(lambda: server.listen_port == 41000, what="the right port")
    assert not qsticky.health_file.exists()


def test_a_second_request_that_fails_is_made_up_for_by_the_next_cycle(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    server.close_port()
    port_file.write(41000)
    server.fault(
        SET_PREFERENCES, reply(500, b"oops", reason="Internal Server Error"), times=1, skip=1
    )
    qsticky = sidecar(server)
    qsticky.wait_health(state="in_sync", reachable=True, current_port=41000)
    assert server.listen_port == 41000 and namespace.far_end_reaches(41000)


@MUSL
def test_once_opens_the_port_or_says_by_its_exit_code_that_it_is_closed(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    assert sidecar(server, args=("once",)).wait() == 0
    port_file.write(42000)
    assert sidecar(server, args=("once",)).wait() == 0
    assert namespace.far_end_reaches(42000)
    server.close_port()
    assert sidecar(server, args=("once",)).wait() == 0
    assert namespace.far_end_reaches(42000)
    assert len(ports_set(server)) == 3 and server.listen_port == 42000

    server.opens = False
    server.close_port()
    closed = sidecar(server, args=("once",))
    assert closed.wait() == 1
    assert "42000" in closed.troubles()[-1]
    assert len(ports_set(server)) == 5 and server.listen_port == 42000


# -- how often ------------------------------------------------------------------


@MUSL
def test_where_a_rebind_does_not_help_the_next_is_a_minute_later(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """The one test that waits that minute."""
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    server.opens = False
    server.close_port()
    port_file.write(41000)
    qsticky = sidecar(server)
    health = qsticky.wait_health(healthy=False, reachable=False, rebinds=1)
    assert "41000" in health["last_error"]
    wait_until(lambda: server.count(SET_PREFERENCES) == 2, what="the first rebind")
    qsticky.wait_cycles(2)  # the line about the first of them comes after its health
    said = len(qsticky.troubles())
    assert 1 <= said <= 3, "closed; in vain"

    cycles = server.count(PREFERENCES)
    wait_until(lambda: server.count(PREFERENCES) >= cycles + 8, what="more cycles")
    assert server.count(SET_PREFERENCES) == 2
    assert server.listen_port == 41000, "not left at the other port meanwhile"
    assert len(qsticky.troubles()) == said, "once"
    assert qsticky.healthcheck()[0] == 1

    server.opens = True
    qsticky.wait_health(60 + PATIENCE, healthy=True, reachable=True, rebinds=2)
    times = [request.time for request in server.seen(SET_PREFERENCES)]
    assert len(times) == 4
    assert times[2] - times[0] >= 59
    assert namespace.far_end_reaches(41000)


@MUSL
def test_a_rebind_that_came_too_soon_after_a_reconnect_is_repeated(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Two seconds later, which is no trouble, and not after the minute."""
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server, interval=3600)
    qsticky.wait_in_sync(41000)
    server.opens = False
    namespace.reconnect()
    wait_until(lambda: server.count(SET_PREFERENCES) == 2, what="the first rebind")
    server.opens = True
    qsticky.wait_health(healthy=True, reachable=True, rebinds=2)
    times = [request.time for request in server.seen(SET_PREFERENCES)]
    assert len(times) == 4 and times[2] - times[0] >= 1.9
    assert namespace.far_end_reaches(41000)
    qsticky.wait_log("had qBittorrent reopen its port")
    assert qsticky.troubles() == []


def test_a_port_that_another_program_has_taken_is_not_rebound_over_and_over(
    namespace: Namespace,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """Point 5, with the real one. The other program has not begun to listen."""
    namespace.add_tunnel()
    server = new_qbittorrent(address="").start()
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", port))
        port_file.write(port)
        qsticky = sidecar(server)
        qsticky.wait_health(healthy=False, reachable=False, current_port=port)
        health = qsticky.wait_health(healthy=False, reachable=False, current_port=port, rebinds=1)
        assert str(port) in health["last_error"] and "refuses" in health["last_error"]
        qsticky.wait_cycles(2)  # the line about the first of them comes after its health
        said = len(qsticky.troubles())
        qsticky.wait_cycles(4)
        health = qsticky.health()
        assert health["rebinds"] == 1 and health["reachable"] is False
        assert health["state"] in ("retrying", "error")
        assert "another program" in health["last_error"]
        assert server.listen_port() == port
        assert len(qsticky.troubles()) == said


@MUSL
@pytest.mark.parametrize("version", VERSIONS)
def test_a_port_at_which_another_program_answers_is_not_taken_for_open(
    version: str,
    namespace: Namespace,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """It has TCP and UDP: the probe gets through, but qBittorrent says that it has no socket at all."""
    namespace.add_tunnel()
    server = new_qbittorrent(version=version, address="").start()
    port = free_port()
    with socket.create_server(("0.0.0.0", port)), socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("0.0.0.0", port))
        port_file.write(port)
        qsticky = sidecar(server)
        health = qsticky.wait_health(healthy=False, reachable=False, current_port=port)
        assert "another program" in health["last_error"]
        qsticky.wait_cycles(2)
        health = qsticky.health()
        assert health["healthy"] is False and health["rebinds"] == 0
        assert health["connection_status"] == "disconnected"


@MUSL
@pytest.mark.parametrize("version", VERSIONS)
def test_a_qbittorrent_that_has_only_just_started_is_not_taken_for_deaf(
    version: str,
    namespace: Namespace,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """For its first 1.5 s it says "disconnected" (5.1.0, 5.3.0) although it listens."""
    namespace.add_tunnel()
    port = free_port()
    server = new_qbittorrent(version=version, listen_port=port, address="")
    port_file.write(port)
    qsticky = sidecar(server)
    qsticky.wait_health(state="retrying")
    time.sleep(4)  # its first question about that is overdue by then
    server.start()
    qsticky.wait_in_sync(port)
    qsticky.wait_cycles(3)
    health = qsticky.health()
    assert health["healthy"] is True and health["reachable"] is True and health["rebinds"] == 0
    assert len(qsticky.troubles()) == 1, "it was not there"
    qsticky.wait_health(healthy=True, connection_status="firewalled")


def test_ten_reconnects_in_ten_seconds_are_one_or_two_rebinds(
    namespace: Namespace,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    namespace.add_tunnel()
    server = new_qbittorrent(address="").start()
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server, interval=3600)
    qsticky.wait_in_sync(port)
    began = time.monotonic()
    starts = []
    for number in range(10):
        time.sleep(max(0.0, began + number * 0.7 - time.monotonic()))
        starts.append(time.monotonic())
        namespace.reconnect()
    namespace.wait_open(port)
    health = qsticky.wait_health(healthy=True, reachable=True)
    # After the first rebind an event settles for a second: on a busy machine there may be such lulls.
    lulls = sum(after - before > 0.95 for before, after in itertools.pairwise(starts))
    assert 1 <= health["rebinds"] <= 2 + lulls


# -- in all orders --------------------------------------------------------------


def test_a_rewrite_of_the_same_port_has_it_probed(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server, interval=3600)
    qsticky.wait_in_sync(41000)
    server.close_port()  # of which no event tells
    port_file.write(41000)
    namespace.wait_open(41000)
    qsticky.wait_health(healthy=True, reachable=True, rebinds=1)


def test_a_file_that_is_emptied_and_filled_around_a_reconnect_makes_no_difference(
    namespace: Namespace,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """As Gluetun goes about it: first the file, then the tunnel; and the file last."""
    namespace.add_tunnel()
    server = new_qbittorrent(address="").start()
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server, interval=3600)
    qsticky.wait_in_sync(port)
    port_file.clear()
    namespace.delete(TUNNEL)
    qsticky.wait_health(state="waiting_for_port", healthy=True)
    namespace.add_tunnel()
    port_file.write(port)
    namespace.wait_open(port)
    health = qsticky.wait_health(healthy=True, reachable=True, rebinds=1)
    assert health["current_port"] == port == server.listen_port()


def test_a_reconnect_while_qbittorrent_is_down_is_no_reason_for_a_rebind(
    namespace: Namespace,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    namespace.add_tunnel()
    server = new_qbittorrent(address="").start()
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server)
    qsticky.wait_in_sync(port)
    server.stop()
    qsticky.wait_health(state="retrying")
    namespace.reconnect()
    server.start()
    health = qsticky.wait_in_sync(port)
    assert health["reachable"] is True
    namespace.wait_open(port)
    assert health["rebinds"] == 0


@pytest.mark.parametrize("request_number", [1, 2])
def test_a_reconnect_in_the_middle_of_a_rebind_heals_too(
    request_number: int,
    namespace: Namespace,
    new_listening: NewListening,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """After the first request the second makes it good; after the second it takes another rebind."""
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server, interval=3600)
    qsticky.wait_in_sync(41000)

    def reconnect(exchange: Exchange) -> None:
        answer = exchange.reply().wire()
        namespace.reconnect()
        exchange.send(answer)

    server.fault(SET_PREFERENCES, reconnect, times=1, skip=request_number - 1)
    namespace.reconnect()
    wait_until(lambda: server.count(SET_PREFERENCES) == 2 * request_number, what="the rebinds")
    namespace.wait_open(41000)
    health = qsticky.wait_health(healthy=True, reachable=True, current_port=41000)
    assert health["rebinds"] == request_number
    assert namespace.far_end_reaches(41000)


@MUSL
@pytest.mark.parametrize("made_again", [True, False], ids=["link", "address only"])
def test_an_address_that_comes_a_moment_later_is_no_news(
    made_again: bool,
    namespace: Namespace,
    new_fake: Callable[..., FaultyServer],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    namespace.add_tunnel()
    receiver = new_fake(Receiver, like="gotify").start()
    server = new_fake(listen_port=41000).start()
    port_file.write(41000)
    with ExitStack() as stack:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            open_port = stack.enter_context(socket.socket(socket.AF_INET, kind))
            open_port.bind(("", 41000))
            if kind == socket.SOCK_STREAM:
                open_port.listen()
        qsticky = sidecar(server, interval=3600, env={"QSTICKY_WEBHOOK_URL": receiver.url})
        qsticky.wait_health(state="in_sync", reachable=True)
        if made_again:
            namespace.reconnect(address_first=False)
        else:
            address = f"{TUNNEL_ADDRESS}/32 dev {TUNNEL}"
            namespace.ip(f"addr del {address}")
            time.sleep(0.3)  # the length of the gap is what this is about
            namespace.ip(f"addr add {address}")
        seen = len(server.seen(PREFERENCES))
        os.kill(qsticky.pid, signal.SIGHUP)
        wait_until(lambda: len(server.seen(PREFERENCES)) > seen, what="the check")
        qsticky.wait_health(state="in_sync", reachable=True, rebinds=0)
    assert qsticky.troubles() == [] and receiver.told() == []


@MUSL
@pytest.mark.parametrize("version", VERSIONS)
def test_a_reconnect_that_one_rebind_repairs_is_no_message(
    version: str,
    namespace: Namespace,
    new_fake: Callable[..., FaultyServer],
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """A port that stays closed is one."""
    namespace.add_tunnel()
    receiver = new_fake(Receiver, like="gotify").start()
    port = free_port()
    server = new_qbittorrent(version=version, listen_port=port, address="").start()
    port_file.write(port)
    qsticky = sidecar(server, interval=3600, env={"QSTICKY_WEBHOOK_URL": receiver.url})
    qsticky.wait_health(state="in_sync", reachable=True)
    namespace.reconnect()
    namespace.wait_open(port)
    qsticky.wait_health(state="in_sync", reachable=True, rebinds=1)
    assert receiver.told() == []
    server.stop()  # what comes first shows that nothing came before
    os.kill(qsticky.pid, signal.SIGHUP)
    wait_until(receiver.told, what="that qBittorrent is gone")
    assert "connection refused" in receiver.told()[0]


@MUSL
def test_the_second_of_two_quick_reconnects_does_not_wait_for_its_minute(
    namespace: Namespace,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    namespace.add_tunnel()
    server = new_qbittorrent(address="").start()
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server, interval=3600)
    qsticky.wait_in_sync(port)
    for count in (1, 2):
        namespace.reconnect()
        namespace.wait_open(port)
        qsticky.wait_health(healthy=True, reachable=True, rebinds=count)


def test_a_change_of_the_port_is_no_rebind(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """It opens the sockets again by itself. They come some time after the answer."""
    namespace.add_tunnel()
    server = new_listening(listen_port=6881).start()
    server.lag = 0.3
    qsticky = sidecar(server, interval=3600)
    for port in (41000, 42000, 43000):
        namespace.reconnect()
        port_file.write(port)
        qsticky.wait_in_sync(port)
        assert qsticky.wait_health(reachable=True)["rebinds"] == 0
    assert ports_set(server) == [41000, 42000, 43000]
    assert not qsticky.troubles()


@MUSL
def test_what_happens_to_other_interfaces_is_no_reason_for_a_check(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Else each container that starts on the same host would make one, with network_mode: host."""
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server, interval=3600)
    qsticky.wait_in_sync(41000)
    before = server.count(PREFERENCES)
    namespace.add_link("veth0")
    namespace.ip("link set veth0 up", "addr add 10.77.0.1/24 dev veth0", "link set veth0 down")
    namespace.ip(f"addr add 10.78.0.1/24 dev {BRIDGE}", f"addr del 10.78.0.1/24 dev {BRIDGE}")
    time.sleep(2)  # nothing tells that nothing happens; an event settles for a second
    assert server.count(PREFERENCES) == before


# -- the tunnel itself ----------------------------------------------------------


@pytest.mark.parametrize("version", ["4.5.2", "5.3.0"])
def test_without_a_tunnel_here_nothing_is_probed(
    version: str,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """Point 6: qsticky on a bridge network, healthy by what it reads back."""
    server = new_qbittorrent(version=version, interface="", address="127.0.0.1").start()
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server)
    qsticky.wait_in_sync(port)
    qsticky.wait_cycles(2)
    health = qsticky.health()
    assert health["healthy"] is True and health["reachable"] is None and health["rebinds"] == 0
    assert not qsticky.troubles()


UNUSABLE = {
    "down": f"link set {TUNNEL} down",
    "without-address": f"addr flush dev {TUNNEL}",
    "gone": f"link delete {TUNNEL}",
}


@pytest.mark.parametrize("how", UNUSABLE)
def test_a_tunnel_that_cannot_be_used_any_more_is_unhealthy(
    how: str,
    namespace: Namespace,
    new_listening: NewListening,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server, interval=3600)
    qsticky.wait_in_sync(41000)
    namespace.ip(UNUSABLE[how])
    health = qsticky.wait_health(reachable=False, healthy=False)
    assert TUNNEL in health["last_error"] and health["rebinds"] == 0
    assert ports_set(server) == [], "there is nothing to listen on"
    if how != "gone":
        namespace.delete(TUNNEL)
    namespace.add_tunnel()
    namespace.wait_open(41000)
    qsticky.wait_health(healthy=True, reachable=True)


@MUSL
def test_a_tunnel_that_is_down_from_the_start_is_unhealthy(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    namespace.add_link(TUNNEL)
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server)
    health = qsticky.wait_health(reachable=False, healthy=False)
    assert TUNNEL in health["last_error"] and ports_set(server) == []


@MUSL
def test_a_tunnel_that_goes_while_no_port_is_wanted_is_a_fault_after_30_s(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Longer than a reconnect takes, and sooner than the grace for the port ends."""
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    qsticky = sidecar(server, interval=3600, env={"QSTICKY_NO_PORT_GRACE": "3600"})
    qsticky.wait_health(state="waiting_for_port", healthy=True)
    writes = qsticky.health_writes()
    began = time.monotonic()
    namespace.delete(TUNNEL)
    wait_until(lambda: qsticky.health_writes() != writes, what="a cycle")
    health = qsticky.health()
    assert health["healthy"] is True and health["state"] == "waiting_for_port"
    assert health["reachable"] is not True

    health = qsticky.wait_health(30 + PATIENCE, healthy=False, reachable=False)
    assert time.monotonic() - began >= 29.5
    assert f"{TUNNEL} is gone" in health["last_error"] and ports_set(server) == []
    namespace.add_tunnel()
    qsticky.wait_health(state="waiting_for_port", healthy=True)
    assert len(qsticky.troubles()) == 1


@MUSL
@pytest.mark.parametrize("port", [41000, None], ids=["port", "no-port"])
def test_an_interface_that_is_named_and_never_comes_is_a_fault_after_the_grace(
    port: int | None,
    namespace: Namespace,
    new_listening: NewListening,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """Whatever the file says, which may be last week's."""
    server = new_listening(listen_port=41000).start()
    if port:
        port_file.write(port)
    env = {"QSTICKY_VPN_INTERFACE": TUNNEL, "QSTICKY_NO_PORT_GRACE": "4"}
    qsticky = sidecar(server, interval=3600, env=env)
    health = qsticky.wait_health(healthy=True, reachable=None)
    assert health["state"] == ("in_sync" if port else "waiting_for_port")

    health = qsticky.wait_health(healthy=False, reachable=False, forwarded_port=port)
    assert TUNNEL in health["last_error"] and "QSTICKY_VPN_INTERFACE" in health["last_error"]
    assert qsticky.healthcheck()[0] == 1
    qsticky.wait_cycles(2)
    (said,) = (line for line in qsticky.troubles() if TUNNEL in line)
    assert "network_mode" in said, "what to do, and that once"

    port_file.write(41000)
    namespace.add_tunnel()
    server.open_port()
    qsticky.wait_health(healthy=True, reachable=True)


@MUSL
@pytest.mark.parametrize("version", ["5.1.0", "5.3.0"])
def test_what_qbittorrent_said_in_an_outage_is_not_believed_after_the_next(
    version: str,
    namespace: Namespace,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """Bound to the tunnel it is disconnected then, and opens its port again by itself."""
    namespace.add_tunnel()
    port = free_port()
    server = new_qbittorrent(
        version=version, listen_port=port, interface=TUNNEL, address=""
    ).start()
    port_file.write(port)
    qsticky = sidecar(server, interval=3600)
    qsticky.wait_in_sync(port)
    for _ in range(3):
        namespace.delete(TUNNEL)
        qsticky.wait_health(healthy=False)
        wait_until(lambda: "disconnected" in server.api("GET", "transfer/info"), what="the word")
        qsticky.wait_cycles(3)  # in which it asks, too, if it has not
        namespace.add_tunnel()
        namespace.wait_open(port)
        qsticky.wait_health(healthy=True, reachable=True)
    assert not any("another program" in line for line in qsticky.troubles())


@MUSL
def test_another_interface_may_be_the_tunnel(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server, env={"QSTICKY_VPN_INTERFACE": BRIDGE})
    qsticky.wait_health(healthy=True, reachable=True)
    namespace.delete(BRIDGE)
    namespace.add_bridge()
    namespace.wait_open(41000, BRIDGE_ADDRESS)
    qsticky.wait_health(healthy=True, reachable=True, rebinds=1)


def test_none_switches_all_of_it_off(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server, env={"QSTICKY_VPN_INTERFACE": "none"})
    qsticky.wait_in_sync(41000)
    namespace.reconnect()
    server.close_port()
    qsticky.wait_cycles(4)
    health = qsticky.health()
    assert health["healthy"] is True and health["reachable"] is None and health["rebinds"] == 0
    assert ports_set(server) == [] and not qsticky.troubles()


@MUSL
def test_ipv6_is_probed_only_where_the_tunnel_has_it_for_good_and_qbittorrent_uses_it(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    namespace.set_ipv6(True)
    namespace.add_tunnel()
    only_v4 = {"current_interface_address": "0.0.0.0"}
    port_file.write(41000)
    narrow = new_listening(listen_port=41000, preferences=only_v4).start()
    wide = new_listening(listen_port=41000).start()
    # Longer than this test takes, nobody may use the new address.
    namespace.call(
        lambda: Path(f"/proc/sys/net/ipv6/conf/{TUNNEL}/dad_transmits").write_text("100")
    )
    namespace.ip(f"addr add fd00::2/64 dev {TUNNEL}")
    qstickies = [sidecar(narrow), sidecar(wide)]
    for qsticky in qstickies:
        qsticky.wait_in_sync(41000)
        qsticky.wait_cycles(3)
        assert qsticky.health()["reachable"] is True, "over IPv4, with the other address tentative"

    namespace.ip(f"addr add fd00::3/64 dev {TUNNEL} nodad")
    health = qstickies[1].wait_health(healthy=False, reachable=False)
    assert "fd00:" in health["last_error"]
    qstickies[1].wait_health(healthy=True, reachable=True, rebinds=1)
    qstickies[0].wait_cycles(2)
    health = qstickies[0].health()
    assert health["reachable"] is True and health["rebinds"] == 0


# -- what a rebind cannot help --------------------------------------------------

HOPELESS: dict[str, tuple[Mapping[str, Any], str]] = {
    "lo": ({"current_network_interface": "lo"}, "lo"),
    "another-interface": ({"current_network_interface": BRIDGE}, BRIDGE),
    "another-address": (
        {"current_network_interface": TUNNEL, "current_interface_address": "10.2.0.77"},
        "10.2.0.77",
    ),
    "any-at-another-address": ({"current_interface_address": BRIDGE_ADDRESS}, BRIDGE_ADDRESS),
    "proxy": (
        {"proxy_type": 2, "proxy_ip": "10.0.0.1", "proxy_peer_connections": True},
        "proxy",
    ),
}


@MUSL
@pytest.mark.parametrize("case", HOPELESS)
def test_where_a_rebind_cannot_help_there_is_none_and_the_reason_is_said_once(
    case: str,
    namespace: Namespace,
    new_listening: NewListening,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    preferences, word = HOPELESS[case]
    namespace.add_tunnel()
    server = new_listening(listen_port=41000, preferences=dict(preferences)).start()
    if case == "proxy":
        server.close_port()
    port_file.write(41000)
    qsticky = sidecar(server)
    health = qsticky.wait_health(healthy=False, reachable=False, current_port=41000)
    assert word in health["last_error"]
    qsticky.wait_cycles(4)
    health = qsticky.health()
    assert health["healthy"] is False and health["rebinds"] == 0
    assert word in health["last_error"]
    assert server.count(SET_PREFERENCES) == 0
    assert word in qsticky.wait_trouble(), "one line, whatever there is to say"


@MUSL
@pytest.mark.parametrize("case", ["lo", "another-interface", "another-address"])
def test_binding_repairs_what_a_rebind_cannot(
    case: str,
    namespace: Namespace,
    new_listening: NewListening,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000, preferences=dict(HOPELESS[case][0])).start()
    port_file.write(41000)
    qsticky = sidecar(server, env={"QSTICKY_BIND_INTERFACE": "true"})
    qsticky.wait_health(healthy=True, reachable=True, rebinds=0)
    assert namespace.far_end_reaches(41000)
    assert server.preferences["current_network_interface"] == TUNNEL
    qsticky.wait_cycles(2)
    assert server.count(SET_PREFERENCES) == 1, "then left alone"


@MUSL
def test_without_a_tunnel_there_is_nothing_to_bind_to(
    new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    bound = {"current_network_interface": BRIDGE}
    server = new_listening(listen_port=41000, preferences=bound).start()
    port_file.write(41000)
    qsticky = sidecar(server, env={"QSTICKY_BIND_INTERFACE": "true"})
    qsticky.wait_in_sync(41000)
    qsticky.wait_cycles(2)
    assert server.count(SET_PREFERENCES) == 0


# -- telling the trackers -------------------------------------------------------


@MUSL
def test_trackers_are_told_once_and_a_little_later_where_that_is_asked_for(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server, env={"QSTICKY_REANNOUNCE": "true"})
    qsticky.wait_in_sync(41000)
    qsticky.wait_cycles(3)
    assert server.count(REANNOUNCE) == 0, "it was right from the start"

    for count, port in enumerate((42000, 43000), start=1):
        port_file.write(port)
        qsticky.wait_in_sync(port)
        wait_until(lambda want=count: server.count(REANNOUNCE) == want, what="the re-announce")
        request = server.seen(REANNOUNCE)[-1]
        assert request.method == "POST" and request.form() == {"hashes": "all"}
        assert request.time - server.seen(SET_PREFERENCES)[-1].time >= 1.5
        qsticky.wait_cycles(3)
        assert server.count(REANNOUNCE) == count

    namespace.reconnect()
    qsticky.wait_health(healthy=True, reachable=True, rebinds=1)
    wait_until(lambda: server.count(REANNOUNCE) == 3, what="the one after the reconnect")
    qsticky.wait_cycles(4)
    assert server.count(REANNOUNCE) == 3, "the public address may be new, once"


@MUSL
@pytest.mark.parametrize("said", ["", "false"], ids=["unset", "false"])
def test_binding_brings_the_telling_with_it_unless_that_is_refused(
    said: str,
    namespace: Namespace,
    new_listening: NewListening,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    namespace.add_tunnel()
    server = new_listening().start()
    port_file.write(41000)
    env = {"QSTICKY_BIND_INTERFACE": "true", "QSTICKY_REANNOUNCE": said}
    qsticky = sidecar(server, env=env)
    told = 0
    for change in (lambda: None, namespace.reconnect):
        change()
        qsticky.wait_cycles(2)
        qsticky.wait_health(healthy=True, reachable=True)
        told += not said
        wait_until(lambda want=told: server.count(REANNOUNCE) == want, what="the re-announce")
        qsticky.wait_cycles(4)
        assert server.count(REANNOUNCE) == told


@MUSL
def test_after_a_reconnect_nothing_is_told_before_there_is_a_port(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Gluetun empties the file at a reconnect, and has a port some seconds later."""
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server, env={"QSTICKY_REANNOUNCE": "true"})
    qsticky.wait_in_sync(41000)
    port_file.clear()
    qsticky.wait_health(state="waiting_for_port")
    namespace.reconnect()
    qsticky.wait_cycles(5)
    assert server.count(REANNOUNCE) == 0
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    wait_until(lambda: server.count(REANNOUNCE) == 1, what="the re-announce")
    qsticky.wait_cycles(4)
    assert server.count(REANNOUNCE) == 1, "for both changes"


@MUSL
def test_telling_the_trackers_is_tried_again_where_it_failed(
    new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_listening().start()
    server.fault(REANNOUNCE, reply(500), times=1)
    port_file.write(41000)
    qsticky = sidecar(server, env={"QSTICKY_REANNOUNCE": "true"})
    qsticky.wait_log("asked qBittorrent to announce all torrents")
    assert server.count(REANNOUNCE) == 2
    (warning,) = qsticky.lines("WARN")
    assert "reannounce" in warning and "500" in warning


@MUSL
def test_binding_without_an_interface_is_warned_of(
    new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    env = {"QSTICKY_BIND_INTERFACE": "true", "QSTICKY_VPN_INTERFACE": "none"}
    qsticky = sidecar(server, env=env)
    qsticky.wait_in_sync(41000)
    (warning,) = qsticky.lines("WARN")
    assert "QSTICKY_BIND_INTERFACE" in warning and "QSTICKY_VPN_INTERFACE" in warning
    assert server.count(SET_PREFERENCES) == 0


@MUSL
def test_trackers_are_not_told_unasked(
    new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_listening().start()
    port_file.write(41000)
    qsticky = sidecar(server)
    qsticky.wait_in_sync(41000)
    qsticky.wait_cycles(4)
    assert server.count(REANNOUNCE) == 0


# -- hints ----------------------------------------------------------------------


@MUSL
def test_what_qbittorrent_says_of_its_connection_is_passed_on(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000, dialect="5.2").start()
    server.transfer_info |= {
        "connection_status": "connected",
        "last_external_address_v4": "203.0.113.7",
    }
    port_file.write(41000)
    qsticky = sidecar(server)
    qsticky.wait_health(
        healthy=True, connection_status="connected", external_address="203.0.113.7"
    )
    server.transfer_info |= {"connection_status": "firewalled", "last_external_address_v4": ""}
    port_file.write(42000)  # it lags, so it is asked some time after a change
    qsticky.wait_health(healthy=True, connection_status="firewalled", external_address=None)
    qsticky.wait_cycles(3)
    assert server.count(TRANSFER_INFO) <= 3, "a request that not every cycle makes"


@MUSL
@pytest.mark.parametrize(
    "answer",
    [
        reply(404, b"Not Found", reason="Not Found"),
        reply(200, b"{}"),
        reply(200, b'{"connection_status":7,"last_external_address_v4":[]}'),
        reply(200, b"<html>"),
        reset_at_once(),
    ],
    ids=["404", "nothing", "other-types", "no-json", "reset"],
)
def test_it_does_without(
    answer: Fault,
    namespace: Namespace,
    new_listening: NewListening,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    server.fault(TRANSFER_INFO, answer)
    port_file.write(41000)
    qsticky = sidecar(server)
    wait_until(lambda: server.count(TRANSFER_INFO) > 0, what="the question")
    qsticky.wait_cycles(2)
    health = qsticky.health()
    assert health["healthy"] is True and health["reachable"] is True
    assert health["connection_status"] is None and health["external_address"] is None
    assert not qsticky.troubles()


# -- events that are lost -------------------------------------------------------


def test_events_that_the_kernel_had_to_drop_are_made_up_for(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server, interval=3600)
    qsticky.wait_in_sync(41000)
    os.kill(qsticky.pid, signal.SIGSTOP)
    try:
        flood = [f"addr {what} 10.77.0.1/32 dev lo" for what in ("add", "del")]
        wait_until(lambda: namespace.ip(*flood * 500) or drops(qsticky), what="events to be lost")
        namespace.reconnect()  # of which it cannot have heard
    finally:
        os.kill(qsticky.pid, signal.SIGCONT)
    namespace.wait_open(41000)
    qsticky.wait_health(healthy=True, reachable=True, rebinds=1)


def drops(qsticky: Sidecar) -> int:
    """Messages that did not fit into its netlink sockets."""
    table = Path("/proc/net/netlink").read_text().splitlines()
    names, rows = table[0].split(), [line.split() for line in table[1:]]
    sockets = {os.readlink(fd) for fd in Path(f"/proc/{qsticky.pid}/fd").iterdir()}
    return sum(
        int(row[names.index("Drops")])
        for row in rows
        if f"socket:[{row[names.index('Inode')]}]" in sockets
    )


# -- the namespace itself -------------------------------------------------------


@MUSL
def test_an_orphaned_namespace_ends_it_after_30_s_and_nothing_else_does(
    new_listening: NewListening, place: Path, sidecar: MakeSidecar, peers: ExitStack
) -> None:
    """Point 7. All cases side by side, as each takes these 30 s."""
    homes: dict[str, Namespace] = {}
    qstickies: dict[str, Sidecar] = {}
    servers: dict[str, ListeningServer] = {}
    shutdown = {"QSTICKY_ORPHAN_SHUTDOWN": "true"}

    def start(
        case: str,
        *,
        links: bool = True,
        port: int | None = 41000,
        interval: int = 1,
        **env: str,
    ) -> None:
        home = homes[case] = peers.enter_context(closing(Namespace()))
        file = PortFile(place / case / "forwarded_port")
        if port:
            file.write(port)
        if links:
            home.add_bridge()
            home.add_tunnel()
        if "fallback" in case:
            # Down, and in every namespace where the kernel has these modules (net.core.
            # fb_tunnels_only_for_init_net): they say nothing.
            home.ip("link add name tunl0 type veth peer name ip6tnl0")
        server = servers[case] = new_listening(listen_port=41000)
        home.call(server.start)
        qsticky = home.call(
            lambda: sidecar(server, port_file=file, interval=interval, env=env)
        )
        qsticky.wait_health(state="in_sync" if port else "waiting_for_port", healthy=True)
        qstickies[case] = qsticky

    start("orphan")
    start("orphan with fallback tunnels", interval=3600, **shutdown)
    start("tunnel lost", **shutdown)
    start("came back", **shutdown)
    start("no port", port=None, **shutdown)
    start("no port, never more", port=None, links=False, **shutdown)
    start("never more", links=False, **shutdown)
    start("switched off", QSTICKY_VPN_INTERFACE="none")
    began = time.monotonic()
    for case, home in homes.items():
        if "never more" not in case:
            home.delete(TUNNEL)
            if case != "tunnel lost":
                home.delete(BRIDGE)
    qstickies["orphan"].wait_health(healthy=False, reachable=False)
    time.sleep(max(0.0, began + 5 - time.monotonic()))
    homes["came back"].add_bridge()

    for case in ("orphan", "orphan with fallback tunnels"):
        orphan = qstickies.pop(case)
        assert orphan.wait(30 + PATIENCE) == 3
        assert time.monotonic() - began >= 29.5
        health = json.loads(orphan.health_file.read_text())
        assert health["healthy"] is False and "loopback" in health["last_error"]
        code, line = orphan.healthcheck()
        assert code == 1 and "loopback" in line
        assert len(orphan.lines("ERROR")) == 1
    assert servers["orphan"].count(SHUTDOWN) == 0, "nobody has asked for it"
    assert servers["orphan with fallback tunnels"].count(SHUTDOWN) == 1

    time.sleep(max(0.0, began + 34 - time.monotonic()))
    for case, qsticky in qstickies.items():
        assert qsticky.process.poll() is None, f"{case}: gone, too\n" + "\n".join(qsticky.log)
        assert not qsticky.lines("ERROR"), case
        assert servers[case].count(SHUTDOWN) == 0, case
    for case in ("no port, never more", "never more", "switched off"):
        assert qstickies[case].health()["healthy"] is True, case
    health = qstickies["no port"].health()
    assert health["healthy"] is False and "loopback" in health["last_error"]


@MUSL
@pytest.mark.parametrize("version", VERSIONS)
def test_a_qbittorrent_in_the_orphaned_namespace_is_shut_down_where_that_is_asked_for(
    version: str,
    namespace: Namespace,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """It has lost our session meanwhile, so that takes a login."""
    namespace.add_tunnel()
    server = new_qbittorrent(version=version, address="").start()
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server, interval=3600, env={"QSTICKY_ORPHAN_SHUTDOWN": "true"})
    qsticky.wait_in_sync(port)
    namespace.delete(TUNNEL)
    namespace.delete(BRIDGE)
    qsticky.wait_health(healthy=False)
    server.restart()
    assert qsticky.wait(30 + PATIENCE) == 3
    assert server.process is not None
    assert server.process.wait(PATIENCE) == 0
    assert "restart qBittorrent" not in "\n".join(qsticky.log)
    assert qsticky.lines("INFO")[-1].endswith(
        "qBittorrent shuts down, so that its restart policy moves it, too"
    )


@MUSL
def test_a_qbittorrent_that_cannot_be_shut_down_is_left_to_the_reader(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    server.fault(SHUTDOWN, reply(404, b"", reason="Not Found"))
    port_file.write(41000)
    qsticky = sidecar(server, interval=3600, env={"QSTICKY_ORPHAN_SHUTDOWN": "true"})
    qsticky.wait_in_sync(41000)
    namespace.delete(TUNNEL)
    namespace.delete(BRIDGE)
    assert qsticky.wait(30 + PATIENCE) == 3
    assert server.count(SHUTDOWN) == 1
    assert "shutdown" in qsticky.lines("WARN")[-1]
    assert "restart qBittorrent's container" in qsticky.lines("WARN")[-1]

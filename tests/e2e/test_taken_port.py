"""Real qBittorrents whose port somebody else has: another program, a connection of anybody's, or their
own Web UI. qsticky says so, harms nothing, and repairs it when the port is free."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

import versions
from conftest import MakeSidecar
from faulty_server import SET_PREFERENCES
from harness import PATIENCE, PortFile, QBittorrent, free_port
from listening_server import ListeningServer
from namespace import FAR_ADDRESS, TUNNEL_ADDRESS, Namespace
from test_reconnects import NewListening, ports_set

MUSL = pytest.mark.parametrize("binary", ["musl"], indirect=True)
VERSIONS = pytest.mark.parametrize("version", versions.VERSIONS)
NewQBittorrent = Callable[..., QBittorrent]

KINDS = {
    "tcp": [socket.SOCK_STREAM],
    "udp": [socket.SOCK_DGRAM],
    "both": [socket.SOCK_STREAM, socket.SOCK_DGRAM],
}


@pytest.fixture(autouse=True)
def _inside(namespace: Namespace) -> None:
    """Before qBittorrent and qsticky, which are to be in it."""
    namespace.set_ipv6(False)
    namespace.add_tunnel()


@contextmanager
def another_program(port: int, what: str) -> Iterator[None]:
    """Has TCP, UDP or both of the port at every address."""
    with ExitStack() as stack:
        for kind in KINDS[what]:
            sock = stack.enter_context(socket.socket(socket.AF_INET, kind))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
            sock.bind(("0.0.0.0", port))
            if kind == socket.SOCK_STREAM:
                sock.listen(100)
        yield


# -- another program ------------------------------------------------------------


@MUSL
@VERSIONS
@pytest.mark.parametrize("what", ["tcp", "udp"])
def test_a_port_of_which_another_program_has_a_part_is_closed_until_that_is_gone(
    what: str,
    version: str,
    namespace: Namespace,
    new_qbittorrent: NewQBittorrent,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """libtorrent has the other part neither."""
    server = new_qbittorrent(version=version, address="").start()
    port = free_port()
    with another_program(port, what):
        port_file.write(port)
        qsticky = sidecar(server)
        qsticky.wait_health(healthy=False, reachable=False, current_port=port, rebinds=1)
        qsticky.wait_cycles(2)
        health = qsticky.health()
        assert "another program" in health["last_error"], health
        assert what == "tcp" or "source port" in health["last_error"], "not the only cause"
        assert health["reachable_udp"] is (False if what == "tcp" else None)
        assert health["healthy"] is False and health["rebinds"] == 1
        assert server.listen_port() == port
        qsticky.stop()
    # One that is new need not wait for its minute.
    after = sidecar(server)
    health = after.wait_health(healthy=True, reachable=True, reachable_udp=True, rebinds=1)
    assert namespace.far_end_reaches(port)


@MUSL
@VERSIONS
def test_check_tells_another_program_from_qbittorrent(
    version: str,
    new_qbittorrent: NewQBittorrent,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_qbittorrent(version=version, address="").start()
    port = free_port()
    port_file.write(port)
    with another_program(port, "tcp"):
        server.set_preferences({"listen_port": port})
        said = " ".join(check(sidecar, server))
        assert f"another program has port {port}" in said and "UDP is refused" in said
    server.set_preferences({"listen_port": free_port()})
    server.set_preferences({"listen_port": port})
    (line,) = (line for line in check(sidecar, server) if "  probe  " in line)
    assert "open: TCP is accepted, and UDP taken" in line


def check(sidecar: MakeSidecar, server: QBittorrent | ListeningServer) -> list[str]:
    """What `qsticky check` says."""
    command = sidecar(server, args=("check",), start=False)
    command.health_file.parent.mkdir(exist_ok=True)  # where failed logins are counted
    done = subprocess.run(
        command.command, env=command.env, capture_output=True, text=True, check=False
    )
    return done.stdout.splitlines()


@MUSL
@VERSIONS
@pytest.mark.parametrize("protocol", [1, 2], ids=["tcp-only", "utp-only"])
def test_a_qbittorrent_that_speaks_one_protocol_only_has_both_parts(
    protocol: int,
    version: str,
    namespace: Namespace,
    new_qbittorrent: NewQBittorrent,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_qbittorrent(version=version, address="").start()
    server.set_preferences({"bittorrent_protocol": protocol})
    port_file.write(free_port())
    qsticky = sidecar(server)
    qsticky.wait_health(healthy=True, reachable=True, reachable_udp=True)
    qsticky.wait_cycles(4)
    health = qsticky.health()
    assert health["healthy"] is True and health["reachable_udp"] is True
    assert health["rebinds"] == 0 and not qsticky.troubles()
    assert server.preferences()["bittorrent_protocol"] == protocol


# -- a connection ---------------------------------------------------------------


@MUSL
@pytest.mark.parametrize("version", ["4.5.2", "5.3.0"])
def test_a_port_that_a_connection_came_from_is_repaired_a_minute_later(
    version: str,
    namespace: Namespace,
    new_qbittorrent: NewQBittorrent,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """Anybody's, qBittorrent's own too: providers forward ports that the kernel gives away."""
    server = new_qbittorrent(version=version, address="").start()
    port = free_port()
    with namespace.from_afar(lambda: socket.create_server((FAR_ADDRESS, 0))) as listener:
        with socket.socket() as connection:
            connection.bind((TUNNEL_ADDRESS, port))
            connection.connect(listener.getsockname())
            peer, _ = listener.accept()
            port_file.write(port)
            qsticky = sidecar(server)
            health = qsticky.wait_health(
                healthy=False, reachable=False, reachable_udp=False, rebinds=1
            )
            qsticky.wait_cycles(2)
            health = qsticky.health()
            assert "source port" in health["last_error"], health
            # Who ends it first keeps it for a minute more. That is the other end.
            peer.close()
            assert connection.recv(1) == b""
    qsticky.wait_health(60 + PATIENCE, healthy=True, reachable=True, rebinds=2)
    assert namespace.far_end_reaches(port)
    assert server.listen_port() == port


# -- the Web UI's own -----------------------------------------------------------


@MUSL
@VERSIONS
@pytest.mark.parametrize("order", ["from-the-start", "in-sync-before"])
def test_the_web_uis_own_port_is_never_set(
    order: str,
    version: str,
    namespace: Namespace,
    new_qbittorrent: NewQBittorrent,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """It would be taken, and qBittorrent would not survive it at its next start."""
    server = new_qbittorrent(version=version, address="").start()
    first = server.listen_port()
    if order == "in-sync-before":
        first = free_port()
        port_file.write(first)
    else:
        port_file.write(server.webui_port)
    qsticky = sidecar(server)
    if order == "in-sync-before":
        qsticky.wait_in_sync(first)
        port_file.write(server.webui_port)
    health = qsticky.wait_health(state="error", healthy=False, forwarded_port=server.webui_port)
    assert "Web UI" in health["last_error"] and str(server.webui_port) in health["last_error"]
    assert health["current_port"] == first == server.listen_port()
    qsticky.wait_cycles(2)
    (error,) = qsticky.troubles()
    assert "Web UI" in error and "ERROR" in error

    server.restart()
    assert server.listen_port() == first, "it is there, and as it was"
    port = free_port()
    port_file.write(port)
    qsticky.wait_health(healthy=True, reachable=True, current_port=port)
    assert namespace.far_end_reaches(port)


@MUSL
def test_a_web_ui_that_has_moved_to_the_port_that_is_set_is_said(
    new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """By a person. To say that it was not set would send them to sleep."""
    server = new_listening(listen_port=41000).start()
    port_file.write(41000)
    qsticky = sidecar(server)
    qsticky.wait_in_sync(41000)
    server.preferences["web_ui_port"] = 41000
    error = qsticky.wait_health(state="error", healthy=False, current_port=41000)["last_error"]
    assert "is set already" in error and "change the Web UI's port" in error
    assert server.count(SET_PREFERENCES) == 0


@MUSL
def test_a_rebind_goes_by_way_of_no_port_of_the_web_ui(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_listening(listen_port=41000, preferences={"web_ui_port": 41001}).start()
    server.close_port()
    port_file.write(41000)
    sidecar(server).wait_health(healthy=True, reachable=True, rebinds=1)
    other, right = ports_set(server)
    assert right == 41000 and other not in (41000, 41001) and 1024 <= other <= 65535


@MUSL
def test_a_web_ui_that_has_moved_to_the_port_in_between_gets_it_back(
    new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """As behind a proxy. A new port is set without a question before; the answer tells."""
    server = new_listening(listen_port=6881).start()
    port_file.write(41000)
    qsticky = sidecar(server, interval=3600)
    qsticky.wait_in_sync(41000)
    server.preferences["web_ui_port"] = 42000
    port_file.write(42000)
    qsticky.wait_health(state="error", healthy=False, current_port=41000)
    assert server.listen_port == 41000 and ports_set(server) == [41000, 42000, 41000]


@MUSL
def test_a_qbittorrent_that_does_not_name_its_port_is_taken_at_the_configured_one(
    new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_listening(listen_port=6881)
    assert "web_ui_port" not in server.preferences
    server.start()
    port_file.write(server.port)
    health = sidecar(server).wait_health(state="error", healthy=False)
    assert "Web UI" in health["last_error"] and server.count(SET_PREFERENCES) == 0

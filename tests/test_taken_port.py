"""Real qBittorrents whose own Web UI has the port. qsticky says so, and harms nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import versions
from conftest import MakeSidecar
from faulty_server import SET_PREFERENCES
from harness import PortFile, QBittorrent, free_port
from namespace import Namespace
from test_reconnects import NewListening, ports_set

MUSL = pytest.mark.parametrize("binary", ["musl"], indirect=True)
VERSIONS = pytest.mark.parametrize("version", versions.VERSIONS)
NewQBittorrent = Callable[..., QBittorrent]

@pytest.fixture(autouse=True)
def _inside(namespace: Namespace) -> None:
    """Before qBittorrent and qsticky, which are to be in it."""
    namespace.set_ipv6(False)
    namespace.add_tunnel()


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

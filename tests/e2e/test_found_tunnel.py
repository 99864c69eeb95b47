"""Where nobody names the VPN's interface: it is found, or what is here is said once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conftest import MakeSidecar
from harness import PortFile
from listening_server import ListeningServer
from namespace import Namespace

NewListening = Callable[..., ListeningServer]

PORT = 41000
FINDS = {"QSTICKY_VPN_INTERFACE": ""}


@pytest.fixture(autouse=True)
def _inside(namespace: Namespace) -> None:
    namespace.set_ipv6(False)
    namespace.add_bridge()


def add_tun(namespace: Namespace, name: str, address: str) -> None:
    """A veth, as the other tests have it, would be no tunnel."""
    namespace.ip(
        f"tuntap add mode tun {name}", f"addr add {address}/32 dev {name}", f"link set {name} up"
    )


def test_a_tunnel_of_any_name_is_found_at_the_start(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    add_tun(namespace, "proton0", "10.2.0.2")
    port_file.write(PORT)
    qsticky = sidecar(new_listening(listen_port=PORT).start(), env=FINDS)
    assert qsticky.wait_health(healthy=True, reachable=True)["interface"] == "proton0"
    assert "VPN interface proton0" in qsticky.lines("INFO")[0]
    assert qsticky.troubles() == []


def test_where_there_is_none_that_is_said_once_and_it_is_found_when_it_comes(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(PORT)
    qsticky = sidecar(new_listening(listen_port=PORT).start(), env=FINDS, interval=3600)
    assert qsticky.wait_health(healthy=True, reachable=None)["interface"] is None
    line = qsticky.wait_trouble()
    assert "no interface here is a VPN's (eth0)" in line and "QSTICKY_VPN_INTERFACE" in line
    assert "VPN interface not found" in qsticky.lines("INFO")[0]
    before = len(qsticky.log)
    add_tun(namespace, "wg0", "10.2.0.2")
    assert qsticky.wait_health(healthy=True, reachable=True)["interface"] == "wg0"
    assert qsticky.wait_log("VPN interface wg0", after=before) in qsticky.lines("INFO")
    namespace.delete("wg0")
    health = qsticky.wait_health(healthy=False, reachable=False)
    assert "wg0 is gone" in health["last_error"] and health["interface"] == "wg0"


def test_of_several_it_says_which(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    for number in (1, 2):
        add_tun(namespace, f"wg{number}", f"10.2.0.{number}")
    port_file.write(PORT)
    qsticky = sidecar(new_listening(listen_port=PORT).start(), env=FINDS)
    assert qsticky.wait_health(healthy=True, reachable=None)["interface"] is None
    assert "several interfaces may be the VPN's (wg1, wg2)" in qsticky.wait_trouble()
    qsticky.wait_cycles(3)
    assert len(qsticky.troubles()) == 1, "once"


def test_none_in_any_case_switches_it_off(
    namespace: Namespace, new_listening: NewListening, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    add_tun(namespace, "tun0", "10.2.0.2")
    port_file.write(PORT)
    server = new_listening(listen_port=PORT).start()
    server.close_port()
    qsticky = sidecar(server, env={"QSTICKY_VPN_INTERFACE": "None"})
    assert qsticky.wait_health(healthy=True, reachable=None)["interface"] is None
    assert qsticky.troubles() == []

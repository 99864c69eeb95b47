"""The stand-in for Gluetun does what was measured of the real one (v3.40.0, v3.41.3 and master of August
2026): so that a test beside it means something."""

from __future__ import annotations

import os
import socket
import struct
import time
from contextlib import closing
from pathlib import Path

import pytest

from conftest import NewGluetun, missing
from documents import example
from far_end import ADDRESS, GATEWAY, NAT_PMP
from gluetun import COMMAND, Gluetun
from harness import PortFile, wait_until
from namespace import BRIDGE

try:
    import yaml
except ImportError:
    yaml = None

NEW = ("v3.41.3", "master")
ALL = ("v3.40.0", *NEW)
FAST = 0.02  # a minute of Gluetun's takes 1.2 seconds

def is_mapped(gluetun: Gluetun, port: int) -> bool:
    """Whether peers get as far as the tunnel: they are let in, or refused by nobody being there."""

    def connect() -> bool:
        with socket.socket() as sock:
            sock.settimeout(0.3)
            return sock.connect_ex((ADDRESS, port)) != 11  # EAGAIN: no answer at all

    return gluetun.namespace.from_afar(connect)


@pytest.mark.parametrize("version", ALL)
def test_the_port_comes_last_and_peers_get_in_on_it_alone(
    version: str, new_gluetun: NewGluetun, port_file: PortFile
) -> None:
    gluetun = new_gluetun(version)
    port = gluetun.wait_port()
    assert gluetun.has_tunnel() and gluetun.is_healthy()
    assert port_file.path.read_bytes() == str(port).encode(), "no newline"
    assert port_file.path.stat().st_mode & 0o777 == 0o644
    with socket.create_server(("", port)), socket.create_server(("", 0)) as other:
        assert gluetun.namespace.far_end_reaches(port)
        assert not gluetun.namespace.far_end_reaches(other.getsockname()[1])
    # The networks around are not behind the tunnel.
    routes = os.popen("ip route get 172.18.0.9; ip route get 198.51.100.1").read()
    assert f"dev {BRIDGE}" in routes.splitlines()[0] and "dev tun0" in routes


@pytest.mark.parametrize("version", ALL)
def test_a_reconnect_is_another_device_of_that_name_and_address(
    version: str, new_gluetun: NewGluetun
) -> None:
    gluetun = new_gluetun(version)
    port, index = gluetun.wait_port(), gluetun.index()
    inode = gluetun.port_file.path.stat().st_ino
    assert gluetun("reconnect", port) == str(port), "the same port"
    assert gluetun.index() != index
    assert (gluetun.port_file.path.stat().st_ino == inode) or version == "v3.40.0"
    assert gluetun("reconnect") != str(port), "another port"


@pytest.mark.parametrize("version", ALL)
def test_a_renewal_with_another_port_closes_the_old_one_at_once(
    version: str, new_gluetun: NewGluetun
) -> None:
    gluetun = new_gluetun(version, ports=[41000])
    assert gluetun.wait_port() == 41000
    assert gluetun("port", 42000) == "42000"
    assert gluetun.ports() == [42000]
    assert "port changed: [41000] -> [42000]" in gluetun.log()


@pytest.mark.parametrize("version", ALL)
def test_a_gateway_that_refuses_costs_the_port_at_the_next_refresh(
    version: str, new_gluetun: NewGluetun
) -> None:
    gluetun = new_gluetun(version, second=FAST)
    gluetun.wait_port()
    gluetun("gateway", "no")
    wait_until(lambda: not gluetun.ports(), what="the file to be emptied")
    assert gluetun.port_file.path.exists() == (version != "v3.40.0")
    gluetun("gateway", "yes")
    if version == "v3.40.0":
        time.sleep(3 * 5 * FAST)  # it never asks again
        assert not gluetun.ports()
    else:
        gluetun.wait_port()


@pytest.mark.parametrize("version", NEW)
@pytest.mark.parametrize("what", ["gateway", "path"])
def test_silence_empties_the_file_after_two_minutes_and_more(
    what: str, version: str, new_gluetun: NewGluetun
) -> None:
    """Where it is the path that is cut, the tunnel sends and receives nothing; where it is NAT-PMP
    alone, the mapping lapses behind everybody's back."""
    gluetun = new_gluetun(version, second=FAST)
    port = gluetun.wait_port()
    assert is_mapped(gluetun, port)
    since, (received, sent) = time.monotonic(), gluetun.counters()
    gluetun(*(("cut",) if what == "path" else ("gateway", "silent")))
    received = gluetun.counters()[0]
    wait_until(lambda: not is_mapped(gluetun, port), what="the mapping to lapse")
    assert gluetun.ports() == [port], "and Gluetun does not know it"
    wait_until(lambda: not gluetun.ports(), what="the file to be emptied")
    assert time.monotonic() - since >= 127 * FAST
    assert gluetun.counters()[1] >= sent + 5
    assert (gluetun.counters()[0] == received) or what == "gateway"
    gluetun(*(("restore",) if what == "path" else ("gateway", "yes")))
    gluetun.wait_port()
    assert gluetun.counters()[0] > received


def test_the_oldest_notices_a_cut_within_22_seconds_and_removes_the_file(
    new_gluetun: NewGluetun,
) -> None:
    gluetun = new_gluetun("v3.40.0", second=FAST)
    gluetun.wait_port()
    gluetun("cut")
    wait_until(lambda: not gluetun.port_file.path.exists(), what="the file to be removed")
    gluetun("restore")
    gluetun.wait_port()


@pytest.mark.parametrize("version", NEW)
def test_a_first_attempt_that_fails_is_not_repeated_until_the_vpn_restarts(
    version: str, new_gluetun: NewGluetun
) -> None:
    gluetun = new_gluetun(version, second=FAST)
    gluetun.wait_port()
    gluetun("gateway", "no")
    gluetun.set_status("stopped")
    gluetun.set_status("running")
    said = "starting port forwarding service: port forwarding for the first time: "
    gluetun.wait_log(said)
    assert gluetun.has_tunnel() and gluetun.is_healthy()
    gluetun("gateway", "yes")
    time.sleep(15 * FAST)
    assert not gluetun.ports() and gluetun.log().count(said) == 1
    gluetun.set_status("stopped")
    gluetun.set_status("running")
    gluetun.wait_port()


@pytest.mark.parametrize("version", NEW)
def test_stopped_by_its_control_server_it_has_no_tunnel_and_calls_itself_healthy(
    version: str, new_gluetun: NewGluetun
) -> None:
    gluetun = new_gluetun(version)
    gluetun.wait_port()
    gluetun.set_status("stopped")
    assert not gluetun.has_tunnel() and gluetun.ports() == [] and gluetun.is_healthy()
    none = (200, '{"port":0,"ports":[]}\n')
    assert gluetun.ask("GET", "/v1/portforward") == none
    assert gluetun.ask("GET", "/v1/vpn/status") == (200, '{"status":"stopped"}\n')
    gluetun.set_status("running")
    port = gluetun.wait_port()
    assert gluetun.ask("GET", "/v1/portforward") == (200, f'{{"port":{port},"ports":[{port}]}}\n')


@pytest.mark.parametrize("version", NEW)
def test_killed_it_does_not_come_up_again_beside_its_old_rule(
    version: str, new_gluetun: NewGluetun
) -> None:
    """The namespace is kept, as a pod's is. Its file still says the old port."""
    gluetun = new_gluetun(version, second=FAST)
    port = gluetun.wait_port()
    gluetun.kill()
    gluetun.start()
    gluetun.wait_log("retrying in 15s")
    gluetun.wait_log("retrying in 30s")
    assert "adding IPv4 rule: adding ip rule 101: file exists" in gluetun.log()
    assert not gluetun.has_tunnel() and gluetun.ports() == [port]
    gluetun.stop()
    gluetun.namespace.ip("rule del table 51820")
    gluetun.start()
    gluetun.wait_port(other_than=port)
    # Ended by SIGTERM it leaves nothing in its own way.
    gluetun.stop()
    assert gluetun.ports() == [] and not gluetun.has_tunnel()
    gluetun.start()
    gluetun.wait_port()


@pytest.mark.parametrize("version", NEW)
def test_the_command_of_the_kubernetes_manifest_brings_it_up_beside_its_old_rule(
    version: str, new_gluetun: NewGluetun, place: Path
) -> None:
    """As it stands there, with the stand-in where the image has Gluetun; the first time, too."""
    if yaml is None:
        missing("python3-yaml is not installed")
    documents = yaml.safe_load_all(example("kubernetes.yaml"))
    (deployment,) = (one for one in documents if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    command = pod["initContainers"][0]["command"]
    assert command[:2] == ["/bin/sh", "-c"]
    script = command[2].replace("/gluetun-entrypoint", " ".join(COMMAND))
    assert script != command[2]
    gluetun = new_gluetun(version, start=False)
    port = 0
    for _ in range(2):
        gluetun.start(["/bin/sh", "-c", script])
        port = gluetun.wait_port(other_than=port)
        assert gluetun.has_tunnel()
        gluetun.kill()
    assert "file exists" not in gluetun.log()


@pytest.mark.parametrize("version", ALL)
def test_only_master_has_several_ports_and_lists_them_in_ascending_order(
    version: str, new_gluetun: NewGluetun
) -> None:
    env = {"VPN_PORT_FORWARDING_PORTS_COUNT": "3"}
    gluetun = new_gluetun(version, ports=[43000, 41000, 42000], env=env)
    gluetun.wait_port()
    listed = [41000, 42000, 43000] if version == "master" else [43000]
    assert gluetun.ports() == listed
    if version == "master":
        answer = (200, '{"port":41000,"ports":[41000,42000,43000]}\n')
        assert gluetun.ask("GET", "/v1/portforward") == answer


def test_requests_are_logged_and_a_role_opens_what_it_names(new_gluetun: NewGluetun) -> None:
    env = {"HTTP_CONTROL_SERVER_AUTH_DEFAULT_ROLE": '{"auth":"apikey","apikey":"the-key"}'}
    gluetun = new_gluetun("master", env=env)
    gluetun.wait_port()
    assert gluetun.ask("GET", "/v1/portforward")[0] == 401
    assert gluetun.ask("GET", "/v1/portforward", X_API_Key="the-key")[0] == 200
    assert gluetun.requests() == 2 * ["GET /v1/portforward"]


@pytest.mark.parametrize("version", NEW)
def test_a_role_in_the_file_for_the_new_route_does_not_open_the_old_one(
    version: str, new_gluetun: NewGluetun, port_file: PortFile
) -> None:
    text = '[[roles]]\nname = "x"\nroutes = ["GET /v1/portforward"]\nauth = "none"\n'
    port_file.path.with_name("config.toml").write_text(text)
    gluetun = new_gluetun(version, env={"HTTP_CONTROL_SERVER_AUTH_DEFAULT_ROLE": ""})
    gluetun.wait_port()
    assert gluetun.ask("GET", "/v1/portforward")[0] == 200
    assert gluetun.ask("GET", "/v1/openvpn/portforwarded")[0] == 401, "not 301"


def test_the_commands_run_after_the_file_is_written_and_before_it_is_emptied(
    new_gluetun: NewGluetun, port_file: PortFile, place: Path
) -> None:
    told = place / "told"
    note = f"sh -c 'echo \"$0 $1 $2 $(cat {port_file.path})\" >>{told}'"
    gluetun = new_gluetun(
        env={
            "VPN_PORT_FORWARDING_UP_COMMAND": note + " up {{PORT}} {{VPN_INTERFACE}}",
            "VPN_PORT_FORWARDING_DOWN_COMMAND": note + " down {{PORTS}} -",
        }
    )
    port = gluetun.wait_port()
    gluetun.stop()
    assert told.read_text() == f"up {port} tun0 {port}\ndown {port} - {port}\n"


def test_the_gateway_answers_anybody_who_asks_for_its_address(new_gluetun: NewGluetun) -> None:
    """NAT-PMP's opcode 0."""
    gluetun = new_gluetun()
    gluetun.wait_port()
    with closing(socket.socket(type=socket.SOCK_DGRAM)) as sock:
        sock.settimeout(5)
        sock.sendto(b"\0\0", (GATEWAY, NAT_PMP))
        answer = sock.recv(64)
    assert struct.unpack("!BBHI4s", answer)[:3] == (0, 128, 0)

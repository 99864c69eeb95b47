"""Beside Gluetun (its stand-in, which does what was measured of it) and the real qBittorrent: what is so,
what health says, and for how long it says something better."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import clock
from clock import Clock
from conftest import MakeSidecar, NewGluetun, Sidecar, missing
from documents import DOCS, blocks
from far_end import DEVICE
from faulty_server import FaultyServer
from gluetun import Gluetun, Record
from harness import PortFile, QBittorrent, free_port, wait_until
from stack import Watch
from versions import INSTALLED, VERSIONS

try:
    import yaml
except ImportError:
    yaml = None

pytestmark = pytest.mark.parametrize("binary", ["musl"], indirect=True)
MOVES_CLOCK = pytest.mark.skipif(not clock.MOVABLE, reason="no clock.py for this machine")
SOURCES = pytest.mark.parametrize("source", ["file", "gluetun"])

# How long health may say what has ceased to be so: some cycles, and some for a busy machine.
LIE_MAX = Watch.JUDGED_MAX
# How long a tunnel may be gone before that counts: a reconnect takes some seconds.
SETTLE = 35
FAST = 0.05

NewQBittorrent = Callable[..., QBittorrent]


def failures(qsticky: Sidecar) -> int:
    """In a row; none before there is a health file."""
    return (qsticky.health() or {}).get("consecutive_failures", 0)


def asks(source: str) -> dict[str, str]:
    return {"QSTICKY_PORT_SOURCE": source, "QSTICKY_GLUETUN_HOST": "127.0.0.1"}


@contextmanager
def recorded(gluetun: Gluetun, qsticky: Sidecar, lie_max: float = LIE_MAX) -> Iterator[Record]:
    with Record(gluetun, qsticky) as record:
        yield record
    print(record.text())  # for pytest -rP
    assert record.longest_lie() <= lie_max, record.text()


def wait_right(gluetun: Gluetun, qsticky: Sidecar, port: int) -> dict[str, Any]:
    """Peers get in, and health says so."""
    gluetun.namespace.wait_open(port)
    health = qsticky.wait_health(healthy=True, reachable=True, current_port=port)
    assert health["state"] == "in_sync" and health["forwarded_port"] == port
    return health


def jump(qsticky: Sidecar, seconds: int, steps: int = 1, between: Callable[[], Any] = int) -> Clock:
    """Lets that time pass for qsticky, in so many steps with a cycle after each."""
    moved = Clock(qsticky.pid, time.CLOCK_MONOTONIC)
    for step in range(steps):
        between()
        qsticky.wait_cycles(1)  # not in the middle of one
        moved.move(seconds * (step + 1) // steps)
        qsticky.wait_cycles(1)
    return moved


@pytest.fixture
def running(
    new_gluetun: NewGluetun, new_qbittorrent: NewQBittorrent, sidecar: MakeSidecar
) -> Callable[..., tuple[Gluetun, QBittorrent, Sidecar]]:
    """All three, and all is well."""

    def make(
        gluetun: str = "v3.41.3",
        qbittorrent: str = INSTALLED,
        env: Mapping[str, str] | None = None,
        interval: int = 1,
        its_env: dict[str, str] | None = None,
        **options: Any,
    ) -> tuple[Gluetun, QBittorrent, Sidecar]:
        """`env` is qsticky's, `its_env` and the other options are Gluetun's."""
        vpn = new_gluetun(gluetun, env=its_env, **options)
        server = new_qbittorrent(version=qbittorrent, address="").start()
        port = vpn.wait_port()
        qsticky = sidecar(server, env=env, interval=interval)
        wait_right(vpn, qsticky, port)
        return vpn, server, qsticky

    return make


def test_a_record_finds_what_health_says_too_well(
    new_gluetun: NewGluetun, sidecar: MakeSidecar
) -> None:
    """A health file that goes on saying healthy while the tunnel goes and comes."""
    gluetun = new_gluetun()
    liar = sidecar(None, port=1, start=False)
    liar.health_file.parent.mkdir()
    with socket.create_server(("", gluetun.wait_port())):
        with Record(gluetun, liar) as record:
            for state, rows in (("in_sync", 1), ("waiting_for_port", 2)):
                new = liar.health_file.with_name("new")  # at no moment is there half of it
                new.write_text(f'{{"healthy": true, "state": "{state}"}}')
                new.replace(liar.health_file)
                wait_until(lambda least=rows: len(record.rows) >= least, what="a row")
            assert [row[1:] for row in record.rows] == [("open", "open"), ("open", "waiting")]
            gluetun.kill()
            wait_until(lambda: record.rows[-1].so == "no tunnel", what="a row about it")
            time.sleep(0.3)  # for as long it is a lie
    assert record.rows[-1].says == "waiting" and record.longest_lie() >= 0.3
    liar.health_file.unlink()


# -- cold start ----------------------------------------------------------------------

# Each order with another qBittorrent, and each of them.
ORDERS = list(
    zip(
        itertools.permutations(("gluetun", "qbittorrent", "qsticky")),
        itertools.cycle(VERSIONS),
        itertools.cycle(("v3.40.0", "v3.41.3", "master")),
    )
)


@pytest.mark.parametrize(
    "order, version, gluetun_version",
    [pytest.param(*case, id="-".join((*case[0], *case[1:]))) for case in ORDERS],
)
def test_whatever_starts_first_peers_get_in(
    order: tuple[str, ...],
    version: str,
    gluetun_version: str,
    new_gluetun: NewGluetun,
    new_qbittorrent: NewQBittorrent,
    sidecar: MakeSidecar,
) -> None:
    gluetun = new_gluetun(gluetun_version, start=False)
    server = new_qbittorrent(version=version, address="")
    qsticky = sidecar(server, start=False)
    start = {"gluetun": gluetun.start, "qbittorrent": server.start, "qsticky": qsticky.start}
    with recorded(gluetun, qsticky):
        for name in order:
            start[name]()
        health = wait_right(gluetun, qsticky, gluetun.wait_port())
    assert health["rebinds"] <= 1


def test_a_local_port_that_refuses_is_tried_each_second(
    port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """And not after pauses that double: qBittorrent would wait for its port."""
    port_file.write(41000)
    qsticky = sidecar(None, port=free_port(), interval=60)
    qsticky.wait_failed()
    wait_until(lambda: failures(qsticky) >= 7, 12, "a try each second")
    assert len(qsticky.troubles()) == 1, "and it is said once"


# -- another port --------------------------------------------------------------------


@pytest.mark.parametrize(
    "source, version", [*(("file", version) for version in VERSIONS), ("gluetun", INSTALLED)]
)
def test_a_renewal_with_another_port_opens_it(
    source: str, version: str, running: Callable[..., Any]
) -> None:
    gluetun, server, qsticky = running(qbittorrent=version, env=asks(source))
    old, port = gluetun.ports()[0], free_port()
    with recorded(gluetun, qsticky):
        gluetun("port", port)
        wait_right(gluetun, qsticky, port)
    assert old != port == server.listen_port()


def test_the_control_server_is_asked_often_while_things_change(running: Callable[..., Any]) -> None:
    """Each question is a line of Gluetun's log, so not for ever."""
    gluetun, _, _ = running(env=asks("gluetun"), interval=60)
    wait_until(lambda: len(gluetun.requests()) >= 3, 12, "more questions")


@pytest.mark.parametrize("version", ["v3.41.3", "master"])
def test_the_documented_role_without_a_file_lets_qsticky_ask(
    version: str,
    new_gluetun: NewGluetun,
    fake: FaultyServer,
    sidecar: MakeSidecar,
) -> None:
    """The text to paste, of docs/gluetun.md."""
    if yaml is None:
        missing("python3-yaml is not installed")
    (text,) = [
        block.text for block in blocks(DOCS / "gluetun.md", "yaml") if "DEFAULT_ROLE" in block.text
    ]
    services = yaml.safe_load(text.replace("${GLUETUN_APIKEY}", "the-key"))["services"]
    gluetun = new_gluetun(version, env=services["gluetun"]["environment"])
    port = gluetun.wait_port()
    assert gluetun.ask("GET", "/v1/portforward")[0] == 401
    env = services["qsticky"]["environment"] | {"QSTICKY_VPN_INTERFACE": "none"}
    sidecar(fake, env=env).wait_in_sync(port)


def test_of_three_ports_the_first_is_opened(running: Callable[..., Any]) -> None:
    env = {"VPN_PORT_FORWARDING_PORTS_COUNT": "3"}
    ports = sorted(free_port() for _ in range(3))
    gluetun, server, qsticky = running("master", ports=ports[::-1], its_env=env)
    assert gluetun.ports() == ports and server.listen_port() == ports[0]
    fewer = [ports[0], ports[2], ports[1]]
    gluetun("port", *fewer)  # another order of the same: nothing to do
    qsticky.wait_cycles(2)
    assert server.listen_port() == ports[0] and qsticky.health()["rebinds"] == 0


@SOURCES
def test_of_three_ports_the_one_that_was_asked_for_is_opened(
    source: str,
    new_gluetun: NewGluetun,
    new_qbittorrent: NewQBittorrent,
    sidecar: MakeSidecar,
) -> None:
    ports = sorted(free_port() for _ in range(3))
    env = {"VPN_PORT_FORWARDING_PORTS_COUNT": "3"}
    gluetun = new_gluetun("master", ports=ports, env=env)
    server = new_qbittorrent(address="").start()
    gluetun.wait_port()
    qsticky = sidecar(server, env=asks(source) | {"QSTICKY_PORT_INDEX": "2"})
    qsticky.wait_health(healthy=True, state="in_sync")
    assert server.listen_port() == ports[1]
    assert qsticky.health()["forwarded_ports"] == ports


@SOURCES
def test_three_qbittorrents_have_a_port_each(
    source: str,
    new_gluetun: NewGluetun,
    new_qbittorrent: NewQBittorrent,
    sidecar: MakeSidecar,
) -> None:
    """And have them again when the VPN has reconnected, with others."""
    env = {"VPN_PORT_FORWARDING_PORTS_COUNT": "3"}
    gluetun = new_gluetun("master", env=env)
    servers = [new_qbittorrent(address="").start() for _ in range(3)]
    gluetun.wait_port()
    sidecars = [
        sidecar(server, env=asks(source) | {"QSTICKY_PORT_INDEX": str(index)})
        for index, server in enumerate(servers, 1)
    ]

    def assert_each(ports: list[int]) -> None:
        assert len(set(ports)) == 3
        for server, qsticky, port in zip(servers, sidecars, ports):
            wait_right(gluetun, qsticky, port)
            assert server.listen_port() == port

    before = gluetun.ports()
    assert_each(before)
    gluetun("reconnect")
    gluetun.wait_port(other_than=before[0])
    assert_each(gluetun.ports())


def test_the_same_ports_in_another_order_change_nothing_and_other_ports_are_counted_again(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Counted again, each qsticky takes another one; a port that is kept might be another one's by now."""
    env = {"QSTICKY_PORT_INDEX": "2", "QSTICKY_VPN_INTERFACE": "none"}
    port_file.write("41001\n41002\n41003\n")
    qsticky = sidecar(fake, env=env)
    qsticky.wait_in_sync(41002)
    for text in ("41002\n41001\n41003\n", "41003\n41001\n41002\n"):
        port_file.write(text)
        ports = [int(line) for line in text.split()]
        assert qsticky.wait_health(forwarded_ports=ports)["forwarded_port"] == 41002
    port_file.write("41002\n41003\n41004\n")
    qsticky.wait_health(healthy=True, state="in_sync", current_port=41003)
    # Fewer than asked for: an ordinary state, and it says how many there are.
    port_file.write("41003\n")
    health = qsticky.wait_health(state="waiting_for_port", healthy=True, forwarded_port=None)
    assert health["forwarded_ports"] == [41003] and health["current_port"] == 41003
    qsticky.wait_log("no port 2 yet: Gluetun forwards 1")
    port_file.write("41003\n41004\n")
    qsticky.wait_health(healthy=True, state="in_sync", current_port=41004)
    assert qsticky.troubles() == []


def test_the_control_server_is_not_asked_each_second_while_qbittorrent_starts(
    new_gluetun: NewGluetun, sidecar: MakeSidecar
) -> None:
    gluetun = new_gluetun()
    gluetun.wait_port()
    qsticky = sidecar(None, port=free_port(), env=asks("gluetun"), interval=60)
    wait_until(lambda: failures(qsticky) >= 8, 30, "a try each second")
    assert len(gluetun.requests()) <= 2 + qsticky.health()["uptime_seconds"] / 5


# -- the gateway ---------------------------------------------------------------------


def test_a_gateway_that_falls_silent_is_not_seen_until_gluetun_gives_up(
    running: Callable[..., Any],
) -> None:
    """The provider lets nobody in any more, and nothing in here is any different: docs/reconnects.md."""
    gluetun, _, qsticky = running(second=FAST)
    port = gluetun.wait_port()
    with recorded(gluetun, qsticky, lie_max=128 * FAST + LIE_MAX) as record:
        gluetun("gateway", "silent")
        wait_until(lambda: not gluetun.ports(), what="the file to be emptied")
        qsticky.wait_health(state="waiting_for_port", healthy=True)
        gluetun("gateway", "yes")
        health = wait_right(gluetun, qsticky, gluetun.wait_port())
    assert health["rebinds"] == 0 and qsticky.troubles() == []
    assert ("closed", "open") in [row[1:] for row in record.rows]
    assert gluetun.ports() == [port]


def test_a_port_that_was_lost_is_said_to_be_lost(running: Callable[..., Any]) -> None:
    gluetun, _, qsticky = running(env={"QSTICKY_NO_PORT_GRACE": "2"})
    gluetun("port", 0)
    error = qsticky.wait_health(healthy=False)["last_error"]
    assert "Gluetun has had no port since " in error
    assert "VPN_PORT_FORWARDING" not in error and "mounted" not in error


@MOVES_CLOCK
def test_a_first_attempt_that_failed_is_told_to_need_a_restart(running: Callable[..., Any]) -> None:
    """Gluetun does not ask again."""
    gluetun, _, qsticky = running()
    gluetun("gateway", "no")
    gluetun.set_status("stopped")
    gluetun.set_status("running")
    gluetun.wait_log("for the first time")
    qsticky.wait_health(state="waiting_for_port")
    with jump(qsticky, 125, 2):
        wait_until(lambda: "restart Gluetun" in "".join(qsticky.log), 5, "the advice")


# -- the tunnel goes -----------------------------------------------------------------


@MOVES_CLOCK
@SOURCES
def test_a_vpn_that_was_stopped_is_unhealthy_soon_whatever_the_source_says(
    source: str, running: Callable[..., Any]
) -> None:
    gluetun, _, qsticky = running(env=asks(source))
    gluetun.set_status("stopped")
    assert gluetun.is_healthy(), "as Gluetun sees it"
    qsticky.wait_health(forwarded_port=None)
    with jump(qsticky, SETTLE):
        error = qsticky.wait_health(healthy=False)["last_error"]
        assert f"{DEVICE} is gone" in error
        wait_until(lambda: f"{DEVICE} is gone" in "".join(qsticky.troubles()), what="a line about it")
        for _ in range(3):
            qsticky.wait_cycles(1)
            assert qsticky.health()["healthy"] is False, "and it does not get better by waiting"
        gluetun.set_status("running")
        wait_right(gluetun, qsticky, gluetun.wait_port())


@MOVES_CLOCK
@SOURCES
def test_killed_in_a_kept_namespace_gluetun_does_not_come_up_and_health_says_so(
    source: str, running: Callable[..., Any]
) -> None:
    """As in a pod. Its file still has the old port, its control server none."""
    gluetun, _, qsticky = running(env=asks(source))
    port = gluetun.wait_port()
    gluetun.kill()
    gluetun.start()
    gluetun.wait_log("file exists")
    assert gluetun.ports() == [port]
    with jump(qsticky, SETTLE):
        qsticky.wait_health(healthy=False)
        for _ in range(4):
            qsticky.wait_cycles(1)
            health = qsticky.health()
            assert health["healthy"] is False and f"{DEVICE} is gone" in health["last_error"]
    gluetun.stop()
    gluetun.namespace.ip("rule del table 51820")
    gluetun.start()
    wait_right(gluetun, qsticky, gluetun.wait_port(other_than=port))


def test_health_does_not_rise_when_gluetun_comes_back_without_a_tunnel(
    running: Callable[..., Any],
) -> None:
    """At first its control server does not answer; then it has no port."""
    gluetun, _, qsticky = running(env=asks("gluetun"))
    gluetun.kill()
    qsticky.wait_health(healthy=False)
    gluetun.start()
    gluetun.wait_log("file exists")
    asked = len(gluetun.requests())
    wait_until(lambda: len(gluetun.requests()) >= asked + 2, what="questions")
    qsticky.wait_cycles(2)
    assert qsticky.health()["healthy"] is False


@pytest.mark.parametrize("version", VERSIONS)
def test_after_a_reconnect_with_the_same_port_peers_get_in_again(
    version: str, running: Callable[..., Any]
) -> None:
    gluetun, _, qsticky = running(qbittorrent=version)
    port, index = gluetun.wait_port(), gluetun.index()
    with recorded(gluetun, qsticky):
        gluetun("reconnect", port)
        wait_right(gluetun, qsticky, port)
    assert gluetun.index() != index


def test_a_reconnect_with_the_same_port_is_an_ordinary_event(running: Callable[..., Any]) -> None:
    gluetun, _, qsticky = running(interval=3600)  # else a check may come while there is no tunnel
    port, before = gluetun.wait_port(), len(qsticky.lines("INFO"))
    gluetun("reconnect", port)
    qsticky.wait_health(healthy=True, reachable=True, rebinds=1)
    gluetun("port", port)  # has it checked again
    qsticky.wait_cycles(1)
    assert qsticky.troubles() == []
    # The file may be found empty in between, which is said as ever.
    (line,) = [line for line in qsticky.lines("INFO")[before:] if DEVICE in line]
    assert f"had qBittorrent reopen its port: {DEVICE}" in line


def check(qsticky: Sidecar) -> str:
    done = subprocess.run(
        [qsticky.command[0], "check"], env=qsticky.env, capture_output=True, text=True, check=False
    )
    return done.stdout


def test_check_does_not_suggest_what_is_right_where_the_vpn_is_stopped(
    running: Callable[..., Any],
) -> None:
    gluetun, _, qsticky = running()
    gluetun.set_status("stopped")
    qsticky.wait_health(forwarded_port=None)
    said = check(qsticky)
    assert DEVICE in said
    assert "network_mode" not in said and "QSTICKY_VPN_INTERFACE" not in said, said


# -- a silent cut --------------------------------------------------------------------


def send(count: int = 5) -> None:
    """Into the tunnel, to somebody who does not answer."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            sock.sendto(b"?", ("198.51.100.1", 9))


@MOVES_CLOCK
def test_a_tunnel_that_sends_and_gets_nothing_back_is_unhealthy(running: Callable[..., Any]) -> None:
    gluetun, _, qsticky = running()
    port = gluetun.wait_port()
    gluetun("cut")
    received, sent = gluetun.counters()
    with jump(qsticky, 100, 6, send):
        assert gluetun.counters()[0] == received and gluetun.counters()[1] >= sent + 30
        assert gluetun.ports() == [port], "Gluetun has not noticed yet"
        health = qsticky.wait_health(5, healthy=False)
        assert "nothing comes back" in health["last_error"]
        assert "nothing comes back" in check(qsticky)
        gluetun("restore")
        wait_right(gluetun, qsticky, port)  # the peer's connection is what is received


@MOVES_CLOCK
@pytest.mark.parametrize("traffic", ["idle", "answered"])
def test_a_tunnel_that_is_idle_or_answered_is_no_reason_for_an_alarm(
    traffic: str, running: Callable[..., Any]
) -> None:
    """Of each minute's packets one is answered, or there are none."""
    gluetun, _, qsticky = running()
    counted = []

    def ask() -> None:
        if traffic == "answered":
            send()
            with suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as sock:
                sock.settimeout(2)
                sock.sendto(b"\0\0", ("10.2.0.1", 5351))
                sock.recv(64)

        counted.append(gluetun.counters())
        assert qsticky.health()["healthy"] is True

    with jump(qsticky, 200, 5, ask):
        qsticky.wait_cycles(2)
        assert qsticky.health()["healthy"] is True and qsticky.troubles() == []
    # The first are of the peer that has just been here.
    assert traffic != "idle" or len(set(counted[2:])) == 1


def test_a_cut_that_gluetun_notices_is_over_when_the_path_is_back(
    running: Callable[..., Any],
) -> None:
    gluetun, _, qsticky = running("master", second=FAST)
    gluetun("cut")
    wait_until(lambda: not gluetun.ports(), what="the file to be emptied")
    qsticky.wait_health(forwarded_port=None)
    gluetun("restore")
    health = wait_right(gluetun, qsticky, gluetun.wait_port())
    assert health["rebinds"] == 0


# -- Gluetun's documented commands beside it -----------------------------------------

POST = """
import json, sys, urllib.parse, urllib.request
values = {"listen_port": int(sys.argv[2]), "current_network_interface": sys.argv[3]}
if values["listen_port"]:
    values |= {"random_port": False, "upnp": False}
form = urllib.parse.urlencode({"json": json.dumps(values)}).encode()
urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/api/v2/app/setPreferences", form, 10)
"""


@pytest.fixture
def commanded(
    place: Path, new_gluetun: NewGluetun, new_qbittorrent: NewQBittorrent, sidecar: MakeSidecar
) -> Callable[..., tuple[Gluetun, QBittorrent, Sidecar]]:
    def make(*commands: str, **env: str) -> tuple[Gluetun, QBittorrent, Sidecar]:
        (place / "post.py").write_text(POST)
        server = new_qbittorrent(address="", local_auth=False).start()
        words = {"UP": "{{PORT}} {{VPN_INTERFACE}}", "DOWN": "0 lo"}
        post = f"{sys.executable} {place}/post.py {server.webui_port}"
        gluetun = new_gluetun(
            env={f"VPN_PORT_FORWARDING_{name}_COMMAND": f"{post} {words[name]}" for name in commands}
        )
        qsticky = sidecar(server, env=env)
        wait_right(gluetun, qsticky, gluetun.wait_port())
        return gluetun, server, qsticky

    return make


def test_the_documented_commands_and_qsticky_do_not_fight(commanded: Callable[..., Any]) -> None:
    gluetun, server, qsticky = commanded("UP", "DOWN")
    with recorded(gluetun, qsticky):
        gluetun("reconnect")
        port = gluetun.wait_port()
        wait_right(gluetun, qsticky, port)
    qsticky.wait_cycles(3)
    preferences = server.preferences()
    assert preferences["listen_port"] == port and preferences["random_port"] is False
    assert preferences["current_network_interface"] == DEVICE


def test_the_down_command_alone_is_made_up_for_where_the_interface_is_kept(
    commanded: Callable[..., Any],
) -> None:
    gluetun, server, qsticky = commanded("DOWN", QSTICKY_BIND_INTERFACE="true")
    with recorded(gluetun, qsticky):
        gluetun("reconnect")
        wait_right(gluetun, qsticky, gluetun.wait_port())
    assert server.preferences()["current_network_interface"] == DEVICE


def test_the_down_command_alone_is_named_where_it_cannot_be_made_up_for(
    commanded: Callable[..., Any],
) -> None:
    gluetun, _, qsticky = commanded("DOWN")
    gluetun("reconnect")
    port = gluetun.wait_port()
    error = qsticky.wait_health(healthy=False, current_port=port)["last_error"]
    assert "lo" in error.split() or "interface lo" in error
    assert not gluetun.namespace.far_end_reaches(port)


def test_the_port_0_of_the_down_command_is_not_called_a_random_port(
    commanded: Callable[..., Any],
) -> None:
    """Without a sidecar: its cycle might come between the command and the empty file."""
    gluetun, server, qsticky = commanded("DOWN")
    assert qsticky.stop() == 0
    gluetun.set_status("stopped")
    assert server.preferences()["random_port"] is True
    said = check(qsticky)
    assert "random_port is on" not in said
    assert "0 is set (any port, as by Gluetun's down-command), and none known" in said

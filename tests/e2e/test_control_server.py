"""Gluetun's control server in the place of the port file: every version of it, every way in, and
what is done while it does not answer."""

from __future__ import annotations

import base64
import os
import subprocess
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from certificates import Certificate, Pki
from conftest import MakeSidecar, Sidecar
from control_server import NEW, OLD, VERSIONS, ControlServer, Role
from documents import DOCS, blocks
from faults import raw, reply, silence
from faulty_server import ANY, PREFERENCES, SET_PREFERENCES, FaultyServer, Reply
from harness import PortFile, QBittorrent, free_port, wait_until
from tls_peers import Nginx, TlsFront, https_site

SINCE_3_41 = ("v3.41.0", "v3.41.3", "master")

NewGluetun = Callable[..., ControlServer]
Start = Callable[..., Sidecar]


@pytest.fixture
def new_gluetun(new_fake: Callable[..., FaultyServer]) -> NewGluetun:
    """Starts a control server; roles that it is given are those of its config.toml. By default it
    has one that lets everybody in."""

    def make(
        version: str, *ports: int, roles: list[Role] | None = None, **options: Any
    ) -> ControlServer:
        server = new_fake(ControlServer, version=version, ports=ports, **options)
        server.roles = [Role([f"GET {server.route}"])] if roles is None else roles
        return server.start()

    return make


@pytest.fixture
def start(sidecar: MakeSidecar) -> Start:
    """Starts a qsticky that asks `gluetun`."""

    def make(
        server: FaultyServer | QBittorrent | None,
        gluetun: ControlServer,
        *,
        env: dict[str, str] | None = None,
        **options: Any,
    ) -> Sidecar:
        return sidecar(server, env=address(gluetun) | (env or {}), **options)

    return make


def address(gluetun: ControlServer) -> dict[str, str]:
    return {"QSTICKY_GLUETUN_HOST": gluetun.host, "QSTICKY_GLUETUN_PORT": str(gluetun.port)}


def where(gluetun: ControlServer) -> str:
    return f"Gluetun's control server at {gluetun.host}:{gluetun.port}"


def key(value: str) -> dict[str, str]:
    return {"QSTICKY_GLUETUN_AUTH_TYPE": "apikey", "QSTICKY_GLUETUN_APIKEY": value}


def wait_asked(gluetun: ControlServer, times: int) -> None:
    """Until it has been asked that many times more."""
    wanted = len(gluetun.targets()) + times
    wait_until(lambda: len(gluetun.targets()) >= wanted, what="the control server to be asked")


# -- what it answers --------------------------------------------------------------


def test_the_real_qbittorrent_gets_its_port_from_the_control_server(
    qbittorrent: QBittorrent, new_gluetun: NewGluetun, start: Start
) -> None:
    port, next_port = free_port(), free_port()
    gluetun = new_gluetun("v3.41.3", port, roles=[Role([f"GET {NEW}"], "apikey", apikey="hush42")])
    qsticky = start(qbittorrent, gluetun, env=key("hush42"))
    qsticky.wait_in_sync(port)
    assert qbittorrent.listen_port() == port
    gluetun.ports = [next_port]
    qsticky.wait_in_sync(next_port)
    wait_until(lambda: qbittorrent.accepts_connections(next_port), what="the port to be open")
    assert not qsticky.troubles()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_is_asked_at_the_route_that_it_knows(
    version: str, fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun(version, 41000)
    qsticky = start(fake, gluetun)
    qsticky.wait_in_sync(41000)
    wait_asked(gluetun, 3)
    first = [] if gluetun.route == NEW else [NEW]  # where it is not known there
    targets = gluetun.targets()
    assert targets == first + [gluetun.route] * (len(targets) - len(first))
    gluetun.ports = [42000]
    qsticky.wait_in_sync(42000)
    assert fake.listen_port == 42000
    assert not qsticky.troubles()


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_of_several_ports_the_first_counts(
    version: str, fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    start(fake, new_gluetun(version, 41001, 41000, 41002)).wait_in_sync(41001)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_port_is_waited_for_as_with_an_empty_file(
    version: str, fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun(version)
    qsticky = start(fake, gluetun, env={"QSTICKY_NO_PORT_GRACE": "3600"})
    health = qsticky.wait_health(state="waiting_for_port")
    assert health["healthy"] is True and health["forwarded_port"] is None
    qsticky.wait_log(f"no forwarded port from {where(gluetun)}")
    assert fake.count(SET_PREFERENCES) == 0

    gluetun.ports = [41000]
    qsticky.wait_in_sync(41000)
    gluetun.ports = []
    qsticky.wait_health(state="waiting_for_port", forwarded_port=None, current_port=41000)
    qsticky.wait_cycles(2)
    assert fake.count(SET_PREFERENCES) == 1 and fake.listen_port == 41000
    assert not qsticky.troubles()


def test_ports_null_is_no_port(fake: FaultyServer, new_gluetun: NewGluetun, start: Start) -> None:
    gluetun = new_gluetun("v3.41.3")
    gluetun.ports = None
    start(fake, gluetun).wait_health(state="waiting_for_port", healthy=True)
    assert fake.count(SET_PREFERENCES) == 0


def test_no_port_for_longer_than_the_grace_is_unhealthy_and_names_the_control_server(
    fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.41.3")
    qsticky = start(fake, gluetun, env={"QSTICKY_NO_PORT_GRACE": "0"})
    health = qsticky.wait_health(state="waiting_for_port", healthy=False)
    assert f"no forwarded port from {where(gluetun)} for over 0 s" in health["last_error"]
    assert "mounted" not in health["last_error"]
    assert str(qsticky.env["QSTICKY_PORT_FILE_PATH"]) not in "".join(qsticky.log)


def test_the_instant_between_two_ports_is_waited_out(
    fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    """A refresh that fails clears the port, and sets it again, within the second."""
    gluetun = new_gluetun("v3.41.3", 41000)
    qsticky = start(fake, gluetun)
    qsticky.wait_in_sync(41000)
    gluetun.fault(NEW, reply(200, b'{"port":0,"ports":[]}\n'), times=1)
    wait_asked(gluetun, 3)
    assert not any("no forwarded port" in line for line in qsticky.log)
    assert qsticky.health()["state"] == "in_sync"


def test_one_request_a_cycle_and_one_connection_a_request(
    fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    """Each is a line in Gluetun's log."""
    gluetun = new_gluetun("v3.41.0", 41000)
    qsticky = start(fake, gluetun)
    qsticky.wait_in_sync(41000)
    asked, cycles = len(gluetun.targets()), fake.count(PREFERENCES)
    qsticky.wait_cycles(4)
    assert abs((len(gluetun.targets()) - asked) - (fake.count(PREFERENCES) - cycles)) <= 1
    assert [request.connection for request in gluetun.requests] == [*range(len(gluetun.requests))]
    fds = Path(f"/proc/{qsticky.pid}/fd")
    assert not [fd for fd in fds.iterdir() if "inotify" in os.readlink(fd)], "a watch on the file"


def test_the_file_is_not_looked_at(
    fake: FaultyServer, port_file: PortFile, new_gluetun: NewGluetun, start: Start
) -> None:
    port_file.write_bytes(b"nonsense")
    qsticky = start(fake, new_gluetun("v3.41.3", 41000))
    qsticky.wait_in_sync(41000)
    assert not qsticky.troubles()


def test_an_ipv6_address_is_written_with_brackets(
    fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.41.3", 41000, host="::1")
    qsticky = start(fake, gluetun)
    qsticky.wait_in_sync(41000)
    assert gluetun.requests[0].header("host") == f"[::1]:{gluetun.port}"
    gluetun.stop()
    said = qsticky.wait_failed()["last_error"]
    assert f"Gluetun's control server at [::1]:{gluetun.port}: " in said


def test_a_request_is_what_go_expects(
    fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.41.3", 41000)
    start(fake, gluetun).wait_in_sync(41000)
    request = gluetun.requests[0]
    assert request.method == "GET" and request.segments == 1 and not request.body
    assert [name for name, _ in request.headers] == ["Host"]
    assert request.header("host") == f"127.0.0.1:{gluetun.port}"


# -- another version meanwhile ------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "has_role"),
    [
        ("v3.38", "v3.41.0", False),  # there the old route is a redirect,
        ("v3.40", "v3.41.3", False),
        ("v3.40", "v3.41.3", True),  # and here it is a 401
        ("v3.40", "master", True),
        ("v3.41.3", "v3.40", True),
        ("master", "v3.38", True),
        ("v3.41.0", "v3.41.3", True),
    ],
)
def test_gluetun_may_come_back_as_another_version(
    before: str,
    after: str,
    has_role: bool,
    fake: FaultyServer,
    new_gluetun: NewGluetun,
    start: Start,
) -> None:
    gluetun = new_gluetun(before, 41000, roles=None if has_role else [])
    qsticky = start(fake, gluetun)
    qsticky.wait_in_sync(41000)

    gluetun.stop()
    gluetun.version, gluetun.ports = after, [42000]
    gluetun.roles = [Role([f"GET {gluetun.route}"])] if has_role else []
    gluetun.requests.clear()
    gluetun.start()
    qsticky.wait_in_sync(42000)
    wait_asked(gluetun, 2)
    asked = gluetun.targets()
    assert asked[-2:] == [gluetun.route] * 2
    # Where the route of before leads on, or is not known, the other is asked in the same breath.
    assert asked[:2] in ([OLD, NEW], [NEW, OLD], [NEW, NEW])


# -- auth ---------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS[1:])
@pytest.mark.parametrize("auth", ["none", "basic", "apikey"])
def test_a_role_lets_in(
    version: str, auth: str, fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    route = f"GET {NEW if version in SINCE_3_41 else OLD}"
    role = Role([route], auth, username="zoë", password='p4ss:w"rd ', apikey="3Kd9+/=x")
    gluetun = new_gluetun(version, 41000, roles=[role])
    env = {"QSTICKY_GLUETUN_AUTH_TYPE": auth}
    if auth == "basic":
        env |= {"QSTICKY_GLUETUN_USERNAME": "zoë", "QSTICKY_GLUETUN_PASSWORD": 'p4ss:w"rd '}
    elif auth == "apikey":
        env |= {"QSTICKY_GLUETUN_APIKEY": "3Kd9+/=x"}
    qsticky = start(fake, gluetun, env=env)
    qsticky.wait_in_sync(41000)
    request = gluetun.requests[-1]
    assert request.target == gluetun.route, "nothing secret in a URL"
    assert (request.header("X-API-Key") is not None) == (auth == "apikey")
    assert (request.header("Authorization") is not None) == (auth == "basic")
    pair = base64.b64encode('zoë:p4ss:w"rd '.encode()).decode()
    log = "\n".join(qsticky.log) + qsticky.health_file.read_text()
    assert not [secret for secret in ("3Kd9", "p4ss", "zoë", pair) if secret in log]


@pytest.mark.parametrize(
    ("version", "is_open"),
    [("v3.38", True), ("v3.40", True), ("v3.41.0", True), ("v3.41.3", True), ("master", False)],
)
def test_without_any_role_only_the_newest_is_closed(
    version: str, is_open: bool, fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    qsticky = start(fake, new_gluetun(version, 41000, roles=[]))
    if is_open:
        qsticky.wait_in_sync(41000)
    else:
        assert "HTTP 401" in qsticky.wait_failed()["last_error"]
        assert fake.count(SET_PREFERENCES) == 0


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_a_401_names_both_causes_and_what_to_do(
    version: str, fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    route = f"GET {NEW if version in SINCE_3_41 else OLD}"
    gluetun = new_gluetun(version, 41000, roles=[Role([route], "apikey", apikey="the right one")])
    qsticky = start(fake, gluetun, env=key("other42"))
    said = qsticky.wait_failed()["last_error"]
    for part in (
        f"{where(gluetun)}: HTTP 401",
        "key or password is missing or wrong",
        "QSTICKY_GLUETUN_AUTH_TYPE",
        "the route that its version knows",
        f'"GET {NEW}" since v3.41',
        f'"GET {OLD}" before',
        "HTTP_CONTROL_SERVER_AUTH_CONFIG_FILEPATH",
    ):
        assert part in said
    assert said in qsticky.wait_trouble()
    qsticky.wait_cycles(2)
    assert len(qsticky.troubles()) == 1, "it is said once"
    assert set(gluetun.targets()) == {NEW, OLD}
    assert fake.count(SET_PREFERENCES) == 0


@pytest.mark.parametrize("version", SINCE_3_41)
def test_a_role_for_the_old_route_only_is_told_which_one_to_add(
    version: str, fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    """The old route leads to the new one, which needs a role of its own."""
    roles = [Role([f"GET {OLD}"], "apikey", apikey="hush42")]
    gluetun = new_gluetun(version, 41000, roles=roles)
    qsticky = start(fake, gluetun, env=key("hush42"))
    said = qsticky.wait_failed()["last_error"]
    assert "HTTP 401" in said and f'"GET {NEW}" since v3.41' in said
    gluetun.roles[0].routes = [f"GET {OLD}", f"GET {NEW}"]
    qsticky.wait_in_sync(41000)


def documented_roles() -> list[tuple[str, dict[str, Any]]]:
    """The examples of config.toml, each with the versions it is for."""
    return [
        (block.text.partition("\n")[0], tomllib.loads(block.text))
        for block in blocks(DOCS / "gluetun.md", "toml")
    ]


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_the_documented_role_is_right_for_each_version(
    version: str, fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    wanted = "v3.41" if version in SINCE_3_41 else "v3.40"
    ((_, config),) = [entry for entry in documented_roles() if wanted in entry[0]]
    roles = [Role(**role) for role in config["roles"]]
    gluetun = new_gluetun(version, 41000, roles=roles)  # an unknown route: it does not start
    start(fake, gluetun, env=key(roles[0].apikey)).wait_in_sync(41000)


def test_a_key_is_read_from_a_file_and_rotated_without_a_restart(
    fake: FaultyServer, place: Path, new_gluetun: NewGluetun, start: Start
) -> None:
    secret = place / "key"
    secret.write_text("first42\n")
    role = Role([f"GET {NEW}"], "apikey", apikey="first42")
    gluetun = new_gluetun("v3.41.3", 41000, roles=[role])
    # The type follows from the secret that is given.
    qsticky = start(fake, gluetun, env={"QSTICKY_GLUETUN_APIKEY_FILE": str(secret)})
    qsticky.wait_in_sync(41000)

    role.apikey = "second42"
    qsticky.wait_failed()
    new = place / "new"
    new.write_text("second42\n")
    new.rename(secret)
    qsticky.wait_in_sync(41000)
    assert not [line for line in qsticky.log if "first42" in line or "second42" in line]

    secret.unlink()
    assert str(secret) in qsticky.wait_failed()["last_error"]


def test_name_and_password_are_read_from_files(
    fake: FaultyServer, place: Path, new_gluetun: NewGluetun, start: Start
) -> None:
    (place / "name").write_text("u" * 4096 + "\n")
    (place / "password").write_text("p" * 4096)
    role = Role([f"GET {NEW}"], "basic", username="u" * 4096, password="p" * 4096)
    env = {
        "QSTICKY_GLUETUN_USERNAME_FILE": str(place / "name"),
        "QSTICKY_GLUETUN_PASSWORD_FILE": str(place / "password"),
    }
    start(fake, new_gluetun("v3.41.3", 41000, roles=[role]), env=env).wait_in_sync(41000)


def test_a_key_that_cannot_stand_in_a_header_is_not_sent(
    fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.41.3", 41000)
    qsticky = start(fake, gluetun, env=key("a\x01Host: elsewhere"))
    assert "characters that a header cannot hold" in qsticky.wait_failed()["last_error"]
    assert not gluetun.requests


# -- no answer is not "no port" -------------------------------------------------------


def test_while_it_hangs_the_last_port_stays_wanted(
    fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    """As it does while a command of the user runs and holds Gluetun's lock."""
    gluetun = new_gluetun("v3.41.0", 41000)
    qsticky = start(fake, gluetun)
    qsticky.wait_in_sync(41000)
    gluetun.fault(ANY, silence())
    health = qsticky.wait_failed()
    assert health["state"] == "retrying" and health["forwarded_port"] == 41000
    assert where(gluetun) in health["last_error"] and "within 5 s" in health["last_error"]
    assert "command" in health["last_error"]

    fake.preferences["listen_port"] = 6881
    wait_until(lambda: fake.listen_port == 41000, what="qBittorrent to be set right all the same")
    assert qsticky.health()["healthy"] is False
    assert gluetun.open_connections <= 1, "one request in flight"
    assert not any("no forwarded port" in line for line in qsticky.log)

    gluetun.heal()
    gluetun.ports = [42000]
    qsticky.wait_in_sync(42000)
    assert len(qsticky.troubles()) == 1


def test_nothing_is_set_before_the_first_answer(
    fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.41.3", 41000)
    gluetun.stop()
    qsticky = start(fake, gluetun)
    health = qsticky.wait_failed()
    assert health["state"] == "retrying" and health["forwarded_port"] is None
    assert "connection refused" in health["last_error"]
    assert "HTTP_CONTROL_SERVER_ADDRESS" in health["last_error"]
    qsticky.wait_cycles(2)
    assert fake.count(SET_PREFERENCES) == 0
    gluetun.start()
    qsticky.wait_in_sync(41000)
    assert len(qsticky.troubles()) == 1


def test_an_old_health_file_does_not_outlive_the_start(
    fake: FaultyServer, place: Path, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.41.3", 41000)
    gluetun.fault(ANY, silence())
    health_file = place / "old" / "status.json"
    health_file.parent.mkdir()
    health_file.write_text('{"healthy": true}')
    qsticky = start(fake, gluetun, health_file=health_file)
    wait_until(gluetun.targets, what="the question")
    assert qsticky.health()["state"] == "starting"


def answer(body: bytes, status: int = 200) -> Callable[..., None]:
    return raw(Reply(status, body, reason="").wire(), then="stay")


BAD_ANSWERS = {
    "text": (answer(b"41000\n"), "damaged"),
    "HTML": (answer(b"<!DOCTYPE html><title>qBittorrent</title>"), "an HTML page"),
    "empty": (answer(b""), "damaged"),
    "too large": (answer(b'{"port":70000}'), "no port from 1 to 65535"),
    "negative": (answer(b'{"port":-1}'), "no port from 1 to 65535"),
    "float": (answer(b'{"port":41000.0}'), "no port from 1 to 65535"),
    "exponent": (answer(b'{"port":41e3}'), "no port from 1 to 65535"),
    "string": (answer(b'{"port":"41000"}'), "no port from 1 to 65535"),
    "object": (answer(b'{"port":{"port":41000}}'), "no port from 1 to 65535"),
    "bad list": (answer(b'{"port":41000,"ports":["41000"]}'), "no port from 1 to 65535"),
    "bad second": (answer(b'{"ports":[41000,70000]}'), "no port from 1 to 65535"),
    "nothing": (answer(b"{}"), "no port from 1 to 65535"),
    "cut off": (answer(b'{"port":41000'), "damaged"),
    "teapot": (answer(b"", 418), "HTTP 418"),
    "redirect": (
        reply(302, headers={"Location": "/s3cret?key=s3cret"}),
        "a redirect to another path of the same server:",
    ),
    "unknown": (answer(b"", 404), "HTTP 404"),
    "error": (answer(b"", 500), "HTTP 500"),
    "not HTTP": (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "not an HTTP reply"),
    "closed": (raw(b""), "closed the connection"),
    "TLS": (raw(bytes([21, 3, 3, 0, 2, 2, 10])), "TLS"),
}


@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_anything_else_is_an_error_and_changes_nothing(
    what: str, fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    fault, sentence = BAD_ANSWERS[what]
    gluetun = new_gluetun("v3.41.3", 41000)
    qsticky = start(fake, gluetun)
    qsticky.wait_in_sync(41000)
    gluetun.fault(ANY, fault)
    health = qsticky.wait_failed()
    assert health["last_error"].startswith(f"{where(gluetun)}: ")
    assert sentence in health["last_error"] and "s3cret" not in health["last_error"]
    assert health["state"] == "retrying" and health["forwarded_port"] == 41000
    assert fake.count(SET_PREFERENCES) == 1 and fake.listen_port == 41000
    gluetun.heal()
    qsticky.wait_in_sync(41000)


def test_an_unknown_name_is_named(
    fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.41.3", 41000)
    qsticky = start(fake, gluetun, env={"QSTICKY_GLUETUN_HOST": "gluetun.invalid"}, interval=3600)
    said = qsticky.wait_failed()["last_error"]
    assert f"Gluetun's control server at gluetun.invalid:{gluetun.port}: cannot look up" in said


def test_with_both_out_of_reach_both_are_said(
    fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.41.3", 41000)
    qsticky = start(fake, gluetun)
    qsticky.wait_in_sync(41000)
    gluetun.stop()
    fake.stop()
    qsticky.wait_failed()
    for who in (where(gluetun), f"qBittorrent at 127.0.0.1:{fake.port}"):
        qsticky.wait_log(f"{who}: connection refused")
    gluetun.start()
    fake.start()
    qsticky.wait_in_sync(41000)


def test_a_stop_ends_a_question_at_once(
    fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.41.3", 41000)
    gluetun.fault(ANY, silence())
    qsticky = start(fake, gluetun)
    wait_until(gluetun.targets, what="the question")
    qsticky.check_stops_at_once()
    assert not qsticky.troubles()


# -- auto ----------------------------------------------------------------------------


def test_auto_asks_only_while_the_file_is_missing(
    fake: FaultyServer, port_file: PortFile, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.41.3", 41000)
    qsticky = start(fake, gluetun, env={"QSTICKY_PORT_SOURCE": "auto"})
    qsticky.wait_in_sync(41000)

    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    asked = len(gluetun.targets())
    qsticky.wait_cycles(2)
    port_file.clear()  # empty is not missing
    qsticky.wait_health(state="waiting_for_port")
    qsticky.wait_log(f"no forwarded port in {port_file.path}")
    assert len(gluetun.targets()) == asked

    port_file.remove()
    qsticky.wait_in_sync(41000)
    assert not qsticky.troubles()


def test_auto_acts_at_once_when_the_file_appears(
    fake: FaultyServer, port_file: PortFile, new_gluetun: NewGluetun, start: Start
) -> None:
    """So long an interval that only the watch can tell."""
    gluetun = new_gluetun("v3.41.3", 41000)
    qsticky = start(fake, gluetun, env={"QSTICKY_PORT_SOURCE": "auto"}, interval=3600)
    qsticky.wait_in_sync(41000)
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    port_file.remove()
    qsticky.wait_in_sync(41000)


def test_auto_with_neither_says_both(
    fake: FaultyServer, port_file: PortFile, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.41.3", 41000)
    gluetun.stop()
    qsticky = start(fake, gluetun, env={"QSTICKY_PORT_SOURCE": "auto"})
    said = qsticky.wait_failed()["last_error"]
    assert str(port_file.path) in said and where(gluetun) in said
    assert fake.count(SET_PREFERENCES) == 0
    port_file.write(42000)
    qsticky.wait_in_sync(42000)


def test_auto_forgets_what_was_wrong_with_a_file_that_is_gone(
    fake: FaultyServer, port_file: PortFile, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.41.3", 41000)
    gluetun.stop()
    port_file.write_bytes(b"nonsense")
    qsticky = start(fake, gluetun, env={"QSTICKY_PORT_SOURCE": "auto"})
    assert "is not a port" in qsticky.wait_health(state="error")["last_error"]
    port_file.remove()
    assert where(gluetun) in qsticky.wait_health(state="retrying")["last_error"]
    gluetun.start()
    qsticky.wait_in_sync(41000)


# -- which source ----------------------------------------------------------------------


def test_gluetun_host_of_2_x_alone_selects_the_control_server(
    fake: FaultyServer, port_file: PortFile, new_gluetun: NewGluetun, sidecar: MakeSidecar
) -> None:
    port_file.write(42000)
    role = Role([f"GET {NEW}"], "apikey", apikey="hush42")
    gluetun = new_gluetun("v3.41.3", 41000, roles=[role])
    env = {
        "GLUETUN_HOST": "127.0.0.1",
        "GLUETUN_PORT": str(gluetun.port),
        "GLUETUN_AUTH_TYPE": "apikey",
        "GLUETUN_APIKEY": "hush42",
    }
    sidecar(fake, env=env).wait_in_sync(41000)


def test_the_secrets_of_2_x_alone_select_the_file_and_then_the_control_server(
    fake: FaultyServer, port_file: PortFile, new_gluetun: NewGluetun, sidecar: MakeSidecar
) -> None:
    role = Role([f"GET {NEW}"], "basic", username="zoe", password="hush42")
    gluetun = new_gluetun("v3.41.3", 41000, roles=[role])
    env = {
        "GLUETUN_PORT": str(gluetun.port),
        "GLUETUN_AUTH_TYPE": "basic",
        "GLUETUN_USERNAME": "zoe",
        "GLUETUN_PASSWORD": "hush42",
    }
    qsticky = sidecar(fake, env=env)
    qsticky.wait_in_sync(41000)
    port_file.write(42000)
    qsticky.wait_in_sync(42000)


def test_the_file_can_be_chosen_although_the_host_is_set(
    fake: FaultyServer, port_file: PortFile, new_gluetun: NewGluetun, start: Start
) -> None:
    port_file.write(42000)
    gluetun = new_gluetun("v3.41.3", 41000)
    qsticky = start(fake, gluetun, env={"QSTICKY_PORT_SOURCE": "file"})
    qsticky.wait_in_sync(42000)
    assert not gluetun.requests


@pytest.mark.parametrize("source", ["file", "gluetun", "auto"])
def test_the_first_line_names_the_source(
    source: str, fake: FaultyServer, port_file: PortFile, new_gluetun: NewGluetun, start: Start
) -> None:
    port_file.write(41000)
    gluetun = new_gluetun("v3.41.3", 41000)
    qsticky = start(fake, gluetun, env={"QSTICKY_PORT_SOURCE": source})
    qsticky.wait_in_sync(41000)
    first = qsticky.log[0]
    assert (f"port in {port_file.path}" in first) == (source != "gluetun")
    assert (f"from {where(gluetun)}" in first) == (source != "file")


# -- https ---------------------------------------------------------------------------

HERE = "IP:127.0.0.1"


def https(port: int, ca: Certificate, **others: str) -> dict[str, str]:
    """The control server is behind a proxy on `port`."""
    return {
        "QSTICKY_GLUETUN_PORT": str(port),
        "QSTICKY_GLUETUN_USE_HTTPS": "true",
        "QSTICKY_TLS_CA_FILE": str(ca.path),
    } | others


@pytest.mark.parametrize("by", ["its CA", "itself"])
def test_https_through_nginx(
    by: str,
    pki: Pki,
    nginx: str,
    place: Path,
    peers: ExitStack,
    fake: FaultyServer,
    new_gluetun: NewGluetun,
    start: Start,
) -> None:
    leaf = pki.root().issue(HERE) if by == "its CA" else pki.make(HERE)
    role = Role([f"GET {NEW}"], "apikey", apikey="hush42")
    gluetun = new_gluetun("v3.41.3", 41000, roles=[role])
    proxy = peers.enter_context(Nginx(place / "nginx", nginx, https_site(leaf, gluetun.port)))
    env = key("hush42") | https(proxy.port, leaf.root if by == "its CA" else leaf)
    qsticky = start(fake, gluetun, env=env)
    qsticky.wait_in_sync(41000)
    gluetun.ports = [42000]
    qsticky.wait_in_sync(42000)
    assert not qsticky.troubles()
    access = wait_until(proxy.log, what="nginx's log")[0]
    assert (access.method, access.status) == ("GET", 200)
    once = start(fake, gluetun, start=False, env=env, args=("check",))
    told = subprocess.run(once.command, env=once.env, capture_output=True, text=True, check=False)
    name = f"Gluetun's control server at 127.0.0.1:{proxy.port}"
    assert f"ok    control server  port 42000 at {name}\n" in told.stdout, told.stdout


def test_qbittorrent_and_the_control_server_may_both_speak_https(
    pki: Pki, peers: ExitStack, fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    """Each is verified by its own, and each session is taken up again."""
    pinned, root = pki.make("DNS:nas"), pki.root()
    gluetun = new_gluetun("v3.41.3", 41000)
    webui = peers.enter_context(TlsFront(pinned, fake.port))
    front = peers.enter_context(TlsFront(root.issue(HERE), gluetun.port))
    own = {"QSTICKY_USE_HTTPS": "true", "QSTICKY_TLS_PIN_SHA256": pinned.sha256}
    qsticky = start(fake, gluetun, port=webui.port, env=https(front.port, root) | own)
    qsticky.wait_in_sync(41000)
    for server in (webui, front):
        wait_until(lambda: len(server.handshakes) >= 3, what="more connections")
        assert [handshake.resumed for handshake in server.handshakes[:3]] == [False, True, True]
        assert server.failures == []
    assert not qsticky.troubles()


REFUSED: dict[str, tuple[Callable[[Pki, Certificate], Certificate], str]] = {
    "by nobody known": (lambda pki, root: pki.root().issue(HERE), "its issuer"),
    "self-signed": (lambda pki, root: pki.make(HERE), "its certificate is self-signed, and not in"),
    "expired": (lambda pki, root: root.issue(HERE, start=-7200, end=-3600), "expired on"),
    "another name": (
        lambda pki, root: root.issue("DNS:other.example"),
        "its certificate is for another name than 127.0.0.1 (see QSTICKY_GLUETUN_HOST)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_control_server_that_proves_nothing_gets_no_key(
    case: str,
    pki: Pki,
    peers: ExitStack,
    fake: FaultyServer,
    new_gluetun: NewGluetun,
    start: Start,
) -> None:
    """Whatever is accepted of qBittorrent; nor would another pin of that help."""
    make, words = REFUSED[case]
    root = pki.root()
    leaf = make(pki, root)
    role = Role([f"GET {NEW}"], "apikey", apikey="hush42")
    gluetun = new_gluetun("v3.41.3", 41000, roles=[role])
    front = peers.enter_context(TlsFront(leaf, gluetun.port))
    others = {"QSTICKY_VERIFY_SSL": "false", "QSTICKY_TLS_PIN_SHA256": leaf.sha256}
    qsticky = start(fake, gluetun, env=key("hush42") | https(front.port, root, **others))
    said = qsticky.wait_failed()["last_error"]
    assert said.startswith(f"Gluetun's control server at 127.0.0.1:{front.port}: "), said
    assert words in said and " - presented: subject " in said
    assert "QSTICKY_TLS_" not in said
    assert not gluetun.requests and not front.received
    assert fake.count(SET_PREFERENCES) == 0


def test_the_wrong_scheme_of_the_control_server_is_named(
    pki: Pki,
    nginx: str,
    place: Path,
    peers: ExitStack,
    fake: FaultyServer,
    new_gluetun: NewGluetun,
    start: Start,
) -> None:
    root = pki.root()
    gluetun = new_gluetun("v3.41.3", 41000)
    site = https_site(root.issue(HERE), gluetun.port)
    proxy = peers.enter_context(Nginx(place / "nginx", nginx, site))
    plain = start(fake, gluetun, env={"QSTICKY_GLUETUN_PORT": str(proxy.port)})
    said = plain.wait_failed()["last_error"]
    assert "speaks TLS on this port" in said and "set QSTICKY_GLUETUN_USE_HTTPS=true" in said
    assert plain.stop() == 0

    site = "server { listen 127.0.0.1:PORT; }"
    other = peers.enter_context(Nginx(place / "plain", nginx, site))
    secure = start(fake, gluetun, env=https(other.port, root))
    said = secure.wait_failed()["last_error"]
    assert "speaks plain HTTP on this port" in said
    assert "QSTICKY_GLUETUN_USE_HTTPS=false" in said
    assert not gluetun.requests


def test_a_ca_file_that_cannot_be_used_is_named(
    place: Path,
    pki: Pki,
    peers: ExitStack,
    fake: FaultyServer,
    new_gluetun: NewGluetun,
    start: Start,
) -> None:
    gluetun = new_gluetun("v3.41.3", 41000)
    front = peers.enter_context(TlsFront(pki.make(HERE), gluetun.port))
    file = place / "none.pem"
    env = https(front.port, pki.root()) | {"QSTICKY_TLS_CA_FILE": str(file)}
    qsticky = start(fake, gluetun, env=env)
    said = qsticky.wait_failed()["last_error"]
    assert f"QSTICKY_TLS_CA_FILE: open {file}: No such file" in said
    assert not gluetun.requests


# -- once ------------------------------------------------------------------------------


def test_once_takes_its_port_from_the_control_server(
    fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    gluetun = new_gluetun("v3.40", 41000)
    assert start(fake, gluetun, args=("once",)).wait() == 0
    assert fake.listen_port == 41000
    assert gluetun.targets() == [NEW, OLD]


@pytest.mark.parametrize("what", ["no port", "401", "hangs", "refused", "garbage"])
def test_once_without_a_port_is_1_and_sets_nothing(
    what: str, fake: FaultyServer, new_gluetun: NewGluetun, start: Start
) -> None:
    roles = [Role([f"GET {NEW}"], "apikey", apikey="hush42")] if what == "401" else None
    gluetun = new_gluetun("v3.41.3", *([] if what == "no port" else [41000]), roles=roles)
    if what == "hangs":
        gluetun.fault(ANY, silence())
    elif what == "refused":
        gluetun.stop()
    elif what == "garbage":
        gluetun.fault(ANY, reply(200, b'{"port":-1}'))
    run = start(fake, gluetun, args=("once",))
    assert run.wait() == 1
    assert fake.count(SET_PREFERENCES) == 0
    if what == "no port":
        assert any(f"no forwarded port from {where(gluetun)}" in line for line in run.log)
    else:
        (line,) = run.troubles()
        assert where(gluetun) in line


@pytest.mark.parametrize("version", ["v3.40", "v3.41.3", "master"])
def test_a_compose_file_of_2_x_works_as_it_stands(
    version: str,
    qbittorrent: QBittorrent,
    place: Path,
    new_gluetun: NewGluetun,
    sidecar: MakeSidecar,
) -> None:
    """The environment of the example in the documentation of qSticky 2.x, with ports that are free here: no
    host of Gluetun, and a key. Nobody has mounted the port file. (Since v3.41 the role needs the
    route of that version as well; for 2.x it did, too.)"""
    port = free_port()
    routes = [f"GET {OLD}"] if version == "v3.40" else [f"GET {NEW}", f"GET {OLD}"]
    gluetun = new_gluetun(version, port, roles=[Role(routes, "apikey", apikey="k")])
    of_3_x = ("HOST", "PORT", "USER", "PASS")
    env = {f"QSTICKY_QBITTORRENT_{name}": "" for name in of_3_x} | {
        "QSTICKY_PORT_FILE_PATH": str(place / "nobody" / "mounted" / "it"),
        "QSTICKY_CHECK_INTERVAL": "",
        "QSTICKY_LOG_LEVEL": "",
        "QBITTORRENT_HOST": "localhost",
        "QBITTORRENT_HTTPS": "false",
        "QBITTORRENT_PORT": str(qbittorrent.webui_port),
        "QBITTORRENT_USER": "admin",
        "QBITTORRENT_PASS": "adminadmin",
        "GLUETUN_PORT": str(gluetun.port),
        "GLUETUN_AUTH_TYPE": "apikey",
        "GLUETUN_APIKEY": "k",
        "CHECK_INTERVAL": "1",
        "LOG_LEVEL": "INFO",
    }
    qsticky = sidecar(qbittorrent, env=env)
    qsticky.wait_in_sync(port)
    assert qbittorrent.listen_port() == port
    assert not qsticky.troubles()

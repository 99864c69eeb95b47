"""A marked secret comes in by every way there is, and is in nothing that goes out: not in the log at
DEBUG, in text or JSON, the health file, the metrics, a webhook's message, or what `check`, `status`,
`healthcheck`, `--help` and the usage say.

Shown may be a setting that is right (a host, a path), since whoever sets it wants to see it; and what
a server's certificate says, which is there for all to see."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from certificates import Pki
from conftest import MakeSidecar, Sidecar
from control_server import ControlServer
from faults import raw, reply
from faulty_server import (
    ANY,
    LOGIN,
    PREFERENCES,
    REANNOUNCE,
    SET_PREFERENCES,
    TRANSFER_INFO,
    VERSION,
    Exchange,
    Fault,
    FaultyServer,
    json_reply,
)
from harness import BINARY, PATIENCE, PortFile, free_port, wait_until, with_mounted
from receiver import Receiver
from tls_peers import OpensslServer

# No run of five of its letters is in any word of ours.
MARK = "Zq7xKv3WpJ9Yb"
PIECES = [MARK[start : start + 5] for start in range(len(MARK) - 4)]
PORT = 41000
JSON_LOG = {"QSTICKY_LOG_FORMAT": "json"}

# All that says something, each once for each way in.
COMMANDS = [
    ("run",),
    ("once",),
    ("check",),
    ("check", "--json"),
    ("status",),
    ("status", "--json"),
    ("healthcheck",),
    ("--help",),
    ("--version",),
]


class Leaks:
    """Where a piece of the mark was seen: by which way in, and by which way out."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], str] = {}
        self.looks = 0

    def look(self, way_in: str, way_out: str, text: str) -> None:
        self.looks += 1
        for line in text.splitlines():
            if any(piece in line for piece in PIECES):
                self.found.setdefault((way_in, way_out), line[:200])

    def check(self) -> None:
        """At the end, so that all are told."""
        told = [f"{i} -> {o}: {line}" for (i, o), line in sorted(self.found.items())]
        assert self.looks > 0
        assert not told, f"{len(told)} ways:\n" + "\n".join(told)


@pytest.fixture
def leaks() -> Leaks:
    return Leaks()


class Said(str):
    """What a command said, on both streams."""

    code: int


def say(
    program: Path, args: Sequence[str], env: Mapping[str, str], wrapper: Sequence[str] = ()
) -> Said:
    done = subprocess.run(
        [*wrapper, program, *args],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    said = Said((done.stdout + done.stderr).decode(errors="backslashreplace"))
    said.code = done.returncode
    return said


# -- variables ------------------------------------------------------------------


def variables() -> list[str]:
    """All that there are, from `--help`: a new one is tested as it is added."""
    return re.findall(r"^  ([A-Z0-9_]+)=", say(BINARY, ["--help"], {}), re.M)


def names() -> list[str]:
    """And those of 2.x, which are the same without the prefix where they exist."""
    ours = variables()
    return ours + [name.removeprefix("QSTICKY_") for name in ours if name.startswith("QSTICKY_")]


# What people put into a variable that takes something else. The last is too long for all.
WRONG = {
    "URL with a user": f"http://me:{MARK}@host:8080",
    "host with a user": f"me:{MARK}@host",
    "host and port": f"{MARK}:8080",
    "quoted": f'"{MARK}"',
    "blanks": f" {MARK} {MARK}",
    "number first": f"30{MARK}",
    "relative path": f"secrets/{MARK}",
    "directory": f"/{MARK}/",
    "control": f"\x1b[1m{MARK}",
    "not UTF-8": f"{MARK}\udcff",
    "very long": MARK * 400,
}


@pytest.mark.parametrize("shape", WRONG)
def test_a_wrong_value_of_no_variable_is_shown(shape: str, binary: Path, leaks: Leaks) -> None:
    """Of all at once, and of each alone: healthcheck tells the first only."""
    value = WRONG[shape]
    all_wrong = dict.fromkeys(names(), value)
    for command in COMMANDS:
        for env in (all_wrong, all_wrong | JSON_LOG):
            said = say(binary, command, env)
            assert said.code == (0 if command[0] in ("--help", "--version") else said.code)
            assert command[0] not in ("run", "once", "check") or said.code == 2
            leaks.look("all variables", " ".join(command), said)
    for name in names():
        leaks.look(name, "healthcheck", say(binary, ["healthcheck"], {name: value}))
    leaks.check()


def test_each_variable_was_wrong_in_some_of_these_ways() -> None:
    """Or the test above would say nothing of it."""
    for name in variables():
        if name.endswith("_FILE") and name.removesuffix("_FILE") in variables():
            continue  # takes any path; looked at below
        said = [say(BINARY, ["healthcheck"], {name: value}) for value in WRONG.values()]
        assert any(line.startswith(f"unhealthy: {name}: ") for line in said), name


@pytest.mark.parametrize(
    "name",
    [f"QSTICKY_{MARK}", f"QSTICKY_QBITTORRENT_PASS:{MARK}", f"QSTICKY_QBITTORRENT_PASS {MARK}"],
)
def test_no_unknown_variable_is_shown_with_its_value_or_as_a_secret(
    name: str, binary: Path, place: Path, leaks: Leaks
) -> None:
    env = {
        name: MARK,
        "QSTICKY_QBITTORRENT_PORT": str(free_port()),
        "QSTICKY_VPN_INTERFACE": "none",
        "HEALTH_FILE": str(place / "status.json"),
        "QSTICKY_PORT_FILE_PATH": str(place / "port"),
    }
    for command in COMMANDS[1:]:
        said = say(binary, command, env)
        leaks.look("name", " ".join(command), said)
        assert ("not a variable" in said) == (command[0] in ("once", "check"))
    leaks.check()


def test_no_argument_is_shown(binary: Path, leaks: Leaks) -> None:
    for args in ([MARK], [f"--pass={MARK}"], ["run", MARK], ["status", "--json", MARK]):
        said = say(binary, args, {})
        assert said.code == 2
        leaks.look("argument", " ".join(args[:-1]), said)
    leaks.check()


# -- files ----------------------------------------------------------------------


def secret_files() -> list[str]:
    return [name for name in variables() if f"{name}_FILE" in variables()]


BAD_SECRETS = {
    "nul": f"{MARK}\0".encode(),
    "too long": MARK.encode() * 400,
    "two lines": f"{MARK}\n{MARK}\n".encode(),
    "not a URL": MARK.encode(),
    "a URL with a user": f"https://me:{MARK}@host/{MARK}".encode(),
    "not ASCII": f"{MARK}\xff".encode("latin-1"),
}


@pytest.mark.parametrize("content", BAD_SECRETS)
def test_no_secret_file_is_shown_whatever_is_wrong_with_it(
    content: str,
    fake: FaultyServer,
    new_fake: Callable[..., FaultyServer],
    binary: Path,
    place: Path,
    leaks: Leaks,
) -> None:
    """Each asked for alone, beside a qBittorrent and a Gluetun that want it."""
    gluetun = new_fake(ControlServer, version="v3.41.3", ports=[PORT]).start()
    (place / "secret").write_bytes(BAD_SECRETS[content])
    for name in secret_files():
        health = place / name / "status.json"
        basic = name.endswith(("USERNAME", "PASSWORD"))
        env = {
            f"{name}_FILE": str(place / "secret"),
            "QSTICKY_QBITTORRENT_HOST": "127.0.0.1",
            "QSTICKY_QBITTORRENT_PORT": str(fake.port),
            "QSTICKY_GLUETUN_HOST": "127.0.0.1",
            "QSTICKY_GLUETUN_PORT": str(gluetun.port),
            "QSTICKY_GLUETUN_AUTH_TYPE": "basic" if basic else "apikey",
            "QSTICKY_PORT_FILE_PATH": str(place / "none"),
            "QSTICKY_VPN_INTERFACE": "none",
            "QSTICKY_LOG_LEVEL": "DEBUG",
            "HEALTH_FILE": str(health),
        }
        for command in COMMANDS[1:]:
            leaks.look(f"{name}_FILE", " ".join(command), say(binary, command, env))
        fake.restart()  # its count of failed logins is not what this is about
        fake.failed_logins = 0
    leaks.check()


def as_content(content: bytes) -> Callable[[PortFile], None]:
    return lambda port_file: port_file.write_bytes(content)


def as_link(target: str) -> Callable[[PortFile], None]:
    def make(port_file: PortFile) -> None:
        port_file.path.unlink(missing_ok=True)
        port_file.path.symlink_to(target.replace("PLACE", str(port_file.path.parent.parent)))

    return make


PORT_FILES = {
    "text": as_content(MARK.encode()),
    "line": as_content(f"{MARK}\n".encode()),
    "behind a port": as_content(f"{PORT}\n{MARK}\n".encode()),
    "in a port": as_content(f"{PORT}{MARK}".encode()),
    "environment": as_content(f"PASS={MARK}\0USER={MARK}".encode()),
    "not UTF-8": as_content(f"{MARK}\xff".encode("latin-1")),
    "controls": as_content(f"\x1b[1m{MARK}".encode()),
    "too long": as_content(MARK.encode() * 40),
    "link to a secret": as_link("PLACE/secret"),
    "link upwards to it": as_link("../secret"),
    "link to its name": as_link(f"PLACE/{MARK}"),
    "link inside to its name": as_link(MARK),
    "link to a link to its name": as_link(f"{MARK}/../{MARK}"),
}


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_of_the_port_file_is_shown(
    log_format: str,
    fake: FaultyServer,
    new_fake: Callable[..., FaultyServer],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
    leaks: Leaks,
) -> None:
    receiver = new_fake(Receiver, like="gotify").start()
    (place / "secret").write_text(MARK)
    everything = Everything(leaks, place, receiver)
    port_file.write(PORT)
    qsticky = sidecar(fake, env=everything.env | {"QSTICKY_LOG_FORMAT": log_format})

    def told(change: str) -> int:
        """How many messages the receiver has taken, by the log."""
        return len(re.findall(rf'webhook \S+: sent, for \\?"{change}', "\n".join(qsticky.log)))

    for way_in, make in PORT_FILES.items():
        is_there = "to its name" not in way_in or way_in == "link to its name"
        before, before_end = told("unhealthy"), told("healthy again")
        make(port_file)
        qsticky.wait_health(state="error" if is_there else "waiting_for_port")
        if is_there:
            wait_until(lambda n=before: told("unhealthy") > n, what="a message that tells of it")
        qsticky.wait_cycles(1)
        everything.look(way_in, qsticky)
        port_file.path.unlink()
        port_file.write(PORT)
        qsticky.wait_in_sync(PORT)
        if is_there:
            # Else the next change of health could cancel this one, and nothing would be told.
            wait_until(lambda n=before_end: told("healthy again") > n, what="its end told")
    everything.look_at_the_end(qsticky)
    leaks.check()


HEALTH_FILES = {
    "text": MARK,
    "an object": f'{{"auths": {{"{MARK}": "{MARK}"}}}}',
    "half an object": f'{{"healthy": true, "version": "{MARK}"',
    "without a time": f'{{"healthy": true, "state": "{MARK}", "last_error": "{MARK}"}}',
    "with another time": f'{{"healthy": true, "timestamp": "{MARK}", "state": "{MARK}"}}',
    "without a verdict": f'{{"timestamp": "2026-11-29T12:00:00Z", "state": "{MARK}"}}',
    "with controls": f'{{"healthy": "\x01{MARK}"}}',
}


@pytest.mark.parametrize("what", HEALTH_FILES)
def test_of_a_health_file_that_is_not_ours_nothing_is_shown(
    what: str, binary: Path, place: Path, leaks: Leaks
) -> None:
    (place / "status.json").write_text(HEALTH_FILES[what])
    env = {
        "HEALTH_FILE": str(place / "status.json"),
        "QSTICKY_PORT_FILE_PATH": str(place / "none"),
        "QSTICKY_QBITTORRENT_PORT": str(free_port()),
        "QSTICKY_VPN_INTERFACE": "none",
    }
    for command in COMMANDS[2:]:
        leaks.look(what, " ".join(command), say(binary, command, env))
    leaks.check()


@pytest.mark.parametrize("file", ["resolv.conf", "hosts"])
def test_nothing_of_the_resolvers_files_is_shown(
    file: str, root: None, binary: Path, place: Path, leaks: Leaks
) -> None:
    (place / "etc").mkdir()
    (place / "etc" / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    with (place / "etc" / file).open("a") as lines:
        lines.write(f"search {MARK}.example\nnameserver {MARK}\n127.0.0.1 {MARK}\n{MARK} nohost\n")
    env = {
        "QSTICKY_QBITTORRENT_HOST": "nohost",
        "QSTICKY_LOG_LEVEL": "DEBUG",
        "QSTICKY_VPN_INTERFACE": "none",
        "QSTICKY_PORT_FILE_PATH": str(place / "none"),
        "HEALTH_FILE": str(place / "status.json"),
    }
    wrapper = with_mounted(place / "etc", "/etc")
    for command in (("once",), ("check",), ("check", "--json")):
        said = say(binary, command, env, wrapper)
        assert "nohost" in said
        leaks.look(file, " ".join(command), said)
    leaks.check()


def test_nothing_of_the_ca_file_is_shown(
    pki: Pki, peers: ExitStack, binary: Path, place: Path, leaks: Leaks
) -> None:
    (place / "server").mkdir()
    certificate = pki.make("IP:127.0.0.1")
    server = peers.enter_context(OpensslServer(place / "server", certificate))
    env = {
        "QSTICKY_QBITTORRENT_HOST": "127.0.0.1",
        "QSTICKY_QBITTORRENT_PORT": str(server.port),
        "QSTICKY_USE_HTTPS": "true",
        "QSTICKY_TLS_CA_FILE": str(place / "ca.pem"),
        "QSTICKY_LOG_LEVEL": "DEBUG",
        "QSTICKY_VPN_INTERFACE": "none",
        "QSTICKY_PORT_FILE_PATH": str(place / "port"),
        "HEALTH_FILE": str(place / "status.json"),
    }
    for content in (MARK, f"-----BEGIN CERTIFICATE-----\n{MARK}\n-----END CERTIFICATE-----\n"):
        (place / "ca.pem").write_text(content)
        for command in (("once",), ("check",), ("check", "--json")):
            said = say(binary, command, env)
            assert "ca.pem" in said
            leaks.look("CA file", " ".join(command), said)
    leaks.check()


# -- what others say ------------------------------------------------------------


class Everything:
    """A qsticky that publishes by all ways out that there are."""

    def __init__(self, leaks: Leaks, place: Path, receiver: Receiver) -> None:
        self.leaks = leaks
        self.receiver = receiver
        self.metrics = place / "metrics" / "qsticky.prom"
        self.env = {
            "QSTICKY_METRICS_FILE": str(self.metrics),
            "QSTICKY_WEBHOOK_URL": receiver.url,
            "QSTICKY_VPN_INTERFACE": "none",
        }

    def look(self, way_in: str, qsticky: Sidecar) -> None:
        """At what is there now."""
        look = self.leaks.look
        look(way_in, "health file", qsticky._raw_health() or "")
        if self.metrics.exists():
            look(way_in, "metrics file", self.metrics.read_text())
        program = Path(qsticky.command[-2])
        for command in COMMANDS[2:7]:
            look(way_in, " ".join(command), say(program, command, qsticky.env))

    def look_at_the_end(self, qsticky: Sidecar) -> None:
        """At what has been gathered."""
        self.leaks.look("any", "webhook", "\n".join(map(str, self.receiver.bodies)))
        self.leaks.look("any", "log", "\n".join(qsticky.log))


def repeating(name: str) -> Fault:
    """Answers as qBittorrent does, with the mark wherever a client need not look."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.reply()
        answer.reason = MARK
        answer.headers += [
            (f"X-{MARK}", MARK),
            ("Set-Cookie", f"{MARK}={MARK}; path=/{MARK}"),
            ("Server", MARK),
        ]
        exchange.send(answer.wire())

    return fault


def preferring(**changes: object) -> Fault:
    def fault(exchange: Exchange) -> None:
        exchange.reply()
        exchange.send(json_reply(exchange.server.preferences | changes).wire())

    return fault


def page(status: int) -> Fault:
    body = f"<html><title>{MARK}</title>{MARK}</html>".encode()
    return reply(status, body, reason=MARK, headers={"Content-Type": f"text/html; x={MARK}"})


def moved(location: str) -> Fault:
    return reply(302, MARK.encode(), headers={"Location": location, "Set-Cookie": f"a={MARK}"})


LOCATIONS = [
    f"https://me:{MARK}@login.example/",
    f"https://{MARK}@login.example/",
    f"https://me:12/{MARK}@login.example/",
    f"https://login.example/{MARK}?{MARK}#{MARK}",
    f"/{MARK}",
    f"//me:{MARK}@login.example/{MARK}",
    f"{MARK}:{MARK}",
    f"https:{MARK}",
    f"https://login.example\\{MARK}",
    f"https://login.example:{MARK}/",
    f"https://[fe80::1%{MARK}]/",
]

ANSWERS: dict[str, tuple[str, Fault]] = {
    "headers, reason and cookies": (ANY, repeating(ANY)),
    "page": (ANY, page(200)),
    "page of a 401": (ANY, page(401)),
    "page of a 403": (ANY, page(403)),
    "page of a 404": (ANY, page(404)),
    "page of a 500": (ANY, page(500)),
    "plain HTTP to HTTPS": (ANY, reply(400, f"{MARK} HTTPS {MARK}".encode())),
    **{f"Location {location}": (ANY, moved(location)) for location in LOCATIONS},
    "no HTTP": (ANY, raw(f"SSH-2.0-{MARK}\r\n".encode())),
    "status line": (ANY, raw(f"HTTP/1.1 {MARK}\r\n\r\n".encode())),
    "header": (ANY, raw(f"HTTP/1.1 200 OK\r\n{MARK}\r\n\r\n".encode())),
    "length": (ANY, raw(f"HTTP/1.1 200 OK\r\nContent-Length: {MARK}\r\n\r\n".encode())),
    "coding": (ANY, raw(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {MARK}\r\n\r\n".encode())),
    "chunk": (
        ANY,
        raw(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{MARK}\r\n".encode()),
    ),
    "no JSON": (PREFERENCES, reply(200, MARK.encode())),
    "JSON cut off": (PREFERENCES, reply(200, f'{{"listen_port": "{MARK}'.encode())),
    "JSON with controls": (PREFERENCES, reply(200, f'{{"\x01{MARK}": 1}}'.encode())),
    "no port": (PREFERENCES, reply(200, f'{{"{MARK}": "{MARK}"}}'.encode())),
    "port": (PREFERENCES, preferring(listen_port=MARK)),
    "interface": (PREFERENCES, preferring(current_network_interface=MARK)),
    "interface, short": (PREFERENCES, preferring(current_network_interface=MARK[:8])),
    "address": (PREFERENCES, preferring(current_interface_address=MARK)),
    "zone": (PREFERENCES, preferring(current_interface_address=f"fe80::1%{MARK}")),
    "proxy": (PREFERENCES, preferring(proxy_type=MARK, proxy_peer_connections=True)),
    "version": (VERSION, reply(200, MARK.encode())),
    "version, followed": (VERSION, reply(200, f"v5.2.0-{MARK}".encode())),
    "status": (TRANSFER_INFO, reply(200, f'{{"connection_status": "{MARK}"}}'.encode())),
    "external address": (
        TRANSFER_INFO,
        reply(
            200,
            f'{{"connection_status": "connected", "last_external_address_v4": "{MARK}", '
            f'"last_external_address_v6": "fe80::1%{MARK}"}}'.encode(),
        ),
    ),
    "setting": (SET_PREFERENCES, reply(409, MARK.encode())),
    "announcement": (REANNOUNCE, reply(409, MARK.encode())),
    "login": (LOGIN, reply(500, MARK.encode(), headers={"Set-Cookie": f"{MARK}={MARK}"})),
}


@pytest.mark.parametrize("group", range(4))
def test_nothing_that_qbittorrent_says_is_shown(
    group: int,
    namespace: object,
    new_listening: Callable[..., FaultyServer],
    new_fake: Callable[..., FaultyServer],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
    leaks: Leaks,
) -> None:
    """Nor the password that it was told. With a tunnel, so that its settings are judged."""
    namespace.add_bridge()
    namespace.add_tunnel()
    receiver = new_fake(Receiver, like="gotify").start()
    everything = Everything(leaks, place, receiver)
    fake = new_listening(user=f"u{MARK}", password=f"p{MARK}", listen_port=PORT).start()
    for way_in in list(ANSWERS)[group::4]:
        name, fault = ANSWERS[way_in]
        folder = place / re.sub(r"\W", "-", way_in.replace(MARK, "mark"))
        port_file.write(PORT)
        fake.heal()
        fake.restart(listen_port=6881 if name in (SET_PREFERENCES, REANNOUNCE) else PORT)
        fake.failed_logins = 0
        fake.requests.clear()
        fake.fault(name, fault)
        qsticky = sidecar(
            fake,
            env=everything.env
            | {
                "QSTICKY_VPN_INTERFACE": "tun0",
                "QSTICKY_LOG_FORMAT": ("text", "json")[group % 2],
                "QSTICKY_REANNOUNCE": "true",
            },
            health_file=folder / "status.json",
        )
        wait_until(lambda: name == ANY or fake.count(name) > 0, what=f"{name} to be asked for")
        qsticky.wait_cycles(1)
        everything.look(way_in, qsticky)
        leaks.look(way_in, "log", "\n".join(qsticky.log))
        assert qsticky.stop() == 0
    everything.look_at_the_end(qsticky)
    leaks.check()


@pytest.mark.parametrize("asked", ["gluetun", "webhook"])
def test_nothing_that_other_servers_say_is_shown(
    asked: str,
    fake: FaultyServer,
    new_fake: Callable[..., FaultyServer],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
    leaks: Leaks,
) -> None:
    """Nor what they were told: a key, a token in the URL."""
    receiver = new_fake(Receiver, like="gotify").start()
    receiver.token = MARK
    gluetun = new_fake(ControlServer, version="v3.41.3", ports=[PORT]).start()
    everything = Everything(leaks, place, receiver)
    everything.env |= {
        "QSTICKY_WEBHOOK_URL": f"http://127.0.0.1:{receiver.port}/message?token={MARK}",
        "QSTICKY_GLUETUN_HOST": "127.0.0.1",
        "QSTICKY_GLUETUN_PORT": str(gluetun.port),
        "QSTICKY_GLUETUN_APIKEY": MARK,
    }
    qsticky = sidecar(fake, env=everything.env)
    qsticky.wait_in_sync(PORT)
    server = {"gluetun": gluetun, "webhook": receiver}[asked]
    for number, (way_in, (name, fault)) in enumerate(ANSWERS.items()):
        if name != ANY and not (asked == "gluetun" and "JSON" in way_in):
            continue
        server.fault(ANY, fault)
        before = len(qsticky.log)
        if asked == "webhook":
            gluetun.ports = [PORT + 1 + number]
            qsticky.wait_in_sync(PORT + 1 + number)
            qsticky.wait_log("webhook", after=before)
        else:
            qsticky.signal(signal.SIGHUP)
            qsticky.wait_cycles(1)
        everything.look(way_in, qsticky)
        server.heal()
        qsticky.signal(signal.SIGHUP)
        qsticky.wait_health(state="in_sync")
    everything.look_at_the_end(qsticky)
    leaks.check()


def test_no_secret_is_shown_where_all_is_well(
    fake: FaultyServer,
    new_fake: Callable[..., FaultyServer],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
    leaks: Leaks,
) -> None:
    """Nor where the password is wrong. All are in files, and all are read."""
    receiver = new_fake(Receiver, like="gotify").start()
    receiver.token = MARK
    gluetun = new_fake(ControlServer, version="v3.41.3", ports=[PORT]).start()
    everything = Everything(leaks, place, receiver)
    secrets = dict.fromkeys(secret_files(), MARK)
    secrets["QSTICKY_WEBHOOK_URL"] = f"http://127.0.0.1:{receiver.port}/message?token={MARK}"
    secrets["QSTICKY_QBITTORRENT_API_KEY"] = ""
    for name, value in secrets.items():
        (place / name).write_text(value)
    files = {f"{name}_FILE": str(place / name) for name, value in secrets.items() if value}
    files |= {"QSTICKY_QBITTORRENT_USER": "", "QSTICKY_QBITTORRENT_PASS": ""}
    everything.env |= files | {
        "QSTICKY_WEBHOOK_URL": "",
        "QSTICKY_GLUETUN_HOST": "127.0.0.1",
        "QSTICKY_GLUETUN_PORT": str(gluetun.port),
    }
    fake.user = fake.password = MARK
    qsticky = sidecar(fake, env=everything.env)
    qsticky.wait_in_sync(PORT)
    everything.look("secrets", qsticky)
    (place / "QSTICKY_QBITTORRENT_PASS").write_text(f"{MARK}x")
    fake.forget_sessions()
    qsticky.wait_log("password rejected")
    qsticky.wait_failed()
    everything.look("rejected", qsticky)
    everything.look_at_the_end(qsticky)
    assert receiver.told()
    leaks.check()

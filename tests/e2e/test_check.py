"""`qsticky check`: on each broken set-up its first FAIL line names the cause, in the words of the
table in docs/troubleshooting.md; where nothing is broken it says so; and whatever it finds, it changes nothing."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from certificates import Pki
from conftest import AS_NOBODY, AT_ONCE, CYCLE_DEADLINE, EMPTY_S, NOBODY, MakeSidecar, Sidecar, controls
from control_server import ControlServer, Role
from documents import document
from faults import reply, silence
from faulty_server import CONNECT, LOGIN, PREFERENCES, VERSION, Exchange, FaultyServer
from harness import PATIENCE, ROOT, PortFile, QBittorrent, free_port, wait_until, with_mounted
from listener import BlackHole
from listening_server import ListeningServer
from namespace import TUNNEL, TUNNEL_ADDRESS, Namespace
from tls_peers import OpensslServer

HTTPS = {"QSTICKY_USE_HTTPS": "true"}
HERE = "IP:127.0.0.1"
PORT = 41000
HOPS = [
    "configuration",
    "sandbox",
    "port file",
    "control server",
    "VPN interface",
    "name",
    "connection",
    "TLS",
    "qBittorrent",
    "login",
    "version",
    "settings",
    "port",
    "probe",
    "health file",
    "webhook",
]
LINE = re.compile(r"(ok  |warn|FAIL|skip)  (%s) +(\S.*)" % "|".join(HOPS))
FIX = re.compile(r" {22}-> \S.*")


class Bench:
    """All that a set-up may be made of. A set-up says what is so; check() looks at it."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        get = request.getfixturevalue
        self.request = request
        self.binary: Path = get("public_binary")
        self.place: Path = get("place")
        self.port_file: PortFile = get("port_file")
        self.peers: ExitStack = get("peers")
        self.sidecar: MakeSidecar = get("sidecar")
        self.new_fake: Callable[..., FaultyServer] = get("new_fake")
        self.server: Any = None
        self.health_file = self.place / "health" / "status.json"
        self.health_file.parent.mkdir()
        # Not on the machine's own links, whatever they are.
        self.env = {"QSTICKY_VPN_INTERFACE": "none"}
        self.wrapper: Sequence[str] = ()
        self.options: dict[str, Any] = {}

    @property
    def pki(self) -> Pki:
        return self.request.getfixturevalue("pki")

    def namespace(self, *, tunnel: bool = True) -> Namespace:
        """From now on."""
        made: Namespace = self.request.getfixturevalue("namespace")
        if tunnel:
            made.add_bridge()
            made.add_tunnel()
        self.env["QSTICKY_VPN_INTERFACE"] = TUNNEL
        return made

    def real(self, **options: Any) -> QBittorrent:
        """A real qBittorrent that runs, has PORT's place set and the file says so."""
        make = self.request.getfixturevalue("new_qbittorrent")
        port = free_port()
        options = {"listen_port": port, "password": "correct horse"} | options
        self.server = make(**options).start()
        self.port_file.write(port)
        return self.server

    def fake(self, **options: Any) -> FaultyServer:
        options = {"listen_port": PORT, "password": "correct horse"} | options
        self.server = self.new_fake(**options).start()
        self.port_file.write(PORT)
        return self.server

    def openssl(self, certificate: Any) -> None:
        folder = self.place / "server"
        folder.mkdir()
        self.server = self.peers.enter_context(OpensslServer(folder, certificate))
        self.port_file.write(PORT)
        self.env |= HTTPS

    def beside(self, **options: Any) -> Sidecar:
        """The sidecar whose environment and health file this check has."""
        return self._qsticky(start=True, **options)

    def _qsticky(self, **options: Any) -> Sidecar:
        if self.server is None:
            options.setdefault("port", free_port())
        return self.sidecar(
            self.server,
            program=self.binary,
            health_file=self.health_file,
            env=self.env,
            wrapper=self.wrapper,
            **self.options,
            **options,
        )

    def check(self, *args: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        qsticky = self._qsticky(start=False, args=("check", *args))
        done = subprocess.run(
            qsticky.command,
            env=qsticky.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.stderr == "", done.stderr
        self.judge(done.stdout, qsticky.env)
        return done

    def judge(self, output: str, env: Mapping[str, str]) -> None:
        """What holds for all it ever prints."""
        assert not controls(output.replace("\n", ""))
        for secret in (env["QSTICKY_QBITTORRENT_PASS"], "a+b/", "SID", "not-this-key"):
            assert not secret or secret not in output, f"a secret: {output}"


@pytest.fixture
def bench(
    request: pytest.FixtureRequest, public_binary: Path, peers: ExitStack, sidecar: MakeSidecar
) -> Bench:
    return Bench(request)


def fails(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("FAIL")]


def verdicts(output: str) -> dict[str, str]:
    found = (LINE.fullmatch(line) for line in output.splitlines())
    return {match[2]: match[1].strip() for match in found if match}


# -- broken set-ups, by their names in the docs ---------------------------------------


def wrong_variable(b: Bench) -> None:
    b.fake()
    b.env["QSTICKY_CHECK_INTERVAL"] = "soon"


def not_mounted(b: Bench) -> None:
    b.fake()
    b.port_file.remove()
    b.port_file.path.parent.rmdir()


def no_file(b: Bench) -> None:
    b.fake()
    b.port_file.remove()


def another_file(b: Bench) -> None:
    no_file(b)
    (b.port_file.path.parent / "ip").touch()


def gluetuns_own_data(b: Bench) -> None:
    no_file(b)
    (b.port_file.path.parent / "servers.json").touch()


def emptied(b: Bench) -> None:
    b.fake()
    b.port_file.clear()


def directory(b: Bench) -> None:
    b.fake()
    b.port_file.remove()
    b.port_file.path.mkdir()


def no_permission(b: Bench) -> None:
    b.request.getfixturevalue("root")
    b.fake()
    b.port_file.path.parent.chmod(0o700)
    b.health_file.parent.chmod(0o777)
    b.wrapper = AS_NOBODY


def not_a_port(b: Bench) -> None:
    b.fake()
    b.port_file.write_bytes(b"51413abc\n")


def link_elsewhere(b: Bench) -> None:
    b.fake()
    b.port_file.path.rename(b.place / "elsewhere")
    b.port_file.path.symlink_to("../elsewhere")


def replaced_mount(b: Bench) -> None:
    b.request.getfixturevalue("root")
    b.fake()
    (b.place / "mounted").write_text(str(PORT))
    script = (
        'cd "$0" && mount --bind mounted "$1" && cp mounted new && mv new mounted && shift && '
        'exec "$@"'
    )
    path = str(b.port_file.path)
    b.wrapper = ("unshare", "--mount", "sh", "-c", script, str(b.place), path)


def unknown_name(b: Bench) -> None:
    b.fake()
    b.env["QSTICKY_QBITTORRENT_HOST"] = "no-such.invalid"


def not_running(b: Bench) -> None:
    b.real().stop()


def no_answer_to_connect(b: Bench) -> None:
    b.fake()
    b.options["port"] = b.peers.enter_context(BlackHole()).port


def hangs(b: Bench) -> None:
    server = b.real()
    os.kill(server.pid, signal.SIGSTOP)


def https_of_plain(b: Bench) -> None:
    b.real()
    b.env |= HTTPS


def real_https(b: Bench, **options: Any) -> Any:
    leaf = b.pki.make(HERE)
    b.real(certificate=leaf.path, key=leaf.key, **options)
    return leaf


def plain_of_https(b: Bench) -> None:
    real_https(b)


def self_signed(b: Bench) -> None:
    real_https(b)
    other = b.pki.root()
    b.env |= HTTPS | {"QSTICKY_TLS_CA_FILE": str(other.path)}


def renewed(b: Bench) -> None:
    real_https(b)
    b.env |= HTTPS | {"QSTICKY_TLS_PIN_SHA256": b.pki.make(HERE).sha256}


def expired(b: Bench) -> None:
    leaf = b.pki.root().issue(HERE, start=-7200, end=-3600)
    b.openssl(leaf)
    b.env["QSTICKY_TLS_CA_FILE"] = str(leaf.root.path)


def another_name(b: Bench) -> None:
    leaf = b.pki.root().issue("DNS:nas.lan")
    b.openssl(leaf)
    b.env["QSTICKY_TLS_CA_FILE"] = str(leaf.root.path)


def login_page(b: Bench) -> None:
    to = {"Location": "https://auth.example/?token=x"}
    b.fake().fault(PREFERENCES, reply(302, headers=to))


def another_program(b: Bench) -> None:
    page = {"Content-Type": "text/html"}
    b.fake().fault(PREFERENCES, reply(200, b"<html>It works!</html>", headers=page))


def server_domains(b: Bench) -> None:
    web_ui = {r"WebUI\HostHeaderValidation": "true", r"WebUI\ServerDomains": "nas.lan"}
    leaf = real_https(b, extra_config={"Preferences": web_ui})
    b.env |= HTTPS | {"QSTICKY_TLS_PIN_SHA256": leaf.sha256, "QSTICKY_QBITTORRENT_HOST": "localhost"}


def wrong_password(b: Bench) -> None:
    b.real()
    b.options["password"] = "battery staple"


def closed_secret(b: Bench) -> None:
    b.request.getfixturevalue("root")
    b.fake()
    file = b.place / "password"
    file.write_text("correct horse")
    file.chmod(0o600)
    b.health_file.parent.chmod(0o777)
    b.wrapper = AS_NOBODY
    b.env["QSTICKY_QBITTORRENT_PASS"] = ""
    b.env["QSTICKY_QBITTORRENT_PASS_FILE"] = str(file)


def key_too_early(b: Bench) -> None:
    b.real()
    b.env["QSTICKY_QBITTORRENT_API_KEY"] = "not-this-key"


def banned(b: Bench) -> None:
    server = b.real(extra_config={"Preferences": {r"WebUI\MaxAuthenticationFailCount": "1"}})
    b.options["password"] = "battery staple"
    assert b.check().returncode == 1
    assert server.logins().failure == 1
    b.options["password"] = server.password


def rejected_before(b: Bench) -> None:
    b.real()
    b.options["password"] = "battery staple"
    b.beside().wait_health(state="error")


def control_server(b: Bench, version: str = "v3.41.3", **options: Any) -> ControlServer:
    b.fake()
    b.port_file.remove()
    server = b.peers.enter_context(ControlServer(version, **options))
    b.env |= {"QSTICKY_GLUETUN_HOST": "127.0.0.1", "QSTICKY_GLUETUN_PORT": str(server.port)}
    return server


def no_route(b: Bench) -> None:
    server = control_server(b, ports=[PORT])
    server.roles = [Role(["GET /v1/portforward"], "apikey", apikey="hush")]
    b.env["QSTICKY_GLUETUN_APIKEY"] = "not-this-key"


def no_port_there(b: Bench) -> None:
    control_server(b, ports=[]).roles = [Role(["GET /v1/portforward"])]


def no_control_server(b: Bench) -> None:
    control_server(b).stop()


def vpn_down(b: Bench) -> None:
    namespace = b.namespace()
    # Not named, so that the sidecar's "not reachable" says that it was here, too.
    del b.env["QSTICKY_VPN_INTERFACE"]
    b.real(address="")
    b.beside().wait_health(reachable=True)
    namespace.delete(TUNNEL)


def never_here(b: Bench) -> None:
    b.namespace().delete(TUNNEL)
    b.real()


def link_down(b: Bench) -> None:
    namespace = b.namespace()
    b.real(address="")
    namespace.ip(f"link set {TUNNEL} down")


def orphaned(b: Bench) -> None:
    b.namespace(tunnel=False)
    b.real()


def bound_to_lo(b: Bench) -> None:
    b.namespace()
    b.real(interface="lo", address="")


def bound_to_old_address(b: Bench) -> None:
    namespace = b.namespace()
    b.real(address=TUNNEL_ADDRESS)
    namespace.reconnect(address="10.9.0.7")


def peer_proxy(b: Bench) -> None:
    b.namespace()
    b.real(address="").set_preferences({"proxy_type": 2, "proxy_peer_connections": True})


def deaf(b: Bench) -> None:
    namespace = b.namespace()
    server = b.real(interface=TUNNEL, address="")
    port = server.listen_port()
    namespace.wait_open(port)
    namespace.reconnect()


def web_ui_port(b: Bench) -> None:
    b.port_file.write(b.real().webui_port)


def port_taken(b: Bench) -> None:
    b.namespace()
    server = b.real(address="")
    port = free_port()
    b.peers.enter_context(socket.create_server(("0.0.0.0", port)))
    server.set_preferences({"listen_port": port})
    b.port_file.write(port)


def another_port(b: Bench) -> None:
    b.real()
    b.port_file.write(free_port())


def set_back(b: Bench) -> None:
    server = b.fake(listen_port=6881)
    server.takes_settings = False
    b.beside().wait_health(current_port=6881)


def health_closed(b: Bench) -> None:
    b.request.getfixturevalue("root")
    b.real()
    b.health_file.parent.chmod(0o555)
    b.wrapper = AS_NOBODY


def killed(b: Bench) -> None:
    b.real()
    qsticky = b.beside()
    port = b.server.listen_port()
    health = qsticky.wait_in_sync(port)
    qsticky.kill()
    health["timestamp"] = "2026-01-01T00:00:00Z"
    b.health_file.write_text(json.dumps(health))


SETUPS: dict[str, Callable[[Bench], None]] = {
    "`QSTICKY_CHECK_INTERVAL=soon`": wrong_variable,
    "Gluetun's directory is not mounted": not_mounted,
    "an empty one is, or Gluetun was never connected": no_file,
    "Gluetun's `/gluetun` is, with `servers.json` in it": gluetuns_own_data,
    "another is, or Gluetun has no port yet": another_file,
    "Gluetun has lost its port": emptied,
    "the file was mounted alone, before it was there": directory,
    "another user, to whom the directory is closed": no_permission,
    "something else has written the file": not_a_port,
    "the file is a link to one elsewhere": link_elsewhere,
    "the file was mounted alone, and replaced since": replaced_mount,
    "a key that Gluetun's control server does not know": no_route,
    "the control server has no port": no_port_there,
    "no control server listens there": no_control_server,
    "Gluetun's container was restarted, this one not": orphaned,
    "the interface that is named was never here": never_here,
    "the VPN is down": vpn_down,
    "its interface is down": link_down,
    "a host name that nobody knows": unknown_name,
    "qBittorrent does not run": not_running,
    "a firewall drops what is sent to it": no_answer_to_connect,
    "qBittorrent hangs": hangs,
    "`QSTICKY_USE_HTTPS=true` for a plain Web UI": https_of_plain,
    "a Web UI with HTTPS, without that": plain_of_https,
    "a self-signed certificate, not trusted": self_signed,
    "the pinned certificate was renewed": renewed,
    "a certificate that has expired": expired,
    "a certificate for another name": another_name,
    "a proxy wants a login of its own": login_page,
    "another program has that port": another_program,
    '"Server domains" does not list the host, with HTTPS': server_domains,
    "a password file that cannot be read": closed_secret,
    "an API key, for a qBittorrent before 5.2": key_too_early,
    "a wrong password": wrong_password,
    "the same, and the sidecar has tried it": rejected_before,
    "this address is banned": banned,
    "a proxy for peers": peer_proxy,
    "Gluetun's documented down command has run": bound_to_lo,
    "bound to the address of the last connection": bound_to_old_address,
    "another port is set, and qsticky does not run": another_port,
    "something sets the port back": set_back,
    "the Web UI's own port is forwarded": web_ui_port,
    "another program has the port's TCP": port_taken,
    "qBittorrent is deaf after a reconnect, and qsticky does not run": deaf,
    "the health file's directory cannot be written": health_closed,
    "qsticky was killed": killed,
}


def documented_rows() -> dict[str, str]:
    """The table of set-ups: its first FAIL lines, where "…" stands for anything."""
    text = document("troubleshooting.md")
    table = text.partition("| set-up | first FAIL line |\n")[2].partition("\n\n")[0]
    rows = {}
    for line in table.splitlines()[1:]:
        setup, shown = re.fullmatch(r"\| (.*) \| `(FAIL .*)` \|", line).groups()
        rows[setup] = shown
    return rows


def test_the_docs_list_these_set_ups() -> None:
    assert list(documented_rows()) == list(SETUPS)
    for shown in documented_rows().values():
        assert len(shown.replace("…", "")) > 30, "says something"


@pytest.mark.parametrize("setup", SETUPS)
def test_the_first_fail_line_names_the_cause(setup: str, bench: Bench) -> None:
    SETUPS[setup](bench)
    started = time.monotonic()
    done = bench.check()
    took = time.monotonic() - started
    assert done.returncode == (2 if setup.startswith("`QSTICKY_CHECK") else 1), done.stdout
    first = re.sub(" +", " ", fails(done.stdout)[0])
    shown = ".*".join(map(re.escape, documented_rows()[setup].split("…")))
    assert re.fullmatch(shown, first), done.stdout
    # each FAIL tells what to do
    lines = done.stdout.splitlines()
    for line in fails(done.stdout):
        assert FIX.fullmatch(lines[lines.index(line) + 1]), line
    assert took < CYCLE_DEADLINE
    hops = json.loads(bench.check("--json").stdout)["hops"]
    codes = {hop["code"] for hop in hops if hop["code"]}
    assert codes and not {code for code in codes if not is_documented(code)}


def words_in_source() -> list[str]:
    code = (ROOT / "src" / "base" / "fail.c").read_text()
    return re.findall(r'^\t\[(?:FAIL|WORD)_\w+\] = "([a-z-]+)",$', code, re.M)


def documented_codes() -> list[str]:
    table = document("troubleshooting.md").partition("| code | what to do |\n")[2]
    rows = table.partition("\n\n")[0].splitlines()[1:]
    return [code for row in rows for code in re.findall("`([^`]+)`", row.split("|")[1])]


def is_documented(code: str) -> bool:
    (word,) = (word for word in words_in_source() if code in {f"{name}-{word}" for name in NAMES})
    return not {code, f"…-{word}"}.isdisjoint(documented_codes())


NAMES = [hop.lower().replace(" ", "-") for hop in HOPS]


def test_the_docs_list_the_codes_that_there_are() -> None:
    words = words_in_source()
    listed = documented_codes()
    assert len(words) == len(set(words)) and len(listed) == len(set(listed))
    possible = {f"{name}-{word}" for name in [*NAMES, "…"] for word in words}
    assert set(listed) <= possible
    for word in words:
        assert any(code in listed for code in possible if code.endswith(f"-{word}")), word


# -- where nothing is broken -----------------------------------------------------------


def test_where_all_holds_every_line_is_ok(bench: Bench) -> None:
    namespace = bench.namespace()
    server = bench.real(interface=TUNNEL, address="")
    port = server.listen_port()
    namespace.wait_open(port)
    bench.beside().wait_health(healthy=True, reachable=True)
    done = bench.check()
    expected = dict.fromkeys(HOPS, "ok") | {"control server": "skip"}
    # The sanitizers' runtime cannot do with seccomp; and not every kernel has all.
    expected["sandbox"] = verdicts(done.stdout)["sandbox"]
    assert verdicts(done.stdout) == expected, done.stdout
    assert done.returncode == 0
    mend = [line for line in done.stdout.splitlines() if not LINE.fullmatch(line)]
    assert len(mend) == (expected["sandbox"] == "warn"), "nothing else to mend"
    for shown in (str(port), "127.0.0.1", TUNNEL_ADDRESS, "v4.5.2", "accepted", "uid 0"):
        assert shown in done.stdout, shown


def settings_of(bench: Bench) -> dict[str, str]:
    hops = json.loads(bench.check("--json").stdout)["hops"]
    return next(hop for hop in hops if hop["name"] == "settings")


def test_binding_is_recommended_while_qbittorrent_has_any_interface(bench: Bench) -> None:
    bench.namespace()
    bench.real(address="")
    found = settings_of(bench)
    assert found["verdict"] == "ok" and "bound to any interface" in found["seen"]
    assert found["fix"] == "better: QSTICKY_BIND_INTERFACE=true"
    bench.env["QSTICKY_BIND_INTERFACE"] = "true"
    assert settings_of(bench)["fix"] is None


def test_a_web_ui_at_another_address_of_this_network_is_found(bench: Bench) -> None:
    bench.namespace()
    server = bench.real(webui_address=TUNNEL_ADDRESS)
    (line,) = [line for line in fails(bench.check().stdout) if " connection " in line]
    assert f"it accepts at {TUNNEL_ADDRESS}: set QSTICKY_QBITTORRENT_HOST={TUNNEL_ADDRESS}" in line
    bench.env["QSTICKY_QBITTORRENT_HOST"] = TUNNEL_ADDRESS
    assert verdicts(bench.check().stdout)["login"] == "ok"
    server.stop()
    (line,) = [line for line in fails(bench.check().stdout) if " connection " in line]
    assert "it accepts" not in line


def test_a_low_port_of_an_unprivileged_qbittorrent_is_explained(
    root: None, bench: Bench
) -> None:
    """It says 200 and has it set, and the kernel lets only root open it."""
    namespace = bench.namespace()
    namespace.call(
        lambda: Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("1024")
    )
    server = bench.real(address="", owner=NOBODY)
    server.set_preferences({"listen_port": 443})
    bench.port_file.write(443)
    (line,) = [line for line in fails(bench.check().stdout) if " probe " in line]
    assert "only root may open a port below 1024" in line
    health = bench.beside().wait_health(healthy=False, reachable=False)
    assert "only root may open a port below 1024" in health["last_error"]


def test_https_with_the_pin_shows_the_certificate_and_the_line_that_pins_it(
    bench: Bench,
) -> None:
    leaf = real_https(bench)
    bench.env |= HTTPS | {"QSTICKY_TLS_PIN_SHA256": leaf.sha256}
    done = bench.check()
    assert done.returncode == 0, done.stdout
    (shown,) = [line for line in done.stdout.splitlines() if " TLS " in line]
    assert shown.startswith("ok")
    assert re.search(r"subject CN=.*; issuer CN=.*; valid 20\S+ to 20\S+; for 127.0.0.1", shown)
    assert shown.endswith(f"QSTICKY_TLS_PIN_SHA256={leaf.sha256}")


def test_a_certificate_that_nobody_verifies_is_a_warning_and_no_failure(bench: Bench) -> None:
    leaf = real_https(bench)
    bench.env |= HTTPS | {"QSTICKY_VERIFY_SSL": "false"}
    done = bench.check()
    assert done.returncode == 0 and verdicts(done.stdout)["TLS"] == "warn", done.stdout
    assert f"QSTICKY_TLS_PIN_SHA256={leaf.sha256}" in done.stdout


def test_local_bypass_and_an_api_key_need_no_login(bench: Bench) -> None:
    server = bench.fake(local_auth=False)
    done = bench.check()
    assert done.returncode == 0 and "none is needed" in done.stdout, done.stdout
    assert server.count(LOGIN) == 0
    wait_until(lambda: not server.sessions, what="the session to be ended")
    bench.env["QSTICKY_QBITTORRENT_API_KEY"] = "not-this-key"
    done = bench.check()
    assert done.returncode == 0 and "API key is accepted" in done.stdout, done.stdout
    assert server.count(LOGIN) == 0


def test_settings_that_work_against_it_are_warnings(bench: Bench) -> None:
    bench.fake(
        preferences={
            "random_port": True,
            "upnp": True,
            "announce_port": 6881,
            "current_network_interface": "lo",
        }
    )
    done = bench.check()
    assert done.returncode == 0, done.stdout
    assert verdicts(done.stdout)["settings"] == "warn"
    for name in ("random_port", "upnp", "announce_port", "interface lo"):
        assert name in done.stdout


def test_the_control_server_tells_the_port_where_it_is_the_source(bench: Bench) -> None:
    server = control_server(bench, ports=[PORT])
    server.roles = [Role(["GET /v1/portforward"])]
    done = bench.check()
    assert done.returncode == 0, done.stdout
    assert verdicts(done.stdout)["control server"] == "ok"
    assert verdicts(done.stdout)["port file"] == "skip" and verdicts(done.stdout)["port"] == "ok"
    asked = len(server.requests)
    bench.env["QSTICKY_PORT_SOURCE"] = "auto"
    assert verdicts(bench.check().stdout)["control server"] == "ok"
    bench.port_file.write(PORT)
    assert verdicts(bench.check().stdout)["control server"] == "skip"
    assert len(server.requests) == 2 * asked, "not while there is a file"


def test_a_missing_file_is_said_to_be_gluetuns_or_a_wrong_mount(bench: Bench) -> None:
    another_file(bench)
    _, _, rest = bench.check().stdout.partition("there is no such file\n")
    advice, _, _ = rest.partition("\n")
    assert "Gluetun's log" in advice and "another directory" in advice


def test_a_port_file_from_before_the_machine_was_started_is_a_warning(bench: Bench) -> None:
    bench.fake()
    os.utime(bench.port_file, (1e9, 1e9))
    done = bench.check()
    assert done.returncode == 0 and verdicts(done.stdout)["port file"] == "warn", done.stdout
    os.utime(bench.port_file)
    assert verdicts(bench.check().stdout)["port file"] == "ok"


def test_the_instant_between_truncate_and_write_is_waited_out(bench: Bench) -> None:
    bench.fake()
    in_time = False
    while not in_time:  # a busy machine makes more of the instant than it is
        began = time.monotonic()
        bench.port_file.clear()
        qsticky = bench._qsticky(start=False, args=("check",))
        with subprocess.Popen(qsticky.command, env=qsticky.env, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline().startswith(b"ok")  # it is at the port file now
            time.sleep(0.2)
            bench.port_file.write(PORT)
            in_time = time.monotonic() - began < EMPTY_S
            output = process.stdout.read()
    assert b"FAIL" not in output and process.returncode == 0


def test_where_no_interface_is_found_the_probe_is_left_out(bench: Bench) -> None:
    bench.namespace().delete(TUNNEL)
    bench.real()
    bench.env["QSTICKY_VPN_INTERFACE"] = ""
    done = bench.check()
    assert done.returncode == 0, done.stdout
    assert "no interface here is a VPN's (eth0)" in done.stdout
    assert verdicts(done.stdout)["VPN interface"] == "warn"
    assert verdicts(done.stdout)["probe"] == "skip"


def test_an_interface_that_is_named_has_to_be_there(bench: Bench) -> None:
    bench.namespace().delete(TUNNEL)
    bench.real()
    assert bench.env["QSTICKY_VPN_INTERFACE"] == TUNNEL
    done = bench.check()
    assert done.returncode == 1, done.stdout
    assert verdicts(done.stdout)["VPN interface"] == "FAIL"
    assert f"there is no {TUNNEL} here, which QSTICKY_VPN_INTERFACE names" in done.stdout
    assert "network_mode" in done.stdout
    assert verdicts(done.stdout)["probe"] == "skip"


@pytest.mark.parametrize("status", ["firewalled", "connected"])
def test_an_open_port_that_no_peer_has_reached_may_be_redirected(
    status: str, bench: Bench
) -> None:
    """The probe comes from inside, where Gluetun redirects nothing."""
    bench.namespace()
    bench.fake().transfer_info["connection_status"] = status
    with socket.create_server(("0.0.0.0", PORT)), socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("0.0.0.0", PORT))
        done = bench.check()
    assert done.returncode == 0, done.stdout
    (line,) = (line for line in done.stdout.splitlines() if "  probe  " in line)
    assert "open: TCP is accepted, and UDP taken" in line
    assert ("VPN_PORT_FORWARDING_LISTENING_PORTS" in line) == (status == "firewalled")


# A named one that was here is not told from one that never was: the health file is the same.
@pytest.mark.parametrize("named", [True, False], ids=["never here", "gone"])
def test_of_a_missing_interface_it_says_what_the_sidecar_says(named: bool, bench: Bench) -> None:
    namespace = bench.namespace()
    if not named:
        namespace.delete(TUNNEL)
        namespace.ip(
            f"tuntap add mode tun {TUNNEL}",
            f"addr add {TUNNEL_ADDRESS}/32 dev {TUNNEL}",
            f"link set {TUNNEL} up",
        )
        bench.env["QSTICKY_VPN_INTERFACE"] = ""
    if named:
        bench.real(address="")
        namespace.delete(TUNNEL)
    else:  # libtorrent would not listen on it, since nobody holds its other end
        bench.fake(kind=ListeningServer)
    bench.env["QSTICKY_NO_PORT_GRACE"] = "0"
    qsticky = bench.beside()
    if not named:
        qsticky.wait_health(reachable=True)
        namespace.delete(TUNNEL)
    error = qsticky.wait_health(reachable=False)["last_error"]
    output = bench.check().stdout
    assert re.search(f"^FAIL  VPN interface +{re.escape(error)}$", output, re.M), (error, output)


def test_where_only_loopback_was_ever_here_it_says_what_the_sidecar_says(bench: Bench) -> None:
    """Nobody has named a tunnel, so it is not known whether there should be one."""
    bench.namespace(tunnel=False)
    bench.real()
    bench.env["QSTICKY_VPN_INTERFACE"] = ""
    qsticky = bench.beside()
    assert qsticky.wait_in_sync(bench.server.listen_port())["reachable"] is None
    done = bench.check()
    assert done.returncode == 0, done.stdout
    assert verdicts(done.stdout)["VPN interface"] == "warn"
    sentence = qsticky.wait_trouble().partition("WARN  ")[2]
    assert "only loopback" in sentence and sentence in done.stdout


def fix_of(output: str, hop: str) -> str:
    lines = output.splitlines()
    (at,) = (i for i, line in enumerate(lines) if line.startswith(f"FAIL  {hop} "))
    return lines[at + 1].strip()


@pytest.mark.parametrize(
    "content",
    [b"\n", "correct horse".encode("utf-16"), b"one\ntwo\n", b"x" * 5000],
    ids=["empty", "UTF-16", "two lines", "too long"],
)
@pytest.mark.parametrize("secret", ["PASS", "API_KEY"])
def test_a_secret_of_no_use_is_what_is_to_be_corrected(
    secret: str, content: bytes, bench: Bench
) -> None:
    server = bench.fake()
    file = bench.place / "secret"
    file.write_bytes(content)
    variable = f"QSTICKY_QBITTORRENT_{secret}"
    bench.env |= {variable: "", f"{variable}_FILE": str(file)}
    output = bench.check().stdout
    (line,) = (line for line in fails(output) if "qBittorrent at " in line)
    assert f"{variable}: {file}: " in line
    assert fix_of(output, "qBittorrent") == "-> correct that file: one line of UTF-8, open to this user"
    hops = json.loads(bench.check("--json").stdout)["hops"]
    assert "qbittorrent-secret" in [hop["code"] for hop in hops]
    assert server.count(LOGIN) == 0


def test_where_no_route_leads_host_and_port_are_what_may_be_wrong(bench: Bench) -> None:
    bench.namespace(tunnel=False)
    bench.fake()
    bench.env["QSTICKY_QBITTORRENT_HOST"] = "192.0.2.1"
    output = bench.check().stdout
    assert "unreachable" in output
    assert "QSTICKY_QBITTORRENT_HOST, _PORT" in fix_of(output, "connection")


def test_a_file_of_the_webhook_that_is_of_no_use_is_what_may_be_wrong(bench: Bench) -> None:
    bench.fake()
    file = bench.place / "webhook"
    file.write_text("\n")
    bench.env["QSTICKY_WEBHOOK_URL_FILE"] = str(file)
    output = bench.check().stdout
    assert verdicts(output)["webhook"] == "warn"
    lines = output.splitlines()
    (at,) = (i for i, line in enumerate(lines) if f"{file}: is empty" in line)
    assert "QSTICKY_WEBHOOK_URL or its file" in lines[at + 1]


@pytest.mark.parametrize("setup", [rejected_before, set_back, vpn_down])
def test_it_does_not_ask_for_a_qsticky_that_runs(
    setup: Callable[[Bench], None], bench: Bench
) -> None:
    setup(bench)
    wait_until(lambda: json.loads(bench.health_file.read_text())["healthy"] is False)
    output = bench.check().stdout
    assert fix_of(output, "health file") == "-> look at its log"
    assert "let qsticky run" not in output, output


def test_a_closed_port_below_1024_is_not_helped_by_a_restart(bench: Bench) -> None:
    bench.namespace()
    server = bench.fake(kind=ListeningServer, listen_port=80)
    server.close_port()
    bench.port_file.write(80)
    output = bench.check().stdout
    (line,) = (line for line in fails(output) if line.startswith("FAIL  probe"))
    assert "only root may open a port below 1024" in line
    assert fix_of(output, "probe") == "-> do as this line says; a restart of qBittorrent does not help"


@pytest.mark.parametrize("binary", ["musl"], indirect=True)
def test_it_is_as_patient_as_the_sidecar_beside_it(bench: Bench) -> None:
    """Which has found qBittorrent slow. Alone, it waits for 10 s and says that the sidecar waits longer."""
    server = bench.fake(local_auth=False)
    qsticky = bench.beside()
    health = qsticky.wait_in_sync(PORT)
    qsticky.kill()  # it would write the file again

    def slow(exchange: Exchange) -> None:
        exchange.hold(11)
        exchange.send(exchange.reply().wire())

    server.fault(PREFERENCES, slow)
    output = bench.check().stdout
    assert "connected, but no reply" in output
    assert "up to 60 s, and check too if it runs" in fix_of(output, "qBittorrent")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    valid_s = health["valid_seconds"] - 15 + 4 * 20
    bench.health_file.write_text(json.dumps(health | {"timestamp": now, "valid_seconds": valid_s}))
    done = bench.check()
    assert done.returncode == 0 and verdicts(done.stdout)["qBittorrent"] == "ok", done.stdout


def test_a_hint_of_the_sidecar_is_a_warning(bench: Bench) -> None:
    bench.fake()
    qsticky = bench.beside()
    health = qsticky.wait_in_sync(PORT)
    qsticky.kill()  # it would write the file again
    bench.health_file.write_text(json.dumps(health | {"hint": "somebody else sets the port"}))
    done = bench.check()
    assert done.returncode == 0, done.stdout
    assert re.search("^warn  health file +somebody else sets the port$", done.stdout, re.M)
    bench.health_file.write_text(json.dumps(health))
    assert verdicts(bench.check().stdout)["health file"] == "ok"


def test_a_misspelt_variable_is_a_warning(bench: Bench) -> None:
    bench.fake()
    bench.env["QSTICKY_CHECK_INTERVALL"] = "5"
    done = bench.check()
    assert done.returncode == 0, done.stdout
    assert re.search("^warn  configuration +QSTICKY_CHECK_INTERVALL", done.stdout, re.M)


def test_each_wrong_variable_is_a_line_and_nothing_else_is_tried(bench: Bench) -> None:
    server = bench.fake()
    bench.env |= {"QSTICKY_LOG_LEVEL": "LOUD", "QSTICKY_CHECK_INTERVAL": "soon"}
    done = bench.check()
    assert done.returncode == 2
    assert len(fails(done.stdout)) == 2 and set(verdicts(done.stdout)) == {"configuration"}
    assert not server.connections


# -- it changes nothing -------------------------------------------------------------------


def contents(folder: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        if "profile" not in str(path.relative_to(folder)):
            status = path.lstat()
            found[str(path)] = (status.st_mode, status.st_ino, status.st_mtime_ns)
    return found


def test_it_changes_nothing_and_logs_in_once(bench: Bench) -> None:
    server = bench.real()
    bench.port_file.write(free_port())
    before, files = server.preferences(), contents(bench.place)
    assert bench.check().returncode == 1
    assert server.preferences() == before
    budget = bench.health_file.with_name("status.json.login")
    assert budget.stat().st_mode & 0o7777 == 0o600
    after = contents(bench.place)
    changed = {path for path in after.keys() | files.keys() if after.get(path) != files.get(path)}
    # The one file that counts failed logins.
    assert changed == {str(budget), str(budget.parent)}
    assert server.logins() == (1, 0, 0)


def test_where_it_cannot_count_a_failed_login_it_sends_none(bench: Bench) -> None:
    server = bench.real()
    bench.options["password"] = "battery staple"
    bench.health_file.parent.rmdir()
    files = contents(bench.place)
    for _ in range(6):
        (line,) = [one for one in fails(bench.check().stdout) if one.startswith("FAIL  login")]
        assert "failed logins cannot be counted" in line and "No such file or directory" in line
    assert contents(bench.place) == files, "no directory"
    assert server.logins() == (0, 0, 0)


def test_all_it_sends_are_questions_and_one_session_that_it_ends(bench: Bench) -> None:
    server = bench.fake(listen_port=6881)
    assert bench.check().returncode == 1
    wait_until(lambda: not server.sessions, what="the session to be ended")
    posts = [request.name for request in server.requests if request.method == "POST"]
    assert posts == [LOGIN, "logout"] and server.sessions_made == 1


def test_beside_a_sidecar_it_is_no_disturbance(bench: Bench) -> None:
    """As `docker exec qsticky /qsticky check`."""
    server = bench.real()
    qsticky = bench.beside()
    port = server.listen_port()
    qsticky.wait_log(f"in sync: port {port}")  # the last that it says; health is written first
    logged = len(qsticky.lines("INFO"))
    done = bench.check()
    assert done.returncode == 0, done.stdout
    assert verdicts(done.stdout)["health file"] == "ok"
    assert server.logins().success == 2, "a session each"
    qsticky.wait_cycles(2)
    assert qsticky.wait_in_sync(port)["rebinds"] == 0
    assert server.logins().success == 2, "the sidecar still has its own"
    assert len(qsticky.lines("INFO")) == logged and not qsticky.troubles()


def test_a_login_that_was_refused_is_not_tried_again(bench: Bench) -> None:
    server = bench.real()
    bench.options["password"] = "battery staple"
    bench.beside().wait_health(state="error")
    for _ in range(6):
        assert bench.check().returncode == 1
    assert server.logins() == (0, 1, 0), "the sidecar's"


@pytest.mark.parametrize("age", [0, 10**7])
def test_no_sentence_in_the_health_file_keeps_it_from_trying(age: int, bench: Bench) -> None:
    server = bench.fake()
    error = "/login/port: user name or password rejected, the next login is not before tomorrow"
    written = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age))
    health = {"healthy": False, "last_error": error, "timestamp": written}
    bench.health_file.write_text(json.dumps(health))
    assert verdicts(bench.check().stdout)["login"] == "ok"
    assert server.count(LOGIN) == 1


def test_a_damaged_port_file_does_not_have_it_log_in_again_and_again(bench: Bench) -> None:
    server = bench.real()
    bench.options["password"] = "battery staple"
    qsticky = bench.beside()
    qsticky.wait_health(login="rejected")
    bench.port_file.write_bytes(b"oops")
    wait_until(lambda: "oops" in str(qsticky.health()) or "not a port" in str(qsticky.health()))

    def login_line() -> str:
        """Empty where the sidecar has the count in hand at that moment."""
        (line,) = [one for one in fails(bench.check().stdout) if one.startswith("FAIL  login")]
        assert "not tried now" in line
        return "" if "another qsticky is logging in right now" in line else line

    for _ in range(6):
        assert "the next login is not before" in wait_until(login_line, what="the count to be free")
    assert server.logins() == (0, 1, 0), "the sidecar's"


# -- how it is said -----------------------------------------------------------------------


@pytest.mark.parametrize("setup", ["all is well", "a wrong password", "`QSTICKY_CHECK_INTERVAL=soon`"])
def test_json_is_one_object_with_an_array_of_hops(setup: str, bench: Bench) -> None:
    SETUPS.get(setup, Bench.fake)(bench)
    done = bench.check("--json")
    found = json.loads(done.stdout)
    assert set(found) == {"hops", "ok"}
    assert found["ok"] is (done.returncode == 0)
    for hop in found["hops"]:
        assert set(hop) == {"name", "verdict", "code", "seen", "fix"}
        assert (hop["code"] is None) == (hop["verdict"] in ("ok", "skip"))
        assert hop["name"] in HOPS and hop["verdict"] in ("ok", "warn", "FAIL", "skip")
        assert hop["seen"] and (hop["fix"] or hop["verdict"] not in ("warn", "FAIL"))
    assert any(hop["verdict"] == "FAIL" for hop in found["hops"]) is not found["ok"]


def in_terminal(bench: Bench, env: Mapping[str, str], *args: str) -> str:
    qsticky = bench._qsticky(start=False, args=("check", *args))
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            qsticky.command, env=qsticky.env | env, stdin=subprocess.DEVNULL, stdout=theirs
        )
        os.close(theirs)
        output = b""
        try:
            while piece := os.read(ours, 65536):
                output += piece
        except OSError:  # EIO: the other side is closed
            pass
        process.wait(PATIENCE)
    finally:
        os.close(ours)
    return output.decode().replace("\r\n", "\n")


def test_colour_is_for_terminals_only_and_not_where_it_is_not_wanted(bench: Bench) -> None:
    bench.fake(listen_port=6881)
    plain = bench.check().stdout
    assert "\033" not in plain
    coloured = in_terminal(bench, {"TERM": "xterm"})
    assert "\033[1;31mFAIL\033[m" in coloured and "\033[32mok  \033[m" in coloured
    assert re.sub(r"\033\[[\d;]*m", "", coloured) == plain
    assert in_terminal(bench, {"TERM": "xterm", "NO_COLOR": "1"}) == plain
    assert in_terminal(bench, {"TERM": "dumb"}) == plain
    assert "\033" not in in_terminal(bench, {"TERM": "xterm"}, "--json")


def test_a_version_that_is_none_is_not_shown(bench: Bench) -> None:
    bench.fake().fault(VERSION, reply(200, b"v4\x1b]0;owned\x07"))
    assert re.search("^ok +version +unknown$", bench.check().stdout, re.M)
    json.loads(bench.check("--json").stdout)


# -- time -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_it_at_once(number: int, bench: Bench) -> None:
    server = bench.fake()
    server.fault(PREFERENCES, silence())
    qsticky = bench._qsticky(start=False, args=("check", "--json"))
    with subprocess.Popen(qsticky.command, env=qsticky.env, stdout=subprocess.PIPE) as process:
        wait_until(lambda: server.count(PREFERENCES), what="the request")
        process.send_signal(number)
        output = process.stdout.read()
        assert process.wait(AT_ONCE) == 1
    assert json.loads(output)["ok"] is False


def test_a_server_that_accepts_and_says_nothing_is_waited_for_15_s_at_most(bench: Bench) -> None:
    bench.fake().fault(CONNECT, silence())
    started = time.monotonic()
    done = bench.check()
    assert done.returncode == 1 and "FAIL" in done.stdout
    assert time.monotonic() - started < CYCLE_DEADLINE


def test_a_name_server_that_says_nothing_is_waited_for_5_s_a_hop(
    root: None, bench: Bench
) -> None:
    bench.fake()
    resolver = bench.place / "resolv.conf"
    # loopback refuses at once; this one is never answered
    resolver.write_text("nameserver 192.0.2.1\noptions timeout:30 attempts:3\n")
    namespace = bench.namespace()
    namespace.ip("addr add 192.0.2.1/32 dev eth0")
    bench.env |= {"QSTICKY_VPN_INTERFACE": "", "QSTICKY_QBITTORRENT_HOST": "nas.example"}
    bench.wrapper = with_mounted(resolver, "/etc/resolv.conf")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("192.0.2.1", 53))
        started = time.monotonic()
        done = bench.check()
    assert time.monotonic() - started < CYCLE_DEADLINE
    assert done.returncode == 1
    assert re.match("FAIL +name +.*no answer from the name server", fails(done.stdout)[-1])


@pytest.mark.parametrize(
    "args", [["check", "--yaml"], ["check", "--json", "--json"], ["check", "now"]], ids=repr
)
def test_unknown_options_show_the_usage(args: list[str], binary: Path) -> None:
    done = subprocess.run([binary, *args], env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage" in done.stderr and f"argument {len(args)}" in done.stderr

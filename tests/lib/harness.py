"""What the end-to-end tests, the demo and the benchmark share: a real qBittorrent,
a stand-in for Gluetun, and qsticky itself, each as an object that cleans up.

Plain Python 3.11, standard library only. Everything stays on loopback.

    with QBittorrent(tmp / "profile") as qbittorrent:
        port_file = PortFile(tmp / "gluetun" / "forwarded_port")
        with Qsticky(BINARY, port_file=port_file, health_file=tmp / "health.json",
                     qbittorrent_port=qbittorrent.webui_port) as qsticky:
            port_file.write(41000)
            qsticky.wait_health(state="in_sync", current_port=41000)
            assert qbittorrent.listen_port() == 41000
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import http.client
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import versions

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / "build" / "qsticky"
# The stand-ins' images hold this module, and no Makefile.
_MAKEFILE = ROOT / "Makefile"
VERSION = (
    re.findall(r"^VERSION := (\S+)$", _MAKEFILE.read_text(), re.M)[0] if _MAKEFILE.exists() else ""
)

# qBittorrent bans and logs by address. The client under test comes from the first one, our own
# questions from the second, so neither shows in the other's count. (All of 127/8 is loopback,
# but qBittorrent's bypass for local clients knows only 127.0.0.1 and ::1: we always log in.)
CLIENT_IP = "127.0.0.1"
ADMIN_IP = "127.0.0.2"

# Seconds that anything may take whose time is not what is asked about. It takes milliseconds, but a
# busy machine may keep a process from its processor for seconds; and whoever waits in vain fails.
PATIENCE = 30.0

T = TypeVar("T")


def wait_until(check: Callable[[], T], timeout: float = PATIENCE, what: str = "condition") -> T:
    """Polls `check` until it returns something true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for: {what}")
        time.sleep(0.005)


_handed_out: set[int] = set()
# What keeps other processes from the newest of them; bounded, as descriptors are.
_claims: deque[socket.socket] = deque()
_CLAIMS_MAX = 256


def free_port() -> int:
    """A port that nothing uses now, TCP or UDP, that this process has not had before, and that
    no other test process gets meanwhile.

    Below the kernel's range for outgoing connections, so that none of the thousands a test run
    makes can take it. The claim is a name in the abstract socket namespace: gone when its
    process is.
    """
    for _ in range(10000):
        port = random.randrange(12000, 32000)
        if port in _handed_out:
            continue
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0qsticky-test-port-{port}")
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("0.0.0.0", port))
        except OSError:
            claim.close()
            continue
        _handed_out.add(port)
        _claims.append(claim)
        if len(_claims) > _CLAIMS_MAX:
            _claims.popleft().close()
        return port
    raise RuntimeError("no free port found")


def memory_kib(pid: int, kind: str = "Rss") -> int:
    """A line of smaps_rollup: what the kernel has counted page by page, as /proc/PID/status is not."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(rf"^{kind}:\s*(\d+) kB", rollup, re.M)[1])


def sleeps(pid: int) -> str:
    """How often it has gone to sleep, if that is what it does now; else nothing."""
    status = Path(f"/proc/{pid}/status").read_text()
    if not re.search(r"^State:\tS", status, re.M):
        return ""
    return re.search(r"^voluntary_ctxt_switches:\t(\d+)", status, re.M)[1]


def during_sleep(pid: int, look: Callable[[], T]) -> T:
    """What is to be seen in one whole sleep of it: awake it holds more."""

    def whole() -> tuple[T] | None:
        before, seen = sleeps(pid), look()
        return (seen,) if before and before == sleeps(pid) else None

    return wait_until(whole, what="its sleep")[0]


def with_mounted(source: Path, target: str) -> tuple[str, ...]:
    """To be put before a command that is to find this file or directory in the place of another."""
    script = 'mount --bind "$0" "$1" && shift && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", script, str(source), target)


def handles(pid: int, number: int) -> bool:
    """Whether the process has blocked, caught or ignored that signal, or has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True
    masks = re.findall(r"^Sig(?:Blk|Ign|Cgt):\t(\w+)", status, re.M)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


class PortFile:
    """The file with the forwarded port, written the way Gluetun does it."""

    def __init__(self, path: str | os.PathLike[str], *, make_dir: bool = True) -> None:
        self.path = Path(path)
        if make_dir:
            self.path.parent.mkdir(parents=True, exist_ok=True)

    def __fspath__(self) -> str:
        return str(self.path)

    def write_bytes(self, content: bytes) -> None:
        """Truncates and writes in place, then chown: Gluetun never renames."""
        fd = os.open(self.path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        try:
            if content:
                os.write(fd, content)
        finally:
            os.close(fd)
        os.chown(self.path, os.getuid(), os.getgid())

    def write(self, *ports: int) -> None:
        """One port a line, and no newline after the last."""
        self.write_bytes("\n".join(str(port) for port in ports).encode())

    def clear(self) -> None:
        """No port now, as Gluetun says it since 3.40.1."""
        self.write_bytes(b"")

    def remove(self) -> None:
        """No port now, as Gluetun said it until 3.40.0."""
        self.path.unlink()

    def rename_over(self, text: str) -> None:
        """Replaces the file in one step. Not Gluetun's way, but that of many a script."""
        new = self.path.with_name(self.path.name + ".new")
        new.write_text(text)
        os.rename(new, self.path)


# Settings that the oldest qBittorrent keeps elsewhere: (section, key) of its file for ours.
OF_4_2 = {
    ("BitTorrent", r"Session\Port"): ("Preferences", r"Connection\PortRangeMin"),
    ("BitTorrent", r"Session\Interface"): ("Preferences", r"Connection\Interface"),
    ("BitTorrent", r"Session\InterfaceName"): ("Preferences", r"Connection\InterfaceName"),
    ("BitTorrent", r"Session\InterfaceAddress"): ("Preferences", r"Connection\InterfaceAddress"),
    ("BitTorrent", r"Session\DHTEnabled"): ("Preferences", r"Bittorrent\DHT"),
    ("BitTorrent", r"Session\LSDEnabled"): ("Preferences", r"Bittorrent\LSD"),
    ("BitTorrent", r"Session\PeXEnabled"): ("Preferences", r"Bittorrent\PeX"),
    ("Network", "PortForwardingEnabled"): ("Preferences", r"Connection\UPnP"),
}


class Logins(NamedTuple):
    """Password logins from one address, as qBittorrent's own log counts them."""

    success: int
    failure: int  # wrong credentials
    banned: int  # turned away because the address is banned


class QBittorrent:
    """The real qbittorrent-nox in a profile of its own, reachable on loopback only."""

    def __init__(
        self,
        profile_dir: str | os.PathLike[str],
        *,
        user: str = "admin",
        password: str = "adminadmin",
        webui_address: str = "127.0.0.1",
        webui_port: int | None = None,
        listen_port: int | None = None,
        interface: str = "",
        address: str = "127.0.0.1",
        local_auth: bool = True,
        version: str = versions.INSTALLED,
        certificate: str | os.PathLike[str] | None = None,
        key: str | os.PathLike[str] | None = None,
        extra_config: Mapping[str, Mapping[str, str]] | None = None,
        owner: int | None = None,
    ) -> None:
        """`interface` and `address` are where it listens for peers; both empty: everywhere. With
        the default it is loopback only, without naming `lo`, which a VPN's user never should.

        `local_auth` False lets clients on localhost in without a login. `version` is one of
        versions.VERSIONS.

        `certificate` and `key` are PEM files: with them its WebUI speaks HTTPS. Put others in their
        place while it is stopped. (With files that it cannot use it falls back to plain HTTP.)

        `owner` is the user that it runs as.

        `extra_config` is {section: {key: value}}, for example
        {"Preferences": {r"WebUI\\BanDuration": "4"}}, and overrides what is set here.
        """
        self.profile = Path(profile_dir)
        self.user = user
        self.password = password
        self.webui_address = webui_address
        self.webui_port = webui_port or free_port()
        self.owner = owner
        self.version = version
        self.https = (certificate, key) if certificate and key else None
        self.process: subprocess.Popen[bytes] | None = None
        self.cookie = ""  # of our own session, as set: name=value
        self._log_start = 0
        listens = {
            r"Session\Port": str(listen_port or free_port()),
            r"Session\Interface": interface,
            r"Session\InterfaceName": interface,
            r"Session\InterfaceAddress": address,
        }
        self._write_config(listens, local_auth, extra_config or {})

    @property
    def log_path(self) -> Path:
        return self.profile / "qBittorrent" / "data" / "logs" / "qbittorrent.log"

    @property
    def _config(self) -> Path:
        return self.profile / "qBittorrent" / "config" / "qBittorrent.conf"

    def _write_config(
        self,
        listens: Mapping[str, str],
        local_auth: bool,
        extra: Mapping[str, Mapping[str, str]],
    ) -> None:
        sections: dict[str, dict[str, str]] = {
            "Application": {
                r"FileLogger\Enabled": "true",
                r"FileLogger\Backup": "false",  # else a long test's log is split
                r"FileLogger\DeleteOld": "false",
            },
            "BitTorrent": {
                **listens,
                r"Session\DHTEnabled": "false",
                r"Session\LSDEnabled": "false",
                r"Session\PeXEnabled": "false",
            },
            "LegalNotice": {"Accepted": "true"},
            "Network": {"PortForwardingEnabled": "false"},  # UPnP and NAT-PMP
            "Preferences": {
                r"Connection\ResolvePeerCountries": "false",  # else it downloads a database
                r"General\Locale": "en",
                r"WebUI\Address": self.webui_address,
                r"WebUI\Port": str(self.webui_port),
                r"WebUI\Username": self.user,
                r"WebUI\Password_PBKDF2": password_entry(self.password),
                r"WebUI\LocalHostAuth": "true" if local_auth else "false",
                r"WebUI\UseUPnP": "false",
            },
        }
        if self.https:
            certificate, key = self.https
            sections["Preferences"] |= {
                r"WebUI\HTTPS\Enabled": "true",
                r"WebUI\HTTPS\CertificatePath": os.fspath(certificate),
                r"WebUI\HTTPS\KeyPath": os.fspath(key),
            }
        for section, entries in extra.items():
            sections.setdefault(section, {}).update(entries)
        if self.version == versions.OLDEST:
            for (section, key), (its_section, its_key) in OF_4_2.items():
                if key in sections[section]:
                    sections[its_section][its_key] = sections[section].pop(key)
        self._config.parent.mkdir(parents=True, exist_ok=True)
        with open(self._config, "w", encoding="utf-8") as file:
            for section, entries in sections.items():
                file.write(f"[{section}]\n")
                file.writelines(f"{key}={value}\n" for key, value in entries.items())

    # -- process

    def start(self, *args: str) -> "QBittorrent":
        """Starts it and waits until the WebUI answers. `args` go to qbittorrent-nox."""
        assert self.process is None, "already running"
        self.cookie = ""
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        # Certificates and such lie beside the profile.
        if self.owner is not None:
            for path in (self.profile, *self.profile.rglob("*")):
                os.chown(path, self.owner, -1)
        wrapper = versions.command(self.version, [Path(tempfile.gettempdir()), self.profile])
        with open(self.profile / "output.txt", "ab") as output:
            self.process = subprocess.Popen(
                [*wrapper, "qbittorrent-nox", f"--profile={self.profile}", *args],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "HOME": str(self.profile),
                    "LANG": "C.UTF-8",
                    "TZ": "UTC",
                },
                start_new_session=True,  # a Ctrl-C at the terminal is ours alone
                user=self.owner,
            )
        atexit.register(self.kill)
        try:
            wait_until(self._answers, 2 * PATIENCE, "qBittorrent's WebUI to answer")
        except BaseException:
            self.kill()
            raise
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            output = (self.profile / "output.txt").read_text(errors="replace")
            raise AssertionError(f"qbittorrent-nox ended with {self.process.returncode}: {output}")
        try:
            return self._request("GET", "app/version")[0] in (200, 403)
        except (OSError, http.client.HTTPException):
            return False

    @property
    def pid(self) -> int:
        assert self.process is not None, "not running"
        return self.process.pid

    def stop(self) -> None:
        """Ends it as a service manager would; it saves its settings. No error if it is not up."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def kill(self) -> None:
        """Ends it as a crash would: settings of the last seconds may be lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        atexit.unregister(self.kill)

    def restart(self, listen_port: int | None = None) -> None:
        """With a port: as images do that set their own at each start."""
        self.stop()
        options = []
        if listen_port and self.version == versions.OLDEST:  # it has no option for that
            text = self._config.read_text("utf-8")
            key = re.escape(OF_4_2["BitTorrent", r"Session\Port"][1])
            text, found = re.subn(rf"^{key}=.*", rf"{key}={listen_port}", text, flags=re.M)
            assert found == 1, text
            self._config.write_text(text, "utf-8")
        elif listen_port:
            options = [f"--torrenting-port={listen_port}"]
        self.start(*options)

    def __enter__(self) -> "QBittorrent":
        return self if self.process else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- what it says, in a session of our own

    def _connection(self) -> http.client.HTTPConnection:
        server, options = (self.webui_address, self.webui_port), {"source_address": (ADMIN_IP, 0)}
        if not self.https:
            return http.client.HTTPConnection(*server, timeout=PATIENCE, **options)
        anybody = ssl._create_unverified_context()  # it is ours; who it is, others ask
        return http.client.HTTPSConnection(*server, timeout=PATIENCE, context=anybody, **options)

    def _request(
        self, method: str, path: str, form: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        connection = self._connection()
        try:
            headers = {"Cookie": self.cookie} if self.cookie else {}
            if form is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = None if form is None else urllib.parse.urlencode(form)
            connection.request(method, f"/api/v2/{path}", body, headers)
            response = connection.getresponse()
            text = response.read().decode()
            cookie = response.headers.get("Set-Cookie")
            if cookie:
                self.cookie = cookie.partition(";")[0]
            return response.status, text
        finally:
            connection.close()

    def api(self, method: str, path: str, form: Mapping[str, str] | None = None) -> str:
        """Body of the reply to one WebAPI request, for example api("GET", "log/main")."""
        status, text = self._request(method, path, form)
        if status == 403:  # no session yet, or qBittorrent was restarted
            self.cookie = ""
            credentials = {"username": self.user, "password": self.password}
            login = self._request("POST", "auth/login", credentials)
            assert login in ((200, "Ok."), (204, "")), f"login as {self.user}: {login}"
            status, text = self._request(method, path, form)
        assert status in (200, 204), f"{method} {path}: {status} {text}"
        return text

    def preferences(self) -> dict[str, Any]:
        return json.loads(self.api("GET", "app/preferences"))

    def set_preferences(self, values: Mapping[str, Any]) -> None:
        self.api("POST", "app/setPreferences", {"json": json.dumps(values)})

    def listen_port(self) -> int:
        return self.preferences()["listen_port"]

    def accepts_connections(self, port: int) -> bool:
        """Whether the port is really open, not merely configured. It opens some
        milliseconds after qBittorrent has said yes, so wait for it."""
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError:
            return False
        return True

    def log_text(self) -> str:
        """qBittorrent's own log, all starts of this profile. Complete up to now: while it runs,
        this waits until the file holds the last message that the WebAPI's log has.

        What they say (here 4.5.2), after level and time, as in "(N) 2026-11-22T08:42:10 - ":
          WebAPI login success. IP: 127.0.0.1
          WebAPI login failure. Reason: invalid credentials, attempt count: 1, IP: 127.0.0.1, ...
          WebAPI login failure. Reason: IP has been banned, IP: 127.0.0.1, username: admin
          Successfully listening on IP. IP: "127.0.0.1". Port: "TCP/43001"
        The ban itself is not logged, only the next attempt during it. A client of the default
        dual-stack WebUI (WebUI\\Address=*) shows as ::ffff:127.0.0.1.
        """

        if self.process is not None and self.process.poll() is None:
            messages = [entry["message"] for entry in json.loads(self.api("GET", "log/main"))]
            last, wanted = messages[-1].encode(), messages.count(messages[-1])

            def is_written() -> bool:
                return self.log_path.read_bytes()[self._log_start :].count(last) >= wanted

            wait_until(is_written, what="qBittorrent to write its log")
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def logins(self, user_ip: str = CLIENT_IP) -> Logins:
        """How often `user_ip` logged in, or tried to. Our own session is not among them."""
        ip = re.escape(user_ip)
        log = self.log_text()
        return Logins(
            success=len(re.findall(rf"WebAPI login success\. IP: {ip}$", log, re.M)),
            failure=len(re.findall(rf"login failure\. Reason: invalid .* IP: {ip},", log)),
            banned=len(re.findall(rf"login failure\. Reason: IP has been banned, IP: {ip},", log)),
        )


def password_entry(password: str) -> str:
    """As qBittorrent keeps it: PBKDF2."""
    salt = os.urandom(16)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 100_000)
    return f'"@ByteArray({base64.b64encode(salt).decode()}:{base64.b64encode(key).decode()})"'


# A report by ASan, LSan or UBSan, in the words they share.
_SANITIZER_REPORT = re.compile(r"(Address|Leak|UndefinedBehavior)Sanitizer|runtime error:")
SANITIZER_EXIT = 99

# From make coverage: qsticky has no other environment than its test gives it.
_OF_COVERAGE = ("GCOV_ERROR_FILE",)


_NETWORK = "/proc/thread-self/ns/net"
_machine_network = os.stat(_NETWORK).st_ino


def vpn_interface() -> str:
    """In a network of its own (namespace.py) a test's tunnel is a veth, which would not be found. What
    is in the machine's is not ours to probe."""
    return "none" if os.stat(_NETWORK).st_ino == _machine_network else "tun0"


class Qsticky:
    """One qsticky process with nothing in its environment but what is given here."""

    def __init__(
        self,
        binary: str | os.PathLike[str],
        *,
        port_file: str | os.PathLike[str],
        health_file: str | os.PathLike[str],
        qbittorrent_port: int,
        user: str = "admin",
        password: str = "adminadmin",
        interval: int = 1,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = ("run",),
        log_level: str = "DEBUG",
        wrapper: Sequence[str] = (),
    ) -> None:
        """`env` adds to the environment and overrides it. `wrapper` is put before the binary,
        for example ("setpriv", "--reuid=65534", "--clear-groups")."""
        self.health_file = Path(health_file)
        self.command = [*wrapper, os.fspath(binary), *args]
        self._healthcheck = [*wrapper, os.fspath(binary), "healthcheck"]
        self.env = {
            "QSTICKY_QBITTORRENT_HOST": "127.0.0.1",
            "QSTICKY_QBITTORRENT_PORT": str(qbittorrent_port),
            "QSTICKY_QBITTORRENT_USER": user,
            "QSTICKY_QBITTORRENT_PASS": password,
            "QSTICKY_PORT_FILE_PATH": os.fspath(port_file),
            "QSTICKY_CHECK_INTERVAL": str(interval),
            "QSTICKY_VPN_INTERFACE": vpn_interface(),
            "QSTICKY_LOG_LEVEL": log_level,
            "HEALTH_FILE": os.fspath(health_file),
            # Ignored by the plain binary. In the sanitized one a report ends the process.
            "ASAN_OPTIONS": f"halt_on_error=1:detect_leaks=1:exitcode={SANITIZER_EXIT}",
            "UBSAN_OPTIONS": f"halt_on_error=1:print_stacktrace=1:exitcode={SANITIZER_EXIT}",
            **{name: os.environ[name] for name in _OF_COVERAGE if name in os.environ},
            **(env or {}),
        }
        self.process: subprocess.Popen[str] | None = None
        self.log: list[str] = []
        self._reader: threading.Thread | None = None

    # -- process

    def start(self) -> "Qsticky":
        assert self.process is None, "already started"
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
            env=self.env,
            start_new_session=True,
        )
        atexit.register(self.kill)
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()
        return self

    def _collect(self) -> None:
        assert self.process is not None and self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.rstrip("\n"))

    @property
    def pid(self) -> int:
        assert self.process is not None, "not started"
        return self.process.pid

    def wait(self, timeout: float = PATIENCE) -> int:
        """Waits for it to end by itself; returns its exit code (-N: killed by signal N).
        An AssertionError if a sanitizer had something to report."""
        assert self.process is not None and self._reader is not None, "not started"
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {timeout:g} s\n{self._tail()}") from None
        atexit.unregister(self.kill)
        self._reader.join()
        if code == SANITIZER_EXIT or any(_SANITIZER_REPORT.search(line) for line in self.log):
            raise AssertionError("sanitizer report:\n" + "\n".join(self.log[-200:]))
        return code

    def stop(self, timeout: float = PATIENCE) -> int:
        """Asks it to stop (SIGTERM) and waits; returns its exit code."""
        self.wait_started()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait_started(self) -> None:
        """Until SIGTERM is its own to handle: sooner it is the end of any process. No error if it has
        ended."""
        assert self.process is not None, "not started"
        wait_until(
            lambda: self.process.poll() is not None or handles(self.pid, signal.SIGTERM),
            what="it to handle signals",
        )

    def kill(self) -> None:
        """Ends it at once, whatever it is doing. No error if it is not up."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        atexit.unregister(self.kill)

    def __enter__(self) -> "Qsticky":
        return self if self.process else self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()  # the failure under way is the one to tell

    # -- its log

    def lines(self, level: str) -> list[str]:
        """The log lines of one level, text or JSON."""
        text = re.compile(rf"^\S+ {level} ")
        jsonl = re.compile(rf'"level": ?"{level}"')
        return [line for line in list(self.log) if text.match(line) or jsonl.search(line)]

    def wait_log(self, substring: str, timeout: float = PATIENCE, after: int = 0) -> str:
        """The first log line with `substring`, not counting the first `after` lines."""
        return self._wait(
            lambda: next((line for line in self.log[after:] if substring in line), None),
            timeout,
            f"log line with {substring!r}",
        )

    def _tail(self) -> str:
        return "--- health\n" + str(self._raw_health()) + "\n--- log\n" + "\n".join(self.log[-60:])

    def _wait(self, check: Callable[[], T], timeout: float, what: str) -> T:
        def check_alive() -> T:
            assert self.process is not None, "not started"
            ended = self.process.poll()
            if ended is not None and self._reader is not None:
                self._reader.join()
            value = check()
            if not value and ended is not None:
                raise AssertionError(f"ended with {ended} while waited for")
            return value

        try:
            return wait_until(check_alive, timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}\n{self._tail()}") from None

    # -- its health

    def _raw_health(self) -> str | None:
        try:
            return self.health_file.read_text()
        except FileNotFoundError:
            return None

    def health(self) -> dict[str, Any] | None:
        """The health file, or None if there is none."""
        text = self._raw_health()
        return None if text is None else json.loads(text)

    def wait_health(self, timeout: float = PATIENCE, **fields: Any) -> dict[str, Any]:
        """Waits until every field given has the value given; returns the whole health file.
        The fields are as in the file: wait_health(state="in_sync", current_port=41000)."""

        def check() -> dict[str, Any] | None:
            health = self.health()
            if health is None or any(health.get(key) != value for key, value in fields.items()):
                return None
            return health

        return self._wait(check, timeout, f"health {fields}")

    def healthcheck(self) -> tuple[int, str]:
        """`qsticky healthcheck` in the same environment: its exit code and its line."""
        done = subprocess.run(
            self._healthcheck,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert not _SANITIZER_REPORT.search(done.stderr), done.stderr
        return done.returncode, done.stdout.rstrip("\n")

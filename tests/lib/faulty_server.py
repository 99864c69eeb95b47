"""A qBittorrent on loopback that misbehaves to order and remembers what it was sent.

Left alone it answers as qBittorrent does: in the dialect of 4.1 to 5.1 ("4.5")
or of 5.2 and later ("5.2"), over keep-alive connections that it closes when
they have been idle. A test scripts faults by path; a fault writes whatever
bytes it likes, since all is done on plain sockets.

    with FaultyServer(user="admin", password="secret") as server:
        server.fault("preferences", short_body(), times=1)
        ...
        assert [r.name for r in server.requests] == ["preferences", "login", ...]
"""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field

from listener import LAST_DATA_RECV, Listener, arrived

PREFERENCES = "preferences"
SET_PREFERENCES = "setPreferences"
LOGIN = "login"
LOGOUT = "logout"
VERSION = "version"
TRANSFER_INFO = "transferInfo"
REANNOUNCE = "reannounce"
SHUTDOWN = "shutdown"
PAGE = "page"
ANY = "*"
CONNECT = "connect"  # before a byte is read

PATHS = {
    "/": PAGE,
    "/api/v2/app/preferences": PREFERENCES,
    "/api/v2/app/setPreferences": SET_PREFERENCES,
    "/api/v2/app/shutdown": SHUTDOWN,
    "/api/v2/app/version": VERSION,
    "/api/v2/auth/login": LOGIN,
    "/api/v2/auth/logout": LOGOUT,
    "/api/v2/torrents/reannounce": REANNOUNCE,
    "/api/v2/transfer/info": TRANSFER_INFO,
}

BANNED = "Your IP address has been banned after too many failed authentication attempts."
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """One request, as it came."""

    number: int
    connection: int
    time: float
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    head: bytes
    body: bytes
    segments: int  # TCP segments that brought it

    @property
    def name(self) -> str:
        path = self.target.partition("?")[0]
        return PATHS.get(path, path)

    def header(self, name: str) -> str | None:
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None

    def form(self) -> dict[str, str]:
        pairs = urllib.parse.parse_qsl(self.body.decode(), keep_blank_values=True)
        return dict(pairs)

    def cookies(self) -> dict[str, str]:
        text = self.header("cookie") or ""
        pairs = (pair.strip().partition("=") for pair in text.split(";") if pair.strip())
        return {name: value for name, _, value in pairs}


@dataclass
class Reply:
    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    reason: str = "OK"

    def head(self, *, length: bool = True) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {self.reason}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if length:
            lines.append(f"content-length: {len(self.body)}")
        return ("\r\n".join(lines)).encode("latin-1") + HEAD_END

    def wire(self) -> bytes:
        return self.head() + self.body


class Exchange:
    """One request on one connection, for a fault to answer as it pleases."""

    def __init__(self, server: FaultyServer, sock: socket.socket, request: Request | None):
        self.server = server
        self.request = request
        self._sock = sock

    def reply(self) -> Reply:
        """What qBittorrent would have answered; carries the request out."""
        assert self.request is not None
        return self.server.answer(self.request)

    def send(self, data: bytes) -> None:
        self._sock.sendall(data)

    def send_slowly(self, data: bytes, pause: float, size: int) -> None:
        """In pieces. When the fault is lifted, or the peer goes, that is the end."""
        for start in range(0, len(data), size):
            self.send(data[start : start + size])
            if not self.hold(pause):
                self.finish()
                return

    def swallow(self) -> None:
        """Reads what the peer says first, unless it has been read as a request."""
        if self.request is None:
            self._sock.recv(65536)

    def hold(self, seconds: float | None = None) -> bool:
        """Sends nothing for that long. False once the peer has gone or the fault is lifted."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self.server.lifted():
            left = 0.05 if end is None else min(0.05, end - time.monotonic())
            if left <= 0:
                return True
            if select.select([self._sock], [], [], left)[0]:
                try:
                    if not self._sock.recv(1, socket.MSG_PEEK):
                        return False
                except OSError:
                    return False
                time.sleep(left)  # a request waits there: it will be read later
        return False

    def finish(self) -> None:
        """Ends the connection in order: what was sent arrives, then the end."""
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def reset(self) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()


Fault = Callable[[Exchange], None]


@dataclass
class _Script:
    name: str
    fault: Fault
    times: int | None  # None: until lifted
    skip: int


class FaultyServer(Listener):
    """Answers as qBittorrent, except where a fault says otherwise."""

    def __init__(
        self,
        *,
        user: str = "admin",
        password: str = "adminadmin",
        dialect: str = "4.5",
        listen_port: int = 6881,
        local_auth: bool = True,
        idle_close: float = 8.0,
        host: str = "127.0.0.1",
        preferences: dict | None = None,
    ):
        assert dialect in ("4.5", "5.2")
        super().__init__(host)
        self.user = user
        self.password = password
        self.dialect = dialect
        self.local_auth = local_auth
        self.idle_close = idle_close
        self.preferences = default_preferences() | (preferences or {})
        self.preferences["listen_port"] = listen_port
        self.transfer_info = default_transfer_info(dialect)
        self.has_login_page = True  # as qBittorrent's own Web UI, which tells one process from the next
        self.cache_id: Callable[[], str] = lambda: f"x{self.starts}"
        self.starts = 0
        self.takes_settings = True
        self.stale_reads = 0  # reads after a set that still show the old settings
        self.requests: list[Request] = []
        self.sessions: dict[str, str] = {}  # cookie value by session
        self.sessions_made = 0
        self.failed_logins = 0
        self._stale: list[dict] = []
        self._scripts: list[_Script] = []
        self._lift = threading.Event()

    # -- life ---------------------------------------------------------------

    def start(self) -> "FaultyServer":
        self.starts += 1
        super().start()
        return self

    def stop(self) -> None:
        """As a killed qBittorrent: connections end, sessions are forgotten, the port refuses."""
        if self.is_up():
            super().stop()
            self.sessions.clear()
            self.failed_logins = 0

    def restart(self, listen_port: int | None = None) -> None:
        self.stop()
        if listen_port is not None:
            self.preferences["listen_port"] = listen_port
        self.start()

    def __exit__(self, *_: object) -> None:
        self.heal()
        self.stop()

    # -- the script ---------------------------------------------------------

    def fault(self, name: str, fault: Fault, *, times: int | None = None, skip: int = 0) -> None:
        """From now on `fault` answers requests to `name` in place of qBittorrent."""
        with self._lock:
            self._lift.clear()
            self._scripts.append(_Script(name, fault, times, skip))

    def heal(self) -> None:
        """Lifts every fault; those that still hold a connection let go."""
        with self._lock:
            self._scripts.clear()
            self.takes_settings = True
        self._lift.set()

    def lifted(self) -> bool:
        return self._lift.is_set() or not self.is_up()

    # -- what tests ask -----------------------------------------------------

    @property
    def listen_port(self) -> object:
        return self.preferences["listen_port"]

    def seen(self, name: str) -> list[Request]:
        with self._lock:
            return [request for request in self.requests if request.name == name]

    def count(self, name: str) -> int:
        return len(self.seen(name))

    def forget_sessions(self) -> None:
        with self._lock:
            self.sessions.clear()

    # -- qBittorrent --------------------------------------------------------

    def cookie_name(self) -> str:
        return "SID" if self.dialect == "4.5" else f"QBT_SID_{self.port}"

    def answer(self, request: Request) -> Reply:
        with self._lock:
            reply = self._answer(request)
        reply.headers += [("connection", "keep-alive"), ("cache-control", "no-store")]
        return reply

    def _answer(self, request: Request) -> Reply:
        host = request.header("host") or ""
        port = host.rpartition("]")[2].partition(":")[2]
        if port and port != str(self.port):
            return Reply(401, b"Unauthorized", reason="Unauthorized")
        if request.method == "POST" and not (request.header("content-type") or "").startswith(
            "application/x-www-form-urlencoded"
        ):
            return Reply(400, b"Bad Request", reason="Bad Request")

        value = request.cookies().get(self.cookie_name())
        session = next((key for key, held in self.sessions.items() if held == value), None)
        fresh: list[tuple[str, str]] = []
        if session is None and not self.local_auth:
            fresh = [self._open_session()]
            session = "bypass"
        if request.name == LOGIN:
            return self._login(request, has_session=session is not None, fresh=fresh)
        if request.name == PAGE and self.has_login_page and session is None:
            page = f'<link rel="stylesheet" href="css/login.css?v={self.cache_id()}" />'
            return Reply(200, page.encode(), [("content-type", "text/html")])
        if session is None:
            return Reply(403, b"Forbidden", reason="Forbidden")
        reply = self._serve(request)
        reply.headers += fresh
        return reply

    def _open_session(self) -> tuple[str, str]:
        self.sessions_made += 1
        # qBittorrent's ids hold what base64 holds, and that must come back untouched
        value = f"a+b/{self.sessions_made:06d}/c+d=="
        self.sessions[str(self.sessions_made)] = value
        return self.set_cookie(value)

    def set_cookie(self, value: str) -> tuple[str, str]:
        cookie = f"{self.cookie_name()}={value}; "
        if self.dialect == "5.2":
            cookie += "expires=Sun, 22-Nov-2026 12:42:10 GMT; "
        return ("set-cookie", cookie + "HttpOnly; path=/; SameSite=Strict")

    def _login(self, request: Request, *, has_session: bool, fresh: list) -> Reply:
        form = request.form()
        known = (form.get("username"), form.get("password")) == (self.user, self.password)
        if not known and not has_session:
            self.failed_logins += 1
            if self.failed_logins > 5:
                return Reply(403, BANNED.encode(), reason="Forbidden")
            if self.dialect == "4.5":
                return Reply(200, b"Fails.", [("content-type", "text/plain; charset=UTF-8")])
            return Reply(401, b"Unauthorized", reason="Unauthorized")
        headers = fresh if has_session else [self._open_session()]
        self.failed_logins = 0
        if self.dialect == "4.5":
            headers = [("content-type", "text/plain; charset=UTF-8"), *headers]
            return Reply(200, b"Ok.", headers)
        return Reply(204, b"", headers)

    def _serve(self, request: Request) -> Reply:
        if request.name == PREFERENCES:
            now = self._stale.pop(0) if self._stale else self.preferences
            return json_reply(now)
        if request.name == VERSION:
            text = b"v4.5.2" if self.dialect == "4.5" else b"v5.2.3"
            return Reply(200, text, [("content-type", "text/plain; charset=UTF-8")])
        if request.name == SET_PREFERENCES:
            if request.method != "POST":
                return Reply(405, b"Method Not Allowed", reason="Method Not Allowed")
            if "json" not in request.form():
                return Reply(400, b"Bad Request", reason="Bad Request")
            if self.takes_settings:
                self._stale = [dict(self.preferences)] * self.stale_reads
                self.preferences |= json.loads(request.form()["json"])
            return Reply(200)
        if request.name == TRANSFER_INFO:
            return json_reply(self.transfer_info)
        if request.name == REANNOUNCE:
            if request.method != "POST":
                return Reply(405, b"Method Not Allowed", reason="Method Not Allowed")
            if "hashes" not in request.form():
                return Reply(400, b"Missing required parameters: hashes", reason="Bad Request")
            return Reply(200)
        if request.name == LOGOUT:
            self.sessions.clear()
            return Reply(200)
        if request.name == SHUTDOWN:
            if request.method != "POST":
                return Reply(405, b"Method Not Allowed", reason="Method Not Allowed")
            return Reply(200)
        return Reply(404, b"Not Found", reason="Not Found")

    # -- connections --------------------------------------------------------

    def serve(self, sock: socket.socket, number: int) -> None:
        fault = self._take_fault(CONNECT)
        if fault:
            fault(Exchange(self, sock, None))
            return
        buffer, segments = b"", 0
        while sock.fileno() >= 0:
            request, buffer = self._read_request(sock, number, buffer, segments)
            if request is None:
                return
            segments += request.segments
            exchange = Exchange(self, sock, request)
            fault = self._take_fault(request.name)
            if fault:
                fault(exchange)
            else:
                exchange.send(exchange.reply().wire())

    def _read_request(
        self, sock: socket.socket, connection: int, buffer: bytes, segments: int
    ) -> tuple[Request | None, bytes]:
        """The next request and what came behind it; `segments` have been accounted for."""
        # One that is new is not idle: its client may have to wait for the processor.
        sock.settimeout(self.idle_close if segments else max(self.idle_close, 2.0))
        try:
            while HEAD_END not in buffer:
                piece = sock.recv(65536)
                if not piece:
                    return None, b""
                buffer += piece
            head, _, buffer = buffer.partition(HEAD_END)
            lines = head.decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ", 2)
            pairs = (line.partition(":") for line in lines[1:])
            headers = tuple((name, value.strip()) for name, _, value in pairs)
            lengths = [value for name, value in headers if name.lower() == "content-length"]
            length = int(lengths[0]) if lengths else 0
            while len(buffer) < length:
                piece = sock.recv(65536)
                if not piece:
                    return None, b""
                buffer += piece
        except TimeoutError:
            return None, b""
        with self._lock:
            request = Request(
                number=len(self.requests),
                connection=connection,
                time=arrived(sock, LAST_DATA_RECV),
                method=method,
                target=target,
                headers=headers,
                head=head,
                body=buffer[:length],
                segments=data_segments(sock) - segments,
            )
            self.requests.append(request)
        return request, buffer[length:]

    def _take_fault(self, name: str) -> Fault | None:
        with self._lock:
            for script in self._scripts:
                if script.name != name and (script.name != ANY or name == CONNECT):
                    continue
                if script.skip:
                    script.skip -= 1
                    continue
                if script.times is not None:
                    script.times -= 1
                    if script.times == 0:
                        self._scripts.remove(script)
                return script.fault
        return None


def data_segments(sock: socket.socket) -> int:
    """How many TCP segments with data have come in: `tcpi_data_segs_in`."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
    return struct.unpack_from("I", info, 152)[0]


def json_reply(value: object) -> Reply:
    # sorted and compact, as qBittorrent's are
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return Reply(200, text.encode(), [("content-type", "application/json")])


def default_preferences() -> dict:
    """As many keys as qBittorrent shows, and among them what misleads a text search."""
    quoted = 'echo "listen_port":1, \\"listen_port\\":2'
    return {
        "alternative_webui_enabled": False,
        "announce_port": 0,
        "autorun_program": quoted,
        "banned_IPs": "",
        "current_interface_address": "",
        "current_network_interface": "",
        "dht": False,
        "listen_port": 6881,
        "locale": "en",
        "proxy_peer_connections": False,
        "proxy_type": 0,
        "random_port": False,
        "scan_dirs": {"/downloads/listen_port": 1, "listen_port": 2, "deep": [{"listen_port": 3}]},
        "ssl_listen_port": 4,
        "upnp": False,
        "web_ui_upnp": False,
        "zz_listen_port": 5,
    } | {f"option_{i:03d}": i for i in range(160)}


def default_transfer_info(dialect: str) -> dict:
    info = {
        "connection_status": "firewalled",
        "dht_nodes": 0,
        "dl_info_data": 0,
        "dl_info_speed": 0,
        "dl_rate_limit": 0,
        "up_info_data": 0,
        "up_info_speed": 0,
        "up_rate_limit": 0,
    }
    if dialect == "5.2":
        info |= {"last_external_address_v4": "", "last_external_address_v6": ""}
    return info

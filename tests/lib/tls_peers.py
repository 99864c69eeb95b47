"""The other side of HTTPS: TLS servers.

One kind is the `openssl` command's; nginx is another, and the third is Python's own TLS in front of a
FaultyServer, which remembers whatever it was able to decrypt.

    pki = Pki(folder)
    leaf = pki.root().issue("DNS:qbittorrent.example", "IP:127.0.0.1")
    with FaultyServer() as server, TlsFront(leaf, server.port) as front:
        ...
        assert front.handshakes[-1].resumed
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from certificates import Certificate
from faulty_server import default_preferences
from harness import free_port, wait_until
from listener import Listener, end


def listens(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


class Process:
    """A server program, on a port of its own, ended by its pid."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.output = folder / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def is_up(self) -> bool:
        raise NotImplementedError

    def start(self) -> Process:
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def check() -> bool:
            assert self.process is not None
            said = self.output.read_text(errors="replace")
            assert self.process.poll() is None, f"{self.command()}: {said}"
            return self.is_up()

        try:
            wait_until(check, what="the server to listen")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class OpensslServer(Process):
    """`openssl s_server` with `args`, which answers as a qBittorrent that needs no login and has
    `listen_port` set. Where it does not answer, it obeys what is typed: see its manual page."""

    user, password = "admin", "adminadmin"

    def __init__(
        self,
        folder: Path,
        certificate: Certificate,
        *args: str,
        listen_port: int = 41000,
        answers: bool = True,
    ) -> None:
        super().__init__(folder)
        self.certificate = certificate
        self.args = [*args, *(["-WWW"] if answers else [])]
        page = folder / "api" / "v2" / "app"
        page.mkdir(parents=True, exist_ok=True)
        preferences = default_preferences() | {"listen_port": listen_port}
        (page / "preferences").write_text(json.dumps(preferences))
        (page / "version").write_text("v4.5.2")

    def command(self) -> list[str]:
        files = ["-cert", self.certificate.path, "-key", self.certificate.key]
        if len(self.certificate.issuers) > 1:
            files += ["-cert_chain", self.certificate.chain]
        address = ["-accept", f"127.0.0.1:{self.port}"]
        return ["openssl", "s_server", *address, *map(str, files), *self.args]

    def is_up(self) -> bool:
        # A connect of ours would be its first connection, and it has one at a time.
        return f"{self.port:04X}" in listening_ports()

    def type(self, text: bytes) -> None:
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()


def listening_ports() -> set[str]:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = (line.split() for line in lines)
    return {field[1].partition(":")[2] for field in fields if field[3] == "0A"}


NGINX_CONFIG = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    log_format tests '$request_method $uri $status connection=$connection '
        'reused=$ssl_session_reused sni=$ssl_server_name site=$server_name '
        'protocol=$ssl_protocol length=$sent_http_content_length';
    access_log {folder}/access.log tests;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    ssl_protocols TLSv1.2 TLSv1.3;
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $remote_addr;
    {http}
}}
"""


@dataclass(frozen=True)
class Access:
    """A line of nginx's log."""

    method: str
    path: str
    status: int
    connection: int
    resumed: bool
    sni: str
    site: str
    protocol: str
    chunked: bool


class Nginx(Process):
    """nginx with a private configuration. `http` are its lines inside http {}, where PORT stands
    for the port it listens on."""

    def __init__(self, folder: Path, program: str, http: str, *, host: str = "127.0.0.1") -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(folder)
        self.program = program
        self.host = host
        text = NGINX_CONFIG.format(folder=folder, http=http).replace("PORT", str(self.port))
        (folder / "nginx.conf").write_text(text)

    def command(self) -> list[str]:
        files = ["-c", f"{self.folder}/nginx.conf", "-e", f"{self.folder}/error.log"]
        return [self.program, "-p", str(self.folder), *files]

    def is_up(self) -> bool:
        return listens(self.port, self.host)

    def log(self) -> list[Access]:
        """The requests up to now. One of its lines may come a moment after the reply."""
        found = []
        for line in (self.folder / "access.log").read_text().split("\n")[:-1]:  # whole ones
            method, path, status, *pairs = line.split(" ")
            said = dict(pair.split("=", 1) for pair in pairs)
            found.append(
                Access(
                    method=method,
                    path=path,
                    status=int(status),
                    connection=int(said["connection"]),
                    resumed=said["reused"] == "r",
                    sni=said["sni"],
                    site=said["site"],
                    protocol=said["protocol"],
                    chunked=said["length"] == "-",
                )
            )
        return found


def https_site(certificate: Certificate, backend: int, *lines: str, listen: str = "127.0.0.1") -> str:
    """A server {} for Nginx in front of what listens on `backend`."""
    return f"""
    server {{
        listen {listen}:PORT ssl;
        ssl_certificate {certificate.chain};
        ssl_certificate_key {certificate.key};
        {" ".join(lines)}
        location / {{ proxy_pass http://127.0.0.1:{backend}; }}
    }}
    """


# -- in the middle --------------------------------------------------------------


def server_context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    return context


@dataclass(frozen=True)
class Handshake:
    resumed: bool
    sni: str | None
    version: str
    suite: str


class TlsFront(Listener):
    """TLS in front of a server that has none. It can be told to present another certificate at any
    time, and to end a connection as an attacker would: without TLS's own good-bye."""

    def __init__(self, certificate: Certificate, backend: int) -> None:
        super().__init__()
        self.backend = backend
        self.goodbye = True
        self.handshakes: list[Handshake] = []
        self.failures: list[str] = []  # handshakes that came to nothing
        self.received = bytearray()  # all that could be decrypted
        self._sni = threading.local()
        self.present(certificate)

    def present(self, certificate: Certificate) -> None:
        """From the next connection on. It knows no earlier sessions then."""
        self.context = server_context(certificate)
        self.context.sni_callback = lambda _sock, name, _context: setattr(self._sni, "name", name)

    def serve(self, client: socket.socket, number: int) -> None:
        client.settimeout(30)
        self._sni.name = None
        try:
            tls = self.context.wrap_socket(
                client, server_side=True, do_handshake_on_connect=False
            )
            with self._lock:
                self._sockets.add(tls)  # it has taken the client's place
                if self._listener is None:  # for stop() it was neither
                    end(tls)
            tls.do_handshake()
        except (OSError, ValueError) as error:
            self.failures.append(str(error))
            return
        with tls:
            suite, version, _ = tls.cipher()
            handshake = Handshake(tls.session_reused, self._sni.name, version, suite)
            self.handshakes.append(handshake)
            with self.connect(self.backend) as backend:
                self._pump(tls, backend)

    def _pump(self, tls: ssl.SSLSocket, backend: socket.socket) -> None:
        while True:
            ready = [tls] if tls.pending() else select.select([tls, backend], [], [])[0]
            if tls in ready:
                data = tls.recv(65536)
                self.received += data
                if not data:
                    say_goodbye(tls)  # or OpenSSL forgets the session
                    return
                backend.sendall(data)
            if backend in ready:
                data = backend.recv(65536)
                if not data:
                    break
                tls.sendall(data)
        if self.goodbye:
            say_goodbye(tls)
        with self._lock:
            self._sockets.discard(tls)
        with socket.socket(fileno=tls.detach()) as bare:
            bare.settimeout(5)
            bare.shutdown(socket.SHUT_WR)
            while bare.recv(65536):
                pass


def say_goodbye(tls: ssl.SSLSocket) -> None:
    """TLS's own, without waiting for the answer."""
    tls.setblocking(False)
    try:
        tls.unwrap()
    except OSError:
        pass

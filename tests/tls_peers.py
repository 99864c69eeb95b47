"""The other side of HTTPS: certificates of every kind, TLS servers, and men in the middle.

The certificates are made by the `openssl` command, and so is one kind of server; nginx is another,
and the third is Python's own TLS in front of a FaultyServer, which remembers whatever it was able
to decrypt. A Relay between qsticky and any of them plays with the bytes on the wire.

    pki = Pki(folder)
    leaf = pki.root().issue("DNS:qbittorrent.example", "IP:127.0.0.1")
    with FaultyServer() as server, TlsFront(leaf, server.port) as front:
        ...
        assert front.handshakes[-1].resumed
"""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import os
import secrets
import select
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faulty_server import default_preferences
from harness import free_port, wait_until
from listener import Listener, end

# -- certificates ---------------------------------------------------------------

KEYS = {
    "RSA 1024": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
    "RSA 2048": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "RSA 3072": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
    "RSA 4096": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"),
    # Of four primes, which are found sooner than two.
    "RSA 4608": (
        *("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4608"),
        *("-pkeyopt", "rsa_keygen_primes:4"),
    ),
    "RSA-PSS": ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"),
    "P-256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "P-384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "P-521": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"),
    "brainpool": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"),
    "Ed25519": ("-algorithm", "ED25519"),
}

# `openssl ca` is what can set both dates; `openssl x509` and `req` learn it in 3.4 only.
CA_CONFIG = """
[ca]
default_ca = here
[here]
database = index.txt
serial = serial
new_certs_dir = .
policy = any
unique_subject = no
[any]
organizationName = optional
commonName = optional
"""


def openssl(*args: str | os.PathLike[str], cwd: Path | None = None) -> bytes:
    done = subprocess.run(["openssl", *args], cwd=cwd, capture_output=True, check=False)
    assert done.returncode == 0, f"openssl {args}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def moment(seconds: float) -> str:
    """So many seconds from now, as ASN.1 writes it."""
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y%m%d%H%M%SZ")


@dataclass(frozen=True)
class Certificate:
    """One certificate with its key, both as PEM files, and those that issued it."""

    pki: Pki
    path: Path
    key: Path
    issuers: tuple[Certificate, ...] = ()  # the next above first, the root last

    @property
    def pem(self) -> str:
        return self.path.read_text()

    @property
    def der(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.pem)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    @property
    def root(self) -> Certificate:
        return self.issuers[-1] if self.issuers else self

    @property
    def chain(self) -> Path:
        """A file of what a server should send: itself and the intermediates, not the root."""
        return bundle(self.path.with_suffix(".chain"), self, *self.issuers[:-1])

    def issue(self, *names: str, **options: object) -> Certificate:
        return self.pki.make(*names, issuer=self, **options)


def bundle(path: Path, *certificates: Certificate) -> Path:
    path.write_text("".join(certificate.pem for certificate in certificates))
    return path


class Pki:
    """Makes certificates in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()
        (folder / "ca.conf").write_text(CA_CONFIG)

    def make(
        self,
        *names: str,
        kind: str = "P-256",
        subject: str | None = None,
        issuer: Certificate | None = None,
        ca: bool = False,
        start: float = -3600,
        end: float = 24 * 3600,
        extensions: Sequence[str] = (),
        sign: Sequence[str] = (),
    ) -> Certificate:
        """Self-signed where there is no issuer. `names` as openssl wants them: DNS:host,
        IP:127.0.0.1. `start` and `end` are seconds from now."""
        number = next(self._numbers)
        folder = self.folder / str(number)  # one each: `openssl ca` keeps a database
        folder.mkdir()
        (folder / "index.txt").touch()
        (folder / "serial").write_text(f"{secrets.randbits(120) | 1 << 120:x}0\n")
        key, request, path = folder / "key.pem", folder / "request.pem", folder / "cert.pem"
        openssl("genpkey", *KEYS[kind], "-out", key)
        key.chmod(0o644)  # qsticky never reads it; a server of another user does
        subject = f"/CN=qsticky test {number}" if subject is None else subject
        openssl("req", "-new", "-utf8", "-key", key, "-subj", subject, "-out", request)
        lines = [f"basicConstraints=critical,CA:{str(ca).upper()}", "subjectKeyIdentifier=hash"]
        lines += ["keyUsage=critical,keyCertSign,cRLSign"] if ca else []
        lines += [f"subjectAltName={','.join(names)}"] if names else []
        (folder / "extensions").write_text("\n".join([*lines, *extensions]) + "\n")
        signer = ["-cert", issuer.path, "-keyfile", issuer.key] if issuer else []
        openssl(
            *("ca", "-batch", "-notext", "-config", self.folder / "ca.conf"),
            *("-md", "default" if kind == "Ed25519" and not issuer else "sha256"),
            *("-startdate", moment(start), "-enddate", moment(end), "-extfile", "extensions"),
            *(signer or ["-selfsign", "-keyfile", key]),
            *("-in", request, "-out", path, *sign),
            cwd=folder,
        )
        above = (issuer, *issuer.issuers) if issuer else ()
        return Certificate(self, path, key, above)

    def root(self, **options: object) -> Certificate:
        return self.make(ca=True, **{"subject": "/O=qsticky/CN=test root"} | options)

    def pair(self, certificate: Certificate, key: Certificate, *issuers: Certificate) -> Certificate:
        """One's certificate with another's key, or with other issuers."""
        return Certificate(self, certificate.path, key.key, issuers)


# -- servers --------------------------------------------------------------------


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
        for line in (self.folder / "access.log").read_text().splitlines():
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


def reset(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_RD)  # whoever reads it in another thread holds it open
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


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


APPLICATION_DATA = 23  # type of a record; RFC 5246, section 6.2.1


class Link:
    """One connection through a Relay: the client's bytes go to the server by themselves, the
    server's a record at a time as a fault sees fit."""

    def __init__(self, relay: Relay, client: socket.socket, server: socket.socket) -> None:
        self.relay = relay
        self.client = client
        self.server = server
        self.sent = bytearray()  # by the client
        self.passed = 0  # records of the server
        self.gone = threading.Event()  # the client has closed
        self.stalled = threading.Event()  # the fault holds still

    def carry_up(self) -> None:
        try:
            while data := self.client.recv(65536):
                self.sent += data
                self.server.sendall(data)
        except OSError:
            pass
        self.gone.set()
        try:
            self.server.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.server.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def record(self) -> bytes:
        """The server's next; EOFError where there is none."""
        head = self._read(5)
        return head + self._read(int.from_bytes(head[3:5], "big"))

    def send(self, data: bytes) -> None:
        self.client.sendall(data)

    def pass_on(self, count: int | None = None, size: int | None = None) -> None:
        """So many records, or all; in pieces of `size` bytes."""
        while count is None or count > 0:
            data = self.record()
            for start in range(0, len(data), size or len(data)):
                self.send(data[start : start + (size or len(data))])
            self.passed += 1
            count = None if count is None else count - 1

    def hold(self) -> None:
        """Until the client has had enough, or the fault is lifted."""
        self.stalled.set()
        while not self.gone.wait(0.02) and self.relay.fault is not None:
            pass

    def records_sent(self) -> list[int]:
        """Types of the records that the client has sent."""
        return [kind for kind, _ in parse_records(bytes(self.sent))]


def parse_records(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 5:
        length = int.from_bytes(data[3:5], "big")
        yield data[0], data[5 : 5 + length]
        data = data[5 + length :]


Fault = Callable[[Link], None]


class Relay(Listener):
    """Between qsticky and a server: which one, and what becomes of the bytes, is up to the test."""

    user, password = "admin", "adminadmin"

    def __init__(self, target: int, fault: Fault | None = None) -> None:
        super().__init__()
        self.target = target
        self.fault = fault
        self.links: list[Link] = []

    def heal(self) -> None:
        self.fault = None

    def serve(self, client: socket.socket, number: int) -> None:
        with self.connect(self.target) as server:
            link = Link(self, client, server)
            self.links.append(link)
            up = threading.Thread(target=link.carry_up, daemon=True)
            up.start()
            try:
                (self.fault or Link.pass_on)(link)
            except EOFError:
                if link.client.fileno() >= 0:
                    link.client.shutdown(socket.SHUT_WR)
                link.gone.wait(15)  # or what was sent may be lost in a reset
            finally:
                end(server)
                end(client)
                up.join()


# -- faults of a relay ----------------------------------------------------------


def part_of(link: Link, part: float) -> None:
    if part:
        record = link.record()
        link.send(record[: max(1, int(len(record) * part))])


def cut(after: int, part: float = 0, *, by_reset: bool = False) -> Fault:
    """The end after so many records, and a part of the next."""

    def fault(link: Link) -> None:
        link.pass_on(after)
        part_of(link, part)
        if by_reset:
            reset(link.client)
        else:
            link.client.shutdown(socket.SHUT_WR)
            link.gone.wait(15)

    return fault


def stall(after: int, part: float = 0) -> Fault:
    def fault(link: Link) -> None:
        link.pass_on(after)
        part_of(link, part)
        link.hold()

    return fault


def split(size: int = 1) -> Fault:
    return lambda link: link.pass_on(size=size)


def drip(pause: float) -> Fault:
    """A byte at a time, slowly."""

    def fault(link: Link) -> None:
        link.stalled.set()
        while True:
            for byte in link.record():
                link.send(bytes([byte]))
                if link.gone.wait(pause) or link.relay.fault is None:
                    return

    return fault


def instead(number: int, change: Callable[[bytes], bytes]) -> Fault:
    """Changes one record; all others arrive as they were sent."""

    def fault(link: Link) -> None:
        link.pass_on(number)
        link.send(change(link.record()))
        link.pass_on()

    return fault


def before(number: int, data: bytes) -> Fault:
    """Something that the server did not send."""
    return instead(number, lambda record: data + record)


def flood(number: int, data: bytes) -> Fault:
    """The same without end."""

    def fault(link: Link) -> None:
        link.pass_on(number)
        while not link.gone.wait(0.001) and link.relay.fault is not None:
            link.send(data)

    return fault


def says(data: bytes, *, then_closes: bool = True) -> Fault:
    """Nothing that the server has to do with."""

    def fault(link: Link) -> None:
        link.send(data)
        if then_closes:
            link.client.shutdown(socket.SHUT_WR)
            link.gone.wait(15)
        else:
            link.hold()

    return fault


# -- parts of TLS 1.2 (RFC 5246), for a man in the middle who writes his own -------

HANDSHAKE, ALERT, CHANGE_CIPHER_SPEC = 22, 21, 20


def record(kind: int, payload: bytes, version: bytes = b"\x03\x03") -> bytes:
    return bytes([kind]) + version + len(payload).to_bytes(2, "big") + payload


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


SUITES = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": b"\xc0\x2b",
    "ECDHE-ECDSA-AES256-GCM-SHA384": b"\xc0\x2c",
    "ECDHE-RSA-AES128-GCM-SHA256": b"\xc0\x2f",
    "ECDHE-RSA-AES256-GCM-SHA384": b"\xc0\x30",
    "ECDHE-RSA-CHACHA20-POLY1305": b"\xcc\xa8",
    "ECDHE-ECDSA-CHACHA20-POLY1305": b"\xcc\xa9",
}


def session_offered(link: Link) -> bytes:
    """The session that the client's first message asks to take up; b"": none."""
    hello = wait_until(lambda: next(parse_records(bytes(link.sent)), None), what="the hello")[1]
    return hello[39 : 39 + hello[38]]  # behind type, length, version and random


def feigned_resumption(suite: str) -> Fault:
    """Takes up whatever session the client offers, without knowing its secret."""

    def fault(link: Link) -> None:
        session = session_offered(link)
        answer = b"\x03\x03" + secrets.token_bytes(32) + bytes([len(session)]) + session
        answer += SUITES[suite] + b"\0"
        link.send(record(HANDSHAKE, message(2, answer)))
        link.send(record(CHANGE_CIPHER_SPEC, b"\x01"))
        link.send(record(HANDSHAKE, secrets.token_bytes(40)))
        link.hold()

    return fault

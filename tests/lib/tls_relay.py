"""Between qsticky and a TLS server: passes records on, and does with them what a fault says."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable, Iterator

from harness import wait_until
from listener import Listener, end, reset

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

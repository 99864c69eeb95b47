"""A name server on port 53 of loopback, so in a network namespace of the test's own. It dies and
comes back to order.

    with NameServer({"qbittorrent.example": ["127.0.0.5"]}) as names:
        ...
        names.stop()  # from now on the kernel says that nobody is there
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
from collections.abc import Mapping, Sequence

AAAA = 28
HEAD = struct.Struct(">HHHHHH")
ANSWERED, SERVER_FAILURE, NO_SUCH_NAME = 0x8180, 2, 3


class NameServer:
    """Answers with what `addresses` holds for a name, and that there is no other name."""

    def __init__(self, addresses: Mapping[str, Sequence[str]] | None = None) -> None:
        self.addresses = addresses  # None: it says that it has failed
        self.deaf = False
        self.asked: list[tuple[str, int]] = []  # name and type
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> NameServer:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._thread = threading.Thread(target=self._run, args=(self._socket,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """From now on its port refuses what it is asked. No error if it is not up."""
        if self._socket is None:
            return
        # a datagram that is no question wakes and ends the thread
        self._socket.sendto(b"", self._socket.getsockname())
        assert self._thread is not None
        self._thread.join()
        self._socket.close()
        self._socket = None

    def __enter__(self) -> NameServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, sock: socket.socket) -> None:
        while True:
            query, peer = sock.recvfrom(512)
            if not query:
                return
            name, kind, question = _question(query)
            self.asked.append((name, kind))
            if not self.deaf:
                sock.sendto(query[:2] + self._answer(name, kind, question), peer)

    def _answer(self, name: str, kind: int, question: bytes) -> bytes:
        """All but the number that comes first."""
        addresses = self.addresses
        found = [ipaddress.ip_address(text) for text in (addresses or {}).get(name, [])]
        error = SERVER_FAILURE if addresses is None else 0 if found else NO_SUCH_NAME
        data = [one.packed for one in found if (one.version == 6) == (kind == AAAA)]
        head = HEAD.pack(0, ANSWERED | error, 1, len(data), 0, 0)[2:]
        records = (struct.pack(">HHHIH", 0xC00C, kind, 1, 60, len(one)) + one for one in data)
        return head + question + b"".join(records)


def _question(query: bytes) -> tuple[str, int, bytes]:
    """Its name, its type, and the bytes that they stand in."""
    labels, at = [], HEAD.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    (kind,) = struct.unpack_from(">H", query, at + 1)
    return ".".join(labels), kind, query[HEAD.size : at + 5]

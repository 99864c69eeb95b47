"""A name server that knows one name, and dies and comes back to order."""

from __future__ import annotations

import socket
import struct
import threading

A = 1
QUERY_HEAD = struct.Struct(">HHHHHH")
ANSWERED, NO_ERROR, SERVER_FAILURE = 0x8180, 0, 2


class NameServer:
    """On port 53 of loopback, so in a network namespace of the test's own."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.answer: str | None = None  # None: it says that it has failed
        self.deaf = False
        self.queries = 0
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> "NameServer":
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.address, 53))
        self._thread = threading.Thread(target=self._serve, args=(self._socket,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """From now on the kernel says that nobody is there."""
        if self._socket is None or self._thread is None:
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", (self.address, 53))
        self._thread.join()
        self._socket.close()
        self._socket = None

    def __enter__(self) -> "NameServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(self, sock: socket.socket) -> None:
        while True:
            query, peer = sock.recvfrom(512)
            if not query:
                return
            self.queries += 1
            if not self.deaf:
                sock.sendto(self._reply(query), peer)

    def _reply(self, query: bytes) -> bytes:
        number, _, _, _, _, _ = QUERY_HEAD.unpack_from(query)
        end = query.index(b"\0", QUERY_HEAD.size) + 5
        question = query[QUERY_HEAD.size : end]
        (kind,) = struct.unpack_from(">H", question, len(question) - 4)
        error = NO_ERROR if self.answer else SERVER_FAILURE
        records = b""
        if self.answer and kind == A:
            records = struct.pack(">HHHIH", 0xC00C, A, 1, 0, 4) + socket.inet_aton(self.answer)
        head = QUERY_HEAD.pack(number, ANSWERED | error, 1, bool(records), 0, 0)
        return head + question + records

"""What listens on loopback and has each connection served in a thread: fakes, relays, proxies."""

from __future__ import annotations

import socket
import struct
import threading
import time
from typing import Self

from harness import free_port


class Listener:
    """On a port of its own, the same for all its life. The rest is up to serve()."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = free_port()
        self.connections: list[float] = []  # when each came
        self.open_connections = 0
        self._lock = threading.RLock()
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self._sockets: set[socket.socket] = set()  # that stop() is to end
        self._threads: list[threading.Thread] = []

    def serve(self, client: socket.socket, number: int) -> None:
        """One connection, the how manieth. It may end with an OSError or EOFError: the peer went away,
        or stop() took the socket."""
        raise NotImplementedError

    def start(self) -> Self:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host, self.port))
        listener.listen(64)
        self._listener = listener
        self._accepting = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._accepting.start()
        return self

    def is_up(self) -> bool:
        return self._listener is not None

    def refuse(self) -> None:
        """From now on the port refuses; connections that there are go on. No error if it does."""
        if self._listener is None:
            return
        listener, self._listener = self._listener, None
        # shutdown wakes accept(); close alone would leave the port listening until it returned
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        assert self._accepting is not None
        self._accepting.join()

    def stop(self) -> None:
        """As one that is killed: the port refuses, and connections end."""
        self.refuse()
        with self._lock:
            for sock in self._sockets:
                end(sock)
            threads, self._threads = self._threads, []
        for thread in threads:
            thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def connect(self, port: int) -> socket.socket:
        """To a server behind this one; ends with it."""
        sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets.add(sock)
        return sock

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                number = len(self.connections)
                self.connections.append(arrived(sock, LAST_ACK_RECV))
                self._sockets.add(sock)
                self._threads = [thread for thread in self._threads if thread.is_alive()]
                thread = threading.Thread(target=self._run, args=(sock, number), daemon=True)
                self._threads.append(thread)
                self.open_connections += 1
                thread.start()

    def _run(self, sock: socket.socket, number: int) -> None:
        try:
            with sock:
                self.serve(sock, number)
        except (OSError, EOFError):
            pass
        finally:
            with self._lock:
                self._sockets.discard(sock)
                self.open_connections -= 1


# Offsets in struct tcp_info (linux/tcp.h) of how many ms ago the last of a kind came. An
# acknowledgement ends the handshake.
LAST_DATA_RECV, LAST_ACK_RECV = 52, 56


def arrived(sock: socket.socket, kind: int) -> float:
    """When that was, by the kernel, as time.monotonic() counts: this thread may have waited for the
    processor since."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
    return time.monotonic() - struct.unpack_from("I", info, kind)[0] / 1000


def end(sock: socket.socket) -> None:
    """Whoever uses it in another thread sees its end. TLS's own shutdown() would do more: it takes the
    session away from under that thread, which then asks nobody about it."""
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass


def reset(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_RD)  # whoever reads it in another thread holds it open
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class BlackHole:
    """A port on which a connect neither succeeds nor fails: its backlog is full."""

    def __enter__(self) -> BlackHole:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port = self._listener.getsockname()[1]
        self._fillers = []
        while True:
            filler = socket.socket()
            filler.settimeout(1)  # one that gets in does so in no time
            self._fillers.append(filler)
            try:
                filler.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return self

    def __exit__(self, *_: object) -> None:
        for filler in self._fillers:
            filler.close()
        self._listener.close()

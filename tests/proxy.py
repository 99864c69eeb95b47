"""A reverse proxy on loopback that misbehaves to order: what may stand between qsticky and
qBittorrent, and what a bad network looks like from here."""

from __future__ import annotations

import random
import select
import socket
import struct
import threading
import time

from harness import free_port

PASS = "pass"
FAULTS = ("reset", "stall", "502", "503", "cut", "slow", "refuse")


class Proxy:
    """One connection, one fate: what it is when the connection comes."""

    def __init__(self, to_port: int, chance: random.Random) -> None:
        self.port = free_port()
        self._to_port = to_port
        self._chance = chance
        self._fault = PASS
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._over = False
        self._sockets: set[socket.socket] = set()

    def start(self) -> "Proxy":
        self._listen()
        return self

    def set(self, fault: str) -> None:
        """One of FAULTS, or PASS. Connections that hang for the last one are let go."""
        self._fault = fault
        if fault == "refuse":
            self._deafen()
        elif self._listener is None:
            self._listen()

    def stop(self) -> None:
        self._over = True
        self._deafen()
        for sock in list(self._sockets):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # -- inside

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self._listener = listener
        self._thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._thread.start()

    def _deafen(self) -> None:
        if self._listener is None or self._thread is None:
            return
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), as close() would not
        self._listener.close()
        self._listener = None
        self._thread.join()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._run, args=(sock, self._fault), daemon=True).start()

    def _run(self, near: socket.socket, fault: str) -> None:
        self._sockets.add(near)
        try:
            with near:
                self._serve(near, fault)
        except OSError:
            pass  # one of the two went away
        finally:
            self._sockets.discard(near)

    def _serve(self, near: socket.socket, fault: str) -> None:
        if fault == "reset":
            near.recv(65536)
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif fault == "stall":
            while self._fault == fault and not self._over:
                if select.select([near], [], [], 0.1)[0] and not near.recv(65536):
                    return
        elif fault in ("502", "503"):
            while near.recv(65536):
                near.sendall(f"HTTP/1.1 {fault} Bad\r\nContent-Length: 3\r\n\r\nbad".encode())
        else:
            self._pass(near, fault)

    def _pass(self, near: socket.socket, fault: str) -> None:
        left = self._chance.randrange(1, 2000) if fault == "cut" else None
        with socket.create_connection(("127.0.0.1", self._to_port), timeout=5) as far:
            while not self._over:
                for sock in select.select([near, far], [], [], 1)[0]:
                    piece = sock.recv(65536)
                    if not piece:
                        return
                    if sock is near:
                        far.sendall(piece)
                        continue
                    if fault == "slow":
                        time.sleep(0.2)
                    if left is not None and len(piece) > left:
                        near.sendall(piece[:left])
                        return
                    near.sendall(piece)
                    left = None if left is None else left - len(piece)

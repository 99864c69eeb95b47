"""A reverse proxy on loopback that misbehaves to order: what may stand between qsticky and
qBittorrent, and what a bad network looks like from here."""

from __future__ import annotations

import random
import select
import socket
import struct
import time

from listener import Listener

PASS = "pass"
FAULTS = ("reset", "stall", "502", "503", "cut", "slow", "refuse")


class Proxy(Listener):
    """One connection, one fate: what it is when the connection comes."""

    def __init__(self, to_port: int, chance: random.Random) -> None:
        super().__init__()
        self._to_port = to_port
        self._chance = chance
        self._fault = PASS
        self._over = False

    def set(self, fault: str) -> None:
        """One of FAULTS, or PASS. Connections that hang for the last one are let go."""
        self._fault = fault
        if fault == "refuse":
            self.refuse()
        elif not self.is_up():
            self.start()

    def stop(self) -> None:
        self._over = True
        super().stop()

    def serve(self, near: socket.socket, number: int) -> None:
        fault = self._fault
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

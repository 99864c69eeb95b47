"""A faulty qBittorrent that opens its port for peers, too."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from typing import Any

from faulty_server import FaultyServer, Reply, Request


class ListeningServer(FaultyServer):
    """One that opens its listen_port for peers too, the way libtorrent does: TCP and UDP at each
    address or neither, bound to the interface as it is at that moment, and opened again only when the port or
    where to listen changes. So it is deaf once the interface has been made again."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.opens = True
        self.lag = 0.0  # seconds from the answer to the open port; a libtorrent takes some too
        self._peer_sockets: list[socket.socket] = []

    def start(self) -> ListeningServer:
        super().start()
        self.open_port()
        return self

    def stop(self) -> None:
        self.close_port()
        super().stop()

    def _serve(self, request: Request) -> Reply:
        before = self._where()
        reply = super()._serve(request)
        if self._where() != before and not self.lag:
            self.open_port()
        elif self._where() != before:
            self.close_port()
            timer = threading.Timer(self.lag, self.open_port)
            timer.daemon = True
            timer.start()
        return reply

    def _where(self) -> tuple[object, ...]:
        keys = ("listen_port", "current_network_interface", "current_interface_address")
        return tuple(self.preferences[key] for key in keys)

    def close_port(self) -> None:
        with self._lock:
            for sock in self._peer_sockets:
                sock.close()
            self._peer_sockets.clear()

    def open_port(self) -> None:
        """Anew, unless `opens` is False. A test may do so while a request does."""
        with self._lock:
            self.close_port()
            if self.opens:
                self._open_port()

    def _open_port(self) -> None:
        port, interface, only = self._where()
        shown = subprocess.run(["ip", "-json", "addr"], capture_output=True, check=True).stdout
        for link in json.loads(shown):
            if interface not in ("", link["ifname"]):
                continue
            for address in link["addr_info"]:
                local, is_v6 = address["local"], address["family"] == "inet6"
                if only in ("", local, "::" if is_v6 else "0.0.0.0"):
                    self._listen(is_v6, local, port, link["ifname"])

    def _listen(self, is_v6: bool, address: str, port: int, device: str) -> None:
        pair = [
            socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, kind)
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        ]
        tcp, udp = pair
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            scope = socket.if_nametoindex(device) if address.startswith("fe80") else 0
            for sock in pair:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
                sock.bind((address, port, 0, scope) if is_v6 else (address, port))
            tcp.listen(1000)  # nobody accepts: they queue here
        except OSError:  # an address that is tentative, a link that is down, a port that is taken
            for sock in pair:
                sock.close()
            return
        self._peer_sockets += pair

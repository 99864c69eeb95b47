"""The far end of a tunnel: the VPN provider's gateway, which speaks NAT-PMP and lets peers in to the
ports that it has mapped, and the wire to it, which can be cut.

The wire is a tun device, whose packets are read and written here, as a userspace WireGuard does: so
the kernel counts what the tunnel sends and receives.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import socket
import struct
import subprocess
import threading
import time

DEVICE = "tun0"
ADDRESS, GATEWAY = "10.2.0.2", "10.2.0.1"  # as ProtonVPN has them: the same for everybody
NAT_PMP = 5351
LIFETIME = 60  # seconds of Gluetun's, of a mapping
REFUSED = 2  # NAT-PMP: not authorized

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
TCP, UDP = 6, 17


def ip(*words: str) -> None:
    """As ip(8). FileExistsError where the kernel has that already."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if "File exists" in done.stderr:
        raise FileExistsError(f"ip {' '.join(words)}: file exists")
    assert done.returncode == 0, f"ip {words}: {done.stderr}"


def make_device(address: str) -> int:
    """In Gluetun's order: device, address, link. It is gone with the last descriptor of it."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
    ip("address", "add", address, "dev", DEVICE)
    ip("link", "set", DEVICE, "up")
    return device


def make_device_in(namespace: str, address: str) -> int:
    """The same in the network namespace of that file, where the peers are."""
    made: list[int] = []

    def work() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with open(namespace, "rb") as file:
            if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {namespace}")
        made.append(make_device(address))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made[0]


# -- NAT-PMP, the client's part ------------------------------------------------------


class Refused(Exception):
    """The gateway has said no."""


def ask_for_port(slot: int, second: float, stop: threading.Event) -> int:
    """The port that the gateway maps to this client's `slot`. Tried nine times, with pauses that
    double from a quarter of a second: 128 seconds in all, as Gluetun has them. TimeoutError: no answer."""
    question = struct.pack("!BBHHHI", 0, 2, 0, slot, 0, LIFETIME)
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        for attempt in range(9):
            until = time.monotonic() + 0.25 * 2**attempt * second
            with contextlib.suppress(OSError):  # no tunnel to send it through
                sock.sendto(question, (GATEWAY, NAT_PMP))
            while time.monotonic() < until and not stop.is_set():
                if select.select([sock], [], [], min(0.05, 0.25 * second))[0]:
                    _, _, result, _, _, port, _ = struct.unpack("!BBHIHHI", sock.recv(64))
                    if result:
                        raise Refused(f"gateway refuses: result code {result}")
                    return port
            if stop.is_set():
                break
    raise TimeoutError(f"connection timeout: failed attempts: {attempt + 1}")


# -- the gateway ---------------------------------------------------------------------


class Gateway:
    """What it maps, and how it answers."""

    def __init__(self, second: float, count: int) -> None:
        self.answers = "yes"  # "no": it refuses; "silent": the tunnel lives, NAT-PMP does not
        self.ports: list[int] = []
        self._second = second
        self._count = count
        self._mapped: dict[int, float] = {}  # until when
        self._connections: set[tuple[int, int, bytes, int]] = set()  # made by the client

    def new_client(self, ports: list[int]) -> None:
        """Most providers give other ports each time. Chance may give the same, the clock does not."""
        first = int(time.monotonic() * 10)
        self.ports = ports or [33000 + (first - 977 * n) % 17000 for n in range(self._count)]
        self._mapped.clear()
        self._connections.clear()

    def is_mapped(self, port: int) -> bool:
        return self._mapped.get(port, 0.0) > time.monotonic()

    def reply(self, payload: bytes) -> bytes | None:
        """To a NAT-PMP question; None: nothing is said."""
        if self.answers == "silent" or len(payload) < 2 or payload[0] != 0:
            return None
        code = payload[1]
        result = REFUSED if self.answers == "no" else 0
        if code == 0:
            return struct.pack("!BBHI4s", 0, 128, result, 1, socket.inet_aton("203.0.113.1"))
        slot = struct.unpack_from("!H", payload, 4)[0]
        port = 0
        if not result:
            port = self.ports[slot - 1]
            self._mapped[port] = time.monotonic() + LIFETIME * self._second
        return struct.pack("!BBHIHHI", 0, 128 + code, result, 1, slot, port, LIFETIME)

    def lets_out(self, packet: bytes) -> None:
        protocol, _, source_port, address, port = addresses(packet)
        self._connections.add((protocol, source_port, address, port))

    def lets_in(self, packet: bytes) -> bool:
        """To a mapped port, or as the answer to what was sent."""
        protocol, address, port, _, own_port = addresses(packet)
        return self.is_mapped(own_port) or (protocol, own_port, address, port) in self._connections


def addresses(packet: bytes) -> tuple[int, bytes, int, bytes, int]:
    """Protocol, source, its port, destination, its port. Ports are 0 where there are none."""
    protocol, start = packet[9], (packet[0] & 15) * 4
    ports = struct.unpack_from("!HH", packet, start) if protocol in (TCP, UDP) else (0, 0)
    return protocol, packet[12:16], ports[0], packet[16:20], ports[1]


def udp_reply(packet: bytes, payload: bytes) -> bytes:
    """From where `packet` went to where it came from."""
    _, source, source_port, destination, port = addresses(packet)
    udp = struct.pack("!HHHH", port, source_port, 8 + len(payload), 0) + payload  # 0: no checksum
    fields = (0x45, 0, 20 + len(udp), 0, 0, 64, UDP, 0, destination, source)
    header = struct.pack("!BBHHHBBH4s4s", *fields)
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return header[:10] + struct.pack("!H", checksum) + header[12:] + udp


# -- the wire ------------------------------------------------------------------------


class Wire:
    """Carries packets between the tunnel's device and the gateway with the peers behind it, until it
    is closed; then the device is gone."""

    def __init__(self, gateway: Gateway, peers: int = -1) -> None:
        """`peers` is the device in their network; -1: there are none."""
        self.cut = False
        self._gateway = gateway
        self._peers = peers
        self._near = make_device(f"{ADDRESS}/32")
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.close(self._stopped)
        self._thread.join()
        os.close(self._stop)
        os.close(self._near)

    def _carry(self) -> None:
        ends = [self._stop, self._near, *([self._peers] if self._peers >= 0 else [])]
        while True:
            ready, _, _ = select.select(ends, [], [])
            if self._stop in ready:
                return
            for end in ready:
                packet = os.read(end, 65536)  # also while it is cut: it was sent, and got lost
                if not self.cut and packet[0] >> 4 == 4:
                    (self._outwards if end == self._near else self._inwards)(packet)

    def _outwards(self, packet: bytes) -> None:
        protocol, _, _, address, port = addresses(packet)
        if (protocol, address, port) == (UDP, socket.inet_aton(GATEWAY), NAT_PMP):
            reply = self._gateway.reply(packet[28:])
            if reply is not None:
                os.write(self._near, udp_reply(packet, reply))
        elif self._peers >= 0:
            self._gateway.lets_out(packet)
            os.write(self._peers, packet)

    def _inwards(self, packet: bytes) -> None:
        if self._gateway.lets_in(packet):
            os.write(self._near, packet)

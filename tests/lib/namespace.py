"""A network of one's own: the namespace that Gluetun, qBittorrent and qsticky would share, with a
tunnel to somebody far away.

    with Namespace() as namespace:           # this thread is in it now, and whatever it starts
        namespace.add_tunnel()
        ...
        assert namespace.far_end_reaches(port)

It has no name and no file: it is there as long as somebody is in it or holds it open, so nothing
is left behind even where a test is killed.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from harness import PATIENCE, wait_until

CLONE_NEWNET = 0x40000000

# As with Proton's WireGuard, where every client has the same address.
TUNNEL = "tun0"
TUNNEL_ADDRESS = "10.2.0.2"
FAR_ADDRESS = "10.2.0.1"
# Docker's side of the container.
BRIDGE = "eth0"
BRIDGE_ADDRESS = "172.18.0.2"

T = TypeVar("T")

_libc = ctypes.CDLL(None, use_errno=True)


def _enter(fd: int) -> None:
    """The calling thread only, and what it starts from now on."""
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _in_thread(work: Callable[[], T]) -> T:
    """Runs `work` in a thread of its own, which may go where it likes."""
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:  # the caller's to handle, whatever it is
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]


def _new_namespace() -> int:
    def make() -> int:
        if _libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    return _in_thread(make)


class Namespace:
    """`lo` is up from the start; the rest is up to the test."""

    def __init__(self) -> None:
        self._near = _new_namespace()
        self._far = _new_namespace()
        self._outside = -1
        for fd in (self._near, self._far):
            with _visit(fd):
                _ip("link set lo up")
                # Else the source port of some connection may be one that a test forwards, 41000.
                Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("50000 60999")

    # -- being in it

    def __enter__(self) -> "Namespace":
        assert self._outside < 0, "already in it"
        self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _enter(self._near)
        return self

    def __exit__(self, *_: object) -> None:
        _enter(self._outside)
        os.close(self._outside)
        self._outside = -1
        self.close()

    def close(self) -> None:
        """Takes the links away too: the namespace itself stays while a socket of it is open."""
        for link in (TUNNEL, BRIDGE):
            if self.has(link):
                self.delete(link)
        os.close(self._near)
        os.close(self._far)

    def call(self, work: Callable[[], T]) -> T:
        """What `work` returns when it is done here, for those who are outside."""
        with _visit(self._near):
            return work()

    def from_afar(self, work: Callable[[], T]) -> T:
        """The same at the far end of the tunnel."""
        with _visit(self._far):
            return work()

    # -- links

    def ip(self, *commands: str) -> None:
        """Commands for ip(8), one after the other, for example "link set tun0 down"."""
        with _visit(self._near):
            _ip(*commands)

    def has(self, link: str) -> bool:
        return self.call(lambda: link in (name for _, name in socket.if_nameindex()))

    def set_ipv6(self, on: bool) -> None:
        """For links that are made from now on. Off is what Gluetun's container has by default."""
        text = "0" if on else "1"

        def write() -> None:
            for scope in ("all", "default"):
                Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text(text)

        self.call(write)

    def add_link(self, name: str) -> None:
        """Down and without an address. Its far end is up, so that it has a carrier once it is."""
        far = f"/proc/{os.getpid()}/fd/{self._far}"
        self.ip(f"link add name {name} type veth peer name {name} netns {far}")
        with _visit(self._far):
            _ip(f"link set {name} up")

    def add_bridge(self) -> None:
        self.add_link(BRIDGE)
        self.ip(f"addr add {BRIDGE_ADDRESS}/16 dev {BRIDGE}", f"link set {BRIDGE} up")
        with _visit(self._far):
            _ip(f"addr add 172.18.0.1/16 dev {BRIDGE}")

    def add_tunnel(
        self, *, address: str = TUNNEL_ADDRESS, address_first: bool = True, ipv6: str = ""
    ) -> None:
        """`address_first` is the order of Gluetun's WireGuard code: the address while the link is
        down still. `ipv6` is an address with its prefix length."""
        self.add_link(TUNNEL)
        with _visit(self._far):
            _ip(f"addr add {FAR_ADDRESS}/24 dev {TUNNEL}", f"route replace {address}/32 dev {TUNNEL}")
        addresses = [f"addr add {address}/32 dev {TUNNEL}"]
        if ipv6:
            addresses.append(f"addr add {ipv6} dev {TUNNEL}")
        up = [f"link set {TUNNEL} up"]
        first, then = (addresses, up) if address_first else (up, addresses)
        self.ip(*first)
        # Gluetun speaks to WireGuard in between: long enough for libtorrent to have seen the first.
        time.sleep(0.3)
        self.ip(*then, f"route add default dev {TUNNEL}")

    def delete(self, link: str) -> None:
        self.ip(f"link delete {link}")

    def reconnect(self, **options: object) -> None:
        """As a VPN that comes back: tun0 goes, and another one of that name comes."""
        self.delete(TUNNEL)
        self.add_tunnel(**options)

    # -- who gets through

    def far_end_reaches(self, port: int, address: str = TUNNEL_ADDRESS) -> bool:
        """Whether somebody at the far end of the tunnel can connect: what all this is about."""

        def connect() -> bool:
            try:
                socket.create_connection((address, port), timeout=1).close()
            except OSError:
                return False
            return True

        return self.from_afar(connect)

    def wait_open(
        self, port: int, address: str = TUNNEL_ADDRESS, timeout: float = PATIENCE
    ) -> None:
        wait_until(
            lambda: self.far_end_reaches(port, address), timeout, f"the far end to reach {port}"
        )


@contextmanager
def _visit(fd: int) -> Iterator[None]:
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(fd)
        try:
            yield
        finally:
            _enter(outside)
    finally:
        os.close(outside)


def _ip(*commands: str) -> None:
    """One process for all of them: milliseconds apart, as a program that speaks netlink has them."""
    done = subprocess.run(
        ["ip", "-batch", "-"],
        input="\n".join(commands),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"ip {commands}: {done.stderr}"

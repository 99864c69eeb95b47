"""What a settled cycle asks of the kernel where the port is probed, and that so few questions find
what has changed in between."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import statistics
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import strace
from conftest import MakeSidecar, Sidecar, missing
from harness import PortFile, wait_until
from listening_server import ListeningServer
from namespace import BRIDGE, TUNNEL, TUNNEL_ADDRESS, Namespace

PORT = 41000
OTHER_ADDRESS = "10.2.0.7"
# For the loop's sleep, the port file, one request and the health file 22; six to prove the port.
MOST_CALLS = 28
# A sanitizer makes calls of its own, and the sandbox of that build lets it.
pytestmark = pytest.mark.parametrize("binary", ["musl"], indirect=True)
# Of the loop: the sleep between two cycles.
SLEEP = re.compile(r"\[.*\], 4, \d+")


@pytest.fixture
def trace(
    namespace: Namespace,
    new_listening: Callable[..., ListeningServer],
    port_file: PortFile,
    place: Path,
    sidecar: MakeSidecar,
) -> tuple[Sidecar, Path]:
    """A sidecar that has proved the port at a tunnel, with a cycle each second; and its calls."""
    if shutil.which("strace") is None:
        missing("strace is not installed")
    namespace.add_bridge()
    namespace.add_tunnel()
    port_file.write(PORT)
    file = place / "trace"
    qsticky = sidecar(new_listening().start(), interval=1, wrapper=strace.wrapper(file))
    assert qsticky.wait_in_sync(PORT)["reachable"]
    return qsticky, file


def by_cycle(file: Path) -> list[list[strace.Call]]:
    """The calls from one sleep that ended by the time to the next one; the first and last are left out."""
    cycles: list[list[strace.Call]] = [[]]
    for call in strace.calls(file):
        if call.name == "poll" and SLEEP.fullmatch(call.arguments):
            cycles.append([])
        cycles[-1].append(call)
    return cycles[1:-1]


def probed(calls: list[strace.Call]) -> set[str]:
    """At which addresses."""
    found = (re.search(rf'htons\({PORT}\), sin_addr=inet_addr\("(.*?)"\)', c.arguments) for c in calls)
    return {match[1] for match in found if match}


def wait_probed_at(file: Path, address: str) -> None:
    """The whole of a cycle, and no other address in it."""

    def is_probed() -> bool:
        return probed(by_cycle(file)[-1]) == {address}

    wait_until(is_probed, what=f"a cycle that probes {address} alone")


def test_settled_cycle_makes_28_calls(trace: tuple[Sidecar, Path]) -> None:
    qsticky, file = trace
    before = len(by_cycle(file))
    qsticky.wait_cycles(9)
    # A reply in two pieces takes two more, on a busy machine.
    cycles = by_cycle(file)[before + 1 :]
    typical = cycles[[len(one) for one in cycles].index(statistics.mode(map(len, cycles)))]
    assert len(typical) <= MOST_CALLS, [call.name for call in typical]
    assert probed(typical) == {TUNNEL_ADDRESS}
    about_links = [call for call in typical if "nlmsg" in call.arguments]
    assert [call.name for call in about_links] == ["sendto", "recvfrom"]
    assert not any(call.name == "socket" and "NETLINK" in call.arguments for call in typical)


def test_settled_cycle_finds_another_address(
    namespace: Namespace, trace: tuple[Sidecar, Path]
) -> None:
    qsticky, file = trace
    qsticky.wait_cycles(2)
    wait_probed_at(file, TUNNEL_ADDRESS)
    namespace.ip(
        f"addr add {OTHER_ADDRESS}/32 dev {TUNNEL}", f"addr del {TUNNEL_ADDRESS}/32 dev {TUNNEL}"
    )
    wait_probed_at(file, OTHER_ADDRESS)


def test_settled_cycle_finds_another_device_of_the_same_name(
    namespace: Namespace, trace: tuple[Sidecar, Path]
) -> None:
    qsticky, file = trace
    qsticky.wait_cycles(2)
    wait_probed_at(file, TUNNEL_ADDRESS)
    # While it does not look: it sees but the end of all this.
    os.kill(qsticky.pid, signal.SIGSTOP)
    namespace.reconnect(address=OTHER_ADDRESS)
    os.kill(qsticky.pid, signal.SIGCONT)
    wait_probed_at(file, OTHER_ADDRESS)
    assert qsticky.wait_health(state="in_sync")["reachable"]


def test_settled_cycle_finds_what_was_lost_among_many_changes(
    namespace: Namespace, trace: tuple[Sidecar, Path]
) -> None:
    qsticky, file = trace
    qsticky.wait_cycles(2)
    wait_probed_at(file, TUNNEL_ADDRESS)
    os.kill(qsticky.pid, signal.SIGSTOP)
    # More than the kernel keeps for one who does not read.
    many = [f"addr add 10.9.{i // 250}.{i % 250 + 1}/32 dev {BRIDGE}" for i in range(2000)]
    namespace.ip(
        *many,
        f"addr add {OTHER_ADDRESS}/32 dev {TUNNEL}",
        f"addr del {TUNNEL_ADDRESS}/32 dev {TUNNEL}",
    )
    os.kill(qsticky.pid, signal.SIGCONT)
    wait_probed_at(file, OTHER_ADDRESS)
    assert any(call.result.startswith("-1 ENOBUFS") for call in strace.calls(file))


def test_probe_finds_a_port_of_its_own_where_one_side_of_the_probed_port_is_full(
    namespace: Namespace,
    new_listening: Callable[..., ListeningServer],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    namespace.add_bridge()
    namespace.add_tunnel()
    first, middle, last = 50000, 50009, 50019
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(f"{first} {last}")
    port_file.write(middle)
    qsticky = sidecar(new_listening().start(), interval=1)
    qsticky.wait_in_sync(middle)
    for side in (range(first, middle), range(middle + 1, last + 1)):
        with ExitStack() as others:
            for port in side:
                with suppress(OSError):  # in use already
                    others.enter_context(socket.create_server((TUNNEL_ADDRESS, port)))
            qsticky.wait_cycles(3)
    assert not qsticky.lines("WARN")

"""The program in memory: where it lies, what may be written, what is there while it sleeps."""

from __future__ import annotations

import platform
import re
import resource
import shutil
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

import strace
from certificates import Pki
from conftest import MakeSidecar, missing
from faulty_server import FaultyServer
from harness import ROOT, PortFile, during_sleep, memory_kib, wait_until
from tls_peers import TlsFront

PORT = 41000
MUSL = pytest.mark.parametrize("binary", ["musl"], indirect=True)
# As its program headers have it: address, size in the file.
RELRO = re.compile(r"^\s*GNU_RELRO\s+0x\w+ 0x(\w+) 0x\w+ 0x(\w+) 0x\w+ ", re.M)
DATA = re.compile(r"^\s*LOAD\s+0x\w+ 0x(\w+) 0x\w+ 0x(\w+) 0x\w+ RW ", re.M)
MAPPING = re.compile(r"^(\w+)-(\w+) (....) (\w+) \S+ (\d+) +(\S*)$((?:\n[A-Z].*)*)", re.M)
# Clocks that the kernel's function can read by itself.
FAST_CLOCKS = {"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"}
CLOCK_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")


class Mapping(NamedTuple):
    start: int
    end: int
    may: str
    offset: int
    path: str
    resident_kib: int
    written_kib: int  # of these; the rest is in the binary, too


def mappings(pid: int) -> list[Mapping]:
    found = MAPPING.findall(Path(f"/proc/{pid}/smaps").read_text())
    assert found
    return [
        Mapping(
            *(int(start, 16), int(end, 16), may, int(offset, 16), path),
            *(int(re.search(rf"^{k}: +(\d+) kB", counts, re.M)[1]) for k in ("Rss", "Anonymous")),
        )
        for start, end, may, offset, _, path, counts in found
    ]


def start_of(binary: Path, pid: int) -> int:
    return next(m.start for m in mappings(pid) if m.path == str(binary) and m.offset == 0)


def section(binary: Path, name: str) -> tuple[int, int]:
    """Where it begins and ends, counted from the program's start."""
    command = ["readelf", "--sections", "--wide", binary]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row = re.search(rf"{re.escape(name)} +\S+ +(\w+) \w+ (\w+) ", done.stdout)
    start, size = int(row[1], 16), int(row[2], 16)
    return start, start + size


def present_pages(pid: int, start: int, end: int) -> int:
    """Pages that begin in that range of addresses and are in memory (proc(5), pagemap)."""
    page = resource.getpagesize()
    with Path(f"/proc/{pid}/pagemap").open("rb") as pagemap:
        pagemap.seek(start // page * 8)
        entries = pagemap.read((end - start + page - 1) // page * 8)
    return sum(entry >> 63 for (entry,) in struct.iter_unpack("<Q", entries))


def test_what_is_written_only_at_the_start_is_read_only_afterwards(
    binary: Path, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Tables of pointers: who could write there, could have qsticky call what they like."""
    command = ["readelf", "--segments", "--wide", binary]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    relro = RELRO.search(done.stdout)  # made by compilers that link with a dynamic linker
    address, size = (int(number, 16) for number in (relro or DATA.search(done.stdout)).groups())
    page = resource.getpagesize()
    port_file.write(PORT)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(PORT)
    start = start_of(binary, qsticky.pid)
    first, last = start + address, start + address + size
    if relro or page > 4096:
        last = last // page * page  # what follows in the last page is written
    there = [m for m in mappings(qsticky.pid) if m.start < last and m.end > first]
    assert there and all(m.may == "r--p" for m in there), there


@pytest.mark.parametrize(
    "function", ["beneath_open", "resolve_ip", "resolve_read_hosts", "url_append_origin"]
)
def test_who_fills_a_buffer_with_what_others_wrote_notices_an_overflow(function: str) -> None:
    """With -flto, gcc by itself guards arrays of unsigned char only."""
    command = ["objdump", f"--disassemble={function}", ROOT / "build/musl/qsticky"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"<{function}>:" in done.stdout
    assert "<__stack_chk_fail>" in done.stdout


@MUSL  # the sanitizers map as they like
def test_nothing_is_both_written_and_executed(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(PORT)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(PORT)
    assert not [m for m in mappings(qsticky.pid) if {"w", "x"} <= set(m.may)]


def test_it_lies_elsewhere_each_time(
    binary: Path, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    if Path("/proc/sys/kernel/randomize_va_space").read_text() == "0\n":
        missing("this kernel was told to put programs at fixed addresses")
    port_file.write(PORT)
    starts = set()
    for _ in range(2):
        qsticky = sidecar(fake)
        qsticky.wait_in_sync(PORT)
        starts.add(start_of(binary, qsticky.pid))
        assert qsticky.stop() == 0
    assert len(starts) == 2


@pytest.fixture
def in_pages_of_4_kib() -> None:
    if resource.getpagesize() != 4096:
        missing("counted in pages of 4 KiB")


@MUSL
def test_asleep_it_holds_no_more_of_its_code_than_the_sleep(
    binary: Path,
    fake: FaultyServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
    in_pages_of_4_kib: None,
) -> None:
    port_file.write(PORT)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(PORT)
    code = during_sleep(
        qsticky.pid,
        lambda: sum(
            m.resident_kib
            for m in mappings(qsticky.pid)
            if m.path == str(binary) and "x" in m.may
        ),
    )
    assert code == 4


@MUSL
@pytest.mark.parametrize("over", ["http", "pin", "file"])
def test_asleep_it_holds_at_most_48_kib_that_were_written_to(
    fake: FaultyServer,
    pki: Pki,
    port_file: PortFile,
    sidecar: MakeSidecar,
    in_pages_of_4_kib: None,
    over: str,
) -> None:
    port_file.write(PORT)
    certificate = pki.make("IP:127.0.0.1")
    https = {"QSTICKY_USE_HTTPS": "true"}
    env = {
        "http": {},
        "pin": https | {"QSTICKY_TLS_PIN_SHA256": certificate.sha256},
        "file": https | {"QSTICKY_TLS_CA_FILE": str(certificate.path)},
    }[over]
    with TlsFront(certificate, fake.port) as front:
        qsticky = sidecar(fake, interval=1, env=env, port=front.port if env else None)
        qsticky.wait_in_sync(PORT)
        qsticky.wait_cycles(3)
        written = during_sleep(qsticky.pid, lambda: memory_kib(qsticky.pid, "Anonymous"))
    assert written <= 48


@MUSL
def test_asleep_it_holds_no_variable_that_a_settled_cycle_does_not_use(
    binary: Path,
    fake: FaultyServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
    in_pages_of_4_kib: None,
) -> None:
    """Nothing in .bss was written to: what a cycle uses lies before it (third_party/memory.ld)."""
    first, _ = section(binary, ".data")
    bss, end = section(binary, ".bss")
    port_file.write(PORT)
    qsticky = sidecar(fake, interval=1)
    qsticky.wait_in_sync(PORT)
    qsticky.wait_cycles(3)
    start = start_of(binary, qsticky.pid)

    def look() -> tuple[int, int]:
        written = sum(
            m.written_kib for m in mappings(qsticky.pid) if start + first <= m.start < start + end
        )
        # The kernel has one page for all that are only read, which would be in this number only.
        return written, 4 * present_pages(qsticky.pid, start + first, start + bss)

    written, present = during_sleep(qsticky.pid, look)
    assert written <= present


@MUSL
def test_to_read_a_clock_takes_no_system_call(
    place: Path, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    if shutil.which("strace") is None:
        missing("strace is not installed")
    if platform.machine() != "x86_64" or CLOCK_SOURCE.read_text().strip() not in FAST_CLOCKS:
        missing("this kernel reads the clock itself")
    port_file.write(PORT)
    trace = place / "trace"
    qsticky = sidecar(fake, interval=1, wrapper=strace.wrapper(trace))
    qsticky.wait_in_sync(PORT)
    qsticky.wait_cycles(3)
    wait_until(lambda: strace.sleeps(trace), what="its sleep")
    made = [call.name for call in strace.calls(trace)]
    assert "connect" in made and "clock_gettime" not in made


@MUSL
def test_a_settled_cycle_takes_at_most_24_system_calls(
    place: Path, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    if shutil.which("strace") is None:
        missing("strace is not installed")
    port_file.write(PORT)
    trace = place / "trace"
    qsticky = sidecar(fake, interval=1, wrapper=strace.wrapper(trace))
    qsticky.wait_in_sync(PORT)
    qsticky.wait_cycles(4)
    wait_until(lambda: strace.sleeps(trace), what="its sleep")
    made = [call.name for call in strace.calls(trace)]
    ends = [i for i, name in enumerate(made) if name == "rename"]  # of the health file
    cycles = [made[begin:end] for begin, end in zip(ends, ends[1:])]
    # Some cycles ask for more, or get their answer in two pieces.
    settled = min(cycles, key=len)
    assert "connect" in settled and len(settled) <= 24, settled


@MUSL
def test_a_start_takes_few_system_calls_before_it_connects(
    place: Path, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    if shutil.which("strace") is None:
        missing("strace is not installed")
    port_file.write(PORT)
    trace = place / "trace"
    qsticky = sidecar(fake, wrapper=strace.wrapper(trace))
    qsticky.wait_in_sync(PORT)
    made = strace.calls(trace)
    made = made[: next(i for i, call in enumerate(made) if call.name == "connect")]
    # The interfaces: listen for changes, and ask once for the route, the links and the addresses.
    asked = [call for call in made if call.name == "socket" and "NETLINK" in call.arguments]
    assert len(asked) <= 4, asked
    # No path here has a link, so /proc is not asked where one leads.
    assert not [call for call in made if call.name == "readlink"]
    assert not [call for call in made if "/run/secrets/" in call.arguments][1:]
    # Each capability is one call to drop, for root.
    others = [call.name for call in made if call.name != "prctl"]
    assert len(others) <= 120, others

"""The binaries for other architectures, each on the plainest processor that it is meant for: what
qsticky is for, from its start to its stop, with the real qBittorrent. QEMU plays the processor; the
kernel is this machine's."""

from __future__ import annotations

import re
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from certificates import Certificate, Pki
from conftest import MakeSidecar, missing
from harness import ROOT, PortFile, QBittorrent, free_port, wait_until
from namespace import Namespace

# In Debian's names for compilers.
MACHINES_OF = {
    "arm64": "aarch64-linux-gnu",
    "armhf": "arm-linux-gnueabihf",
    "armel": "arm-linux-gnueabi",
    "i386": "i686-linux-gnu",
}

NAMES = ("DNS:localhost", "IP:127.0.0.1")
YEAR = 365 * 24 * 3600


class Machine(NamedTuple):
    architecture: str
    emulator: str
    processor: str


MACHINES = [
    Machine("arm64", "qemu-aarch64", "cortex-a53"),
    Machine("armhf", "qemu-arm", "cortex-a7"),
    # A Raspberry Pi 1's, without the floating point that not every ARMv6 has.
    Machine("armel", "qemu-arm", "arm1176,vfp=off"),
    # Without SSE, and with all that is asked for at run time: AES-NI, SSE2.
    Machine("i386", "qemu-i386", "pentium2"),
    Machine("i386", "qemu-i386", "max"),
]

NewServer = Callable[[Certificate | None], QBittorrent]


@pytest.fixture(autouse=True)
def _inside(namespace: Namespace) -> None:
    """Before qBittorrent and qsticky, which are to be in it."""


@pytest.fixture(params=MACHINES, ids=lambda machine: f"{machine.architecture}-{machine.processor}")
def machine(request: pytest.FixtureRequest) -> Machine:
    if shutil.which(request.param.emulator) is None:
        missing(f"{request.param.emulator} is not installed")
    return request.param


def built(architecture: str) -> Path:
    path = ROOT / "build" / architecture / "qsticky"
    if not path.exists():
        missing(f"{path.relative_to(ROOT)} is not built")
    return path


@pytest.fixture
def binary(machine: Machine) -> Path:
    return built(machine.architecture)


@pytest.fixture
def wrapper(machine: Machine, place: Path) -> tuple[str, ...]:
    """With each process's system calls in calls.PID."""
    traced = ("-strace", "-D", str(place / "calls.%d"))
    return (machine.emulator, "-cpu", machine.processor, *traced)


@pytest.fixture
def new_server(new_qbittorrent: Callable[..., QBittorrent]) -> NewServer:
    def make(certificate: Certificate | None) -> QBittorrent:
        files = {"certificate": certificate.path, "key": certificate.key} if certificate else {}
        return new_qbittorrent(address="", **files).start()

    return make


class Allowed:
    """The calls that are in the sandbox's lists of a binary, read from it as it lies there. The emulator
    has no seccomp, so what would have been stopped goes on."""

    def __init__(self, architecture: str) -> None:
        self.compiler = f"{MACHINES_OF[architecture]}-gcc"
        if shutil.which(self.compiler) is None:
            missing(f"{self.compiler} is not installed")
        self.path = built(architecture).parent / "musl" / "qsticky"
        self.bytes = self.path.read_bytes()
        # A call, the number of an argument, and up to six values.
        with_value = [row[0] for row in struct.iter_unpack("<8H", self._symbol("checked"))]
        self.judging = {*self._numbers("judge_calls"), with_value[0]}
        self.running = {*self.judging, *self._numbers("more_calls"), *with_value}

    def _readelf(self, what: str) -> list[list[str]]:
        done = subprocess.run(
            ["readelf", "--wide", what, self.path], capture_output=True, text=True, check=True
        )
        return [line.split() for line in done.stdout.splitlines()]

    def _symbol(self, name: str) -> bytes:
        (row,) = [row for row in self._readelf("--symbols") if row[-1:] == [name]]
        address, length = int(row[1], 16), int(row[2])
        for load in (row for row in self._readelf("--segments") if row[:1] == ["LOAD"]):
            offset, start, size = (int(field, 16) for field in (load[1], load[2], load[4]))
            if start <= address < start + size:
                at = offset + address - start
                return self.bytes[at : at + length]
        raise AssertionError(f"{name} is in no segment")

    def _numbers(self, name: str) -> list[int]:
        return [row[0] for row in struct.iter_unpack("<H", self._symbol(name))]

    def check(self, calls: Path, numbers: set[int]) -> set[str]:
        """That what was called behind the set-up, of which prctl() is the last, has one of these
        numbers. Returns the names."""
        lines = [line.split(" ", 1)[1] for line in calls.read_text().splitlines()]
        last = max(index for index, line in enumerate(lines) if line.startswith("prctl("))
        named = (re.match(r"\w+(?=\()", line) for line in lines[last + 1 :])
        names = sorted({name[0] for name in named if name})
        source = "#include <asm/unistd.h>\n" + "".join(f"@{name}=__NR_{name}\n" for name in names)
        done = subprocess.run(
            [self.compiler, "-E", "-P", "-x", "c", "-"],
            input=source,
            capture_output=True,
            text=True,
            check=True,
        )
        found = dict(re.findall(r"^@(\w+)\s*=\s*(.+)$", done.stdout, re.M))
        # "(0 + 3)", where it is not a plain number.
        made = {name: sum(map(int, re.findall(r"\d+", found[name]))) for name in names}
        assert {name for name, number in made.items() if number not in numbers} == set()
        return set(names)


@pytest.mark.parametrize("kind", ["HTTP", "RSA 2048", "P-256"])
def test_the_whole_main_path(
    kind: str,
    machine: Machine,
    place: Path,
    wrapper: tuple[str, ...],
    namespace: Namespace,
    pki: Pki,
    new_server: NewServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    namespace.set_ipv6(False)
    namespace.add_bridge()
    namespace.add_tunnel()
    certificate = None if kind == "HTTP" else pki.make(*NAMES, kind=kind)
    server = new_server(certificate)
    trust = certificate and {
        "QSTICKY_USE_HTTPS": "true",
        "QSTICKY_TLS_PIN_SHA256": certificate.sha256,
    }
    qsticky = sidecar(server, env=trust, interval=3600, wrapper=wrapper)
    assert qsticky.wait_health(state="waiting_for_port")["current_port"] == server.listen_port()

    first, second, third = free_port(), free_port(), free_port()
    port_file.write(first)
    health = qsticky.wait_in_sync(first)
    assert server.listen_port() == first
    assert health["reachable"] is True
    code, line = qsticky.healthcheck()
    assert code == 0 and line.startswith(f"healthy: port {first}, "), line

    port_file.rename_over(f"{second}\n")
    qsticky.wait_in_sync(second)
    assert server.listen_port() == second

    server.set_preferences({"listen_port": third})
    qsticky.signal(signal.SIGHUP)  # the check that the interval would bring
    wait_until(lambda: server.listen_port() == second, what="the drift to be repaired")
    qsticky.wait_in_sync(second)
    assert not qsticky.troubles()

    # This qBittorrent does not notice: it is made to listen again.
    namespace.reconnect()
    namespace.wait_open(second)
    qsticky.wait_in_sync(second)

    port_file.write("70000")
    qsticky.wait_health(state="error", healthy=False)
    code, line = qsticky.healthcheck()
    assert code == 1 and "which is not a port" in line, line

    process, before = qsticky.pid, len(qsticky.log)
    qsticky.signal(signal.SIGHUP)
    qsticky.wait_log("SIGHUP", after=before)
    assert qsticky.stop() == 0
    assert not qsticky.health_file.exists()
    assert server.listen_port() == second
    assert server.logins() == (1, 0, 0)

    allowed = Allowed(machine.architecture)
    for calls in place.glob("calls.*"):
        runs = calls.suffix == f".{process}"
        made = allowed.check(calls, allowed.running if runs else allowed.judging)
        assert {"connect", "madvise", "wait4", "exit_group"} <= made or not runs


def test_a_certificate_that_ends_after_2038(
    wrapper: tuple[str, ...],
    pki: Pki,
    new_server: NewServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """Where 32 bits of seconds are over. The certificate is trusted by its file: dates count."""
    certificate = pki.make(*NAMES, end=30 * YEAR)
    server = new_server(certificate)
    port = free_port()
    port_file.write(port)
    trust = {"QSTICKY_USE_HTTPS": "true", "QSTICKY_TLS_CA_FILE": str(certificate.path)}
    assert sidecar(server, env=trust, wrapper=wrapper, args=("once",)).wait() == 0
    assert server.listen_port() == port


@pytest.mark.parametrize(
    ("architecture", "processor", "floats"),
    [("armel", ("v4T", "v5T", "v5TE", "v6"), False), ("armhf", ("v7",), True)],
)
def test_arm_code_asks_for_no_more_than_its_platform_has(
    architecture: str, processor: tuple[str, ...], floats: bool
) -> None:
    """The emulator has instructions that the processor may lack; what the linker noted down of
    every object, the C library's too, leaves nothing out."""
    done = subprocess.run(
        ["readelf", "--arch-specific", built(architecture)],
        capture_output=True,
        text=True,
        check=True,
    )
    tags = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    tags = {name.strip(): value.strip() for name, value in tags.items()}
    assert tags["Tag_CPU_arch"] in processor
    assert ("Tag_ABI_VFP_args" in tags, "Tag_FP_arch" in tags) == (floats, floats)
    assert tags.get("Tag_FP_arch", "VFPv3-D16") == "VFPv3-D16"


@pytest.mark.parametrize("architecture", ["arm64", "armhf", "armel"])
def test_an_arm_kernel_with_large_pages_can_map_it(architecture: str) -> None:
    """A Raspberry Pi 5 has pages of 16 KiB, some NAS of 32, and 64 are the most. (QEMU's user mode
    maps what a kernel would not.)"""
    done = subprocess.run(
        ["readelf", "--segments", "--wide", built(architecture)],
        capture_output=True,
        text=True,
        check=True,
    )
    loads = [line.split() for line in done.stdout.splitlines() if line.split()[:1] == ["LOAD"]]
    assert loads
    for load in loads:
        offset, address, alignment = int(load[1], 16), int(load[2], 16), int(load[-1], 16)
        assert alignment >= 65536
        assert (address - offset) % 65536 == 0

"""What the parts of the benchmark share: how much to measure, what a result is, small helpers."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certificates import Certificate, Pki
from harness import ROOT, QBittorrent, memory_kib

LIMIT_CLIENT = ROOT / "build" / "tests" / "limit_client"
CYCLE_SERVER = ROOT / "build" / "tests" / "cycle_server"


@dataclass
class Plan:
    """How long to measure: as the goals are stated, or just long enough to see it work."""

    changes: int = 60  # of each side
    starts: int = 40
    stops: int = 10  # in each situation
    idle_interval: int = 30
    idle_seconds: int = 60
    short_cycles: int = 5  # past what is asked once, three seconds after the start
    long_cycles: int = 13
    timed_cycles: int = 200
    reconnects: int = 10
    # bytes of preferences
    sizes: tuple[int, ...] = (5_000, 20_000, 80_000, 320_000, 1_040_000, 4_000_000, 16_000_000)
    decades: int = 5  # up to 10 to the power of this many cycles
    late_cycles: int = 4000  # where callgrind looks at late ones

    @classmethod
    def quick(cls) -> "Plan":
        return cls(12, 10, 3, 3, 6, 5, 8, 20, 1, (5_000, 80_000, 4_000_000), 3, 200)


@dataclass
class Result:
    key: str
    what: str
    value: float | None  # None: could not be measured, `note` says why
    unit: str
    goal: float | None = None  # at most
    note: str = ""
    limit: float | None = None  # the same of the limit client
    curl: float | None = None  # and of a script that starts curl
    samples: dict[str, list[float]] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        return None if self.goal is None or self.value is None else self.value <= self.goal

    def columns(self) -> tuple[str, ...]:
        def number(value: float | None, none: str = "-") -> str:
            return none if value is None else f"{number_of(value)} {self.unit}".strip()

        verdict = {True: "yes", False: "NO", None: "-"}[self.met]
        goal = "-" if self.goal is None else f"at most {number(self.goal)}"
        value = number(self.value, "not measured")
        return self.what, value, number(self.limit), number(self.curl), goal, verdict, self.note


def number_of(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


# -- programs


class LineReader:
    """Reads lines from a pipe as they come, without a buffer that could hold one back."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._pending = b""

    def until(self, wanted: bytes, timeout: float = 20.0) -> bytes:
        """The next line with `wanted` in it. Lines before it are dropped."""
        while True:
            line, newline, rest = self._pending.partition(b"\n")
            if newline:
                self._pending = rest
                if wanted in line:
                    return line
                continue
            if not select.select([self._fd], [], [], timeout)[0]:
                raise AssertionError(f"no line with {wanted!r} within {timeout:g} s")
            chunk = os.read(self._fd, 65536)
            if not chunk:
                raise AssertionError(f"ended before a line with {wanted!r}")
            self._pending += chunk


@contextlib.contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def sleeps(pid: int) -> bool:
    """Whether the process waits for something: what it had to do before is done."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def memory_dir() -> str | None:
    """A directory in memory, or None."""
    mounts = Path("/proc/mounts").read_text()
    return "/dev/shm" if re.search(r"^\S+ /dev/shm tmpfs rw\b", mounts, re.M) else None


def bare(binary: Path) -> dict[str, str]:
    """For valgrind, whose own system calls in qsticky's process the sandbox does not let pass.
    Nothing for a binary that knows no sandbox."""
    done = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True)
    return {"QSTICKY_SANDBOX": "false"} if "QSTICKY_SANDBOX" in done.stdout else {}


def resident_kib(pid: int) -> tuple[int, int]:
    """KiB that are resident, and of these, written to. (Dirty pages would include those of a binary that
    has just been linked.)"""
    return memory_kib(pid), memory_kib(pid, "Anonymous")


def processor_ns(pid: int) -> int:
    """What the scheduler has given it, user and kernel; exact while it sleeps."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def callgrind(profile: Path) -> list[str]:
    """To be put before a command, which then leaves `profile`."""
    return ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={profile}"]


def instructions_in(profile: Path) -> int:
    return int(re.search(r"^(?:summary|totals): (\d+)", profile.read_text(), re.M)[1])


# -- HTTPS


def find_program(name: str) -> str:
    """Its path, or "". Debian keeps servers where not everybody looks."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") or ""


def self_signed(folder: Path, kind: str = "RSA 2048") -> Certificate:
    """What nearly all have."""
    folder.mkdir(parents=True)
    return Pki(folder).make("DNS:localhost", "IP:127.0.0.1", kind=kind)


def pinned(certificate: Certificate) -> dict[str, str]:
    return {"QSTICKY_USE_HTTPS": "true", "QSTICKY_TLS_PIN_SHA256": certificate.sha256}


def with_https(profile: Path, certificate: Certificate) -> QBittorrent:
    return QBittorrent(profile, certificate=certificate.path, key=certificate.key)

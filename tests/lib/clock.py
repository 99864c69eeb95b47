"""The clock of one process, moved while it runs.

The machine's clock is everybody's, and there are no namespaces for CLOCK_REALTIME. Programs read it
with a function that the kernel maps into each of them, the vDSO, without a system call. Here that
function is replaced in one process: the new one asks the kernel and adds a number. (A debugger sets
its breakpoints in the same way: the process gets a copy of the page.)

    with Clock(pid) as clock:
        clock.move(86400)

CLOCK_MONOTONIC can be moved in its place. That brings deadlines forward for whoever looks at them, and
wakes nobody.
"""

from __future__ import annotations

import os
import platform
import re
import struct
import time
from pathlib import Path

# mov $228,%eax; syscall; cmp $CLOCK,%edi; jne end; movabs $SECONDS,%rcx; add %rcx,(%rsi); end: ret
# 228 is clock_gettime(2), %edi the clock, and %rsi the answer.
FIRST = bytes.fromhex("b8e4000000 0f05 83ff")
THEN = bytes.fromhex("750d 48b9")
LAST = bytes.fromhex("48010e c3")
FUNCTION = b"__vdso_clock_gettime"

MOVABLE = platform.machine() == "x86_64"


def _function_at(image: bytes) -> int:
    """Where the function is in this ELF file, from its start."""
    sections, size, count = (*struct.unpack_from("<Q", image, 40), *struct.unpack_from("<2H", image, 58))
    headers = [struct.unpack_from("<2I4Q2I2Q", image, sections + size * n) for n in range(count)]
    (symbols,) = [header for header in headers if header[1] == 11]  # SHT_DYNSYM
    names = headers[symbols[6]][4]
    for at in range(symbols[4], symbols[4] + symbols[5], 24):
        name, _, _, _, value, _ = struct.unpack_from("<I2BH2Q", image, at)
        if image[names + name :].startswith(FUNCTION + b"\0"):
            return value
    raise AssertionError(f"no {FUNCTION!r} in the vDSO")


class Clock:
    """The process has the true time again when the block ends."""

    def __init__(self, pid: int, clock: int = time.CLOCK_REALTIME) -> None:
        maps = Path(f"/proc/{pid}/maps").read_text()
        start, end = (int(at, 16) for at in re.search(r"^(\w+)-(\w+) .*\[vdso\]$", maps, re.M).groups())
        self._memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)
        self._at = start + _function_at(os.pread(self._memory, end - start, start))
        self._clock = clock
        self.move(0)

    def move(self, seconds: int) -> None:
        """Has the process see a time that many seconds from the true one."""
        function = FIRST + bytes([self._clock]) + THEN + struct.pack("<q", seconds) + LAST
        assert os.pwrite(self._memory, function, self._at) == len(function)

    def __enter__(self) -> "Clock":
        return self

    def __exit__(self, *_: object) -> None:
        self.move(0)
        os.close(self._memory)

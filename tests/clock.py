"""The clock of one process, moved while it runs.

The machine's clock is everybody's, and there are no namespaces for CLOCK_REALTIME. So whoever asks
the kernel for it is stopped on the way back (ptrace(2)), and a number is added to what the kernel
has answered. That takes a process of its own, as the parent may not wait for what its child's tracer
waits for: this file, run as a program.

    with Clock(pid, file) as clock:
        clock.move(86400)
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import subprocess
import sys
from pathlib import Path

CLOCK_GETTIME = {"x86_64": 228, "aarch64": 113}
CLOCK_REALTIME = 0

# ptrace(2)
SYSCALL, SEIZE, INTERRUPT, GET_SYSCALL_INFO = 24, 0x4206, 0x4207, 0x420E
TRACESYSGOOD, WALL = 1, 0x40000000
ENTRY, EXIT = 1, 2

MOVABLE = platform.machine() in CLOCK_GETTIME


class Clock:
    """`file` is for its own use. The process goes on with the true time when the block ends."""

    def __init__(self, pid: int, file: Path) -> None:
        self._file = file
        self.move(0)
        self._tracer = subprocess.Popen(
            [sys.executable, __file__, str(pid), str(file)], stdout=subprocess.PIPE, text=True
        )
        assert self._tracer.stdout is not None
        if self._tracer.stdout.readline() != "attached\n":
            raise AssertionError(f"the tracer ended with {self._tracer.wait()}")

    def move(self, seconds: int) -> None:
        """Has the process see a time that many seconds from the true one."""
        new = self._file.with_name(self._file.name + ".new")
        new.write_text(str(seconds))
        os.rename(new, self._file)

    def __enter__(self) -> "Clock":
        return self

    def __exit__(self, *_: object) -> None:
        self._tracer.kill()
        self._tracer.communicate()


def trace(pid: int, file: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]

    def ptrace(request: int, address: int, data: object) -> None:
        if libc.ptrace(request, pid, address, data) < 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request}")

    info = ctypes.create_string_buffer(88)
    ask_at = None
    ptrace(SEIZE, 0, TRACESYSGOOD)
    ptrace(INTERRUPT, 0, 0)
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        while True:
            _, status = os.waitpid(pid, WALL)
            if not os.WIFSTOPPED(status):
                return
            number = os.WSTOPSIG(status)
            if number == signal.SIGTRAP | 0x80:
                number = 0
                ptrace(GET_SYSCALL_INFO, len(info), info)
                if info.raw[0] == ENTRY:
                    call, clock, at = struct.unpack_from("<QQQ", info.raw, 24)
                    asks = (call, clock) == (CLOCK_GETTIME[platform.machine()], CLOCK_REALTIME)
                    ask_at = at if asks else None
                elif ask_at is not None:
                    memory.seek(ask_at)
                    (seconds,) = struct.unpack("<q", memory.read(8))
                    memory.seek(ask_at)
                    memory.write(struct.pack("<q", seconds + int(file.read_text())))
            elif status >> 16:
                number = 0  # the stop that was asked for, not a signal
                print("attached", flush=True)
            ptrace(SYSCALL, 0, number)


if __name__ == "__main__":
    trace(int(sys.argv[1]), Path(sys.argv[2]))

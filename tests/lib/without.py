#!/usr/bin/python3
"""Runs a program as on a kernel that lacks Landlock, seccomp or openat2(2), or under a profile that refuses them.

    without.py landlock,seccomp PROGRAM [ARGUMENT...]

A filter of its own answers for the kernel. (It costs the right to gain privileges, no other.)"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from pathlib import Path

WRAPPER = (sys.executable, str(Path(__file__).resolve()))

AUDIT_ARCH_X86_64 = 0xC000003E
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NUMBER, ARCH, FIRST_ARGUMENT = 0, 4, 16
PRCTL, OPENAT2, LANDLOCK_CREATE_RULESET = 157, 437, 444


def refusals(what: str) -> list[tuple[int, int, int, int]]:
    """Instructions that answer as the kernel would, with the call's number loaded."""
    missing = {"landlock": LANDLOCK_CREATE_RULESET, "openat2": OPENAT2}
    if what in missing:
        return [(EQUAL, 0, 1, missing[what]), (RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    if what == "seccomp":
        return [
            (EQUAL, 0, 4, PRCTL),
            (LOAD, 0, 0, FIRST_ARGUMENT),
            (EQUAL, 0, 1, PR_SET_SECCOMP),
            (RETURN, 0, 0, ERRNO | errno.EINVAL),
            (LOAD, 0, 0, NUMBER),
        ]
    raise ValueError(what)


def main() -> None:
    program = [(LOAD, 0, 0, ARCH), (EQUAL, 1, 0, AUDIT_ARCH_X86_64), (RETURN, 0, 0, ALLOW)]
    program.append((LOAD, 0, 0, NUMBER))
    for what in sys.argv[1].split(","):
        program += refusals(what)
    program.append((RETURN, 0, 0, ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    libc = ctypes.CDLL(None, use_errno=True)

    class Program(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    filter_ = Program(len(program), ctypes.addressof(code))
    for call in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, 2, ctypes.byref(filter_), 0, 0)):
        if libc.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()

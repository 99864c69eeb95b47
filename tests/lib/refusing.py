#!/usr/bin/python3
"""Runs a program to which one directory is closed, although its mode allows it: as SELinux does to a
container whose volume has no label of its own.

    refusing.py DIRECTORY PROGRAM [ARGUMENT...]

Landlock refuses to open files in it, and to make some."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

WRAPPER = (sys.executable, str(Path(__file__).resolve()))

PR_SET_NO_NEW_PRIVS = 38
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
READ_FILE, MAKE_REG = 1 << 2, 1 << 8
PATH_BENEATH = 1


def others(directory: Path) -> list[Path]:
    """All that is beside the way to it."""
    way = [directory, *directory.parents]
    return [one for parent in way[1:] for one in parent.iterdir() if one not in way]


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number: int, *args: object) -> int:
        got: int = libc.syscall(number, *args)
        if got < 0:
            raise OSError(ctypes.get_errno(), f"call {number}")
        return got

    rights = READ_FILE | MAKE_REG
    rules = call(CREATE_RULESET, struct.pack("Q", rights), 8, 0)
    for path in others(Path(sys.argv[1]).resolve()):
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            continue
        fd = os.open(path, os.O_PATH)
        allowed = rights if path.is_dir() else READ_FILE
        call(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", allowed, fd), 0)
        os.close(fd)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call(RESTRICT_SELF, rules, 0)
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()

"""strace(1): what a process asks of the kernel, and what it is told instead.

    with Strace(pid, file, inject="open:error=EMFILE:when=3") as trace:
        ...
    assert trace.hits()

The tracer goes with the block, and the process goes on as if nothing had been.
"""

from __future__ import annotations

import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import PATIENCE, wait_until

LINE = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\)\s+= (?P<result>.*)")
LOOP = re.compile(r"\bpoll\(\[[^]]*\], 4, -?\d+$")
# What is in a trace because somebody traces.
OWN = {"restart_syscall"}


@dataclass(frozen=True)
class Call:
    name: str
    arguments: str
    result: str

    @property
    def injected(self) -> bool:
        return self.result.endswith("(INJECTED)")

    @property
    def slept(self) -> bool:
        """A poll() that waited until its time was up, and nothing came."""
        if self.name == "restart_syscall":
            return self.result.startswith("0")
        return (
            self.name in ("poll", "ppoll")
            and self.result.startswith("0")
            and not self.arguments.endswith(", 0")
        )


def calls(file: Path) -> list[Call]:
    """Those that have returned; the last line may be half written."""
    text = file.read_text(errors="replace") if file.exists() else ""
    found = (LINE.fullmatch(line) for line in text.split("\n")[:-1])
    return [Call(match["name"], match["arguments"], match["result"]) for match in found if match]


def hits(file: Path) -> int:
    return sum(call.injected for call in calls(file))


def sleeps(file: Path) -> bool:
    """Whether it is in the poll() of its loop: that has not returned, and is no whole line."""
    return bool(LOOP.search(file.read_text(errors="replace")))


def wrapper(file: Path, inject: str = "") -> tuple[str, ...]:
    """To be put before a command. The tracer is not its parent: it keeps its process id."""
    fault = ("-e", f"inject={inject}") if inject else ()
    return ("strace", "-D", "-q", "-s", "64", "-o", str(file), *fault)


class Strace:
    def __init__(self, pid: int, file: Path, inject: str = "") -> None:
        self._file = file
        fault = ["-e", f"inject={inject}"] if inject else []
        command = ["strace", "-s", "64", "-o", str(file), *fault, "-p", str(pid)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        said = self._process.stderr.readline()
        if "attached" not in said:
            self.end()
            raise AssertionError(f"{command}: {said}")

    def calls(self) -> list[Call]:
        return calls(self._file)

    def hits(self) -> int:
        return hits(self._file)

    def sleeps(self) -> bool:
        return sleeps(self._file)

    def end(self) -> None:
        """Lets go of the process. No error if it has ended."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def __enter__(self) -> "Strace":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def wait_complete(file: Path) -> list[Call]:
    """All calls of a process that was started with wrapper(), once it has ended."""
    wait_until(lambda: "+++ exited" in file.read_text(errors="replace"), what="the trace's end")
    return calls(file)

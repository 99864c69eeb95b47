#!/usr/bin/env python3
"""Measures qsticky against a real qBittorrent and prints a table: what, how much, the same of the
limit client and of curl where they can do it, the goal, and whether it is met. Medians and ratios
of one run, which takes a quarter of an hour; nothing else should run on the machine meanwhile.

    bench.py [--quick] [--only PART] [--json FILE] [--markdown] [--binary FILE]

The parts are functions of bench_latency.py, bench_reconnect.py, bench_cost.py and bench_growth.py. What was written by
--json is compared with that of another commit by bench_compare.py (make bench-compare OLD=FILE).

How, where it is not obvious:

All files are on a tmpfs where there is one. On a disk, each replaced file may wait for the disk (on
ext4 mounted with "discard", always), which says more about the disk than about qsticky.

Latency. The clock is the one outside observer of both sides. It starts just before the rename
of the port file for qsticky, just before the port is handed over a pipe for the limit client
(limit_client.c). It stops when the observer has read the line by which each says that it has
verified the new port: qsticky's log line, the client's answer. Both thus pay for one wake-up by
the kernel, one line through a pipe and the observer's own wake-up; nothing sits between either
and qBittorrent. The two take turns, in an order that swaps from pair to pair, each with a port
not used before, after a pause in which qBittorrent has put its listening sockets in order.
The limit by its own clock, without the observer, is printed too.

curl is what a script would start for each port: one that makes one connection, POST and GET, with
a session's cookie. Its time starts before it is started and stops with the reply that holds the
port, before it ends. Over HTTPS it has the same CA file, and the handshake as it comes (so by TLS
1.3, where qsticky has 1.2); a second one is there already, waits for its configuration, and its
time starts with that.

Idle. One qsticky over HTTP and one over HTTPS, each with a qBittorrent of its own, in one window.

Cost of one cycle. Over HTTP; over HTTPS to qBittorrent, which never resumes a session; over HTTPS
to nginx in front of it, which remembers them (its log is asked whether it did). Certificates are
self-signed and pinned. Processor time is the scheduler's, user and kernel, cycle by cycle: with warm
caches, and without what the server takes. Its cycles are called for by SIGHUP, one when the other is
over, which adds the signal and a new file of counted logins. Instructions and system calls are from two
runs of different length under callgrind or strace, whose cycles come by the interval, as users have
them. Start and stop cancel out in the difference, which is divided by the difference in cycles. For the limit client it is the same (it opens a connection,
GETs the preferences and looks for the port); curl is started again for each cycle, which is all of
its cost, and its script's own is not counted. strace counts the cycles itself (one rename each).

Growth. A scripted server in place of qBittorrent (bench_growth.py), which has qsticky run its cycles
one after the other. Sizes are compared by what one byte more costs at the small and at the large
end: 1 is linear.

Reconnect. Three real qBittorrents, each in a network namespace with a tun device, which is deleted and
made again as Gluetun does it; from the link being up to the first connect from the far end that gets
through. OLD=FILE in the environment is another build, measured in turns with this one.

Scenarios. With the stand-in for Gluetun (tests/lib/stand_in_gluetun.py): for how long there was a port and
a tunnel, and no peer got in.

Stop. From just before the signal is sent to the end of the process (pidfd), the worst of all.
Up to 20 ms of that are the kernel's own: it takes an inotify watch down in a grace period (SRCU).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from bench_base import CYCLE_SERVER, LIMIT_CLIENT, Plan, Result, find_program, memory_dir
from bench_cost import cycle_cost, footprint
from bench_growth import growth_with_cycles, growth_with_size
from bench_latency import (
    change_latency,
    change_latency_at_once,
    change_latency_https,
    start_latency,
    stop_latency,
)
from bench_reconnect import PARTS as RECONNECT_PARTS
from bench_scenarios import scenarios
from harness import BINARY, ROOT

PARTS = {
    part.__name__: part
    for part in (
        change_latency,
        change_latency_at_once,
        change_latency_https,
        footprint,
        cycle_cost,
        start_latency,
        stop_latency,
        *RECONNECT_PARTS,
        scenarios,
        growth_with_size,
        growth_with_cycles,
    )
}


def describe_machine() -> str:
    done = subprocess.run(
        ["qbittorrent-nox", "--version"], capture_output=True, text=True, check=True
    )
    kernel = ".".join(platform.release().split(".")[:2])
    model = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.M)
    processors = f"{os.cpu_count()} processors" + (f" ({model[1]})" if model else "")
    return f"{done.stdout.strip()}, Linux {kernel}, {processors}"


def describe_commit() -> str:
    """Empty where there is no git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


HEAD = ("what", "qsticky", "limit", "curl", "goal", "met", "")


def print_table(results: list[Result]) -> None:
    rows = [HEAD, *(result.columns() for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        print("  ".join(cells).rstrip())
        if row[-1]:
            print(f"    {row[-1]}")


def print_markdown(results: list[Result]) -> None:
    for row in (HEAD, ("---",) * len(HEAD), *(result.columns() for result in results)):
        print(f"| {' | '.join(row)} |".replace("  ", " "))


def build_programs() -> None:
    """`make bench` has done it; this is for a run by hand."""
    targets = [str(program.relative_to(ROOT)) for program in (LIMIT_CLIENT, CYCLE_SERVER)]
    subprocess.run(["make", "--silent", *targets], cwd=ROOT, check=True)


def measure(names: list[str], binary: Path, plan: Plan) -> tuple[list[Result], bool]:
    """The results, and whether all parts have come to their end."""
    results: list[Result] = []
    complete = True
    for name in names:
        print(f"bench: {name.replace('_', ' ')} ...", end="", file=sys.stderr, flush=True)
        began = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix="qsticky-bench-", dir=memory_dir()) as tmp:
                results += PARTS[name](binary, Path(tmp), plan)
        except Exception as error:  # whatever it is
            # The others are worth having; they take long.
            complete = False
            print(f" failed: {error!r}", file=sys.stderr)
        else:
            print(f" {time.monotonic() - began:.0f} s", file=sys.stderr)
    return results, complete


def main() -> int:
    summary = (__doc__ or "").partition("\n\n")[0]
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--quick", action="store_true", help="fewer samples, shorter waits")
    parser.add_argument("--only", action="append", choices=PARTS, metavar="PART", help="not all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write it all as JSON")
    parser.add_argument("--markdown", action="store_true", help="print the table as markdown")
    parser.add_argument("--binary", type=Path, default=BINARY, metavar="FILE")
    options = parser.parse_args()
    binary: Path = options.binary.resolve()
    if not binary.exists():
        print(f"bench: {binary} is not there; run make first", file=sys.stderr)
        return 2
    lacking = [name for name in ("curl", "nginx", "openssl") if not find_program(name)]
    if lacking:
        print(f"bench: not installed: {', '.join(lacking)}; run tests/setup.sh", file=sys.stderr)
        return 2

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    build_programs()
    try:
        results, complete = measure(
            options.only or list(PARTS), binary, Plan.quick() if options.quick else Plan()
        )
    except KeyboardInterrupt:
        print("\nbench: interrupted, cleaned up", file=sys.stderr)
        return 130

    machine = describe_machine()
    print(f"{machine}{', quick run' if options.quick else ''}\n")
    (print_markdown if options.markdown else print_table)(results)
    if options.json:
        report = {
            "machine": machine,
            "commit": describe_commit(),
            "quick": options.quick,
            "results": [{**asdict(result), "met": result.met} for result in results],
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())

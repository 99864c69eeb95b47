"""How the cost grows: with the size of qBittorrent's preferences, and with the cycles that were.

A scripted server (cycle_server.c) has qsticky run a cycle as soon as the one before is over, by
SIGHUP. It needs no login, as a qBittorrent that lets local clients in.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from bench_base import (
    CYCLE_SERVER,
    LineReader,
    Plan,
    Result,
    bare,
    callgrind,
    instructions_in,
    processor_ns,
    resident_kib,
    running,
    sleeps,
)
from faulty_server import default_preferences
from harness import PortFile, Qsticky, wait_until

PORT = 41000
Cycles = Callable[[int], None]  # runs so many


# The two ways in which preferences get large: one long text, with an escape a line, as the list of
# banned addresses has; and very many values, as long lists have.


def of_text(size: int) -> bytes:
    preferences = default_preferences() | {"listen_port": PORT, "banned_IPs": ""}
    missing = size - len(json.dumps(preferences))
    preferences["banned_IPs"] = "203.0.113.250\n" * (missing // 15)
    return json.dumps(preferences, separators=(",", ":")).encode()


def of_values(size: int) -> bytes:
    preferences = default_preferences() | {"listen_port": PORT}
    missing = size - len(json.dumps(preferences))
    preferences |= {f"a_setting_{number:07d}": number % 10 for number in range(missing // 22)}
    return json.dumps(preferences, separators=(",", ":")).encode()


@contextlib.contextmanager
def cycling(
    binary: Path, tmp: Path, preferences: bytes, wrapper: list[str] | None = None
) -> Iterator[tuple[Qsticky, Cycles]]:
    """qsticky in sync with a server that has these preferences, asleep."""
    port_file = PortFile(tmp / "gluetun" / "forwarded_port")
    port_file.write(PORT)
    body = tmp / "preferences.json"
    body.write_bytes(preferences)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    with running([str(CYCLE_SERVER), str(body)], **pipes) as server:
        assert server.stdin and server.stdout
        answers = LineReader(server.stdout.fileno())
        qsticky = Qsticky(
            binary,
            port_file=port_file,
            health_file=tmp / "status.json",
            qbittorrent_port=int(answers.until(b"")),
            interval=86400,
            env=bare(binary) if wrapper else {},
            log_level="WARNING",
            wrapper=wrapper or [],
        )

        def cycles(count: int, pid: int) -> None:
            server.stdin.write(b"%d %d\n" % (pid, count))
            answers.until(b"done", 30 + count / 10)
            wait_until(lambda: sleeps(qsticky.pid), 20, "qsticky to be idle")

        with qsticky:
            cycles(1, 0)
            qsticky.wait_health(30, state="in_sync")
            yield qsticky, lambda count: cycles(count, qsticky.pid)
            health = qsticky.health()
            assert health and health["state"] == "in_sync", qsticky.log


def instructions(
    binary: Path, tmp: Path, preferences: bytes, *counts: int
) -> list[float] | None:
    """Per cycle, between each of the counts and the next. None without valgrind."""
    if not shutil.which("valgrind"):
        return None
    totals = []
    for count in counts:
        profile = tmp / f"callgrind-{count}.out"
        with cycling(binary, tmp, preferences, callgrind(profile)) as (_, cycles):
            cycles(count)
        totals.append(instructions_in(profile))
    return [
        (more - less) / (count_more - count_less)
        for less, more, count_less, count_more in zip(totals, totals[1:], counts, counts[1:])
    ]


# -- (i) the size of preferences


def growth_with_size(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    results = []
    for key, what, make, goal in (
        ("text", "preferences with a long text", of_text, 12),
        ("values", "preferences with many values", of_values, None),
    ):
        sizes, ms, kib, counts = [], [], [], []
        for size in plan.sizes:
            preferences = make(size)
            sizes.append(float(len(preferences)))
            with cycling(binary, tmp, preferences) as (qsticky, cycles):
                cycles(2)
                spent = []
                for _ in range(max(5, plan.timed_cycles // 10)):
                    before = processor_ns(qsticky.pid)
                    cycles(1)
                    spent.append((processor_ns(qsticky.pid) - before) / 1e6)
                ms.append(statistics.median(spent))
                kib.append(float(resident_kib(qsticky.pid)[0]))
            per_cycle = instructions(binary, tmp, preferences, 1, 4)
            counts += per_cycle or []
        result = Result(f"growth_{key}", f"cost of a byte more, {what}", None, "", 1.25)
        a_byte = Result(f"growth_{key}_byte", f"user instructions for a byte, {what}", None, "", goal)
        if counts:
            # Of one byte more: what does not depend on the size is not in it.
            slopes = [
                (counts[i + 1] - counts[i]) / (sizes[i + 1] - sizes[i])
                for i in range(len(sizes) - 1)
            ]
            result.value = slopes[-1] / slopes[0]
            a_byte.value = (counts[-1] - counts[0]) / (sizes[-1] - sizes[0])
            note = f"the last over the first: {slopes[-1]:.1f} over {slopes[0]:.1f} instructions; "
        else:
            note = "valgrind is not installed; "
        result.note = note + "; ".join(
            f"{int(size) / 1000:,.0f} kB: "
            + (f"{counts[i] / 1e6:.2f} M instructions, " if counts else "")
            + f"{ms[i]:.2f} ms"
            for i, size in enumerate(sizes)
        )
        result.samples = {"bytes": sizes, "instructions": counts, "ms": ms, "resident_kib": kib}
        a_byte.note = f"callgrind, {sizes[0] / 1000:,.0f} to {sizes[-1] / 1000:,.0f} kB"
        results += [result, a_byte]
        results.append(
            Result(
                f"growth_{key}_kib",
                f"resident memory, idle, after the largest {what}, less that after the smallest",
                max(kib) - kib[0],
                "KiB",
                None,
                f"{kib[0]:.0f} KiB after the smallest",
            )
        )
    return results


# -- (j) the cycles that were


def growth_with_cycles(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    preferences = of_text(5_000)
    done = 0
    counts, kib, descriptors, ms = [], [], [], []
    with cycling(binary, tmp, preferences) as (qsticky, cycles):
        for decade in range(plan.decades + 1):
            before = processor_ns(qsticky.pid)
            cycles(10**decade - done)
            counts.append(10.0**decade)
            ms.append((processor_ns(qsticky.pid) - before) / 1e6 / (10**decade - done))
            done = 10**decade
            kib.append(float(resident_kib(qsticky.pid)[0]))
            descriptors.append(float(len(os.listdir(f"/proc/{qsticky.pid}/fd"))))
    first = counts.index(100) if 100 in counts else 0
    series = {"cycles": counts, "resident_kib": kib, "descriptors": descriptors, "ms": ms}
    what = f"after {done:,} cycles"
    results = [
        Result(
            "growth_cycles_kib",
            f"resident memory {what}, less that after 10",
            kib[-1] - kib[1],
            "KiB",
            0,
            ", ".join(f"{value:.0f}" for value in kib)
            + f" KiB after 1, 10 and so on to {done:,} cycles",
            samples=series,
        ),
        Result(
            "growth_cycles_descriptors",
            f"open descriptors {what}, less those after 1",
            descriptors[-1] - descriptors[0],
            "",
            0,
            f"{descriptors[-1]:.0f} at the end",
        ),
        Result(
            "growth_cycles_ms",
            f"processor time of a cycle, the last {done - done // 10:,} over the first 100",
            ms[-1] / ms[first],
            "",
            None,
            f"{ms[-1]:.3f} ms over {ms[first]:.3f} ms; one cycle after the other, by SIGHUP",
        ),
    ]
    result = Result("growth_cycles_instructions", "", None, "", 1.01)
    late = plan.late_cycles
    result.what = f"instructions of a cycle after {late:,}, over those of one after 10"
    # Of 200 each: one that asks for more than the preferences, as it does now and then, is no growth.
    per_cycle = instructions(binary, tmp, preferences, 10, 210, late, late + 200)
    if per_cycle is None:
        result.note = "valgrind is not installed"
    else:
        result.value = per_cycle[2] / per_cycle[0]
        result.note = f"callgrind: {per_cycle[2]:,.0f} over {per_cycle[0]:,.0f}"
    return [*results, result]

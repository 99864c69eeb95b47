"""Runs the fuzz targets, several at a time, and says how much of its files each one reaches.

    tests/fuzz/fuzz.py run --seconds 60 [TARGET...]      each as long
    tests/fuzz/fuzz.py run --hours 1 [TARGET...]         all together as long
    tests/fuzz/fuzz.py coverage [TARGET...]              the inputs known up to now, once each

Whatever ends this process, the fuzzers end with it. tests/e2e/test_fuzz.py runs the same beside the
end-to-end tests.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
FOUND = ROOT / "build" / "corpus"  # inputs that reached new code, kept from run to run
SEEDS = ROOT / "tests" / "fuzz" / "corpus"
LOST = BUILD / "artifacts"  # inputs that broke something
SCRATCH = BUILD / "tmp"  # files of the targets' own

TARGETS = sorted(path.stem for path in (ROOT / "tests" / "fuzz").glob("fuzz_*.c"))

# The files that a target is for, where it is not the one of its name.
FILES = {
    "fuzz_certificate": ("tls/certificate.c", "tls/certificate_names.c", "tls/der.c"),
    "fuzz_config": ("config/load.c", "config/complaint.c", "config/table.c", "config/value.c"),
    "fuzz_gluetun": ("gluetun/control_server.c",),
    "fuzz_http": ("http/http.c", "http/exchange.c", "http/reply.c"),
    "fuzz_netlink": ("vpn/netlink.c", "vpn/choice.c"),
    "fuzz_qbittorrent": ("qbittorrent/client.c", "qbittorrent/exchange.c", "qbittorrent/login.c"),
    "fuzz_trust": ("tls/trust.c", "tls/path.c", "tls/refusal.c"),
    "fuzz_tls": ("tls/tls.c",),
}

# Lines of these files that the inputs must reach, in percent. The seeds alone do: a machine that is busy
# leaves no time for more.
LEAST = 90.0

# Seconds for one input.
PATIENCE = 10

# In one process: sanitizers, a corpus and the largest input. A leak of the target's own shows.
MEMORY_MB = 512
SANITIZERS = {"ASAN_OPTIONS": "quarantine_size_mb=16", "UBSAN_OPTIONS": "print_stacktrace=1"}


class Failed(Exception):
    """A target that found something; the text is its log."""


class Result(NamedTuple):
    target: str
    seconds: float
    runs: int
    corpus: int
    seed: int
    lines: dict[str, float]  # percent, by file

    def __str__(self) -> str:
        lines = ", ".join(f"{name} {percent:.1f} %" for name, percent in self.lines.items())
        return (
            f"{self.target}: {self.runs} runs in {self.seconds:.0f} s, {self.corpus} inputs kept, "
            f"seed {self.seed}; lines reached: {lines}"
        )


def files(target: str) -> tuple[str, ...]:
    if target in FILES:
        return FILES[target]
    (found,) = (ROOT / "src").glob(f"*/{target.removeprefix('fuzz_')}.c")
    return (str(found.relative_to(ROOT / "src")),)


def unreached(result: Result) -> list[str]:
    """What it should have reached and did not."""
    return [
        f"{name}: {percent:.1f} % of the lines"
        for name, percent in result.lines.items()
        if percent < LEAST
    ]


def fuzz(target: str, seconds: float, seed: int, yielding: bool = False) -> Result:
    """One target; 0 seconds: only the inputs that are known. No input may take longer than
    PATIENCE. `yielding`: lets others have the processor first. By the clock on the wall nothing can then be
    said of an input; what it takes is bounded by all of the target's own time on the processor."""
    found, seeds = FOUND / target, SEEDS / target
    profile, dictionary = BUILD / f"{target}.profraw", SEEDS / f"{target}.dict"
    for folder in (found, LOST, SCRATCH):
        folder.mkdir(parents=True, exist_ok=True)
    profile.unlink(missing_ok=True)
    command = ["setpriv", "--pdeathsig", "KILL"]
    if yielding:
        # Beside the seconds to fuzz: the known inputs, and the last one.
        command += ["nice", "-n", "15", "prlimit", f"--cpu={seconds + 6 * PATIENCE:.0f}:"]
    # libFuzzer's alarm goes by the clock on the wall, and keeps the input.
    timeout = 30 * PATIENCE if yielding else PATIENCE
    command += [str(BUILD / target), f"-seed={seed}", f"-timeout={timeout}"]
    command += [f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={LOST}/{target}-"]
    command += [f"-max_total_time={seconds:.0f}"] if seconds else ["-runs=0"]
    command += [f"-dict={dictionary}"] if dictionary.exists() else []
    command += [str(folder) for folder in (found, seeds) if folder.exists()]
    began = time.monotonic()
    done = subprocess.run(
        command,
        env=os.environ
        | SANITIZERS
        | {"LLVM_PROFILE_FILE": str(profile), "TMPDIR": str(SCRATCH)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="backslashreplace",
        check=False,
    )
    log = BUILD / f"{target}.log"
    log.write_text(done.stdout)
    last = re.findall(r"^#(\d+)\s+(?:DONE|INITED).*?corp: (\d+)/", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not last:
        # Without the hundreds of lines on what was new.
        told = re.sub(r"^#\d+\s+(NEW|REDUCE|pulse|RELOAD) .*\n", "", done.stdout, flags=re.MULTILINE)
        how = " by the limit of its time" if done.returncode == -signal.SIGXCPU else ""
        raise Failed(f"{target}, seed {seed}, failed{how}; the rest is in {log}:\n{told[-8000:]}")
    runs, corpus = (int(number) for number in last[-1])
    took = time.monotonic() - began
    return Result(target, took, runs, corpus, seed, lines_reached(target, profile))


def lines_reached(target: str, profile: Path) -> dict[str, float]:
    """The lines of its files, in percent, by what the last run has written."""
    merged = profile.with_suffix(".profdata")
    subprocess.run(["llvm-profdata", "merge", "-o", merged, profile], check=True)
    sources = [ROOT / "src" / name for name in files(target)]
    told = subprocess.run(
        ["llvm-cov", "export", "-summary-only", "-instr-profile", merged, BUILD / target, *sources],
        stdout=subprocess.PIPE,
        check=True,
    )
    measured = json.loads(told.stdout)["data"][0]["files"]
    return {
        str(Path(one["filename"]).relative_to(ROOT / "src")): one["summary"]["lines"]["percent"]
        for one in measured
    }


def several(targets: Iterable[str], jobs: int, one: Callable[[str], Result]) -> list[Result]:
    """All of them, `jobs` at a time, each told when it is done. Ends the process if one fails."""
    results = []
    with ThreadPoolExecutor(jobs) as pool:
        for done in as_completed([pool.submit(one, target) for target in targets]):
            try:
                results.append(done.result())
            except Failed as failure:
                print(failure, flush=True)
                os._exit(1)  # the others end with it
            print(results[-1], flush=True)
    return sorted(results)


def print_table(results: list[Result]) -> None:
    print(f"\n{'target':<20} {'file':<32} lines reached")
    for result in results:
        for name, percent in result.lines.items():
            print(f"{result.target:<20} {name:<32} {percent:5.1f} %")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("run", "coverage"))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--hours", type=float)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    parser.add_argument("target", nargs="*")
    args = parser.parse_intermixed_args()
    targets = args.target or TARGETS
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"{', '.join(sorted(unknown))}: there are {', '.join(TARGETS)}")
    seconds = args.seconds
    if args.hours:
        seconds = args.hours * 3600 * min(args.jobs, len(targets)) / len(targets)
    if args.what == "coverage":
        seconds = 0
    # Without waiting for the threads.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: os._exit(128 + number))
    results = several(targets, args.jobs, lambda target: fuzz(target, seconds, args.seed))
    print_table(results)
    missed = [line for result in results for line in unreached(result)]
    print(*(f"not reached: {line}" for line in missed), sep="\n", end="\n" if missed else "")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

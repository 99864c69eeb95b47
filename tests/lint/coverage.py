#!/usr/bin/env python3
"""What the tests reach of src/, from the counts that `make coverage` has left below build/gcov.

    coverage.py [BUILD]

Prints lines and branches, file by file, and then each function of which something is not reached,
with the reason that coverage.txt gives for it. Branches are gcov's, of a build without optimization:
each side of each condition, && and || and ?: counted one by one. Those on lines without code of
their own (a closing brace) are the compiler's and left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REASONS = ROOT / "tests" / "lint" / "coverage.txt"


@dataclass
class Count:
    lines: int = 0
    lines_reached: int = 0
    branches: int = 0
    branches_reached: int = 0
    missing: list[int] = field(default_factory=list)

    def add(self, line: dict) -> None:
        reached = sum(branch["count"] > 0 for branch in line["branches"])
        self.lines += 1
        self.lines_reached += line["count"] > 0
        self.branches += len(line["branches"])
        self.branches_reached += reached
        if not line["count"] or reached < len(line["branches"]):
            self.missing.append(line["line_number"])

    def columns(self) -> tuple[str, str, str, str]:
        def share(part: int, whole: int) -> str:
            return f"{100 * part / whole:.1f} %" if whole else "-"

        return (
            f"{self.lines_reached}/{self.lines}",
            share(self.lines_reached, self.lines),
            f"{self.branches_reached}/{self.branches}",
            share(self.branches_reached, self.branches),
        )


def read(build: Path) -> list[dict]:
    report = build / "gcov" / "coverage.json"
    subprocess.run(
        [
            *("gcovr", "--root", ROOT, "--filter", "src/", "--exclude-unreachable-branches"),
            *("--object-directory", build / "gcov", build / "gcov", "--json", report),
        ],
        cwd=ROOT,
        check=True,
    )
    return json.loads(report.read_text())["files"]


def by_function(file: dict) -> Iterator[tuple[str, Count]]:
    """gcovr says where each function begins; its lines are those up to the next."""
    starts = sorted((function["lineno"], function["name"]) for function in file["functions"])
    counts = {name: Count() for _, name in starts}
    for line in file["lines"]:
        if line.get("gcovr/noncode"):
            continue
        names = [name for start, name in starts if start <= line["line_number"]]
        if names:
            counts[names[-1]].add(line)
    yield from counts.items()


def read_reasons() -> dict[tuple[str, str], str]:
    """Paragraphs of "file.c function function ...: reason"; "file.c *" is all of the file."""
    reasons = {}
    for paragraph in REASONS.read_text().split("\n\n"):
        if paragraph.startswith("#"):
            continue
        where, _, reason = " ".join(paragraph.split()).partition(": ")
        file, *functions = where.split()
        for function in functions:
            reasons[file, function] = reason
    return reasons


def main() -> int:
    build = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()
    total = Count()
    rows = [("", "lines", "", "branches", "")]
    gaps = []
    for file in sorted(read(build), key=lambda file: file["file"]):
        name = file["file"].removeprefix("src/")
        count = Count()
        for function, part in by_function(file):
            if part.missing:
                gaps.append((name, function, part.missing))
        for line in file["lines"]:
            if not line.get("gcovr/noncode"):
                count.add(line)
                total.add(line)
        rows.append((name, *count.columns()))
    rows.append(("all", *total.columns()))

    reasons = read_reasons()
    print("Not reached, and why:\n")
    for file, function, lines in gaps:
        reason = reasons.get((file, function)) or reasons.get((file, "*"), "no reason is given")
        print(f"{file} {function} ({', '.join(map(str, lines))}): {reason}")
    print()
    for row in rows:
        print(f"{row[0]:<32}{row[1]:>12}{row[2]:>9}{row[3]:>12}{row[4]:>9}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Compares two runs of the benchmark: what changed, as ratios of the new to the old.

    bench_compare.py OLD.json NEW.json

They are what `bench.py --json` wrote. Ratios of times between two runs, let alone two machines, are
no proof; those of instructions, system calls, bytes and of what a run has divided itself are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def read(path: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    report = json.loads(Path(path).read_text())
    return report, {result["key"]: result for result in report["results"]}


def number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:.3g}"


def ratio(old: float | None, new: float | None) -> str:
    if old is None or new is None:
        return "-"
    if old == new:
        return "same"
    return f"{new / old:.3f}" if old else "-"


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: bench_compare.py OLD.json NEW.json", file=sys.stderr)
        return 2
    (old_report, old), (new_report, new) = read(sys.argv[1]), read(sys.argv[2])
    for name, report in (("old", old_report), ("new", new_report)):
        quick = ", quick run" if report["quick"] else ""
        print(f"{name}: {report.get('commit') or 'unknown commit'}, {report['machine']}{quick}")
    rows = [("", "old", "new", "new / old")]
    for key in [*new, *(key for key in old if key not in new)]:
        before, after = (report.get(key, {}).get("value") for report in (old, new))
        either = new.get(key) or old[key]
        what = f"{either['what']}, {either['unit']}" if either["unit"] else either["what"]
        rows.append((what, number(before), number(after), ratio(before, after)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    print()
    for what, *numbers in rows:
        cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:])]
        print("  ".join([what.ljust(widths[0]), *cells]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""One table of several runs of the benchmark, as docs/figures.md has it.

    bench_runs.py RUN.json...

They are what `bench.py --json` wrote. qsticky's figure is given for each run. All else is of the run whose figure is
the median, and of that one is judged whether the goal is met; with an even count, of the worse one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from bench_base import Result, number_of


def result_of(fields: dict[str, Any]) -> Result:
    return Result(**{name: value for name, value in fields.items() if name != "met"})


def columns(results: list[Result]) -> tuple[str, ...]:
    """Of one figure in all runs."""
    measured = [result for result in results if result.value is not None]
    order = sorted(measured, key=lambda result: result.value or 0)
    middle = order[len(order) // 2] if order else results[0]
    what, value, *others = middle.columns()
    numbers = ["-" if result.value is None else number_of(result.value) for result in results]
    if len(set(numbers)) > 1:
        value = f"{', '.join(numbers)} {middle.unit}".strip()
    return what, value, *others


def main() -> int:
    reports = [json.loads(Path(path).read_text()) for path in sys.argv[1:]]
    if not reports:
        print("usage: bench_runs.py RUN.json...", file=sys.stderr)
        return 2
    for path, report in zip(sys.argv[1:], reports):
        quick = ", quick run" if report["quick"] else ""
        print(f"{path}: {report.get('commit') or 'unknown commit'}, {report['machine']}{quick}")
    figures: dict[str, list[Result]] = {}
    for report in reports:
        for fields in report["results"]:
            figures.setdefault(fields["key"], []).append(result_of(fields))
    head = ("what", "qsticky", "limit", "curl", "goal", "met", "")
    print()
    for row in (head, ("---",) * len(head), *map(columns, figures.values())):
        print(f"| {' | '.join(row)} |".replace("  ", " "))
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Draws what the benchmark has measured: a reconnect's time line, and the cost of a cycle by size.

    bench_figures.py BENCH.json FOLDER

The same figures make the same files: no date, no random names.
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
# Text stays text. Names inside the file are made from this salt instead of by chance.
matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "qsticky", "font.size": 9}

from matplotlib import pyplot  # noqa: E402 - the backend is chosen before

VERSIONS = ("4.5.2", "5.1.0", "5.3.0")
# One side's bar in each row, from the link being up.
PARTS = (
    ("refused", "first refused", "#9ecae1"),
    ("reopened", "still refused, then a rebind", "#4292c6"),
)

Results = dict[str, dict[str, Any]]


def save(figure: Any, path: Path) -> None:
    figure.savefig(path, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    print(path)


def draw_reconnect(results: Results, folder: Path) -> None:
    runs = {name: results[key] for name in VERSIONS if (key := f"reconnect_{name}_s") in results}
    if not runs:
        return
    figure, axes = pyplot.subplots(figsize=(7, 0.7 + 0.5 * len(runs)))
    for row, (version, result) in enumerate(runs.items()):
        samples = result["samples"]
        start = 0.0
        for mark, label, color in PARTS:
            end = statistics.median(samples[mark]) if samples[mark] else start
            axes.barh(row, end - start, left=start, color=color, label=label if not row else None)
            start = end
        for side, marker in (("new", "o"), ("old", "x")):
            times = samples.get(side, [])
            label = {"new": "open from the far end", "old": "the same, the old build"}[side]
            axes.plot(times, [row] * len(times), f"k{marker}", markersize=3, linestyle="none",
                      label=label if not row and times else None)  # fmt: skip
    axes.set_yticks(range(len(runs)), [f"qBittorrent {version}" for version in runs])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds after tun0 was up again")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.35), ncols=4, frameon=False, fontsize=8)
    save(figure, folder / "reconnect.svg")


def draw_growth(results: Results, folder: Path) -> None:
    series = {
        "a long text": results.get("growth_text", {}),
        "many values": results.get("growth_values", {}),
    }
    series = {name: result for name, result in series.items() if result.get("samples")}
    if not series:
        return
    figure, axes = pyplot.subplots(figsize=(7, 3))
    for (name, result), style in zip(series.items(), ("o-", "s--")):
        samples = result["samples"]
        of = "instructions" if samples["instructions"] else "ms"
        scale = 1e6 if of == "instructions" else 1
        axes.plot(
            [size / 1000 for size in samples["bytes"]],
            [value / scale for value in samples[of]],
            style,
            label=f"preferences with {name}",
        )
        axes.set_ylabel("million instructions a cycle" if of == "instructions" else "ms a cycle")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("size of qBittorrent's preferences, kB")
    axes.grid(True, alpha=0.3)
    axes.legend(frameon=False)
    save(figure, folder / "growth.svg")


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: bench_figures.py BENCH.json FOLDER", file=sys.stderr)
        return 2
    results = {
        result["key"]: result for result in json.loads(Path(sys.argv[1]).read_text())["results"]
    }
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    draw_reconnect(results, folder)
    draw_growth(results, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

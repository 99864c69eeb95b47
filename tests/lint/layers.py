#!/usr/bin/env python3
"""Whether src/ keeps to its layers: the order of the rooms is the table in docs/architecture.md.

    layers.py          says what is wrong, and fails; else how many files and rooms there are
    layers.py --table  the rooms with their files, lines, and the rooms that each one uses

A file includes its own header first, and then only from its own room or one further down. No
two files include each other, by whatever detour; a .c file and its header count as one. BearSSL is
seen in one room only.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = next(path for path in Path(__file__).resolve().parents if (path / "src").is_dir())
SRC = ROOT / "src"
PAGE = ROOT / "docs" / "architecture.md"
BEARSSL = "tls"


def order() -> list[str]:
    """The rooms, the top first: "| layer | `room/` | ..." and "`main.c`"."""
    rooms = re.findall(r"^\|[^|]*\| `([\w.]+)/?` \|", PAGE.read_text(), re.M)
    if len(rooms) < 2 or len(set(rooms)) < len(rooms):
        raise SystemExit(f"{PAGE.relative_to(ROOT)}: no table of the rooms, each once")
    return rooms


def room(path: Path) -> str:
    inside = path.relative_to(SRC)
    return inside.parts[0]


def unit(path: Path) -> str:
    return str(path.relative_to(SRC).with_suffix(""))


def includes(path: Path) -> list[str]:
    return re.findall(r'^#include "([^"]+)"', path.read_text(), re.M)


def wrong_in(path: Path, place: dict[str, int]) -> Iterator[str]:
    named = includes(path)
    own = path.with_suffix(".h")
    if path.suffix == ".c" and own.exists() and named[:1] != [str(own.relative_to(SRC))]:
        yield f'does not include "{own.relative_to(SRC)}" first'
    for name in named:
        if not (SRC / name).exists():
            yield f'includes "{name}", which is not in src/'
        elif place[room(SRC / name)] < place[room(path)]:
            yield f'includes "{name}": {room(SRC / name)} is above {room(path)}'
    if re.search(r"^#include <bearssl", path.read_text(), re.M) and room(path) != BEARSSL:
        yield f"includes BearSSL, which is for {BEARSSL} only"


def circle(uses: dict[str, set[str]]) -> list[str]:
    """Files that include each other in a circle, the first one again at the end; or none."""
    done: set[str] = set()

    def walk(at: str, way: list[str]) -> list[str]:
        if at in way:
            return [*way[way.index(at) :], at]
        if at not in done:
            for following in sorted(uses[at]):
                if found := walk(following, [*way, at]):
                    return found
            done.add(at)
        return []

    return next((found for start in sorted(uses) if (found := walk(start, []))), [])


def print_table(files: list[Path], rooms: list[str]) -> None:
    for name in rooms:
        own = [path for path in files if room(path) == name]
        lines = sum(len(path.read_text().splitlines()) for path in own)
        used = {room(SRC / included) for path in own for included in includes(path)} - {name}
        below = " ".join(other for other in rooms if other in used)
        print(f"{name:<12} {len(own):>3} files {lines:>6} lines  uses {below}")


def main() -> int:
    rooms = order()
    place = {name: number for number, name in enumerate(rooms)}
    files = sorted(path for path in SRC.rglob("*.[ch]"))
    wrong = [
        f"{path.relative_to(ROOT)}: its room is not in docs/architecture.md"
        for path in files
        if room(path) not in place
    ]
    wrong += [f"docs/architecture.md: there is no src/{name}" for name in rooms if not (SRC / name).exists()]
    if not wrong:
        wrong += [f"{path.relative_to(ROOT)}: {what}" for path in files for what in wrong_in(path, place)]
    uses: dict[str, set[str]] = {unit(path): set() for path in files}
    if not wrong:
        for path in files:
            uses[unit(path)] |= {unit(SRC / name) for name in includes(path)} - {unit(path)}
        if found := circle(uses):
            wrong.append("they include each other: " + " -> ".join(found))
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        return 1
    if sys.argv[1:] == ["--table"]:
        print_table(files, rooms)
    else:
        print(f"layers: {len(files)} files in {len(rooms) - 1} rooms, nothing upwards, no circle")
    return 0


if __name__ == "__main__":
    sys.exit(main())

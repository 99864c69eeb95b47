#!/usr/bin/env python3
"""Links between pages: each leads to a file that is there, and to a heading that it has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from documents import documents
from harness import ROOT


def without_code(text: str) -> str:
    return re.sub(r"^ *```\w.*?^ *```$", "", text, flags=re.M | re.S)


def links(file: Path) -> list[str]:
    """Inline links and images, and the targets of [name]: lines."""
    text = without_code(file.read_text())
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^]]+\]: +(\S+)$", text, re.M)


def anchors(file: Path) -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.*)$", without_code(file.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(page: Path) -> Iterator[str]:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        where = f"{os.path.relpath(page, ROOT)}: {link}"
        target = page.parent / path if path else page
        if not target.exists():
            yield f"{where}: no such file"
        elif anchor and anchor not in anchors(target):
            yield f"{where}: no such heading"


def pages() -> list[Path]:
    """Those for users, and every other one in the tree."""
    done = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return sorted({*documents(), *(ROOT / name for name in done.stdout.splitlines())})


def main() -> None:
    found = [one for page in pages() if page.exists() for one in dead_links(page)]
    sys.exit("\n".join(found) if found else 0)


if __name__ == "__main__":
    main()

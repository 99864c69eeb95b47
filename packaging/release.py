#!/usr/bin/env python3
"""What CHANGELOG.md says about a version, and whether a tag may be released.

    release.py notes VERSION
    release.py check TAG VERSION IMAGE_REPOSITORY
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDER = ".example/"


def section(version: str) -> tuple[str, str]:
    """The date of that version, and what stands below its heading."""
    text = (ROOT / "CHANGELOG.md").read_text()
    found = re.search(
        rf"^## \[{re.escape(version)}\] - (\S+)\n(.*?)(?=^## |^\[|\Z)", text, re.M | re.S
    )
    if not found:
        raise SystemExit(f"CHANGELOG.md: no heading ## [{version}] - DATE")
    return found[1], found[2].strip()


def problems(tag: str, version: str, repository: str) -> list[str]:
    found = []
    if tag != f"v{version}":
        found.append(f"the tag is {tag}, but the Makefile's VERSION makes it v{version}")
    date, notes = section(version)
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        found.append(f"CHANGELOG.md: {version} has the date {date}; write the day of the release")
    if not notes:
        found.append(f"CHANGELOG.md: nothing is said about {version}")
    if PLACEHOLDER in repository:
        found.append("the Makefile's IMAGE_REPOSITORY is the placeholder; set it and run `make docs`")
    label = f'image.version="{version}"'
    if label not in (ROOT / "Dockerfile.scratch").read_text():
        found.append(f"Dockerfile.scratch has another version than {version}: run `make docs`")
    return found


def main() -> None:
    command, *arguments = sys.argv[1:]
    if command == "notes":
        print(section(*arguments)[1])
    elif found := problems(*arguments):
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main()

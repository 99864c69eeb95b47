#!/usr/bin/env python3
"""Writes the image's name and the version into every file for people that names them.

    names.py IMAGE_REPOSITORY VERSION

The former name is the one in examples/compose.yaml, the former version the one in Dockerfile.scratch.
Examples name the image by its major version: that tag moves with each release of it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = ROOT / "examples" / "compose.yaml"
DOCKERFILE = ROOT / "Dockerfile.scratch"
# As Docker takes it: a host with a dot or a port, then a path in lower case.
REPOSITORY = r"[a-z0-9.-]+(?::\d+)?(?:/[a-z0-9._-]+)+"


def files() -> list[Path]:
    """Those in which a person reads a name. CHANGELOG.md is about the past."""
    found = [path for name in ("docs", "examples", ".github") for path in ROOT.glob(f"{name}/**/*")]
    texts = {".md", ".8", ".yaml", ".yml", ".xml", ".container", ".json", ".service"}
    return [ROOT / "README.md", DOCKERFILE, *(path for path in found if path.suffix in texts)]


def former() -> tuple[str, str]:
    image = re.search(rf"^  qsticky:\n    image: ({REPOSITORY})(?::\S+)?$", COMPOSE.read_text(), re.M)
    version = re.search(r'image\.version="([^"]+)"', DOCKERFILE.read_text())
    if not image or not version:
        raise SystemExit(f"{COMPOSE.name} or {DOCKERFILE.name}: no image or no version is named there")
    return image[1], version[1]


def renamed(text: str, repository: str, version: str) -> str:
    old_repository, old_version = map(re.escape, former())
    major = version.split(".")[0]
    text = re.sub(rf"{old_repository}:\d+(?![\w.])", f"{repository}:{major}", text)
    text = re.sub(rf"{old_repository}(?![\w/-])", repository, text)
    # In a log line, a file's name, a message, a label.
    before = r'(?<=qsticky[ -])|(?<="version": ")|(?<=image\.version=")'
    return re.sub(rf"(?:{before}){old_version}(?![\w.])", version, text)


def main() -> None:
    repository, version = sys.argv[1:]
    if not re.fullmatch(REPOSITORY, repository):
        raise SystemExit(f"IMAGE_REPOSITORY={repository}: not HOST/PATH in lower case, without a tag")
    changes = [(path, renamed(path.read_text(), repository, version)) for path in files()]
    for path, text in changes:
        if text != path.read_text():
            path.write_text(text)
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()

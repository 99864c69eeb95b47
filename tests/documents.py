"""README.md, docs/ and examples/, as the tests read them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from harness import ROOT

README = ROOT / "README.md"
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
MANUAL = DOCS / "qsticky.8"


class Block(NamedTuple):
    """A fenced code block."""

    file: Path
    line: int  # of its first line
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}"


def example(name: str) -> str:
    """A file of examples/, as a user copies it."""
    return (EXAMPLES / name).read_text()


def document(name: str) -> str:
    """A page of docs/."""
    return (DOCS / name).read_text()


def documents() -> list[Path]:
    """Every page for people that is written in Markdown."""
    return [README, *sorted(DOCS.glob("**/*.md")), *sorted(EXAMPLES.glob("**/*.md"))]


def blocks(file: Path, language: str = "") -> list[Block]:
    """The code blocks of a page: all, or those in one language."""
    text = file.read_text()
    found = [
        Block(file, text.count("\n", 0, match.start(2)) + 1, match[1], match[2])
        for match in re.finditer(r"^```(.*)\n((?:.*\n)*?)```$", text, re.M)
    ]
    return [block for block in found if language in ("", block.language)]

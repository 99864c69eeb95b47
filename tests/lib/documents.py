"""README.md, docs/ and examples/, as the tests read them."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path
from typing import NamedTuple

from harness import BINARY, ROOT

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
        Block(file, text.count("\n", 0, match.start(3)) + 1, match[2], textwrap.dedent(match[3]))
        for match in re.finditer(r"^( *)```(.*)\n((?:.*\n)*?)\1```$", text, re.M)
    ]
    return [block for block in found if language in ("", block.language)]


def rows(text: str) -> list[list[str]]:
    """The rows of all tables, without their heads."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for table in re.findall(r"^(?:\|.*\n)+", text, re.M)
        for line in table.splitlines()[2:]
    ]


# -- the program, which the pages must agree with


def qsticky_help() -> str:
    return subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True).stdout


def defaults() -> dict[str, str]:
    """Each variable with its default, as the program says."""
    return dict(re.findall(r"^  ([A-Z][A-Z0-9_]+)=(.*)$", qsticky_help(), re.M))


def commands() -> set[str]:
    return set(re.findall(r"^  ([a-z-]+) {2,}\S", qsticky_help(), re.M))

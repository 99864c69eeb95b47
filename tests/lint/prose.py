#!/usr/bin/env python3
"""Counts the sentences of comments, README and docs, and those that are too long to be read once.

    prose.py [--list]       --list: show each long sentence, too

Ends with 1 where README and docs have more long ones than LIMIT allows.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from documents import DOCS, MANUAL, README, documents
from harness import ROOT

LONG = 30  # words; more is long
LIMIT = Fraction(1, 40)  # of all sentences

# No sentence ends behind these.
ABBREVIATIONS = re.compile(r"\b(e\.g|i\.e|etc|vs|approx)\.", re.I)
END = re.compile(r"(?<=[.!?])[)\"'*]*\s+(?=[\"'(`*\[]*[A-Za-z0-9_])")


def sentences(text: str) -> list[str]:
    """What stands between two full stops of a paragraph. A code span is one word, however long."""
    text = re.sub(r"`[^`]*`", "code", " ".join(text.split()))
    text = ABBREVIATIONS.sub(lambda match: match[1].replace(".", ""), text)
    return [sentence for sentence in END.split(text) if words(sentence) > 2]


def words(sentence: str) -> int:
    """Words that are read: of a link, its text."""
    sentence = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", sentence)
    return len([word for word in sentence.split() if re.search(r"[A-Za-z0-9]", word)])


def markdown(text: str) -> Iterator[str]:
    """Paragraphs, items and cells of tables; no code, no headings."""
    text = re.sub(r"^ *```\w.*?^ *```$", "", text, flags=re.M | re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        is_item = re.match(r"\s*([-*]|\d+\.) ", line)
        if paragraph and (not line.strip() or is_item or line.startswith(("|", "#", "    "))):
            yield " ".join(paragraph)
            paragraph = []
        if line.startswith("|"):
            yield from (cell for cell in re.split(r"(?<!\\)\|", line) if cell.strip(" -:"))
        elif line.strip() and not line.startswith(("#", "    ")):
            paragraph.append(re.sub(r"^\s*([-*]|\d+\.) ", "", line))


def manual(text: str) -> Iterator[str]:
    """The paragraphs of the manual page, as a reader sees them."""
    shown = subprocess.run(
        ["mandoc", "-T", "markdown"], input=text, capture_output=True, text=True, check=True
    ).stdout
    yield from markdown(re.sub(r"^> ?", "", shown, flags=re.M))


def c_comments(text: str) -> Iterator[str]:
    """A comment is a paragraph, or several where a line of it is empty."""
    strings = r'"(?:\\.|[^"\\\n])*"'
    for match in re.finditer(strings + r"|/\*(.*?)\*/", text, re.S):
        if match[1]:
            lines = [re.sub(r"^\s*\* ?", "", line) for line in match[1].splitlines()]
            yield from re.split(r"\n\s*\n", "\n".join(lines))


def hash_comments(text: str) -> Iterator[str]:
    """Whole lines only: neighbours are a paragraph."""
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        match = re.match(r"\s*#(?!!) ?(.*)", line)
        if match and re.search(r"\w", match[1]):
            paragraph.append(match[1])
        elif paragraph:
            yield " ".join(paragraph)
            paragraph = []


def python_comments(text: str) -> Iterator[str]:
    yield from hash_comments(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            yield from re.split(r"\n\s*\n", ast.get_docstring(node) or "")


def comments() -> list[tuple[Path, str]]:
    readers = {
        "*.[ch]": c_comments,
        "*.py": python_comments,
        "*.sh": hash_comments,
        "*.mk": hash_comments,
    }
    found = [
        (file, paragraph)
        for folder in ("src", "tests", "third_party", "findings")
        for pattern, reader in readers.items()
        for file in sorted((ROOT / folder).glob(f"**/{pattern}"))
        for paragraph in reader(file.read_text())
    ]
    makefile = ROOT / "Makefile"
    return found + [(makefile, paragraph) for paragraph in hash_comments(makefile.read_text())]


def pages() -> list[tuple[Path, str]]:
    found = [(file, part) for file in documents() for part in markdown(file.read_text())]
    return found + [(MANUAL, part) for part in manual(MANUAL.read_text())]


def count(paragraphs: list[tuple[Path, str]]) -> tuple[int, list[tuple[Path, str]]]:
    """All sentences, and those that are long."""
    split = [(file, sentence) for file, text in paragraphs for sentence in sentences(text)]
    return len(split), [(file, text) for file, text in split if words(text) > LONG]


def main() -> int:
    status = 0
    for name, paragraphs, is_held in (
        ("README", [part for part in pages() if part[0] == README], True),
        (f"{DOCS.name}, examples", [part for part in pages() if part[0] != README], True),
        ("comments", comments(), False),
    ):
        total, long = count(paragraphs)
        share = Fraction(len(long), total)
        print(f"{name}: {len(long)} of {total} sentences over {LONG} words, {float(share):.1%}")
        if "--list" in sys.argv[1:]:
            for file, sentence in long:
                print(f"  {file.relative_to(ROOT)}: {sentence}")
        if is_held and share > LIMIT:
            print(f"{name}: at most {float(LIMIT):.1%} may be; see them by tests/lint/prose.py --list")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())

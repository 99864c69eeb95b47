"""The check of the layers: what `make lint` says of an include that goes the wrong way."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import ROOT

LAYERS = ROOT / "tests" / "lint" / "layers.py"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what it reads, to be spoilt."""
    for folder in ("src", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(LAYERS, tmp_path)
    return tmp_path


def told(tree: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, tree / LAYERS.name],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def add_include(file: Path, name: str) -> None:
    """Behind the first include, which is the file's own header."""
    lines = file.read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if line.startswith("#include"))
    file.write_text("".join([*lines[: at + 1], f'#include "{name}"\n', *lines[at + 1 :]]))


def test_the_tree_keeps_to_its_layers(tree: Path) -> None:
    status, text = told(tree)
    assert status == 0, text
    assert "nothing upwards, no circle" in text


def test_an_include_upwards_is_named(tree: Path) -> None:
    add_include(tree / "src" / "base" / "text.c", "tls/tls.h")
    status, text = told(tree)
    assert status == 1
    assert text == 'src/base/text.c: includes "tls/tls.h": tls is above base\n'


def test_files_that_include_each_other_are_named(tree: Path) -> None:
    add_include(tree / "src" / "http" / "reply.c", "http/exchange.h")
    status, text = told(tree)
    assert status == 1
    assert text.startswith("they include each other: http/")
    assert "http/exchange -> " in text and "http/reply" in text


def test_a_file_outside_of_the_rooms_is_named(tree: Path) -> None:
    (tree / "src" / "spare").mkdir()
    (tree / "src" / "spare" / "spare.c").touch()
    status, text = told(tree)
    assert status == 1
    assert text == "src/spare/spare.c: its room is not in docs/architecture.md\n"


def test_a_file_that_does_not_include_its_own_header_first_is_named(tree: Path) -> None:
    file = tree / "src" / "base" / "text.c"
    file.write_text(file.read_text().replace('#include "base/text.h"\n', "", 1))
    status, text = told(tree)
    assert status == 1
    assert text == 'src/base/text.c: does not include "base/text.h" first\n'


def test_bearssl_is_seen_in_one_room_only(tree: Path) -> None:
    file = tree / "src" / "net" / "tcp.c"
    file.write_text(file.read_text() + "#include <bearssl.h>\n")
    status, text = told(tree)
    assert status == 1
    assert text == "src/net/tcp.c: includes BearSSL, which is for tls only\n"

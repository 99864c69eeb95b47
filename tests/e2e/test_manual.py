"""docs/qsticky.8: it is well formed, it is complete, and `make install` installs it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import missing
from documents import MANUAL, commands, defaults, document, rows
from harness import ROOT


@pytest.fixture(scope="module")
def shown() -> str:
    """As a reader sees it, each paragraph on a line of its own."""
    if shutil.which("mandoc") is None:
        missing("mandoc is not installed")
    done = subprocess.run(
        ["mandoc", "-T", "utf8", "-O", "width=1000", MANUAL],
        capture_output=True,
        text=True,
        check=True,
    )
    return re.sub(r".\x08", "", done.stdout)


def section(shown: str, title: str) -> str:
    found = re.search(rf"^{title}\n(.*?)^(?=\S)", shown, re.M | re.S)
    assert found, title
    return found[1]


def terms(shown: str, title: str) -> set[str]:
    """What the list of a section explains."""
    return set(re.findall(r"^     ([^ \n][^ \n]*)", section(shown, title), re.M))


def test_mandoc_has_nothing_to_say(shown: str) -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", MANUAL], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_variable_stands_in_the_manual_with_its_default(shown: str) -> None:
    explained = terms(shown, "ENVIRONMENT")
    assert {name for name in explained if name.isupper()} == set(defaults())
    text = section(shown, "ENVIRONMENT")
    for name, value in defaults().items():
        entry = re.search(rf"^     {name}$\n(.*?)^(?=     \S|\Z)", text, re.M | re.S)
        assert entry, name
        if value:
            assert re.search(rf"The default is ‘?{re.escape(value)}’?\.", entry[1]), name


def test_every_command_stands_in_the_manual(shown: str) -> None:
    assert terms(shown, "COMMANDS") == commands()


def test_every_exit_status_stands_in_the_manual(shown: str) -> None:
    table = [row for row in rows(document("configuration.md")) if row[0].startswith("`qsticky")]
    statuses = set(re.findall(r"\b(\d)(?= |$)", ", ".join(row[-1] for row in table))) | {"159"}
    assert terms(shown, "EXIT STATUS") == statuses == {"0", "1", "2", "3", "159"}


def test_fields_metrics_and_secrets_are_those_of_the_pages(shown: str) -> None:
    fields, _, rest = document("monitoring.md").partition("\n## Metrics\n")
    metrics, _, _ = rest.partition("\n## Notifications\n")
    assert terms(shown, "HEALTH") - {"The"} == {row[0].strip("`") for row in rows(fields)}
    assert terms(shown, "METRICS") - {"QSTICKY_METRICS_FILE"} == {
        row[0].strip("`") for row in rows(metrics)
    }
    files = set(re.findall(r"`(/run/secrets/\w+)`", document("configuration.md")))
    assert {name for name in terms(shown, "FILES") if "/secrets/" in name} == files


def test_make_install_installs_it_and_uninstall_removes_it(tmp_path: Path) -> None:
    if not (ROOT / "build" / "qsticky").exists():
        missing("build/qsticky is not built")
    options = [f"DESTDIR={tmp_path}", "PREFIX=/usr"]
    # What is built is installed: nothing is to be built while other tests use it.
    old = ["-o", "build/qsticky"]
    subprocess.run(["make", "-s", *old, "install", *options], cwd=ROOT, check=True)
    assert (tmp_path / "usr/share/man/man8/qsticky.8").read_bytes() == MANUAL.read_bytes()
    assert (tmp_path / "usr/bin/qsticky").stat().st_mode & 0o777 == 0o755
    subprocess.run(["make", "-s", *old, "uninstall", *options], cwd=ROOT, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

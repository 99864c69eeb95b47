"""Half a minute of each part of `make soak`, and that it tidies up after itself when it is cut short."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import missing
from harness import BINARY, ROOT, wait_until
from soak import BACK_S, Soak
from soak_reconnect import ReconnectSoak

SECONDS = 20


@pytest.fixture(autouse=True)
def _binary(root: None, qbittorrent_nox: str) -> None:
    if not BINARY.exists():
        missing("build/qsticky is not built")


@pytest.mark.timeout(SECONDS + 3 * BACK_S)
def test_half_a_minute_of_trouble_ends_in_sync_with_nothing_grown() -> None:
    seed = int.from_bytes(os.urandom(4))
    soak = Soak(seed)  # what it prints is shown where it fails
    assert soak.run(SECONDS) == []
    assert soak.rounds > 0


@pytest.mark.timeout(SECONDS + 3 * BACK_S)
def test_a_vpn_that_reconnects_every_few_seconds_is_two_rebinds_a_minute_and_health_is_true() -> None:
    soak = ReconnectSoak(int.from_bytes(os.urandom(4)))
    assert soak.run(SECONDS) == []
    assert soak.reconnects > 2 and soak.all[0].rebound_at, "it was not for nothing"


def test_a_soak_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "e2e" / "soak.py"), "--seconds", "600"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,  # as with a terminal: all that it starts, bar sessions of their own
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("SEED=")
            assert "trouble begins" in process.stdout.readline()
            # One of the sidecars is killed and started again all the time.
            wait_until(lambda: len(started_below(tmp_path)) >= 4, what="all four to be there")
        finally:
            os.killpg(process.pid, signal.SIGINT)
        text = process.stdout.read()
    assert process.returncode == 130, text
    assert "rounds in" in text
    assert not list(tmp_path.iterdir())
    wait_until(lambda: not started_below(tmp_path), what="the last process to go")


def started_below(place: Path) -> list[str]:
    """Processes whose environment or arguments name the place, bar those that only ask."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if f"{place}/qsticky-soak-".encode() in words:
            found.append(folder.name)
    return found

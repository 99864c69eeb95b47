"""The engine that the Docker tests rely on leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from conftest import missing
from engine import CGROUPS, Engine, missing_programs
from harness import BINARY, wait_until


def traces(name: str) -> list[str]:
    """What is there of an engine whose directory has that name."""
    found = [str(path) for path in CGROUPS.glob(f"*/{name}")]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    found += [mount for mount in mounts if name in mount]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = process.read_bytes()
        except OSError:
            continue  # gone meanwhile
        if name.encode() in command:
            found.append(f"{process}: {command!r}")
    return found


def interfaces() -> set[str]:
    return set(os.listdir("/sys/class/net"))


@pytest.fixture
def binary_to_import() -> Path:
    if programs := missing_programs():
        missing(f"not installed: {', '.join(programs)}")
    if not BINARY.exists():
        missing("build/qsticky is not built")
    return BINARY


@pytest.mark.parametrize("network", ["own", "host"])
def test_an_engine_ends_with_its_containers_and_leaves_nothing(
    root: None, binary_to_import: Path, network: str
) -> None:
    before = interfaces()
    with Engine(network) as engine:
        name = engine.directory.name
        engine.import_files("one", {"/one": binary_to_import, "/tmp": None}, ['CMD ["/one"]'])
        engine.docker("run", "--detach", "--network=none", "--name=first", "one")
        assert engine.state("first")["Running"]
        assert traces(name)
        assert interfaces() == before
    assert not traces(name)
    assert not Path(tempfile.gettempdir(), name).exists()
    assert interfaces() == before


def test_an_engine_ends_with_the_test_process(root: None, binary_to_import: Path) -> None:
    """Killed, so that no handler and no fixture of it has a say."""
    script = (
        "import sys, time; from engine import Engine; e = Engine('own').start();"
        "print(e.directory, flush=True); time.sleep(60)"
    )
    here = Path(__file__).parents[1] / "lib"
    with subprocess.Popen(
        ["/usr/bin/python3", "-c", script], cwd=here, stdout=subprocess.PIPE, text=True
    ) as victim:
        assert victim.stdout is not None
        directory = Path(victim.stdout.readline().strip())
        assert traces(directory.name)
        victim.send_signal(signal.SIGKILL)
    try:
        wait_until(lambda: not processes(directory.name), what="the engine to end")
    finally:
        orphan = Engine("own")
        orphan.directory = directory
        orphan.stop()
    assert not traces(directory.name)


def processes(name: str) -> list[str]:
    return [trace for trace in traces(name) if trace.startswith("/proc")]

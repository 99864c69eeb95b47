"""`qsticky reload` signals the sidecar that is the first process of its container, and nobody else."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from conftest import AS_PID_1, MakeSidecar, Sidecar
from faulty_server import PREFERENCES, FaultyServer
from harness import PATIENCE, PortFile, wait_until

pytestmark = pytest.mark.usefixtures("root")

# With a /proc of its own, as a container has it.
INSIDE = (*AS_PID_1, "--mount-proc")


def reload(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(os.fspath, command), "reload"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def beside(qsticky: Sidecar) -> tuple[str, ...]:
    """As `docker exec` starts a program in its container."""
    return ("nsenter", f"--target={qsticky.pid}", "--pid", "--mount")


def test_the_sidecar_checks_now(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar, binary: Path
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600, wrapper=INSIDE)
    qsticky.wait_in_sync(41000)
    seen = fake.count(PREFERENCES)
    done = reload(*beside(qsticky), binary)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "qsticky checks now\n"
    wait_until(lambda: fake.count(PREFERENCES) > seen, what="a cycle")
    assert len([line for line in qsticky.lines("INFO") if "SIGHUP: checking now" in line]) == 1


def test_another_user_is_told_so(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar, binary: Path
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600, wrapper=INSIDE)
    qsticky.wait_in_sync(41000)
    as_nobody = ("setpriv", "--reuid=65534", "--clear-groups", "--bounding-set=-all")
    done = reload(*beside(qsticky), *as_nobody, binary)
    assert (done.returncode, done.stdout) == (1, "")
    assert "process 1" in done.stderr and "Operation not permitted" in done.stderr
    assert not [line for line in qsticky.lines("INFO") if "SIGHUP" in line]


@pytest.mark.parametrize("name", ["namesake", "another name"])
def test_a_stranger_as_the_first_process_is_left_alone(
    name: str, place: Path, binary: Path, peers: ExitStack
) -> None:
    """A program of our name has not blocked SIGHUP, and one of another name is not asked."""
    stranger = place / (binary.name if name == "namesake" else "init")
    shutil.copy("/bin/sleep", stranger)
    blocking = ["env", "--block-signal=HUP"] if name == "another name" else []
    wrapper = subprocess.Popen([*INSIDE, *blocking, stranger, "infinity"])
    peers.callback(wrapper.wait)
    peers.callback(wrapper.kill)
    children = Path(f"/proc/{wrapper.pid}/task/{wrapper.pid}/children")
    first = int(wait_until(children.read_text, what="the wrapper to fork"))
    comm = Path(f"/proc/{first}/comm")
    wait_until(lambda: comm.read_text().strip() == stranger.name, what="the stranger")
    done = reload("nsenter", f"--target={first}", "--pid", "--mount", binary)
    assert (done.returncode, done.stdout) == (1, "")
    assert "process 1 is no qsticky that runs" in done.stderr
    # Nothing waits for it.
    assert "ShdPnd:\t0000000000000000" in Path(f"/proc/{first}/status").read_text()

"""The examples for other programs than Gluetun that write a port file: as far as they can be tried here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import MakeSidecar, missing
from documents import EXAMPLES, example
from faulty_server import FaultyServer
from harness import BINARY, PortFile

UNIT, DROP_IN = "qsticky.service", "proton-app.conf"


def shown(unit: Path) -> str:
    """What systemd has to say about it. Warnings name the file."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_systemd_understands_the_drop_in_for_protons_app(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not installed")
    if not BINARY.exists():
        missing("build/qsticky is not built")
    unit = tmp_path / UNIT
    unit.write_text(example(UNIT).replace("/usr/local/bin/qsticky", str(BINARY)))
    folder = tmp_path / f"{UNIT}.d"
    folder.mkdir()
    drop_in = folder / DROP_IN
    drop_in.write_text(example(DROP_IN).replace("User=you", "User=root"))
    assert UNIT not in shown(unit) and DROP_IN not in shown(unit)
    drop_in.write_text(drop_in.read_text() + "ProtectHomes=no\n")
    assert DROP_IN in shown(unit), "a mistake in it is seen"


def test_the_drop_in_overrides_what_would_hide_the_apps_file() -> None:
    """A line of the drop-in that the unit does not have as well would be of no use."""
    text = example(DROP_IN)
    for name in ("DynamicUser", "ProtectHome", "PrivateUsers"):
        assert f"{name}=yes" in example(UNIT) and f"{name}=no" in text
    path = re.search(r"QSTICKY_PORT_FILE_PATH=(\S+)", text)[1]
    assert path in (EXAMPLES.parent / "docs" / "gluetun.md").read_text()


@pytest.mark.parametrize("binary", ["musl"], indirect=True)
def test_a_port_file_with_a_newline_that_is_removed_at_the_end_is_followed(
    place: Path, fake: FaultyServer, sidecar: MakeSidecar
) -> None:
    """As the PIA container writes it: `echo PORT > port.dat`."""
    port_file = PortFile(place / "pia-shared" / "port.dat")
    qsticky = sidecar(fake, port_file=port_file)
    port_file.write_bytes(b"41000\n")
    qsticky.wait_in_sync(41000)
    port_file.remove()
    qsticky.wait_health(state="waiting_for_port", forwarded_port=None)
    port_file.write_bytes(b"42000\n")
    qsticky.wait_in_sync(42000)

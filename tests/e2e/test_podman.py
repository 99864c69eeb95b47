"""The quadlets of examples/, as Podman's own generator makes units of them. There is no systemd here
that could run these."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import images
from conftest import missing
from documents import EXAMPLES, example
from harness import ROOT


def generate(directory: Path) -> tuple[str, str]:
    """The units, and what the generator says of mistakes: it goes on after a key that it does not
    know."""
    done = subprocess.run(
        [images.quadlet(), "-dryrun", "-no-kmsg-log"],
        env={"QUADLET_UNIT_DIRS": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout, re.sub(r".*: Loading source unit file .*\n", "", done.stderr)


@pytest.fixture(scope="module")
def quadlets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The units that Podman's own generator makes of the files."""
    if shutil.which("apt-get") is None:
        missing("apt-get is not installed, by which Debian 13's podman comes")
    place = tmp_path_factory.mktemp("quadlets")
    for file in EXAMPLES.glob("*.container"):
        shutil.copy(file, place)
    units, said = generate(place)
    assert said == ""
    _, *parts = re.split(r"^---(\S+\.service)---$", units, flags=re.M)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def entries(unit: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit, re.M)


def run_by(unit: str) -> list[str]:
    (command,) = entries(unit, "ExecStart")
    return shlex.split(command)


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_podman_starts_qsticky_in_the_network_of_gluetun_and_with_its_restarts(
    quadlets: dict[str, str],
) -> None:
    assert set(quadlets) == {"gluetun.service", "qbittorrent.service", "qsticky.service"}
    for name in ("qbittorrent.service", "qsticky.service"):
        unit = quadlets[name]
        # Bound: it stops and restarts with it. After: when its health check has passed.
        assert entries(unit, "BindsTo") == ["gluetun.service"]
        assert "gluetun.service" in entries(unit, "After")
        assert option(run_by(unit), "--network") == "container:gluetun"
    assert "--sdnotify=healthy" in run_by(quadlets["gluetun.service"])
    # A qsticky that is not healthy is not to be killed by systemd, each time with a login.
    assert "--sdnotify=conmon" in run_by(quadlets["qsticky.service"])


def test_podman_runs_the_health_check_of_the_image_without_a_shell(
    quadlets: dict[str, str],
) -> None:
    command = run_by(quadlets["qsticky.service"])
    dockerfile = (ROOT / "Dockerfile.scratch").read_text()
    (flags, wanted) = re.search(r"^HEALTHCHECK (.*) CMD (.*)$", dockerfile, re.M).groups()
    assert json.loads(option(command, "--health-cmd")) == json.loads(wanted)
    for name, value in re.findall(r"--([\w-]+)=(\S+)", flags):
        assert option(command, f"--health-{name}") == value


def test_podman_gives_qsticky_no_more_than_compose_does(quadlets: dict[str, str]) -> None:
    command = run_by(quadlets["qsticky.service"])
    assert {"--read-only", "--security-opt=no-new-privileges", "--memory=8m"} <= set(command)
    assert option(command, "--cap-drop") == "all"
    volumes = [command[index + 1] for index, word in enumerate(command) if word == "-v"]
    assert volumes == ["gluetun:/tmp/gluetun:ro", "qsticky-health:/app/health"]
    assert option(command, "--secret") == "qbittorrent_pass,uid=65532,gid=65532,mode=0400"
    assert "USER 65532:65532" in (ROOT / "Dockerfile.scratch").read_text()


def test_podmans_generator_finds_mistakes(quadlets: dict[str, str], tmp_path: Path) -> None:
    text = example("qsticky.container")
    for part, wrong in (("HealthCmd=", "HealthCommand="), ("Image=", "# Image=")):
        (tmp_path / "qsticky.container").write_text(text.replace(part, wrong))
        assert generate(tmp_path)[1] != ""

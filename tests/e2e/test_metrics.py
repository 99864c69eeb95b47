"""QSTICKY_METRICS_FILE: the health as numbers, for Prometheus' node_exporter."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import MakeSidecar, Sidecar, missing
from faulty_server import FaultyServer
from harness import PortFile, free_port, wait_until


def series(text: str) -> list[tuple[str, float]]:
    """Each sample; the labels are a part of its name."""
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return [(name, float(value)) for name, _, value in (line.rpartition(" ") for line in lines)]


def numbers(path: Path) -> dict[str, float]:
    """Each sample of the file, without the label that all of it have."""
    label = f'instance_name="{path.stem}"'
    found = series(path.read_text())
    assert all(f"{{{label}" in name for name, _ in found)
    return {
        name.replace(f"{{{label}}}", "").replace(f"{label},", ""): value for name, value in found
    }


def linted(text: bytes) -> subprocess.CompletedProcess[bytes]:
    promtool = shutil.which("promtool") or missing("promtool is not installed (Debian: prometheus)")
    return subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, timeout=30, check=False
    )


def with_metrics(sidecar: MakeSidecar, server: FaultyServer | None, path: Path, **options) -> Sidecar:
    return sidecar(server, env={"QSTICKY_METRICS_FILE": str(path)}, **options)


def test_the_metrics_are_what_the_health_file_says(
    fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    path = place / "metrics" / "qsticky.prom"
    port_file.write(41000)
    qsticky = with_metrics(sidecar, fake, path)
    qsticky.wait_in_sync(41000)

    def agree() -> dict[str, float] | None:
        found = numbers(path)
        return found if found.get("qsticky_healthy") == 1 else None

    found = wait_until(agree, what="metrics that are healthy")
    health = qsticky.health()
    assert found["qsticky_forwarded_port"] == found["qsticky_current_port"] == 41000
    assert found['qsticky_state{state="in_sync"}'] == 1
    assert sum(value for name, value in found.items() if "qsticky_state" in name) == 1
    assert found["qsticky_rebinds_total"] == found["qsticky_consecutive_failures"] == 0
    assert "qsticky_port_reachable" not in found, "it cannot be known here"
    version = health["qbittorrent_version"]
    assert f'qsticky_info{{version="{health["version"]}",qbittorrent_version="{version}"}}' in found

    fake.stop()
    failed = wait_until(
        lambda: numbers(path).get("qsticky_healthy") == 0 and numbers(path), what="metrics that are not"
    )
    assert failed['qsticky_state{state="retrying"}'] == 1
    assert failed["qsticky_consecutive_failures"] >= 1


def test_they_go_with_a_stop(
    fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    path = place / "qsticky.prom"
    port_file.write(41000)
    qsticky = with_metrics(sidecar, fake, path)
    qsticky.wait_in_sync(41000)
    wait_until(path.exists, what="the metrics file")
    assert qsticky.stop() == 0
    assert not path.exists() and list(place.glob("qsticky.prom*")) == []


def test_prometheus_own_linter_has_nothing_to_say(
    fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    path = place / "qsticky.prom"
    for port in (None, 41000):
        if port:
            port_file.write(port)
        qsticky = with_metrics(sidecar, fake, path)
        wait_until(path.exists, what="the metrics file")
        if port:
            qsticky.wait_in_sync(port)
            wait_until(lambda: numbers(path)["qsticky_healthy"] == 1, what="healthy metrics")
        done = linted(path.read_bytes())
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), done
        qsticky.stop()


def test_two_in_one_directory_are_told_apart(
    fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """node_exporter merges all files of its directory, and of two samples with the same name and
    labels it keeps one. Both may be beside a qBittorrent at localhost:8080."""
    port_file.write(41000)
    paths = [place / name for name in ("films.prom", "series.prom")]
    for path in paths:
        with_metrics(sidecar, fake, path).wait_in_sync(41000)
    texts = wait_until(
        lambda: all(path.exists() and numbers(path)["qsticky_healthy"] for path in paths)
        and [path.read_text() for path in paths],
        what="both",
    )
    names = [name for text in texts for name, _ in series(text)]
    assert len(names) == len(set(names)) >= 2 * 13
    # As it merges them: each family once.
    families: dict[str, list[str]] = {}
    for line in "".join(texts).splitlines():
        family = re.search(r"qsticky_\w+", line)[0]
        if not line.startswith("#") or line not in families.setdefault(family, []):
            families[family].append(line)
    merged = "".join(f"{line}\n" for family in families.values() for line in family)
    done = linted(merged.encode())
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), done


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("qsticky.prom", "qsticky"),
        ("no suffix", "no suffix"),
        ('q"uo\\te.prom', r"q\"uo\\te"),
        ("new\nline.prom", r"new\\x0aline"),
        ("\udcff.prom", r"\\xff"),
        ("größe.prom", "größe"),
        ("\\" * 200, "\\" * 2 * 95),
    ],
)
def test_any_name_of_the_file_makes_a_label_that_is_valid(
    name: str, label: str, fake: FaultyServer, place: Path, port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    path = place / "metrics" / name
    port_file.write(41000)
    qsticky = with_metrics(sidecar, fake, path)
    qsticky.wait_in_sync(41000)
    wait_until(path.exists, what="the metrics file")
    assert f'qsticky_healthy{{instance_name="{label}"}} ' in path.read_text()
    done = linted(path.read_bytes())
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b""), done


def test_readers_never_see_half_a_file(
    fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    path = place / "qsticky.prom"
    port_file.write(41000)
    qsticky = with_metrics(sidecar, fake, path)
    qsticky.wait_in_sync(41000)
    for port in (41001, 41002, 41003, 41004, 41005):
        port_file.write(port)

        def follows(wanted: int = port) -> bool:
            text = path.read_text()
            assert re.search(r"^qsticky_rebinds_total\{.*\} 0\n\Z", text, re.M), text
            return numbers(path).get("qsticky_current_port") == wanted  # none in the first one

        wait_until(follows, what=f"metrics with port {port}")


def test_a_file_that_cannot_be_written_is_said_once_and_is_no_fault_of_the_port(
    fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    (place / "file").write_text("")
    port_file.write(41000)
    qsticky = with_metrics(sidecar, fake, place / "file" / "qsticky.prom")
    qsticky.wait_in_sync(41000)
    qsticky.wait_cycles(2)
    assert [line for line in qsticky.log if "metrics file" in line] == qsticky.lines("ERROR")
    assert len(qsticky.lines("ERROR")) == 1
    assert qsticky.healthcheck()[0] == 0


def test_a_path_that_is_not_absolute_is_a_configuration_error(
    place: Path, sidecar: MakeSidecar
) -> None:
    qsticky = sidecar(None, port=free_port(), env={"QSTICKY_METRICS_FILE": "metrics.prom"})
    assert qsticky.wait() == 2
    assert "QSTICKY_METRICS_FILE" in qsticky.log[0]

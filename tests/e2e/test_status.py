"""`qsticky status`: the health file for a person; and whatever the file holds, a clear answer."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import AS_NOBODY, MakeSidecar, controls
from faulty_server import FaultyServer
from harness import PortFile, wait_until

FIELDS = {
    "healthy": True,
    "state": "in_sync",
    "current_port": 41000,
    "forwarded_port": 41000,
    "reachable": True,
    "reachable_udp": True,
    "connection_status": "connected",
    "external_address": None,
    "interface": "tun0",
    "last_check": "2026-11-22T08:42:10Z",
    "last_port_change": "2026-11-21T07:00:00Z",
    "uptime": "3 days, 4:05:06",
    "uptime_seconds": 273906,
    "consecutive_failures": 0,
    "rebinds": 2,
    "last_error": None,
    "hint": None,
    "qbittorrent_version": "v4.5.2",
    "version": "3.0.0",
}
Status = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def health_file(place: Path) -> Path:
    return place / "status.json"


@pytest.fixture
def status(public_binary: Path, health_file: Path) -> Status:
    def run(*args: str, wrapper: tuple[str, ...] = (), **env: str):
        command = [*wrapper, str(public_binary), "status", *args]
        env = {"HEALTH_FILE": str(health_file)} | env
        done = subprocess.run(command, env=env, capture_output=True, check=False, timeout=30)
        text = [part.decode() for part in (done.stdout, done.stderr)]
        if not args:
            assert not controls(text[0].replace("\n", "")), text[0]
        return subprocess.CompletedProcess(command, done.returncode, *text)

    return run


def moment(age: float = 0) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age))


def write(path: Path, **fields: object) -> str:
    text = json.dumps(FIELDS | {"timestamp": moment()} | fields) + "\n"
    path.write_text(text)
    return text


def rows(output: str) -> dict[str, str]:
    return {line[:21].rstrip(): line[22:] for line in output.splitlines()}


def test_what_a_person_asks_is_shown_in_aligned_lines(status: Status, health_file: Path) -> None:
    write(health_file)
    done = status()
    assert (done.returncode, done.stderr) == (0, "")
    shown = rows(done.stdout)
    assert shown.pop("healthy").startswith("port 41000, checked ")
    assert shown == {
        "state": "in_sync",
        "forwarded port": "41000",
        "current port": "41000",
        "last port change": "2026-11-21T07:00:00Z",
        "reachable": "yes",
        "reachable udp": "yes",
        "interface": "tun0",
        "login": "-",
        "last check": "2026-11-22T08:42:10Z",
        "uptime": "3 days, 4:05:06",
        "consecutive failures": "0",
        "rebinds": "2",
        "qbittorrent version": "v4.5.2",
        "version": "3.0.0",
        "last error": "-",
        "hint": "-",
    }


def test_what_is_wrong_is_said_and_what_is_not_known_is_a_dash(
    status: Status, health_file: Path
) -> None:
    error = "qBittorrent at localhost:8080: connection refused"
    nothing = dict.fromkeys(("current_port", "reachable", "qbittorrent_version"))
    write(health_file, healthy=False, state="retrying", last_error=error, **nothing)
    done = status()
    assert (done.returncode, done.stderr) == (1, "")
    shown = rows(done.stdout)
    assert shown["last error"] == error and error in shown["unhealthy"]
    assert shown["current port"] == shown["reachable"] == shown["qbittorrent version"] == "-"


def test_json_is_the_file_as_it_is(status: Status, health_file: Path) -> None:
    text = write(health_file)
    done = status("--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, text, "")
    text = write(health_file, timestamp=moment(3600))
    done = status("--json")
    assert (done.returncode, done.stdout) == (1, text)
    assert "3600 s ago" in done.stderr or "3601 s ago" in done.stderr


def test_a_file_that_has_grown_old_is_unhealthy_whatever_it_says(
    status: Status, health_file: Path
) -> None:
    write(health_file, timestamp=moment(3600))
    done = status()
    assert done.returncode == 1
    assert "qsticky hangs or has ended" in rows(done.stdout)["unhealthy"]


def test_without_a_file_it_says_so_in_one_line(status: Status, health_file: Path) -> None:
    done = status()
    assert done.returncode == 1 and done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert line.startswith("unhealthy") and str(health_file) in line
    done = status("--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [line]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\x1b]0;owned\x07",
        b"[]",
        b'{"healthy": true',
        b"\xff\xfe" * 100,
        b"x" * 100_000,
        b'{"healthy":true}' * 2,
    ],
    ids=lambda content: repr(content[:16]),
)
def test_garbage_is_one_clear_line(content: bytes, status: Status, health_file: Path) -> None:
    health_file.write_bytes(content)
    done = status()
    assert done.returncode == 1 and done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert line.startswith("unhealthy") and str(health_file) in line
    done = status("--json")
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.splitlines() == [line]


def test_fields_of_another_kind_do_no_harm(status: Status, health_file: Path) -> None:
    write(health_file, state=[1], uptime={"a": 1}, version="\x1b[31m\u009b", rebinds=1e99)
    done = status()
    shown = rows(done.stdout)
    assert done.returncode == 0 and shown["state"] == shown["uptime"] == shown["rebinds"] == "-"
    assert shown["version"] == "\\x1b[31m\\xc2\\x9b"
    health_file.write_text("{}")
    done = status()
    assert done.returncode == 1 and "not a health file" in done.stdout


@pytest.mark.parametrize("kind", ["directory", "FIFO", "unreadable"])
def test_what_is_no_file_for_it_is_said(
    kind: str, status: Status, health_file: Path, request: pytest.FixtureRequest
) -> None:
    wrapper: tuple[str, ...] = ()
    if kind == "directory":
        health_file.mkdir()
    elif kind == "FIFO":
        os.mkfifo(health_file)
    else:
        request.getfixturevalue("root")
        write(health_file)
        health_file.chmod(0o600)
        wrapper = AS_NOBODY
    done = status(wrapper=wrapper)
    assert done.returncode == 1 and str(health_file) in done.stdout


def test_a_wrong_configuration_is_1_and_says_which(status: Status, health_file: Path) -> None:
    write(health_file)
    done = status(QSTICKY_CHECK_INTERVAL="soon")
    assert done.returncode == 1 and "QSTICKY_CHECK_INTERVAL" in done.stdout


@pytest.mark.parametrize("args", [["now"], ["--json", "x"], ["--yaml"]], ids=repr)
def test_unknown_options_show_the_usage(args: list[str], status: Status, health_file: Path) -> None:
    write(health_file)
    done = status(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage" in done.stderr and f"argument {len(args) + 1}" in done.stderr


def test_it_agrees_with_the_sidecar_and_its_healthcheck(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)

    def look() -> subprocess.CompletedProcess[str]:
        command = [*qsticky.command[:-1], "status"]
        return subprocess.run(
            command, env=qsticky.env, capture_output=True, text=True, check=False, timeout=30
        )

    done = look()
    assert done.returncode == 0 and rows(done.stdout)["forwarded port"] == "41000"
    fake.stop()
    wait_until(lambda: qsticky.healthcheck()[0] == 1, what="healthcheck to fail")
    done = look()
    assert done.returncode == 1 and "connection refused" in rows(done.stdout)["last error"]

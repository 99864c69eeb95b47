"""Point 9: the command line and the environment, on the built binary."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from conftest import MakeSidecar
from faulty_server import FaultyServer
from harness import PortFile, free_port

DEFAULTS = {
    "QSTICKY_QBITTORRENT_HOST": "localhost",
    "QSTICKY_QBITTORRENT_PORT": "8080",
    "QSTICKY_QBITTORRENT_USER": "admin",
    "QSTICKY_QBITTORRENT_USER_FILE": "",
    "QSTICKY_QBITTORRENT_PASS": "adminadmin",
    "QSTICKY_QBITTORRENT_PASS_FILE": "",
    "QSTICKY_QBITTORRENT_API_KEY": "",
    "QSTICKY_QBITTORRENT_API_KEY_FILE": "",
    "QSTICKY_USE_HTTPS": "false",
    "QSTICKY_VERIFY_SSL": "true",
    "QSTICKY_TLS_CA_FILE": "/etc/ssl/certs/ca-certificates.crt",
    "QSTICKY_TLS_PIN_SHA256": "",
    "QSTICKY_TLS_SERVER_NAME": "",
    "QSTICKY_PORT_SOURCE": "file",
    "QSTICKY_PORT_FILE_PATH": "/tmp/gluetun/forwarded_port",
    "QSTICKY_PORT_INDEX": "1",
    "QSTICKY_GLUETUN_HOST": "localhost",
    "QSTICKY_GLUETUN_PORT": "8000",
    "QSTICKY_GLUETUN_USE_HTTPS": "false",
    "QSTICKY_GLUETUN_AUTH_TYPE": "none",
    "QSTICKY_GLUETUN_USERNAME": "",
    "QSTICKY_GLUETUN_USERNAME_FILE": "",
    "QSTICKY_GLUETUN_PASSWORD": "",
    "QSTICKY_GLUETUN_PASSWORD_FILE": "",
    "QSTICKY_GLUETUN_APIKEY": "",
    "QSTICKY_GLUETUN_APIKEY_FILE": "",
    "QSTICKY_CHECK_INTERVAL": "30",
    "QSTICKY_NO_PORT_GRACE": "120",
    "QSTICKY_VPN_INTERFACE": "found unless set",
    "QSTICKY_REBIND": "true",
    "QSTICKY_BIND_INTERFACE": "false",
    "QSTICKY_REANNOUNCE": "false",
    "QSTICKY_ORPHAN_SHUTDOWN": "false",
    "QSTICKY_LOG_LEVEL": "INFO",
    "QSTICKY_LOG_FORMAT": "text",
    "QSTICKY_WEBHOOK_URL": "",
    "QSTICKY_WEBHOOK_URL_FILE": "",
    "QSTICKY_METRICS_FILE": "",
    "QSTICKY_SANDBOX": "true",
    "HEALTH_FILE": "/tmp/health/status.json",
}
COMMANDS = ["run", "healthcheck", "check", "status", "once", "reload"]


def run(
    binary: Path, *args: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [binary, *args],
        env=dict(env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="backslashreplace",
        timeout=30,
        check=False,
    )


def test_help_documents_every_command_and_variable_with_its_default(binary: Path) -> None:
    done = run(binary, "--help")
    assert done.returncode == 0 and done.stderr == ""
    for name, default in DEFAULTS.items():
        entry = re.search(rf"{name}\b[^\n]*\n?[^\n]*", done.stdout)
        assert entry and default in entry[0], name
    for word in (*COMMANDS, "--help", "--version"):
        assert re.search(rf"(?<![\w-]){word}\b", done.stdout), word
    assert max(len(line) for line in done.stdout.splitlines()) <= 100


def test_help_names_no_variable_that_is_not_taken(binary: Path) -> None:
    named = set(re.findall(r"\b(?:QSTICKY|HEALTH)_[A-Z0-9_]+", run(binary, "--help").stdout))
    assert named == set(DEFAULTS)


def test_version_is_one_line(binary: Path) -> None:
    done = run(binary, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"qsticky \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("args", [["--help"], ["--version"]])
def test_help_and_version_do_not_mind_a_wrong_configuration(args: list[str], binary: Path) -> None:
    assert run(binary, *args, env={"QSTICKY_CHECK_INTERVAL": "soon"}).returncode == 0


@pytest.mark.parametrize(
    "args",
    [["walk"], ["--walk"], ["-h1"], ["RUN"], [""], ["run", "fast"], ["once", "more"], ["run", ""]],
    ids=repr,
)
def test_an_unknown_command_or_option_shows_the_usage_on_stderr(
    args: list[str], binary: Path
) -> None:
    done = run(binary, *args)
    assert done.returncode == 2 and done.stdout == ""
    assert "sage" in done.stderr and "run" in done.stderr


@pytest.mark.parametrize("command", [[], ["run"], ["once"]], ids=["none", "run", "once"])
def test_three_wrong_variables_are_three_lines_and_exit_2(
    command: list[str], binary: Path, place: Path
) -> None:
    env = {
        "QSTICKY_QBITTORRENT_PORT": "70000",
        "QSTICKY_CHECK_INTERVAL": "often",
        "QSTICKY_LOG_LEVEL": "LOUD",
        "HEALTH_FILE": str(place / "status.json"),
    }
    done = run(binary, *command, env=env)
    assert done.returncode == 2 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    for name, kind, allowed in (
        ("QSTICKY_QBITTORRENT_PORT", "a number (5 bytes)", "65535"),
        ("QSTICKY_CHECK_INTERVAL", "text (5 bytes)", "86400"),
        ("QSTICKY_LOG_LEVEL", "text (4 bytes)", "WARNING"),
    ):
        (line,) = [line for line in lines if name in line]
        assert f"{name}: {kind} is not allowed; it takes " in line and allowed in line
    assert not list(place.iterdir()), "nothing was done"


WRONG = [
    ("QSTICKY_QBITTORRENT_HOST", "http://localhost"),
    ("QSTICKY_QBITTORRENT_HOST", "localhost:8080"),
    ("QSTICKY_QBITTORRENT_HOST", "two words"),
    ("QSTICKY_QBITTORRENT_HOST", "[localhost]"),
    ("QSTICKY_QBITTORRENT_HOST", "[::1"),
    ("QSTICKY_QBITTORRENT_HOST", "a\r\nHost: b"),
    ("QSTICKY_QBITTORRENT_HOST", "x" * 300),
    ("QSTICKY_QBITTORRENT_PORT", "0"),
    ("QSTICKY_QBITTORRENT_PORT", "65536"),
    ("QSTICKY_QBITTORRENT_PORT", "-1"),
    ("QSTICKY_QBITTORRENT_PORT", "+80"),
    ("QSTICKY_QBITTORRENT_PORT", "8 0"),
    ("QSTICKY_QBITTORRENT_PORT", "0x50"),
    ("QSTICKY_QBITTORRENT_PORT", "8e1"),
    ("QSTICKY_QBITTORRENT_PORT", "4294967376"),
    ("QSTICKY_QBITTORRENT_PORT", "18446744073709551696"),
    ("QSTICKY_CHECK_INTERVAL", "0"),
    ("QSTICKY_CHECK_INTERVAL", "86401"),
    ("QSTICKY_CHECK_INTERVAL", "30s"),
    ("QSTICKY_CHECK_INTERVAL", "1.5"),
    ("QSTICKY_NO_PORT_GRACE", "-1"),
    ("QSTICKY_NO_PORT_GRACE", "forever"),
    ("QSTICKY_LOG_LEVEL", "TRACE"),
    ("QSTICKY_LOG_LEVEL", "INFO WARN"),
    ("QSTICKY_LOG_FORMAT", "xml"),
    ("QSTICKY_PORT_FILE_PATH", "x/" * 3000),
    ("HEALTH_FILE", "/" + "x" * 5000),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{n}={v[:20]!r}" for n, v in WRONG])
def test_a_wrong_value_is_one_line_that_names_its_variable_kind_and_length(
    name: str, value: str, binary: Path
) -> None:
    done = run(binary, env={name: value})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert name in line and len(line) <= 1024
    assert f" ({len(value)} byte" in line
    # a shorter one may be a part of the time
    assert len(value) < 3 or value[:20] not in line


@pytest.mark.parametrize("name", ["QSTICKY_QBITTORRENT_USER", "QSTICKY_QBITTORRENT_PASS"])
def test_a_wrong_secret_is_named_but_not_shown(name: str, binary: Path) -> None:
    done = run(binary, env={name: "hunter2!" * 2000})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert name in line and "hunter2" not in line


@pytest.mark.parametrize(
    "env",
    [
        {"QSTICKY_CHECK_INTERVAL": "86400", "QSTICKY_NO_PORT_GRACE": "0"},
        {"QSTICKY_CHECK_INTERVAL": "1", "QSTICKY_NO_PORT_GRACE": "86400"},
        {"QSTICKY_LOG_LEVEL": "debug", "QSTICKY_LOG_FORMAT": "JSON"},
        {"QSTICKY_LOG_LEVEL": "Warn", "QSTICKY_LOG_FORMAT": "Text"},
        {"QSTICKY_LOG_LEVEL": "wArNiNg"},
        {"QSTICKY_QBITTORRENT_HOST": "[::1]"},
        {"QSTICKY_QBITTORRENT_HOST": "fe80::1%lo"},
        {"QSTICKY_QBITTORRENT_HOST": "127.1.2.3"},
        {"QSTICKY_QBITTORRENT_PASS": "x" * 4096, "QSTICKY_QBITTORRENT_USER": "y" * 4096},
        {name: "" for name in DEFAULTS if name not in ("QSTICKY_QBITTORRENT_PORT",)},
    ],
    ids=repr,
)
def test_what_is_allowed_is_taken(env: dict[str, str], binary: Path, place: Path) -> None:
    """`once` exits 1, not 2, where the configuration is right and qBittorrent is not there."""
    base = {
        "QSTICKY_QBITTORRENT_PORT": str(free_port()),
        "QSTICKY_PORT_FILE_PATH": str(place / "port"),
    }
    done = run(binary, "once", env=base | env)
    assert done.returncode == 1, done.stderr


def test_without_a_command_it_runs(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    sidecar(fake, args=()).wait_in_sync(41000)


def test_an_unknown_variable_is_warned_of_and_ignored(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, env={"QSTICKY_QBITORRENT_PASS": "with a typing error"})
    qsticky.wait_in_sync(41000)
    (warning,) = qsticky.lines("WARN")
    assert "QSTICKY_QBITORRENT_PASS" in warning and "typing" not in warning


def test_a_name_of_2_x_whose_value_does_not_fit_is_a_warning_and_the_default(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Everybody may have a LOG_LEVEL. A name that is ours alone ends it, as above."""
    port_file.write(41000)
    env = {"QSTICKY_LOG_LEVEL": "", "LOG_LEVEL": "verbose", "QBITTORRENT_VERIFY_SSL": "maybe"}
    qsticky = sidecar(fake, env=env)
    qsticky.wait_in_sync(41000)
    level, verify = sorted(qsticky.lines("WARN"))
    level, verify = (level, verify) if " LOG_LEVEL:" in level else (verify, level)
    assert "LOG_LEVEL: text (7 bytes) is not allowed" in level and "QSTICKY_LOG_LEVEL" in level
    assert "QBITTORRENT_VERIFY_SSL: text (5 bytes)" in verify
    assert not qsticky.lines("DEBUG"), "the default"
    assert qsticky.healthcheck()[0] == 0


SERVICES = {
    "GLUETUN_SERVICE_HOST": "10.43.0.7",
    "GLUETUN_SERVICE_PORT": "8000",
    "GLUETUN_PORT": "tcp://10.43.0.7:8000",
    "GLUETUN_PORT_8000_TCP": "tcp://10.43.0.7:8000",
    "QBITTORRENT_SERVICE_HOST": "10.43.0.8",
    "QBITTORRENT_PORT": "tcp://10.43.0.8:8080",
    "QSTICKY_SERVICE_HOST": "10.43.0.9",
    "QSTICKY_SERVICE_PORT_METRICS": "9100",
    "QSTICKY_PORT": "tcp://10.43.0.9:9100",
    "QSTICKY_PORT_9100_TCP_PROTO": "tcp",
}


def test_what_kubernetes_sets_for_services_is_no_setting(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, env=SERVICES | {"QSTICKY_LOG_LEVEL": "DEBUG"})
    qsticky.wait_in_sync(41000)
    assert not qsticky.troubles()
    said = [line for line in qsticky.lines("DEBUG") if "Kubernetes" in line]
    assert len(said) == 2
    assert "GLUETUN_PORT:" in "\n".join(said) and "QBITTORRENT_PORT:" in "\n".join(said)


def test_an_unknown_argument_is_counted_and_not_shown(binary: Path) -> None:
    for args in (["--pass=s3cret"], ["s3cret"], ["run", "s3cret"], ["check", "--json", "s3cret"]):
        done = run(binary, *args)
        assert done.returncode == 2
        assert f"argument {len(args)}" in done.stderr and "s3cret" not in done.stderr


@pytest.mark.parametrize("binary", ["musl"], indirect=True)
@pytest.mark.parametrize(
    ("inside", "path"), [("app/health", "/app/health/status.json"), ("tmp", "/tmp/health/status.json")]
)
def test_an_empty_health_file_is_the_default_of_the_image(
    inside: str, path: str, binary: Path, place: Path, root: None
) -> None:
    """The first has the image's directories."""
    (place / "root" / inside).mkdir(parents=True)
    shutil.copy(binary, place / "root" / "qsticky")
    done = subprocess.run(
        ["chroot", str(place / "root"), "/qsticky", "healthcheck"],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HEALTH_FILE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and path in done.stdout, done

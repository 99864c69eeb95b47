"""Spec 13: what is logged, in which form, and that a reader who does not read stops nothing.
(The sidecar fixture checks form, length, escapes and secrets of every line in every test.)"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from conftest import RFC_3339, MakeSidecar, Sidecar
from faults import reply
from faulty_server import LOGIN, PREFERENCES, FaultyServer
from harness import PATIENCE, VERSION, PortFile, wait_until


def test_a_quiet_time_is_a_quiet_log_at_info(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, log_level="INFO")
    qsticky.wait_in_sync(41000)
    qsticky.wait_log("in sync: port 41000")
    said = list(qsticky.log)
    assert len(said) <= 6
    qsticky.wait_cycles(10)
    assert qsticky.log == said


def test_the_start_tells_version_and_configuration_without_secrets(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.user, fake.password = "mallory", "correct horse"
    qsticky = sidecar(fake, log_level="INFO")
    start = "\n".join([qsticky.wait_log(VERSION), *qsticky.log[:4]])
    qsticky.wait_health(state="waiting_for_port")
    start = "\n".join(qsticky.log)
    assert str(fake.port) in start and "127.0.0.1" in start
    assert str(port_file.path) in start
    assert "correct horse" not in start and "mallory" not in start


def test_a_port_change_and_a_recovery_are_one_line_each(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, log_level="INFO")
    qsticky.wait_in_sync(41000)
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    qsticky.wait_log("in sync: port 42000")
    assert sum("port change needed: 41000 -> 42000" in line for line in qsticky.log) == 1
    assert sum("in sync: port 42000" in line for line in qsticky.log) == 1

    fake.fault(PREFERENCES, reply(500, b"", reason="Oops"))
    qsticky.wait_failed()
    qsticky.wait_cycles(3)
    fake.heal()
    qsticky.wait_in_sync(42000)
    wait_until(
        lambda: sum("in sync: port 42000" in line for line in qsticky.log) == 2,
        what="the recovery to be said",
    )
    assert len(qsticky.lines("WARN")) == 1


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("DEBUG", {"DEBUG", "INFO", "WARN"}),
        ("info", {"INFO", "WARN"}),
        ("WARNING", {"WARN"}),
        ("Warn", {"WARN"}),
        ("ERROR", set()),
    ],
)
def test_the_level_says_what_is_shown(
    level: str, shown: set[str], fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.fault(PREFERENCES, reply(500, b"", reason="Oops"))
    port_file.write(41000)
    qsticky = sidecar(fake, log_level=level)
    qsticky.wait_failed()
    fake.heal()
    qsticky.wait_in_sync(41000)
    assert qsticky.stop() == 0
    assert {name for name in ("DEBUG", "INFO", "WARN", "ERROR") if qsticky.lines(name)} == shown


def test_json_is_an_object_a_line(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    redirect = reply(302, reason="F", headers={"Location": 'https://a/"\\\x1b\tb'})
    fake.fault(PREFERENCES, redirect, times=1)
    fake.fault(LOGIN, reply(200, b"Fails."), times=1)
    port_file.write_bytes(b'"\\ \x1b[2J')
    qsticky = sidecar(fake, env={"QSTICKY_LOG_FORMAT": "json"})
    qsticky.wait_health(state="error")
    port_file.write(41000)
    wait_until(lambda: fake.count(LOGIN), what="the login")
    entries = [json.loads(line) for line in qsticky.log]
    assert len(entries) >= 3
    for entry in entries:
        assert RFC_3339.fullmatch(entry["time"])
        assert entry["level"] in ("DEBUG", "INFO", "WARN", "ERROR")
    assert any(str(port_file.path) in entry["message"] for entry in entries)


# -- nobody reads ------------------------------------------------------------------


def test_a_port_that_never_rests_does_not_fill_the_log(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Whoever writes Gluetun's volume could fill the disk by it. Why it ends is told all the same."""
    qsticky = sidecar(fake, log_level="INFO")
    began = time.monotonic()
    more, ports = 50, itertools.count(40000)
    while more:
        port = next(ports)
        port_file.write(port)
        qsticky.wait_in_sync(port)
        more -= any("leaving out the rest of this minute" in line for line in qsticky.log)
    qsticky.stop()
    lines, minutes = qsticky.log, 1 + int(time.monotonic() - began) // 60
    assert sum("port change needed" in line for line in lines) > 50
    assert len(lines) < 250 * minutes, len(lines)
    assert any(re.search(r"WARN  \d+ log lines were left out$", line) for line in lines)
    assert lines[-1].endswith("stopped")


@pytest.fixture
def with_stderr(sidecar: MakeSidecar) -> Iterator[Callable[..., Sidecar]]:
    """Runs a sidecar's command with a stderr of the test's own; it is stopped at the end."""
    running: list[subprocess.Popen[bytes]] = []

    def make(server: FaultyServer, stderr: int) -> Sidecar:
        qsticky = sidecar(server, start=False)
        qsticky.process = subprocess.Popen(
            qsticky.command, env=qsticky.env, stdin=subprocess.DEVNULL, stderr=stderr
        )
        running.append(qsticky.process)
        qsticky.log = []
        return qsticky

    yield make
    for process in running:
        process.terminate()
        try:
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()


def check_job_goes_on(qsticky: Sidecar, fake: FaultyServer, port_file: PortFile) -> None:
    for port in range(41000, 41020):
        port_file.write(port)
        qsticky.wait_in_sync(port)
        assert fake.listen_port == port


def test_a_full_pipe_does_not_stop_the_job(
    fake: FaultyServer, port_file: PortFile, with_stderr: Callable[..., Sidecar]
) -> None:
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write_end, True)
    qsticky = with_stderr(fake, write_end)
    check_job_goes_on(qsticky, fake, port_file)

    # once somebody reads again it tells how much was lost
    os.read(read_end, 4096)
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    assert b"lost" in os.read(read_end, 4096)
    os.close(read_end)
    os.close(write_end)


def test_a_pipe_whose_reader_has_gone_does_not_end_it(
    fake: FaultyServer, port_file: PortFile, with_stderr: Callable[..., Sidecar]
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    qsticky = with_stderr(fake, write_end)
    os.close(write_end)
    check_job_goes_on(qsticky, fake, port_file)


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["run", "once"])
def test_closed_standard_streams_do_not_send_the_log_elsewhere(
    command: str, closed: str, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """A socket or file opened first would get descriptor 2, and the log lines with it."""
    port_file.write(41000)
    wrapper = ("sh", "-c", f'exec "$0" "$@" {closed}')
    qsticky = sidecar(fake, args=(command,), wrapper=wrapper)
    if command == "once":
        assert qsticky.wait() == 0
    else:
        check_job_goes_on(qsticky, fake, port_file)
        assert qsticky.healthcheck()[0] == 0
    for request in fake.requests:
        assert request.method in ("GET", "POST") and request.segments == 1
    assert port_file.path.read_text().isdigit()

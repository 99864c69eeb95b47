"""Point 7: the health file says what is, and `healthcheck` believes nothing less. (That each
field is there and of its type, the sidecar fixture checks at each reading in every test.)"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from calendar import timegm
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import AS_NOBODY, NOBODY, MakeSidecar, Sidecar, controls, missing
from faults import silence
from faulty_server import PREFERENCES, SET_PREFERENCES, FaultyServer
from harness import PATIENCE, PortFile, wait_until, with_mounted
from strace import Call, Strace

# Seconds after which a health file is not believed any more: two intervals of one, and fifteen.
BY_ITS_AGE = 17


def seconds(moment: str) -> int:
    return timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))


def moment(age: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age))


# -- what run writes --------------------------------------------------------------


def test_starting_is_said_before_the_first_answer(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.fault(PREFERENCES, silence())
    port_file.write(41000)
    qsticky = sidecar(fake)
    health = qsticky.wait_health(state="starting")
    assert health["healthy"] is False
    assert health["current_port"] is None and health["last_check"] is None
    assert qsticky.healthcheck()[0] == 1
    fake.heal()
    qsticky.wait_in_sync(41000)


def test_a_new_port_is_unhealthy_while_the_server_says_nothing(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, interval=60)
    qsticky.wait_in_sync(41000)
    fake.fault(SET_PREFERENCES, silence())
    port_file.write(41001)
    health = qsticky.wait_health(healthy=False, forwarded_port=41001)
    assert health["current_port"] == 41000 and "not proved yet" in health["last_error"]
    assert qsticky.healthcheck()[0] == 1
    fake.heal()
    qsticky.wait_in_sync(41001)


def at(calls: list[Call], name: str, words: str) -> int:
    """The place of the first such call."""
    found = (place for place, call in enumerate(calls) if call.name == name and words in call.arguments)
    place = next(found, None)
    assert place is not None, f"no {name}() of {words}"
    return place


@pytest.fixture
def strace_there() -> None:
    if shutil.which("strace") is None:
        missing("strace is not installed")


def calls_of_a_change(
    qsticky: Sidecar, port_file: PortFile, place: Path
) -> tuple[list[Call], int]:
    """What a settled qsticky asks of the kernel when a new port comes; where the unhealthy file is in place."""
    qsticky.wait_in_sync(41000)
    with Strace(qsticky.pid, place / "trace") as trace:
        port_file.write(41001)
        qsticky.wait_in_sync(41001)
        wait_until(trace.sleeps, what="its sleep")
        calls = trace.calls()
    return calls, at(calls, "rename", "status.json")


@pytest.mark.parametrize("binary", ["musl"], indirect=True)  # glibc and sanitizers ask for more
def test_a_new_port_is_sent_before_the_file_is_written_and_waited_for_after(
    fake: FaultyServer,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
    strace_there: None,
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, interval=60)
    calls, written = calls_of_a_change(qsticky, port_file, place)
    sent = at(calls, "sendto", "POST /api/v2/app/setPreferences")
    assert sent < at(calls, "open", "status.json.new") < written
    assert written < at(calls, "poll", "}], 2, "), "it waits for the reply later"
    connected = at(calls, "connect", "AF_INET")
    connection = calls[connected].arguments.partition(",")[0]
    closed = connected + at(calls[connected:], "close", connection)
    assert at(calls, "write", "in sync: port 41001") < closed, "the result does not wait for that"
    assert not [call for call in calls if call.name.startswith("epoll")], "there is no webhook"


@pytest.mark.parametrize("binary", ["musl"], indirect=True)
@pytest.mark.parametrize("file", ["api_key", "hosts"])
def test_a_new_port_is_unhealthy_before_a_file_is_read(
    file: str,
    new_fake: Callable[..., FaultyServer],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
    root: None,
    strace_there: None,
) -> None:
    """It may lie on a network whose server is gone."""
    fake = new_fake(host="127.0.0.1", local_auth=False).start()
    (place / "etc").mkdir()
    (place / "etc" / "hosts").write_text("127.0.0.1 qbittorrent.example\n")
    (place / "api_key").write_text("a-key\n")
    env = {
        "api_key": {"QSTICKY_QBITTORRENT_API_KEY_FILE": str(place / "api_key")},
        "hosts": {"QSTICKY_QBITTORRENT_HOST": "qbittorrent.example"},
    }
    port_file.write(41000)
    wrapper = with_mounted(place / "etc", "/etc")
    qsticky = sidecar(fake, interval=60, env=env[file], wrapper=wrapper)
    calls, written = calls_of_a_change(qsticky, port_file, place)
    assert written < at(calls, "open", file)


def test_times_are_utc_and_go_on(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    before = int(time.time())
    port_file.write(41000)
    qsticky = sidecar(fake, env={"TZ": "Asia/Tokyo"})
    first = qsticky.wait_in_sync(41000)
    for name in ("timestamp", "last_check", "last_port_change"):
        assert before <= seconds(first[name]) <= time.time() + 1, name
    assert first["uptime_seconds"] <= time.time() - before + 1

    def later() -> dict[str, Any] | None:
        health = qsticky.health()
        return health if health["uptime_seconds"] >= first["uptime_seconds"] + 2 else None

    second = wait_until(later, what="two seconds more of uptime")
    assert seconds(second["timestamp"]) > seconds(first["timestamp"])
    assert seconds(second["last_check"]) > seconds(first["last_check"])
    assert second["last_port_change"] == first["last_port_change"], "nothing has changed since"
    hours, minutes, rest = (int(part) for part in second["uptime"].split(":"))
    assert hours * 3600 + minutes * 60 + rest == second["uptime_seconds"]


def test_failures_are_counted_and_forgotten_on_success(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)
    good = qsticky.wait_in_sync(41000)
    fake.stop()
    counted = 0
    for _ in range(3):
        wait_until(
            lambda was=counted: qsticky.health()["consecutive_failures"] > was, what="a failure more"
        )
        health = qsticky.health()
        assert health["state"] == "retrying" and "refused" in health["last_error"]
        counted = health["consecutive_failures"]
    assert health["current_port"] == 41000, "as last seen"
    assert health["last_check"] is not None
    assert health["last_port_change"] == good["last_port_change"]
    fake.start()
    qsticky.wait_in_sync(41000)


def test_a_reader_never_sees_half_a_file(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(40000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(40000)
    for port in range(41000, 41100):
        port_file.write(port)
        # each look parses the whole file and checks every field
        qsticky.wait_in_sync(port)


def test_missing_parents_are_made_and_nothing_but_the_file_is_in_the_directory(
    fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    folder = place / "a" / "b" / "c"
    qsticky = sidecar(fake, health_file=folder / "status.json")
    qsticky.wait_in_sync(41000)
    qsticky.wait_cycles(2)
    assert qsticky.stop() == 0
    (left,) = folder.iterdir()
    assert left.name == "status.json.login", "what counts failed logins, and nothing else"


@pytest.mark.parametrize("umask", ["077", "000"])
def test_what_others_are_to_read_they_can_whatever_the_umask(
    umask: str, fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """And nobody else can write it."""
    port_file.write(41000)
    folders = [place / "a", place / "a" / "b"]
    metrics = place / "m" / "qsticky.prom"
    qsticky = sidecar(
        fake,
        health_file=folders[-1] / "status.json",
        env={"QSTICKY_METRICS_FILE": str(metrics)},
        wrapper=("sh", "-c", f'umask {umask}; exec "$@"', "sh"),
    )
    qsticky.wait_in_sync(41000)
    qsticky.wait_cycles(2)
    for file in (qsticky.health_file, metrics):
        assert file.stat().st_mode & 0o7777 == 0o644, file
    for folder in (*folders, metrics.parent):
        assert folder.stat().st_mode & 0o7777 == 0o755, folder


def test_a_health_file_that_was_removed_is_written_again(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    qsticky.health_file.unlink()
    qsticky.wait_in_sync(41000)


def test_a_health_directory_that_was_removed_is_made_again_without_the_sandbox(
    fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, env={"QSTICKY_SANDBOX": "false"})
    qsticky.wait_in_sync(41000)
    # in one step: the next file may just be written
    qsticky.health_file.parent.rename(place / "removed")
    qsticky.wait_in_sync(41000)


# -- a health file that cannot be written -------------------------------------------


def check_not_healthy_while_unwritable(qsticky: Sidecar) -> None:
    wait_until(lambda: qsticky.healthcheck()[0] == 1, BY_ITS_AGE - 2, "healthcheck to fail")
    wait_until(lambda: qsticky.lines("ERROR"), what="the error")


def test_a_directory_that_turns_unwritable_is_said_once_and_is_not_healthy(
    root: None,
    public_binary: Path,
    fake: FaultyServer,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    folder = place / "health"
    folder.mkdir()
    folder.chmod(0o777)
    port_file.write(41000)
    qsticky = sidecar(
        fake, program=public_binary, wrapper=AS_NOBODY, health_file=folder / "status.json"
    )
    qsticky.wait_in_sync(41000)
    assert qsticky.healthcheck()[0] == 0

    folder.chmod(0o555)
    qsticky.strict = False
    check_not_healthy_while_unwritable(qsticky)
    checks = fake.count(PREFERENCES)
    wait_until(lambda: fake.count(PREFERENCES) >= checks + 3, what="three more checks")
    assert len(qsticky.lines("ERROR")) == 1
    assert str(folder) in qsticky.lines("ERROR")[0]
    port_file.write(42000)
    wait_until(lambda: fake.listen_port == 42000, what="the job to go on")

    folder.chmod(0o777)
    qsticky.wait_in_sync(42000)
    assert qsticky.healthcheck()[0] == 0


def test_a_directory_that_cannot_be_made_does_not_stop_the_job(
    root: None,
    public_binary: Path,
    fake: FaultyServer,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    port_file.write(41000)
    qsticky = sidecar(
        fake, program=public_binary, wrapper=AS_NOBODY, health_file=place / "no" / "status.json"
    )
    wait_until(lambda: fake.listen_port == 41000, what="the port to be set")
    check_not_healthy_while_unwritable(qsticky)
    qsticky.wait_log("ERROR")
    assert len(qsticky.lines("ERROR")) == 1
    assert not (place / "no").exists()


@pytest.fixture
def disk(root: None, place: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system with room for so many small files."""
    folder = place / "disk"
    folder.mkdir()

    def make(files: int) -> Path:
        size = f"size={files * os.sysconf('SC_PAGE_SIZE')}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True)
        return folder

    yield make
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> None:
    """Takes all room that is left."""
    with open(folder / "filler", "ab", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 1024)
        except OSError:
            pass


def test_a_full_disk_is_said_once_and_is_not_healthy(
    disk: Callable[[int], Path], fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    folder = disk(3)  # one is for status.json.login
    port_file.write(41000)
    qsticky = sidecar(fake, health_file=folder / "status.json")
    qsticky.wait_in_sync(41000)
    qsticky.strict = False

    def judged() -> int:
        qsticky.health_file.unlink(missing_ok=True)  # its room is taken too
        fill(folder)
        return qsticky.healthcheck()[0]

    wait_until(judged, BY_ITS_AGE - 2, "healthcheck to fail")
    checks = fake.count(PREFERENCES)
    wait_until(lambda: fake.count(PREFERENCES) >= checks + 3 and judged(), what="more checks")
    assert len(qsticky.lines("ERROR")) == 1

    (folder / "filler").unlink()
    qsticky.wait_in_sync(41000)
    # the next may just be written
    wait_until(
        lambda: sorted(path.name for path in folder.iterdir())
        == ["status.json", "status.json.login"],
        what="no third file",
    )
    assert qsticky.stop() == 0


def test_a_disk_with_room_for_no_second_file_is_not_an_error_at_every_other_check(
    disk: Callable[[int], Path], fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Giving up the old file makes room for the new one."""
    folder = disk(1)
    port_file.write(41000)
    qsticky = sidecar(fake, health_file=folder / "status.json")
    qsticky.strict = False
    wait_until(lambda: fake.count(PREFERENCES) >= 8, what="eight checks")
    assert len(qsticky.troubles()) <= 1


# -- what healthcheck makes of it -----------------------------------------------------


def test_a_frozen_process_is_unhealthy_after_two_intervals_and_fifteen_seconds(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, interval=1)
    qsticky.wait_in_sync(41000)
    assert qsticky.healthcheck()[0] == 0
    qsticky.signal(signal.SIGSTOP)
    try:
        stamp = seconds(qsticky.health()["timestamp"])
        code, line = wait_until(
            lambda: (result := qsticky.healthcheck())[0] and result, what="healthcheck to fail"
        )
        assert time.time() - stamp >= BY_ITS_AGE
    finally:
        qsticky.signal(signal.SIGCONT)
    assert code == 1 and line.startswith("unhealthy: ")
    wait_until(lambda: qsticky.healthcheck()[0] == 0, what="healthy again")


GOOD = {
    "healthy": True,
    "state": "in_sync",
    "current_port": 41000,
    "forwarded_port": 41000,
    "reachable": None,
    "reachable_udp": None,
    "last_check": None,
    "last_port_change": None,
    "timestamp": None,
    "uptime": "0:00:10",
    "uptime_seconds": 10,
    "consecutive_failures": 0,
    "last_error": None,
    "qbittorrent_version": "v4.5.2",
    "version": "3.0.0",
}


def good(age: float = 0, **changes: Any) -> str:
    stamps = {"timestamp": moment(age), "last_check": moment(age)}
    return json.dumps(GOOD | stamps | changes)


class Judge:
    """`healthcheck` on files that a test wrote, with nothing running."""

    def __init__(self, binary: Path, path: Path):
        self.binary = binary
        self.path = path

    def run(
        self, env: dict[str, str] | None = None, wrapper: tuple[str, ...] = ()
    ) -> tuple[int, str]:
        done = subprocess.run(
            [*wrapper, self.binary, "healthcheck"],
            env={"HEALTH_FILE": str(self.path), **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.stderr == ""
        assert done.stdout.endswith("\n") and done.stdout.count("\n") == 1, done.stdout
        assert len(done.stdout) <= 1024 and not controls(done.stdout[:-1])
        return done.returncode, done.stdout[:-1]

    def of(self, content: str | bytes, **options: Any) -> tuple[int, str]:
        self.path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.run(**options)


@pytest.fixture
def judge(binary: Path, place: Path) -> Judge:
    return Judge(binary, place / "status.json")


def test_a_healthy_file_is_healthy_and_says_port_and_age(judge: Judge) -> None:
    code, line = judge.of(good(age=12))
    assert code == 0
    assert line in (f"healthy: port 41000, checked {age} s ago" for age in range(12, 30))


def test_waiting_for_a_port_within_the_grace_is_healthy(judge: Judge) -> None:
    code, line = judge.of(
        good(state="waiting_for_port", forwarded_port=None, current_port=6881)
    )
    assert code == 0
    assert line.startswith("healthy: no forwarded port, checked ")


@pytest.mark.parametrize("state", ["error", "retrying", "waiting_for_port", "starting"])
def test_an_unhealthy_file_is_unhealthy_and_says_the_error(state: str, judge: Judge) -> None:
    code, line = judge.of(good(healthy=False, state=state, last_error="the moon is full"))
    assert code == 1
    assert line.startswith("unhealthy: the moon is full")


@pytest.mark.parametrize(("interval", "limit"), [(None, 75), (1, 17), (30, 75), (3600, 7215)])
def test_a_file_is_believed_for_two_intervals_and_fifteen_seconds(
    interval: int | None, limit: int, judge: Judge
) -> None:
    env = {} if interval is None else {"QSTICKY_CHECK_INTERVAL": str(interval)}
    assert judge.of(good(age=limit - 5), env=env)[0] == 0
    code, line = judge.of(good(age=limit + 2), env=env)
    assert code == 1 and line.startswith("unhealthy: ")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{}",
        b"null",
        b"true",
        b"healthy",
        b'"healthy": true',
        b'{"healthy": true}',
        b'{"status": "ok", "uptime": 5}',
        b"[" * 5000,
        b'{"a":' * 5000,
        b"\0" * 100,
        bytes(range(256)),
        b"\xff\xfe{\0}\0",
    ],
    ids=repr,
)
def test_a_file_that_is_not_ours_is_unhealthy(content: bytes, judge: Judge) -> None:
    code, line = judge.of(content)
    assert code == 1 and line.startswith("unhealthy: ")
    assert len(line) > len("unhealthy: ")


@pytest.mark.parametrize(
    "changes",
    [
        {"healthy": "true"},
        {"healthy": 1},
        {"healthy": None},
        {"healthy": [True]},
        {"timestamp": None},
        {"timestamp": 1700000000},
        {"timestamp": ""},
        {"timestamp": "yesterday"},
        {"timestamp": "2026-13-45T99:99:99Z"},
        {"timestamp": "9" * 50},
        {"timestamp": "NOW+09:00"},
        {"timestamp": "NOWZ\0"},
        {"timestamp": "NOW"},
    ],
    ids=repr,
)
def test_a_field_of_the_wrong_kind_is_unhealthy(changes: dict[str, Any], judge: Judge) -> None:
    now = moment(0).rstrip("Z")
    code, line = judge.of(good(**changes).replace("NOW", now))
    assert code == 1 and line.startswith("unhealthy: ")


def test_a_file_cut_anywhere_is_unhealthy(judge: Judge) -> None:
    whole = good()
    assert judge.of(whole)[0] == 0
    for cut in [*range(0, len(whole) - 1, 11), len(whole) - 1]:
        code, _ = judge.of(whole[:cut])
        assert code == 1, whole[:cut]


def test_a_huge_file_is_unhealthy(judge: Judge) -> None:
    code, line = judge.of(good(last_port_change=None, filler="x" * (10 << 20)))
    assert code == 1 and line.startswith("unhealthy: ")


def test_control_characters_in_the_error_are_not_printed(judge: Judge) -> None:
    code, line = judge.of(good(healthy=False, state="error", last_error="a\x1b[2J\nb\x7fc\x9b2J"))
    assert code == 1  # and the judge looks at every character
    assert line.startswith("unhealthy: a")


def test_a_missing_file_or_directory_is_unhealthy(judge: Judge) -> None:
    code, line = judge.run()
    assert code == 1 and line.startswith("unhealthy: ") and str(judge.path) in line
    judge.path = judge.path.parent / "no" / "status.json"
    assert judge.run()[0] == 1


@pytest.mark.parametrize("kind", ["fifo", "directory", "dangling link", "device"])
def test_what_is_no_file_is_unhealthy_and_does_not_hang(kind: str, judge: Judge) -> None:
    if kind == "fifo":
        os.mkfifo(judge.path)
    elif kind == "directory":
        judge.path.mkdir()
    elif kind == "dangling link":
        judge.path.symlink_to("nowhere")
    else:
        judge.path.symlink_to("/dev/zero")
    code, line = judge.run()
    assert code == 1 and line.startswith("unhealthy: ")


def test_a_file_that_may_not_be_read_is_unhealthy(
    root: None, public_binary: Path, judge: Judge
) -> None:
    judge.binary = public_binary
    judge.path.write_text(good())
    judge.path.chmod(0o600)
    code, line = judge.run(wrapper=AS_NOBODY)
    assert code == 1 and str(judge.path) in line
    judge.path.chmod(0o644)
    assert judge.run(wrapper=AS_NOBODY)[0] == 0


@pytest.mark.parametrize("closed", ["file", "directory"])
def test_root_judges_what_another_user_keeps_to_itself(
    closed: str,
    root: None,
    public_binary: Path,
    fake: FaultyServer,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """A service of its own user, in a directory that only that may enter: root gives up its rights,
    but not before the file is open."""
    folder = place / "private"
    folder.mkdir(mode=0o700 if closed == "directory" else 0o755)
    os.chown(folder, NOBODY, NOBODY)
    port_file.write(41000)
    qsticky = sidecar(
        fake, program=public_binary, health_file=folder / "status.json", wrapper=AS_NOBODY,
        interval=3600,
    )
    qsticky.wait_in_sync(41000)
    if closed == "file":
        qsticky.health_file.chmod(0o600)
    env = {name: value for name, value in qsticky.env.items() if "HEALTH" not in name}
    for command in (("healthcheck",), ("status",), ("status", "--json"), ("check",)):
        done = subprocess.run(
            [public_binary, *command],
            env=env | {"HEALTH_FILE": str(qsticky.health_file)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done)
        if command == ("check",):
            assert re.search(rf"ok +health file +port 41000, .* by uid {NOBODY}$", done.stdout, re.M)
        else:
            assert "41000" in done.stdout
    # Where that service is gone, whether root could write there is not what is wrong.
    qsticky.kill()
    qsticky.health_file.write_text(good(age=3 * 3600))
    assert qsticky.health_file.stat().st_uid == NOBODY
    done = subprocess.run(
        [public_binary, "check"],
        env=env | {"HEALTH_FILE": str(qsticky.health_file)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"FAIL +health file +written \d+ s ago", done.stdout), done.stdout


@pytest.mark.parametrize(
    "env",
    [
        {"QSTICKY_CHECK_INTERVAL": "soon"},
        {"QSTICKY_CHECK_INTERVAL": "0"},
        {"HEALTH_FILE": "relative"},
        {"QSTICKY_QBITTORRENT_PORT": "none", "QSTICKY_LOG_LEVEL": "loud"},
    ],
    ids=repr,
)
def test_a_wrong_configuration_never_makes_another_exit_code(
    env: dict[str, str], judge: Judge
) -> None:
    assert subprocess.run(
        [judge.binary, "healthcheck"],
        env={"HEALTH_FILE": str(judge.path), **env},
        capture_output=True,
        check=False,
    ).returncode in (0, 1)


def test_healthcheck_needs_no_network(root: None, judge: Judge) -> None:
    assert judge.of(good(), wrapper=("unshare", "--net"))[0] == 0


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-", ">/dev/full"])
def test_healthcheck_without_a_usable_stdout_keeps_its_exit_codes(
    closed: str, judge: Judge
) -> None:
    for content, code in ((good(), 0), (good(healthy=False, last_error="x"), 1), ("", 1)):
        judge.path.write_text(content)
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" healthcheck {closed}', judge.binary],
            env={"HEALTH_FILE": str(judge.path)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == code

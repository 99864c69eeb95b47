"""At most four failed logins, whatever happens, until something really changed; and right credentials
always get in again. The real qBittorrents ban at the fifth; the scripted one counts as they do."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import clock
import versions
from clock import Clock
from conftest import AS_NOBODY, NOBODY, MakeSidecar, Sidecar
from faults import close_at_once, silence
from faulty_server import LOGIN, PREFERENCES, FaultyServer
from harness import PATIENCE, PortFile, QBittorrent, free_port, wait_until
from listener import Listener

WRONG = "battery staple"
RIGHT = "correct horse"
EACH_VERSION = pytest.mark.parametrize("version", versions.VERSIONS)
MOVES_CLOCK = pytest.mark.skipif(not clock.MOVABLE, reason="no clock.py for this machine")
TEN_MINUTES = 600


@pytest.fixture
def server(new_fake: Callable[..., FaultyServer], port_file: PortFile) -> FaultyServer:
    port_file.write(41000)
    return new_fake(password=RIGHT).start()


def run_to_end(qsticky: Sidecar) -> subprocess.CompletedProcess[str]:
    """A command of qsticky that ends by itself."""
    return subprocess.run(
        qsticky.command, env=qsticky.env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def wait_checks(server: FaultyServer, count: int = 3) -> None:
    checks = server.count(PREFERENCES)
    wait_until(lambda: server.count(PREFERENCES) >= checks + count, what="more checks")


# -- what is no restart of qBittorrent ------------------------------------------------


def test_refused_connections_bring_no_login(server: FaultyServer, sidecar: MakeSidecar) -> None:
    """As where a proxy restarts, or where one address of a name refuses."""
    qsticky = sidecar(server, password=WRONG)
    qsticky.wait_health(login="rejected", state="error")
    for _ in range(4):
        Listener.stop(server)  # it is the same process that answers afterwards
        qsticky.wait_refused_twice()
        assert qsticky.health()["login"] == "rejected", "still known"
        Listener.start(server)
        wait_checks(server)
    assert server.count(LOGIN) == 1


def test_without_a_login_page_no_restart_is_inferred(
    server: FaultyServer, sidecar: MakeSidecar
) -> None:
    server.has_login_page = False
    qsticky = sidecar(server, password=WRONG)
    qsticky.wait_health(state="error")
    server.stop()
    qsticky.wait_refused_twice()
    server.start()
    wait_checks(server)
    assert server.count(LOGIN) == 1


# -- what is one ------------------------------------------------------------------------


@EACH_VERSION
def test_a_restart_of_qbittorrent_is_seen(
    version: str,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_qbittorrent(password=RIGHT, version=version).start()
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server, password=WRONG)
    qsticky.wait_health(state="error", login="rejected")
    # Settings and another language are none.
    server.set_preferences({"locale": "de", "listen_port": free_port()})
    qsticky.wait_cycles(3)
    server.set_preferences({"locale": "en"})  # its log is read below
    qsticky.wait_cycles(1)
    server.restart()
    qsticky.wait_log("qBittorrent was restarted")
    wait_until(lambda: server.logins().failure == 2, what="one login at the new one")
    qsticky.wait_cycles(3)
    assert server.logins() == (0, 2, 0)
    server.set_preferences({"web_ui_password": WRONG})
    server.restart()
    server.password = WRONG
    assert qsticky.wait_in_sync(port)["login"] is None


@MOVES_CLOCK
def test_a_restart_with_the_right_password_ends_what_was_given_up(
    server: FaultyServer, sidecar: MakeSidecar, place: Path
) -> None:
    qsticky = sidecar(server, password=WRONG)
    qsticky.wait_health(state="error")
    with Clock(qsticky.pid) as moved:
        moved.move(TEN_MINUTES)
        wait_until(lambda: server.count(LOGIN) == 2, what="the second login")
        moved.move(100 * TEN_MINUTES)
        wait_checks(server)
        assert server.count(LOGIN) == 2
        error = qsticky.health()["last_error"]
        assert "until the credentials are changed or qBittorrent restarts or you send SIGHUP" in error
        server.password = WRONG
        server.restart()
        qsticky.wait_in_sync(41000)


@MOVES_CLOCK
def test_where_a_restart_cannot_be_seen_it_says_what_helps_and_that_helps(
    server: FaultyServer, sidecar: MakeSidecar, place: Path
) -> None:
    server.has_login_page = False
    qsticky = sidecar(server, password=WRONG)
    qsticky.wait_health(state="error")
    with Clock(qsticky.pid) as moved:
        moved.move(TEN_MINUTES)
        wait_until(lambda: server.count(LOGIN) == 2, what="the second login")
        wait_checks(server, 1)  # it is answered
        server.password = WRONG
        server.restart()
        wait_checks(server)
        error = qsticky.health()["last_error"]
        assert "qsticky cannot see a restart of qBittorrent here" in error
        assert "you send SIGHUP (docker kill -s HUP)" in error
        qsticky.signal(signal.SIGHUP)
        qsticky.wait_in_sync(41000)


@MOVES_CLOCK
@pytest.mark.parametrize("ids", [("a", "b"), None], ids=["a load balancer", "a proxy's own ids"])
def test_cache_ids_that_come_and_go_are_no_restarts(
    server: FaultyServer, sidecar: MakeSidecar, ids: tuple[str, ...] | None
) -> None:
    """As of two qBittorrents that are asked in turn, or of pages that a proxy has changed."""
    pages = itertools.cycle(ids) if ids else (f"page{number}" for number in itertools.count())
    server.cache_id = lambda: next(pages)
    qsticky = sidecar(server, password=WRONG)
    qsticky.wait_health(state="error", login="rejected")
    with Clock(qsticky.pid) as moved:
        for step in range(1, 7):
            moved.move(step * TEN_MINUTES)
            wait_checks(server)
        assert server.failed_logins == 2
        assert "qsticky cannot see a restart of qBittorrent here" in qsticky.health()["last_error"]
        assert not [line for line in qsticky.log if "was restarted" in line]
        server.password = WRONG
        qsticky.signal(signal.SIGHUP)
        qsticky.wait_in_sync(41000)


def test_a_server_that_comes_back_has_its_count_again(
    server: FaultyServer, sidecar: MakeSidecar, place: Path
) -> None:
    """As where a proxy takes another one while the first is away."""
    password = place / "password"
    password.write_text("first")
    env = {"QSTICKY_QBITTORRENT_PASS": "", "QSTICKY_QBITTORRENT_PASS_FILE": str(password)}
    server.cache_id = lambda: "first"
    qsticky = sidecar(server, env=env)
    for count, wrong in enumerate(("second", "third", "fourth", "fifth"), 1):
        wait_until(lambda n=count: server.count(LOGIN) == n, what="a login")
        password.write_text(wrong)
    qsticky.wait_health(login="held_back")
    server.cache_id = lambda: "second"
    wait_until(lambda: server.count(LOGIN) == 5, what="a login at the other one")
    server.cache_id = lambda: "first"
    wait_checks(server)
    password.write_text("sixth")
    wait_checks(server)
    assert server.count(LOGIN) == 5, "the first has counted four"
    assert qsticky.health()["login"] == "held_back"


# -- one budget for all ----------------------------------------------------------------


@EACH_VERSION
def test_ten_starts_with_a_wrong_password_are_one_failed_login(
    version: str,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
    place: Path,
) -> None:
    """As autoheal or a liveness probe has it, or a person who asks `check` and `once` again and again."""
    server = new_qbittorrent(password=RIGHT, version=version).start()
    port = free_port()
    port_file.write(port)
    health = place / "health" / "status.json"
    for turn in range(10):
        health.unlink(missing_ok=True)  # of one that was killed
        qsticky = sidecar(server, password=WRONG, health_file=health)
        assert qsticky.wait_health(state="error")["login"] == "rejected"
        if turn % 2:
            qsticky.kill()
        else:
            assert qsticky.stop() == 0
        for command in ("once", "check"):
            beside = sidecar(server, password=WRONG, health_file=health, args=(command,), start=False)
            assert run_to_end(beside).returncode == 1
    assert server.logins() == (0, 1, 0)
    # The address is not banned: the right password gets in at once.
    qsticky = sidecar(server, health_file=health)
    qsticky.wait_in_sync(port)


@MOVES_CLOCK
def test_no_change_of_credentials_brings_a_fifth_failed_login(
    server: FaultyServer, sidecar: MakeSidecar, place: Path
) -> None:
    password = place / "password"
    password.write_text("first")
    env = {"QSTICKY_QBITTORRENT_PASS": "", "QSTICKY_QBITTORRENT_PASS_FILE": str(password)}
    qsticky = sidecar(server, env=env)
    qsticky.wait_health(login="rejected")
    for count, wrong in enumerate(("second", "third", "fourth"), 2):
        password.write_text(wrong)
        wait_until(lambda n=count: server.count(LOGIN) == n, what="a login with the new password")
    other = "another user, password or server than at the last login"
    qsticky.wait_log(other)
    with Clock(qsticky.pid) as moved:
        for step in range(1, 4):
            password.write_text(f"another {step}")
            moved.move(step * TEN_MINUTES)
            wait_checks(server)
        # Each is told once, and not by each check while the next login waits.
        told = "".join(qsticky.log).count(other)
        wait_checks(server)
        assert "".join(qsticky.log).count(other) == told
    assert server.count(LOGIN) == server.failed_logins == 4
    assert qsticky.health()["login"] == "held_back"
    password.write_text(RIGHT)
    server.restart()
    qsticky.wait_in_sync(41000)


def test_a_kill_during_a_login_does_not_hide_it(
    server: FaultyServer, sidecar: MakeSidecar, place: Path
) -> None:
    server.fault(LOGIN, silence())
    health = place / "health" / "status.json"
    for turn in range(1, 5):
        qsticky = sidecar(server, password=WRONG, health_file=health)
        if turn <= 2:
            wait_until(lambda n=turn: server.count(LOGIN) == n, what="the login")
        else:
            qsticky.wait_health(login="held_back")
        qsticky.kill()
    assert server.count(LOGIN) == 2, "the third comes a minute later"


def test_two_at_a_time_do_not_spend_the_same_login(
    server: FaultyServer, sidecar: MakeSidecar, place: Path
) -> None:
    server.fault(LOGIN, silence())
    health = place / "health" / "status.json"
    qsticky = sidecar(server, password=WRONG, health_file=health)
    wait_until(lambda: server.count(LOGIN) == 1, what="the login")
    beside = sidecar(server, password=WRONG, health_file=health, args=("check",), start=False)
    assert "another qsticky is logging in" in run_to_end(beside).stdout
    assert server.count(LOGIN) == 1
    qsticky.kill()


@MOVES_CLOCK
def test_a_password_that_was_accepted_is_not_given_up_for_want_of_an_answer(
    server: FaultyServer, sidecar: MakeSidecar, place: Path
) -> None:
    qsticky = sidecar(server)
    qsticky.wait_in_sync(41000)
    server.fault(LOGIN, close_at_once())
    server.forget_sessions()
    with Clock(qsticky.pid) as moved:
        for count in range(2, 10):
            wait_until(lambda n=count: server.count(LOGIN) >= n, what="another login")
            wait_checks(server, 1)
            moved.move((count - 1) * TEN_MINUTES)
        assert not qsticky.health()["healthy"]
        server.heal()
        wait_checks(server)
        moved.move(10 * TEN_MINUTES)
        qsticky.wait_in_sync(41000)


@MOVES_CLOCK
def test_a_clock_that_is_set_back_holds_a_login_for_ten_minutes_at_most(
    server: FaultyServer, sidecar: MakeSidecar, place: Path
) -> None:
    """As on a board without a clock of its own, where it is 1970 until NTP answers."""
    qsticky = sidecar(server, password=WRONG)
    qsticky.wait_health(login="rejected")
    with Clock(qsticky.pid) as moved:
        moved.move(-int(time.time()) + 100)
        wait_checks(server)
        assert server.count(LOGIN) == 1
        moved.move(-int(time.time()) + 100 + TEN_MINUTES + int(PATIENCE))
        wait_until(lambda: server.count(LOGIN) == 2, what="the second login")


# -- its file ------------------------------------------------------------------------------


def test_it_holds_no_credentials_and_is_for_its_user_alone(
    server: FaultyServer, sidecar: MakeSidecar
) -> None:
    old = os.umask(0)
    try:
        qsticky = sidecar(server, user="somebody", password=WRONG)
    finally:
        os.umask(old)
    qsticky.wait_health(login="rejected")
    budget = Path(f"{qsticky.health_file}.login")
    assert budget.stat().st_mode & 0o7777 == 0o600
    text = budget.read_text()
    assert WRONG not in text and "somebody" not in text
    assert not re.search(rf"\b{server.port}\b", text)  # in a digest five digits may be by chance
    assert qsticky.stop() == 0
    assert budget.read_text() == text, "it outlives a stop"


def test_where_nothing_can_be_written_the_sidecar_counts_in_memory_and_says_so_once(
    root: None, server: FaultyServer, sidecar: MakeSidecar, public_binary: Path, place: Path
) -> None:
    folder = place / "closed"
    folder.mkdir(mode=0o555)
    options = {
        "password": WRONG,
        "program": public_binary,
        "wrapper": AS_NOBODY,
        "health_file": folder / "status.json",
    }
    qsticky = sidecar(server, **options)
    said = qsticky.wait_log("failed logins are counted in memory only")
    assert " WARN " in said and "Permission denied" in said
    wait_checks(server, 5)
    assert server.count(LOGIN) == 1
    assert len([line for line in qsticky.log if "in memory only" in line]) == 1
    for command in ("once", "check"):
        done = run_to_end(sidecar(server, args=(command,), start=False, **options))
        assert "failed logins cannot be counted" in done.stdout + done.stderr
    assert server.count(LOGIN) == 1


@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_what_was_counted_holds_where_the_file_cannot_be_written_any_more(
    root: None,
    server: FaultyServer,
    sidecar: MakeSidecar,
    public_binary: Path,
    place: Path,
    mode: int,
) -> None:
    """As on a disk that is read-only after an error, or where `user:` has changed."""
    folder = place / "health"
    folder.mkdir()
    options = {"program": public_binary, "health_file": folder / "status.json"}
    qsticky = sidecar(server, password=WRONG, **options)
    qsticky.wait_health(login="rejected")
    qsticky.kill()
    budget = folder / "status.json.login"
    budget.chmod(mode)
    shutil.chown(folder, NOBODY, NOBODY)
    (folder / "status.json").unlink()
    for _ in range(3):
        qsticky = sidecar(server, password=WRONG, wrapper=AS_NOBODY, **options)
        said = qsticky.wait_log("login budget: ")
        assert "Permission denied" in said
        qsticky.wait_health(login="rejected" if mode else "held_back")
        qsticky.kill()
    assert server.count(LOGIN) == 1
    qsticky = sidecar(server, wrapper=AS_NOBODY, **options)
    if not mode:
        assert "no login before SIGHUP" in qsticky.wait_log("login budget: ")
        qsticky.wait_health(login="held_back")
        qsticky.signal(signal.SIGHUP)
    qsticky.wait_in_sync(41000)


def test_root_beside_a_service_of_another_user_shares_its_file(
    root: None, server: FaultyServer, sidecar: MakeSidecar, public_binary: Path, place: Path
) -> None:
    folder = place / "health"
    folder.mkdir()
    shutil.chown(folder, NOBODY, NOBODY)
    options = {
        "password": WRONG, "program": public_binary, "health_file": folder / "status.json"
    }
    qsticky = sidecar(server, wrapper=AS_NOBODY, **options)
    qsticky.wait_health(login="rejected")
    done = run_to_end(sidecar(server, args=("check",), start=False, **options))
    assert "not tried now" in done.stdout and "user name or password rejected" in done.stdout
    assert server.count(LOGIN) == 1
    assert (folder / "status.json.login").stat().st_uid == NOBODY
    qsticky.signal(signal.SIGHUP)
    wait_until(lambda: server.count(LOGIN) == 2, what="the login after SIGHUP")


def test_a_damaged_file_is_said_and_taken_for_spent(
    server: FaultyServer, sidecar: MakeSidecar, place: Path
) -> None:
    folder = place / "health"
    folder.mkdir()
    (folder / "status.json.login").write_text("qsticky logins 1\nfailed 0\n" + WRONG)
    qsticky = sidecar(server, health_file=folder / "status.json")
    said = qsticky.wait_log("is damaged")
    assert WRONG not in said
    wait_checks(server)
    assert server.count(LOGIN) == 0 and qsticky.health()["login"] == "held_back"
    qsticky.signal(signal.SIGHUP)
    qsticky.wait_in_sync(41000)

"""User name and password from files: where they come from, when they are read again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import AS_NOBODY, NOBODY, MakeSidecar
from faulty_server import LOGIN, PREFERENCES, FaultyServer
from harness import PortFile, QBittorrent, free_port


def from_file(path: Path) -> dict[str, str]:
    return {"QSTICKY_QBITTORRENT_PASS": "", "QSTICKY_QBITTORRENT_PASS_FILE": str(path)}


def replace(path: Path, text: str) -> None:
    """In one step, as a secret is rotated."""
    new = path.with_name("new")
    new.write_text(text)
    new.rename(path)


def test_user_and_password_come_from_files(
    new_qbittorrent: Callable[..., QBittorrent],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_qbittorrent(user="zoe", password="correct horse").start()
    (place / "user").write_text("zoe\n")
    (place / "pass").write_text("correct horse\n")
    port = free_port()
    port_file.write(port)
    env = {"QSTICKY_QBITTORRENT_USER": "", "QSTICKY_QBITTORRENT_USER_FILE": str(place / "user")}
    qsticky = sidecar(server, env=env | from_file(place / "pass"))
    qsticky.wait_in_sync(port)
    assert server.logins() == (1, 0, 0)
    assert not [line for line in qsticky.log if "correct" in line or "zoe" in line]


def test_a_rotated_password_needs_no_restart(
    new_qbittorrent: Callable[..., QBittorrent],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_qbittorrent(password="first word").start()
    secret = place / "pass"
    secret.write_text("first word")
    port_file.write(free_port())
    qsticky = sidecar(server, env=from_file(secret))
    qsticky.wait_health(state="in_sync")

    server.set_preferences({"web_ui_password": "second word"})
    server.password = "second word"
    replace(secret, "second word")
    server.restart()
    port = free_port()
    port_file.write(port)
    qsticky.wait_in_sync(port)
    assert server.logins().failure == 0


def test_another_password_in_the_file_is_tried_although_the_last_was_rejected(
    new_fake: Callable[..., FaultyServer],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_fake(password="correct horse").start()
    secret = place / "pass"
    secret.write_text("battery staple\n")
    port_file.write(41000)
    qsticky = sidecar(server, env=from_file(secret))
    qsticky.wait_health(state="error")
    qsticky.wait_cycles(3)
    assert server.count(LOGIN) == 1

    replace(secret, "battery staple")  # only the newline is gone: the same password
    qsticky.wait_cycles(3)
    assert server.count(LOGIN) == 1

    replace(secret, "correct horse\n")
    qsticky.wait_in_sync(41000)
    assert server.count(LOGIN) == 2


@pytest.mark.parametrize("what", ["missing", "empty", "directory", "fifo", "unreadable"])
def test_a_file_without_a_password_is_named_and_nothing_is_sent(
    what: str,
    fake: FaultyServer,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    secret = place / "pass"
    if what == "empty":
        secret.touch()
    elif what == "directory":
        secret.mkdir()
    elif what == "fifo":
        os.mkfifo(secret)
    elif what == "unreadable":
        secret.symlink_to(secret)  # also for root
    port_file.write(41000)
    qsticky = sidecar(fake, env=from_file(secret))
    health = qsticky.wait_failed()
    assert str(secret) in health["last_error"]
    qsticky.wait_cycles(2)
    assert fake.count(LOGIN) == 0

    if what == "directory":
        secret.rmdir()
    else:
        secret.unlink(missing_ok=True)
    secret.write_text(fake.password)
    qsticky.wait_in_sync(41000)
    assert fake.count(LOGIN) == 1


def test_sighup_reads_the_file_again_and_tries_it(
    new_fake: Callable[..., FaultyServer],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_fake(password="correct horse").start()
    secret = place / "pass"
    secret.write_text("battery staple")
    port_file.write(41000)
    # So long that only the signal can bring the next cycle within this test.
    qsticky = sidecar(server, env=from_file(secret), interval=3600)
    qsticky.wait_health(state="error")
    replace(secret, "correct horse")
    qsticky.signal(signal.SIGHUP)
    qsticky.wait_in_sync(41000)
    assert server.count(LOGIN) == 2


def test_a_variable_and_its_file_together_are_an_error(
    fake: FaultyServer, place: Path, sidecar: MakeSidecar
) -> None:
    env = {
        "QSTICKY_QBITTORRENT_PASS": "hush hush",
        "QSTICKY_QBITTORRENT_PASS_FILE": str(place / "pass"),
        "QSTICKY_QBITTORRENT_USER": "",
        "QSTICKY_QBITTORRENT_USER_FILE": "not absolute",
    }
    qsticky = sidecar(fake, env=env)
    assert qsticky.wait() == 2
    user, password = qsticky.lines("ERROR")
    assert "QSTICKY_QBITTORRENT_USER_FILE" in user and "not absolute" not in user
    assert "QSTICKY_QBITTORRENT_PASS_FILE" in password and "hush" not in password
    assert fake.count(PREFERENCES) == fake.count(LOGIN) == 0


def test_the_usual_place_is_looked_at_without_any_variable(
    root: None, fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """In a mount namespace where /run/secrets is what an orchestrator would have mounted."""
    secrets = place / "secrets"
    secrets.mkdir()
    (secrets / "qbittorrent_user").write_text(f"{fake.user}\n")
    (secrets / "qbittorrent_pass").write_text(f"{fake.password}\n")
    script = (
        f"mount -t tmpfs none /run && mkdir /run/secrets && cp {secrets}/* /run/secrets && "
        'exec "$@"'
    )
    port_file.write(41000)
    env = {"QSTICKY_QBITTORRENT_USER": "", "QSTICKY_QBITTORRENT_PASS": ""}
    wrapper = ("unshare", "--mount", "sh", "-c", script, "sh")
    qsticky = sidecar(fake, env=env, wrapper=wrapper)
    qsticky.wait_in_sync(41000)
    assert fake.count(LOGIN) == 1


def closed_secrets(mode: str, commands: str = ":") -> tuple[str, ...]:
    """A wrapper: nobody, with a /run/secrets of root's, of that mode; `commands` fill it."""
    script = (
        f"mount -t tmpfs none /run && mkdir /run/secrets && {commands} && "
        f'chmod {mode} /run/secrets && exec {" ".join(AS_NOBODY)} "$@"'
    )
    return ("unshare", "--mount", "sh", "-c", script, "sh")


@pytest.fixture
def nobodys_health(place: Path) -> Path:
    (place / "health").mkdir()
    os.chown(place / "health", NOBODY, NOBODY)
    return place / "health" / "status.json"


@pytest.mark.parametrize("password", ["hush hush", ""], ids=["given", "not needed"])
def test_a_closed_usual_place_is_no_place(
    password: str,
    root: None,
    public_binary: Path,
    new_fake: Callable[..., FaultyServer],
    port_file: PortFile,
    nobodys_health: Path,
    sidecar: MakeSidecar,
) -> None:
    """Nobody has set anything to do with it: it is somebody else's."""
    server = new_fake(password=password or "unknown", local_auth=bool(password)).start()
    port_file.write(41000)
    qsticky = sidecar(
        server,
        program=public_binary,
        password=password,
        health_file=nobodys_health,
        wrapper=closed_secrets("0700"),
    )
    qsticky.wait_in_sync(41000)
    qsticky.wait_cycles(2)
    assert not qsticky.troubles()
    assert not any("webhook" in line for line in qsticky.log)
    (line,) = [line for line in qsticky.log if "/run/secrets" in line]
    assert "DEBUG" in line and "no permission, treated as missing" in line


def test_an_unreadable_key_in_the_usual_place_leaves_user_and_password(
    root: None,
    public_binary: Path,
    fake: FaultyServer,
    port_file: PortFile,
    nobodys_health: Path,
    sidecar: MakeSidecar,
) -> None:
    port_file.write(41000)
    qsticky = sidecar(
        fake,
        program=public_binary,
        health_file=nobodys_health,
        wrapper=closed_secrets("0755", "touch /run/secrets/qbittorrent_api_key && chmod 600 /run/secrets/*"),
    )
    qsticky.wait_in_sync(41000)
    assert not qsticky.troubles()


def test_instead_of_an_unreadable_password_no_default_is_sent(
    root: None,
    public_binary: Path,
    fake: FaultyServer,
    port_file: PortFile,
    nobodys_health: Path,
    sidecar: MakeSidecar,
) -> None:
    """It is there, so it was meant; and a wrong login counts."""
    port_file.write(41000)
    qsticky = sidecar(
        fake,
        program=public_binary,
        password="",
        health_file=nobodys_health,
        wrapper=closed_secrets("0755", "touch /run/secrets/qbittorrent_pass && chmod 600 /run/secrets/*"),
    )
    health = qsticky.wait_failed()
    assert f"/run/secrets/qbittorrent_pass: no permission for uid {NOBODY}" in health["last_error"]
    qsticky.wait_cycles(2)
    assert fake.count(LOGIN) == 0


def test_what_an_editor_adds_to_a_file_is_no_part_of_the_password(
    new_qbittorrent: Callable[..., QBittorrent],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_qbittorrent(user="zoe", password=' "correct horse" ').start()
    (place / "user").write_bytes(b"\xef\xbb\xbfzoe\r\n")
    (place / "pass").write_bytes(b'\xef\xbb\xbf "correct horse" \r\n\r\n')
    port = free_port()
    port_file.write(port)
    env = {"QSTICKY_QBITTORRENT_USER": "", "QSTICKY_QBITTORRENT_USER_FILE": str(place / "user")}
    qsticky = sidecar(server, env=env | from_file(place / "pass"))
    qsticky.wait_in_sync(port)
    assert server.logins() == (1, 0, 0)


def test_a_file_of_several_lines_is_named_and_nothing_is_sent(
    fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    secret = place / "pass"
    secret.write_text(f"# for qsticky\n{fake.password}\n")
    port_file.write(41000)
    qsticky = sidecar(fake, env=from_file(secret))
    error = qsticky.wait_failed()["last_error"]
    assert f"{secret}: has several lines: leave only the secret" in error
    qsticky.wait_cycles(2)
    assert fake.count(LOGIN) == 0


def test_what_looks_odd_about_a_rejected_password_is_said_and_not_shown(
    new_qbittorrent: Callable[..., QBittorrent],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """Also while the next login waits."""
    server = new_qbittorrent(password="correct horse").start()
    secret = place / "pass"
    secret.write_text('"correct horse"\n')
    port_file.write(free_port())
    odd = f"rejected: the password is in quotes; correct {secret};"
    qsticky = sidecar(server, env=from_file(secret))
    error = qsticky.wait_health(state="error", login="rejected")["last_error"]
    assert odd in error
    qsticky.wait_cycles(2)
    assert qsticky.health()["last_error"] == error
    assert not [line for line in qsticky.log if "horse" in line]
    assert server.logins() == (0, 1, 0)


def test_a_default_that_is_rejected_is_named(
    new_qbittorrent: Callable[..., QBittorrent], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_qbittorrent(password="correct horse").start()
    port_file.write(free_port())
    qsticky = sidecar(server, env={"QSTICKY_QBITTORRENT_PASS": "\r"})
    error = qsticky.wait_health(state="error", login="rejected")["last_error"]
    assert "no password is set, so the default adminadmin was tried" in error
    usual = "/run/secrets/qbittorrent_pass"
    assert f"({usual}: No such file or directory); set QSTICKY_QBITTORRENT_PASS" in error


def test_that_the_usual_place_is_closed_is_said_when_the_default_is_rejected(
    root: None,
    public_binary: Path,
    new_fake: Callable[..., FaultyServer],
    port_file: PortFile,
    nobodys_health: Path,
    sidecar: MakeSidecar,
) -> None:
    server = new_fake(password="correct horse").start()
    port_file.write(41000)
    qsticky = sidecar(
        server,
        program=public_binary,
        password="",
        health_file=nobodys_health,
        wrapper=closed_secrets("0700"),
    )
    error = qsticky.wait_health(state="error", login="rejected")["last_error"]
    assert "(/run/secrets/qbittorrent_pass: Permission denied); set QSTICKY_QBITTORRENT_PASS" in error


@pytest.mark.parametrize("old", [False, True], ids=["variables", "variables of 2.x"])
def test_a_rejected_login_names_what_was_used(
    old: bool,
    new_qbittorrent: Callable[..., QBittorrent],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_qbittorrent(password="correct horse").start()
    secret = place / "pass"
    secret.write_text("battery staple")
    port_file.write(free_port())
    user = "QBITTORRENT_USER" if old else "QSTICKY_QBITTORRENT_USER"
    env = {"QSTICKY_QBITTORRENT_USER": "", user: "zoe"}
    qsticky = sidecar(server, env=env | from_file(secret))
    error = qsticky.wait_health(state="error", login="rejected")["last_error"]
    assert f"rejected: correct {user} and {secret} (since" in error
    qsticky.wait_cycles(2)
    assert qsticky.health()["last_error"] == error, "also while the next login waits"

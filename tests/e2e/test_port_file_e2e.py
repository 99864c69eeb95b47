"""Point 1: every way in which the forwarded port reaches the file, and every content that is
none, each against a real qBittorrent. QSTICKY_CHECK_INTERVAL is an hour where the event alone
must have done it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import AS_NOBODY, EMPTY_S, MakeSidecar, missing
from faulty_server import SET_PREFERENCES, FaultyServer
from harness import PortFile, QBittorrent, free_port, wait_until, with_mounted

HOUR = 3600


def test_a_port_that_is_there_before_start_is_set(
    qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    before, port = qbittorrent.listen_port(), free_port()
    port_file.write(port)
    qsticky = sidecar(qbittorrent, interval=HOUR)

    health = qsticky.wait_in_sync(port)
    assert qbittorrent.listen_port() == port
    assert health["last_port_change"] is not None
    assert health["qbittorrent_version"].lstrip("v") == "4.5.2"
    qsticky.wait_log(f"port change needed: {before} -> {port}")
    wait_until(lambda: qbittorrent.accepts_connections(port), what="the port to be open")


def test_a_port_that_qbittorrent_already_has_is_not_a_change(
    qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(qbittorrent.listen_port())
    qsticky = sidecar(qbittorrent, interval=HOUR)

    health = qsticky.wait_in_sync(qbittorrent.listen_port())
    assert health["last_port_change"] is None
    assert not any("port change needed" in line for line in qsticky.log)


def absent_then_made(port_file: PortFile) -> Callable[[int], None]:
    return lambda port: port_file.write(port)


def directory_absent_then_made(port_file: PortFile) -> Callable[[int], None]:
    port_file.path.parent.rmdir()

    def change(port: int) -> None:
        port_file.path.parent.mkdir()
        port_file.write(port)

    return change


def parents_absent_then_made(port_file: PortFile) -> Callable[[int], None]:
    port_file.path.parent.rmdir()
    port_file.path = port_file.path.parent / "deep" / "deeper" / "forwarded_port"

    def change(port: int) -> None:
        port_file.path.parent.mkdir(parents=True)
        port_file.write(port)

    return change


def written_in_place(port_file: PortFile) -> Callable[[int], None]:
    port_file.write(free_port())
    return lambda port: port_file.write(port)


def written_in_place_after_empty(port_file: PortFile) -> Callable[[int], None]:
    port_file.clear()
    return lambda port: port_file.write(port)


def renamed_over(port_file: PortFile) -> Callable[[int], None]:
    port_file.write(free_port())
    return lambda port: port_file.rename_over(f"{port}\n")


def deleted_and_created(port_file: PortFile) -> Callable[[int], None]:
    port_file.write(free_port())

    def change(port: int) -> None:
        port_file.remove()
        port_file.write(port)

    return change


def directory_deleted_and_made_again(port_file: PortFile) -> Callable[[int], None]:
    port_file.write(free_port())

    def change(port: int) -> None:
        shutil.rmtree(port_file.path.parent)
        port_file.path.parent.mkdir()
        port_file.write(port)

    return change


def directory_replaced_by_rename(port_file: PortFile) -> Callable[[int], None]:
    port_file.write(free_port())

    def change(port: int) -> None:
        folder = port_file.path.parent
        new = PortFile(folder.with_name("new") / port_file.path.name)
        new.write(port)
        folder.rename(folder.with_name("old"))
        new.path.parent.rename(folder)

    return change


def symlink_turned(port_file: PortFile) -> Callable[[int], None]:
    target = port_file.path.with_name("first")
    target.write_text(str(free_port()))
    port_file.path.symlink_to(target)

    def change(port: int) -> None:
        second = port_file.path.with_name("second")
        second.write_text(str(port))
        link = port_file.path.with_name("link")
        link.symlink_to(second)
        link.rename(port_file.path)

    return change


@pytest.mark.parametrize(
    "way",
    [
        absent_then_made,
        directory_absent_then_made,
        parents_absent_then_made,
        written_in_place,
        written_in_place_after_empty,
        renamed_over,
        deleted_and_created,
        directory_deleted_and_made_again,
        directory_replaced_by_rename,
        symlink_turned,
    ],
)
def test_a_change_of_the_file_is_followed_by_its_event_alone(
    way: Callable[[PortFile], Callable[[int], None]],
    place: Path,
    port_file: PortFile,
    qbittorrent: QBittorrent,
    sidecar: MakeSidecar,
) -> None:
    change = way(port_file)
    qsticky = sidecar(
        qbittorrent, interval=HOUR, env={"QSTICKY_PORT_FILE_PATH": str(port_file.path)}
    )
    # its first cycle is over: from here on only an event can start another within the hour
    wait_until(
        lambda: (qsticky.health() or {}).get("state") in ("in_sync", "waiting_for_port"),
        what="the first cycle",
    )
    for _ in range(3):  # the watch must outlive what it reports
        port = free_port()
        change(port)
        qsticky.wait_in_sync(port)
        assert qbittorrent.listen_port() == port
        change = written_in_place(port_file) if way is absent_then_made else change
        if way in (directory_absent_then_made, parents_absent_then_made):
            shutil.rmtree(port_file.path.parent)
        if way is directory_replaced_by_rename:
            shutil.rmtree(place / "old")
        if way is symlink_turned:
            port_file.path.with_name("second").unlink(missing_ok=True)
            break


def test_a_directory_that_is_mounted_later_is_found_by_the_poll(
    root: None,
    qbittorrent: QBittorrent,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    port, volume = free_port(), PortFile(place / "volume" / "forwarded_port")
    volume.write(port)
    # mounted in a namespace of its own, by a shell that runs on beside qsticky's start
    script = """while [ -d "$0" ] && [ ! -e "$0/go" ]; do sleep 0.05; done
        mount --bind "$0/volume" "$0/gluetun" """
    qsticky = sidecar(
        qbittorrent,
        wrapper=("unshare", "--mount", "sh", "-c", f'({script}) 2>&- & exec "$@"', str(place)),
    )
    qsticky.wait_health(state="waiting_for_port")
    (place / "go").touch()
    qsticky.wait_in_sync(port)
    assert qbittorrent.listen_port() == port


@pytest.mark.parametrize(
    "text",
    ["{}", "{}\n", "{}\r\n", "  {}\t\n", "\n\n{}\n", "\r\n \n{}\r\n\r\n", "{}\n{other}"],
    ids=["bare", "lf", "crlf", "blanks", "empty lines", "empty crlf lines", "two ports"],
)
def test_the_first_port_counts_whatever_blanks_are_round_it(
    text: str, qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port, other = free_port(), free_port()
    port_file.write_bytes(text.format(port, other=other).encode())
    sidecar(qbittorrent, interval=HOUR).wait_in_sync(port)
    assert qbittorrent.listen_port() == port


def test_of_several_ports_the_first_is_set_and_the_others_are_named_at_debug(
    qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    ports = [free_port() for _ in range(5)]
    port_file.write(*ports)
    qsticky = sidecar(qbittorrent, interval=HOUR)
    qsticky.wait_in_sync(ports[0])
    assert qbittorrent.listen_port() == ports[0]
    for port in ports[1:]:
        assert any(str(port) in line for line in qsticky.lines("DEBUG")), port
        assert not any(str(port) in line for line in qsticky.lines("INFO")), port


# -- what is no port ------------------------------------------------------------


BAD = {
    "zero": b"0",
    "seventy thousand": b"70000",
    "65536": b"65536",
    "two to the 32 and a port": b"4295008296",
    "minus one": b"-1",
    "plus": b"+41000",
    "hexadecimal": b"0xa028",
    "fraction": b"41000.0",
    "two in a line": b"41000 42000",
    "trailing text": b"51413abc",
    "text": b"none\n",
    "second line bad": b"41000\nabc\n",
    "second line zero": b"41000\n0\n",
    "binary": bytes(range(256)),
    "nul after the port": b"41000\0",
    "utf-8 digits": "４１０００".encode(),
    "escape sequence": b"\x1b[2J41000",
    "257 bytes": b"41000" + b" " * 252,
    "1 MiB": b"41000\n" * (1024 * 1024 // 6),
}


def check_refused_and_recovered(
    qsticky, port_file: PortFile, server: QBittorrent, port: int, make_good: Callable[[int], None]
) -> None:
    health = qsticky.wait_health(state="error", healthy=False, forwarded_port=None)
    assert str(port_file.path) in health["last_error"]
    assert health["current_port"] == port
    qsticky.wait_cycles(3)
    assert len(qsticky.lines("ERROR")) == 1, "said once, not every cycle"
    assert str(port_file.path) in qsticky.lines("ERROR")[0]
    assert server.listen_port() == port
    code, line = qsticky.healthcheck()
    assert code == 1 and line.startswith("unhealthy: ")

    good = free_port()
    make_good(good)
    qsticky.wait_in_sync(good)
    assert server.listen_port() == good
    assert len(qsticky.troubles()) == 1


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_a_content_that_is_no_port_is_one_clear_error_and_leaves_qbittorrent_alone(
    content: bytes, qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(qbittorrent)
    qsticky.wait_in_sync(port)
    port_file.write_bytes(content)
    check_refused_and_recovered(qsticky, port_file, qbittorrent, port, port_file.write)


def test_a_directory_in_place_of_the_file_is_one_clear_error(
    qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(qbittorrent)
    qsticky.wait_in_sync(port)
    port_file.remove()
    port_file.path.mkdir()

    def make_good(good: int) -> None:
        port_file.path.rmdir()
        port_file.write(good)

    check_refused_and_recovered(qsticky, port_file, qbittorrent, port, make_good)


def test_a_fifo_in_place_of_the_file_is_one_clear_error_and_no_hang(
    qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(qbittorrent)
    qsticky.wait_in_sync(port)
    port_file.remove()
    os.mkfifo(port_file.path)

    def make_good(good: int) -> None:
        port_file.rename_over(str(good))

    check_refused_and_recovered(qsticky, port_file, qbittorrent, port, make_good)


SECRET = "hunter2-correct-horse"


def link_to_a_secret(port_file: PortFile) -> str:
    """Of qsticky's own, with the path as everybody can guess it."""
    return str(port_file.path.parent.parent / "secret")


def link_upwards(port_file: PortFile) -> str:
    return "../secret"


def link_by_another(port_file: PortFile) -> str:
    (port_file.path.parent / "up").symlink_to("..")
    return "up/secret"


def link_of_proc(port_file: PortFile) -> str:
    return "/proc/self/environ"


@pytest.mark.parametrize(
    "target", [link_to_a_secret, link_upwards, link_by_another, link_of_proc]
)
def test_a_link_out_of_the_directory_is_named_and_not_followed(
    target: Callable[[PortFile], str],
    qbittorrent: QBittorrent,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    port = free_port()
    port_file.write(port)
    (place / "secret").write_text(f"{SECRET}\n")
    qsticky = sidecar(qbittorrent, env={"SECRET": SECRET})
    qsticky.wait_in_sync(port)
    port_file.remove()
    port_file.path.symlink_to(target(port_file))
    health = qsticky.wait_health(state="error")
    assert "symbolic link that leads out of its directory" in health["last_error"]
    assert SECRET not in "\n".join(qsticky.log) and SECRET not in str(health)

    def make_good(good: int) -> None:
        port_file.remove()
        port_file.write(good)

    check_refused_and_recovered(qsticky, port_file, qbittorrent, port, make_good)


def test_a_link_to_a_port_elsewhere_is_not_followed_either(
    qbittorrent: QBittorrent, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    before, port = qbittorrent.listen_port(), free_port()
    (place / "port").write_text(str(port))
    port_file.path.symlink_to("../port")
    qsticky = sidecar(qbittorrent)
    qsticky.wait_health(state="error", forwarded_port=None)
    qsticky.wait_cycles(2)
    assert qbittorrent.listen_port() == before


def test_a_port_that_kubernetes_mounts_is_followed(
    qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Its atomic writer: a directory with the time in its name, a link to that, and a link for each
    file that never changes. One rename replaces all files; then the old directory goes."""
    folder = port_file.path.parent

    def publish(version: str, port: int) -> None:
        (folder / version).mkdir()
        (folder / version / port_file.path.name).write_text(str(port))
        (folder / "..data_tmp").symlink_to(version)
        (folder / "..data_tmp").rename(folder / "..data")

    ports = [free_port(), free_port(), free_port()]
    publish("..2026_11_29_0", ports[0])
    port_file.path.symlink_to(f"..data/{port_file.path.name}")
    qsticky = sidecar(qbittorrent)
    qsticky.wait_in_sync(ports[0])
    for number, port in enumerate(ports[1:], 1):
        publish(f"..2026_11_29_{number}", port)
        shutil.rmtree(folder / f"..2026_11_29_{number - 1}")
        qsticky.wait_in_sync(port)
        assert qbittorrent.listen_port() == port
    assert not qsticky.troubles()


def test_a_file_that_was_mounted_alone_and_replaced_is_named_and_unhealthy(
    root: None,
    qbittorrent: QBittorrent,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """The mount goes on showing the file that it was made of."""
    source = PortFile(place / "host" / "forwarded_port")
    port, new = free_port(), free_port()
    source.write(port)
    port_file.clear()  # where the other is mounted
    qsticky = sidecar(qbittorrent, wrapper=with_mounted(source.path, str(port_file.path)))
    qsticky.wait_in_sync(port)
    source.rename_over(str(new))

    health = qsticky.wait_health(state="error", healthy=False, forwarded_port=None)
    assert f"{port_file.path} was mounted alone" in health["last_error"]
    assert "mount its directory" in health["last_error"]
    qsticky.wait_cycles(3)
    (line,) = qsticky.lines("ERROR")
    assert str(port_file.path) in line
    assert not qsticky.health()["healthy"]
    assert qbittorrent.listen_port() == port
    code, text = qsticky.healthcheck()
    assert code == 1 and "mounted alone" in text


OVERLAY = """cd "$0" && mkdir lower upper work && echo "$1" > lower/forwarded_port &&
    mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay "$2" && cd "$2" &&
    eval "$3" && shift 3 && exec "$@" """


@pytest.mark.parametrize(
    "change",
    [
        "true",
        "cat forwarded_port > copy && cat copy > forwarded_port",
        "cat forwarded_port > copy && mv copy forwarded_port",
    ],
    ids=["from below", "copied up", "replaced"],
)
def test_a_file_of_an_overlay_is_not_taken_for_one_that_was_replaced(
    change: str, root: None, fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    layers = place / "layers"
    layers.mkdir()
    try_mount = ["unshare", "--mount", "sh", "-c", OVERLAY, layers, "1", port_file.path.parent]
    if subprocess.run([*try_mount, "true", "true"], check=False).returncode != 0:
        missing("this kernel has no overlayfs here")
    shutil.rmtree(layers)
    layers.mkdir()
    script = ("unshare", "--mount", "sh", "-c", OVERLAY)
    wrapper = (*script, str(layers), "41000", str(port_file.path.parent), change)
    qsticky = sidecar(fake, wrapper=wrapper)
    qsticky.wait_in_sync(41000)
    qsticky.wait_cycles(2)
    assert not qsticky.troubles()


@pytest.mark.parametrize("closed", ["file", "directory"])
def test_a_missing_permission_is_one_clear_error(
    closed: str,
    root: None,
    public_binary: Path,
    qbittorrent: QBittorrent,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    port = free_port()
    port_file.write(port)
    (place / "health").mkdir()
    (place / "health").chmod(0o777)
    qsticky = sidecar(
        qbittorrent,
        program=public_binary,
        wrapper=AS_NOBODY,
        health_file=place / "health" / "status.json",
    )
    qsticky.wait_in_sync(port)
    path = port_file.path if closed == "file" else port_file.path.parent
    mode = path.stat().st_mode
    # Gluetun makes /tmp/gluetun with 0644 where nobody else has made it: no x, so no way in
    path.chmod(0 if closed == "file" else 0o644)

    def make_good(good: int) -> None:
        path.chmod(mode)
        port_file.write(good)

    check_refused_and_recovered(qsticky, port_file, qbittorrent, port, make_good)


def test_nothing_is_sent_for_any_content_that_is_no_port(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, interval=HOUR)
    qsticky.wait_in_sync(41000)
    sets = fake.count(SET_PREFERENCES)

    for content in BAD.values():
        port_file.write_bytes(content)
        qsticky.wait_health(state="error", forwarded_port=None)
        port_file.write(41000)  # what qBittorrent has: the way back needs no set either
        qsticky.wait_in_sync(41000)
    for gone in (port_file.clear, port_file.remove):
        gone()
        qsticky.wait_health(state="waiting_for_port", forwarded_port=None)
        port_file.write(41000)
        qsticky.wait_in_sync(41000)

    assert fake.count(SET_PREFERENCES) == sets
    assert fake.listen_port == 41000


# -- no port --------------------------------------------------------------------


@pytest.mark.parametrize("way", ["clear", "remove", "directory gone", "blank lines"])
def test_no_port_is_an_ordinary_state_that_leaves_qbittorrent_alone(
    way: str, qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(qbittorrent, interval=HOUR)
    qsticky.wait_in_sync(port)
    if way == "clear":
        port_file.clear()
    elif way == "remove":
        port_file.remove()
    elif way == "directory gone":
        shutil.rmtree(port_file.path.parent)
    else:
        port_file.write_bytes(b"\n \r\n")

    health = qsticky.wait_health(state="waiting_for_port", healthy=True, forwarded_port=None)
    assert health["current_port"] == port
    assert qbittorrent.listen_port() == port
    qsticky.wait_log("no forwarded port")
    assert not qsticky.troubles()
    code, line = qsticky.healthcheck()
    assert code == 0 and line.startswith("healthy: no forwarded port")

    port_file.path.parent.mkdir(exist_ok=True)
    port_file.write(port)
    qsticky.wait_in_sync(port)


def test_the_instant_between_truncate_and_write_is_not_taken_for_no_port(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)  # reads by itself in the gap, too
    qsticky.wait_in_sync(41000)
    port, in_time = 42000, 0
    while in_time < 10:
        port, before, began = port + 1, len(qsticky.log), time.monotonic()
        port_file.clear()
        time.sleep(0.5)
        port_file.write(port)
        if time.monotonic() - began > EMPTY_S:  # the machine is busy: it may say so then
            qsticky.wait_in_sync(port)
            continue
        qsticky.wait_in_sync(port)
        assert not any("no forwarded port" in line for line in qsticky.log[before:])
        in_time += 1


def test_no_port_becomes_unhealthy_after_the_grace_and_healthy_with_the_port(
    qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    qsticky = sidecar(qbittorrent, env={"QSTICKY_NO_PORT_GRACE": "6"})  # a login may take three
    started = time.monotonic()
    qsticky.wait_health(state="waiting_for_port", healthy=True)
    health = qsticky.wait_health(state="waiting_for_port", healthy=False)
    assert time.monotonic() - started >= 5.9
    assert health["last_error"]
    assert qsticky.healthcheck()[0] == 1
    qsticky.wait_cycles(3)
    assert len(qsticky.troubles()) == 1, "said once"

    port = free_port()
    port_file.write(port)
    qsticky.wait_in_sync(port)

    # the time starts again when the port goes
    port_file.clear()
    qsticky.wait_health(state="waiting_for_port", healthy=True)
    qsticky.wait_health(state="waiting_for_port", healthy=False)


def test_no_grace_is_unhealthy_at_once(
    qbittorrent: QBittorrent, sidecar: MakeSidecar
) -> None:
    qsticky = sidecar(qbittorrent, interval=HOUR, env={"QSTICKY_NO_PORT_GRACE": "0"})
    qsticky.wait_health(state="waiting_for_port", healthy=False)

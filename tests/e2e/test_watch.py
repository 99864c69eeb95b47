"""Point 2: the poll alone carries the job where inotify says nothing or is refused, and where
it does speak, only the port file's own events count."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import MakeSidecar
from faulty_server import FaultyServer
from harness import PortFile, QBittorrent, free_port, wait_until

IN_ALL_EVENTS = 0xFFF

# Takes every inotify instance that its user may have, says so, and keeps them until stdin ends.
HOLD_ALL_INSTANCES = """
import ctypes, os, resource, sys
libc = ctypes.CDLL(None, use_errno=True)
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
held = 0
while libc.inotify_init1(0) >= 0:
    held += 1
print(held, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def uid_without_inotify(root: None) -> Iterator[int]:
    uid = 600_000 + os.getpid()  # no one's, and no other worker's
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_ALL_INSTANCES, str(uid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        limit = Path("/proc/sys/fs/inotify/max_user_instances").read_text()
        assert holder.stdout.readline() == limit
        yield uid
        assert holder.stdin is not None
        holder.stdin.close()


def test_a_change_that_makes_no_event_is_picked_up_by_the_poll(
    qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    first, second = free_port(), free_port()  # five digits each
    port_file.write(first)
    with open(port_file.path, "r+b") as file, mmap.mmap(file.fileno(), 5) as view:
        qsticky = sidecar(qbittorrent)
        qsticky.wait_in_sync(first)

        libc = ctypes.CDLL(None, use_errno=True)
        witness = libc.inotify_init1(os.O_NONBLOCK)
        folder = os.fsencode(port_file.path.parent)
        # modifications only: qsticky's own reading is an event too
        assert libc.inotify_add_watch(witness, folder, IN_ALL_EVENTS & ~0x31) >= 0
        view[:] = str(second).encode()
        qsticky.wait_in_sync(second)
        with pytest.raises(BlockingIOError):
            os.read(witness, 4096)
        os.close(witness)
    assert qbittorrent.listen_port() == second


def test_the_job_is_done_by_polling_where_inotify_is_refused(
    uid_without_inotify: int,
    public_binary: Path,
    qbittorrent: QBittorrent,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    (place / "health").mkdir()
    (place / "health").chmod(0o777)
    user = uid_without_inotify
    qsticky = sidecar(
        qbittorrent,
        program=public_binary,
        wrapper=("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"),
        health_file=place / "health" / "status.json",
    )
    qsticky.wait_health(state="waiting_for_port")
    links = [os.readlink(link) for link in Path(f"/proc/{qsticky.pid}/fd").iterdir()]
    assert "anon_inode:inotify" not in links

    for change in (port_file.write, port_file.write, lambda p: port_file.rename_over(f"{p}\n")):
        port = free_port()
        change(port)
        qsticky.wait_in_sync(port)
        assert qbittorrent.listen_port() == port
    port_file.clear()
    qsticky.wait_health(state="waiting_for_port", forwarded_port=None)
    assert len(qsticky.troubles()) <= 1, "said once at most"


def test_other_files_in_the_directory_start_no_cycle(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600)
    qsticky.wait_in_sync(41000)
    wait_until(lambda: fake.open_connections == 0, what="the cycle's connection to end")
    cycles = len(fake.connections)

    for i in range(20):  # Gluetun keeps the public address beside the port
        (port_file.path.parent / "ip").write_text(f"203.0.113.{i}")
        (port_file.path.parent / "forwarded_port.tmp").write_text("42000")
        (port_file.path.parent / "forwarded_por").write_text("42000")
    time.sleep(1.5)  # a rewrite of the port file itself would start a cycle after one second
    assert len(fake.connections) == cycles
    port_file.write(43000)
    qsticky.wait_in_sync(43000)
    assert len(fake.connections) == cycles + 1


def test_a_rewrite_of_the_same_port_starts_one_cycle(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600)
    qsticky.wait_in_sync(41000)
    wait_until(lambda: fake.open_connections == 0, what="the cycle's connection to end")
    cycles = len(fake.connections)
    fake.preferences["listen_port"] = 41001  # nothing but a cycle can notice

    for _ in range(5):
        port_file.write(41000)
    wait_until(lambda: fake.listen_port == 41000, what="the cycle after the rewrite")
    qsticky.wait_in_sync(41000)
    assert len(fake.connections) == cycles + 1


def test_a_burst_of_changes_ends_on_the_last_port(
    qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    qsticky = sidecar(qbittorrent, interval=3600)
    qsticky.wait_health(state="waiting_for_port")
    for _ in range(20):
        port = free_port()
        port_file.write(port)
    qsticky.wait_in_sync(port)
    assert qbittorrent.listen_port() == port

"""Point 8: SIGTERM ends it at once, whatever it is doing, as PID 1 and as an ordinary process;
and as PID 1 it buries the orphans that land on it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import AS_PID_1, MakeSidecar
from faults import drip, endless_head, reply, silence
from faulty_server import LOGIN, LOGOUT, PREFERENCES, SET_PREFERENCES, FaultyServer
from harness import PortFile, free_port, wait_until
from listener import BlackHole

# Runs a command where the only name server takes queries and never answers.
WITH_DEAD_RESOLVER = """
import os, socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"], check=True)
deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
deaf.bind(("127.0.0.1", 53))
os.set_inheritable(deaf.fileno(), True)
os.execve(sys.argv[2], sys.argv[2:], os.environ)
"""

AS = {"ordinary process": (), "PID 1": AS_PID_1}


@pytest.fixture(params=AS)
def way(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """How it is started."""
    if request.param == "PID 1":
        request.getfixturevalue("root")
    return AS[request.param]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
@pytest.mark.parametrize("port", [41000, None], ids=["in sync", "waiting"])
def test_idle(
    number: signal.Signals,
    port: int | None,
    way: tuple[str, ...],
    fake: FaultyServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    if port:
        port_file.write(port)
    qsticky = sidecar(fake, interval=3600, wrapper=way)
    qsticky.wait_health(state="in_sync" if port else "waiting_for_port")
    qsticky.check_stops_at_once(number)
    wait_until(lambda: fake.count(LOGOUT) == 1, what="the log-out")
    assert not qsticky.troubles()


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (PREFERENCES, silence()),
        (PREFERENCES, drip(0.3)),
        (PREFERENCES, endless_head()),
        (LOGIN, silence()),
        (SET_PREFERENCES, silence()),
        (SET_PREFERENCES, reply(200)),  # then it reads again and again to verify
        (LOGOUT, silence()),
    ],
    ids=["silence", "drip", "endless head", "login", "set", "verifying", "logout"],
)
def test_in_a_hung_exchange(
    name: str,
    fault,
    way: tuple[str, ...],
    fake: FaultyServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    fake.fault(name, fault)
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600, wrapper=way)
    if name == LOGOUT:
        qsticky.wait_in_sync(41000)
    else:
        wait_until(lambda: fake.count(name), what=f"the request to {name}")
    qsticky.check_stops_at_once()


def test_in_the_wait_before_a_retry(
    way: tuple[str, ...], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    qsticky = sidecar(None, port=free_port(), interval=3600, wrapper=way)
    wait_until(lambda: (qsticky.health() or {}).get("consecutive_failures", 0) >= 3, what="retries")
    qsticky.check_stops_at_once()


def sends_syn(pid: int, port: int) -> bool:
    """Whether the process has a socket that waits for its connect to that port."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            inodes.add(os.readlink(link))
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[2].endswith(f":{port:04X}") and fields[3] == "02":
            if f"socket:[{fields[9]}]" in inodes:
                return True
    return False


def test_in_a_connect_to_a_black_hole(
    way: tuple[str, ...], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    with BlackHole() as hole:
        qsticky = sidecar(None, port=hole.port, wrapper=way)
        wait_until(lambda: sends_syn(qsticky.pid, hole.port), what="the connect")
        qsticky.check_stops_at_once()


def asks_name_server(pid: int) -> bool:
    """Whether a query waits, unread, at the name server of the process's network."""
    for line in Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(":0035") and not fields[4].endswith(":00000000"):
            return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_in_a_name_lookup(
    number: signal.Signals,
    root: None,
    way: tuple[str, ...],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    resolver = place / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:3\n")
    qsticky = sidecar(
        None,
        port=8080,
        env={"QSTICKY_QBITTORRENT_HOST": "qbittorrent.example"},
        wrapper=(
            *(way or ("unshare",)),
            "--net",
            "--mount",
            sys.executable,
            "-c",
            WITH_DEAD_RESOLVER,
            str(resolver),
        ),
    )
    wait_until(lambda: asks_name_server(qsticky.pid), what="the query")
    qsticky.check_stops_at_once(number)


def test_twice_is_once(
    way: tuple[str, ...], fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, wrapper=way)
    qsticky.wait_in_sync(41000)
    pid = qsticky.pid
    os.kill(pid, signal.SIGTERM)
    try:
        os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        pass
    assert qsticky.wait() == 0


@pytest.mark.parametrize(
    "number", [signal.SIGPIPE, signal.SIGHUP, signal.SIGCHLD, signal.SIGWINCH], ids=lambda n: n.name
)
def test_a_signal_that_asks_for_no_stop_does_not_stop(
    number: signal.Signals,
    way: tuple[str, ...],
    fake: FaultyServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, wrapper=way, interval=3600)
    qsticky.wait_in_sync(41000)
    for _ in range(3):
        qsticky.signal(number)
    port_file.write(42000)
    qsticky.wait_in_sync(42000)


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in an exchange"])
def test_orphans_are_reaped_by_pid_1(
    busy: bool,
    root: None,
    fake: FaultyServer,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    qsticky = sidecar(fake, interval=3600, wrapper=AS_PID_1)
    qsticky.wait_health(state="waiting_for_port")
    if busy:
        fake.fault(PREFERENCES, silence())
        seen = fake.count(PREFERENCES)
        port_file.write(41000)
        wait_until(lambda: fake.count(PREFERENCES) > seen, what="the request that hangs")
    gate = place / "gate"
    os.mkfifo(gate)
    # a shell in qsticky's PID namespace leaves children behind that wait at the gate
    script = f"for i in 1 2 3 4 5 6 7 8 9 10; do (exec <{gate}) & done"
    subprocess.run(
        ["nsenter", "--target", str(qsticky.pid), "--pid", "sh", "-c", script], check=True
    )
    orphans = wait_until(
        lambda: len(found := children(qsticky.pid)) == 10 and found, what="the orphans to land"
    )
    with open(gate, "wb"):
        if busy:
            fake.heal()  # what it was doing may end first
        wait_until(lambda: not children(qsticky.pid), what="the orphans to be reaped")
    assert not any(Path(f"/proc/{orphan}").exists() for orphan in orphans)
    fake.heal()


def test_a_crash_leaves_a_file_that_healthcheck_stops_believing(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """SIGKILL leaves no time to tidy up; the next start needs nothing from before."""
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    qsticky.kill()
    assert qsticky.health_file.exists()
    port_file.write(42000)
    again = sidecar(fake, health_file=qsticky.health_file)
    again.wait_in_sync(42000)
    assert again.stop() == 0
    assert again.left_behind() == {"status.json.login"}

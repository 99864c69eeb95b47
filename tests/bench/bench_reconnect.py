"""How long nobody gets in: after a VPN reconnect, after qBittorrent's start, after a port that only the
control server tells."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_base import LineReader, Plan, Result, running
from far_end import ADDRESS, DEVICE, GATEWAY, Gateway, Wire, ip, make_device_in
from gluetun import Gluetun
from harness import PortFile, QBittorrent, Qsticky, free_port, wait_until
from namespace import TUNNEL, Namespace

VERSIONS = ("4.5.2", "5.1.0", "5.3.0")
GOAL_S, GOAL_RATIO, GOAL_WORST_RATIO, GOAL_HARD_S = 0.4, 0.20, 0.30, 3
OPEN_WITHIN_S = 70  # two rebinds in any minute
GONE_S = 0.5  # the sockets there are dead by then


def sides(binary: Path) -> dict[str, Path]:
    """`make bench OLD=FILE`: another build beside this one, in turns."""
    old = os.environ.get("OLD", "")
    return {"new": binary} | ({"old": Path(old).resolve()} if old else {})


class OpenGateway(Gateway):
    """Whose NAT-PMP nobody asks: all ports are forwarded."""

    def __init__(self) -> None:
        super().__init__(1.0, 1)

    def is_mapped(self, port: int) -> bool:
        return True


class Tun:
    """A tun device, made in Gluetun's order: device, address, link. The routes come after."""

    def __init__(self, namespace: Namespace) -> None:
        far = namespace.from_afar(
            lambda: os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        )
        self._peers = make_device_in(f"/proc/{os.getpid()}/fd/{far}", f"{GATEWAY}/24")
        os.close(far)
        self._wire: Wire | None = None

    def up(self) -> float:
        """Returns when the link was up."""
        self._wire = Wire(OpenGateway(), self._peers)
        at = time.perf_counter()
        ip("route", "replace", "default", "dev", DEVICE)
        return at

    def down(self) -> None:
        if self._wire:
            self._wire.close()
            self._wire = None

    def close(self) -> None:
        self.down()
        os.close(self._peers)


class Veth:
    """The same with what tests have, where not even a bridge is beside it."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def up(self) -> float:
        self._namespace.add_tunnel()
        return time.perf_counter()

    def down(self) -> None:
        self._namespace.delete(TUNNEL)

    def close(self) -> None:
        pass


def wait_accepted(namespace: Namespace, port: int) -> float:
    """When the far end's connection was accepted. A try takes 20 ms at most: what is sent while there
    is no route would be repeated a second later."""

    def knock() -> float:
        until = time.perf_counter() + OPEN_WITHIN_S
        while time.perf_counter() < until:
            with contextlib.suppress(OSError):
                socket.create_connection((ADDRESS, port), timeout=0.02).close()
                return time.perf_counter()
            time.sleep(0.001)
        raise AssertionError(f"port {port} is not open after {OPEN_WITHIN_S} s")

    return namespace.from_afar(knock)


@dataclass
class Reconnect:
    open_s: float  # all from the link being up
    marks: dict[str, float]  # lines of the log
    rebinds: int


def wait_health(qsticky: Qsticky, timeout: float, **fields: object) -> dict[str, Any]:
    """Of one whose log somebody else reads."""

    def as_wanted() -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            health: dict[str, Any] = json.loads(qsticky.health_file.read_text())
            if health.items() >= fields.items():
                return health
        return {}

    return wait_until(as_wanted, timeout, f"health with {fields}")


MARKS = {"refused": b"may open soon:", "reopened": b"had qBittorrent reopen"}


def watch_log(fd: int, marks: dict[str, float]) -> None:
    """Notes when a line comes, for as long as there are any."""
    pending = b""
    while chunk := os.read(fd, 65536):
        now = time.perf_counter()
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            for name, text in MARKS.items():
                if text in line:
                    marks.setdefault(name, now)


def reconnect_once(
    binary: Path, place: Path, version: str, *, hard: bool = False, interface: str = ""
) -> Reconnect:
    port = free_port()
    port_file = PortFile(place / "gluetun" / "forwarded_port")
    port_file.write(port)
    marks: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(Namespace())
        namespace.set_ipv6(False)
        if not hard:
            namespace.add_bridge()
        tunnel = stack.enter_context(contextlib.closing((Veth if hard else Tun)(namespace)))
        tunnel.up()
        qbittorrent = stack.enter_context(
            QBittorrent(place / "profile", version=version, interface=interface, address="")
        )
        qsticky = Qsticky(
            binary,
            port_file=port_file,
            health_file=place / "status.json",
            qbittorrent_port=qbittorrent.webui_port,
            interval=3600,
            log_level="DEBUG",
        )
        process = stack.enter_context(
            running(qsticky.command, env=qsticky.env, stderr=subprocess.PIPE)
        )
        assert process.stderr
        reader = threading.Thread(target=watch_log, args=(process.stderr.fileno(), marks))
        reader.start()
        try:
            wait_health(qsticky, 30, state="in_sync", reachable=True)
            wait_accepted(namespace, port)
            tunnel.down()
            time.sleep(GONE_S)
            before = wait_health(qsticky, 1)["rebinds"]
            marks.clear()
            began = tunnel.up()
            took = wait_accepted(namespace, port) - began
            health = wait_health(qsticky, OPEN_WITHIN_S, state="in_sync", reachable=True)
        finally:
            process.kill()
            reader.join()
    return Reconnect(
        took, {name: at - began for name, at in marks.items()}, health["rebinds"] - before
    )


def median(runs: list[Reconnect]) -> float:
    return statistics.median(run.open_s for run in runs)


def worst(runs: list[Reconnect]) -> float:
    return max(run.open_s for run in runs)


def by_side(
    binary: Path, tmp: Path, plan: Plan, name: str, version: str, **options: object
) -> dict[str, list[Reconnect]]:
    runs: dict[str, list[Reconnect]] = {side: [] for side in sides(binary)}
    for number in range(plan.reconnects):
        for side, program in sides(binary).items():
            place = tmp / f"{name}-{version}-{side}-{number}"
            runs[side].append(reconnect_once(program, place, version, **options))
    return runs


def samples(runs: dict[str, list[Reconnect]]) -> dict[str, list[float]]:
    taken = {side: [run.open_s for run in those] for side, those in runs.items()}
    for mark in MARKS:
        taken[mark] = [run.marks[mark] for run in runs["new"] if mark in run.marks]
    return taken


def compared(runs: dict[str, list[Reconnect]], goals: bool = False) -> str:
    new = runs["new"]
    text = f"median of {len(new)}, worst {worst(new):.2f} s"
    if "old" in runs:
        old = runs["old"]
        text += (
            f"; the old build {median(old):.2f} s, worst {worst(old):.2f} s, rebinds"
            f" {sum(run.rebinds for run in old)}"
        )
        if goals:
            text += (
                f": ratios {median(new) / median(old):.2f} (at most {GOAL_RATIO}) and"
                f" {worst(new) / worst(old):.2f} (at most {GOAL_WORST_RATIO})"
            )
    return text


def reconnect_latency(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    if os.geteuid() != 0:
        note = "needs root, for network namespaces"
        return [Result("reconnect_s", "tun0 up again to the port open", None, "s", GOAL_S, note)]
    results = []
    for version in VERSIONS:
        runs = by_side(binary, tmp, plan, "any", version)
        results.append(
            Result(
                f"reconnect_{version}_s",
                f"tun0 up again to the port accepted from the far end, {version}",
                median(runs["new"]),
                "s",
                GOAL_S,
                compared(runs, goals=True),
                samples=samples(runs),
            )
        )
    for version in VERSIONS:
        runs = by_side(binary, tmp, plan, "hard", version, hard=True)
        results.append(
            Result(
                f"reconnect_hard_{version}_s",
                f"the same with nothing but lo and a veth named tun0, worst, {version}",
                worst(runs["new"]),
                "s",
                GOAL_HARD_S,
                f"{compared(runs)}; rebinds {sum(run.rebinds for run in runs['new'])}",
                samples=samples(runs),
            )
        )
    for version in VERSIONS[1:]:
        runs = by_side(binary, tmp, plan, "bound", version, interface=DEVICE)
        results.append(
            Result(
                f"reconnect_healed_{version}",
                f"rebinds where qBittorrent opens the port by itself, {version}",
                sum(run.rebinds for run in runs["new"]),
                "",
                0,
                f"in {len(runs['new'])} reconnects, bound to tun0; {compared(runs)}",
                samples=samples(runs),
            )
        )
    return results


# -- the Web UI, and the control server


@contextlib.contextmanager
def logged(qsticky: Qsticky) -> Iterator[LineReader]:
    with running(qsticky.command, env=qsticky.env, stderr=subprocess.PIPE) as process:
        assert process.stderr
        yield LineReader(process.stderr.fileno())


def wait_answer(port: int) -> float:
    """When the Web UI has answered for the first time."""

    def ask() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", "/")
            return connection.getresponse().status > 0
        return False

    wait_until(ask, 60, "the Web UI to answer")
    return time.perf_counter()


def webui_latency(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    took: list[float] = []
    for number in range(plan.reconnects):
        place = tmp / str(number)
        port = free_port()
        port_file = PortFile(place / "gluetun" / "forwarded_port")
        port_file.write(port)
        qbittorrent = QBittorrent(place / "profile")
        qsticky = Qsticky(
            binary,
            port_file=port_file,
            health_file=place / "status.json",
            qbittorrent_port=qbittorrent.webui_port,
            log_level="INFO",
            interval=30,
        )
        with logged(qsticky) as log:
            # Pauses that double would be long by now; not at the same place of a pause each time.
            wait_health(qsticky, 30, consecutive_failures=6)
            time.sleep(number * 0.1)
            answered: list[float] = []
            waiter = threading.Thread(
                target=lambda: answered.append(wait_answer(qbittorrent.webui_port))
            )
            waiter.start()
            with qbittorrent:
                log.until(b"in sync: port %d" % port, 60)
                done = time.perf_counter()
                waiter.join()
            took.append(max(0.0, done - answered[0]))
    return [
        Result(
            "webui_s",
            "Web UI answers again to the port set",
            max(took),
            "s",
            1.5,
            f"worst of {len(took)}, median {statistics.median(took):.2f} s; it had refused six times",
            samples={"webui": took},
        )
    ]


def control_server_latency(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    key, what = "control_server_s", "control server as source: a new port to the port set"
    if os.geteuid() != 0:
        return [Result(key, what, None, "s", 5.5, "needs root, for network namespaces")]
    took: list[float] = []
    port_file = PortFile(tmp / "gluetun" / "forwarded_port")
    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(Namespace())
        namespace.set_ipv6(False)
        namespace.add_bridge()
        gluetun = stack.enter_context(contextlib.closing(Gluetun(namespace, port_file).start()))
        port = gluetun.wait_port()
        qbittorrent = stack.enter_context(QBittorrent(tmp / "profile", address=""))
        qsticky = Qsticky(
            binary,
            port_file=tmp / "unused",
            health_file=tmp / "status.json",
            qbittorrent_port=qbittorrent.webui_port,
            interval=30,
            log_level="INFO",
            env={"QSTICKY_PORT_SOURCE": "gluetun", "QSTICKY_GLUETUN_HOST": "127.0.0.1"},
        )
        log = stack.enter_context(logged(qsticky))
        log.until(b"in sync: port %d" % port, 60)
        for number in range(plan.reconnects):
            time.sleep(number * 0.7)  # another place between two questions each time
            port = free_port()
            given: list[float] = []
            waiter = threading.Thread(target=note_given, args=(gluetun, port, given))
            waiter.start()
            gluetun("port", port)
            log.until(b"in sync: port %d" % port, 60)
            done = time.perf_counter()
            waiter.join()
            took.append(max(0.0, done - given[0]))
    note = (
        f"worst of {len(took)}, median {statistics.median(took):.2f} s; in the minute after a change,"
        " in which it is asked every 5 s; later every QSTICKY_CHECK_INTERVAL"
    )
    return [Result(key, what, max(took), "s", 5.5, note, samples={"set": took})]


def note_given(gluetun: Gluetun, port: int, given: list[float]) -> None:
    wait_until(lambda: gluetun.ports() == [port], 60, "Gluetun to have the port")
    given.append(time.perf_counter())


PARTS: tuple[Callable[[Path, Path, Plan], list[Result]], ...] = (
    reconnect_latency,
    webui_latency,
    control_server_latency,
)

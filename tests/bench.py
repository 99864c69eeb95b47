#!/usr/bin/env python3
"""Measures qsticky against a real qBittorrent and prints a table: what, how much, the goal,
and whether it is met. Medians and ratios of one run.

    bench.py [--quick] [--json FILE] [--markdown] [--binary FILE]

How, where it is not obvious:

All files are on a tmpfs where there is one. On a disk, each replaced file may wait for the disk (on
ext4 mounted with "discard", always), which says more about the disk than about qsticky.

Latency. The clock is the one outside observer of both sides. It starts just before the rename
of the port file for qsticky, just before the port is handed over a pipe for the limit client
(limit_client.c). It stops when the observer has read the line by which each says that it has
verified the new port: qsticky's log line, the client's answer. Both thus pay for one wake-up by
the kernel, one line through a pipe and the observer's own wake-up; nothing sits between either
and qBittorrent. The two take turns, in an order that swaps from pair to pair, each with a port
not used before, after a pause in which qBittorrent has put its listening sockets in order.
The limit by its own clock, without the observer, is printed too.

Latency over HTTPS. In the same way, beside one curl that makes the same connection, the same full
handshake, POST and GET, with a session's cookie and the same CA file, as it comes (so by TLS 1.3,
where qsticky has 1.2). Its time starts before it is started, as a script would for each port; that
of a second one, which is there already and waits for its configuration, starts with that. For both
it stops with the reply that holds the port, before they end.

Idle. One qsticky over HTTP and one over HTTPS, each with a qBittorrent of its own, in one window.

Cost of one cycle. Over HTTP; over HTTPS to qBittorrent, which never resumes a session; over HTTPS
to nginx in front of it, which remembers them (its log is asked whether it did). Certificates are
self-signed and pinned. Cycles are called for by SIGHUP, one when the other is over, which adds the
reading of a signal. Processor time is the scheduler's, user and kernel, cycle by cycle: with warm
caches, and without what the server takes. Instructions and system calls are from two runs of
different length under callgrind or strace; start and stop cancel out in the difference, which is
divided by the difference in cycles. Under strace the cycles come by the interval, so that its table
is what users have; it counts them itself (one connect each).

Stop. From just before the signal is sent to the end of the process (pidfd), the worst of all.
Up to 20 ms of that are the kernel's own: it takes an inotify watch down in a grace period (SRCU).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness import BINARY, ROOT, PortFile, QBittorrent, Qsticky, free_port, wait_until
from namespace import TUNNEL, Namespace
from tls_peers import Certificate, Nginx, Pki, https_site

LIMIT_SOURCE = ROOT / "tests" / "limit_client.c"
LIMIT_CLIENT = ROOT / "build" / "tests" / "limit_client"


@dataclass
class Plan:
    """How long to measure: as the goals are stated, or just long enough to see it work."""

    changes: int = 60  # of each side
    starts: int = 40
    stops: int = 10  # in each situation
    idle_interval: int = 30
    idle_seconds: int = 60
    short_cycles: int = 3
    long_cycles: int = 13
    timed_cycles: int = 200

    @classmethod
    def quick(cls) -> "Plan":
        return cls(12, 10, 3, 3, 6, 2, 5, 20)


@dataclass
class Result:
    key: str
    what: str
    value: float | None  # None: could not be measured, `note` says why
    unit: str
    goal: float | None = None  # at most
    note: str = ""
    samples: dict[str, list[float]] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        return None if self.goal is None or self.value is None else self.value <= self.goal

    def columns(self) -> tuple[str, ...]:
        verdict = {True: "yes", False: "NO", None: "-"}[self.met]
        goal = "-" if self.goal is None else f"at most {_number(self.goal, self.unit)}"
        value = "not measured" if self.value is None else _number(self.value, self.unit)
        return self.what, value, goal, verdict, self.note


def _number(value: float, unit: str) -> str:
    if value == int(value):
        text = f"{int(value):,}"
    else:
        text = f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:,.0f}"
    return f"{text} {unit}".strip()


# -- HTTPS


def find_program(name: str) -> str:
    """Its path, or "". Debian keeps servers where not everybody looks."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") or ""


def self_signed(folder: Path, kind: str = "RSA 2048") -> Certificate:
    """What nearly all have."""
    folder.mkdir(parents=True)
    return Pki(folder).make("DNS:localhost", "IP:127.0.0.1", kind=kind)


def pinned(certificate: Certificate) -> dict[str, str]:
    return {"QSTICKY_USE_HTTPS": "true", "QSTICKY_TLS_PIN_SHA256": certificate.sha256}


def with_https(profile: Path, certificate: Certificate) -> QBittorrent:
    return QBittorrent(profile, certificate=certificate.path, key=certificate.key)


# -- (a) from the port file to qBittorrent


class LineReader:
    """Reads lines from a pipe as they come, without a buffer that could hold one back."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._pending = b""

    def until(self, wanted: bytes, timeout: float = 20.0) -> bytes:
        """The next line with `wanted` in it. Lines before it are dropped."""
        while True:
            line, newline, rest = self._pending.partition(b"\n")
            if newline:
                self._pending = rest
                if wanted in line:
                    return line
                continue
            if not select.select([self._fd], [], [], timeout)[0]:
                raise AssertionError(f"no line with {wanted!r} within {timeout:g} s")
            chunk = os.read(self._fd, 65536)
            if not chunk:
                raise AssertionError(f"ended before a line with {wanted!r}")
            self._pending += chunk


@contextlib.contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


Side = Callable[[int], None]  # brings a port to qBittorrent


@contextlib.contextmanager
def following(
    binary: Path, tmp: Path, qbittorrent: QBittorrent, env: dict[str, str], took: list[float]
) -> Iterator[Side]:
    """qsticky as a side: microseconds from the rename on are added to `took`."""
    port_file = PortFile(tmp / "gluetun" / "forwarded_port")
    port_file.write(free_port())
    qsticky = Qsticky(
        binary,
        port_file=port_file,
        health_file=tmp / "health" / "status.json",
        qbittorrent_port=qbittorrent.webui_port,
        interval=3600,  # the file's events alone make it act
        env=env,
        log_level="INFO",
    )
    with running(qsticky.command, env=qsticky.env, stderr=subprocess.PIPE) as under_test:
        assert under_test.stderr
        log = LineReader(under_test.stderr.fileno())
        log.until(b"in sync: port ")

        def by_qsticky(port: int) -> None:
            new = port_file.path.with_name("new")
            new.write_text(str(port))
            began = time.perf_counter_ns()
            os.rename(new, port_file.path)
            log.until(b"in sync: port %d" % port)
            took.append((time.perf_counter_ns() - began) / 1e3)

        yield by_qsticky


def take_turns(
    plan: Plan, qbittorrent: QBittorrent, sides: list[Side], took: dict[str, list[float]]
) -> None:
    for number in range(plan.changes + 2):
        for side in sides if number % 2 else reversed(sides):
            port = free_port()
            side(port)
            wait_until(lambda: qbittorrent.accepts_connections(port), 5, f"{port} to be open")
            time.sleep(0.05)  # what qBittorrent does after that can only be waited out
        if number == 1:  # caches are warm; the figures start here
            for samples in took.values():
                samples.clear()


def change_latency(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    took: dict[str, list[float]] = {"qsticky": [], "limit": [], "limit by its own clock": []}
    with QBittorrent(tmp / "profile") as qbittorrent:
        qbittorrent.listen_port()  # makes the session that the limit client uses
        limit = [str(LIMIT_CLIENT), "change", str(qbittorrent.webui_port), qbittorrent.cookie]
        with (
            following(binary, tmp, qbittorrent, {}, took["qsticky"]) as by_qsticky,
            running(limit, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as client,
        ):
            assert client.stdin and client.stdout
            answers = LineReader(client.stdout.fileno())

            def by_limit(port: int) -> None:
                request = b"%d" % port
                began = time.perf_counter_ns()
                os.write(client.stdin.fileno(), request)
                answer = answers.until(b"")
                took["limit"].append((time.perf_counter_ns() - began) / 1e3)
                took["limit by its own clock"].append(int(answer) / 1e3)

            take_turns(plan, qbittorrent, [by_limit, by_qsticky], took)

    median = {side: statistics.median(samples) for side, samples in took.items()}
    spread = statistics.quantiles(took["qsticky"], n=10)
    return [
        Result(
            "latency_ratio",
            "rename of the port file to port verified, over the limit",
            median["qsticky"] / median["limit"],
            "",
            1.25,
            f"{median['qsticky'] / 1e3:.2f} ms over {median['limit'] / 1e3:.2f} ms"
            f" (over {median['limit by its own clock'] / 1e3:.2f} ms by the limit's own clock:"
            f" {median['qsticky'] / median['limit by its own clock']:.2f});"
            f" medians of {plan.changes}; one in ten over {spread[-1] / 1e3:.2f} ms",
            took,
        )
    ]


# For each of the two requests, since `next` forgets the options before it.
CURL_TRUST = """silent
show-error
fail
cacert = "{ca_file}"
cookie = "{cookie}"
url = "https://127.0.0.1:{webui_port}/api/v2/app/{path}"
"""
CURL_CHANGE = (
    CURL_TRUST.replace("{path}", "setPreferences")
    + 'data = "json=%7B%22listen_port%22%3A{port}%7D"\nnext\n'
    + CURL_TRUST.replace("{path}", "preferences")
    + 'write-out = " new connections: %{{num_connects}}\\n"\n'
)


def change_latency_https(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    took: dict[str, list[float]] = {"qsticky": [], "curl": [], "curl, already started": []}
    certificate = self_signed(tmp / "pki")
    trust = {"QSTICKY_USE_HTTPS": "true", "QSTICKY_TLS_CA_FILE": str(certificate.path)}
    with with_https(tmp / "profile", certificate) as qbittorrent:
        qbittorrent.listen_port()  # makes the session that curl uses

        def curl(port: int, already_started: bool) -> float:
            config = CURL_CHANGE.format(
                ca_file=certificate.path,
                cookie=qbittorrent.cookie,
                webui_port=qbittorrent.webui_port,
                port=port,
            )
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
            began = time.perf_counter_ns()
            # A whole path and close_fds=False: then Python has the quickest way to start it.
            command = [find_program("curl"), "--disable", "--config", "-"]
            with running(command, close_fds=False, **pipes) as process:
                assert process.stdin and process.stdout
                if already_started:
                    wait_until(lambda: _sleeps(process.pid), 5, "curl to wait for its orders")
                    began = time.perf_counter_ns()
                process.stdin.write(config.encode())
                process.stdin.close()
                answer = LineReader(process.stdout.fileno()).until(b'"listen_port":%d,' % port)
                micros = (time.perf_counter_ns() - began) / 1e3
                assert answer.endswith(b" new connections: 0"), "curl did not keep the connection"
                assert process.wait(10) == 0, "curl failed"
            return micros

        def by_curl(port: int) -> None:
            took["curl"].append(curl(port, already_started=False))

        def by_started_curl(port: int) -> None:
            took["curl, already started"].append(curl(port, already_started=True))

        with following(binary, tmp, qbittorrent, trust, took["qsticky"]) as by_qsticky:
            take_turns(plan, qbittorrent, [by_curl, by_qsticky, by_started_curl], took)

    qsticky, whole, started = (statistics.median(samples) / 1e3 for samples in took.values())
    return [
        Result(
            "https_latency_ratio",
            "rename of the port file to port verified over HTTPS, over curl",
            qsticky / whole,
            "",
            None,
            f"{qsticky:.2f} ms over {whole:.2f} ms by a curl that is started for it"
            f" (over {started:.2f} ms by one that was started before: {qsticky / started:.2f});"
            f" medians of {plan.changes}; full handshake, POST, GET",
            took,
        )
    ]


# -- (b) (c) (d) what it takes to be there


def footprint(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    def switches(pid: int) -> int:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.M)[1])

    def memory(pid: int) -> tuple[int, int]:
        """KiB that are resident, and of these, written to."""
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        written = re.findall(r"^(?:Private|Shared)_Dirty:\s*(\d+) kB", rollup, re.M)
        return int(re.search(r"^Rss:\s*(\d+) kB", rollup, re.M)[1]), sum(map(int, written))

    certificate = self_signed(tmp / "pki")

    def settled(name: str, qbittorrent: QBittorrent, env: dict[str, str]) -> Qsticky:
        """One that has set its port and had a look at what qBittorrent thinks of it."""
        stack.enter_context(qbittorrent)
        port_file = PortFile(tmp / name / "forwarded_port")
        qsticky = Qsticky(
            binary,
            port_file=port_file,
            health_file=tmp / name / "health" / "status.json",
            qbittorrent_port=qbittorrent.webui_port,
            interval=plan.idle_interval,
            env=env,
            log_level="INFO",
        )
        port_file.write(free_port())
        stack.enter_context(qsticky).wait_health(state="in_sync")
        return qsticky

    https = with_https(tmp / "profile-https", certificate)
    with contextlib.ExitStack() as stack:
        idle = [settled("http", QBittorrent(tmp / "profile-http"), {})]
        # At other moments than its neighbours: those that wake together are in each other's way,
        # and a reply then comes in two pieces.
        time.sleep(plan.idle_interval / 4)
        idle.append(settled("https", https, pinned(certificate)))
        time.sleep(plan.idle_interval / 4)
        if tunnelled := os.geteuid() == 0:
            namespace = stack.enter_context(Namespace())
            namespace.add_tunnel()
            anywhere = QBittorrent(tmp / "profile-tunnel", interface=TUNNEL, address="")
            idle.append(settled("tunnel", anywhere, {}))
        # Past the second cycle of each, in which it asks for more than in others, and a sixth of
        # an interval from every cycle.
        time.sleep(1.65 * plan.idle_interval)
        before = [switches(qsticky.pid) for qsticky in idle]
        time.sleep(plan.idle_seconds)
        woken = [switches(qsticky.pid) - n for qsticky, n in zip(idle, before)]
        (resident, written), (resident_https, written_https) = (
            memory(qsticky.pid) for qsticky in idle[:2]
        )
        for qsticky in idle:
            health = qsticky.health()
            assert health and health["state"] == "in_sync", health
        assert not tunnelled or idle[2].health()["reachable"], idle[2].health()

    wake_ups = f"wake-ups in {plan.idle_seconds} idle seconds at interval {plan.idle_interval}"
    cycles = f"{plan.idle_seconds // plan.idle_interval} cycles"
    return [
        Result(
            "resident_kib",
            "resident memory, idle, over HTTP",
            resident,
            "KiB",
            160,
            f"{written} KiB of it written to, the rest is the binary",
        ),
        Result(
            "resident_https_kib",
            "resident memory, idle, over HTTPS",
            resident_https,
            "KiB",
            320,
            f"{written_https} KiB of it written to; qBittorrent's certificate is pinned",
        ),
        Result(
            "binary_kib",
            "size of the binary, TLS linked",
            binary.stat().st_size / 1024,
            "KiB",
            160,
            "96 KiB was the goal for the time while TLS was not linked",
        ),
        Result(
            "switches",
            f"{wake_ups}, over HTTP",
            woken[0],
            "",
            4,
            f"voluntary context switches, {cycles}"
            + (", health file on a tmpfs" if memory_dir() else ""),
        ),
        Result(
            "https_switches",
            f"{wake_ups}, over HTTPS",
            woken[1],
            "",
            None,
            f"{cycles}; each sleeps for the server's part of a full handshake too",
        ),
        Result(
            "tunnel_switches",
            f"{wake_ups}, over HTTP, the port probed",
            woken[2] if tunnelled else None,
            "",
            4,
            f"{cycles}; with a tun0, to which each connects once"
            if tunnelled
            else "needs root, for a network namespace",
        ),
    ]


# -- (e) what a cycle costs


@dataclass
class Way:
    """From qsticky to a qBittorrent whose port is right."""

    name: str
    what: str
    qbittorrent: QBittorrent
    certificate: Certificate | None = None
    nginx: Nginx | None = None  # in between

    def launch(self, binary: Path, tmp: Path, run: str, **options: Any) -> Qsticky:
        port_file = PortFile(tmp / f"{self.name}-{run}" / "forwarded_port")
        port_file.write(self.qbittorrent.listen_port())
        return Qsticky(
            binary,
            port_file=port_file,
            health_file=port_file.path.with_name("status.json"),
            qbittorrent_port=self.nginx.port if self.nginx else self.qbittorrent.webui_port,
            env=pinned(self.certificate) if self.certificate else {},
            **options,
        )


def cycle_cost(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    rsa, ec = self_signed(tmp / "rsa"), self_signed(tmp / "ec", "P-256")
    with (
        QBittorrent(tmp / "plain") as plain,
        with_https(tmp / "secure", rsa) as secure,
        with_https(tmp / "secure-ec", ec) as secure_ec,
    ):
        site = "ssl_session_cache shared:bench:1m;" + https_site(rsa, plain.webui_port)
        with Nginx(tmp / "nginx", find_program("nginx"), site) as nginx:
            ways = [
                Way("http", "HTTP", plain),
                Way("full", "HTTPS, full handshake", secure, rsa),
                Way("full_ec", "HTTPS, full handshake, P-256", secure_ec, ec),
                Way("resumed", "HTTPS, resumed handshake", plain, rsa, nginx),
            ]
            results = [system_calls(ways[0], binary, tmp, plan)]
            results += [processor_time(way, binary, tmp, plan) for way in ways]
            results += [instructions(way, binary, tmp, plan) for way in ways]
    return results


def system_calls(way: Way, binary: Path, tmp: Path, plan: Plan) -> Result:
    result = Result("system_calls", f"system calls per settled cycle, {way.what}", None, "")
    if not shutil.which("strace"):
        result.note = "strace is not installed"
        return result

    def count(seconds: int) -> dict[str, int]:
        run = f"strace-{seconds}"
        table = tmp / f"{run}.txt"
        # -D: qsticky itself is our child, and gets our signal.
        wrapper = ["strace", "-D", "-c", "-U", "calls,name", "-o", str(table)]
        with way.launch(binary, tmp, run, interval=1, log_level="INFO", wrapper=wrapper) as qsticky:
            qsticky.wait_health(state="in_sync")

            def has_run() -> bool:
                health = qsticky.health()
                return bool(health) and health["uptime_seconds"] >= seconds

            wait_until(has_run, seconds + 20, f"{seconds} s of cycles")
        wait_until(lambda: table.exists() and "total" in table.read_text(), 10, "strace's table")
        rows = re.findall(r"^\s*(\d+) (\w+)$", table.read_text(), re.M)
        return {call: int(calls) for calls, call in rows if call != "total"}

    few, many = count(plan.short_cycles), count(plan.long_cycles)
    cycles = many["connect"] - few["connect"]
    calls = {
        call: (number - few.get(call, 0)) / cycles
        for call, number in many.items()
        if number > few.get(call, 0)
    }
    result.value = sum(calls.values())
    result.note = ", ".join(
        f"{call} {number:.2g}" if number != 1 else call
        for call, number in sorted(calls.items(), key=lambda item: -item[1])
    )
    return result


@contextlib.contextmanager
def cycling(
    way: Way, binary: Path, tmp: Path, run: str, wrapper: list[str]
) -> Iterator[tuple[Qsticky, Callable[[], None]]]:
    """qsticky, and what makes it run one settled cycle, until it sleeps again."""
    # No line for each SIGHUP: users have none in a settled cycle.
    options = {"interval": 3600, "log_level": "WARNING", "wrapper": wrapper}
    seen = len(way.nginx.log()) if way.nginx else 0
    with way.launch(binary, tmp, run, **options) as qsticky:

        def health_file() -> tuple[int, int]:
            status = qsticky.health_file.stat()
            return status.st_ino, status.st_mtime_ns

        def cycle() -> None:
            before = health_file()
            os.kill(qsticky.pid, signal.SIGHUP)
            wait_until(lambda: health_file() != before, 20, "the end of a cycle")
            wait_until(lambda: _sleeps(qsticky.pid), 20, "qsticky to be idle")

        qsticky.wait_health(30, state="in_sync")
        wait_until(lambda: _sleeps(qsticky.pid), 20, "qsticky to be idle")
        yield qsticky, cycle
        health = qsticky.health()
        assert health and health["state"] == "in_sync" and not qsticky.log, qsticky.log
    if way.nginx:
        requests = way.nginx.log()[seen:]
        first = requests[0].connection  # its handshake cannot but be a full one
        assert all(r.resumed != (r.connection == first) for r in requests), "not resumed"


def processor_time(way: Way, binary: Path, tmp: Path, plan: Plan) -> Result:
    took: list[float] = []
    with cycling(way, binary, tmp, "timed", []) as (qsticky, cycle):
        schedstat = Path(f"/proc/{qsticky.pid}/schedstat")

        def spent() -> int:
            return int(schedstat.read_text().split()[0])  # exact, since it sleeps

        for number in range(plan.timed_cycles + 5):
            before = spent()
            cycle()
            if number >= 5:  # caches are warm
                took.append((spent() - before) / 1e6)
    tenths = statistics.quantiles(took, n=10)
    return Result(
        f"processor_ms_{way.name}",
        f"processor time per settled cycle, {way.what}",
        statistics.median(took),
        "ms",
        None,
        f"median of {len(took)}; eight in ten between {tenths[0]:.2f} and {tenths[-1]:.2f} ms",
        {"cycle": took},
    )


def instructions(way: Way, binary: Path, tmp: Path, plan: Plan) -> Result:
    what = f"user instructions per settled cycle, {way.what}"
    result = Result(f"instructions_{way.name}", what, None, "")
    if not shutil.which("valgrind"):
        result.note = "valgrind is not installed"
        return result

    def count(cycles: int) -> int:
        run = f"callgrind-{cycles}"
        profile = tmp / f"{way.name}-{run}.out"
        wrapper = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={profile}"]
        with cycling(way, binary, tmp, run, wrapper) as (_, cycle):
            for _ in range(cycles):
                cycle()
        return int(re.search(r"^(?:summary|totals): (\d+)", profile.read_text(), re.M)[1])

    few, many = count(plan.short_cycles), count(plan.long_cycles)
    result.value = round((many - few) / (plan.long_cycles - plan.short_cycles))
    result.note = f"callgrind, {plan.long_cycles - plan.short_cycles} cycles"
    return result


# -- (f) start


def start_latency(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    port_file = PortFile(tmp / "gluetun" / "forwarded_port")
    port_file.write(free_port())
    qsticky = Qsticky(
        binary, port_file=port_file, health_file=tmp / "status.json", qbittorrent_port=1
    )
    done = subprocess.run(
        [LIMIT_CLIENT, "start", str(plan.starts), *qsticky.command],
        env=qsticky.env,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    took = [int(line) / 1e3 for line in done.stdout.split()]
    return [
        Result(
            "start_ms",
            "exec to first byte of the first request at the server",
            statistics.median(took) / 1e3,
            "ms",
            None,
            f"median of {len(took)}",
            {"start": took},
        )
    ]


# -- (g) stop


def stop_latency(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    port_file = PortFile(tmp / "gluetun" / "forwarded_port")
    port_file.write(free_port())

    def launch(webui_port: int) -> Qsticky:
        return Qsticky(
            binary,
            port_file=port_file,
            health_file=tmp / "health" / "status.json",
            qbittorrent_port=webui_port,
            interval=30,
            log_level="INFO",
        ).start()

    def stop(qsticky: Qsticky) -> float:
        pidfd = os.pidfd_open(qsticky.pid)
        try:
            began = time.perf_counter_ns()
            os.kill(qsticky.pid, signal.SIGTERM)
            select.select([pidfd], [], [], 20)
            took = (time.perf_counter_ns() - began) / 1e6
        finally:
            os.close(pidfd)
        code = qsticky.stop()
        assert code == 0, f"exit code {code} when stopped"
        return took

    def idle(frozen: bool) -> Iterator[float]:
        with QBittorrent(tmp / f"profile-{frozen}") as qbittorrent:
            for _ in range(plan.stops):
                qsticky = launch(qbittorrent.webui_port)
                qsticky.wait_health(state="in_sync")
                wait_until(lambda: _sleeps(qsticky.pid), 5, "qsticky to be idle")
                if frozen:
                    os.kill(qbittorrent.pid, signal.SIGSTOP)
                try:
                    yield stop(qsticky)
                finally:
                    os.kill(qbittorrent.pid, signal.SIGCONT)

    def hung() -> Iterator[float]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            for _ in range(plan.stops):
                qsticky = launch(server.getsockname()[1])
                peer, _ = server.accept()
                with peer:
                    peer.recv(1)  # the request is out; there will be no answer
                    wait_until(lambda: _sleeps(qsticky.pid), 5, "qsticky to wait")
                    yield stop(qsticky)

    def black_hole() -> Iterator[float]:
        # A full backlog: the kernel drops what comes, as a dead host would.
        with socket.socket() as server, contextlib.ExitStack() as filling:
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            address = server.getsockname()
            for _ in range(4):
                filler = filling.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(address)
            waiting = re.compile(rf" 0100007F:{address[1]:04X} 02 ")  # SYN_SENT to that port

            def pending() -> int:
                return len(waiting.findall(Path("/proc/net/tcp").read_text()))

            for _ in range(plan.stops):
                before = pending()
                qsticky = launch(address[1])
                wait_until(lambda: pending() > before, 5, "qsticky's connect to be pending")
                yield stop(qsticky)

    situations = {
        "stop_idle_ms": ("SIGTERM to exit, idle", idle(False)),
        "stop_frozen_ms": ("SIGTERM to exit, idle, qBittorrent frozen", idle(True)),
        "stop_hung_ms": ("SIGTERM to exit, in a hung exchange", hung()),
        "stop_black_hole_ms": ("SIGTERM to exit, in a connect to a black hole", black_hole()),
    }
    results = []
    for key, (what, measured) in situations.items():
        took = list(measured)
        note = f"worst of {len(took)}; median {statistics.median(took):.2f} ms"
        results.append(Result(key, what, max(took), "ms", 50, note, {"stop": took}))
    return results


def _sleeps(pid: int) -> bool:
    """Whether the process waits for something: what it had to do before is done."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


# -- the table


def describe_machine() -> str:
    done = subprocess.run(
        ["qbittorrent-nox", "--version"], capture_output=True, text=True, check=True
    )
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{done.stdout.strip()}, Linux {kernel}, {os.cpu_count()} processors"


def print_table(results: list[Result]) -> None:
    rows = [("", "measured", "goal", "met", ""), *(result.columns() for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        print("  ".join(cells).rstrip())
        if row[4]:
            print(f"    {row[4]}")


def print_markdown(results: list[Result]) -> None:
    print("| what | measured | goal | met | |\n| --- | --- | --- | --- | --- |")
    for result in results:
        print(f"| {' | '.join(result.columns())} |".replace("  ", " "))


def build_limit_client() -> None:
    """`make bench` has done it; this is for a run by hand."""
    if LIMIT_CLIENT.exists() and LIMIT_CLIENT.stat().st_mtime >= LIMIT_SOURCE.stat().st_mtime:
        return
    target = LIMIT_CLIENT.relative_to(ROOT)
    subprocess.run(["make", "--silent", str(target)], cwd=ROOT, check=True)


def memory_dir() -> str | None:
    """A directory in memory, or None."""
    mounts = Path("/proc/mounts").read_text()
    return "/dev/shm" if re.search(r"^\S+ /dev/shm tmpfs rw\b", mounts, re.M) else None


def main() -> int:
    summary = (__doc__ or "").partition("\n\n")[0]
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--quick", action="store_true", help="fewer samples, shorter waits")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write it all as JSON")
    parser.add_argument("--markdown", action="store_true", help="print the table as markdown")
    parser.add_argument("--binary", type=Path, default=BINARY, metavar="FILE")
    options = parser.parse_args()
    binary: Path = options.binary.resolve()
    if not binary.exists():
        print(f"bench: {binary} is not there; run make first", file=sys.stderr)
        return 2
    lacking = [name for name in ("curl", "nginx", "openssl") if not find_program(name)]
    if lacking:
        print(f"bench: not installed: {', '.join(lacking)}; run tests/setup.sh", file=sys.stderr)
        return 2

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    build_limit_client()
    plan = Plan.quick() if options.quick else Plan()
    results: list[Result] = []
    try:
        for part in (
            change_latency,
            change_latency_https,
            footprint,
            cycle_cost,
            start_latency,
            stop_latency,
        ):
            if sys.stderr.isatty():
                print(f"bench: {part.__name__.replace('_', ' ')} ...", file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="qsticky-bench-", dir=memory_dir()) as tmp:
                results += part(binary, Path(tmp), plan)
    except KeyboardInterrupt:
        print("\nbench: interrupted, cleaned up", file=sys.stderr)
        return 130

    machine = describe_machine()
    print(f"{machine}{', quick run' if options.quick else ''}\n")
    (print_markdown if options.markdown else print_table)(results)
    if options.json:
        report = {
            "machine": machine,
            "quick": options.quick,
            "results": [{**asdict(result), "met": result.met} for result in results],
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

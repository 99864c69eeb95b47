"""What it takes to be there, and what one cycle does."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_base import (
    LIMIT_CLIENT,
    LineReader,
    Plan,
    Result,
    bare,
    callgrind,
    find_program,
    instructions_in,
    memory_dir,
    pinned,
    processor_ns,
    resident_kib,
    running,
    self_signed,
    sleeps,
    with_https,
)
from bench_latency import curl_command, curl_config
from certificates import Certificate
from harness import PortFile, QBittorrent, Qsticky, free_port, wait_until
from namespace import TUNNEL, Namespace
from tls_peers import Nginx, https_site

# -- (b) (c) (d) what it takes to be there


def footprint(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    def switches(pid: int) -> int:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.M)[1])

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
            resident_kib(qsticky.pid) for qsticky in idle[:2]
        )
        for qsticky in idle:
            health = qsticky.health()
            assert health and health["state"] == "in_sync", health
        assert not tunnelled or idle[2].health()["reachable"], idle[2].health()

    limit_kib, script_kib = rivals_at_rest()
    wake_ups = f"wake-ups in {plan.idle_seconds} idle seconds at interval {plan.idle_interval}"
    cycles = f"{plan.idle_seconds // plan.idle_interval} cycles"
    return [
        Result(
            "resident_kib",
            "resident memory, idle, over HTTP",
            resident,
            "KiB",
            96,
            "for curl: a shell's loop and its sleep",
            limit_kib,
            script_kib,
        ),
        Result(
            "written_kib",
            "memory written to, idle, over HTTP",
            written,
            "KiB",
            48,
            "the rest of the resident memory is the binary's",
        ),
        Result(
            "resident_https_kib",
            "resident memory, idle, over HTTPS",
            resident_https,
            "KiB",
            96,
            "qBittorrent's certificate is pinned",
        ),
        Result(
            "written_https_kib",
            "memory written to, idle, over HTTPS",
            written_https,
            "KiB",
            48,
        ),
        Result(
            "binary_kib",
            "size of the binary, TLS linked",
            binary.stat().st_size / 1024,
            "KiB",
            192,
            "one static file; for curl: it alone, without its libraries",
            None,
            Path(find_program("curl")).stat().st_size / 1024,
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


def rivals_at_rest() -> tuple[int, int]:
    """KiB resident of the limit client, and of a script that would start curl, both waiting."""
    with running([str(LIMIT_CLIENT), "look", "1", ""], stdin=subprocess.PIPE) as limit:
        wait_until(lambda: sleeps(limit.pid), 5, "the limit client to wait")
        of_limit = resident_kib(limit.pid)[0]
    loop = ["/bin/sh", "-c", "while :; do sleep 1000 & echo $!; wait; done"]
    with running(loop, stdout=subprocess.PIPE) as script:
        assert script.stdout
        pause = int(LineReader(script.stdout.fileno()).until(b""))
        try:
            wait_until(lambda: sleeps(pause) and sleeps(script.pid), 5, "the script to wait")
            return of_limit, resident_kib(script.pid)[0] + resident_kib(pause)[0]
        finally:
            script.kill()  # first, or it starts another
            os.kill(pause, signal.SIGKILL)


# -- (e) what a cycle costs


@dataclass
class Way:
    """From qsticky to a qBittorrent whose port is right."""

    name: str
    what: str
    qbittorrent: QBittorrent
    certificate: Certificate | None = None
    nginx: Nginx | None = None  # in between

    def launch(
        self, binary: Path, tmp: Path, run: str, env: dict[str, str] | None = None, **options: Any
    ) -> Qsticky:
        port_file = PortFile(tmp / f"{self.name}-{run}" / "forwarded_port")
        port_file.write(self.qbittorrent.listen_port())
        return Qsticky(
            binary,
            port_file=port_file,
            # Not beside the port file, where each write of it would wake qsticky once more.
            health_file=port_file.path.parent / "health" / "status.json",
            qbittorrent_port=self.nginx.port if self.nginx else self.qbittorrent.webui_port,
            env=(pinned(self.certificate) if self.certificate else {}) | (env or {}),
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
    if os.geteuid() == 0:
        with Namespace() as namespace:
            namespace.add_tunnel()
            with QBittorrent(tmp / "tunnelled", interface=TUNNEL, address="") as tunnelled:
                way = Way("probed", "HTTP, the port probed", tunnelled)
                results.insert(1, system_calls(way, binary, tmp, plan))
                results.append(instructions(way, binary, tmp, plan))
    return results


# What the rivals do in place of a settled cycle: connect, GET the preferences, look for the port.


def look_by_limit(
    qbittorrent: QBittorrent, cycles: int, wrapper: list[str] | None = None
) -> list[float]:
    """So many cycles of the limit client: the nanoseconds of processor time of each."""
    request = b"%d" % qbittorrent.listen_port()
    command = [str(LIMIT_CLIENT), "look", str(qbittorrent.webui_port), qbittorrent.cookie]
    took: list[float] = []
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    with running([*(wrapper or []), *command], **pipes) as client:
        assert client.stdin and client.stdout
        answers = LineReader(client.stdout.fileno())
        for _ in range(cycles):
            wait_until(lambda: sleeps(client.pid), 20, "the limit client to wait")
            before = processor_ns(client.pid)
            client.stdin.write(request)
            answers.until(b"")
            wait_until(lambda: sleeps(client.pid), 20, "the limit client to wait")
            took.append(processor_ns(client.pid) - before)
        client.stdin.close()
        assert client.wait(20) == 0, "the limit client failed"
    return took


def look_by_curl(qbittorrent: QBittorrent, wrapper: list[str] | None = None) -> float:
    """One curl: the nanoseconds of processor time from its start to its end."""
    qbittorrent.listen_port()
    command = [*(wrapper or []), *curl_command()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin
        process.stdin.write(curl_config(qbittorrent).encode())
        process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, "curl failed"
    return (usage.ru_utime + usage.ru_stime) * 1e9


def system_calls(way: Way, binary: Path, tmp: Path, plan: Plan) -> Result:
    key = "system_calls" if way.name == "http" else f"system_calls_{way.name}"
    goal = 24 if way.name == "http" else 28
    result = Result(key, f"system calls per settled cycle, {way.what}", None, "", goal)
    if not shutil.which("strace"):
        result.note = "strace is not installed"
        return result

    def strace(run: str, *options: str) -> tuple[list[str], Path]:
        table = tmp / f"{way.name}-{run}.txt"
        return ["strace", *options, "-c", "-U", "calls,name", "-o", str(table)], table

    def read(table: Path) -> dict[str, int]:
        wait_until(lambda: table.exists() and "total" in table.read_text(), 10, "strace's table")
        rows = re.findall(r"^\s*(\d+) (\w+)$", table.read_text(), re.M)
        return {call: int(calls) for calls, call in rows if call != "total"}

    def count(seconds: int) -> dict[str, int]:
        run = f"strace-{seconds}"
        wrapper, table = strace(run, "-D")  # qsticky itself is our child, and gets our signal
        with way.launch(binary, tmp, run, interval=1, log_level="INFO", wrapper=wrapper) as qsticky:
            qsticky.wait_health(state="in_sync")

            def has_run() -> bool:
                health = qsticky.health()
                return bool(health) and health["uptime_seconds"] >= seconds

            wait_until(has_run, seconds + 20, f"{seconds} s of cycles")
        return read(table)

    count(plan.short_cycles)  # qBittorrent may not have opened its port yet, which takes more calls
    few, many = count(plan.short_cycles), count(plan.long_cycles)
    cycles = many["rename"] - few["rename"]  # of the health file
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
    if way.name == "http":
        totals = []
        for cycles in (plan.short_cycles, plan.long_cycles):
            wrapper, table = strace(f"limit-{cycles}", "-D")
            look_by_limit(way.qbittorrent, cycles, wrapper)
            totals.append(sum(read(table).values()))
        result.limit = (totals[1] - totals[0]) / (plan.long_cycles - plan.short_cycles)
        wrapper, table = strace("curl", "-f")
        look_by_curl(way.qbittorrent, wrapper)
        result.curl = sum(read(table).values())
    return result


@contextlib.contextmanager
def cycling(
    way: Way, binary: Path, tmp: Path, run: str, wrapper: list[str]
) -> Iterator[tuple[Qsticky, Callable[[], None]]]:
    """qsticky, and what has it run one settled cycle, until it sleeps again: SIGHUP, which saves time;
    below a wrapper the timer, so that what is counted is what users have."""
    # No line for each SIGHUP: users have none in a settled cycle.
    options = {"interval": 3600, "log_level": "WARNING", "wrapper": wrapper}
    if wrapper:  # and none for the sandbox that is off
        # A handshake takes most of a second there; the next cycle must not have begun at the stop.
        interval = 2 if way.certificate else 1
        options |= {"env": bare(binary), "log_level": "ERROR", "interval": interval}
    seen = len(way.nginx.log()) if way.nginx else 0
    with way.launch(binary, tmp, run, **options) as qsticky:

        def health_file() -> tuple[int, int]:
            status = qsticky.health_file.stat()
            return status.st_ino, status.st_mtime_ns

        def cycle() -> None:
            before = health_file()
            if not wrapper:
                os.kill(qsticky.pid, signal.SIGHUP)
            wait_until(lambda: health_file() != before, 20, "the end of a cycle")
            wait_until(lambda: sleeps(qsticky.pid), 20, "qsticky to be idle")

        qsticky.wait_health(30, state="in_sync")
        wait_until(lambda: sleeps(qsticky.pid), 20, "qsticky to be idle")
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
        for number in range(plan.timed_cycles + 5):
            before = processor_ns(qsticky.pid)
            cycle()
            if number >= 5:  # caches are warm
                took.append((processor_ns(qsticky.pid) - before) / 1e6)
    tenths = statistics.quantiles(took, n=10)
    result = Result(
        f"processor_ms_{way.name}",
        f"processor time per settled cycle, {way.what}",
        statistics.median(took),
        "ms",
        None,
        f"median of {len(took)}; eight in ten between {tenths[0]:.2f} and {tenths[-1]:.2f} ms",
        samples={"cycle": took},
    )
    if way.name == "http":
        result.samples["limit"] = [
            ns / 1e6 for ns in look_by_limit(way.qbittorrent, plan.timed_cycles + 5)[5:]
        ]
        result.limit = statistics.median(result.samples["limit"])
    if not way.nginx:  # a curl that is started again has no session to resume
        result.samples["curl"] = [
            look_by_curl(way.qbittorrent) / 1e6 for _ in range(plan.timed_cycles // 4)
        ]
        result.curl = statistics.median(result.samples["curl"])
    return result


def instructions(way: Way, binary: Path, tmp: Path, plan: Plan) -> Result:
    what = f"user instructions per settled cycle, {way.what}"
    goals = {"http": 150_000, "full": 12_000_000, "full_ec": 18_500_000}
    result = Result(f"instructions_{way.name}", what, None, "", goals.get(way.name))
    if not shutil.which("valgrind"):
        result.note = "valgrind is not installed"
        return result

    def count(cycles: int) -> int:
        run = f"callgrind-{cycles}"
        profile = tmp / f"{way.name}-{run}.out"
        with cycling(way, binary, tmp, run, callgrind(profile)) as (_, cycle):
            for _ in range(cycles):
                cycle()
        return instructions_in(profile)

    few, many = count(plan.short_cycles), count(plan.long_cycles)
    result.value = round((many - few) / (plan.long_cycles - plan.short_cycles))
    result.note = f"callgrind, {plan.long_cycles - plan.short_cycles} cycles"
    if way.name == "http":
        totals = []
        for cycles in (plan.short_cycles, plan.long_cycles):
            profile = tmp / f"limit-{cycles}.out"
            look_by_limit(way.qbittorrent, cycles, callgrind(profile))
            totals.append(instructions_in(profile))
        result.limit = round((totals[1] - totals[0]) / (plan.long_cycles - plan.short_cycles))
    if way.name in ("http", "full", "full_ec"):
        profile = tmp / f"curl-{way.name}.out"
        look_by_curl(way.qbittorrent, callgrind(profile))
        result.curl = instructions_in(profile)
    return result

"""How long things take: a new port, a start, a stop."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench_base import (
    LIMIT_CLIENT,
    LineReader,
    Plan,
    Result,
    find_program,
    running,
    self_signed,
    sleeps,
    with_https,
)
from harness import PortFile, QBittorrent, Qsticky, free_port, wait_until

Side = Callable[[int], None]  # brings a port to qBittorrent


@contextlib.contextmanager
def following(
    binary: Path, tmp: Path, webui_port: int, env: dict[str, str], took: list[float]
) -> Iterator[Side]:
    """qsticky as a side: microseconds from the rename on are added to `took`."""
    port_file = PortFile(tmp / "gluetun" / "forwarded_port")
    port_file.write(free_port())
    qsticky = Qsticky(
        binary,
        port_file=port_file,
        health_file=tmp / "health" / "status.json",
        qbittorrent_port=webui_port,
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


# For each of the requests, since `next` forgets the options before it.
CURL_REQUEST = """silent
show-error
fail
{trust}
cookie = "{cookie}"
url = "{origin}/api/v2/app/{path}"
"""


def curl_config(qbittorrent: QBittorrent, port: int | None = None) -> str:
    """For a GET of the preferences; with a port for a POST of it before, on one connection."""

    def request(path: str) -> str:
        return CURL_REQUEST.format(
            trust=f'cacert = "{qbittorrent.https[0]}"' if qbittorrent.https else "",
            cookie=qbittorrent.cookie,
            origin=f"http{'s' if qbittorrent.https else ''}://127.0.0.1:{qbittorrent.webui_port}",
            path=path,
        )

    if port is None:
        return request("preferences")
    return (
        f'{request("setPreferences")}data = "json=%7B%22listen_port%22%3A{port}%7D"\nnext\n'
        f'{request("preferences")}write-out = " new connections: %{{num_connects}}\\n"\n'
    )


# A whole path and, below, close_fds=False: then Python has the quickest way to start it.
def curl_command() -> list[str]:
    return [find_program("curl"), "--disable", "--config", "-"]


def curl_side(qbittorrent: QBittorrent, took: list[float], already_started: bool = False) -> Side:
    """One curl for each port, the way a script would have it."""

    def by_curl(port: int) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
        config = curl_config(qbittorrent, port).encode()
        began = time.perf_counter_ns()
        with running(curl_command(), close_fds=False, **pipes) as process:
            assert process.stdin and process.stdout
            if already_started:
                wait_until(lambda: sleeps(process.pid), 5, "curl to wait for its orders")
                began = time.perf_counter_ns()
            process.stdin.write(config)
            process.stdin.close()
            answer = LineReader(process.stdout.fileno()).until(b'"listen_port":%d,' % port)
            took.append((time.perf_counter_ns() - began) / 1e3)
            assert answer.endswith(b" new connections: 0"), "curl did not keep the connection"
            assert process.wait(10) == 0, "curl failed"

    return by_curl


@contextlib.contextmanager
def limit_side(
    webui_port: int, cookie: str, took: list[float], by_its_own_clock: list[float]
) -> Iterator[Side]:
    command = [str(LIMIT_CLIENT), "change", str(webui_port), cookie]
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as client:
        assert client.stdin and client.stdout
        answers = LineReader(client.stdout.fileno())

        def by_limit(port: int) -> None:
            request = b"%d" % port
            began = time.perf_counter_ns()
            os.write(client.stdin.fileno(), request)
            answer = answers.until(b"")
            took.append((time.perf_counter_ns() - began) / 1e3)
            by_its_own_clock.append(int(answer) / 1e3)

        yield by_limit


def change_latency(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    names = ("qsticky", "limit", "limit by its own clock", "curl")
    took: dict[str, list[float]] = {name: [] for name in names}
    with QBittorrent(tmp / "profile") as qbittorrent:
        qbittorrent.listen_port()  # makes the session that the others use
        with (
            following(binary, tmp, qbittorrent.webui_port, {}, took["qsticky"]) as by_qsticky,
            limit_side(
                qbittorrent.webui_port,
                qbittorrent.cookie,
                took["limit"],
                took["limit by its own clock"],
            ) as by_limit,
        ):
            by_curl = curl_side(qbittorrent, took["curl"])
            take_turns(plan, qbittorrent, [by_limit, by_qsticky, by_curl], took)

    ms = {side: statistics.median(samples) / 1e3 for side, samples in took.items()}
    spread = statistics.quantiles(took["qsticky"], n=10)
    return [
        Result(
            "latency_ms",
            "rename of the port file to port verified",
            ms["qsticky"],
            "ms",
            None,
            f"medians of {plan.changes}; POST and GET; one in ten of qsticky's over"
            f" {spread[-1] / 1e3:.2f} ms; curl is started for it",
            ms["limit"],
            ms["curl"],
            took,
        ),
        Result(
            "latency_ratio",
            "the same, over the limit",
            ms["qsticky"] / ms["limit"],
            "",
            1.05,
            f"over the limit by its own clock, {ms['limit by its own clock']:.2f} ms:"
            f" {ms['qsticky'] / ms['limit by its own clock']:.2f}",
        ),
    ]


def change_latency_at_once(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    """With a server that answers at once, whose own time hides nothing."""
    names = ("qsticky", "limit", "limit by its own clock")
    took: dict[str, list[float]] = {name: [] for name in names}
    body = tmp / "preferences.json"
    with QBittorrent(tmp / "profile") as qbittorrent:
        body.write_text(qbittorrent.api("GET", "app/preferences"))
    with running([str(LIMIT_CLIENT), "serve", str(body)], stdout=subprocess.PIPE) as server:
        assert server.stdout
        port = int(LineReader(server.stdout.fileno()).until(b""))
        with (
            following(binary, tmp, port, {}, took["qsticky"]) as by_qsticky,
            limit_side(port, "", took["limit"], took["limit by its own clock"]) as by_limit,
        ):
            for number in range(plan.changes + 2):  # the log has room for twice as many
                for side in [by_limit, by_qsticky] if number % 2 else [by_qsticky, by_limit]:
                    side(1024 + 2 * number + (side is by_limit))
                    time.sleep(0.01)  # until both sleep
                if number == 1:  # caches are warm
                    for samples in took.values():
                        samples.clear()
    ms = {side: statistics.median(samples) / 1e3 for side, samples in took.items()}
    return [
        Result(
            "latency_at_once_ratio",
            "the same with a server that answers at once, over the limit",
            ms["qsticky"] / ms["limit"],
            "",
            1.15,
            f"medians of {plan.changes}: {ms['qsticky']:.3f} ms over {ms['limit']:.3f} ms;"
            f" {body.stat().st_size:,} bytes of preferences",
            samples=took,
        )
    ]


def change_latency_https(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    names = ("qsticky", "curl", "curl, already started")
    took: dict[str, list[float]] = {name: [] for name in names}
    certificate = self_signed(tmp / "pki")
    trust = {"QSTICKY_USE_HTTPS": "true", "QSTICKY_TLS_CA_FILE": str(certificate.path)}
    with with_https(tmp / "profile", certificate) as qbittorrent:
        qbittorrent.listen_port()
        with following(binary, tmp, qbittorrent.webui_port, trust, took["qsticky"]) as by_qsticky:
            by_curl = curl_side(qbittorrent, took["curl"])
            by_started_curl = curl_side(qbittorrent, took["curl, already started"], True)
            take_turns(plan, qbittorrent, [by_curl, by_qsticky, by_started_curl], took)

    qsticky, curl, started = (statistics.median(samples) / 1e3 for samples in took.values())
    return [
        Result(
            "https_latency_ms",
            "rename of the port file to port verified, over HTTPS",
            qsticky,
            "ms",
            None,
            f"medians of {plan.changes}; full handshake, POST, GET; curl is started for it (one"
            f" that was started before: {started:.2f} ms, so {qsticky / started:.2f} of that)",
            None,
            curl,
            took,
        )
    ]


# -- (f) start


# Groups of starts, one after the other.
START_TURNS = 5


def start_latency(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    port_file = PortFile(tmp / "gluetun" / "forwarded_port")
    port_file.write(free_port())
    qsticky = Qsticky(
        binary, port_file=port_file, health_file=tmp / "status.json", qbittorrent_port=1
    )
    url = "http://127.0.0.1:$QSTICKY_QBITTORRENT_PORT/api/v2/app/preferences"
    commands = {
        "qsticky": qsticky.command,
        "limit": [str(LIMIT_CLIENT), "first"],
        "curl": ["/bin/sh", "-c", f"exec {find_program('curl')} --disable --silent {url}"],
    }

    assert plan.starts % START_TURNS == 0

    def measure(held: tuple[str, ...]) -> dict[str, list[float]]:
        """Milliseconds, in turns: what else goes on at the machine meets all of them."""
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(START_TURNS):
            for name, command in commands.items():
                done = subprocess.run(
                    [*held, LIMIT_CLIENT, "start", str(plan.starts // START_TURNS), *command],
                    env=qsticky.env,
                    capture_output=True,
                    text=True,
                    timeout=120,
                    check=True,
                )
                took[name] += [int(line) / 1e6 for line in done.stdout.split()]
        return took

    def ratio(took: dict[str, list[float]]) -> float:
        return statistics.median(took["qsticky"]) / statistics.median(took["limit"])

    took = measure(())
    in_the_image = measure(("setpriv", "--inh-caps=-all", "--bounding-set=-all"))
    return [
        Result(
            "start_ms",
            "exec to first byte of the first request at the server",
            statistics.median(took["qsticky"]),
            "ms",
            None,
            f"medians of {plan.starts}; curl by a shell's exec",
            statistics.median(took["limit"]),
            statistics.median(took["curl"]),
            took,
        ),
        Result("start_ratio", "the same, over the limit", ratio(took), "", 2),
        Result(
            "start_ratio_in_the_image",
            "the same without capabilities, as in the image, over the limit",
            ratio(in_the_image),
            "",
            2,
            f"medians of {plan.starts}: {statistics.median(in_the_image['qsticky']):.2f} ms over "
            f"{statistics.median(in_the_image['limit']):.2f} ms",
            samples=in_the_image,
        ),
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
                wait_until(lambda: sleeps(qsticky.pid), 5, "qsticky to be idle")
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
                    wait_until(lambda: sleeps(qsticky.pid), 5, "qsticky to wait")
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
        results.append(Result(key, what, max(took), "ms", 50, note, samples={"stop": took}))
    return results

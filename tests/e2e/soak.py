"""Months of a bad life, as many of them as there is time for.

    make soak                 10 minutes; HOURS=8 for more, SEED=1 for the same again

Three sidecars share a network with a VPN that reconnects: one beside a real qBittorrent, two beside
fakes of which one has its qsticky killed and restarted all the time. Between each and its server is
a proxy that breaks. Rounds of random trouble end in calm, in which all have to come back to the
forwarded port, and memory, descriptors and the time of a port change are taken. All the while the
health files are compared with what is true.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from calendar import timegm
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from harness import (
    BINARY,
    PortFile,
    QBittorrent,
    Qsticky,
    during_sleep,
    memory_kib,
    wait_until,
)
from listening_server import ListeningServer
from namespace import Namespace
from proxy import FAULTS, PASS, Proxy

INTERVAL_S = 2
# An interval, and the longest cycle; then healthcheck does not believe the file any more (spec 8).
HEALTH_AGE_S = 2 * INTERVAL_S + 15
TOLERATED_S = HEALTH_AGE_S + 1  # a reading may be that much apart from the other
# Where two rebinds have just been, the next is a minute later.
BACK_S = 100
RECONNECT_EVERY_S = 35
GROWTH_KIB = 8  # two pages
BAD_FILES = (b"", b"0", b"70000", b"-1", b"port", b"51413abc", b"1" * 300, b"\0\0", b"41000;42000")


class Figures:
    """Of one kind, over the whole time."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def quarters(self) -> tuple[float, float]:
        """The medians of the first and of the last one."""
        size = max(1, len(self.values) // 4)
        return statistics.median(self.values[:size]), statistics.median(self.values[-size:])


class Stack:
    """A port file, a sidecar, a proxy and a server."""

    def __init__(
        self,
        name: str,
        server: QBittorrent | ListeningServer,
        place: Path,
        ports: range,
        chance: random.Random,
        *,
        restarts: bool,
    ) -> None:
        self.name = name
        self.server = server
        self.restarts = restarts
        self.file = PortFile(place / name / "gluetun" / "forwarded_port")
        self.health_file = place / name / "health" / "status.json"
        self.ports = ports
        self.chance = chance
        web_port = server.webui_port if isinstance(server, QBittorrent) else server.port
        self.proxy = Proxy(web_port, chance)
        self.port = 0
        self.qsticky: Qsticky | None = None
        self.starts = 0
        self.nudges = 0
        self.lies: list[str] = []
        self.longest_s = 0.0
        self.latency, self.memory, self.descriptors = Figures(), Figures(), Figures()
        self._lied_since: float | None = None

    # -- qsticky

    def start(self) -> None:
        self.starts += 1
        self.qsticky = Qsticky(
            BINARY,
            port_file=self.file,
            health_file=self.health_file,
            qbittorrent_port=self.proxy.port,
            interval=INTERVAL_S,
            log_level="INFO",
        ).start()

    def restart(self, *, kill: bool) -> None:
        assert self.qsticky is not None
        if kill:
            self.qsticky.kill()
        else:
            code = self.qsticky.stop()
            assert code == 0, f"{self.name}: qsticky ended with {code}"
            assert not self.health_file.exists()
        self.start()

    def health(self) -> dict[str, Any] | None:
        try:
            return json.loads(self.health_file.read_text())
        except FileNotFoundError:
            return None

    # -- the port

    def new_port(self) -> int:
        self.port = self.chance.choice([port for port in self.ports if port != self.port])
        return self.port

    def change(self) -> None:
        port = self.new_port()
        if self.chance.random() < 0.3:
            self.file.rename_over(f"{port}\n")
        else:
            self.file.write(port)

    def spoil(self) -> None:
        kind = self.chance.randrange(3)
        if kind == 0:
            self.file.path.unlink(missing_ok=True)
        elif kind == 1:
            shutil.rmtree(self.file.path.parent)
            self.file.path.parent.mkdir()
        else:
            self.file.write_bytes(self.chance.choice(BAD_FILES))

    # -- the truth

    def truth(self) -> int | None:
        """What the server has; None while it is down."""
        if isinstance(self.server, ListeningServer):
            return self.server.preferences["listen_port"] if self.server.is_up() else None
        try:
            return self.server.listen_port()
        except (OSError, http.client.HTTPException, AssertionError, ValueError):
            return None

    def compare(self) -> None:
        """Whether the health file says healthy of what has not been so for too long."""
        before, health, after = self.truth(), self.health(), self.truth()
        now = time.monotonic()
        if not believed(health) or health["state"] != "in_sync":
            self._lied_since = None
            return
        if health["current_port"] != health["forwarded_port"]:
            self.lies.append(f"in sync with two ports: {health}")
        if before != after or health["current_port"] == before:
            self._lied_since = None if health["current_port"] in (before, after) else now
            return
        self._lied_since = self._lied_since or now
        self.longest_s = max(self.longest_s, now - self._lied_since)
        if now - self._lied_since > TOLERATED_S:
            self.lies.append(f"for {now - self._lied_since:.0f} s, with {before} there: {health}")
            self._lied_since = now

    # -- calm

    def is_back(self) -> bool:
        """In sync with the file's port; a word to it where logins are held back for 10 minutes."""
        assert self.qsticky is not None and self.qsticky.process is not None
        ended = self.qsticky.process.poll()
        assert ended is None, f"{self.name}: qsticky ended with {ended}"
        health = self.health() or {}
        error = health.get("last_error") or ""
        if "next login" in error or "no more logins" in error or "held back" in error:
            self.nudges += 1
            os.kill(self.qsticky.pid, signal.SIGHUP)
            time.sleep(0.5)
        return bool(
            health.get("healthy")
            and health["state"] == "in_sync"
            and health["current_port"] == health["forwarded_port"] == self.port
        )

    def wait_back(self) -> None:
        try:
            # Until the next check it may say healthy of what was so.
            wait_until(lambda: self.is_back() and self.truth() == self.port, BACK_S, "sync")
        except AssertionError as error:
            log = "\n".join(self.qsticky.log[-30:] if self.qsticky else [])
            state = f"{self.truth()} is set, {self.port} forwarded, health {self.health()}"
            raise AssertionError(f"{self.name}: {error}\n{state}\n{log}") from None

    def measure(self) -> None:
        """A port change in calm, and what the sidecar holds when it sleeps again."""
        assert self.qsticky is not None
        began = time.monotonic()
        self.file.write(self.new_port())
        wait_until(self.is_back, BACK_S, "sync after a change in calm")
        self.latency.values.append((time.monotonic() - began) * 1000)
        pid = self.qsticky.pid
        # Its line in the log, and the sleep, come after the health file.
        memory, descriptors = during_sleep(
            pid, lambda: (memory_kib(pid, "Anonymous"), len(os.listdir(f"/proc/{pid}/fd")))
        )
        self.memory.values.append(memory)
        self.descriptors.values.append(descriptors)


def believed(health: dict[str, Any] | None) -> bool:
    """As healthcheck would."""
    if not health or not health["healthy"]:
        return False
    written = timegm(time.strptime(health["timestamp"], "%Y-%m-%dT%H:%M:%SZ"))
    return time.time() - written <= HEALTH_AGE_S


class Soak:
    def __init__(self, seed: int, say: Callable[[str], None] = print) -> None:
        self.seed = seed
        self.say = say
        self.chance = random.Random(seed)
        self.rounds = 0
        self.counts: dict[str, int] = {}
        self.stacks: list[Stack] = []
        self._reconnected = -RECONNECT_EVERY_S
        self._over = threading.Event()
        self._broken: list[BaseException] = []

    # -- the stage

    def run(self, seconds: float) -> list[str]:
        """Everything that is wrong, in words; an AssertionError where something never came back."""
        self.say(f"SEED={self.seed}, {seconds:g} s")
        self._began = time.monotonic()
        with ExitStack() as things:
            self._set_up(things)
            try:
                while time.monotonic() - self._began < seconds:
                    self._round()
                self._finish()
            finally:
                self._end_watch()
                self.report()
        return self.verdict()

    def _set_up(self, things: ExitStack) -> None:
        place = Path(tempfile.mkdtemp(prefix="qsticky-soak-"))
        things.callback(shutil.rmtree, place)
        self.namespace = things.enter_context(Namespace())
        self.namespace.set_ipv6(False)
        self.namespace.add_bridge()
        self.namespace.add_tunnel()
        real = QBittorrent(place / "profile", address="")
        servers = {"real": real, "fake": ListeningServer(), "crash": ListeningServer()}
        for number, (name, server) in enumerate(servers.items()):
            things.enter_context(server)
            # Away from those that free_port() and the kernel give.
            ports = range(3000 + number * 1000, 4000 + number * 1000)
            stack = Stack(name, server, place, ports, self.chance, restarts=name == "crash")
            stack.proxy.start()
            things.callback(stack.proxy.stop)
            stack.change()
            stack.start()
            things.callback(lambda stack=stack: stack.qsticky.kill())
            self.stacks.append(stack)
        self._watchers = [
            threading.Thread(target=self._watch, args=(stack,), daemon=True)
            for stack in self.stacks
        ]
        for stack in self.stacks:
            stack.wait_back()
            stack.measure()
        for thread in self._watchers:
            thread.start()
        self.say("all in sync; the trouble begins")

    def _watch(self, stack: Stack) -> None:
        pause = 0.3 if stack.name == "real" else 0.03
        while not self._over.wait(pause):
            try:
                stack.compare()
            except BaseException as error:  # for the main thread to raise
                self._broken.append(error)
                return

    # -- a round

    def _round(self) -> None:
        self.rounds += 1
        for _ in range(self.chance.randrange(1, 6)):
            kind, act = self._draw()
            self.counts[kind] = self.counts.get(kind, 0) + 1
            act()
            time.sleep(self.chance.choice((0, 0.05, 0.3, 1, 2.5)))
        self._heal()
        for stack in self.stacks:
            stack.wait_back()
        for stack in self.stacks:
            stack.measure()
        if self._broken:
            raise self._broken[0]
        assert not (lies := [lie for stack in self.stacks for lie in stack.lies]), lies

    def _draw(self) -> tuple[str, Callable[[], None]]:
        stack = self.chance.choice(self.stacks)
        fault = self.chance.choice(FAULTS)
        acts: list[tuple[int, str, Callable[[], None]]] = [
            (5, "port change", stack.change),
            (3, "bad port file", stack.spoil),
            (5, f"proxy: {fault}", lambda: stack.proxy.set(fault)),
            (2, "proxy heals", lambda: stack.proxy.set(PASS)),
            (2, "server restarts", lambda: self._restart_server(stack)),
            (2, "changed by hand", lambda: self._meddle(stack)),
        ]
        if stack.restarts:
            acts += [
                (3, "qsticky killed", lambda: stack.restart(kill=True)),
                (3, "qsticky restarted", lambda: stack.restart(kill=False)),
            ]
        if isinstance(stack.server, ListeningServer):
            acts.append((2, "sessions forgotten", stack.server.forget_sessions))
        if time.monotonic() - self._reconnected > RECONNECT_EVERY_S:
            acts.append((6, "VPN reconnects", self._reconnect))
        weights = [weight for weight, _, _ in acts]
        return self.chance.choices([(kind, act) for _, kind, act in acts], weights)[0]

    def _restart_server(self, stack: Stack) -> None:
        server = stack.server
        if isinstance(server, ListeningServer):
            server.restart(listen_port=6881)
        elif self.chance.random() < 0.5:
            server.kill()
            server.start()
        else:
            server.restart()

    def _meddle(self, stack: Stack) -> None:
        port = self.chance.choice(stack.ports)
        if isinstance(stack.server, ListeningServer):
            stack.server.preferences["listen_port"] = port
            stack.server.open_port()
        else:
            stack.server.set_preferences({"listen_port": port, "random_port": False})

    def _reconnect(self) -> None:
        self._reconnected = time.monotonic()
        self.namespace.reconnect()

    def _heal(self) -> None:
        for stack in self.stacks:
            stack.proxy.set(PASS)
            if isinstance(stack.server, ListeningServer):
                stack.server.heal()
            if not is_port(stack.file.path, stack.port) or self.chance.random() < 0.5:
                stack.change()

    # -- the end

    def _finish(self) -> None:
        self._heal()
        for stack in self.stacks:
            stack.wait_back()
            self.namespace.wait_open(stack.port)
        self._end_watch()
        for stack in self.stacks:
            assert stack.qsticky is not None
            code = stack.qsticky.stop()
            assert code == 0, f"{stack.name}: qsticky ended with {code}"
            # Failed logins may still count.
            left = {path.name for path in stack.health_file.parent.iterdir()}
            assert left <= {f"{stack.health_file.name}.login"}, left

    def _end_watch(self) -> None:
        self._over.set()
        for thread in self._watchers:
            thread.join()

    def verdict(self) -> list[str]:
        wrong = []
        for stack in self.stacks:
            wrong += [f"{stack.name}: {lie}" for lie in stack.lies]
            if stack.restarts:
                continue
            for what, figures, spare in (
                ("memory (KiB)", stack.memory, GROWTH_KIB),
                ("descriptors", stack.descriptors, 0),
            ):
                first, last = figures.quarters()
                if last > first + spare:
                    wrong.append(f"{stack.name}: {what} grew from {first:g} to {last:g}")
        return wrong

    def report(self) -> None:
        spent = time.monotonic() - self._began
        self.say(f"{self.rounds} rounds in {spent:.0f} s, SEED={self.seed}")
        for kind, count in sorted(self.counts.items()):
            self.say(f"  {count:6} {kind}")
        self.say("medians of the first and the last quarter:")
        for stack in self.stacks:
            if not stack.latency.values:
                continue
            parts = [
                f"{what} {first:.4g} -> {last:.4g} {unit}"
                for what, (first, last), unit in (
                    ("port change", stack.latency.quarters(), "ms"),
                    ("anonymous memory", stack.memory.quarters(), "KiB"),
                    ("descriptors", stack.descriptors.quarters(), ""),
                )
            ]
            self.say(f"  {stack.name:6} " + ", ".join(part.strip() for part in parts))
            self.say(
                f"         {stack.starts} starts, {stack.nudges} SIGHUPs for logins held back, "
                f"health behind the truth for {stack.longest_s:.1f} s at most "
                f"({TOLERATED_S} allowed)"
            )


def is_port(path: Path, port: int) -> bool:
    try:
        return path.read_text().strip() == str(port)
    except (OSError, UnicodeDecodeError):
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description="Random trouble for qsticky, and what it costs.")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    soak = Soak(seed, lambda line: print(line, flush=True))
    try:
        wrong = soak.run(options.seconds)
    except KeyboardInterrupt:
        print("ended early", flush=True)
        return 130
    except AssertionError as error:
        print(f"SEED={seed}: {error}", file=sys.stderr)
        return 1
    for line in wrong:
        print(f"SEED={seed}: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

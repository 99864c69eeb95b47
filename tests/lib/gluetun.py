"""The stand-in for Gluetun as a process of a test, and a record of what is so and what health says.

    gluetun = Gluetun(namespace, port_file).start()      # in the namespace that the test is in
    port = gluetun.wait_port()
    gluetun("reconnect", port)
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from far_end import DEVICE
from harness import PATIENCE, PortFile, Qsticky, wait_until
from namespace import Namespace

SCRIPT = Path(__file__).with_name("stand_in_gluetun.py")
COMMAND = (sys.executable, str(SCRIPT))


class Gluetun:
    """It has the ports of the real one: so one in each network namespace."""

    def __init__(
        self,
        namespace: Namespace,
        port_file: PortFile,
        version: str = "v3.41.3",
        *,
        second: float = 1.0,
        ports: Sequence[int] = (),
        env: dict[str, str] | None = None,
    ) -> None:
        """`second` is how long one of its seconds takes, `ports` what the provider gives first."""
        self.namespace = namespace
        self.port_file = port_file
        self.version = version
        self.second = second
        self.log_path = port_file.path.parent.with_name("gluetun.log")
        self.process: subprocess.Popen[bytes] | None = None
        self._far = namespace.from_afar(
            lambda: os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        )
        self.env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONDONTWRITEBYTECODE": "1",
            "GLUETUN_VERSION": version,
            "STAND_IN_SECOND": str(second),
            "STAND_IN_PEERS": f"/proc/{os.getpid()}/fd/{self._far}",
            "STAND_IN_PORTS": " ".join(map(str, ports)),
            "VPN_PORT_FORWARDING": "on",
            "VPN_PORT_FORWARDING_STATUS_FILE": str(port_file.path),
            # Without a role master lets nobody ask.
            "HTTP_CONTROL_SERVER_AUTH_DEFAULT_ROLE": '{"auth":"none"}' if version == "master" else "",
            "HTTP_CONTROL_SERVER_AUTH_CONFIG_FILEPATH": str(port_file.path.with_name("config.toml")),
            **(env or {}),
        }

    # -- process

    def start(self, command: Sequence[str] = COMMAND) -> Gluetun:
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env
            )
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.process = None

    def kill(self) -> None:
        """Its tunnel is gone with it; its rules and its file are not."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            wait_until(lambda: not self.has_tunnel(), what="the device to be gone")

    def close(self) -> None:
        self.kill()
        os.close(self._far)

    def __call__(self, *words: object) -> str:
        """A command of the stand-in."""
        done = subprocess.run(
            [*COMMAND, *map(str, words)], capture_output=True, text=True, env=self.env, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}{self.log()}"
        return done.stdout.strip()

    # -- what it says

    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str]:
        """Its control server."""
        connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=PATIENCE)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body or None, names)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def set_status(self, status: str) -> None:
        """Of the VPN: running or stopped."""
        answer = self.ask("PUT", "/v1/vpn/status", json.dumps({"status": status}))
        assert answer == (200, f'{{"outcome":"{status}"}}\n'), answer

    def is_healthy(self) -> bool:
        return subprocess.run([*COMMAND, "healthcheck"], capture_output=True, env=self.env).returncode == 0

    def requests(self) -> list[str]:
        """Method and target of each that its log has."""
        return re.findall(r"\[http server\] \d+ (\S+ \S+)$", self.log(), re.M)

    # -- what is so

    def ports(self) -> list[int]:
        try:
            return [int(line) for line in self.port_file.path.read_text().split()]
        except FileNotFoundError:
            return []

    def wait_port(self, *, other_than: int = 0) -> int:
        try:
            return wait_until(
                lambda: [port for port in self.ports()[:1] if port != other_than], what="a port"
            )[0]
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def wait_log(self, text: str) -> None:
        wait_until(lambda: text in self.log(), what=f"{text!r} in Gluetun's log")

    def has_tunnel(self) -> bool:
        return self.namespace.has(DEVICE)

    def index(self) -> int:
        return self.namespace.call(lambda: socket.if_nametoindex(DEVICE))

    def counters(self) -> tuple[int, int]:
        """Packets that its tunnel has received and sent, as the kernel counts."""
        text = self.namespace.call(lambda: Path("/proc/thread-self/net/dev").read_text())
        fields = re.search(rf"^ *{DEVICE}: *(.*)$", text, re.M)[1].split()
        return int(fields[1]), int(fields[9])


# -- what is so, and what health says ------------------------------------------------


class Row(NamedTuple):
    since: float  # seconds from the start of the record
    so: str  # open, closed, no port, no tunnel
    says: str  # of health: open, waiting, bad; none while there is no file

    def is_lie(self) -> bool:
        """Health is better than what is so."""
        return (self.says == "open" and self.so != "open") or (
            self.says == "waiting" and self.so == "no tunnel"
        )


class Record:
    """A row for each change, for as long as it is entered."""

    def __init__(self, gluetun: Gluetun, qsticky: Qsticky, which: int = 0) -> None:
        """`which` of several ports, from 0."""
        self._which = which
        self.rows: list[Row] = []
        self._gluetun = gluetun
        self._qsticky = qsticky
        self._start = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._collect, daemon=True)

    def _so(self) -> str:
        if not self._gluetun.has_tunnel():
            return "no tunnel"
        ports = self._gluetun.ports()
        if len(ports) <= self._which:
            return "no port"
        reached = self._gluetun.namespace.far_end_reaches(ports[self._which])
        return "open" if reached else "closed"

    def _says(self) -> str:
        text = self._qsticky._raw_health()
        health: dict[str, Any] = json.loads(text) if text else {}
        if not health:
            return "none"
        if not health["healthy"]:
            return "bad"
        return "open" if health["state"] == "in_sync" else "waiting"

    def _collect(self) -> None:
        while not self._stop.is_set():
            so = self._so()
            row = Row(time.monotonic() - self._start, so, self._says())
            if not self.rows or self.rows[-1][1:] != row[1:]:
                self.rows.append(row)
            self._stop.wait(0.02)

    def __enter__(self) -> Record:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._end = time.monotonic() - self._start

    def _lasted(self, index: int) -> float:
        after = self.rows[index + 1].since if index + 1 < len(self.rows) else self._end
        return after - self.rows[index].since

    def longest_lie(self) -> float:
        """Rows that are lies one after the other count as one."""
        longest = lie = 0.0
        for index, row in enumerate(self.rows):
            lie = lie + self._lasted(index) if row.is_lie() else 0.0
            longest = max(longest, lie)
        return longest

    def closed_for(self) -> float:
        """How long there was a port, and nobody got in: longer than need be."""
        return sum(self._lasted(index) for index, row in enumerate(self.rows) if row.so == "closed")

    def text(self) -> str:
        lines = [f"{row.since:6.2f} s  {row.so:9}  health: {row.says}" for row in self.rows]
        return "\n".join([*lines, f"closed for {self.closed_for():.2f} s in all"])

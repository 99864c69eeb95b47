#!/usr/bin/env python3
"""Shows qsticky at work: a real qBittorrent follows a real port file through what happens
to it in a few months, in a few seconds. Exit code 0 only if every step really held.

    demo.py [BINARY]

What qBittorrent "says" is asked by the demo itself, in a session of its own; that it "accepts
connections" is tried: as root from the far end of a tunnel, in a network namespace made for that,
else on loopback. Nothing here leaves this machine, and nothing is left behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from harness import BINARY, PortFile, QBittorrent, Qsticky, free_port, wait_until
from namespace import TUNNEL, Namespace

INTERVAL = 2  # seconds; 30 by default, but nobody likes to wait

_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
_colour = sys.stdout.isatty() and not _plain


def paint(code: str, text: str) -> str:
    return f"\033[{code}m{text}\033[0m" if _colour else text


def bold(text: str) -> str:
    return paint("1", text)


def say(label: str, text: str) -> None:
    print(f"   {paint('2', f'{label:<12}')} {text}", flush=True)


class Demo:
    def __init__(
        self, qbittorrent: QBittorrent, qsticky: Qsticky, namespace: Namespace | None
    ) -> None:
        self.qbittorrent = qbittorrent
        self.qsticky = qsticky
        # Whether a peer could connect.
        self.is_open = namespace.far_end_reaches if namespace else qbittorrent.accepts_connections
        self.count = 0
        self.failed = 0
        self._said = 0  # log lines of qsticky already shown

    def step(self, title: str, act: Callable[[], object], holds: Callable[[], object]) -> None:
        """One thing happens (`act`); then `holds` must come true (AssertionError if not)."""
        self.count += 1
        print(f"\n{bold(f'{self.count}. {title}')}", flush=True)
        began = time.monotonic()
        try:
            act()
            acted = time.monotonic()
            holds()
            verdict = paint("32", f"held, {time.monotonic() - acted:.2f} s later")
        except Exception as error:  # whatever went wrong, the other steps are worth seeing
            self.failed += 1
            reason = str(error).partition("\n")[0]
            verdict = paint("31", f"DID NOT HOLD after {time.monotonic() - began:.2f} s: {reason}")
        self._show_log()
        self._show_state()
        say("", verdict)

    def _has_logged(self, text: str) -> bool:
        return any(text in line for line in list(self.qsticky.log)[self._said :])

    def _show_log(self) -> None:
        lines = list(self.qsticky.log)[self._said :]
        self._said += len(lines)
        for number, line in enumerate(lines):
            say("log" if number == 0 else "", line)

    def _show_state(self) -> None:
        try:
            port = self.qbittorrent.listen_port()
            verdict = "accepts connections" if self.is_open(port) else "NOT open"
            say("qBittorrent", f"{port}, {verdict}")
        except Exception as error:
            say("qBittorrent", f"cannot be asked: {error}")
        code, line = self.qsticky.healthcheck()
        say("healthcheck", f"{line} (exit {code})")

    def follows(self, port: int, line: str = "") -> None:
        """qBittorrent listens on `port`, and qsticky knows and says so."""

        def listens() -> bool:
            return self.qbittorrent.listen_port() == port

        wait_until(listens, INTERVAL + 5, f"qBittorrent to listen on {port}")
        wait_until(lambda: self.is_open(port), 5, f"{port} to be open")
        self.qsticky.wait_health(
            state="in_sync", healthy=True, current_port=port, forwarded_port=port
        )
        # The health file is written first. The line belongs to this step, not to the next one.
        wait_until(lambda: self._has_logged(line or f"in sync: port {port}"), 5, "the line in the log")
        self.healthcheck_is(0)

    def waits(self, port: int) -> None:
        """No forwarded port: qBittorrent still listens on `port`, and that is no fault yet."""
        self.qsticky.wait_health(
            state="waiting_for_port", healthy=True, current_port=port, forwarded_port=None
        )
        if self.qbittorrent.listen_port() != port:
            raise AssertionError("qBittorrent was not left as it is")
        self.healthcheck_is(0)

    def is_down(self) -> None:
        """qBittorrent cannot be reached, and qsticky says so."""
        self.qsticky.wait_health(state="retrying", healthy=False)
        self.healthcheck_is(1)

    def healthcheck_is(self, expected: int) -> None:
        code, line = self.qsticky.healthcheck()
        if code != expected:
            raise AssertionError(f"healthcheck exits with {code}: {line}")

    def stops(self) -> None:
        code = self.qsticky.stop()
        if code != 0:
            raise AssertionError(f"exit code {code}")
        if self.qsticky.health_file.exists():
            raise AssertionError("the health file is still there")
        self.healthcheck_is(1)


def play(binary: Path, tmp: Path) -> int:
    first, second, third = free_port(), free_port(), free_port()
    by_hand, by_image = free_port(), free_port()
    port_file = PortFile(tmp / "gluetun" / "forwarded_port")
    version = subprocess.run(
        [binary, "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()

    with contextlib.ExitStack() as stack:
        namespace = stack.enter_context(Namespace()) if os.geteuid() == 0 else None
        where = {}
        if namespace:
            namespace.add_tunnel()
            where = {"interface": TUNNEL, "address": ""}
        qbittorrent = stack.enter_context(QBittorrent(tmp / "profile", **where))
        own = qbittorrent.listen_port()
        print(
            f"{version} beside a real qBittorrent {qbittorrent.api('GET', 'app/version')},"
            f" which listens on port {own}.\nThis demo acts Gluetun:"
            f" it writes the forwarded port to a file. qsticky checks every {INTERVAL} s."
        )
        qsticky = Qsticky(
            binary,
            port_file=port_file,
            health_file=tmp / "health" / "status.json",
            qbittorrent_port=qbittorrent.webui_port,
            interval=INTERVAL,
            log_level="INFO",
        )
        with qsticky:
            demo = Demo(qbittorrent, qsticky, namespace)
            demo.step(
                "qsticky starts; the VPN is not up yet, there is no port file",
                lambda: None,
                lambda: demo.waits(own),
            )
            demo.step(
                f"Gluetun gets its first port and writes {first}",
                lambda: port_file.write(first),
                lambda: demo.follows(first),
            )
            demo.step(
                f"the VPN provider gives another port: {second}",
                lambda: port_file.write(second),
                lambda: demo.follows(second),
            )
            demo.step(
                "the tunnel drops: Gluetun empties the file",
                port_file.clear,
                lambda: demo.waits(second),
            )
            demo.step(
                f"the tunnel is back, with port {third}",
                lambda: port_file.write(third),
                lambda: demo.follows(third),
            )
            demo.step(
                f"somebody sets qBittorrent's port to {by_hand} by hand",
                lambda: qbittorrent.set_preferences({"listen_port": by_hand}),
                lambda: demo.follows(third),
            )
            if namespace:
                demo.step(
                    f"the VPN reconnects: {TUNNEL} is another device now, address and port the same",
                    namespace.reconnect,
                    lambda: demo.follows(third, "had qBittorrent reopen its port"),
                )
            else:
                print("\nNot shown: a VPN that reconnects. It needs root, for a network namespace.")
            demo.step(
                "qBittorrent stops",
                qbittorrent.stop,
                demo.is_down,
            )
            demo.step(
                f"qBittorrent starts again, by an image that sets port {by_image} at each start",
                lambda: qbittorrent.start(f"--torrenting-port={by_image}"),
                lambda: demo.follows(third),
            )
            demo.step("qsticky is stopped", lambda: None, demo.stops)

    held = demo.count - demo.failed
    result = f"{held} of {demo.count} steps held."
    print(f"\n{bold(paint('31' if demo.failed else '32', result))}")
    return 1 if demo.failed else 0


def main() -> int:
    # Leave through the "with" blocks, which clean up, on `kill` as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    binary = Path(sys.argv[1]) if len(sys.argv) > 1 else BINARY
    if not binary.exists():
        print(f"demo: {binary} is not there; run make first", file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory(prefix="qsticky-demo-") as tmp:
            return play(binary.resolve(), Path(tmp))
    except KeyboardInterrupt:
        print("\ndemo: interrupted, cleaned up", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

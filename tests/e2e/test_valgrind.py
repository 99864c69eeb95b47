"""Valgrind's memcheck finds nothing: above all, nothing depends on a byte that was never written,
which the sanitizers of the other build do not see. BearSSL is looked into as well. On the host's
build, since valgrind cannot replace the allocator of a static program."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from certificates import Pki
from conftest import MakeSidecar, Sidecar, missing
from control_server import ControlServer
from faults import chunked, raw, reset_in_body, short_body
from faulty_server import PREFERENCES, FaultyServer
from harness import PortFile, wait_until
from listening_server import ListeningServer
from namespace import Namespace
from tls_peers import TlsFront
from tls_relay import Relay, cut, split

pytestmark = pytest.mark.parametrize("binary", ["host"], indirect=True)

FOUND = 97
# Valgrind makes system calls of its own in qsticky's process, which its sandbox would not let pass.
BARE = {"QSTICKY_SANDBOX": "false"}

Watched = Callable[..., Sidecar]


@pytest.fixture
def watched(place: Path, sidecar: MakeSidecar) -> Iterator[Watched]:
    """Starts qsticky under valgrind. What that finds is the end of the test."""
    if shutil.which("valgrind") is None:
        missing("valgrind is not installed")
    reports = place / "valgrind"
    reports.mkdir()
    wrapper = (
        "valgrind",
        "--quiet",
        f"--error-exitcode={FOUND}",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite,possible",
        "--track-origins=yes",
        f"--log-file={reports}/%p",
    )

    made: list[Sidecar] = []

    def make(server: FaultyServer, env: dict[str, str], **options: Any) -> Sidecar:
        made.append(sidecar(server, env=BARE | env, wrapper=wrapper, **options))
        return made[-1]

    yield make
    for one in made:
        one.signal(signal.SIGTERM)
        one.wait()
    for report in reports.iterdir():
        assert not report.read_text()


def run(qsticky: Sidecar, command: str) -> tuple[int, str]:
    """Another command in the same environment, under valgrind too."""
    done = subprocess.run(
        [*qsticky.command[:-1], command],
        env=qsticky.env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != FOUND, done.stderr
    return done.returncode, done.stdout


def test_https_from_start_to_stop(
    pki: Pki,
    peers: ExitStack,
    fake: FaultyServer,
    port_file: PortFile,
    place: Path,
    watched: Watched,
) -> None:
    leaf = pki.root().issue("DNS:localhost", "IP:127.0.0.1", kind="P-256")
    front = peers.enter_context(TlsFront(leaf, fake.port))
    relay = peers.enter_context(Relay(front.port))
    secret = place / "password"
    secret.write_text(fake.password + "\n")
    env = {
        "QSTICKY_USE_HTTPS": "true",
        "QSTICKY_TLS_CA_FILE": str(leaf.root.path),
        "QSTICKY_QBITTORRENT_PASS_FILE": str(secret),
        "QSTICKY_QBITTORRENT_PASS": "",
        "QSTICKY_METRICS_FILE": str(place / "metrics.prom"),
        "QSTICKY_LOG_FORMAT": "json",
    }
    qsticky = watched(fake, env, port=relay.port)
    qsticky.wait_health(60, state="waiting_for_port")
    for port in (41000, 41001):
        port_file.write(port)
        qsticky.wait_in_sync(port, 60)
    assert front.handshakes[-1].resumed, "the session is kept"
    for command in ("healthcheck", "status", "check"):
        code, text = run(qsticky, command)
        assert code == 0, text

    for fault in (split(), cut(3, 0.5)):
        relay.fault = fault
        before = len(relay.links)
        qsticky.signal(signal.SIGHUP)
        wait_until(lambda: len(relay.links) > before + 1, 60, "a cycle with the fault")
    relay.heal()
    front.present(pki.make("DNS:localhost"))
    assert "not in" in qsticky.wait_health(60, state="error")["last_error"]
    front.present(leaf)
    qsticky.wait_in_sync(41001, 60)


def test_http_with_faults_the_control_server_and_a_rebind(
    namespace: Namespace,
    peers: ExitStack,
    new_listening: Callable[..., ListeningServer],
    port_file: PortFile,
    watched: Watched,
) -> None:
    namespace.add_tunnel()
    server = new_listening(listen_port=41000).start()
    gluetun = peers.enter_context(ControlServer("v3.40", [41000]))
    env = {
        "QSTICKY_PORT_SOURCE": "auto",
        "QSTICKY_GLUETUN_HOST": "127.0.0.1",
        "QSTICKY_GLUETUN_PORT": str(gluetun.port),
    }
    qsticky = watched(server, env)
    qsticky.wait_in_sync(41000, 60)
    namespace.reconnect()
    qsticky.wait_health(60, reachable=True, rebinds=1)

    faults = (chunked(), short_body(), reset_in_body(), raw(b"HTTP/1.1 200 OK\r\n\0: \r\n\r\n{"))
    for fault in faults:
        before = server.count(PREFERENCES)
        server.fault(PREFERENCES, fault, times=1)
        wait_until(lambda: server.count(PREFERENCES) > before, 60, "the fault")
    server.heal()
    port_file.write_bytes(b"no port")
    qsticky.wait_health(60, state="error", forwarded_port=None)
    port_file.write(41001, 41002)
    qsticky.wait_in_sync(41001, 60)
    server.restart(listen_port=6881)
    wait_until(lambda: server.listen_port == 41001, 60, "the port after a restart")
    assert run(qsticky, "once")[0] == 0
    port_file.remove()
    gluetun.stop()
    assert run(qsticky, "once")[0] == 1

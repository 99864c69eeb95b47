"""HTTPS, point 1: the real qBittorrent with HTTPS on, and the certificate that nearly all have, a
self-signed one. Everything that works over HTTP works, trusted by its pin or by its file."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from certificates import Certificate, Pki, bundle
from conftest import MakeSidecar, Sidecar
from harness import PortFile, QBittorrent, free_port, wait_until
from versions import INSTALLED, OLDEST

NAMES = ("DNS:localhost", "IP:127.0.0.1")

NewServer = Callable[[Certificate], QBittorrent]


def install(certificate: Certificate, folder: Path) -> None:
    shutil.copy(certificate.path, folder / "cert.pem")
    shutil.copy(certificate.key, folder / "key.pem")


@pytest.fixture
def new_server(new_qbittorrent: Callable[..., QBittorrent], place: Path) -> NewServer:
    def make(certificate: Certificate, **options: object) -> QBittorrent:
        install(certificate, place)
        return new_qbittorrent(
            certificate=place / "cert.pem", key=place / "key.pem", **options
        ).start()

    return make


def trust(certificate: Certificate, way: str) -> dict[str, str]:
    ways = {
        "pin": {"QSTICKY_TLS_PIN_SHA256": certificate.sha256},
        "file": {"QSTICKY_TLS_CA_FILE": str(certificate.path)},
    }
    return {"QSTICKY_USE_HTTPS": "true"} | ways[way]


def check_unsettled(qsticky: Sidecar, words: str) -> dict:
    health = qsticky.wait_health(state="error", healthy=False)
    assert words in health["last_error"], health["last_error"]
    code, line = qsticky.healthcheck()
    assert code == 1 and words in line
    return health


@pytest.mark.parametrize(
    ("kind", "way", "version"),
    [
        ("RSA 2048", "file", INSTALLED),
        ("P-256", "pin", INSTALLED),
        ("P-256", "file", OLDEST),  # with OpenSSL 1.1.1
    ],
)
def test_the_whole_main_path(
    kind: str,
    way: str,
    version: str,
    pki: Pki,
    new_server: NewServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    certificate = pki.make(*NAMES, kind=kind)
    server = new_server(certificate, version=version)
    qsticky = sidecar(server, env=trust(certificate, way), interval=3600)

    health = qsticky.wait_health(state="waiting_for_port")
    assert health["healthy"] is True and health["current_port"] == server.listen_port()

    first, second, third = free_port(), free_port(), free_port()
    port_file.write(first)
    health = qsticky.wait_in_sync(first)
    assert server.listen_port() == first
    assert health["qbittorrent_version"] == f"v{version}"
    wait_until(lambda: server.accepts_connections(first), what="qBittorrent to listen")
    assert qsticky.healthcheck()[0] == 0

    port_file.write(second)
    qsticky.wait_in_sync(second)
    assert server.listen_port() == second

    server.set_preferences({"listen_port": third})
    qsticky.signal(signal.SIGHUP)  # the check that the interval would bring
    wait_until(lambda: server.listen_port() == second, what="the drift to be repaired")
    qsticky.wait_in_sync(second)
    assert not qsticky.troubles()

    server.restart(listen_port=third)
    qsticky.signal(signal.SIGHUP)
    wait_until(lambda: server.listen_port() == second, what="the port after a restart")
    qsticky.wait_in_sync(second)
    assert server.logins() == (2, 0, 0), "one session for each start of qBittorrent"

    port_file.clear()
    qsticky.wait_health(state="waiting_for_port", forwarded_port=None, current_port=second)
    assert server.listen_port() == second
    assert qsticky.stop() == 0
    assert not qsticky.health_file.exists()


def test_once(
    pki: Pki, new_server: NewServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    certificate = pki.make(*NAMES)
    server = new_server(certificate)
    port = free_port()
    port_file.write(port)
    assert sidecar(server, env=trust(certificate, "pin"), args=("once",)).wait() == 0
    assert server.listen_port() == port
    wrong = trust(pki.make(*NAMES), "pin")
    assert sidecar(server, env=wrong, args=("once",)).wait() == 1


def test_a_certificate_after_the_wiki_s_recipe(
    pki: Pki, new_server: NewServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """A CA by openssl's default, without any name but its subject: a pin takes it as it is."""
    certificate = pki.make(
        subject="/O=Internet Widgits Pty Ltd", kind="RSA 2048", ca=True, ca_usage=""
    )
    server = new_server(certificate)
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server, env=trust(certificate, "file"))
    check_unsettled(qsticky, "another name than 127.0.0.1")
    pinned = sidecar(server, env=trust(certificate, "pin"))
    pinned.wait_in_sync(port)


def test_a_replaced_certificate_is_not_trusted_before_the_ca_file_has_it(
    pki: Pki, new_server: NewServer, port_file: PortFile, place: Path, sidecar: MakeSidecar
) -> None:
    old, new = pki.make(*NAMES, subject="/CN=box"), pki.make(*NAMES, subject="/CN=box")
    server = new_server(old)
    ca_file = bundle(place / "ca.pem", old)
    first, second = free_port(), free_port()
    port_file.write(first)
    env = {"QSTICKY_USE_HTTPS": "true", "QSTICKY_TLS_CA_FILE": str(ca_file)}
    qsticky = sidecar(server, env=env)
    qsticky.wait_in_sync(first)

    server.stop()
    install(new, place)
    server.start()
    port_file.write(second)
    wait_until(
        lambda: "self-signed" in (qsticky.health()["last_error"] or ""), what="the refusal"
    )
    check_unsettled(qsticky, "self-signed, and not in")
    qsticky.wait_cycles(2)
    assert server.listen_port() == first
    assert server.logins() == (1, 0, 0), "the one before"

    bundle(place / "ca.new", new)
    os.rename(place / "ca.new", ca_file)
    qsticky.wait_in_sync(second)
    assert server.listen_port() == second


@pytest.mark.parametrize("way", ["pins", "file"])
def test_a_certificate_is_rotated_without_a_gap_where_both_are_trusted(
    way: str,
    pki: Pki,
    new_server: NewServer,
    port_file: PortFile,
    place: Path,
    sidecar: MakeSidecar,
) -> None:
    old, new = pki.make(*NAMES, subject="/CN=box"), pki.make(*NAMES, subject="/CN=box")
    server = new_server(old)
    port = free_port()
    port_file.write(port)
    env = {
        "pins": {"QSTICKY_TLS_PIN_SHA256": f"{old.sha256}, {new.sha256}"},
        "file": {"QSTICKY_TLS_CA_FILE": str(bundle(place / "ca.pem", old, new))},
    }
    qsticky = sidecar(server, env={"QSTICKY_USE_HTTPS": "true"} | env[way])
    qsticky.wait_in_sync(port)
    server.stop()
    install(new, place)
    server.start()
    qsticky.wait_in_sync(port)
    wait_until(lambda: server.logins() == (2, 0, 0), what="the login after the restart")
    qsticky.wait_in_sync(port)
    assert not [line for line in qsticky.troubles() if "certificate" in line]


def test_a_key_that_qbittorrent_cannot_use_shows_as_plain_http(
    pki: Pki,
    new_qbittorrent: Callable[..., QBittorrent],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """It falls back to plain HTTP on the same port, with a line in its own log only."""
    certificate = pki.make(*NAMES, kind="Ed25519")
    settings = {
        r"WebUI\HTTPS\Enabled": "true",
        r"WebUI\HTTPS\CertificatePath": str(certificate.path),
        r"WebUI\HTTPS\KeyPath": str(certificate.key),
    }
    server = new_qbittorrent(extra_config={"Preferences": settings}).start()
    port_file.write(free_port())
    qsticky = sidecar(server, env=trust(certificate, "pin"))
    error = qsticky.wait_failed()["last_error"]
    assert "plain HTTP" in error and "QSTICKY_USE_HTTPS=false" in error, error
    assert server.logins() == (0, 0, 0)


def test_plain_http_to_a_qbittorrent_that_speaks_https(
    pki: Pki, new_server: NewServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_server(pki.make(*NAMES))
    port_file.write(free_port())
    qsticky = sidecar(server)
    health = qsticky.wait_failed()
    assert "HTTPS" in health["last_error"] or "TLS" in health["last_error"], health["last_error"]
    assert server.logins() == (0, 0, 0)

"""Mounts that are not what they were meant to be: qsticky looks at what is there, and says which of the
usual mistakes it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import refusing
from certificates import Pki
from conftest import AS_NOBODY, NOBODY, MakeSidecar
from faulty_server import FaultyServer
from harness import PortFile
from tls_peers import OpensslServer

PORT = 41000
HINT = "although its mode allows it: SELinux? mount it with :z"
MADE = "is a directory: Docker makes one where the file to mount is missing"


# -- no port, and why ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        (None, "its directory is not there"),
        ([], "its directory is empty"),
        (["servers.json", "auth"], "its directory is Gluetun's /gluetun (servers.json is in it)"),
        (["ip"], "there is no such file"),
        (["forwarded_port"], "it is empty"),
    ],
    ids=["no directory", "empty directory", "Gluetun's data", "another file", "empty file"],
)
def test_the_first_line_says_why_there_is_no_port(
    there: list[str] | None,
    reason: str,
    fake: FaultyServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    if there is None:
        port_file.path.parent.rmdir()
    for name in there or []:
        (port_file.path.parent / name).touch()
    qsticky = sidecar(fake)
    qsticky.wait_log(f"no forwarded port in {port_file.path} ({reason}): waiting")


@pytest.mark.parametrize("there", [None, "servers.json"], ids=["no directory", "Gluetun's data"])
def test_after_the_grace_a_wrong_mount_is_not_asked_for_but_named(
    there: str | None, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    if there:
        (port_file.path.parent / there).touch()
    else:
        port_file.path.parent.rmdir()
    qsticky = sidecar(fake, env={"QSTICKY_NO_PORT_GRACE": "0"})
    qsticky.wait_log("; mount Gluetun's /tmp/gluetun")
    error = qsticky.wait_health(healthy=False, state="waiting_for_port")["last_error"]
    assert "; mount Gluetun's /tmp/gluetun" in error and "VPN_PORT_FORWARDING" not in error


# -- a directory in place of a file ----------------------------------------------------------


def test_a_directory_in_place_of_a_secret_is_called_dockers(
    fake: FaultyServer, port_file: PortFile, place: Path, sidecar: MakeSidecar
) -> None:
    port_file.write(PORT)
    secret = place / "password"
    secret.mkdir()
    env = {"QSTICKY_QBITTORRENT_PASS_FILE": str(secret)}
    qsticky = sidecar(fake, password="", env=env)
    assert f"{secret} {MADE}" in qsticky.wait_trouble()
    assert fake.count("POST /api/v2/auth/login") == 0


def test_a_directory_in_place_of_the_cas_is_called_dockers(
    pki: Pki, port_file: PortFile, place: Path, sidecar: MakeSidecar
) -> None:
    port_file.write(PORT)
    folder, cas = place / "server", place / "ca.pem"
    folder.mkdir()
    cas.mkdir()
    env = {"QSTICKY_USE_HTTPS": "true", "QSTICKY_TLS_CA_FILE": str(cas)}
    with OpensslServer(folder, pki.make("IP:127.0.0.1")) as server:
        qsticky = sidecar(server, env=env)
        assert f"{cas} {MADE}" in qsticky.wait_trouble()


# -- refused, although the mode allows it ----------------------------------------------------


class Refused:
    """A world in which one directory is closed by something else than its mode."""

    def __init__(self, place: Path, make: MakeSidecar) -> None:
        self.make = make
        self.closed = place / "closed"
        self.closed.mkdir()
        self.env: dict[str, str] = {}
        # Made before: what comes later is closed to it, too.
        (place / "health").mkdir()
        self.options: dict[str, Any] = {
            "health_file": place / "health" / "status.json",
            "wrapper": (*refusing.WRAPPER, str(self.closed)),
        }

    def start(self, server: Any) -> str:
        """Its first trouble."""
        return self.make(server, env=self.env, **self.options).wait_trouble()


@pytest.fixture
def refused(place: Path, port_file: PortFile, sidecar: MakeSidecar) -> Refused:
    port_file.write(PORT)
    return Refused(place, sidecar)


@pytest.mark.parametrize("mode", [0o644, 0o000], ids=["allows", "refuses"])
def test_a_port_file_that_is_refused_although_its_mode_allows_it(
    mode: int, fake: FaultyServer, refused: Refused
) -> None:
    file = PortFile(refused.closed / "forwarded_port")
    file.write(PORT)
    file.path.chmod(mode)
    refused.options["port_file"] = file
    trouble = refused.start(fake)
    assert f"{file.path}: no permission for uid" in trouble
    assert (HINT in trouble) == (mode != 0)


def test_a_secret_that_is_refused_although_its_mode_allows_it(
    fake: FaultyServer, refused: Refused
) -> None:
    secret = refused.closed / "password"
    secret.write_text(fake.password)
    refused.env["QSTICKY_QBITTORRENT_PASS_FILE"] = str(secret)
    refused.options["password"] = ""
    trouble = refused.start(fake)
    assert f"{secret}: no permission for uid" in trouble and HINT in trouble


def test_cas_that_are_refused_although_their_mode_allows_it(
    pki: Pki, place: Path, refused: Refused
) -> None:
    cas = refused.closed / "ca.pem"
    cas.write_text("not looked at")
    refused.env |= {"QSTICKY_USE_HTTPS": "true", "QSTICKY_TLS_CA_FILE": str(cas)}
    folder = place / "server"
    folder.mkdir()
    with OpensslServer(folder, pki.make("IP:127.0.0.1")) as server:
        trouble = refused.start(server)
    assert f"{cas}: no permission for uid" in trouble and HINT in trouble


def test_a_health_file_that_is_refused_although_the_mode_allows_it(
    fake: FaultyServer, refused: Refused
) -> None:
    refused.options["health_file"] = refused.closed / "status.json"
    qsticky = refused.make(fake, **refused.options)
    line = qsticky.wait_log(f"{refused.closed}/status.json.new: no permission for uid")
    assert HINT in line


def test_where_the_mode_refuses_selinux_is_not_blamed(
    root: None, public_binary: Path, fake: FaultyServer, port_file: PortFile, place: Path,
    sidecar: MakeSidecar,
) -> None:  # fmt: skip
    port_file.write(PORT)
    port_file.path.parent.chmod(0o700)
    (place / "health").mkdir(mode=0o700)
    health_file = place / "health" / "status.json"
    qsticky = sidecar(fake, program=public_binary, health_file=health_file, wrapper=AS_NOBODY)
    for file in (port_file.path, f"{health_file}.new"):
        qsticky.wait_log(f"{file}: no permission for uid {NOBODY}; open it and its directory")
    assert not any("SELinux" in line for line in qsticky.log)


def test_where_a_link_leads_behind_a_closed_directory_selinux_is_not_blamed(
    root: None, public_binary: Path, fake: FaultyServer, port_file: PortFile, place: Path,
    sidecar: MakeSidecar,
) -> None:  # fmt: skip
    behind = PortFile(port_file.path.parent / "behind" / port_file.path.name)
    behind.write(PORT)
    behind.path.parent.chmod(0o700)
    port_file.path.symlink_to(f"behind/{port_file.path.name}")
    (place / "health").mkdir()
    os.chown(place / "health", NOBODY, NOBODY)
    health_file = place / "health" / "status.json"
    qsticky = sidecar(fake, program=public_binary, health_file=health_file, wrapper=AS_NOBODY)
    trouble = qsticky.wait_trouble()
    assert f"{port_file.path}: no permission for uid {NOBODY}; open it and its dir" in trouble

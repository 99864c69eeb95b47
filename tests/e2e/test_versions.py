"""The real qBittorrents of four years, and each way to be let in by them."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import versions
from conftest import MakeSidecar
from faults import reply
from faulty_server import VERSION, FaultyServer
from harness import PortFile, QBittorrent, Qsticky, free_port, wait_until

MakeQBittorrent = Callable[..., QBittorrent]

WITH_KEYS = "5.3.0"  # the only one of them that knows API keys
# What qBittorrent makes: its prefix, and 28 letters and digits.
KEY = "qbt_" + "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=28))


def key_config(key: str = KEY) -> dict[str, Mapping[str, str]]:
    return {"Preferences": {r"WebUI\APIKey": key}}


WHITELIST = {
    "Preferences": {
        r"WebUI\AuthSubnetWhitelistEnabled": "true",
        r"WebUI\AuthSubnetWhitelist": "127.0.0.1/32",
    }
}
# How one is let in: of qBittorrent, of qsticky, and the logins that this takes a session.
WAYS: dict[str, tuple[dict, dict, int]] = {
    "password": ({"password": 'p&=+% "é'}, {}, 1),
    "local bypass": ({"local_auth": False}, {"password": "not needed"}, 0),
    "subnet whitelist": ({"extra_config": WHITELIST}, {"password": "not needed"}, 0),
}


def follows(qbittorrent: QBittorrent, port_file: PortFile, qsticky: Qsticky) -> int:
    port = free_port()
    port_file.write(port)
    qsticky.wait_health(state="in_sync", healthy=True, current_port=port, forwarded_port=port)
    assert qbittorrent.listen_port() == port
    wait_until(lambda: qbittorrent.accepts_connections(port), what=f"{port} to be open")
    return port


def main_path(qbittorrent: QBittorrent, port_file: PortFile, qsticky: Qsticky) -> int:
    """First port, another, drift by hand, and a restart with a port of its own."""
    port = follows(qbittorrent, port_file, qsticky)
    health = qsticky.health()
    assert health and health["qbittorrent_version"].startswith(f"v{qbittorrent.version[:3]}")
    port = follows(qbittorrent, port_file, qsticky)
    for go_astray in (
        lambda: qbittorrent.set_preferences({"listen_port": free_port()}),
        lambda: qbittorrent.restart(listen_port=free_port()),
    ):
        said = len(qsticky.log)  # before: it may be repaired as soon as it has happened
        go_astray()
        qsticky.wait_log("port change needed", after=said)
        qsticky.wait_log(f"in sync: port {port}", after=said)
        qsticky.wait_health(state="in_sync", healthy=True, current_port=port)
        assert qbittorrent.listen_port() == port
    return port


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", versions.VERSIONS)
def test_the_port_gets_through(
    version: str,
    way: str,
    new_qbittorrent: MakeQBittorrent,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    of_server, of_qsticky, logins = WAYS[way]
    server = new_qbittorrent(version=version, **of_server).start()
    qsticky = sidecar(server, **of_qsticky)
    main_path(server, port_file, qsticky)
    # One for each life of qBittorrent, whose log has both.
    assert server.logins() == (2 * logins, 0, 0)


def test_the_port_gets_through_with_an_api_key(
    new_qbittorrent: MakeQBittorrent, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_qbittorrent(version=WITH_KEYS, extra_config=key_config()).start()
    (place / "key").write_text(KEY + "\n")
    env = {"QSTICKY_QBITTORRENT_API_KEY_FILE": str(place / "key")}
    qsticky = sidecar(server, password="not needed", env=env)
    main_path(server, port_file, qsticky)
    assert server.logins() == (0, 0, 0)
    assert not [line for line in qsticky.log if KEY in line]


def test_a_rotated_api_key_needs_no_restart(
    new_qbittorrent: MakeQBittorrent, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_qbittorrent(version=WITH_KEYS, extra_config=key_config()).start()
    file = place / "key"
    file.write_text(KEY[::-1])
    qsticky = sidecar(server, env={"QSTICKY_QBITTORRENT_API_KEY_FILE": str(file)})
    port_file.write(free_port())
    health = qsticky.wait_health(state="error", healthy=False)
    assert "API key rejected" in health["last_error"]
    file.write_text(KEY)
    qsticky.wait_health(state="in_sync", healthy=True)
    assert server.logins() == (0, 0, 0), "a key is no login, and bans nobody"


@pytest.mark.parametrize("version", [v for v in versions.VERSIONS if v != WITH_KEYS])
def test_an_api_key_for_one_that_knows_none_is_said_so(
    version: str, new_qbittorrent: MakeQBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_qbittorrent(version=version).start()
    port_file.write(free_port())
    qsticky = sidecar(server, env={"QSTICKY_QBITTORRENT_API_KEY": KEY})
    health = qsticky.wait_health(state="error", healthy=False)
    assert "before 5.2" in health["last_error"]
    assert server.logins() == (0, 0, 0)


@pytest.mark.parametrize("version", versions.VERSIONS)
def test_wrong_credentials_get_nobody_banned(
    version: str, new_qbittorrent: MakeQBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """With the default limit of five: changes of the file, checks, and two starts."""
    server = new_qbittorrent(version=version, password="correct horse").start()
    wrong = {"password": "battery staple", "interval": 1}
    for attempts in (1, 2):
        qsticky = sidecar(server, **wrong)
        for _ in range(3):
            port_file.write(free_port())
            qsticky.wait_health(state="error", healthy=False)
            qsticky.wait_cycles(1)
        assert server.logins() == (0, attempts, 0)
        qsticky.stop()
    # The right one is let in: nobody was banned.
    qsticky = sidecar(server)
    follows(server, port_file, qsticky)
    assert server.logins() == (1, 2, 0)


def test_another_version_is_seen_where_no_cookie_tells_of_it(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """As with an API key, or a session that outlives what is behind a proxy."""
    fake.fault(VERSION, reply(200, b"v5.2.0"))
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_health(healthy=True, qbittorrent_version="v5.2.0")
    fake.refuse()
    qsticky.wait_failed()
    fake.heal()
    fake.fault(VERSION, reply(200, b"v5.2.3"))
    fake.start()
    qsticky.wait_health(healthy=True, qbittorrent_version="v5.2.3")
    assert fake.sessions_made == 1

"""Point 4 and the session's part of point 6: credentials, cookies, bypass, bans."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from conftest import MakeSidecar
from faults import reply, with_headers
from faulty_server import LOGIN, LOGOUT, PREFERENCES, SET_PREFERENCES, VERSION, Exchange, FaultyServer
from harness import PortFile, QBittorrent, free_port, wait_until
from namespace import Namespace


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("admin", '&=+% "\\é#'),
        ("Zoë & co=1%2B", "%41%zz+ +&password=adminadmin"),
        ("admin", "日本語 пароль 🔑\t;/?:@$,<>[]{}|^`~'"),
        ("admin", "x" * 1000),
    ],
)
def test_any_password_logs_in(
    user: str,
    password: str,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_qbittorrent().start()
    server.set_preferences({"web_ui_username": user, "web_ui_password": password})
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server, user=user, password=password)
    qsticky.wait_in_sync(port)
    assert server.listen_port() == port
    assert server.logins() == (1, 0, 0)


def test_a_wrong_password_is_tried_once_in_thirty_seconds_of_checks_and_file_changes(
    new_qbittorrent: Callable[..., QBittorrent], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_qbittorrent(password="correct horse").start()
    port = server.listen_port()
    port_file.write(free_port())
    qsticky = sidecar(server, password="battery staple", interval=1)
    health = qsticky.wait_health(state="error", healthy=False)
    assert "rejected" in health["last_error"]
    assert health["current_port"] is None

    end = time.monotonic() + 30
    while time.monotonic() < end:
        port_file.write(free_port())
        port_file.clear()
        port_file.rename_over(str(free_port()))
        qsticky.wait_cycles(1)
    # The last port may be so new that no check of it has ended.
    qsticky.wait_health(state="error", healthy=False)
    assert len(qsticky.lines("ERROR")) == 1
    code, line = qsticky.healthcheck()
    assert code == 1 and "rejected" in line
    assert server.logins() == (0, 1, 0)
    assert server.listen_port() == port


@pytest.mark.parametrize("dialect", ["4.5", "5.2"])
def test_rejected_credentials_do_not_stop_the_looking(
    dialect: str,
    new_fake: Callable[..., FaultyServer],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """qBittorrent is still asked at each interval: it may let us in without a login."""
    server = new_fake(dialect=dialect, password="correct horse").start()
    port_file.write(41000)
    qsticky = sidecar(server, password="battery staple")
    qsticky.wait_health(state="error")
    wait_until(lambda: server.count(PREFERENCES) >= 4, what="more checks")
    assert server.count(LOGIN) == 1
    assert server.count(SET_PREFERENCES) == 0
    server.local_auth = False
    qsticky.wait_in_sync(41000)
    assert server.count(LOGIN) == 1


def test_sighup_brings_one_more_login(
    new_qbittorrent: Callable[..., QBittorrent], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_qbittorrent(password="correct horse").start()
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server, password="battery staple")
    qsticky.wait_health(state="error")
    qsticky.signal(signal.SIGHUP)
    wait_until(lambda: server.logins().failure == 2, what="a second login")
    qsticky.wait_cycles(3)
    assert server.logins() == (0, 2, 0)

    server.set_preferences({"web_ui_password": "battery staple"})
    qsticky.signal(signal.SIGHUP)
    qsticky.wait_in_sync(port)
    assert server.logins() == (1, 2, 0)


def test_a_restart_of_qbittorrent_brings_one_more_login(
    new_fake: Callable[..., FaultyServer], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_fake(password="correct horse").start()
    port_file.write(41000)
    qsticky = sidecar(server, password="battery staple")
    qsticky.wait_health(state="error")
    server.stop()
    qsticky.wait_refused_twice()
    server.password = "battery staple"
    server.start()
    qsticky.wait_in_sync(41000)
    assert server.count(LOGIN) == 2


def test_sighup_checks_at_once(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600)
    qsticky.wait_in_sync(41000)
    fake.preferences["listen_port"] = 6881
    qsticky.signal(signal.SIGHUP)
    wait_until(lambda: fake.listen_port == 41000, what="the port to be set back")
    qsticky.wait_in_sync(41000)


def test_a_ban_is_named_and_not_prolonged(
    new_qbittorrent: Callable[..., QBittorrent], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Others behind the same address earned the ban; then it ends."""
    server = new_qbittorrent(
        password="correct horse",
        extra_config={"Preferences": {r"WebUI\MaxAuthenticationFailCount": "1"}},
    ).start()
    port = free_port()
    port_file.write(port)
    other = sidecar(server, password="battery staple")
    other.wait_health(state="error")
    assert other.stop() == 0

    qsticky = sidecar(server)
    health = qsticky.wait_health(state="error", healthy=False)
    assert "banned" in health["last_error"]
    assert health["current_port"] is None
    qsticky.wait_cycles(4)
    assert server.logins() == (0, 1, 1)
    assert len(qsticky.lines("ERROR")) == 1

    server.stop()
    qsticky.wait_refused_twice()
    server.start()  # it has forgotten the ban
    qsticky.wait_in_sync(port)


@pytest.mark.parametrize("dialect", ["4.5", "5.2"])
def test_both_dialects_log_in_once_and_keep_the_session(
    dialect: str,
    new_fake: Callable[..., FaultyServer],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_fake(dialect=dialect, password="correct horse").start()
    port_file.write(41000)
    qsticky = sidecar(server)
    qsticky.wait_in_sync(41000)
    for port in (42000, 43000):
        port_file.write(port)
        health = qsticky.wait_in_sync(port)
    assert server.count(LOGIN) == 1 and server.sessions_made == 1
    assert server.count(VERSION) == 1
    assert health["qbittorrent_version"].lstrip("v") in ("4.5.2", "5.2.3")
    (login,) = server.seen(LOGIN)
    cookies = {request.header("cookie") for request in server.requests[login.number + 1 :]}
    assert cookies == {f"{server.cookie_name()}=a+b/000001/c+d=="}
    qsticky.wait_log("logged in")


def test_an_upgrade_of_qbittorrent_needs_no_restart(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Between two checks: another cookie name, other answers to the login, another version."""
    port_file.write(41000)
    qsticky = sidecar(fake)
    assert "4.5.2" in qsticky.wait_in_sync(41000)["qbittorrent_version"]
    fake.stop()
    fake.dialect = "5.2"
    fake.preferences["listen_port"] = 6881
    fake.start()
    wait_until(lambda: "5.2.3" in qsticky.health()["qbittorrent_version"], what="the new version")
    qsticky.wait_in_sync(41000)
    assert fake.count(LOGIN) == 2


def test_fifty_checks_are_one_login_and_no_line_above_debug(
    new_qbittorrent: Callable[..., QBittorrent], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_qbittorrent().start()
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server)
    qsticky.wait_in_sync(port)

    def said() -> list[str]:
        lines = [line for line in qsticky.log if " DEBUG " not in line]
        return [line for line in lines if "SIGHUP" not in line]

    qsticky.wait_log(f"in sync: port {port}")
    before = said()
    for _ in range(44):  # as a check that is due, but without the wait
        cycles = qsticky.health_file.stat().st_mtime_ns
        qsticky.signal(signal.SIGHUP)
        wait_until(
            lambda was=cycles: qsticky.health_file.stat().st_mtime_ns != was, what="the check"
        )
    qsticky.wait_cycles(6)
    assert server.logins() == (1, 0, 0)
    assert said() == before
    qsticky.wait_in_sync(port)


def test_a_session_that_ends_is_opened_again_once_and_silently(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    for number in (2, 3):
        wait_until(lambda: fake.open_connections == 0, what="the check to end")
        fake.forget_sessions()
        wait_until(lambda n=number: fake.count(LOGIN) == n, what="another login")
    qsticky.wait_in_sync(41000)
    assert not qsticky.troubles()


def test_a_session_that_ends_between_check_and_set_is_opened_again(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600)
    qsticky.wait_in_sync(41000)
    fake.fault(SET_PREFERENCES, reply(403, b"Forbidden", reason="Forbidden"), times=1)
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    assert fake.count(LOGIN) == 2
    assert not qsticky.troubles()


def test_a_session_that_never_lasts_is_not_logged_in_for_ever(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.fault(PREFERENCES, reply(403, b"Forbidden", reason="Forbidden"))
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600)
    assert qsticky.wait_failed()["state"] in ("retrying", "error")
    logins = [request.connection for request in fake.seen(LOGIN)]
    assert len(logins) == len(set(logins)) > 0, "once in a cycle, which has a connection"
    fake.heal()
    qsticky.wait_in_sync(41000)


def test_an_expired_session_of_the_real_qbittorrent_is_renewed_silently(
    new_qbittorrent: Callable[..., QBittorrent], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    timeout = {"Preferences": {r"WebUI\SessionTimeout": "1"}}
    server = new_qbittorrent(extra_config=timeout).start()
    qsticky = None
    for _ in range(2):
        port = free_port()
        port_file.write(port)
        qsticky = qsticky or sidecar(server, interval=3)
        qsticky.wait_in_sync(port)
        qsticky.wait_cycles(2)
    assert not qsticky.troubles()
    logins = server.logins()
    assert logins.success >= 2 and logins.failure == 0


@pytest.mark.parametrize("dialect", ["4.5", "5.2"])
def test_where_no_login_is_needed_one_session_serves_for_life(
    dialect: str,
    new_fake: Callable[..., FaultyServer],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """Each request without the cookie would leave a session behind in qBittorrent."""
    server = new_fake(dialect=dialect, local_auth=False).start()
    port_file.write(41000)
    qsticky = sidecar(server, password="not needed")
    qsticky.wait_in_sync(41000)
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    qsticky.wait_cycles(3)
    assert server.sessions_made == 1
    assert server.count(LOGIN) == 0
    assert [r.header("cookie") is None for r in server.requests].count(True) == 1


def test_the_real_bypass_for_local_clients_needs_no_login(
    new_qbittorrent: Callable[..., QBittorrent], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_qbittorrent(password="correct horse", local_auth=False).start()
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server, password="not needed")
    health = qsticky.wait_in_sync(port)
    assert server.listen_port() == port
    assert server.logins() == (0, 0, 0)
    assert health["qbittorrent_version"] is not None


def test_a_cookie_set_anew_is_the_one_sent_next(
    new_fake: Callable[..., FaultyServer], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_fake(dialect="5.2").start()
    port_file.write(41000)
    qsticky = sidecar(server)
    qsticky.wait_in_sync(41000)
    turned = with_headers("Set-Cookie: " + server.set_cookie("turned/over+")[1])

    def turn(exchange: Exchange) -> None:
        turned(exchange)  # the request has the old one
        server.sessions = {"1": "turned/over+"}

    server.fault(PREFERENCES, turn, times=1)
    wait_until(lambda: "turned/over+" in server.sessions.values(), what="the answer with the new cookie")
    qsticky.wait_cycles(3)
    assert server.requests[-1].cookies() == {server.cookie_name(): "turned/over+"}
    assert server.count(LOGIN) == 1


def test_a_cookie_of_a_proxy_is_kept_beside_qbittorrents(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.fault(
        PREFERENCES, with_headers("SET-COOKIE: sticky=node-7; Path=/; HttpOnly", "set-cookie:b=2")
    )
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    qsticky.wait_cycles(2)
    cookies = fake.requests[-1].cookies()
    assert cookies["sticky"] == "node-7" and cookies["b"] == "2"
    assert cookies["SID"] == "a+b/000001/c+d=="


def test_a_stop_logs_out(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    assert qsticky.stop() == 0
    wait_until(lambda: fake.count(LOGOUT) == 1, what="the log-out")
    (logout,) = fake.seen(LOGOUT)
    assert logout.method == "POST" and logout.cookies() == {"SID": "a+b/000001/c+d=="}
    assert not fake.sessions


@pytest.mark.parametrize("version", ["4.5.2", "5.3.0"])
@pytest.mark.parametrize("binary", ["musl"], indirect=True)
def test_a_web_ui_that_refuses_the_name_gets_its_address(
    version: str,
    new_qbittorrent: Callable[..., QBittorrent],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """Host header validation: the address is always right, the name only if the list has it."""
    server = new_qbittorrent(
        version=version, extra_config={"Preferences": {r"WebUI\ServerDomains": "nas.example"}}
    ).start()
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(server, env={"QSTICKY_QBITTORRENT_HOST": "localhost"})
    qsticky.wait_in_sync(port)
    assert server.logins() == (1, 0, 0)


@pytest.mark.parametrize("binary", ["musl"], indirect=True)
def test_a_web_ui_elsewhere_is_not_asked_by_its_address(
    namespace: Namespace, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """By its address, a proxy may be another site, which must not get the password."""
    namespace.add_bridge()
    port_file.write(41000)
    far = FaultyServer(host="172.18.0.1", listen_port=41000)
    far.fault(PREFERENCES, reply(401, b"Unauthorized"), times=1)
    namespace.from_afar(far.start)
    try:
        qsticky = sidecar(far, env={"QSTICKY_QBITTORRENT_HOST": far.host})
        qsticky.wait_log("does not accept the Host header")
        qsticky.wait_health(state="in_sync")
    finally:
        far.stop()

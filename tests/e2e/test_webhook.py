"""The webhook: each change of the port and each turn of health arrives at receivers as they are,
nothing of it delays the real job, and the URL stays a secret."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from certificates import Certificate, Pki
from conftest import AS_NOBODY, MakeSidecar, Sidecar
from documents import DOCS, blocks, document
from faults import reply, silence
from faulty_server import FaultyServer
from harness import PortFile, sleeps, wait_until, with_mounted
from listening_server import ListeningServer
from namespace import Namespace
from receiver import TARGETS, TOKEN, Receiver
from tls_peers import Nginx, TlsFront, https_site

WEBHOOK = "webhook"

NewReceiver = Callable[..., Receiver]


@pytest.fixture
def new_receiver(new_fake: Callable[..., FaultyServer]) -> NewReceiver:
    return lambda like="gotify", **options: new_fake(Receiver, like=like, **options)


@pytest.fixture
def receiver(new_receiver: NewReceiver) -> Receiver:
    return new_receiver().start()


@pytest.fixture
def told(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> Iterator[Callable[..., Sidecar]]:
    """Starts qsticky with the URL of a webhook, and looks that no log ever shows more of it than
    where it is."""
    made: list[Sidecar] = []

    def make(receiver: Receiver | str, **options: Any) -> Sidecar:
        url = receiver if isinstance(receiver, str) else receiver.url
        env = {"QSTICKY_WEBHOOK_URL": url} | options.pop("env", {})
        server = options.pop("server", fake)
        made.append(sidecar(server, env=env, log_level="DEBUG", **options))
        return made[-1]

    yield make
    for qsticky in made:
        if qsticky.process:
            qsticky.stop()
        for line in qsticky.log:
            assert TOKEN not in line
            for secret in ("/message", "/api/webhooks", "/qsticky", "tpl=", "auth="):
                assert secret not in line.replace("qsticky-test", ""), line


def wait_told(receiver: Receiver, *messages: str) -> None:
    """Exactly these, in this order."""
    wait_until(lambda: len(receiver.told()) >= len(messages), what=f"{messages} to be told")
    assert receiver.told() == list(messages)


def webhook_lines(qsticky: Sidecar, level: str) -> list[str]:
    return [line for line in qsticky.lines(level) if WEBHOOK in line]


def wait_warning(qsticky: Sidecar) -> str:
    return wait_until(lambda: webhook_lines(qsticky, "WARN"), what="a warning")[0]


# -- what arrives ---------------------------------------------------------------


@pytest.mark.parametrize("kind", TARGETS)
def test_changes_and_turns_arrive_as_the_receiver_wants_them(
    kind: str,
    fake: FaultyServer,
    new_receiver: NewReceiver,
    port_file: PortFile,
    told: Callable[..., Sidecar],
) -> None:
    receiver = new_receiver(kind).start()
    title = "" if kind == "discord" else "qsticky: "
    port_file.write(41000)
    qsticky = told(receiver)
    # each in turn: what it has not taken yet would be told as one with what comes next
    qsticky.wait_log('sent, for "port 6881 -> 41000"')
    port_file.write(45720)
    qsticky.wait_log('sent, for "port 41000 -> 45720"')
    fake.stop()
    qsticky.wait_log('sent, for "unhealthy: ')
    error = qsticky.health()["last_error"]
    assert "connection refused" in error
    fake.start()
    qsticky.wait_log('sent, for "healthy again: ')
    *others, last = receiver.told()
    assert others == [
        f"{title}port 6881 -> 41000",
        f"{title}port 41000 -> 45720",
        f"{title}unhealthy: {error}",
    ]
    assert last.startswith(f"{title}healthy again: port 45720, after ")
    assert not any(WEBHOOK in line for line in qsticky.troubles())

    events = [body["event"] for body in receiver.bodies]
    assert events == ["port_changed", "port_changed", "unhealthy", "healthy"]
    assert [body["port"] for body in receiver.bodies] == [41000, 45720, 45720, 45720]
    assert [body.get("previous_port") for body in receiver.bodies] == [6881, 41000, None, None]
    assert [body["healthy"] for body in receiver.bodies] == [True, True, False, True]
    assert [body["state"] for body in receiver.bodies] == [
        "in_sync",
        "in_sync",
        "retrying",
        "in_sync",
    ]
    for body in receiver.bodies:
        assert body["message"] == body["content"] == body["text"]
        assert body["version"] == qsticky.health()["version"]
        assert fake.password not in str(body)
    for request in receiver.requests:
        assert request.header("Host") == f"127.0.0.1:{receiver.port}"


def test_the_docs_show_what_is_sent(
    receiver: Receiver, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    (block,) = blocks(DOCS / "monitoring.md", "json")
    shown = json.loads(block.text)
    port_file.write(41000)
    told(receiver)
    wait_told(receiver, "qsticky: port 6881 -> 41000")
    assert list(receiver.bodies[0]) == list(shown)
    assert receiver.bodies[0]["allowed_mentions"] == shown["allowed_mentions"]
    # and the recipes are those that are tried here
    assert TARGETS["ntfy"].removeprefix("/qsticky").removesuffix(f"&auth={TOKEN}") in document("monitoring.md")
    assert TARGETS["gotify"].removesuffix(TOKEN) in document("monitoring.md")
    assert "/api/webhooks/" in document("monitoring.md")


def test_what_is_well_from_the_start_is_no_news(
    fake: FaultyServer, receiver: Receiver, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    fake.preferences["listen_port"] = 41000
    port_file.write(41000)
    qsticky = told(receiver)
    qsticky.wait_in_sync(41000)
    qsticky.wait_cycles(2)
    assert receiver.connections == []
    fake.stop()  # and what comes first shows that nothing came before
    wait_until(receiver.told, what="the turn to unhealthy")
    assert receiver.told()[0].startswith("qsticky: unhealthy: ")


def test_what_is_wrong_from_the_start_is_news(
    receiver: Receiver, port_file: PortFile, told: Callable[..., Sidecar], fake: FaultyServer
) -> None:
    fake.stop()
    port_file.write(41000)
    told(receiver)
    wait_until(receiver.told, what="that it is unhealthy")
    assert receiver.bodies[0]["event"] == "unhealthy"
    assert receiver.bodies[0]["healthy"] is False


def test_no_message_says_that_all_is_well_while_that_is_in_doubt(
    namespace: Namespace,
    new_listening: Callable[..., ListeningServer],
    receiver: Receiver,
    port_file: PortFile,
    told: Callable[..., Sidecar],
) -> None:
    """A new port that nobody can reach: a second passes before it is known that this lasts."""
    namespace.add_bridge()
    namespace.add_tunnel()
    port_file.write(41000)
    server = new_listening().start()
    qsticky = told(receiver, server=server)
    qsticky.wait_in_sync(41000)
    server.opens = False
    port_file.rename_over("42000\n")

    def of_the_new_port() -> list[dict[str, Any]]:
        return [body for body in receiver.bodies if "42000" in body["content"]]

    wait_until(of_the_new_port)
    assert not any(body["healthy"] for body in of_the_new_port()), receiver.bodies


def test_once_tells_nobody(
    receiver: Receiver, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    port_file.write(41000)
    assert told(receiver, args=("once",)).wait() == 0
    assert receiver.connections == []


def test_an_ipv6_receiver_and_a_url_without_a_path(
    new_receiver: NewReceiver, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    receiver = new_receiver("gotify", host="::1").start()
    port_file.write(41000)
    told(f"http://[::1]:{receiver.port}?x=1#fragment")
    (request,) = wait_until(lambda: receiver.requests, what="the request")
    assert request.target == "/?x=1"
    assert request.header("Host") == f"[::1]:{receiver.port}"


# -- the real job goes first ------------------------------------------------------


def check_given_up_for(qsticky: Sidecar, port: int, *then: str) -> None:
    """The attempt was given up for the new port, not the other way round."""
    words = ("the next check was due first: stopped, for", f"in sync: port {port}", *then)
    places = [qsticky.log.index(qsticky.wait_log(each)) for each in words]
    assert places == sorted(places)


def test_a_receiver_that_hangs_delays_nothing_and_gets_the_newest(
    fake: FaultyServer, receiver: Receiver, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    receiver.fault(receiver.path, silence(), times=1)
    port_file.write(41000)
    qsticky = told(receiver, interval=3600)
    wait_until(lambda: len(receiver.requests) == 1, what="the request")
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    wait_told(receiver, "qsticky: port 6881 -> 42000")
    check_given_up_for(qsticky, 42000, "sent, for")


def test_a_cycle_that_is_due_goes_before_a_receiver_that_hangs(
    fake: FaultyServer, receiver: Receiver, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    receiver.fault(receiver.path, silence(), times=1)
    port_file.write(41000)
    qsticky = told(receiver, interval=1)
    wait_told(receiver, "qsticky: port 6881 -> 41000")
    # a cycle between any two attempts, however long the receiver would have liked to hang
    looks = [request.time for request in fake.requests]
    attempts = [request.time for request in receiver.requests]
    assert len(attempts) == 2
    assert any(attempts[0] < look < attempts[0] + 5 for look in looks)
    # what was sent may have arrived: it is not sent at once again
    assert attempts[1] - attempts[0] >= 5
    assert webhook_lines(qsticky, "INFO")


def test_a_name_server_that_hangs_delays_nothing(
    root: None,
    fake: FaultyServer,
    place: Path,
    port_file: PortFile,
    told: Callable[..., Sidecar],
) -> None:
    address = f"127.{random.randrange(1, 255)}.{random.randrange(256)}.{random.randrange(1, 255)}"
    resolver = place / "resolv.conf"
    resolver.write_text(f"nameserver {address}\noptions timeout:30 attempts:3\n")
    wrapper = with_mounted(resolver, "/etc/resolv.conf")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.settimeout(20)
        deaf.bind((address, 53))
        port_file.write(41000)
        qsticky = told("http://receiver.example/x", interval=3600, wrapper=wrapper)
        deaf.recv(512)  # it asks, and will get no answer
        port_file.write(42000)
        qsticky.wait_in_sync(42000)
        assert fake.listen_port == 42000
        check_given_up_for(qsticky, 42000)


def test_a_receiver_that_is_down_does_not_matter(
    new_receiver: NewReceiver, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    receiver = new_receiver()
    port_file.write(41000)
    qsticky = told(receiver)
    qsticky.wait_in_sync(41000)
    line = qsticky.wait_log("webhook http")
    assert f"http://127.0.0.1:{receiver.port}: connection refused" in line
    assert qsticky.health()["healthy"] and qsticky.troubles() == []


def test_a_receiver_is_tried_again_when_it_wants_to_be(
    new_receiver: NewReceiver, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    receiver = new_receiver("discord").start()
    limit = b'{"message": "You are being rate limited.", "retry_after": 6.0, "global": false}'
    headers = {"Content-Type": "application/json", "Retry-After": "6"}
    receiver.fault(receiver.path, reply(429, limit, headers=headers), times=1)
    port_file.write(41000)
    qsticky = told(receiver)
    wait_told(receiver, "port 6881 -> 41000")
    first, second = receiver.requests
    # The times are of two clocks, which agree to some milliseconds.
    assert second.time - first.time >= 5.95
    assert "HTTP 429" in webhook_lines(qsticky, "INFO")[0]


def test_a_stop_does_not_wait_for_a_receiver(
    receiver: Receiver, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    receiver.fault(receiver.path, silence())
    port_file.write(41000)
    qsticky = told(receiver, interval=3600)
    wait_until(lambda: receiver.requests, what="the request")
    qsticky.check_stops_at_once()


def test_nothing_wakes_it_while_nothing_waits(
    receiver: Receiver, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    port_file.write(41000)
    qsticky = told(receiver, interval=3600)
    wait_told(receiver, "qsticky: port 6881 -> 41000")
    qsticky.wait_log("sent, for")
    wait_until(lambda: not receiver.open_connections, what="the end of the connection")

    before = wait_until(lambda: sleeps(qsticky.pid), what="it to sleep")
    time.sleep(1.5)  # there is nothing to wait for
    assert sleeps(qsticky.pid) == before, "it has slept through"


# -- what a receiver refuses -------------------------------------------------------


def test_a_wrong_token_is_said_once_and_not_tried_again(
    receiver: Receiver, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    receiver.token = "another"
    port_file.write(41000)
    qsticky = told(receiver)
    assert "gave up: HTTP 401" in wait_warning(qsticky)
    qsticky.wait_cycles(2)
    assert len(receiver.requests) == 1
    assert len(qsticky.troubles()) == 1


def test_a_redirect_is_said_and_not_followed(
    receiver: Receiver,
    new_receiver: NewReceiver,
    port_file: PortFile,
    told: Callable[..., Sidecar],
) -> None:
    elsewhere = new_receiver().start()
    receiver.fault(receiver.path, reply(301, headers={"Location": elsewhere.url}))
    port_file.write(41000)
    qsticky = told(receiver)
    assert "HTTP 301: redirects are not followed" in wait_warning(qsticky)
    qsticky.wait_cycles(2)
    assert len(receiver.requests) == 1 and elsewhere.connections == []
    assert len(qsticky.troubles()) == 1


def test_a_rotated_file_needs_no_restart(
    receiver: Receiver, place: Path, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    file = place / "webhook"
    file.write_text("gopher://nowhere/message\n")
    port_file.write(41000)
    env = {"QSTICKY_WEBHOOK_URL": "", "QSTICKY_WEBHOOK_URL_FILE": str(file)}
    qsticky = told(receiver, env=env)
    assert "does not hold a valid URL" in wait_warning(qsticky)
    file.with_name("new").write_text(receiver.url + "\n")
    file.with_name("new").rename(file)
    port_file.write(42000)
    wait_told(receiver, "qsticky: port 41000 -> 42000")


@pytest.mark.parametrize(
    "url",
    ["ntfy.sh/topic", "ftp://ntfy.sh/topic", f"https://me:{TOKEN}@ntfy.sh/", f"http://h/{TOKEN} b"],
)
def test_a_url_that_is_none_is_a_configuration_error(
    url: str, told: Callable[..., Sidecar]
) -> None:
    qsticky = told(url)
    assert qsticky.wait() == 2
    (line,) = qsticky.log
    assert "QSTICKY_WEBHOOK_URL: not allowed; it takes an http:// or https:// URL" in line


# -- https --------------------------------------------------------------------------


def https(receiver: Receiver, port: int) -> str:
    return f"https://127.0.0.1:{port}{TARGETS[receiver.like]}"


def test_https_behind_nginx(
    pki: Pki,
    nginx: str,
    place: Path,
    peers: ExitStack,
    receiver: Receiver,
    port_file: PortFile,
    told: Callable[..., Sidecar],
) -> None:
    root = pki.root()
    site = https_site(root.issue("IP:127.0.0.1"), receiver.port)
    proxy = peers.enter_context(Nginx(place / "nginx", nginx, site))
    port_file.write(41000)
    told(https(receiver, proxy.port), env={"QSTICKY_TLS_CA_FILE": str(root.path)})
    wait_told(receiver, "qsticky: port 6881 -> 41000")
    (access,) = wait_until(proxy.log, what="nginx's log")
    assert (access.method, access.status) == ("POST", 200)


def test_qbittorrents_own_trust_and_session_are_left_as_they_are(
    pki: Pki,
    fake: FaultyServer,
    peers: ExitStack,
    receiver: Receiver,
    port_file: PortFile,
    told: Callable[..., Sidecar],
) -> None:
    pinned, root = pki.make("DNS:nas"), pki.root()
    webui = peers.enter_context(TlsFront(pinned, fake.port))
    front = peers.enter_context(TlsFront(root.issue("IP:127.0.0.1"), receiver.port))
    port_file.write(41000)
    qsticky = told(
        https(receiver, front.port),
        port=webui.port,
        env={
            "QSTICKY_USE_HTTPS": "true",
            "QSTICKY_TLS_PIN_SHA256": pinned.sha256,
            "QSTICKY_TLS_SERVER_NAME": "nas",
            "QSTICKY_TLS_CA_FILE": str(root.path),
        },
    )
    wait_told(receiver, "qsticky: port 6881 -> 41000")
    seen = len(webui.handshakes)
    wait_until(lambda: len(webui.handshakes) >= seen + 2, what="cycles after that")
    assert not webui.handshakes[0].resumed
    assert all(handshake.resumed for handshake in webui.handshakes[1:])
    assert webui.failures == front.failures == []
    assert qsticky.health()["healthy"]


def other_name(pki: Pki, root: Certificate) -> Certificate:
    return root.issue("DNS:other.example")


REFUSED = {
    "by nobody known": (lambda pki, root: pki.root().issue("IP:127.0.0.1"), "its issuer"),
    "self-signed": (lambda pki, root: pki.make("IP:127.0.0.1"), "its certificate is self-signed"),
    "another name": (other_name, "its certificate is for another name than 127.0.0.1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_receiver_that_proves_nothing_is_told_nothing(
    case: str,
    pki: Pki,
    peers: ExitStack,
    receiver: Receiver,
    port_file: PortFile,
    told: Callable[..., Sidecar],
) -> None:
    """Whatever is accepted of qBittorrent."""
    make, words = REFUSED[case]
    root = pki.root()
    front = peers.enter_context(TlsFront(make(pki, root), receiver.port))
    port_file.write(41000)
    qsticky = told(
        https(receiver, front.port),
        env={"QSTICKY_TLS_CA_FILE": str(root.path), "QSTICKY_VERIFY_SSL": "false"},
    )
    line = wait_warning(qsticky)
    assert words in line
    # what is advised for qBittorrent would help nobody here
    assert "QSTICKY_" not in line
    assert receiver.connections == [] and not front.received
    assert len(webhook_lines(qsticky, "WARN")) == 1


def test_without_cas_it_says_what_to_mount(
    receiver: Receiver, place: Path, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    missing = place / "certs" / "ca-certificates.crt"
    port_file.write(41000)
    qsticky = told(https(receiver, receiver.port), env={"QSTICKY_TLS_CA_FILE": str(missing)})
    assert f'no CA file to verify the receiver with; mount one: "{missing}:{missing}:ro"' in wait_warning(qsticky)
    assert receiver.connections == []


def test_plain_http_where_tls_was_expected_is_named(
    pki: Pki, receiver: Receiver, port_file: PortFile, told: Callable[..., Sidecar]
) -> None:
    port_file.write(41000)
    qsticky = told(
        https(receiver, receiver.port), env={"QSTICKY_TLS_CA_FILE": str(pki.root().path)}
    )
    receiver.fault("*", reply(400))
    line = qsticky.wait_log("webhook https")
    assert "TLS" in line or "plain HTTP" in line
    assert "QSTICKY_" not in line


def test_tls_where_plain_http_was_expected_is_named_and_not_tried_again(
    pki: Pki,
    nginx: str,
    place: Path,
    peers: ExitStack,
    receiver: Receiver,
    port_file: PortFile,
    told: Callable[..., Sidecar],
) -> None:
    site = https_site(pki.make("IP:127.0.0.1"), receiver.port)
    proxy = peers.enter_context(Nginx(place / "nginx", nginx, site))
    port_file.write(41000)
    qsticky = told(f"http://127.0.0.1:{proxy.port}{TARGETS[receiver.like]}")
    line = wait_warning(qsticky)
    assert "gave up: HTTP 400: the server speaks TLS on this port (https, not http)" in line
    assert "QSTICKY_" not in line
    assert receiver.connections == []


def test_where_none_is_configured_the_log_has_no_line_of_it(
    root: None,
    public_binary: Path,
    fake: FaultyServer,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """A directory of others' secrets, which nobody has told it of."""
    port_file.write(41000)
    (place / "health").mkdir()
    (place / "health").chmod(0o777)
    closed = 'mount -t tmpfs t /run && mkdir -m 0700 /run/secrets && exec "$@"'
    qsticky = sidecar(
        fake,
        program=public_binary,
        wrapper=("unshare", "--mount", "sh", "-c", closed, "sh", *AS_NOBODY),
        health_file=place / "health" / "status.json",
    )
    qsticky.wait_cycles(3)
    assert not any(WEBHOOK in line for line in qsticky.log)


# -- check -----------------------------------------------------------------------------


@pytest.mark.parametrize("up", [True, False])
def test_check_connects_and_sends_nothing(
    up: bool,
    fake: FaultyServer,
    new_receiver: NewReceiver,
    port_file: PortFile,
    told: Callable[..., Sidecar],
) -> None:
    receiver = new_receiver()
    if up:
        receiver.start()
    port_file.write(fake.listen_port)
    qsticky = told(receiver, start=False, args=("check",))
    done = subprocess.run(
        qsticky.command, env=qsticky.env, capture_output=True, text=True, check=False
    )
    where = f"http://127.0.0.1:{receiver.port}"
    seen = f"ok    webhook         {where}: it accepts connections"
    if not up:
        seen = f"warn  webhook         {where}: connection refused"
    assert seen in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert receiver.requests == []

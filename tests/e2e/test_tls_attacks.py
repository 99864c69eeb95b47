"""HTTPS, points 3 and 4: those who sit between qsticky and its server. They may stop it, and that is
all: not a byte of password or cookie reaches them, nothing that they cut or change is believed,
nothing hangs past its deadline, and it is over when they are gone."""

from __future__ import annotations

import os
import re
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from certificates import Certificate, Pki, bundle
from conftest import CYCLE_DEADLINE, MakeSidecar, Sidecar
from faults import chunked, drip as drip_reply, padded, raw, short_body, until_close
from faulty_server import LOGIN, PREFERENCES, FaultyServer
from harness import PATIENCE, PortFile, wait_until
from tls_peers import OpensslServer, TlsFront
from tls_relay import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    Fault,
    Link,
    Relay,
    before,
    cut,
    drip,
    feigned_resumption,
    flood,
    instead,
    message,
    record,
    says,
    session_offered,
    split,
    stall,
)

HTTPS = {"QSTICKY_USE_HTTPS": "true"}
HERE = "IP:127.0.0.1"

# Of an exchange, 10 s; the rest is for a busy machine. In 15 s the cycle's would come.
DEADLINE = 14.5

# The server's records in a full handshake: its hello, certificate, key exchange and "done"; then,
# after the client's, change of cipher and "finished". After these come replies.
GREETING, CERTIFICATE, KEY_EXCHANGE, DONE, CHANGE, FINISHED, REPLY = range(7)
STEPS = {"hello": GREETING, "certificate": CERTIFICATE, "key exchange": KEY_EXCHANGE}
STEPS |= {"done": DONE, "change of cipher": CHANGE, "finished": FINISHED}


class Wire:
    """A server with TLS in front of it, and a relay between that and qsticky."""

    def __init__(self, pki: Pki, place: Path, peers: ExitStack) -> None:
        self.pki = pki
        self.peers = peers
        self.root = pki.root()
        self.leaf = self.root.issue(HERE)
        self.ca_file = bundle(place / "ca.pem", self.root)
        self.server = peers.enter_context(FaultyServer())
        self.front = peers.enter_context(TlsFront(self.leaf, self.server.port))
        self.relay = peers.enter_context(Relay(self.front.port))

    def trust(self, way: str = "file") -> dict[str, str]:
        if way == "pin":
            return HTTPS | {"QSTICKY_TLS_PIN_SHA256": self.leaf.sha256}
        return HTTPS | {"QSTICKY_TLS_CA_FILE": str(self.ca_file)}

    def trust_others(self, other: Certificate) -> None:
        """In one step, as everybody should."""
        os.rename(bundle(self.ca_file.with_suffix(".new"), other), self.ca_file)

    def man_in_the_middle(self, certificate: Certificate) -> ManInTheMiddle:
        return ManInTheMiddle(certificate, self.peers)


class ManInTheMiddle:
    """Has a TLS of his own, and behind it a qBittorrent that lets everybody in."""

    def __init__(self, certificate: Certificate, peers: ExitStack) -> None:
        self.server = peers.enter_context(FaultyServer(listen_port=6666))
        self.front = peers.enter_context(TlsFront(certificate, self.server.port))
        self.port = self.front.port

    def check_learned_nothing(self) -> None:
        assert self.front.received == b""
        assert self.server.requests == []
        assert self.front.handshakes == []


def check_sent_nothing(link: Link) -> None:
    """Of all that TLS protects."""
    assert APPLICATION_DATA not in link.records_sent()
    for secret in (b"adminadmin", b"SID", b"GET ", b"POST "):
        assert secret not in link.sent


@pytest.fixture
def wire(pki: Pki, place: Path, peers: ExitStack) -> Wire:
    return Wire(pki, place, peers)


def wait_error(qsticky: Sidecar, words: str, timeout: float = DEADLINE) -> str:
    """Waits for a failed cycle with these words; nothing of it is believed."""

    def failed() -> str | None:
        health = qsticky.health()
        error = health["last_error"] if health and health["consecutive_failures"] else None
        return error if error and "not proved yet" not in error else None  # a new port, untried

    error = qsticky._wait(failed, timeout, "a failed cycle")
    assert re.search(words, error), error
    health = qsticky.health()
    assert health["healthy"] is False and health["state"] in ("retrying", "error")
    return error


# -- another certificate ---------------------------------------------------------


@pytest.mark.parametrize("way", ["pin", "file"])
@pytest.mark.parametrize("resumable", [True, False], ids=["resumable", "not resumable"])
def test_a_man_in_the_middle_who_comes_between_two_cycles_learns_nothing(
    resumable: bool, way: str, wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust(way))
    qsticky.wait_in_sync(41000)
    if resumable:
        wait_until(lambda: wire.front.handshakes[-1].resumed, what="a resumed session")
    middle = wire.man_in_the_middle(wire.pki.make(HERE, subject="/CN=qbittorrent"))
    seen = len(wire.relay.links)
    wire.relay.target = middle.port
    if not resumable:
        wire.front.present(wire.leaf)  # forgets all sessions
    port_file.write(42000)
    wait_error(qsticky, "pinned" if way == "pin" else "self-signed")
    qsticky.wait_cycles(2)
    middle.check_learned_nothing()
    assert middle.front.failures, "he did try"
    for link in wire.relay.links[seen + 1 :]:
        check_sent_nothing(link)
    assert wire.server.listen_port == 41000

    wire.relay.target = wire.front.port
    qsticky.wait_in_sync(42000)
    assert wire.server.listen_port == 42000


def test_a_man_in_the_middle_does_not_get_the_log_out(
    wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """It carries the cookie."""
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust(), interval=3600)
    qsticky.wait_in_sync(41000)
    middle = wire.man_in_the_middle(wire.pki.make(HERE))
    wire.relay.target = middle.port
    seen = len(wire.relay.links)
    assert qsticky.stop() == 0
    wait_until(lambda: len(wire.relay.links) > seen, what="the try")
    middle.check_learned_nothing()
    check_sent_nothing(wire.relay.links[-1])


@pytest.mark.parametrize("who", ["same name", "same CA name", "same CA, other name"])
def test_a_man_in_the_middle_who_looks_right(
    who: str, wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    qsticky.wait_in_sync(41000)
    certificates = {
        "same name": lambda: wire.pki.make(HERE, subject="/CN=right"),
        "same CA name": lambda: wire.pki.root().issue(HERE),
        "same CA, other name": lambda: wire.root.issue("DNS:evil.example", "IP:192.0.2.66"),
    }
    middle = wire.man_in_the_middle(certificates[who]())
    wire.relay.target = middle.port
    wait_error(qsticky, "certificate|issuer")
    qsticky.wait_cycles(1)
    middle.check_learned_nothing()
    wire.relay.target = wire.front.port
    qsticky.wait_in_sync(41000)


def test_the_right_certificate_without_its_key(
    wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """The certificate is public: whoever presents it must prove that it is his."""
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust("pin"))
    qsticky.wait_in_sync(41000)
    middle = wire.man_in_the_middle(wire.pki.make(HERE))
    der = wire.leaf.der
    entry = len(der).to_bytes(3, "big") + der
    stolen = record(HANDSHAKE, message(11, len(entry).to_bytes(3, "big") + entry))
    wire.relay.fault = instead(CERTIFICATE, lambda _own: stolen)
    wire.relay.target = middle.port
    wire.front.present(wire.leaf)
    wait_error(qsticky, "cannot prove that it owns its certificate")
    check_sent_nothing(wire.relay.links[-1])
    middle.check_learned_nothing()


def test_a_man_in_the_middle_between_two_requests_of_a_cycle(
    wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """When the login comes, on its own connection, he is there."""
    middle = wire.man_in_the_middle(wire.pki.make(HERE))

    def then_he_comes(link: Link) -> None:
        wire.relay.target = middle.port
        wire.relay.fault = None
        link.pass_on()

    wire.relay.fault = then_he_comes
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    wait_error(qsticky, "self-signed")
    qsticky.wait_cycles(1)
    assert wire.server.count(PREFERENCES) == 1
    assert wire.server.count(LOGIN) == 0
    middle.check_learned_nothing()
    wire.relay.target = wire.front.port
    qsticky.wait_in_sync(41000)


def test_a_man_in_the_middle_who_feigns_to_resume_the_session(
    wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    qsticky.wait_in_sync(41000)
    handshake = wait_until(
        lambda: (last := wire.front.handshakes[-1]).resumed and last, what="a resumed session"
    )
    seen = len(wire.relay.links)
    wire.relay.fault = feigned_resumption(handshake.suite)
    wait_error(qsticky, "damaged or forged")
    wait_until(lambda: len(wire.relay.links) >= seen + 3, what="more tries")
    # the first of them may have begun before
    assert any(session_offered(link) for link in wire.relay.links[seen:])
    for link in wire.relay.links[seen + 1 :]:
        check_sent_nothing(link)
    wire.relay.heal()
    qsticky.wait_in_sync(41000)


@pytest.mark.parametrize(
    "says_what",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nForbidden",
    ],
    ids=["200", "301", "403"],
)
def test_nobody_talks_it_out_of_tls(
    says_what: bytes, wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    qsticky.wait_in_sync(41000)
    seen = len(wire.relay.links)
    wire.relay.fault = says(says_what)
    wait_error(qsticky, "plain HTTP")
    qsticky.wait_cycles(2)
    for link in wire.relay.links[seen + 1 :]:
        check_sent_nothing(link)
    wire.relay.heal()
    qsticky.wait_in_sync(41000)


# -- a session does not outlive its trust ----------------------------------------


def test_a_session_does_not_outlive_a_changed_ca_file(
    wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    qsticky.wait_in_sync(41000)
    wait_until(lambda: wire.front.handshakes[-1].resumed, what="a resumed session")
    wire.trust_others(wire.pki.root(subject="/O=others"))
    wait_error(qsticky, "is not in")
    requests = len(wire.server.requests)
    qsticky.wait_cycles(2)
    assert len(wire.server.requests) == requests
    wire.trust_others(wire.root)
    qsticky.wait_in_sync(41000)
    assert not any("rejected" in line for line in qsticky.log)


def test_a_session_does_not_outlive_a_removed_ca_file(
    wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    qsticky.wait_in_sync(41000)
    wait_until(lambda: wire.front.handshakes[-1].resumed, what="a resumed session")
    wire.ca_file.unlink()
    wait_error(qsticky, "ca.pem: No such file")
    bundle(wire.ca_file, wire.root)
    qsticky.wait_in_sync(41000)


def test_a_session_does_not_outlive_a_changed_pin(
    wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """A pin changes by a restart, and nothing is kept over that."""
    port_file.write(41000)
    first = sidecar(wire.relay, env=wire.trust("pin"))
    first.wait_in_sync(41000)
    wait_until(lambda: wire.front.handshakes[-1].resumed, what="a resumed session")
    assert first.stop() == 0
    requests, links = len(wire.server.requests), len(wire.relay.links)
    second = sidecar(wire.relay, env=HTTPS | {"QSTICKY_TLS_PIN_SHA256": "00" * 32})
    wait_error(second, "not the pinned one")
    assert session_offered(wire.relay.links[links]) == b""
    assert len(wire.server.requests) == requests


def test_a_session_does_not_outlive_its_certificate(
    wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    brief = wire.root.issue(HERE, end=15)  # seconds: two cycles have to be done by then
    wire.leaf = brief
    wire.front.present(brief)
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust("file"))
    qsticky.wait_in_sync(41000)
    wait_until(lambda: wire.front.handshakes[-1].resumed, what="a resumed session")
    wait_error(qsticky, "expired on", 15 + DEADLINE)


# -- cut -------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [short_body(), until_close(), chunked()])
def test_what_is_cut_without_the_good_bye_of_tls_is_not_believed(
    fault, wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Above all where the end of the connection is the end of the reply."""
    wire.front.goodbye = False
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    qsticky.wait_in_sync(41000)
    if fault.__qualname__.startswith("chunked"):
        # whole chunks, but no last one
        fault = raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
    wire.server.fault(PREFERENCES, fault)
    port_file.write(42000)
    wait_error(qsticky, "without a TLS close|before the end of")
    assert not any("in sync: port 42000" in line for line in qsticky.log)
    wire.server.heal()
    qsticky.wait_in_sync(42000)


def test_what_ends_with_the_good_bye_of_tls_is_believed(
    wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    wire.server.fault(PREFERENCES, until_close())
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    qsticky.wait_in_sync(41000)
    assert not qsticky.troubles()


@pytest.mark.parametrize("step", [*STEPS, "first reply"])
def test_a_connection_that_is_cut_at_any_step(
    step: str, wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Before it and within it, closed and reset."""
    port_file.write(41000)
    number = STEPS.get(step, REPLY)
    made: list[tuple[Relay, Sidecar]] = []
    for part in (0, 0.5):
        for by_reset in (False, True):
            fault = cut(number, part, by_reset=by_reset)
            relay = wire.peers.enter_context(Relay(wire.front.port, fault))
            made.append((relay, sidecar(relay, env=wire.trust())))
    for _, qsticky in made:
        wait_error(qsticky, "closed the connection|cut|reset")
    assert wire.server.listen_port == 6881
    for relay, qsticky in made:
        relay.heal()
        qsticky.wait_in_sync(41000)


# -- in pieces -------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 7])
def test_records_split_into_single_bytes(
    size: int, wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    wire.relay.fault = split(size)
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    qsticky.wait_in_sync(41000)
    wait_until(lambda: wire.front.handshakes[-1].resumed, what="a resumed session")
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    assert not qsticky.troubles()


@pytest.mark.parametrize(
    "fault", [padded(900_000), chunked(size=17), drip_reply(0, size=1)], ids=["large", "chunks", "bytes"]
)
def test_replies_in_records_of_every_size(
    fault, wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    wire.server.fault(PREFERENCES, fault)
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    qsticky.wait_in_sync(41000)
    assert not qsticky.troubles()


def fragment(whole: bytes, size: int) -> bytes:
    """The same handshake messages in many records: RFC 5246, section 6.2.1."""
    payload = whole[5:]
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
    return b"".join(record(HANDSHAKE, piece) for piece in pieces)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_handshake_messages_split_over_records(
    size: int, wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    def fault(link: Link) -> None:
        while (whole := link.record())[0] == HANDSHAKE:  # what follows is encrypted
            link.send(fragment(whole, size))
        link.send(whole)
        link.pass_on()

    wire.relay.fault = fault
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    qsticky.wait_in_sync(41000)
    assert not qsticky.troubles()


# -- lies ------------------------------------------------------------------------


def flip(which: float) -> Callable[[bytes], bytes]:
    """One bit, somewhere in the payload."""

    def change(whole: bytes) -> bytes:
        at = 5 + int((len(whole) - 6) * which)
        return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]

    return change


def random_payload(whole: bytes) -> bytes:
    return whole[:5] + secrets.token_bytes(len(whole) - 5)


HELLO_REQUEST = record(HANDSHAKE, message(0, b""))
WARNING = record(ALERT, b"\x01\x5a")  # user_canceled
NOISE = secrets.token_bytes(64)

LIES: dict[str, tuple[Fault, str]] = {
    "zeros first": (says(bytes(100)), ""),
    "noise first": (says(b"\0" + NOISE), ""),
    "SSH": (says(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), "does not speak TLS"),
    "SMTP": (says(b"220 mail.example ESMTP\r\n"), "does not speak TLS"),
    "SSL 2": (says(b"\x80\x2e\x01\x00\x02" + bytes(41)), ""),
    "a fatal alert": (says(record(ALERT, b"\x02\x28")), "alert 40"),
    "an internal error": (says(record(ALERT, b"\x02\x50")), "alert 80"),
    "a close": (says(record(ALERT, b"\x01\x00")), "closed|alert|TLS"),
    "a reply before the hello": (says(record(APPLICATION_DATA, b"HTTP/1.1 200 OK\r\n\r\n")), ""),
    "a change of cipher first": (before(GREETING, record(CHANGE_CIPHER_SPEC, b"\x01")), ""),
    "an early change of cipher": (before(DONE, record(CHANGE_CIPHER_SPEC, b"\x01")), ""),
    "an early reply": (before(CHANGE, record(APPLICATION_DATA, b"HTTP/1.1 200 OK\r\n\r\n")), ""),
    "a plain record in the middle": (before(REPLY, record(APPLICATION_DATA, b"HTTP/1.1 200")), ""),
    "a record of another kind": (before(KEY_EXCHANGE, record(24, b"\x01\x40\0")), ""),
    "a record too long": (before(KEY_EXCHANGE, record(HANDSHAKE, bytes(16384 + 2049))), ""),
    "the longest there is": (before(KEY_EXCHANGE, record(HANDSHAKE, bytes(65535))), ""),
    "a reply too long": (before(REPLY, record(APPLICATION_DATA, NOISE * 300)), "too long|damaged"),
    "a version of the record": (before(KEY_EXCHANGE, record(HANDSHAKE, b"\0", b"\x09\x09")), ""),
    "a request to renegotiate first": (before(GREETING, HELLO_REQUEST), ""),
    "an older version": (
        instead(GREETING, lambda hello: hello[:9] + b"\x03\x01" + hello[11:]),
        "older than TLS 1.2",
    ),
    "hello twice": (instead(GREETING, lambda hello: hello + hello), ""),
    "noise for the hello": (instead(GREETING, random_payload), ""),
    "noise for the certificate": (instead(CERTIFICATE, random_payload), ""),
    "noise for the key exchange": (instead(KEY_EXCHANGE, random_payload), ""),
    "noise for finished": (instead(FINISHED, random_payload), "damaged or forged"),
    "noise for a reply": (instead(REPLY, random_payload), "damaged or forged"),
    "a bit of the certificate": (instead(CERTIFICATE, flip(0.9)), "signature|certificate|malformed|signed"),
    "a bit of the key exchange": (instead(KEY_EXCHANGE, flip(0.9)), "cannot prove"),
    "a bit of the first random": (instead(GREETING, flip(0.2)), "cannot prove"),
    "a bit of finished": (instead(FINISHED, flip(0.7)), "damaged or forged"),
    "a bit of a reply": (instead(REPLY, flip(0.5)), "damaged or forged"),
    "no certificate": (instead(CERTIFICATE, lambda _: record(22, message(11, bytes(3)))), ""),
    "a certificate of noise": (
        instead(CERTIFICATE, lambda _: record(22, message(11, b"\0\0\x43\0\0\x40" + NOISE))),
        "not a certificate",
    ),
    "a hundred certificates": (
        instead(
            CERTIFICATE,
            lambda whole: fragment(
                record(22, message(11, (100 * (len(whole) - 12)).to_bytes(3, "big") + whole[12:] * 100)),
                16000,
            ),
        ),
        "more than .* certificates",
    ),
}


@pytest.mark.parametrize(("fault", "words"), LIES.values(), ids=LIES)
def test_a_lie_is_a_clear_error_and_recovered_from(
    fault: Fault, words: str, wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    wire.relay.fault = fault
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    error = wait_error(qsticky, words)
    assert str(wire.relay.port) in error
    assert wire.server.listen_port == 6881
    qsticky.wait_trouble()
    wire.relay.heal()
    qsticky.signal(signal.SIGHUP)
    qsticky.wait_in_sync(41000)


def test_a_reply_that_is_replayed(
    wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Old preferences are not taken for the answer to the next request."""
    wire.server.local_auth = False  # all on one connection
    wire.relay.fault = instead(REPLY, lambda reply: reply + reply)
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust(), interval=3600)
    wait_error(qsticky, "damaged or forged|not asked for")
    wire.relay.heal()
    qsticky.signal(signal.SIGHUP)
    qsticky.wait_in_sync(41000)


@pytest.mark.parametrize("typed", [b"r\n", b"R\n"], ids=["plain", "with client certificate"])
def test_renegotiation_gets_nowhere(
    typed: bytes, wire: Wire, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """In the place of a reply."""
    folder = place / "openssl"
    folder.mkdir()
    asks = wire.peers.enter_context(
        OpensslServer(folder, wire.leaf, "-no_tls1_3", answers=False)
    )
    wire.relay.target = asks.port
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust())
    wait_until(lambda: "GET /api" in asks.output.read_text(errors="replace"), what="the request")
    asks.type(typed)
    wait_error(qsticky, "closed|alert|TLS|timed out")
    assert "SSL_do_handshake" in asks.output.read_text(errors="replace"), "it did ask"
    wire.relay.target = wire.front.port
    qsticky.wait_in_sync(41000)


# -- stalls ----------------------------------------------------------------------


def test_a_handshake_that_stalls_at_any_step_is_given_up_in_time(
    wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    faults: dict[str, Fault] = {"a byte a second": drip(1)}
    for step, number in STEPS.items():
        faults[f"before {step}"] = stall(number)
        faults[f"within {step}"] = stall(number, 0.5)
    faults["before the reply"] = stall(REPLY)
    faults["within the reply"] = stall(REPLY, 0.5)
    endless = record(HANDSHAKE, b"\x0b\xff\xff\xff" + NOISE)
    faults["a message without end"] = before(CERTIFICATE, endless)
    faults["warnings without end"] = flood(GREETING, WARNING * 50)
    faults["hello requests without end"] = flood(GREETING, HELLO_REQUEST * 50)
    faults["empty records without end"] = flood(GREETING, record(HANDSHAKE, b"") * 50)
    relays = {what: Relay(wire.front.port, fault) for what, fault in faults.items()}
    for relay in relays.values():
        wire.peers.enter_context(relay)
    started = time.monotonic()
    made = {what: sidecar(relay, env=wire.trust()) for what, relay in relays.items()}
    for what, qsticky in made.items():
        try:
            wait_error(qsticky, "" if "without end" in what else "timed out", PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from None
    assert time.monotonic() - started < CYCLE_DEADLINE
    assert wire.server.listen_port == 6881
    for relay in relays.values():
        relay.heal()
    for qsticky in made.values():
        qsticky.wait_in_sync(41000)


@pytest.mark.parametrize("step", [*STEPS, "first reply"])
def test_a_stop_in_a_stalled_handshake_is_at_once(
    step: str, wire: Wire, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    wire.relay.fault = stall(STEPS.get(step, REPLY), 0.5)
    port_file.write(41000)
    qsticky = sidecar(wire.relay, env=wire.trust(), interval=3600)
    wait_until(
        lambda: wire.relay.links and wire.relay.links[0].stalled.is_set(), what="the stall"
    )
    qsticky.check_stops_at_once()

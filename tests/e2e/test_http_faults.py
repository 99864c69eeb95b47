"""Point 5: what an HTTP peer can do wrong. Each fault ends in its own clear error within its
deadline and is over when the fault is; what is only unusual is no fault at all."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import CYCLE_DEADLINE, MakeSidecar, Sidecar, controls
from faults import (
    chunked,
    close_after,
    close_at_once,
    continue_first,
    drip,
    edit,
    empty_204,
    endless_head,
    padded,
    raw,
    reply,
    reset_at_once,
    reset_in_body,
    short_body,
    silence,
    silence_in_body,
    tls_alert,
    until_close,
    with_headers,
    with_length,
)
from faulty_server import (
    ANY,
    BANNED,
    CONNECT,
    LOGIN,
    PREFERENCES,
    SET_PREFERENCES,
    VERSION,
    Exchange,
    Fault,
    FaultyServer,
    json_reply,
)
from harness import PortFile, free_port, wait_until, with_mounted
from listener import BlackHole

LOGIN_PAGE = b"<!DOCTYPE html><html><title>Sign in</title><form action=/login></form></html>"
HTML = {"content-type": "text/html; charset=utf-8"}

# Of an exchange, 10 s; the rest is for a busy machine. In 15 s the cycle's would come.
DEADLINE = 14.5


def break_line(wire: bytes) -> bytes:
    return wire.replace(b"\r\ncontent-type", b"\r\nthis is no header\r\ncontent-type", 1)


def fold_line(wire: bytes) -> bytes:
    return wire.replace(b"\r\ncontent-type", b"\r\nx-folded: a\r\n b\r\ncontent-type", 1)


def nul_in_head(wire: bytes) -> bytes:
    return wire.replace(b"\r\ncontent-type", b"\r\nx-nul: a\0b\r\ncontent-type", 1)


def nul_in_body(wire: bytes) -> bytes:
    return wire.replace(b'"dht":false', b'"dht":f\0lse', 1)


def control_in_body(wire: bytes) -> bytes:
    return wire.replace(b'"locale":"en"', b'"locale":"\x1b\n"', 1)


def cut_json(exchange: Exchange) -> None:
    answer = exchange.reply()
    answer.body = answer.body[:-1]
    exchange.send(answer.wire())


MIB = 1024 * 1024


def endless_body(exchange: Exchange) -> None:
    """Nothing wrong with it, but it does not end."""
    exchange.send(JSON_HEAD + b"\r\n" + b'{"banned_IPs":"')
    for _ in range(65):
        exchange.send(b"203.0.113.250\\n" * (MIB // 15 + 1))
    exchange.finish()


def endless_chunks(exchange: Exchange) -> None:
    exchange.send(CHUNKED)
    for _ in range(65):
        exchange.send(b"100000\r\n" + b" " * MIB + b"\r\n")
    exchange.finish()


def endless_html(exchange: Exchange) -> None:
    """More than one would read to see that it is a page."""
    exchange.send(b"HTTP/1.1 200 OK\r\n\r\n <html>")
    while True:
        exchange.send(b"x" * MIB)


def other_port(value: object) -> Fault:
    """Preferences in which listen_port is something else; None: not there."""

    def fault(exchange: Exchange) -> None:
        preferences = dict(exchange.server.preferences)
        del preferences["listen_port"]
        if value is not None:
            preferences["listen_port"] = value
        exchange.send(json_reply(preferences).wire())

    return fault


JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
CHUNKED = JSON_HEAD + b"transfer-encoding: chunked\r\n\r\n"
ENDLESS_TRAILERS = CHUNKED + b"2\r\n{}\r\n0\r\n" + b"x: y\r\n" * 20_000

# what, fault of every answer with the preferences, words of its error
FAULTS: list[tuple[str, Fault, str]] = [
    ("says nothing", silence(), r"timed out|within 10 s"),
    ("one byte a second", drip(1), r"timed out|within 10 s"),
    ("says nothing in mid-body", silence_in_body(), r"timed out|within 10 s"),
    ("headers without end", endless_head(), r"16 KiB"),
    ("one endless header line", raw(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20_000), r"16 KiB"),
    ("endless status line", raw(b"HTTP/1.1 200 " + b"y" * 20_000), r"16 KiB"),
    ("continues without end", raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 2000), r"16 KiB|100|interim"),
    ("closes without a word", close_at_once(), r"closed the connection"),
    ("closes in mid-head", raw(b"HTTP/1.1 200 OK\r\ncontent-"), r"closed the connection"),
    ("body shorter than promised", short_body(), r"before the end of"),
    ("reset before a word", reset_at_once(), r"reset"),
    ("reset in mid-body", reset_in_body(), r"reset"),
    (
        "302 to a login page",
        reply(302, b"", reason="Found", headers={"Location": "https://auth.example/login?rd=x"}),
        r"redirect to https://auth\.example:",
    ),
    ("HTML instead of JSON", reply(200, LOGIN_PAGE, headers=HTML), r"not qBittorrent"),
    ("JSON of another program", reply(200, b'{"status":"ok"}'), r"not qBittorrent|listen_port"),
    ("JSON that is no object", reply(200, b"[1,2]"), r"not qBittorrent|JSON|object"),
    ("JSON that is cut", cut_json, r"not qBittorrent|JSON"),
    ("no listen_port", other_port(None), r"listen_port|not qBittorrent"),
    ("listen_port as text", other_port("41000"), r"listen_port|not qBittorrent"),
    ("listen_port with a fraction", other_port(41000.5), r"listen_port|not qBittorrent"),
    ("500", reply(500, b"oops", reason="Internal Server Error"), r"500"),
    ("502 of a proxy", reply(502, LOGIN_PAGE, reason="Bad Gateway", headers=HTML), r"502"),
    ("404", reply(404, b"Not Found", reason="Not Found"), r"404"),
    ("204 for the preferences", empty_204(), r"204|empty|JSON|not qBittorrent"),
    ("over 64 MiB", with_length(str(64 * MIB + 1)), r"64 MiB"),
    ("over 64 MiB until close", endless_body, r"64 MiB"),
    ("over 64 MiB in chunks", endless_chunks, r"64 MiB"),
    ("HTML without end", endless_html, r"not qBittorrent: .*HTML"),
    ("two Content-Lengths", with_length("9", "10"), r"[Cc]ontent-[Ll]ength"),
    ("a list of Content-Lengths", with_length("9, 10"), r"[Cc]ontent-[Ll]ength"),
    ("negative Content-Length", with_length("-1"), r"[Cc]ontent-[Ll]ength"),
    ("Content-Length that is no number", with_length("12abc"), r"[Cc]ontent-[Ll]ength"),
    ("absurd Content-Length", with_length("9" * 30), r"[Cc]ontent-[Ll]ength|64 MiB"),
    ("Content-Length of 2^64 + 5", with_length(str(2**64 + 5)), r"[Cc]ontent-[Ll]ength|64 MiB"),
    ("a line that is no header", edit(break_line), r"header|malformed|HTTP"),
    ("a folded header", edit(fold_line), r"header|malformed|HTTP"),
    ("NUL in the head", edit(nul_in_head), r"header|malformed|HTTP|control"),
    ("NUL in the body", edit(nul_in_body), r"JSON|not qBittorrent"),
    ("binary noise", raw(bytes(range(256)) * 8), r"HTTP"),
    ("another protocol", raw(b"SSH-2.0-OpenSSH_9.2p1\r\n"), r"HTTP|closed the connection"),
    ("a TLS alert", tls_alert(), r"TLS|HTTPS"),
    ("status of two digits", raw(b"HTTP/1.1 20 OK\r\n\r\n"), r"HTTP|status"),
    ("status 099", raw(b"HTTP/1.1 099 OK\r\n\r\n"), r"HTTP|status|99"),
    ("HTTP/2 preface", raw(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80"), r"HTTP|closed"),
    ("chunk size that is no number", raw(CHUNKED + b"zz\r\nabc\r\n"), r"chunk"),
    ("chunk size that overflows", raw(CHUNKED + b"10000000000000005\r\nabcde\r\n"), r"chunk|64 MiB"),
    ("negative chunk size", raw(CHUNKED + b"-5\r\nabcde\r\n"), r"chunk"),
    ("chunk longer than its size", raw(CHUNKED + b"3\r\n{  }  \r\n0\r\n\r\n"), r"chunk"),
    ("chunks without end", raw(CHUNKED + b"3\r\n{  \r\n"), r"before the end of|closed"),
    ("trailers without end", raw(ENDLESS_TRAILERS), r"16 KiB|trailer"),
    ("401 for everything", reply(401, b"Unauthorized", reason="Unauthorized"), r"401|[Hh]ost"),
]


def check_fails_then_recovers(
    qsticky: Sidecar, server: FaultyServer, words: str, deadline: float
) -> None:
    """From where the file holds 42000, and that could not be set."""
    health = qsticky.wait_failed(deadline)
    assert health["state"] in ("retrying", "error")
    assert re.search(words, health["last_error"]), health["last_error"]
    assert str(server.port) in health["last_error"], "names the peer"
    assert health["forwarded_port"] == 42000
    assert health["consecutive_failures"] >= 1
    code, line = qsticky.healthcheck()
    assert code == 1 and line.startswith("unhealthy: ")
    qsticky.wait_trouble()
    assert not any("in sync: port 42000" in line for line in qsticky.log)

    server.heal()
    qsticky.wait_in_sync(42000)
    assert server.listen_port == 42000


@pytest.mark.parametrize(
    ("fault", "words"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
def test_a_fault_of_the_preferences_is_one_clear_error_and_is_recovered_from(
    fault: Fault, words: str, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    fake.fault(PREFERENCES, fault)
    port_file.write(42000)
    check_fails_then_recovers(qsticky, fake, words, DEADLINE)
    assert fake.count(LOGIN) <= 2


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (silence(), r"timed out|within 10 s"),
        (close_at_once(), r"closed the connection|reset"),  # crosses the request on its way
        (reset_at_once(), r"reset"),
        (tls_alert(), r"TLS|HTTPS"),
        (raw(b"\x15\x03\x01\x00\x02\x02\x46"), r"TLS|HTTPS"),
    ],
    ids=["says nothing", "closes", "resets", "TLS alert", "TLS 1.0 alert"],
)
def test_a_fault_of_the_connection_is_one_clear_error_and_is_recovered_from(
    fault: Fault, words: str, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    wait_until(lambda: fake.open_connections == 0, what="the cycle's connection to end")
    fake.fault(CONNECT, fault)
    port_file.write(42000)
    check_fails_then_recovers(qsticky, fake, words, DEADLINE)


LOGIN_FAULTS: list[tuple[str, Fault, str]] = [
    ("closes", close_at_once(), r"closed the connection"),
    ("resets", reset_at_once(), r"reset"),
    ("short body", short_body(), r"before the end of"),
    ("HTML", reply(200, LOGIN_PAGE, headers=HTML), r"not qBittorrent"),
    ("302", reply(302, headers={"Location": "/portal"}), "redirect to another path"),
    ("500", reply(500, b"oops", reason="Internal Server Error"), r"500"),
    ("502", reply(502, LOGIN_PAGE, reason="Bad Gateway", headers=HTML), r"502"),
    ("404", reply(404, b"", reason="Not Found"), r"404"),
]


@pytest.mark.parametrize(
    ("fault", "words"),
    [(silence(), r"timed out|within 10 s"), *(row[1:] for row in LOGIN_FAULTS)],
    ids=["says nothing", *(row[0] for row in LOGIN_FAULTS)],
)
def test_a_login_without_a_verdict_is_one_clear_error_and_is_tried_once_more(
    fault: Fault, words: str, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(42000)
    fake.fault(LOGIN, fault, times=1)
    qsticky = sidecar(fake)
    check_fails_then_recovers(qsticky, fake, words, CYCLE_DEADLINE)
    assert fake.count(LOGIN) == 2
    assert not any("rejected" in line for line in qsticky.log)


@pytest.mark.parametrize(
    ("fault", "words"), [row[1:] for row in LOGIN_FAULTS], ids=[row[0] for row in LOGIN_FAULTS]
)
def test_logins_without_a_verdict_are_not_repeated_into_a_ban(
    fault: Fault, words: str, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """qBittorrent may have counted each of them, behind a proxy that hides its answer."""
    port_file.write(41000)
    fake.fault(LOGIN, fault)
    qsticky = sidecar(fake)
    wait_until(
        lambda: (qsticky.health() or {}).get("consecutive_failures", 0) >= 5, what="five failures"
    )
    assert fake.count(LOGIN) == 2 and fake.count(PREFERENCES) >= 5
    assert re.search(words, qsticky.health()["last_error"])
    assert len(qsticky.troubles()) <= 2, "said once, and once that it waits now"
    fake.heal()
    qsticky.signal(signal.SIGHUP)
    qsticky.wait_in_sync(41000)


def test_an_accepted_login_without_a_session_is_one_clear_error_and_is_recovered_from(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.fault(LOGIN, reply(200, b"Ok."))
    port_file.write(42000)
    qsticky = sidecar(fake)
    wait_until(
        lambda: (qsticky.health() or {}).get("consecutive_failures", 0) >= 4, what="four failures"
    )
    check_fails_then_recovers(qsticky, fake, r"cookie|session", DEADLINE)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (silence(), r"timed out|within 10 s"),
        (reply(500, b"oops", reason="Internal Server Error"), r"500"),
        (reply(400, b"Bad Request", reason="Bad Request"), r"400"),
        (reply(302, headers={"Location": "https://auth.example/"}), r"redirect.*auth\.example"),
        (reset_at_once(), r"reset"),
        (close_at_once(), r"closed the connection"),
        (reply(200, LOGIN_PAGE, headers=HTML), r"still reports|not qBittorrent"),
    ],
    ids=["silence", "500", "400", "302", "reset", "close", "HTML"],
)
def test_a_fault_of_the_set_is_one_clear_error_and_is_recovered_from(
    fault: Fault, words: str, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    fake.fault(SET_PREFERENCES, fault)
    port_file.write(42000)
    check_fails_then_recovers(qsticky, fake, words, DEADLINE)


@pytest.mark.parametrize("fault", [reply(200), reply(204)], ids=["200", "204"])
def test_a_set_that_is_accepted_but_not_taken_is_not_believed(
    fault: Fault, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    fake.fault(SET_PREFERENCES, fault)
    port_file.write(42000)
    check_fails_then_recovers(qsticky, fake, r"still reports.*41000", DEADLINE)


def test_a_set_that_takes_effect_late_is_waited_for(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    fake.stale_reads = 3
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    assert not qsticky.troubles()
    assert fake.count(SET_PREFERENCES) == 2, "set once for each port, read until it shows"


def test_a_fault_of_the_version_does_not_stop_the_job(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.fault(VERSION, reply(404, b"", reason="Not Found"))
    port_file.write(41000)
    qsticky = sidecar(fake)
    health = qsticky.wait_in_sync(41000)
    assert health["qbittorrent_version"] is None


@pytest.mark.parametrize(
    "version", [b"<script>\n\x1b[31m\x00\"\\", b"v" * 10_000, "v5.2.3 ✓".encode(), b"\xff\xfe"]
)
def test_a_strange_version_spoils_neither_health_nor_log(
    version: bytes, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.fault(VERSION, reply(200, version))
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)  # and the fixture reads every log line


def test_a_server_that_answers_each_request_late_is_given_up_after_the_cycles_deadline(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """No exchange takes 10 s, and yet the cycle may not take 24."""

    def late(exchange: Exchange) -> None:
        exchange.hold(6)
        exchange.send(exchange.reply().wire())

    port_file.write(41000)
    fake.fault(ANY, late)
    started = time.monotonic()
    qsticky = sidecar(fake)
    health = qsticky.wait_failed(CYCLE_DEADLINE)
    assert time.monotonic() - started >= 10
    assert health["state"] == "retrying"
    fake.heal()
    qsticky.wait_in_sync(41000)


@pytest.mark.parametrize("binary", ["musl"], indirect=True)
def test_a_server_that_needs_longer_is_served_when_patience_has_grown(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """A minute at most; then the patience shrinks again."""

    def slow(exchange: Exchange) -> None:
        exchange.hold(11)
        exchange.send(exchange.reply().wire())

    port_file.write(41000)
    fake.preferences["listen_port"] = 41000
    fake.local_auth = False  # else it takes two answers
    fake.fault(PREFERENCES, slow)
    qsticky = sidecar(fake)
    error = qsticky.wait_failed(CYCLE_DEADLINE)["last_error"]
    assert "connected, but no reply; the next try waits 20 s" in error
    health = qsticky.wait_health(CYCLE_DEADLINE, state="in_sync", healthy=True)
    assert len(fake.seen(PREFERENCES)) == 2
    assert health["valid_seconds"] >= 4 * 20, "while it waits, it is not taken for one that hangs"

    fake.heal()
    qsticky.wait_cycles(2)
    before = len(qsticky.log)
    fake.fault(PREFERENCES, silence())
    qsticky.wait_log("connected, but no reply; the next try waits 20 s", CYCLE_DEADLINE, before)


def test_a_connect_to_a_black_hole_is_given_up(
    port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    with BlackHole() as hole:
        qsticky = sidecar(None, port=hole.port)
        health = qsticky.wait_failed(9)
        assert "timed out" in health["last_error"] or "within 3 s" in health["last_error"]
        assert str(hole.port) in health["last_error"]
        assert "next try" not in health["last_error"], "that would not help"
        qsticky.wait_trouble()


def test_six_situations_have_six_sentences(
    new_fake: Callable[..., FaultyServer], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    faults = {
        "refused": (None, None),
        "rejected": (LOGIN, reply(200, b"Fails.")),
        "banned": (LOGIN, reply(403, BANNED.encode(), reason="Forbidden")),
        "ost": (ANY, reply(401, b"Unauthorized", reason="Unauthorized")),
        "TLS": (CONNECT, tls_alert()),
        "not qBittorrent": (PREFERENCES, reply(200, LOGIN_PAGE, headers=HTML)),
    }
    sentences = set()
    for word, (name, fault) in faults.items():
        server = new_fake()
        if fault:
            server.start().fault(name, fault)
        qsticky = sidecar(server, interval=3600)
        error = qsticky.wait_failed()["last_error"]
        assert word in error or word == "TLS" and "HTTPS" in error, error
        sentences.add(error.replace(str(server.port), "PORT"))
        qsticky.stop()
    assert len(sentences) == len(faults)


# -- unusual, and yet right -----------------------------------------------------


UNUSUAL: list[tuple[str, str, Fault]] = [
    ("chunked", ANY, chunked()),
    ("chunks of one byte", ANY, chunked(size=1, extension=b"")),
    ("close-delimited", ANY, until_close()),
    ("connection: close", ANY, close_after()),
    ("100-continue first", ANY, continue_first()),
    ("several 1xx", ANY, continue_first(count=5)),
    ("204 where 200 was", SET_PREFERENCES, empty_204()),
    ("20 MiB of preferences", PREFERENCES, padded(20 * MIB)),
    ("20 MiB, port first", PREFERENCES, padded(20 * MIB, front=False)),
    ("HTTP/1.0", ANY, edit(lambda wire: wire.replace(b"HTTP/1.1", b"HTTP/1.0", 1), then="finish")),
    ("no reason phrase", ANY, edit(lambda wire: wire.replace(b" OK\r\n", b"\r\n", 1))),
    ("empty reason phrase", ANY, edit(lambda wire: wire.replace(b" OK\r\n", b" \r\n", 1))),
    ("strange reason phrase", ANY, edit(lambda wire: wire.replace(b" OK", b" \xe4h Fails.", 1))),
    ("header case", ANY, edit(lambda wire: wire.replace(b"content-length", b"CoNtEnT-LeNgTh", 1))),
    ("no blank after the colon", ANY, edit(lambda wire: wire.replace(b"length: ", b"length:", 1))),
    ("blanks before the length", ANY, edit(lambda wire: wire.replace(b"th: ", b"th: \t ", 1))),
    ("15 KiB of headers", ANY, with_headers(*(f"x-{i}: " + "y" * 1000 for i in range(14)))),
    ("a hundred headers", ANY, with_headers(*(f"x-{i}: y" for i in range(100)))),
    ("tab in a header", ANY, with_headers("x-tab: a\tb", "x-latin: \xe4\xf6\xfc", "x-empty:")),
    ("keep-alive and more", ANY, with_headers("Connection: x, keep-alive", "Keep-Alive: a=5")),
    ("17 bytes at a time", ANY, drip(0.0005, size=17)),
    ("closes unannounced", ANY, edit(lambda wire: wire, then="finish")),
]


@pytest.mark.parametrize(
    ("name", "fault"), [row[1:] for row in UNUSUAL], ids=[row[0] for row in UNUSUAL]
)
def test_an_unusual_but_right_answer_is_no_fault(
    name: str, fault: Fault, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.fault(name, fault)
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    qsticky.wait_cycles(2)
    assert fake.listen_port == 42000
    assert not qsticky.troubles()
    assert fake.count(LOGIN) == 1


def test_control_bytes_in_a_setting_are_refused_or_survived(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Raw control characters are no JSON, but qBittorrent's word for its port is plain."""
    fake.fault(PREFERENCES, edit(control_in_body))
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_cycles(3)
    health = qsticky.health()
    assert health["state"] in ("in_sync", "retrying")
    fake.heal()
    qsticky.wait_in_sync(41000)


def test_control_bytes_from_the_peer_never_reach_log_or_health(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    location = b"https://evil/\x1b[2J\x07\x7f\xff\xc2\x9b2J" + b"a" * 5000
    fake.fault(PREFERENCES, raw(b"HTTP/1.1 302 F\r\nLocation: " + location + b"\r\n\r\n"))
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_failed()
    text = qsticky.health_file.read_text()
    assert not controls(text.replace("\n", ""))
    # the fixture looks at every log line


def test_a_set_reply_never_leaks_into_the_answer_after_it(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Bytes behind a reply belong to no request: they must not pass for the next answer."""
    fake.preferences["listen_port"] = 6881

    def trailing(exchange: Exchange) -> None:
        lie = json_reply({"listen_port": 41000, "random_port": False, "upnp": False})
        exchange.send(reply_bytes(200) + lie.wire())

    fake.fault(SET_PREFERENCES, trailing)  # takes nothing, and says the next answer too
    port_file.write(41000)
    qsticky = sidecar(fake)
    health = qsticky.wait_failed(DEADLINE)
    assert health["current_port"] != 41000
    fake.heal()
    qsticky.wait_in_sync(41000)


def reply_bytes(status: int) -> bytes:
    return b"HTTP/1.1 %d OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n" % status


# -- how it speaks --------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["4.5", "5.2"])
def test_requests_are_what_every_qbittorrent_and_proxy_takes(
    dialect: str,
    new_fake: Callable[..., FaultyServer],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_fake(dialect=dialect, password="a&b=c+d%").start()
    port_file.write(41000)
    qsticky = sidecar(server)
    qsticky.wait_in_sync(41000)
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    assert {r.name for r in server.requests} == {PREFERENCES, LOGIN, VERSION, SET_PREFERENCES}
    for request in server.requests:
        assert request.header("host") == "127.0.0.1", "without the port"
        for name in ("origin", "referer", "accept-encoding", "expect", "transfer-encoding"):
            assert request.header(name) is None, name
        names = [name.lower() for name, _ in request.headers]
        assert len(names) == len(set(names)), "no header twice"
        assert request.head.startswith(f"{request.method} {request.target} HTTP/1.1\r\n".encode())
        assert request.segments == 1, f"{request.name}: head and body in one write"
        if request.method == "POST":
            assert request.header("content-type") == "application/x-www-form-urlencoded"
            assert request.header("content-length") == str(len(request.body))
        else:
            assert not request.body and request.header("content-length") is None
    (login,) = server.seen(LOGIN)
    assert login.method == "POST"
    assert login.body == b"username=admin&password=a%26b%3Dc%2Bd%25"


def test_a_cycle_is_one_connection_that_qsticky_ends(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600)
    qsticky.wait_in_sync(41000)
    wait_until(lambda: fake.open_connections == 0, what="the connection to end")
    before = len(fake.connections)
    for number, port in enumerate(range(42000, 42005), start=1):
        port_file.write(port)
        qsticky.wait_in_sync(port)
        wait_until(lambda: fake.open_connections == 0, what="the connection to end")
        assert len(fake.connections) == before + number


@pytest.mark.parametrize("idle_close", [0.2, 0.9])
def test_a_server_that_closes_idle_connections_is_not_a_fault(
    idle_close: float,
    new_fake: Callable[..., FaultyServer],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    server = new_fake(idle_close=idle_close).start()
    port_file.write(41000)
    qsticky = sidecar(server)
    qsticky.wait_in_sync(41000)
    qsticky.wait_log("in sync: port 41000")
    before = [line for line in qsticky.log if " DEBUG " not in line]
    checks = server.count(PREFERENCES)
    wait_until(lambda: server.count(PREFERENCES) >= checks + 6, what="six more checks")
    assert [line for line in qsticky.log if " DEBUG " not in line] == before
    qsticky.wait_in_sync(41000)


def test_a_keep_alive_connection_that_ends_between_two_requests_is_replaced_silently(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Promised keep-alive, closed all the same: within the cycle, before the next answer began."""
    port_file.write(41000)
    qsticky = sidecar(fake, interval=3600)
    qsticky.wait_in_sync(41000)
    fake.fault(PREFERENCES, edit(lambda wire: wire, then="finish"), times=1)
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    assert not qsticky.troubles()


@pytest.mark.parametrize(
    ("host", "name", "expected"),
    [
        ("127.0.0.1", "localhost", "localhost"),
        ("::1", "::1", "[::1]"),
        ("::1", "[::1]", "[::1]"),
        ("127.0.0.1", "LOCALHOST", "LOCALHOST"),
    ],
)
def test_a_host_may_be_a_name_or_an_address_of_either_family(
    host: str,
    name: str,
    expected: str,
    new_fake: Callable[..., FaultyServer],
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    if ":" in host and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    server = new_fake(host=host).start()
    port_file.write(41000)
    qsticky = sidecar(server, env={"QSTICKY_QBITTORRENT_HOST": name})
    qsticky.wait_in_sync(41000)
    assert server.requests[0].header("host") == expected
    assert not qsticky.troubles()


def test_every_address_of_a_name_is_tried(
    root: None,
    new_fake: Callable[..., FaultyServer],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """The first two refuse, the third is qBittorrent's."""
    server = new_fake(host="127.0.0.1").start()
    hosts = place / "hosts"
    hosts.write_text("::1 box\n127.0.0.9 box\n127.0.0.1 box\n")
    port_file.write(41000)
    qsticky = sidecar(
        server,
        env={"QSTICKY_QBITTORRENT_HOST": "box"},
        wrapper=with_mounted(hosts, "/etc/hosts"),
    )
    qsticky.wait_in_sync(41000)
    assert not qsticky.troubles()

    hosts.write_text("127.0.0.9 box\n")  # looked up afresh for each connection
    health = qsticky.wait_health(healthy=False)
    assert "refused" in health["last_error"]
    hosts.write_text("127.0.0.1 box\n")
    qsticky.wait_in_sync(41000)


def test_a_name_may_have_more_addresses_than_are_tried(
    root: None,
    new_fake: Callable[..., FaultyServer],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """musl takes 48 of them, and the answer has to fit into memory each time."""
    server = new_fake(host="127.0.0.1").start()
    hosts = place / "hosts"
    addresses = [f"127.0.0.{number}" for number in range(2, 62)]
    addresses.insert(9, "127.0.0.1")
    hosts.write_text("".join(f"{address} {'b' * 60}.box\n" for address in addresses))
    qsticky = sidecar(
        server,
        interval=1,
        env={"QSTICKY_QBITTORRENT_HOST": f"{'b' * 60}.box"},
        wrapper=with_mounted(hosts, "/etc/hosts"),
    )
    for port in (41000, 42000, 43000):
        port_file.write(port)
        qsticky.wait_in_sync(port)
    assert not qsticky.troubles()


def test_a_name_that_does_not_exist_is_one_clear_error(
    port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(None, port=free_port(), env={"QSTICKY_QBITTORRENT_HOST": "no-such.invalid"})
    health = qsticky.wait_failed()
    assert "no-such.invalid" in health["last_error"]
    assert health["state"] == "retrying"

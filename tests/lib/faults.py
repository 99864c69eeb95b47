"""What a FaultyServer may be told to do in place of an answer, and answers that are only unusual."""

from __future__ import annotations

import json
from collections.abc import Callable

from faulty_server import Exchange, Fault, Reply, json_reply

# -- faults: the connection ---------------------------------------------------


def close_at_once() -> Fault:
    return lambda exchange: exchange.finish()


def reset_at_once() -> Fault:
    return lambda exchange: exchange.reset()


def silence() -> Fault:
    """Says nothing until the peer has had enough."""

    def fault(exchange: Exchange) -> None:
        exchange.hold()
        exchange.finish()

    return fault


def tls_alert() -> Fault:
    """What a TLS server says to a plain HTTP request."""

    def fault(exchange: Exchange) -> None:
        exchange.swallow()
        exchange.send(bytes([21, 3, 3, 0, 2, 2, 10]))  # fatal: unexpected_message, RFC 5246
        exchange.finish()

    return fault


# -- faults: the answer -------------------------------------------------------


def raw(data: bytes, *, then: str = "finish") -> Fault:
    """These bytes; then "finish", "reset" or "stay"."""

    def fault(exchange: Exchange) -> None:
        exchange.send(data)
        if then != "stay":
            getattr(exchange, then)()

    return fault


def reply(
    status: int, body: bytes = b"", *, reason: str = "", headers: dict | None = None
) -> Fault:
    answer = Reply(status, body, list((headers or {}).items()), reason)
    return raw(answer.wire(), then="stay")


def edit(change: Callable[[bytes], bytes], *, then: str = "stay") -> Fault:
    """What qBittorrent would have sent, with the bytes changed."""

    def fault(exchange: Exchange) -> None:
        exchange.send(change(exchange.reply().wire()))
        if then != "stay":
            getattr(exchange, then)()

    return fault


def with_headers(*lines: str) -> Fault:
    """The right answer, with these header lines put in front of its own."""

    def change(wire: bytes) -> bytes:
        status, rest = wire.split(b"\r\n", 1)
        return b"\r\n".join([status, *(line.encode("latin-1") for line in lines), rest])

    return edit(change)


def with_length(*values: str) -> Fault:
    """The right answer, under another Content-Length, or several."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.reply()
        answer.headers += [("content-length", value) for value in values]
        exchange.send(answer.head(length=False) + answer.body)
        exchange.hold()
        exchange.finish()

    return fault


def drip(pause: float, *, size: int = 1) -> Fault:
    """The right answer, in pieces of `size` bytes."""

    def fault(exchange: Exchange) -> None:
        exchange.send_slowly(exchange.reply().wire(), pause, size)

    return fault


def endless_head() -> Fault:
    """Headers without an end."""

    def fault(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n")
        while not exchange.server.lifted():
            exchange.send(b"x-filler: " + b"f" * 1000 + b"\r\n")
            exchange.hold(0.01)
        exchange.finish()

    return fault


def short_body() -> Fault:
    """Ends in the middle of the body that was promised."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.reply()
        exchange.send(answer.head() + answer.body[: len(answer.body) // 2])
        exchange.finish()

    return fault


def reset_in_body() -> Fault:
    def fault(exchange: Exchange) -> None:
        answer = exchange.reply()
        exchange.send(answer.head() + answer.body[: len(answer.body) // 2])
        exchange.hold(0.2)  # a reset drops what the peer has not read yet
        exchange.reset()

    return fault


def silence_in_body() -> Fault:
    def fault(exchange: Exchange) -> None:
        answer = exchange.reply()
        exchange.send(answer.head() + answer.body[: len(answer.body) // 2])
        exchange.hold()
        exchange.finish()

    return fault


def chunked(*, size: int = 1000, extension: bytes = b';name=value;quoted="a;b"') -> Fault:
    """The right answer in chunks, with extensions and trailers, in ragged writes."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.reply()
        answer.headers.append(("Transfer-Encoding", "chunked"))
        wire = answer.head(length=False)
        for start in range(0, len(answer.body), size):
            piece = answer.body[start : start + size]
            wire += b"%X%s\r\n%s\r\n" % (len(piece), extension, piece)
        wire += b"000;last\r\nx-trailer: one\r\nContent-Length: 3\r\n\r\n"
        for start in range(0, len(wire), 777):
            exchange.send(wire[start : start + 777])

    return fault


def until_close() -> Fault:
    """The right answer without any length: it ends where the connection does."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.reply()
        answer.headers = [pair for pair in answer.headers if pair[0] != "connection"]
        exchange.send(answer.head(length=False) + answer.body)
        exchange.finish()

    return fault


def close_after() -> Fault:
    """The right answer as some proxies give it: `Connection: close`, then the close."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.reply()
        answer.headers = [pair for pair in answer.headers if pair[0] != "connection"]
        answer.headers.append(("Connection", "close"))
        exchange.send(answer.wire())
        exchange.finish()

    return fault


def continue_first(*, count: int = 1) -> Fault:
    return edit(lambda wire: b"HTTP/1.1 100 Continue\r\nx-note: yes\r\n\r\n" * count + wire)


def empty_204() -> Fault:
    """204 where qBittorrent said 200, with the content-length that 5.2 sends all the same."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.reply()
        answer.status, answer.body, answer.reason = 204, b"", ""
        exchange.send(answer.wire())

    return fault


def padded(size: int, *, front: bool = True) -> Fault:
    """Right preferences, but `size` bytes of them."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.reply()
        if answer.status != 200:
            exchange.send(answer.wire())
            return
        preferences = json.loads(answer.body)
        key = "banned_IPs" if front else "zz_excluded_file_names"
        preferences[key] = ""
        missing = size - len(json_reply(preferences).body)
        # an escape a line, as the real list of addresses has
        preferences[key] = "203.0.113.250\n" * (missing // 15)
        wire = json_reply(preferences).wire()
        exchange.send(wire)

    return fault

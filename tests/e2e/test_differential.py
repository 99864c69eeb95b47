"""Our parsers and writers beside Python's, over many random cases and the fuzz targets' seeds.

tests/e2e/verdicts.c says what ours make of each. Where they are to differ from Python's, the difference
has a name here, and is held in both directions: where it applies they differ, elsewhere they agree.
"""

from __future__ import annotations

import http.client
import io
import itertools
import json
import os
import random
import re
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from certificates import Certificate, Pki, bundle, openssl
from conftest import controls, missing
from harness import ROOT

VERDICTS = ROOT / "build" / "tests" / "verdicts"
SEEDS = ROOT / "tests" / "fuzz" / "corpus"

HEAD_MAX = 16 * 1024
BODY_MAX = 1024 * 1024


@pytest.fixture
def seed() -> Iterator[int]:
    """Another one each time; pytest shows it where a test fails, QSTICKY_SEED gives it again."""
    value = int(os.environ.get("QSTICKY_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {value}")
    yield value


def seeds(target: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((SEEDS / target).iterdir())]


def ours(what: str, cases: list[bytes], *args: str, stderr: Any = None) -> list[str]:
    """Our verdict on each case."""
    if not VERDICTS.exists():
        missing("build/tests/verdicts is not built")
    given = b"".join(struct.pack("=I", len(case)) + case for case in cases)
    done = subprocess.run(
        [VERDICTS, what, *args],
        input=given,
        stdout=subprocess.PIPE,
        stderr=stderr,
        timeout=60,
        check=True,
    )
    verdicts = done.stdout.decode().split("\n")[:-1]
    assert len(verdicts) == len(cases)
    return verdicts


def some_bytes(rng: random.Random, most: int = 12) -> bytes:
    return rng.randbytes(rng.randrange(most))


def mutated(rng: random.Random, case: bytes) -> bytes:
    """With a few bytes changed, lost or more, or cut."""
    result = bytearray(case)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        at = rng.randrange(len(result) + 1)
        result[at : at + rng.randrange(3)] = rng.choice(
            (b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b":", b"0", b"1", rng.randbytes(1))
        )
    if rng.random() < 0.05:
        del result[rng.randrange(len(result) + 1) :]
    return bytes(result)


# -- the port file --------------------------------------------------------------

# Spec 5, in a line: each line is a number from 1 to 65535 or nothing, among blanks.
NUMBER = rb"0*(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
PORT_FILE = re.compile(rb"(?:[ \t\r]*(?:%b)?[ \t\r]*(?:\n|\Z))*\Z" % NUMBER)


def port_files(rng: random.Random) -> Iterator[bytes]:
    yield from seeds("fuzz_port_file")
    yield from (b"", b"1" * 256, b"0" * 255 + b"1", b"0" * 256 + b"1", b"1\n" * 128, b"1\n" * 129)
    yield from (b"%d\n" % port for port in (0, 1, 9999, 59999, 65529, 65535, 65536, 99999, 1 << 32))
    for _ in range(20000):
        lines = [
            rng.choice((b"", b" ", b"\t"))
            + rng.choice((b"", b"%d" % rng.randrange(70000), b"%d" % rng.randrange(65000, 66000)))
            + rng.choice((b"", b"", b"\r", b" \t", b"x"))
            for _ in range(rng.choice((1, 1, 2, 3, 30)))
        ]
        yield mutated(rng, b"\n".join(lines) + rng.choice((b"", b"\n")))


def test_port_files_are_read_as_their_regular_expression_says(seed: int) -> None:
    cases = list(port_files(random.Random(seed)))
    accepted = 0
    for case, verdict in zip(cases, ours("port_file", cases), strict=True):
        wanted = "no"
        if len(case) <= 256 and PORT_FILE.match(case):
            wanted = " ".join(["yes", *(str(int(number)) for number in re.findall(rb"\d+", case))])
            accepted += 1
        assert verdict == wanted, case
    assert len(cases) / 10 < accepted < len(cases)


# -- HTTP -----------------------------------------------------------------------


class Wire:
    """A socket from which http.client reads a reply."""

    def __init__(self, reply: bytes) -> None:
        self.file = io.BytesIO(reply)

    def makefile(self, mode: str) -> io.BytesIO:
        return self.file


def theirs(reply: bytes) -> tuple[int, bytes, list[bytes]] | None:
    """What http.client makes of it: status, body, cookies; None where it refuses it."""
    response = http.client.HTTPResponse(Wire(reply), method="GET")  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, ValueError):
        return None
    cookies = response.headers.get_all("Set-Cookie") or []
    return response.status, body, [cookie.strip(" \t").encode("latin-1") for cookie in cookies]


TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
TEXT = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
STATUS_LINE = re.compile(rb"HTTP/1\.\d ([1-5]\d\d)(?: %b)?" % TEXT)
HEADER = re.compile(rb"(%b):(%b)" % (TOKEN, TEXT))
CHUNK = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;%b)?" % TEXT)


def values(head: bytes, name: bytes) -> list[bytes]:
    found = [HEADER.fullmatch(line) for line in head.split(b"\r\n")[1:]]
    return [one[2].strip(b" \t") for one in found if one and one[1].lower() == name]


def stricter(reply: bytes) -> str | None:
    """Why ours refuses a reply although http.client may take it: the first reason that there is."""
    room, status, head = HEAD_MAX, 100, b""
    while status < 200:
        head, end, reply = reply.partition(b"\r\n\r\n")
        if not end:
            return "a head that is not ended by two CRLF"
        room -= len(head) + 4
        if room < 0:
            return "heads of over 16 KiB"
        first, *lines = head.split(b"\r\n")
        match = STATUS_LINE.fullmatch(first)
        if not match:
            return "a status line of another form, or with a status over 599"
        status = int(match[1])
        if any(line[:1] in (b" ", b"\t") for line in lines):
            return "a folded header"
        if not all(HEADER.fullmatch(line) for line in lines):
            return "a line that is no header, or has control bytes"
        if status == 101:
            return "a switch of protocols"
    if status in (204, 304):
        return None
    lengths, codings = values(head, b"content-length"), values(head, b"transfer-encoding")
    if lengths and not re.fullmatch(rb"[0-9]+", lengths[0]):
        return "a length that is not plain digits"
    if len(lengths) > 1:
        return "two lengths"
    if lengths and int(lengths[0]) > BODY_MAX:
        return "a body of over 1 MiB"
    if codings and lengths:
        return "a length beside a coding"
    if codings and [coding.lower() for coding in codings] != [b"chunked"]:
        return "a coding other than chunked, or several"
    if codings:
        return stricter_chunks(reply, room)
    return "a body of over 1 MiB" if not lengths and len(reply) > BODY_MAX else None


def stricter_chunks(rest: bytes, room: int) -> str | None:
    size, total = 1, 0
    while size:
        line, end, rest = rest.partition(b"\r\n")
        match = CHUNK.fullmatch(line)
        if len(line) + 2 > HEAD_MAX:
            return "an extension of over 16 KiB"
        if not end or not match:
            return "a chunk's size of another form, or not ended by CRLF"
        size = int(match[1], 16)
        total += size
        if total > BODY_MAX:
            return "a body of over 1 MiB"
        if size and rest[size : size + 2] != b"\r\n":
            return "a chunk that is not ended by CRLF"
        if size:
            rest = rest[size + 2 :]
    while True:
        line, end, rest = rest.partition(b"\r\n")
        room -= len(line) + 2
        if room < 0:
            return "trailers of over 16 KiB"
        if not end:
            return "trailers that are cut"
        if not re.fullmatch(TEXT, line):
            return "trailers with control bytes"
        if not line:
            return None


def laxer(reply: bytes) -> str | None:
    """Why http.client refuses, or reads another way, what ours takes."""
    for _ in range(reply.count(b"HTTP/")):
        head, _, rest = reply.partition(b"\r\n\r\n")
        status = int(head[9:12])
        if head.count(b"\r\n") >= 100:
            return "100 headers or more"
        if 100 < status < 200:
            return "an interim status other than 100 is skipped"
        if status in (204, 304) and values(head, b"transfer-encoding"):
            return "a status without a body has none, also where a coding is named"
        if re.search(rb"\r\ntransfer-encoding:[^\r]*[ \t](\r|$)", head, re.IGNORECASE):
            return "blanks behind a value do not belong to it"
        if status != 100:
            return None
        reply = rest
    return None


def http_replies(rng: random.Random) -> Iterator[bytes]:
    for target in ("fuzz_http", "fuzz_gluetun"):
        for case in seeds(target):
            skip = 1 + case[0] % 8 if case and target == "fuzz_http" else 1
            yield case[skip:].partition(b"\x1e")[0]
    yield from http_limits()
    for _ in range(12000):
        yield mutated(rng, http_reply(rng))


def http_limits() -> Iterator[bytes]:
    """Just within the limits and just over them, and what has each difference that is named."""
    for more in (-1, 0, 1):
        head = b"HTTP/1.1 200 OK\r\nA: "
        yield head + b"a" * (HEAD_MAX - len(head) - 4 + more) + b"\r\n\r\n"
        size = BODY_MAX + more
        body = b"b" * size
        yield b"HTTP/1.1 200 OK\r\n\r\n" + body
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        yield chunked + b"8\r\n01234567\r\n%x\r\n" % (size - 8) + body[8:] + b"\r\n0\r\n\r\n"
        extension = b"x" * (HEAD_MAX - 4 + more)
        yield chunked + b"1;" + extension + b"\r\na\r\n0\r\n\r\n"
        trailer = b"T: " + b"t" * (HEAD_MAX - len(chunked) - 7 + more)
        yield chunked + b"0\r\n" + trailer + b"\r\n\r\n"
        yield b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * (100 + more) + b"\r\n"
    # What the rest may not bring.
    yield chunked + b"0\r\nT: cut"
    yield chunked + b"0\r\nT: \x01\r\n\r\n"
    yield chunked.replace(b"chunked", b"chunked ") + b"0\r\n\r\n"
    yield chunked.replace(b"200", b"204") + b"0\r\n\r\n"
    yield b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"


def http_reply(rng: random.Random) -> bytes:
    body = some_bytes(rng, 40)
    status = rng.choice((200, 200, 200, 204, 304, 401, 403, 404, 500, rng.randrange(90, 620)))
    interim = rng.choice((b"",) * 12 + (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 E\r\n\r\n"))
    first = b"HTTP/1.%d %d" % (rng.choice((0, 1, 1, 1, 2)), status)
    first += rng.choice((b"", b" ", b" OK", b" \xe4", b"  Two", b"\tTab"))
    headers = [
        rng.choice(
            (
                b"Set-Cookie: SID=%d; path=/" % rng.randrange(100),
                b"set-cookie:QBT_SID_8080=a==;\tHttpOnly \t",
                b"Connection: close",
                b"Connection: keep-alive",
                b"X-\xe9: 1",
                b"X: \xe9\x85",
                b"Folded: a\r\n b",
                b"Content-Type: text/plain; charset=UTF-8",
                b"Location: http://nas/?a=b#c",
                b"",
            )
        )
        for _ in range(rng.choice((0, 1, 2, 4)))
    ]
    framing = rng.choice(("length", "length", "chunked", "chunked", "none", "odd"))
    if framing == "length":
        length = rng.choice((len(body),) * 6 + (len(body) + 1, max(len(body) - 1, 0)))
        headers.append(b"Content-Length: %d" % length)
    if framing == "odd":
        headers.append(
            rng.choice(
                (
                    b"Content-Length: +%d" % len(body),
                    b"Content-Length: -1",
                    b"Content-Length: 1_0",
                    b"Content-Length: ",
                    b"Content-Length: 1\r\nContent-Length: 1",
                    b"Content-Length: 1\r\nTransfer-Encoding: chunked",
                    b"Transfer-Encoding: gzip, chunked",
                    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                    b"Content-Length : 1",
                )
            )
        )
    if framing == "chunked":
        headers.append(rng.choice((b"Transfer-Encoding: chunked", b"transfer-encoding:CHUNKED ")))
        body = chunks(rng, body)
    rng.shuffle(headers)
    return interim + b"\r\n".join([first, *headers]) + b"\r\n\r\n" + body


def chunks(rng: random.Random, body: bytes) -> bytes:
    result = b""
    while body:
        size = rng.randrange(1, len(body) + 1)
        form = rng.choice((b"%x",) * 6 + (b"%X", b"00%x", b"0x%x", b"+%x", b" %x", b"%x ", b"%x;a=b"))
        result += form % size + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    return result + b"0\r\n" + rng.choice((b"", b"", b"T: x\r\n")) + b"\r\n"


def test_http_is_read_as_http_client_does_or_refused_for_a_reason(seed: int) -> None:
    cases = list(http_replies(random.Random(seed)))
    reasons: set[str] = set()
    agreed = 0
    for case, verdict in zip(cases, ours("http", cases), strict=True):
        reason, wanted = stricter(case), theirs(case)
        taken = not verdict.startswith("no ")
        if reason:
            reasons.add(reason)
            assert not taken, (reason, case[:400])
            continue
        other = laxer(case)
        if other:
            reasons.add(other)
            # Or it is cut further on.
            assert taken or verdict.startswith("no the server closed"), (other, verdict, case[:400])
            continue
        assert taken == (wanted is not None), (verdict, wanted, case[:400])
        if wanted is None:
            continue
        status, body, *cookies = verdict.split(" ")
        decoded = [b"" if one == "-" else bytes.fromhex(one) for one in (body, *cookies)]
        assert (int(status), decoded[0], decoded[1:]) == wanted, case[:400]
        agreed += 1
    assert agreed > len(cases) / 10
    # Each difference was there.
    named = set(re.findall(r'return\s+"([^"]+)"', Path(__file__).read_text()))
    assert reasons == named, named ^ reasons


# -- JSON that is read ----------------------------------------------------------

WANTED = {"a", "b", "listen_port"}


def some_json(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(8 if depth < 4 else 6)
    if kind == 6:
        return [some_json(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 7:
        keys = ("a", "b", "c", "listen_port", "", "aa", "A key", "banned_IPs")
        return {key: some_json(rng, depth + 1) for key in rng.sample(keys, rng.randrange(5))}
    text = rng.choice(("", "x", "plain, and longer than a word", 'a"\\\n\x01€😀', "{[,:]}"))
    number = rng.choice((0, -1, 41000, 1 << 70, 0.5, -1e-9, 1e300))
    return (None, True, False, number, number, text)[kind]


def documents(rng: random.Random) -> Iterator[bytes]:
    for target, skip in (("fuzz_json", 0), ("fuzz_json_filter", 1), ("fuzz_health", 0)):
        yield from (case[skip:] for case in seeds(target))
    for depth in (63, 64, 65):
        yield b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
    for _ in range(20000):
        whole = {key: some_json(rng) for key in rng.sample(("a", "b", "c", "listen_port"), 3)}
        text = json.dumps(
            whole,
            ensure_ascii=rng.random() < 0.5,
            separators=rng.choice(((",", ":"), (" ,\n", "\t: "))),
        ).encode()
        if rng.random() < 0.2:  # the same once more, of which the first counts
            text = text[:-1] + b"," + json.dumps({"a": 7, "b": [8]}).encode()[1:]
        yield mutated(rng, text)


def as_python(case: bytes) -> Any:
    """The wanted members, the first of each key; None where it is refused. Not UTF-8: any byte will do."""

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        inner = max((deep(value) for _, value in members), default=0)
        return dict(reversed(members)) | {" levels": 1 + inner}

    def deep(value: Any) -> int:
        if isinstance(value, dict):
            return value[" levels"]
        return 1 + max(map(deep, value), default=0) if isinstance(value, list) else 0

    def refused(constant: str) -> None:
        raise ValueError(constant)

    try:
        whole = json.loads(case.decode("latin-1"), object_pairs_hook=pairs, parse_constant=refused)
    except (ValueError, RecursionError):
        return None
    if not isinstance(whole, dict) or deep(whole) > 64:
        return None
    return {key: value for key, value in whole.items() if key in WANTED}


def test_json_is_read_as_python_does_to_the_letter(seed: int) -> None:
    cases = list(documents(random.Random(seed)))
    accepted = 0
    for case, verdict in zip(cases, ours("json", cases), strict=True):
        wanted = as_python(case)
        assert (verdict != "no") == (wanted is not None), case
        if wanted is None:
            continue
        accepted += 1
        # A key that is written with escapes is another one here; and what is long is left out.
        kept = as_python(bytes.fromhex(verdict))
        assert kept is not None and kept.keys() <= wanted.keys(), case
        assert len(case) > 128 or b"\\" in case or kept.keys() == wanted.keys(), case
        assert b"\\u00" in case or all(kept[key] == wanted[key] for key in kept), case
    assert len(cases) / 10 < accepted < len(cases)


# -- certificates ---------------------------------------------------------------

HOST = "x.nas.example"

# Where ours refuses what openssl accepts, it says one of these.
REFUSED_HERE = (
    "which TLS with ECDHE needs",
    "too many issuers",
    "is for another name than",  # a common name beside a subjectAltName of another kind
)
# Or the server's own certificate has one of these, as openssl shows it; ours says the words behind it.
REFUSED_KINDS = {
    "brainpool": "not supported",
    "Name Constraints": "(2.5.29.30)",
    "User Notice": "(2.5.29.32)",
}
# Or each way that openssl finds leads over a CA of such a kind. Then ours need not say so: first comes that
# a CA of the file has the right name and did not sign, if there is one (src/tls/path.c).


def random_certificates(rng: random.Random, pki: Pki) -> list[Certificate]:
    """CAs and servers' certificates, right ones and wrong ones, that issue each other."""
    subjects = ("/CN=one", "/CN=ONE", "/O=two/CN=x y", "/O=two/CN=X  Y ", "/CN=three", "/CN=four")
    extensions = (
        *[[]] * 30,
        ["extendedKeyUsage=serverAuth"],
        ["extendedKeyUsage=critical,serverAuth"],
        ["extendedKeyUsage=clientAuth"],
        ["extendedKeyUsage=critical,clientAuth,serverAuth"],
        ["basicConstraints=critical,CA:TRUE,pathlen:0"],
        ["basicConstraints=CA:TRUE,pathlen:1"],
        ["basicConstraints=critical,CA:FALSE"],
        ["keyUsage=critical,digitalSignature,keyCertSign"],
        ["keyUsage=keyCertSign"],
        ["keyUsage=nonRepudiation"],
        ["nameConstraints=permitted;DNS:nas.example"],
        ["nameConstraints=critical,excluded;DNS:nas.example"],
        ["certificatePolicies=critical,1.2.3"],
        ["certificatePolicies=critical,@p\n[p]\npolicyIdentifier=1.2.3\nuserNotice.1=@n\n[n]\n"
         "explicitText=x"],
        ["1.2.3.4=critical,DER:0500"],
        ["1.2.3.4=DER:0500"],
        ["authorityInfoAccess=critical,caIssuers;URI:http://x/"],
        ["crlDistributionPoints=critical,URI:http://x/"],
    )
    made: list[Certificate] = []
    for number in range(60):
        cas = [one for one in made if one.is_ca]
        ca = number < 8 or rng.random() < 0.5
        lent = rng.choice(cas) if cas and ca and rng.random() < 0.3 else None
        one = pki.make(
            *rng.choice((*[["DNS:*.nas.example"], [f"DNS:{HOST}"]] * 4, ["DNS:other"], ["IP:192.0.2.1"])),
            kind=rng.choice(("P-256",) * 8 + ("P-384", "P-521", "RSA 1024", "brainpool")),
            subject=rng.choice(subjects),
            issuer=rng.choice(cas) if cas and rng.random() < 0.8 else None,
            ca=ca,
            start=rng.choice((-7200,) * 19 + (3600,)),
            end=rng.choice((7200,) * 19 + (-3600,)),
            extensions=rng.choice(extensions),
            key_of=lent,
            strings=rng.choice(("utf8only", "default")),
        )
        made.append(one)
    return made


def refused_kinds(one: Certificate) -> list[str]:
    """What ours says of each thing for which it refuses this certificate."""
    text = openssl("x509", "-in", one.path, "-noout", "-text").decode()
    return [words for kind, words in REFUSED_KINDS.items() if kind in text]


def openssl_accepts(
    folder: Path, sent: Sequence[Certificate], file: Sequence[Certificate], *options: str
) -> bool:
    others = ["-untrusted", bundle(folder / "sent.pem", *sent[1:])] if len(sent) > 1 else []
    done = subprocess.run(
        [
            *("openssl", "verify", "-no-CApath", "-no-CAstore", "-CAfile"),
            bundle(folder / "theirs.pem", *file),
            *("-purpose", "sslserver", "-partial_chain", "-auth_level", "2"),
            *("-verify_hostname", HOST, *options, *others, sent[0].path),
        ],
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def some_way_is_accepted(
    folder: Path, sent: Sequence[Certificate], file: Sequence[Certificate]
) -> bool:
    """Whether openssl accepts when it is shown one way only: it does not try all that there are."""
    for count in range(len(sent)):
        for chosen in itertools.permutations(sent[1:], count):
            for ca in file:
                if openssl_accepts(folder, (sent[0], *chosen), [ca]):
                    return True
    return False


def name_and_key(one: Certificate) -> bytes:
    """Names that RFC 5280 takes for the same give the same."""
    return openssl("x509", "-in", one.path, "-noout", "-subject_hash", "-pubkey")


def a_twin_has_issued_it(
    folder: Path, sent: Sequence[Certificate], file: Sequence[Certificate]
) -> bool:
    """From a certificate that is self-signed openssl looks no further. But a CA with its name and its key
    has issued it as well; whether that CA may, shows by another certificate that it issues."""
    one, *others = sent
    if not openssl_accepts(folder, [one], [one], "-check_ss_sig"):
        return False
    twins = [ca for ca in (*others, *file) if ca != one and name_and_key(ca) == name_and_key(one)]
    return any(
        some_way_is_accepted(folder, [twin.issue(f"DNS:{HOST}"), *others], file) for twin in twins
    )


def test_certificates_are_judged_as_openssl_does_or_refused_for_a_reason(
    seed: int, pki: Pki, tmp_path: Path
) -> None:
    """Above all: nothing is accepted that openssl refuses."""
    rng = random.Random(seed)
    made = random_certificates(rng, pki)
    known = {one.path: one for one in made}
    root = pki.root(subject="/CN=one")
    middle = root.issue(ca=True, subject="/CN=two")
    right = middle.issue(f"DNS:{HOST}", subject="/CN=three")
    kinds = {one: refused_kinds(one) for one in (*made, root, middle, right)}
    cases: list[tuple[list[Certificate], list[Certificate]]] = []
    for number in range(400):
        first = rng.choice(made)
        above = [known[one.path] for one in first.issuers]
        sent = [one for one in above if rng.random() < 0.8] + rng.sample(made, rng.randrange(3))
        rng.shuffle(sent)
        file = [one for one in above if rng.random() < 0.5] + rng.sample(made, rng.randrange(1, 3))
        rng.shuffle(file)
        if number % 10 == 0:  # one that is right, among others of these names
            first, sent, file = right, [middle, *sent[:2]], [root, *file[:2]]
            rng.shuffle(sent)
            rng.shuffle(file)
        cases.append(([first, *sent][:5], file[:4]))
        bundle(tmp_path / f"{number}.pem", *file[:4])
    given = [
        b"%d.pem\0%s\0" % (number, HOST.encode())
        + b"".join(struct.pack("=I", len(one.der)) + one.der for one in sent)
        for number, (sent, _) in enumerate(cases)
    ]
    for (sent, file), verdict in zip(cases, ours("certificates", given, str(tmp_path)), strict=True):
        shown = (verdict, [str(one.path) for one in sent], [str(one.path) for one in file])
        theirs = openssl_accepts(tmp_path, sent, file)
        assert verdict == "yes" or sent[0] is not right, shown
        if verdict == "yes":
            assert (
                theirs
                or some_way_is_accepted(tmp_path, sent, file)
                or a_twin_has_issued_it(tmp_path, sent, file)
            ), shown
        elif theirs and not any(words in verdict for words in (*REFUSED_HERE, *kinds[sent[0]])):
            others, cas = ([one for one in some if not kinds[one]] for some in (sent[1:], file))
            assert not openssl_accepts(tmp_path, (sent[0], *others), cas), shown


def test_a_certificate_with_a_wrong_byte_is_not_accepted(
    seed: int, pki: Pki, tmp_path: Path
) -> None:
    """Neither the server's nor its issuer's, wherever the byte is."""
    rng = random.Random(seed)
    root = pki.root()
    middle = root.issue(ca=True, subject="/CN=middle")
    first = middle.issue(f"DNS:{HOST}")
    bundle(tmp_path / "ca.pem", root)
    head = b"ca.pem\0%s\0" % HOST.encode()
    cases = []
    for number in range(1500):
        chain = [bytearray(first.der), bytearray(middle.der)]
        if number:
            one = chain[number % 2]
            one[rng.randrange(len(one))] ^= 1 << rng.randrange(8)
        cases.append(head + b"".join(struct.pack("=I", len(one)) + one for one in chain))
    right, *wrong = ours("certificates", cases, str(tmp_path))
    assert right == "yes"
    for case, verdict in zip(cases[1:], wrong, strict=True):
        assert verdict.startswith("no "), case.hex()


# -- what is written as JSON ----------------------------------------------------


def strict_json(text: bytes) -> Any:
    """RFC 8259, and more: UTF-8, no control character anywhere, no key twice, no NaN."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), "a key twice"
        return dict(pairs)

    def refused(constant: str) -> None:
        raise AssertionError(constant)

    decoded = text.decode("utf-8")
    assert not controls(decoded), "a control character, not escaped"
    return json.loads(decoded, object_pairs_hook=unique, parse_constant=refused)


def cleaned(given: bytes) -> str:
    """What is left of bytes: U+FFFD for each that is no UTF-8, or part of a C1 control."""
    text = given.decode("utf-8", "surrogateescape")
    lone = "".join("\ufffd\ufffd" if 0x80 <= ord(one) < 0xA0 else one for one in text)
    return re.sub("[\ud800-\udfff]", "\ufffd", lone)


def some_text(rng: random.Random, most: int) -> bytes:
    """Without a NUL, which ends a string."""
    pieces = [
        rng.choice((b"a", b'"', b"\\", b"\n", b"\x1b[2J", b"\x7f", b"\xc2\x9b", "€😀é".encode()))
        if rng.random() < 0.7
        else some_bytes(rng)
        for _ in range(rng.randrange(12))
    ]
    return b"".join(pieces).replace(b"\0", b"")[:most]


def as_rfc_3339(moment: int) -> str | None:
    """For years that have four digits."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) if moment else None


def test_the_health_file_is_strict_json_and_says_what_it_was_told(
    seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    told = [
        (
            [
                rng.randrange(6),
                rng.choice((-1, rng.randrange(1, 65536))),
                rng.choice((-1, rng.randrange(1, 65536))),
                rng.choice((0, rng.randrange(1, 4 * 10**9))),
                rng.randrange(1, 4 * 10**9),
                rng.choice((rng.randrange(90000), rng.randrange(1 << 34))),
                rng.randrange(1 << 32),
                rng.randrange(1 << 32),
            ],
            # The longest that there are: each byte may take six.
            [b"retrying", *(some_text(rng, most) for most in (767, 15, 45, 31))],
        )
        for _ in range(3000)
    ]
    cases = [struct.pack("=8q", *numbers) + b"\0".join(texts) for numbers, texts in told]
    verdicts = ours("health", cases, str(tmp_path / "status.json"))
    for (numbers, texts), verdict in zip(told, verdicts, strict=True):
        written = bytes.fromhex(verdict)
        assert written.endswith(b"}\n") and b"\n" not in written[:-1]
        health = strict_json(written[:-1])
        error, connection, address, version = (cleaned(text) or None for text in texts[1:])
        assert health["last_error"] == error
        assert health["connection_status"] == connection
        assert health["external_address"] == address
        assert health["qbittorrent_version"] == version
        assert health["healthy"] is bool(numbers[0] & 1)
        assert health["reachable"] is (None, False, True)[(numbers[0] >> 1) % 3]
        assert health["current_port"] == (numbers[1] if numbers[1] >= 0 else None)
        assert health["forwarded_port"] == (numbers[2] if numbers[2] >= 0 else None)
        assert health["last_check"] == as_rfc_3339(numbers[3])
        assert health["timestamp"] == as_rfc_3339(numbers[4])
        assert health["last_port_change"] is None
        assert health["uptime_seconds"] == numbers[5]
        days, rest = divmod(numbers[5], 86400)
        clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
        assert health["uptime"] == (f"{days} days, {clock}" if days else clock)
        assert health["consecutive_failures"] == numbers[6]
        assert health["rebinds"] == numbers[7]
        assert health["version"] == "3.0.0" and health["state"] == "retrying"


def test_log_lines_in_json_are_strict_json_and_say_what_they_were_told(
    seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    cases = [some_text(rng, 900) for _ in range(3000)]
    cases += [b"\x01" * 900, b"x" * 2000, "€".encode() * 500, b'"' * 1000, b"\xff" * 200]
    with (tmp_path / "log").open("wb") as log:
        ours("log", cases, stderr=log)
    lines = (tmp_path / "log").read_bytes().split(b"\n")[:-1]
    for case, line in zip(cases, lines, strict=True):
        assert len(line) < 1024
        said = strict_json(line)
        assert set(said) == {"time", "level", "message"} and said["level"] == "INFO"
        message, wanted = said["message"], cleaned(case)
        if message != wanted:
            # Too long: cut behind a whole character.
            assert len(line) > 1000 and message.endswith("...")
            assert wanted.startswith(message[:-3])

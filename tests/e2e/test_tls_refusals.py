"""HTTPS, points 2 and 3: what is refused, each with its own sentence in the log and in the health
file, and with the way out. The servers are `openssl s_server`, most of them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from certificates import Certificate, Pki, bundle
from conftest import AS_NOBODY, MakeSidecar, Sidecar, controls, missing
from faults import silence
from faulty_server import CONNECT, FaultyServer
from harness import PortFile, free_port, wait_until
from tls_peers import Nginx, OpensslServer, https_site

HTTPS = {"QSTICKY_USE_HTTPS": "true"}
HERE = "IP:127.0.0.1"
SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
PORT = 41000  # what an OpensslServer has, unless told otherwise

# Runs a command where there are no CAs, as in an image FROM scratch.
WITHOUT_CAS = ("unshare", "--mount", "sh", "-c")
WITHOUT_CAS += ('mount -t tmpfs none /etc/ssl/certs && exec "$@"', "sh")

NewServer = Callable[..., OpensslServer]


def by_file(certificate: Certificate) -> dict[str, str]:
    return HTTPS | {"QSTICKY_TLS_CA_FILE": str(certificate.path)}


def by_pin(*pins: str) -> dict[str, str]:
    return HTTPS | {"QSTICKY_TLS_PIN_SHA256": ",".join(pins)}


def colons(pin: str) -> str:
    """As `openssl x509 -fingerprint` and browsers show it."""
    return ":".join(re.findall("..", pin.upper()))


@pytest.fixture
def new_server(place: Path, peers: ExitStack) -> NewServer:
    def make(certificate: Certificate, *args: str, **options: object) -> OpensslServer:
        folder = place / f"server{free_port()}"
        folder.mkdir()
        return peers.enter_context(OpensslServer(folder, certificate, *args, **options))

    return make


def check_refused(qsticky: Sidecar, words: str) -> str:
    """The same sentence in health, log and healthcheck; returns it."""
    health = qsticky.wait_failed()
    error = health["last_error"]
    assert health["state"] in ("retrying", "error") and health["current_port"] is None
    assert re.search(words, error), error
    host, port = qsticky.env["QSTICKY_QBITTORRENT_HOST"], qsticky.env["QSTICKY_QBITTORRENT_PORT"]
    assert f"{host}:{port}" in error, "names the server"
    line = wait_until(
        lambda: next((line for line in qsticky.troubles() if error in line), None),
        what=f"the log to say: {error}",
    )
    level = "ERROR" if health["state"] == "error" else "WARN"  # a person has to act, or not yet
    assert f" {level} " in line.replace("  ", " ")
    code, said = qsticky.healthcheck()
    assert code == 1 and said.startswith(f"unhealthy: {error}")
    return error


# -- nothing configured ----------------------------------------------------------


def test_with_nothing_configured_the_line_to_paste_is_printed_and_works(
    root: None, pki: Pki, new_server: NewServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    leaf = pki.make("DNS:box.lan", HERE, subject="/O=Home/CN=box", start=-86400, end=86400 * 365)
    server = new_server(leaf)
    port_file.write(PORT)
    qsticky = sidecar(server, env=HTTPS, wrapper=WITHOUT_CAS)
    error = check_refused(qsticky, "no pin, and no CA file")
    assert "subject O=Home, CN=box; issuer O=Home, CN=box; valid 20" in error
    assert "for box.lan, 127.0.0.1" in error
    assert f"QSTICKY_TLS_PIN_SHA256={leaf.sha256}" in error
    fingerprint = subprocess.run(
        ["openssl", "x509", "-in", leaf.path, "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert fingerprint.endswith(colons(leaf.sha256)), "and that is what openssl says"

    (pasted,) = re.findall(r"QSTICKY_TLS_PIN_SHA256=\S+", qsticky.wait_trouble())
    name, _, value = pasted.partition("=")
    assert qsticky.stop() == 0
    sidecar(server, env=HTTPS | {name: value}, wrapper=WITHOUT_CAS).wait_in_sync(PORT)


def test_the_usual_ca_file_behind_a_closed_door_is_none(
    root: None,
    pki: Pki,
    new_server: NewServer,
    place: Path,
    public_binary: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """Nobody has named it, so no variable is to blame."""
    (place / "health").mkdir()
    (place / "health").chmod(0o777)
    port_file.write(PORT)
    script = 'mount -t tmpfs -o mode=0700 none /etc/ssl/certs && exec "$@"'
    qsticky = sidecar(
        new_server(pki.make(HERE)),
        program=public_binary,
        env=HTTPS,
        health_file=place / "health" / "status.json",
        wrapper=("unshare", "--mount", "sh", "-c", script, "sh", *AS_NOBODY),
    )
    assert "QSTICKY_TLS_CA_FILE" not in check_refused(qsticky, "no pin, and no CA file")


def test_a_ca_file_that_comes_later_is_picked_up(
    pki: Pki, new_server: NewServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    leaf = pki.make(HERE)
    server = new_server(leaf)
    port_file.write(PORT)
    env = HTTPS | {"QSTICKY_TLS_CA_FILE": str(place / "later.pem")}
    qsticky = sidecar(server, env=env)
    check_refused(qsticky, "later.pem: No such file")
    bundle(place / "later.pem", leaf)
    qsticky.wait_in_sync(PORT)


# -- certificates ----------------------------------------------------------------

# what: certificate, words
CERTIFICATES: dict[str, tuple[Callable[[Pki], Certificate], str]] = {
    "expired": (
        lambda pki: pki.root().issue(HERE, start=-7200, end=-3600),
        r"its certificate expired on 20.*clock here says 20",
    ),
    "not yet valid": (
        lambda pki: pki.root().issue(HERE, start=3600, end=7200),
        r"its certificate is not valid before 20.*clock here says 20",
    ),
    "expired, self-signed": (lambda pki: pki.make(HERE, start=-7200, end=-3600), "expired on"),
    "wrong name": (
        lambda pki: pki.root().issue("DNS:other.lan", "IP:192.0.2.1"),
        "another name than 127.0.0.1.*for other.lan, 192.0.2.1",
    ),
    "unknown issuer": (
        lambda pki: pki.pair(leaf := pki.root().issue(HERE), leaf, pki.root(subject="/O=x")),
        r"issuer \"O=qsticky, CN=test root\" is not in|issuer is unknown",
    ),
    "self-signed, unknown": (
        lambda pki: pki.pair(leaf := pki.make(HERE), leaf, pki.root()),
        "self-signed, and not in",
    ),
    "Ed25519": (lambda pki: pki.root().issue(HERE, kind="Ed25519"), "Ed25519"),
    "RSA-PSS": (lambda pki: pki.root().issue(HERE, kind="RSA-PSS"), "RSA-PSS"),
    "issued by Ed25519": (
        lambda pki: pki.root(kind="Ed25519").issue(HERE, sign=["-md", "null"]),
        "Ed25519",
    ),
    "RSA, signed with PSS": (
        lambda pki: pki.root(kind="RSA 2048").issue(
            HERE, kind="RSA 2048", sign=["-sigopt", "rsa_padding_mode:pss"]
        ),
        "signature that is not supported: RSA-PSS",
    ),
    "SHA-1": (
        lambda pki: pki.root(kind="RSA 2048").issue(HERE, kind="RSA 2048", sign=["-md", "sha1"]),
        "signature that is not supported: SHA-1",
    ),
    "brainpool": (lambda pki: pki.root().issue(HERE, kind="brainpool"), "no cipher|curve"),
    "signed by another than the intermediate of that name": (
        lambda pki: pki.pair(
            leaf := (root := pki.root()).issue(ca=True, subject="/CN=middle").issue(HERE),
            leaf,
            root.issue(ca=True, subject="/CN=middle"),
            root,
        ),
        "a signature in its chain is wrong",
    ),
    "an issuer's key on brainpool": (
        lambda pki: pki.root().issue(ca=True, kind="brainpool").issue(HERE),
        'its issuer ".*", which the server sends, has a key that is not supported: EC on an unusual curve',
    ),
    "RSA 4608": (
        lambda pki: pki.make(HERE, kind="RSA 4608"),
        "its certificate has a key that is not supported: RSA of 4608 bits",
    ),
    "a critical extension that nobody knows": (
        lambda pki: pki.root().issue(HERE, extensions=["1.2.3.4.5=critical,DER:0500"]),
        "extension",
    ),
}


@pytest.mark.parametrize("what", CERTIFICATES)
def test_a_certificate_is_refused(
    what: str, pki: Pki, new_server: NewServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    make, words = CERTIFICATES[what]
    certificate = make(pki)
    server = new_server(certificate, "-cipher", "DEFAULT@SECLEVEL=0")
    port_file.write(PORT)
    check_refused(sidecar(server, env=by_file(certificate.root)), words)


def test_what_a_certificate_says_of_itself_cannot_spoil_the_log(
    pki: Pki, new_server: NewServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """And however long it is, the line to paste is there in whole."""
    names = [f"DNS:{'n' * 60}{i}.example.com" for i in range(40)]
    evil = "\x1b[31m\n2026-01-01T00:00:00Z INFO  in sync\u009b1m\u202e\" \\"
    subject = f"/O={evil}/OU={'o' * 60}/CN={'c' * 60}/L={'l' * 60}/ST={'s' * 60}"
    leaf = pki.make(*names, subject=subject.replace("\\", "\\\\"))
    server = new_server(leaf)
    port_file.write(PORT)
    qsticky = sidecar(server, env=by_file(pki.root()), log_level="INFO")
    error = check_refused(qsticky, "self-signed, and not in")
    assert f"QSTICKY_TLS_PIN_SHA256={leaf.sha256} " in error
    assert not controls(error)
    assert not any("in sync" in line for line in qsticky.lines("INFO"))


# -- servers that will not -------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["-tls1_3"], r"refuses TLS 1\.2"),
        (["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"], r"allow ECDHE .*in TLS 1\.2"),
        (["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], r"allow ECDHE .*in TLS 1\.2"),
        (["-cipher", "ECDHE-ECDSA-AES128-SHA256", "-no_tls1_3"], "no cipher with qsticky"),
        (["-Verify", "1"], "demands a client certificate"),
    ],
    ids=["TLS 1.3 only", "TLS 1.0 only", "TLS 1.1 only", "CBC only", "client certificate"],
)
def test_a_server_that_wants_what_is_not_supported(
    args: list[str],
    words: str,
    pki: Pki,
    new_server: NewServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    leaf = pki.make(HERE)
    server = new_server(leaf, *args)
    port_file.write(PORT)
    check_refused(sidecar(server, env=by_file(leaf)), words)


def test_a_client_certificate_that_is_not_demanded_is_no_trouble(
    pki: Pki, new_server: NewServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    leaf = pki.make(HERE)
    server = new_server(leaf, "-verify", "1")
    port_file.write(PORT)
    sidecar(server, env=by_file(leaf)).wait_in_sync(PORT)


def test_nginx_demands_a_client_certificate_in_http(
    pki: Pki,
    nginx: str,
    place: Path,
    peers: ExitStack,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """After a good handshake, with a page and 400."""
    root = pki.root()
    site = https_site(
        root.issue(HERE),
        free_port(),
        f"ssl_verify_client on; ssl_client_certificate {root.path};",
    )
    server = peers.enter_context(Nginx(place / "nginx", nginx, site))
    port_file.write(PORT)
    check_refused(
        sidecar(None, port=server.port, env=by_file(root)), "demands a client certificate"
    )


@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ],
)
@pytest.mark.parametrize("group", ["X25519", "P-256", "P-384"])
def test_every_suite_and_every_group_that_is_supported(
    suite: str,
    group: str,
    pki: Pki,
    new_server: NewServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    leaf = pki.make(HERE, kind="RSA 2048" if "-RSA-" in suite else "P-256")
    groups = group if "-RSA-" in suite or group == "P-256" else f"{group}:P-256"
    server = new_server(leaf, "-cipher", suite, "-groups", groups, "-serverpref")
    port_file.write(PORT)
    qsticky = sidecar(server, env=by_file(leaf), args=("once",), log_level="INFO")
    assert qsticky.wait() == 0


@pytest.mark.parametrize("kind", ["RSA 2048", "RSA 3072", "RSA 4096", "P-256", "P-384", "P-521"])
def test_every_kind_of_key_that_is_supported(
    kind: str, pki: Pki, new_server: NewServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    leaf = pki.root(kind=kind).issue(HERE, kind=kind)
    server = new_server(leaf)
    port_file.write(PORT)
    qsticky = sidecar(server, env=by_file(leaf.root), args=("once",), log_level="INFO")
    assert qsticky.wait() == 0


# -- the wrong scheme ------------------------------------------------------------


def test_tls_to_the_plain_port_of_nginx(
    nginx: str, place: Path, peers: ExitStack, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    site = "server { listen 127.0.0.1:PORT; }"
    server = peers.enter_context(Nginx(place / "nginx", nginx, site))
    port_file.write(free_port())
    error = check_refused(sidecar(None, port=server.port, env=HTTPS), "plain HTTP")
    assert "QSTICKY_USE_HTTPS=false" in error


def test_tls_to_a_plain_port_that_keeps_silent(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.fault(CONNECT, silence())
    port_file.write(free_port())
    error = check_refused(sidecar(fake, env=HTTPS), "no answer to the TLS handshake")
    assert "QSTICKY_USE_HTTPS=false" in error
    assert fake.requests == []


def test_tls_to_a_plain_port_that_waits_for_more_and_closes(
    new_fake: Callable[..., FaultyServer], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_fake(idle_close=2).start()
    port_file.write(free_port())
    error = check_refused(
        sidecar(server, env=HTTPS), "closed the connection at the start of the TLS handshake"
    )
    assert "QSTICKY_USE_HTTPS=false" in error


def test_plain_http_to_the_tls_port_of_nginx(
    pki: Pki,
    nginx: str,
    place: Path,
    peers: ExitStack,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    site = https_site(pki.make(HERE), free_port())
    server = peers.enter_context(Nginx(place / "nginx", nginx, site))
    port_file.write(free_port())
    error = check_refused(sidecar(None, port=server.port), "speaks TLS on this port")
    assert "QSTICKY_USE_HTTPS=true" in error


def test_plain_http_to_the_tls_port_of_openssl(
    pki: Pki, new_server: NewServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_server(pki.make(HERE))
    port_file.write(free_port())
    check_refused(sidecar(server), "TLS|HTTPS")


# -- pins ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    ["hex", "upper case with colons", "the last of several", "blanks around", "eight of them"],
)
def test_a_pin_that_is_right(
    form: str, pki: Pki, new_server: NewServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """It replaces all other checks: this one is expired, for nobody, and of an unknown issuer."""
    leaf = pki.root().issue("DNS:nobody.lan", start=-7200, end=-3600)
    pins = {
        "hex": leaf.sha256,
        "upper case with colons": colons(leaf.sha256),
        "the last of several": f"{'00' * 32},{colons('ab' * 32)},{leaf.sha256}",
        "blanks around": f" {'00' * 32} , {leaf.sha256} ",
        "eight of them": ",".join(["0f" * 32] * 7 + [leaf.sha256]),
    }
    server = new_server(leaf)
    port_file.write(PORT)
    sidecar(server, env=by_pin(pins[form])).wait_in_sync(PORT)


@pytest.mark.parametrize("verify", ["true", "false"])
@pytest.mark.parametrize("which", ["another's", "the issuer's", "one bit off"])
def test_a_pin_that_is_wrong(
    which: str,
    verify: str,
    pki: Pki,
    new_server: NewServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """Whatever else would have trusted it."""
    leaf = pki.root().issue(HERE)
    last = f"{int(leaf.sha256[-2:], 16) ^ 1:02x}"
    pins = {
        "another's": ["00" * 32, pki.make(HERE).sha256],
        "the issuer's": [leaf.root.sha256],
        "one bit off": [leaf.sha256[:-2] + last],
    }
    server = new_server(leaf)
    port_file.write(PORT)
    env = by_file(leaf.root) | by_pin(*pins[which]) | {"QSTICKY_VERIFY_SSL": verify}
    qsticky = sidecar(server, env=env)
    error = check_refused(qsticky, "not the pinned one")
    assert f"QSTICKY_TLS_PIN_SHA256={leaf.sha256}" in error


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QSTICKY_TLS_PIN_SHA256", "00" * 31),
        ("QSTICKY_TLS_PIN_SHA256", "00" * 33),
        ("QSTICKY_TLS_PIN_SHA256", "zz" * 32),
        ("QSTICKY_TLS_PIN_SHA256", f"{'00' * 32},"),
        ("QSTICKY_TLS_PIN_SHA256", f"sha256:{'00' * 32}"),
        ("QSTICKY_USE_HTTPS", "maybe"),
        ("QSTICKY_VERIFY_SSL", "2"),
        ("QSTICKY_TLS_CA_FILE", "relative.pem"),
        ("QSTICKY_TLS_SERVER_NAME", "https://name"),
    ],
)
def test_a_wrong_value_is_a_configuration_error(
    name: str, value: str, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    qsticky = sidecar(None, port=8080, env={name: value})
    assert qsticky.wait() == 2
    (line,) = qsticky.troubles()
    assert name in line and "it takes" in line


# -- the CA file -----------------------------------------------------------------

PEM_OF_NOTHING = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("missing", r"No such file"),
        ("empty", r"holds no certificate"),
        ("garbage", r"holds no certificate"),
        ("DER", r"holds no certificate"),
        ("key", r"holds no certificate"),
        ("cut", r"certificate number 1 .*damaged"),
        ("bad base64", r"certificate number 2 .*damaged"),
        ("nothing in it", r"self-signed, and not in"),
        ("directory", r"is a directory: Docker makes one"),
        ("FIFO", r"not a regular file"),
        ("endless", r"not a regular file|larger than 4 MiB"),
        ("5 MiB", r"larger than 4 MiB"),
    ],
)
def test_a_ca_file_that_is_none(
    content: str,
    words: str,
    pki: Pki,
    new_server: NewServer,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """Named with its path; and when it is right, all is well without a restart."""
    leaf = pki.make(HERE)
    other = pki.make(HERE)
    path = place / "ca.pem"
    texts = {
        "empty": "",
        "garbage": "garbage\n" * 100,
        "key": leaf.key.read_text(),
        "cut": leaf.pem[: len(leaf.pem) // 2],
        "bad base64": other.pem + leaf.pem.replace("\nMI", "\n!!", 1),
        "nothing in it": PEM_OF_NOTHING,
        "5 MiB": "# comment\n" * (512 * 1024) + leaf.pem,
    }
    if content in texts:
        path.write_text(texts[content])
    elif content == "DER":
        path.write_bytes(leaf.der)
    elif content == "directory":
        path.mkdir()
    elif content == "FIFO":
        os.mkfifo(path)
    elif content == "endless":
        path.symlink_to("/dev/zero")
    server = new_server(leaf)
    port_file.write(PORT)
    qsticky = sidecar(server, env=HTTPS | {"QSTICKY_TLS_CA_FILE": str(path)})
    error = check_refused(qsticky, words)
    assert str(path) in error
    if content == "directory":
        path.rmdir()
    os.rename(bundle(place / "right.pem", leaf), path)
    qsticky.wait_in_sync(PORT)


def test_a_ca_file_as_a_windows_editor_leaves_it(
    pki: Pki, new_server: NewServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """With a byte order mark, CRLF and text around it."""
    leaf = pki.make(HERE)
    path = place / "ca.pem"
    text = f"\ufeff{leaf.pem}of my NAS\n".replace("\n", "\r\n")
    path.write_bytes(text.encode())
    port_file.write(PORT)
    env = HTTPS | {"QSTICKY_TLS_CA_FILE": str(path)}
    sidecar(new_server(leaf), env=env).wait_in_sync(PORT)


def test_a_ca_file_that_may_not_be_read(
    root: None,
    pki: Pki,
    new_server: NewServer,
    place: Path,
    public_binary: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    leaf = pki.make(HERE)
    ca_file = bundle(place / "ca.pem", leaf)
    ca_file.chmod(0)
    (place / "health").mkdir()
    (place / "health").chmod(0o777)
    server = new_server(leaf)
    port_file.write(PORT)
    qsticky = sidecar(
        server,
        program=public_binary,
        env=HTTPS | {"QSTICKY_TLS_CA_FILE": str(ca_file)},
        health_file=place / "health" / "status.json",
        wrapper=AS_NOBODY,
    )
    check_refused(qsticky, f"{ca_file}: no permission for uid")
    ca_file.chmod(0o644)
    qsticky.wait_in_sync(PORT)
    ca_file.chmod(0)
    check_refused_again(qsticky, "no permission for uid")


def check_refused_again(qsticky: Sidecar, words: str) -> None:
    wait_until(
        lambda: words in (qsticky.health()["last_error"] or ""), what=f"the error {words!r}"
    )


# -- without verification --------------------------------------------------------


def test_without_verification_there_is_a_warning_at_start_and_any_certificate_will_do(
    pki: Pki, new_server: NewServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    server = new_server(pki.make("DNS:nobody.lan", start=-7200, end=-3600))
    port_file.write(PORT)
    qsticky = sidecar(server, env=HTTPS | {"QSTICKY_VERIFY_SSL": "false"})
    qsticky.wait_in_sync(PORT)
    assert "QSTICKY_VERIFY_SSL=false" in qsticky.wait_trouble()
    assert len(qsticky.troubles()) == 1


@pytest.mark.parametrize(
    "env",
    [{"QSTICKY_USE_HTTPS": "false"}, {"QSTICKY_TLS_PIN_SHA256": "00" * 32}],
    ids=["no HTTPS", "a pin"],
)
def test_no_warning_where_it_changes_nothing(
    env: dict[str, str], port_file: PortFile, sidecar: MakeSidecar
) -> None:
    qsticky = sidecar(None, port=free_port(), env=HTTPS | {"QSTICKY_VERIFY_SSL": "no"} | env)
    qsticky.wait_failed()
    assert not any("QSTICKY_VERIFY_SSL" in line for line in qsticky.log)


# -- time ------------------------------------------------------------------------


def test_a_certificate_that_becomes_valid_is_accepted_then(
    pki: Pki, new_server: NewServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    leaf = pki.make(HERE, start=4)
    server = new_server(leaf)
    port_file.write(PORT)
    qsticky = sidecar(server, env=by_file(leaf))
    check_refused(qsticky, "not valid before")
    qsticky.wait_in_sync(PORT)


# The time of 1970, as machines without a battery have it. Only in the sanitized binary, which is
# dynamically linked.
CLOCK_OF_1970 = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
	if (clock != CLOCK_REALTIME)
		return (int)syscall(SYS_clock_gettime, clock, now);
	now->tv_sec = 1000;
	now->tv_nsec = 0;
	return 0;
}
"""


@pytest.mark.parametrize("binary", ["asan"], indirect=True)  # a static one has no function to replace
def test_a_clock_that_is_plainly_wrong(
    pki: Pki,
    new_server: NewServer,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    (place / "clock.c").write_text(CLOCK_OF_1970)
    clock = place / "clock.so"
    built = subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", clock, place / "clock.c"], check=False
    )
    if built.returncode != 0:
        missing("gcc cannot build a library")
    leaf = pki.make(HERE)
    server = new_server(leaf)
    port_file.write(PORT)
    options = sidecar(server, start=False).env["ASAN_OPTIONS"]
    env = {"LD_PRELOAD": str(clock), "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0"}
    check_refused(sidecar(server, env=by_file(leaf) | env), r"clock is wrong .it says 1970-")
    pinned = sidecar(server, env=by_pin(leaf.sha256) | env)
    pinned.wait_in_sync(PORT)


# -- all of them -----------------------------------------------------------------


def test_each_situation_has_a_sentence_of_its_own(
    pki: Pki,
    new_server: NewServer,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    port_file.write(PORT)
    root, leaf = pki.root(), pki.make(HERE)
    middle = root.issue(ca=True, subject="/CN=middle")
    good = root.issue(HERE)
    empty = place / "empty.pem"
    empty.touch()
    pss = root.issue(HERE, kind="RSA-PSS")
    below = middle.issue(HERE)
    cases: dict[str, tuple[Certificate, list[str], dict[str, str]]] = {
        "nothing configured": (leaf, [], HTTPS | {"QSTICKY_TLS_CA_FILE": SYSTEM_BUNDLE}),
        "expired": (root.issue(HERE, start=-7200, end=-3600), [], by_file(root)),
        "not yet valid": (root.issue(HERE, start=3600), [], by_file(root)),
        "wrong name": (root.issue("DNS:other"), [], by_file(root)),
        "unknown issuer": (below, [], by_file(pki.root(subject="/O=x"))),
        "missing intermediate": (pki.pair(below, below, root), [], by_file(root)),
        "wrong issuer": (good, [], by_file(pki.root())),
        "RSA-PSS": (pss, [], by_file(root)),
        "TLS 1.3 only": (good, ["-tls1_3"], by_file(root)),
        "client certificate": (good, ["-Verify", "1"], by_file(root)),
        "wrong pin": (good, [], by_pin("00" * 32)),
        "empty CA file": (good, [], HTTPS | {"QSTICKY_TLS_CA_FILE": str(empty)}),
        "missing CA file": (good, [], HTTPS | {"QSTICKY_TLS_CA_FILE": str(place / "none")}),
        "plain HTTP client": (good, [], {}),
    }
    made = {
        what: sidecar(new_server(certificate, *args), env=env)
        for what, (certificate, args, env) in cases.items()
    }
    sentences: dict[str, str] = {}
    for what, qsticky in made.items():
        error = qsticky.wait_failed()["last_error"]
        port = qsticky.env["QSTICKY_QBITTORRENT_PORT"]
        bare = error.partition(". If it is the right one")[0].replace(port, "PORT")
        assert bare not in sentences, f"{what} and {sentences[bare]}: {bare}"
        sentences[bare] = what

"""HTTPS: who vouches for a server. Each chain is made with openssl, presented by `openssl s_server`,
and judged by `openssl verify` as well: what is refused is refused for what is so, and nothing is
accepted that openssl refuses."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from certificates import Certificate, Pki, bundle
from conftest import MakeSidecar
from harness import PortFile
from tls_peers import Nginx, OpensslServer, https_site

HERE = "IP:127.0.0.1"
PORT = 41000  # what an OpensslServer has

SERVER, CLIENT = "extendedKeyUsage=serverAuth", "extendedKeyUsage=clientAuth"
NOT_CA, SIGNS_NOTHING = "basicConstraints=critical,CA:FALSE", "keyUsage=critical,cRLSign"
SUBJECT = {"subject": "/O=qsticky/CN=test root"}


@dataclass(frozen=True)
class Case:
    """What a server presents, its own certificate first, and what is in the CA file."""

    presented: tuple[Certificate, ...]
    file: tuple[Certificate, ...]


Make = Callable[[Pki], Case]


def under(**root: object) -> Make:
    """A server's certificate of a CA that is in the file, as `root` says."""

    def make(pki: Pki) -> Case:
        ca = pki.make(**{"ca": True} | SUBJECT | root)
        return Case((ca.issue(HERE),), (ca,))

    return make


def below(**middle: object) -> Make:
    """With one more CA between the two, which is sent."""

    def make(pki: Pki) -> Case:
        root = pki.root()
        ca = root.issue(**{"ca": True, "subject": "/CN=middle"} | middle)
        return Case((ca.issue(HERE), ca), (root,))

    return make


def leaf(**options: object) -> Make:
    """A server's certificate as `options` say, of a CA that is in the file."""

    def make(pki: Pki) -> Case:
        root = pki.root()
        return Case((root.issue(HERE, **options),), (root,))

    return make


def own(*more: str, **options: object) -> Make:
    """A self-signed certificate, which is in the file."""

    def make(pki: Pki) -> Case:
        one = pki.make(HERE, extensions=more, **options)
        return Case((one,), (one,))

    return make


def line_of(count: int, **options: object) -> Make:
    """As many certificates, one issued by the next, of a root in the file."""

    def make(pki: Pki) -> Case:
        root = top = pki.root(**options)
        sent: list[Certificate] = []
        for number in range(count - 1):
            top = top.issue(ca=True, subject=f"/CN=middle {number}", **options)
            sent.insert(0, top)
        return Case((top.issue(HERE, **options), *sent), (root,))

    return make


def twin(pki: Pki, of: Certificate, **options: object) -> Certificate:
    """Another certificate of the same CA: of its name, unless told otherwise, and key."""
    return pki.make(**{"ca": True, "key_of": of} | SUBJECT | options)


def outdated_twin(*orders: int, both: bool = False) -> Make:
    """Two certificates of the intermediate, one of them (or both) expired."""

    def make(pki: Pki) -> Case:
        root = pki.root()
        good = root.issue(ca=True, subject="/CN=middle", **({"end": -60.0} if both else {}))
        old = root.issue(ca=True, subject="/CN=middle", key_of=good, start=-7200, end=-3600)
        sent = (old, good)
        return Case((good.issue(HERE), *(sent[order] for order in orders)), (root,))

    return make


def two_of_a_name(pki: Pki) -> Case:
    right, wrong = pki.root(), pki.root()
    expired = twin(pki, right, start=-7200, end=-3600)
    return Case((right.issue(HERE),), (wrong, expired, right))


def two_wrong_of_a_name(pki: Pki) -> Case:
    """Neither can vouch, and only one has signed: its own fault is told."""
    right, wrong = pki.root(extensions=[CLIENT]), pki.root()
    return Case((right.issue(HERE),), (wrong, right))


def cross_signed(pki: Pki) -> Case:
    """As for years with Let's Encrypt: what is sent leads to an old root, the file has the new one."""
    old, new = pki.root(subject="/CN=old"), pki.root(subject="/CN=new")
    middle = new.issue(ca=True, subject="/CN=middle")
    cross = old.issue(ca=True, subject="/CN=new", key_of=new)
    return Case((middle.issue(HERE), middle, cross, old), (new,))


def cross_signed_by_an_expired_one(pki: Pki) -> Case:
    old = pki.root(subject="/CN=old", start=-7200, end=-3600)
    new = pki.root(subject="/CN=new")
    cross = old.issue(ca=True, subject="/CN=new", key_of=new)
    return Case((new.issue(HERE), cross, old), (old, new))


def in_a_circle(pki: Pki) -> Case:
    one, two = pki.root(subject="/CN=one"), pki.root(subject="/CN=two")
    one_by_two = two.issue(ca=True, subject="/CN=one", key_of=one)
    two_by_one = one.issue(ca=True, subject="/CN=two", key_of=two)
    return Case((one.issue(HERE), one_by_two, two_by_one), (pki.root(),))


def all_for_each_other(pki: Pki) -> Case:
    """Nine certificates of one name and key: each might issue each."""
    one = pki.root(subject="/CN=one", kind="P-384")
    many = [twin(pki, one, subject="/CN=one") for _ in range(8)]
    return Case((one.issue(HERE), one, *many), (pki.root(),))


def self_issued_between(pki: Pki) -> Case:
    """A CA that changes its key vouches for itself: no step down (RFC 5280, section 6.1.4)."""
    root = pki.root(extensions=["basicConstraints=critical,CA:TRUE,pathlen:0"])
    again = root.issue(ca=True, **SUBJECT)
    return Case((again.issue(HERE), again), (root,))


def no_depth_in_two_bytes(pki: Pki) -> Case:
    """A path length of 0 that is written as no number may be: it must not be read as none."""
    root = pki.root()
    limit = "basicConstraints=critical,DER:30:07:01:01:ff:02:02:00:00"
    middle = root.issue(ca=True, subject="/CN=middle", extensions=[limit])
    below = middle.issue(ca=True, subject="/CN=below")
    return Case((below.issue(HERE), below, middle), (root,))


def named_otherwise(subject: str, **options: object) -> Make:
    """The file has the CA under another spelling of its name."""

    def make(pki: Pki) -> Case:
        root = pki.root()
        return Case((root.issue(HERE),), (twin(pki, root, subject=subject, **options),))

    return make


def missing_middle(pki: Pki) -> Case:
    root = pki.root()
    return Case((root.issue(ca=True, subject="/CN=middle").issue(HERE),), (root,))


def in_any_order(pki: Pki) -> Case:
    case = line_of(4)(pki)
    first, *others = case.presented
    return Case((first, *reversed(others), first, pki.root(subject="/CN=other")), case.file)


def only_the_leaf(pki: Pki) -> Case:
    one = pki.root().issue(HERE)
    return Case((one,), (one,))


def renewed(**options: object) -> Make:
    """A self-signed certificate that was renewed; the file has the old one."""

    def make(pki: Pki) -> Case:
        old = pki.make(HERE, **SUBJECT)
        new = pki.make(HERE, **SUBJECT, **({"key_of": old} if options.get("same_key") else {}))
        return Case((new,), (old,))

    return make


def issued_by_its_own_name(pki: Pki) -> Case:
    """Not self-signed, though it looks so: another key of that name has signed."""
    root = pki.root(kind="RSA 6144")
    return Case((root.issue(HERE, **SUBJECT),), (root,))


def openssl_version() -> tuple[int, ...]:
    told = subprocess.run(["openssl", "version"], check=True, capture_output=True, text=True).stdout
    return tuple(map(int, told.split()[1].split(".")[:2]))


def version_1(pki: Pki) -> Case:
    """A root from before there were extensions."""
    folder = pki.folder / "old"
    folder.mkdir(exist_ok=True)
    modern = pki.root()
    request, path = folder / "request.pem", folder / "cert.pem"
    for command in (
        ["req", "-new", "-key", modern.key, "-subj", "/CN=old root", "-out", request],
        ["x509", "-req", "-in", request, "-signkey", modern.key, "-days", "2", "-out", path],
    ):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    old = Certificate(pki, path, modern.key)
    return Case((old.issue(HERE),), (old,))


THEIR_PURPOSE = "unsuitable certificate purpose|unsupported certificate purpose"
THEIR_CA = "invalid CA certificate|unsuitable certificate purpose|unable to get (local )?issuer"
NO_ISSUER = "unable to get (local )?issuer|unable to verify the first|self-signed certificate"
IN_FILE = r'its issuer "O=qsticky, CN=test root" in \S+ca.pem '
SENT = 'its issuer "CN=middle", which the server sends, '

# what: case; our words, "" if we accept it; openssl's, "" the same.
CASES: dict[str, tuple[Make, str, str]] = {
    # What is in the file, and may not vouch.
    "a root for clients": (
        under(extensions=[CLIENT]),
        f"{IN_FILE}may not vouch for a server .*no serverAuth",
        f"{THEIR_PURPOSE}|{THEIR_CA}",
    ),
    "a root that is no CA": (
        under(extensions=[NOT_CA]),
        f"{IN_FILE}may not issue certificates: it is not marked as a CA",
        THEIR_CA,
    ),
    "a root that signs nothing": (
        under(extensions=[SIGNS_NOTHING]),
        f"{IN_FILE}may not issue certificates .*no keyCertSign",
        f"{THEIR_CA}|key usage does not include",
    ),
    "a root for some names": (
        under(extensions=["nameConstraints=critical,permitted;IP:127.0.0.0/255.0.0.0"]),
        f"{IN_FILE}may vouch for some names only .name constraints.",
        "",
    ),
    "a root for other names": (
        under(extensions=["nameConstraints=permitted;IP:10.0.0.0/255.0.0.0"]),
        f"{IN_FILE}may vouch for some names only .name constraints.",
        "permitted subtree violation",
    ),
    "a root of RSA 6144": (
        under(kind="RSA 6144"),
        f"{IN_FILE}has a key that is not supported: RSA of 6144 bits; .*2048 to 4096",
        "",
    ),
    "a root of RSA 4096": (under(kind="RSA 4096"), "", ""),
    "a root of RSA 1024": (
        under(kind="RSA 1024"),
        f"{IN_FILE}has a weak RSA key of 1024 bits",
        "CA certificate key too weak",
    ),
    "a root of P-521": (under(kind="P-521"), "", ""),
    "a root on brainpool": (
        under(kind="brainpool"),
        f"{IN_FILE}has a key that is not supported: EC on an unusual curve",
        "",
    ),
    "a root that has expired": (
        under(start=-7200, end=-3600),
        f"{IN_FILE}expired on 20.*; renew it",
        "certificate has expired",
    ),
    "a root of tomorrow": (
        under(start=3600),
        f"{IN_FILE}is not valid before 20",
        "certificate is not yet valid",
    ),
    "a root that knows an extension": (
        under(extensions=["1.2.3.4.5=critical,DER:0500"]),
        rf"{IN_FILE}has a critical extension that qsticky does not know \(1\.2\.3\.4\.5\)",
        "unhandled critical extension",
    ),
    "a root with nothing to say": (under(extensions=[SERVER]), "", ""),
    # OpenSSL takes one until 3.4.
    "a root of version 1": (version_1, "", "" if openssl_version() < (3, 5) else ".+"),
    "another root of that name": (
        lambda pki: Case((pki.root().issue(HERE),), (pki.root(),)),
        'ca.pem holds a CA named like its issuer, "O=qsticky, CN=test root", but not the one',
        f"{NO_ISSUER}|certificate signature failure",
    ),
    "three roots of that name": (two_of_a_name, "", ""),
    "a root forty times": (lambda pki: Case(((root := pki.root()).issue(HERE),), (root,) * 40), "", ""),
    "two roots of that name": (two_wrong_of_a_name, f"{IN_FILE}may not vouch for a server", ".+"),
    # What is sent, and may not issue.
    "an issuer for clients": (
        below(extensions=[CLIENT]),
        f"{SENT}may not vouch for a server .*no serverAuth",
        THEIR_PURPOSE,
    ),
    "an issuer that is no CA": (
        below(extensions=[NOT_CA]),
        f"{SENT}may not issue certificates: it is not marked as a CA",
        THEIR_CA,
    ),
    "an issuer that signs nothing": (
        below(extensions=[SIGNS_NOTHING]),
        f"{SENT}may not issue certificates .*no keyCertSign",
        f"{THEIR_CA}|key usage does not include",
    ),
    "an issuer for some names": (
        below(extensions=["nameConstraints=critical,permitted;IP:127.0.0.0/255.0.0.0"]),
        f"{SENT}may vouch for some names only",
        "",
    ),
    "an issuer of RSA 6144": (
        below(kind="RSA 6144"),
        f"{SENT}has a key that is not supported: RSA of 6144",
        "",
    ),
    "an issuer of RSA 1024": (
        below(kind="RSA 1024"),
        f"{SENT}has a weak RSA key of 1024 bits",
        "CA certificate key too weak",
    ),
    "an issuer of P-521": (below(kind="P-521"), "", ""),
    "an issuer that knows an extension": (
        below(extensions=["1.2.840.3=critical,DER:0500"]),
        rf"{SENT}has a critical extension that qsticky does not know \(1\.2\.840\.3\)",
        "unhandled critical extension",
    ),
    "a critical extended key usage all the way": (
        below(extensions=["extendedKeyUsage=critical,serverAuth,clientAuth"]),
        "",
        "",
    ),
    "critical policies": (below(extensions=["certificatePolicies=critical,1.2.3.4"]), "", ""),
    "policies that are published": (
        below(extensions=["certificatePolicies=critical,@p\n[p]\npolicyIdentifier=1.2.3\nCPS.1=x"]),
        "",
        "",
    ),
    "policies with a notice": (
        below(
            extensions=[
                "certificatePolicies=critical,@p\n[p]\npolicyIdentifier=1.2.3\nuserNotice.1=@n\n"
                "[n]\nexplicitText=x"
            ]
        ),
        rf"{SENT}has a critical extension that qsticky does not know \(2\.5\.29\.32\)",
        "",
    ),
    "an issuer that has expired": (
        outdated_twin(0, 1, both=True),
        f"{SENT}expired on 20",
        "certificate has expired",
    ),
    "an expired copy of the issuer first": (outdated_twin(0, 1), "", ""),
    "an expired copy of the issuer last": (outdated_twin(1, 0), "", ""),
    "only an expired copy of the issuer": (
        outdated_twin(0),
        f"{SENT}expired on 20",
        "certificate has expired",
    ),
    "an issuer that did not sign": (
        lambda pki: Case(
            (
                (root := pki.root()).issue(ca=True, subject="/CN=middle").issue(HERE),
                root.issue(ca=True, subject="/CN=middle"),
            ),
            (root,),
        ),
        'a signature in its chain is wrong: the issuer "CN=middle", which the server sends, did not',
        f"{NO_ISSUER}|certificate signature failure",
    ),
    "an issuer of which nobody knows the root": (
        lambda pki: Case(below()(pki).presented, (pki.root(subject="/CN=x"),)),
        r'its issuer is unknown: "O=qsticky, CN=test root" is not in \S+ca.pem',
        NO_ISSUER,
    ),
    "no issuer": (
        missing_middle,
        'its issuer "CN=middle" is not in .*sends no intermediate certificate',
        NO_ISSUER,
    ),
    # The way.
    "nine": (line_of(9), "", ""),
    "nine with P-384": (line_of(8, kind="P-384"), "", ""),
    "in any order, and more": (in_any_order, "", ""),
    "cross-signed": (cross_signed, "", ""),
    "cross-signed by one that has expired": (cross_signed_by_an_expired_one, "", ""),
    "in a circle": (in_a_circle, 'its issuer is unknown: "CN=one|its issuer is unknown', NO_ISSUER),
    "all for each other": (all_for_each_other, "too many issuers", ".+"),
    "a root that allows no CA below": (
        lambda pki: Case(
            (
                (
                    ca := (
                        root := pki.root(extensions=["basicConstraints=critical,CA:TRUE,pathlen:0"])
                    ).issue(ca=True, subject="/CN=middle")
                ).issue(HERE),
                ca,
            ),
            (root,),
        ),
        f"{IN_FILE}allows at most 0 CAs below it .path length., and the chain has more",
        "path length constraint exceeded",
    ),
    "an issuer that allows no CA below, in two bytes": (
        no_depth_in_two_bytes,
        'its issuer is unknown: "CN=middle" is not in',
        ".+",
    ),
    "an issuer that allows no CA below": (
        below(extensions=["basicConstraints=critical,CA:TRUE,pathlen:0"]),
        "",
        "",
    ),
    "a root that allows no CA below, and its successor": (self_issued_between, "", ""),
    # Names.
    "a name in PrintableString": (
        named_otherwise("/O=qsticky/CN=test root", strings="default"),
        "",
        "",
    ),
    "a name in other letters": (named_otherwise("/O=QSTICKY/CN= Test   ROOT "), "", ""),
    "a name with a blank less": (
        named_otherwise("/O=qsticky/CN=testroot"),
        'its issuer "O=qsticky, CN=test root" is not in',
        NO_ISSUER,
    ),
    "a name in another order": (
        named_otherwise("/CN=test root/O=qsticky", sign=["-preserveDN"]),
        'its issuer "O=qsticky, CN=test root" is not in',
        NO_ISSUER,
    ),
    # The server's own.
    "a critical extended key usage": (leaf(extensions=["extendedKeyUsage=critical,serverAuth"]), "", ""),
    "a critical one for clients": (
        leaf(extensions=["extendedKeyUsage=critical,clientAuth"]),
        r"its certificate may not be used by a server \(extended key usage: no serverAuth\)",
        THEIR_PURPOSE,
    ),
    "one for clients": (
        leaf(extensions=[CLIENT]),
        r"its certificate may not be used by a server \(extended key usage: no serverAuth\)",
        THEIR_PURPOSE,
    ),
    "no digital signature": (
        leaf(kind="RSA 2048", extensions=["keyUsage=keyEncipherment,dataEncipherment"]),
        "its certificate may not sign .key usage: no digitalSignature., which TLS with ECDHE needs",
        "",
    ),
    "P-521": (leaf(kind="P-521"), "", ""),
    "P-521, self-signed": (own(kind="P-521"), "", ""),
    "RSA 6144": (
        leaf(kind="RSA 6144"),
        "its certificate has a key that is not supported: RSA of 6144 bits",
        "",
    ),
    "RSA 1024": (
        leaf(kind="RSA 1024"),
        "its certificate has a weak RSA key of 1024 bits; use at least 2048",
        "EE certificate key too weak",
    ),
    "not valid yet": (leaf(start=3600), "its certificate is not valid before", "is not yet valid"),
    "expired": (leaf(start=-7200, end=-3600), "its certificate expired on", "has expired"),
    "an extension": (
        leaf(extensions=["1.2.3.4.5=critical,DER:0500"]),
        r"its certificate has a critical extension that qsticky does not know \(1\.2\.3\.4\.5\)",
        "unhandled critical extension",
    ),
    "self-signed, in the file": (own(), "", ""),
    "self-signed, a CA, in the file": (own("keyUsage=critical,digitalSignature,keyCertSign", ca=True), "", ""),
    "self-signed, a CA, in the file, which signs only certificates": (
        own(kind="RSA 2048", ca=True),
        "its certificate may not sign .key usage: no digitalSignature",
        THEIR_PURPOSE,
    ),
    "self-signed, renewed": (
        renewed(),
        "its certificate is self-signed, and not in .*which holds another of that name",
        NO_ISSUER,
    ),
    "self-signed, renewed with the same key": (
        renewed(same_key=True),
        "its certificate is self-signed, and not in .*which holds another of that name",
        ".+",
    ),
    "self-signed, unknown": (
        lambda pki: Case((pki.make(HERE),), (pki.root(),)),
        r"its certificate is self-signed, and not in \S+ca.pem\.",
        NO_ISSUER,
    ),
    "of a CA of its own name": (
        issued_by_its_own_name,
        f"{IN_FILE}has a key that is not supported: RSA of 6144 bits",
        "",
    ),
    "of a CA, itself in the file": (only_the_leaf, "", ""),
    "another name": (
        lambda pki: Case(((root := pki.root()).issue("IP:192.0.2.1"),), (root,)),
        "its certificate is for another name than 127.0.0.1",
        "IP address mismatch",
    ),
}

# What we do not support though it is right: our words for it say so.
STRICTER = ("not supported", "does not support", "does not know", "which TLS with ECDHE needs")


def their_verdict(case: Case, folder: Path) -> str:
    """What openssl says is wrong; "": nothing."""
    first, *others = case.presented
    done = subprocess.run(
        [
            *("openssl", "verify", "-no-CApath", "-no-CAstore", "-CAfile"),
            bundle(folder / "theirs.pem", *case.file),
            *("-purpose", "sslserver", "-partial_chain", "-auth_level", "2"),
            *("-verify_ip", "127.0.0.1"),
            *(["-untrusted", bundle(folder / "sent.pem", *others)] if others else []),
            first.path,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.findall(r"^error \d+ at \d+ depth lookup: (.*)$", done.stdout + done.stderr, re.M)
    assert (done.returncode == 0) == (not said), done
    return "; ".join(said)


@pytest.mark.parametrize("what", CASES)
def test_the_verdict_on_a_chain_is_so(
    what: str, pki: Pki, place: Path, peers: ExitStack, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    make, words, their_words = CASES[what]
    case = make(pki)
    first, *others = case.presented
    theirs = their_verdict(case, place)
    assert re.search(their_words, theirs) if their_words else not theirs, theirs
    assert words or not their_words, "accepted here, refused by openssl"

    (place / "server").mkdir()
    args = ["-cipher", "DEFAULT@SECLEVEL=0"]
    if others:
        args += ["-cert_chain", str(bundle(place / "chain.pem", *others))]
    server = peers.enter_context(
        OpensslServer(place / "server", pki.pair(first, first), *args)
    )
    port_file.write(PORT)
    env = {
        "QSTICKY_USE_HTTPS": "true",
        "QSTICKY_TLS_CA_FILE": str(bundle(place / "ca.pem", *case.file)),
    }
    qsticky = sidecar(server, env=env, args=("once",), log_level="INFO")
    code = qsticky.wait()
    said = "\n".join(qsticky.troubles())
    if not words:
        assert code == 0, said
        return
    assert code == 1 and re.search(words, said), said
    assert theirs or any(word in said for word in STRICTER), "refused here, accepted by openssl"
    supported = "its certificate has a key" not in words
    assert (f"set QSTICKY_TLS_PIN_SHA256={first.sha256} " in said) == supported


@pytest.mark.parametrize(
    "what", ["an expired copy of the issuer first", "nine", "P-521", "a critical extended key usage"]
)
def test_nginx_is_trusted_with_the_same_chain(
    what: str,
    pki: Pki,
    nginx: str,
    place: Path,
    peers: ExitStack,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    case = CASES[what][0](pki)
    first, *others = case.presented
    page = place / "pages"
    OpensslServer(page, first)  # makes what a qBittorrent would answer
    served = pki.pair(first, first, *others, case.file[0])
    site = f"""
        server {{
            listen 127.0.0.1:PORT ssl;
            ssl_certificate {served.chain};
            ssl_certificate_key {served.key};
            root {page};
        }}
    """
    server = peers.enter_context(Nginx(place / "nginx", nginx, site))
    port_file.write(PORT)
    env = {"QSTICKY_USE_HTTPS": "true", "QSTICKY_TLS_CA_FILE": str(case.file[0].path)}
    qsticky = sidecar(None, port=server.port, env=env, args=("once",), log_level="INFO")
    assert qsticky.wait() == 0, qsticky.log


def test_more_than_ten_certificates_are_refused_as_that(
    pki: Pki, nginx: str, place: Path, peers: ExitStack, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    case = line_of(11)(pki)
    served = pki.pair(case.presented[0], case.presented[0], *case.presented[1:], case.file[0])
    server = peers.enter_context(Nginx(place / "nginx", nginx, https_site(served, 1)))
    port_file.write(PORT)
    env = {"QSTICKY_USE_HTTPS": "true", "QSTICKY_TLS_CA_FILE": str(case.file[0].path)}
    qsticky = sidecar(None, port=server.port, env=env, args=("once",), log_level="INFO")
    assert qsticky.wait() == 1
    assert "the server sends more than 10 certificates" in "\n".join(qsticky.troubles())

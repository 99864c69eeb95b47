"""HTTPS, point 2: nginx in front of the real qBittorrent, as reverse proxies are. What proves a
server here is a CA: chains, bundles, names and addresses; and sessions are resumed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from certificates import Certificate, Pki, bundle
from conftest import AS_NOBODY, MakeSidecar, Sidecar, missing
from harness import PortFile, QBittorrent, free_port, wait_until
from tls_peers import Access, Nginx, https_site

DEBIAN_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")

# Runs a command where nothing but this is in /etc/ssl/certs.
WITH_OTHER_DEFAULT_CAS = """
import os, subprocess, sys
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/ssl/certs"], check=True)
os.execvpe(sys.argv[2], sys.argv[2:], {**os.environ, "PATH": os.defpath})
"""

REMEMBERS = "ssl_session_cache shared:tests:1m;"  # nginx's default is to remember no session

MakeProxy = Callable[..., Nginx]


@pytest.fixture
def new_proxy(
    nginx: str, qbittorrent: QBittorrent, place: Path, peers: ExitStack
) -> MakeProxy:
    """Starts nginx in front of the shared qBittorrent, with the site of a certificate."""

    def make(certificate: Certificate, *lines: str, http: str = "", **options: str) -> Nginx:
        site = https_site(certificate, qbittorrent.webui_port, *lines, **options)
        host = "::1" if "[" in options.get("listen", "") else "127.0.0.1"
        proxy = Nginx(place / "nginx", nginx, http + site, host=host)
        return peers.enter_context(proxy)

    return make


def trust(ca_file: Path | Certificate, **others: str) -> dict[str, str]:
    path = ca_file.path if isinstance(ca_file, Certificate) else ca_file
    return {"QSTICKY_USE_HTTPS": "true", "QSTICKY_TLS_CA_FILE": str(path)} | others


def accesses(proxy: Nginx, count: int) -> list[Access]:
    return wait_until(lambda: len(log := proxy.log()) >= count and log, what=f"{count} requests")


def cycles(proxy: Nginx, count: int) -> None:
    """Waits for so many more looks at the preferences."""
    seen = len(proxy.log())
    accesses(proxy, seen + count)


def check_refused(qsticky: Sidecar, proxy: Nginx, words: str) -> str:
    error = qsticky.wait_failed()["last_error"]
    assert words in error, error
    assert f":{proxy.port}:" in error
    assert qsticky.healthcheck()[0] == 1
    assert words in qsticky.wait_trouble()
    assert proxy.log() == [], "not a request got through"
    return error


# -- the proxy ------------------------------------------------------------------


def test_a_site_chosen_by_its_name_with_chunked_replies_over_kept_connections(
    pki: Pki,
    nginx: str,
    qbittorrent: QBittorrent,
    place: Path,
    peers: ExitStack,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    root = pki.root()
    other, ours = root.issue("DNS:other.example"), root.issue("DNS:qbittorrent.example")
    # filtering a reply, even to no effect, makes nginx send it in chunks
    http = https_site(other, free_port(), "server_name other.example;") + https_site(
        ours,
        qbittorrent.webui_port,
        "server_name qbittorrent.example; sub_filter_types *; sub_filter never-there never-there;",
    )
    proxy = peers.enter_context(Nginx(place / "nginx", nginx, http))
    port = free_port()
    port_file.write(port)
    env = trust(root, QSTICKY_TLS_SERVER_NAME="qbittorrent.example")
    qsticky = sidecar(qbittorrent, port=proxy.port, env=env)
    qsticky.wait_in_sync(port)
    cycles(proxy, 2)
    log = proxy.log()
    assert {(access.sni, access.site) for access in log} == {
        ("qbittorrent.example", "qbittorrent.example")
    }
    assert {access.protocol for access in log} == {"TLSv1.2"}
    assert {access.status for access in log} == {200, 403}
    preferences = [access for access in log if access.path.endswith("preferences")]
    assert all(access.chunked for access in preferences if access.status == 200)
    assert [access.path.rpartition("/")[2] for access in log if access.method == "POST"] == [
        "login",
        "setPreferences",
    ]
    # the login has a connection of its own; what follows in that cycle goes on with it
    after = [access for access in log if access.connection == log[1].connection]
    assert len(after) >= 4, "one connection for a cycle"
    assert not qsticky.troubles()
    assert qbittorrent.listen_port() == port


def test_a_stop_logs_out(
    pki: Pki,
    new_proxy: MakeProxy,
    qbittorrent: QBittorrent,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """If that is quick, which on a busy machine it may not be each time."""
    root = pki.root()
    proxy = new_proxy(root.issue("IP:127.0.0.1"), REMEMBERS)
    port_file.write(qbittorrent.listen_port())
    logouts: list[Access] = []
    for _ in range(5):
        seen = len(proxy.log())
        qsticky = sidecar(None, port=proxy.port, env=trust(root))
        qsticky.wait_health(state="in_sync")
        wait_until(lambda: handshakes(proxy, seen)[-1:] == [True], what="a resumed session")
        assert qsticky.stop() == 0
        logouts = [access for access in proxy.log() if access.path.endswith("logout")]
        if 200 in [access.status for access in logouts]:
            return
    raise AssertionError(f"no log-out: {logouts}")


def test_another_site_of_the_proxy_is_another_name(
    pki: Pki, new_proxy: MakeProxy, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    root = pki.root()
    proxy = new_proxy(root.issue("DNS:other.example"), "server_name other.example;")
    port_file.write(free_port())
    env = trust(root, QSTICKY_TLS_SERVER_NAME="qbittorrent.example")
    error = check_refused(sidecar(None, port=proxy.port, env=env), proxy, "another name than")
    assert "qbittorrent.example" in error and "other.example" in error


def test_an_address_is_not_sent_as_a_name(
    pki: Pki, new_proxy: MakeProxy, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """RFC 6066, section 3: SNI is for DNS names."""
    root = pki.root()
    proxy = new_proxy(root.issue("IP:127.0.0.1"))
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(None, port=proxy.port, env=trust(root))
    qsticky.wait_in_sync(port)
    assert {access.sni for access in accesses(proxy, 1)} == {"-"}


def test_a_site_that_tls_does_not_know(
    pki: Pki, new_proxy: MakeProxy, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    root = pki.root()
    reject = "server { listen 127.0.0.1:PORT ssl default_server; ssl_reject_handshake on; }"
    site = root.issue("DNS:other.example")
    proxy = new_proxy(site, "server_name other.example;", http=reject)
    port_file.write(free_port())
    env = trust(root, QSTICKY_TLS_SERVER_NAME="qbittorrent.example")
    check_refused(sidecar(None, port=proxy.port, env=env), proxy, "has no site named")


def test_the_login_page_of_a_proxy_is_not_given_the_password(
    pki: Pki, new_proxy: MakeProxy, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    root = pki.root()
    page = "location /api { return 302 https://login.example/?rd=secret; }"
    proxy = new_proxy(root.issue("IP:127.0.0.1"), page)
    port_file.write(free_port())
    qsticky = sidecar(None, port=proxy.port, env=trust(root))
    error = qsticky.wait_failed()["last_error"]
    assert "redirect" in error and "https://login.example:" in error and "secret" not in error
    assert {access.method for access in accesses(proxy, 1)} == {"GET"}


# -- sessions -------------------------------------------------------------------

def handshakes(proxy: Nginx, after: int = 0) -> list[bool]:
    """For each connection with a request: whether its session was resumed."""
    return list({access.connection: access.resumed for access in proxy.log()[after:]}.values())


def test_sessions_are_resumed_across_cycles(
    pki: Pki, new_proxy: MakeProxy, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    root = pki.root()
    proxy = new_proxy(root.issue("IP:127.0.0.1"), REMEMBERS)
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(None, port=proxy.port, env=trust(root))
    qsticky.wait_in_sync(port)
    wait_until(lambda: len(handshakes(proxy)) >= 5, what="five connections")
    first, *others = handshakes(proxy)
    assert not first and all(others)


@pytest.mark.parametrize("lines", ["ssl_session_cache off;", "ssl_session_cache none;"])
def test_a_server_without_sessions_is_no_trouble(
    lines: str, pki: Pki, new_proxy: MakeProxy, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    root = pki.root()
    proxy = new_proxy(root.issue("IP:127.0.0.1"), lines)
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(None, port=proxy.port, env=trust(root))
    qsticky.wait_in_sync(port)
    wait_until(lambda: len(handshakes(proxy)) >= 4, what="four connections")
    assert not any(handshakes(proxy))
    assert not qsticky.troubles()


def test_sessions_forgotten_by_the_server_are_made_anew(
    pki: Pki, new_proxy: MakeProxy, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    root = pki.root()
    proxy = new_proxy(root.issue("IP:127.0.0.1"), REMEMBERS)
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(None, port=proxy.port, env=trust(root))
    qsticky.wait_in_sync(port)
    wait_until(lambda: True in handshakes(proxy), what="a resumed session")
    seen = len(proxy.log())
    proxy.stop()
    proxy.start()
    wait_until(lambda: handshakes(proxy, seen)[-1:] == [True], what="another")
    assert handshakes(proxy, seen)[0] is False


@pytest.mark.parametrize("change", ["replaced", "written in place", "touched"])
def test_a_ca_file_that_changes_in_any_way_means_a_full_handshake(
    change: str,
    pki: Pki,
    new_proxy: MakeProxy,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    root = pki.root()
    ca_file = bundle(place / "ca.pem", root)
    proxy = new_proxy(root.issue("IP:127.0.0.1"), REMEMBERS)
    port = free_port()
    port_file.write(port)
    qsticky = sidecar(None, port=proxy.port, env=trust(ca_file))
    qsticky.wait_in_sync(port)
    wait_until(lambda: handshakes(proxy)[-1:] == [True], what="a resumed session")
    fulls = handshakes(proxy).count(False)
    if change == "replaced":
        os.rename(bundle(place / "ca.new", root), ca_file)
    elif change == "written in place":
        before = ca_file.stat()
        with ca_file.open("r+") as file:  # never empty on the way
            file.write(root.pem)
        os.utime(ca_file, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        ca_file.touch()
    wait_until(lambda: handshakes(proxy).count(False) == fulls + 1, what="a full handshake")
    wait_until(lambda: handshakes(proxy)[-1], what="a resumed session")
    assert handshakes(proxy).count(False) == fulls + 1
    assert not qsticky.troubles()


# -- chains ---------------------------------------------------------------------


def in_bundle(place: Path, *ours: Certificate) -> Path:
    """Debian's whole bundle, and ours at its end."""
    if not DEBIAN_BUNDLE.exists():
        missing("ca-certificates is not installed")
    path = place / "bundle.pem"
    path.write_text(DEBIAN_BUNDLE.read_text() + "".join(one.pem for one in ours))
    return path


@pytest.mark.parametrize(
    "case",
    [
        "root and intermediate in the file",
        "root in the file, intermediate sent",
        "root sent too",
        "intermediate alone in the file",
        "the leaf alone in the file",
        "three intermediates sent, RSA and EC mixed",
        "in Debian's bundle",
        "in Debian's bundle, leaf alone sent",
        "Windows line ends and text around",
    ],
)
def test_a_chain_is_trusted(
    case: str,
    pki: Pki,
    new_proxy: MakeProxy,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    root = pki.root(kind="RSA 2048")
    middle = root.issue(ca=True, subject="/CN=test intermediate")
    leaf = middle.issue("IP:127.0.0.1", kind="RSA 2048")
    ca_file, sent = root.path, leaf
    alone = pki.pair(leaf, leaf, root)
    if case == "root and intermediate in the file":
        ca_file, sent = bundle(place / "ca.pem", root, middle), alone
    elif case == "root sent too":
        sent = pki.pair(leaf, leaf, middle, root, root)
    elif case == "intermediate alone in the file":
        ca_file, sent = middle.path, alone
    elif case == "the leaf alone in the file":
        ca_file, sent = leaf.path, alone
    elif case == "three intermediates sent, RSA and EC mixed":
        low = middle.issue(ca=True, subject="/CN=lower", kind="RSA 2048")
        lowest = low.issue(ca=True, subject="/CN=lowest", kind="P-384")
        sent = lowest.issue("IP:127.0.0.1")
    elif case == "in Debian's bundle":
        ca_file = in_bundle(place, root)
    elif case == "in Debian's bundle, leaf alone sent":
        ca_file, sent = in_bundle(place, root, middle), alone
    elif case == "Windows line ends and text around":
        ca_file = place / "ca.pem"
        text = f"subject=/CN=none\nan explanation\n{root.pem}\nthe end, without a line end"
        ca_file.write_bytes(text.replace("\n", "\r\n").encode())
    proxy = new_proxy(sent)
    port = free_port()
    port_file.write(port)
    sidecar(None, port=proxy.port, env=trust(ca_file)).wait_in_sync(port)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("missing intermediate", "the server sends no intermediate"),
        ("missing intermediate, Debian's bundle", "the server sends no intermediate"),
        ("unknown root", "issuer is unknown"),
        ("another CA of the same name", "not the one that signed it"),
        ("an intermediate that is no CA", "may not issue certificates: it is not marked"),
        ("an expired intermediate", 'its issuer "CN=old", which the server sends, expired'),
        ("an expired root", "cert.pem expired on"),
        ("not for a server", "its certificate may not be used by a server"),
        ("an intermediate for mail only", '"CN=mail", which the server sends, may not vouch for a server'),
        ("an intermediate for some names only", "name constraints"),
        ("a root that signs no certificates", "cert.pem may not issue certificates (key usage"),
        ("a leaf in the CA file as issuer", "may not issue certificates: it is not marked as a CA"),
        ("a weak key", "weak RSA key"),
    ],
)
def test_a_chain_is_refused(
    case: str,
    words: str,
    pki: Pki,
    new_proxy: MakeProxy,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    root = pki.root()
    middle = root.issue(ca=True, subject="/CN=test intermediate")
    leaf = middle.issue("IP:127.0.0.1")
    ca_file, sent, lines = root.path, leaf, ()
    if case.startswith("missing intermediate"):
        sent = pki.pair(leaf, leaf, root)
        ca_file = in_bundle(place, root) if "Debian" in case else ca_file
    elif case == "unknown root":
        ca_file = pki.root(subject="/O=somebody else").path
    elif case == "another CA of the same name":
        ca_file = pki.root().path
    elif case == "an intermediate that is no CA":
        sent = root.issue("IP:127.0.0.1", subject="/CN=no CA").issue("IP:127.0.0.1")
    elif case == "an expired intermediate":
        old = root.issue(ca=True, subject="/CN=old", start=-7200, end=-3600)
        sent = old.issue("IP:127.0.0.1")
    elif case == "an expired root":
        old = pki.root(start=-7200, end=-3600)
        ca_file, sent = old.path, old.issue("IP:127.0.0.1")
    elif case == "not for a server":
        sent = root.issue("IP:127.0.0.1", extensions=["extendedKeyUsage=clientAuth"])
    elif case == "an intermediate for mail only":
        mail = ["extendedKeyUsage=emailProtection"]
        sent = root.issue(ca=True, subject="/CN=mail", extensions=mail).issue("IP:127.0.0.1")
    elif case == "an intermediate for some names only":
        some = ["nameConstraints=permitted;DNS:example.org"]
        sent = root.issue(ca=True, subject="/CN=some", extensions=some).issue("IP:127.0.0.1")
    elif case == "a root that signs no certificates":
        idle = pki.root(extensions=["keyUsage=critical,cRLSign"])
        ca_file, sent = idle.path, idle.issue("IP:127.0.0.1")
    elif case == "a leaf in the CA file as issuer":
        other = root.issue("DNS:other", subject="/CN=other")
        ca_file, sent = other.path, pki.pair(*[other.issue("IP:127.0.0.1")] * 2)
    elif case == "a weak key":
        sent = root.issue("IP:127.0.0.1", kind="RSA 1024")
        lines = ("ssl_ciphers DEFAULT:@SECLEVEL=0;",)
    proxy = new_proxy(sent, *lines)
    port_file.write(free_port())
    check_refused(sidecar(None, port=proxy.port, env=trust(ca_file)), proxy, words)


# -- names ----------------------------------------------------------------------

V4, V6 = "127.0.0.1", "[::1]"


@pytest.mark.parametrize(
    ("names", "host", "wanted", "right"),
    [
        (["DNS:*.example.com"], V4, "qb.example.com", True),
        (["DNS:*.example.com"], V4, "example.com", False),
        (["DNS:*.example.com"], V4, "a.qb.example.com", False),
        (["DNS:a.example.com", "DNS:qb.example.com"], V4, "QB.Example.COM", True),
        (["DNS:qb.example.com"], V4, "qb.example.com.", True),
        (["DNS:qb.example.com"], V4, "qb.example.com.evil.test", False),
        (["DNS:qb.example.com.evil.test"], V4, "qb.example.com", False),
        (["DNS:localhost"], "localhost", "", True),
        (["DNS:elsewhere"], "localhost", "", False),
        (["IP:127.0.0.1"], V4, "", True),
        (["DNS:x.example", "IP:192.0.2.1", "IP:127.0.0.1"], V4, "", True),
        (["IP:192.0.2.1"], V4, "", False),
        (["DNS:127.0.0.1"], V4, "", False),
        (["DNS:localhost"], V4, "", False),
        (["IP:192.0.2.10"], V4, "192.0.2.10", True),
        (["IP:::1"], V6, "", True),
        (["IP:::1"], "::1", "", True),
        (["IP:127.0.0.1"], V6, "", False),
        (["IP:2001:db8::1"], V6, "", False),
        (["IP:::ffff:127.0.0.1"], V4, "", False),
    ],
)
def test_a_name_or_an_address_must_be_in_the_certificate(
    names: list[str],
    host: str,
    wanted: str,
    right: bool,
    pki: Pki,
    new_proxy: MakeProxy,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    root = pki.root()
    proxy = new_proxy(root.issue(*names), listen=V6 if ":" in host else V4)
    port = free_port()
    port_file.write(port)
    env = trust(root, QSTICKY_TLS_SERVER_NAME=wanted, QSTICKY_QBITTORRENT_HOST=host)
    qsticky = sidecar(None, port=proxy.port, env=env)
    if right:
        qsticky.wait_in_sync(port)
    else:
        error = check_refused(qsticky, proxy, "another name than")
        assert (wanted or host.strip("[]")).rstrip(".") in error


def test_the_common_name_does_not_count_beside_other_names(
    pki: Pki, new_proxy: MakeProxy, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    root = pki.root()
    proxy = new_proxy(root.issue("DNS:other.example", subject="/CN=qb.example"))
    port_file.write(free_port())
    env = trust(root, QSTICKY_TLS_SERVER_NAME="qb.example")
    check_refused(sidecar(None, port=proxy.port, env=env), proxy, "another name than qb.example")


# -- where the CA file is -------------------------------------------------------


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_the_system_s_bundle_is_used_where_nothing_is_configured(
    user: str,
    root: None,
    pki: Pki,
    new_proxy: MakeProxy,
    place: Path,
    public_binary: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    ours = pki.root()
    proxy = new_proxy(ours.issue("IP:127.0.0.1"))
    (place / "certs").mkdir()
    shutil.move(in_bundle(place, ours), place / "certs" / DEBIAN_BUNDLE.name)
    port = free_port()
    port_file.write(port)
    (place / "health").mkdir()
    (place / "health").chmod(0o777)
    wrapper = ["unshare", "--mount", sys.executable, "-c", WITH_OTHER_DEFAULT_CAS]
    qsticky = sidecar(
        None,
        port=proxy.port,
        program=public_binary,
        env={"QSTICKY_USE_HTTPS": "true"},
        health_file=place / "health" / "status.json",
        wrapper=[*wrapper, str(place / "certs"), *(AS_NOBODY if user == "nobody" else ())],
    )
    qsticky.wait_in_sync(port)

"""Names: qsticky asks name servers itself (src/net/resolve.c). Here it does so beside a scripted name
server, and beside a real one, dnsmasq, where it finds what glibc finds. (One that dies and comes back
is in test_hostile_world.)

Each test is in a network of its own, with an /etc of its own."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from conftest import BINARIES, MakeSidecar, missing
from faulty_server import FaultyServer
from harness import PortFile, wait_until, with_mounted
from name_server import NameServer
from namespace import Namespace

NAME = "qbittorrent.example"


@pytest.fixture
def etc(place: Path) -> Path:
    """What is /etc for those who have it mounted there."""
    path = place / "etc"
    path.mkdir()
    (path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (path / "hosts").write_text("127.0.0.1 localhost\n")
    (path / "nsswitch.conf").write_text("hosts: files dns\n")  # glibc's
    return path


@pytest.mark.parametrize("binary", ["musl"], indirect=True)
def test_a_resolv_conf_that_was_replaced_is_named(
    namespace: Namespace,
    peers: ExitStack,
    new_fake: Callable[..., FaultyServer],
    etc: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """As by a DHCP client on a machine without containers. Landlock knows the old one only; the other
    build may read all."""
    fake = new_fake(host="127.0.0.1").start()
    server = peers.enter_context(NameServer({NAME: ["127.0.0.1"]}))
    port_file.write(41000)
    env = {"QSTICKY_QBITTORRENT_HOST": NAME, "LOG_LEVEL": "DEBUG"}
    qsticky = sidecar(fake, env=env, wrapper=with_mounted(etc, "/etc"))
    qsticky.wait_in_sync(41000)
    if any("no Landlock" in line for line in qsticky.lines("DEBUG")):
        missing("this kernel has no Landlock")

    server.stop()
    (etc / "new").write_text("nameserver 127.0.0.2\n")
    (etc / "new").rename(etc / "resolv.conf")
    port_file.write(41001)
    error = wait_until(
        lambda: "resolv.conf" in str((qsticky.health() or {}).get("last_error")),
        what="the failed lookup",
    )
    assert error
    assert qsticky.health()["last_error"].endswith(
        "cannot read /etc/resolv.conf (if it was replaced, restart qsticky): Permission denied"
    )

    # the server of this machine is asked instead, as C libraries do
    server.start()
    qsticky.wait_in_sync(41001)


def test_an_address_that_does_not_answer_is_followed_by_the_next(
    namespace: Namespace,
    peers: ExitStack,
    new_fake: Callable[..., FaultyServer],
    etc: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """IPv4 is tried before IPv6, whatever the order; here qBittorrent is at neither IPv4 address."""
    fake = new_fake(host="::1").start()
    peers.enter_context(NameServer({NAME: ["::1", "127.0.0.9", "127.0.0.8"]}))
    port_file.write(41000)
    qsticky = sidecar(fake, env={"QSTICKY_QBITTORRENT_HOST": NAME}, wrapper=with_mounted(etc, "/etc"))
    qsticky.wait_in_sync(41000)
    assert fake.listen_port == 41000


# -- a real name server ------------------------------------------------------------

RECORDS = (
    "--host-record=both.example,127.0.0.1,::1",
    "--host-record=four.example,127.0.0.1",
    "--host-record=four.example,127.0.0.2",
    "--host-record=four.example,127.0.0.3",
    "--host-record=six.example,fd00::6",
    "--host-record=six.example,fd00::7",
    "--host-record=UPPER.example,127.0.0.4",
    "--host-record=under_score.example,127.0.0.5",
    f"--host-record={'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 50}.example,127.0.0.6",
    "--cname=alias.example,both.example",
    "--cname=alias-of-alias.example,alias.example",
    "--cname=alias-of-six.example,six.example",
    "--host-record=nas.lan,127.0.0.7",
    "--host-record=plain,127.0.0.8",
    "--txt-record=text.example,no address",
    *(f"--host-record=many.example,10.0.0.{i}" for i in range(1, 17)),
    *(f"--host-record=too-many.example,10.0.{i}.1" for i in range(1, 65)),
)
NAMES = (
    "both.example",
    "four.example",
    "six.example",
    "six.example.",
    "upper.EXAMPLE",
    "under_score.example",
    f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 50}.example",
    f"{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 50}.exampl",
    "alias.example",
    "alias-of-alias.example",
    "alias-of-six.example",
    "text.example",
    "none.example",
    "four",
    "nas",
    "nas.",
    "nas.lan",
    "plain",
    "none",
    "many.example",
    "in-hosts",
    "IN-HOSTS.example",
    "in-hosts.example.",
    "six-in-hosts",
    "127.0.0.77",
    "fd00::77",
)
GETADDRINFO = """
import json, socket, sys
def find(name):
    try:
        return sorted({i[4][0] for i in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)})
    except OSError:
        return []
print(json.dumps({name: find(name) for name in sys.argv[1:]}))
"""


@pytest.fixture
def dnsmasq(namespace: Namespace) -> Iterator[None]:
    path = shutil.which("dnsmasq", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if path is None:
        missing("dnsmasq is not installed")
    options = ("--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--user=root", "--pid-file=")
    listen = ("--listen-address=127.0.0.1", "--bind-interfaces", "--no-daemon")
    own = ("--local=/example/lan/exampl/", "--domain-needed")
    process = subprocess.Popen(
        [path, *options, *listen, *own, *RECORDS],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(_answers, what="dnsmasq to answer")
        yield
    finally:
        process.kill()
        process.wait()


def _answers() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(("127.0.0.1", 53))
            probe.send(b"\0\1\1\0\0\1\0\0\0\0\0\0\4none\7example\0\0\1\0\1")
            return bool(probe.recv(512))
        except OSError:
            return False


def test_dnsmasq_knows_where_qbittorrent_is(
    dnsmasq: None,
    new_fake: Callable[..., FaultyServer],
    etc: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """By an alias of an alias of a name with addresses of both kinds, the first of which refuses."""
    fake = new_fake(host="::1").start()
    port_file.write(41000)
    host = {"QSTICKY_QBITTORRENT_HOST": "alias-of-alias.example"}
    qsticky = sidecar(fake, env=host, wrapper=with_mounted(etc, "/etc"))
    qsticky.wait_in_sync(41000)


def found_by_qsticky(names: Sequence[str], etc: Path, place: Path) -> dict[str, list[str]]:
    """What `qsticky check` says of each; all at once, since it waits for what it cannot reach."""
    if not BINARIES["musl"].exists():
        missing("build/qsticky is not built")
    env = {
        "QSTICKY_QBITTORRENT_PASS": "x",
        "QSTICKY_VPN_INTERFACE": "none",
        "QSTICKY_PORT_FILE_PATH": str(place / "forwarded_port"),
        "HEALTH_FILE": str(place / "status.json"),
    }
    running = {
        name: subprocess.Popen(
            [*with_mounted(etc, "/etc"), BINARIES["musl"], "check"],
            env=env | {"QSTICKY_QBITTORRENT_HOST": name},
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in names
    }
    return {name: _told(name, process) for name, process in running.items()}


def _told(name: str, process: subprocess.Popen[str]) -> list[str]:
    output, _ = process.communicate(timeout=60)
    (line,) = re.findall(r"^(?:ok|FAIL) +name +(.*)$", output, re.M)
    if "cannot look up the name" in line:
        return []
    addresses = line.removeprefix(f"{name} is ").split()
    families = [ipaddress.ip_address(address).version for address in addresses]
    assert families == sorted(families), f"not IPv4 first: {line}"
    return sorted(str(ipaddress.ip_address(address)) for address in addresses)


@pytest.mark.parametrize(
    "resolv_conf",
    [
        "nameserver 127.0.0.1\nsearch example lan\n",
        "search lan example\nnameserver 127.0.0.1\noptions ndots:5\n",
        # as in a container of Docker's
        "nameserver 127.0.0.1\nsearch lan example\noptions edns0 trust-ad ndots:0\n",
        # the first one refuses
        "nameserver 127.0.0.2\nnameserver 127.0.0.1\nsearch .\n",
    ],
    ids=["ndots 1", "ndots 5", "ndots 0", "no search"],
)
def test_it_finds_what_glibc_finds(
    resolv_conf: str, dnsmasq: None, etc: Path, place: Path
) -> None:
    (etc / "resolv.conf").write_text(resolv_conf)
    (etc / "hosts").write_text(
        "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 in-hosts.example in-hosts # both\n"
        "fd00::1 six-in-hosts\n127.0.1.2 other\n"
    )
    glibc = json.loads(
        subprocess.run(
            [*with_mounted(etc, "/etc"), sys.executable, "-I", "-c", GETADDRINFO, *NAMES],
            capture_output=True,
            check=True,
        ).stdout
    )
    ours = found_by_qsticky(NAMES, etc, place)
    assert ours == glibc
    assert sum(map(bool, ours.values())) >= 17  # and that is not because there is nothing


def dnsmasq_version() -> tuple[int, ...]:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
    told = subprocess.run(
        ["dnsmasq", "--version"],
        env={"PATH": path},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(map(int, told.split()[2].split(".")[:2]))


def test_of_more_addresses_than_fit_it_takes_some(dnsmasq: None, etc: Path, place: Path) -> None:
    """The rest would be to be had over TCP; one of those that fit will do."""
    (found,) = found_by_qsticky(["too-many.example"], etc, place).values()
    # From 2.91 on, dnsmasq sends none where not all fit.
    assert len(found) == (16 if dnsmasq_version() < (2, 91) else 0)
    assert all(re.fullmatch(r"10\.0\.\d+\.1", address) for address in found)

"""Preferences of any size: a long list of banned addresses. They are read as they come, and memory does
not grow with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from certificates import Pki
from conftest import MakeSidecar
from faults import padded
from faulty_server import PREFERENCES, FaultyServer
from harness import PortFile, QBittorrent, free_port, memory_kib
from tls_peers import Nginx, https_site

MIB = 1024 * 1024
# A page or two, and what the kernel has not counted yet.
NOTHING_KIB = 256


def peak_kib(pid: int) -> int:
    return int(re.search(r"^VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)[1])


def banned(count: int) -> str:
    """So many addresses, all different."""
    return "\n".join(f"{1 + i % 200}.{i // 200 % 250}.{i // 50_000}.1" for i in range(count))


@pytest.mark.parametrize("binary", ["musl"], indirect=True)  # the sanitizers have memory of their own
def test_memory_does_not_grow_with_the_preferences(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(41000)
    peak, asleep = peak_kib(qsticky.pid), memory_kib(qsticky.pid)
    fake.fault(PREFERENCES, padded(63 * MIB))
    port_file.write(42000)
    qsticky.wait_in_sync(42000)
    assert fake.listen_port == 42000
    assert peak_kib(qsticky.pid) <= peak + NOTHING_KIB
    assert memory_kib(qsticky.pid) <= asleep + NOTHING_KIB
    assert not qsticky.troubles()


# 1 MiB, and 15 million bytes.
@pytest.mark.parametrize("count", [100_000, 1_200_000])
def test_a_real_qbittorrent_with_a_long_list_behind_a_proxy_that_sends_chunks(
    count: int,
    pki: Pki,
    nginx: str,
    new_qbittorrent: Callable[..., QBittorrent],
    place: Path,
    peers: ExitStack,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    qbittorrent = new_qbittorrent().start()
    qbittorrent.set_preferences({"banned_IPs": banned(count)})
    size = len(qbittorrent.api("GET", "app/preferences"))
    assert size > MIB and size > 10 * count
    root = pki.root()
    ours = root.issue("DNS:localhost")
    site = https_site(ours, qbittorrent.webui_port, "sub_filter_types *; sub_filter never never;")
    proxy = peers.enter_context(Nginx(place / "nginx", nginx, site))
    port = free_port()
    port_file.write(port)
    trust = {
        "QSTICKY_USE_HTTPS": "true",
        "QSTICKY_TLS_CA_FILE": str(root.path),
        "QSTICKY_TLS_SERVER_NAME": "localhost",
    }
    qsticky = sidecar(qbittorrent, port=proxy.port, env=trust, interval=3600)
    qsticky.wait_in_sync(port)
    read = [one for one in proxy.log() if one.path.endswith("preferences") and one.status == 200]
    assert any(access.chunked for access in read)
    assert qbittorrent.listen_port() == port
    assert not qsticky.troubles()

"""Point 11: months, in a minute. What is used after 2,000 port changes and 200 restarts of
qBittorrent is what was used after the first ten."""

from __future__ import annotations

import os
import re
from pathlib import Path

from conftest import MakeSidecar
from faulty_server import LOGIN, FaultyServer
from harness import PortFile, during_sleep, memory_kib, wait_until

CHANGES = 2000
RESTARTS = 200


def descriptors(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    return sorted(re.sub(r"\d+", "N", os.readlink(link)) for link in folder.iterdir())


def resident_kib_asleep(pid: int) -> int:
    return during_sleep(pid, lambda: memory_kib(pid))


def test_thousands_of_changes_and_hundreds_of_restarts_leave_nothing_behind(
    fake: FaultyServer, binary: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    qsticky = sidecar(fake, interval=3600, log_level="INFO")
    qsticky.wait_health(state="waiting_for_port")
    after_ten = None
    for change in range(1, CHANGES + 1):
        port = 40000 + change  # above those that servers of the tests have
        if change % (CHANGES // RESTARTS) == 0:
            fake.restart(listen_port=6881)
        if change % 2:
            port_file.write(port)
        else:
            port_file.rename_over(f"{port}\n")
        qsticky.wait_in_sync(port)
        assert fake.listen_port == port
        if change in (10, CHANGES):
            wait_until(lambda: fake.open_connections == 0, what="the cycle's end")
            usage = (descriptors(qsticky.pid), resident_kib_asleep(qsticky.pid))
            after_ten = after_ten or usage
    assert usage[0] == after_ten[0]
    if binary.parent.name != "asan":  # whose allocator keeps what was freed
        assert usage[1] == after_ten[1]
    assert all("log lines" in line for line in qsticky.troubles())  # there were too many
    assert fake.count(LOGIN) == 1 + RESTARTS

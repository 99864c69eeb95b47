"""Gluetun owns the network that the other two live in: what happens to them when it goes away."""

from __future__ import annotations

import json
import time

import pytest

from conftest import NewStack
from stack import FILES, TWO_FILE

pytestmark = [pytest.mark.xdist_group("docker 2"), pytest.mark.timeout(300)]


@pytest.mark.parametrize("file", FILES)
def test_gluetun_is_restarted_or_made_anew_by_compose(file: str, new_stack: NewStack) -> None:
    """Which takes along what shares its network: that is what `restart: true` is for."""
    stack = new_stack(file)
    stack.up()
    stack.wait_settled()
    old = stack.forwarded()
    stack.compose("restart", "--timeout=5", "gluetun")
    stack.wait_settled()
    assert stack.forwarded() != old

    first = stack.engine.inspect("gluetun")["Id"]
    stack.compose("up", "--detach", "--force-recreate", "--timeout=5", "gluetun")
    stack.compose("up", "--detach")
    assert stack.engine.inspect("gluetun")["Id"] != first
    stack.wait_settled()


def test_qsticky_ends_with_three_where_gluetun_came_back_without_it(new_stack: NewStack) -> None:
    """Gluetun crashed; the engine restarted it, in a network where the other two are not."""
    stack = new_stack("compose.yaml")
    stack.up()
    stack.wait_settled()
    since = time.time()
    stack.kill("gluetun")
    stack.wait(
        lambda: stack.engine.inspect("qsticky")["RestartCount"] > 0, "qsticky to be restarted", 60
    )
    assert stack.engine.exit_codes("qsticky", since) == [3]
    assert "is its old network" in "\n".join(stack.engine.logs("qsticky"))
    # Now it is where Gluetun is; qBittorrent is not.
    stack.wait_judged_unhealthy("connection refused")
    assert not stack.is_open()
    stack.engine.docker("restart", "--time=5", "qbittorrent")
    stack.wait_settled()


def test_a_reconnect_with_the_same_port_leaves_it_open(new_stack: NewStack) -> None:
    """The tunnel's device is deleted and made again: qBittorrent's socket on it is dead."""
    stack = new_stack("compose.yaml")
    stack.up()
    stack.wait_settled()
    port = stack.forwarded()
    with stack.watch():
        stack.gluetun("reconnect", str(port))
        stack.wait_settled()
    assert stack.forwarded() == port


SHUTDOWN = """
services:
  qsticky:
    environment:
      QSTICKY_ORPHAN_SHUTDOWN: "true"
"""


def test_qbittorrent_follows_into_gluetuns_new_network_by_its_restart_policy(
    new_stack: NewStack,
) -> None:
    """The real qBittorrent is the first process of its container, and Gluetun crashed."""
    stack = new_stack("compose.yaml")
    (stack.directory / "shutdown.yaml").write_text(SHUTDOWN)
    stack.files.append("shutdown.yaml")
    stack.up()
    stack.wait_settled()
    old, since = stack.forwarded(), time.time()
    stack.kill("gluetun")
    stack.wait(
        lambda: stack.engine.inspect("qsticky")["RestartCount"] > 0, "qsticky to be restarted", 60
    )
    # At once: the engine remembers no more than its last 256 events.
    assert stack.engine.exit_codes("qsticky", since) == [3]
    stack.wait(lambda: stack.engine.exit_codes("qbittorrent", since) == [0], "qBittorrent to end well")
    stack.wait_settled(60)
    assert stack.forwarded() != old


def test_two_qbittorrents_in_one_network_have_a_port_each(new_stack: NewStack) -> None:
    """Also after one of the two has become the other's."""
    stack = new_stack(TWO_FILE)

    def wait_each(*ports: int) -> None:
        def each() -> bool:
            lines = [stack.judge(name)[1] for name in ("qsticky", "qsticky2")]
            wanted = [f"healthy: port {port}," for port in ports]
            return all(line.startswith(start) for line, start in zip(lines, wanted))

        stack.wait(each, f"each to have its own of {ports}")

    stack.up()
    stack.wait(stack.is_open, "the first port")
    status = stack.engine.docker("exec", "qsticky", "/qsticky", "status", "--json").stdout
    first, second = json.loads(status)["forwarded_ports"]
    assert first < second
    wait_each(first, second)
    others = [second, min(second + 7, 65535)]
    stack.gluetun("port", *map(str, others))
    wait_each(*others)
    stack.wait(stack.is_open, "the port that has moved")

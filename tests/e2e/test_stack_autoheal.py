"""Gluetun comes back without the other two, and nobody is there to restart them but a healer: the example
for the linuxserver image, as it stands."""

from __future__ import annotations

import time

import pytest

from conftest import NewStack
from stack import HEALER_FILE

pytestmark = [pytest.mark.xdist_group("docker 2"), pytest.mark.timeout(300)]


def test_a_healer_moves_qbittorrent_into_gluetuns_new_network(new_stack: NewStack) -> None:
    stack = new_stack(HEALER_FILE)
    stack.up()
    stack.wait_settled()
    old, since = stack.forwarded(), time.time()
    stack.kill("gluetun")
    stack.wait(
        lambda: stack.engine.inspect("qsticky")["RestartCount"] > 0, "qsticky to be restarted", 60
    )
    stack.wait_settled(90)
    assert stack.forwarded() != old
    assert "Container /qbittorrent found" in "\n".join(stack.engine.logs("autoheal"))
    assert "restart" in [action for action, _ in stack.engine.events("qbittorrent", since)]
    # qsticky has left by itself. It was unhealthy until then, and the healer let it be.
    actions = [action for action, _ in stack.engine.events("qsticky", since)]
    assert "health_status: unhealthy" in actions and "restart" not in actions
    assert stack.engine.exit_codes("qsticky", since) == [3]

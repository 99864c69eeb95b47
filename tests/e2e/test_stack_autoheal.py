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
    # The engine remembers no more than its last 256 events, and each health check is three: so they are
    # collected on the way.
    seen: dict[str, set[str]] = {"qbittorrent": set(), "qsticky": set()}

    def did(name: str, action: str) -> bool:
        for each, actions in seen.items():
            actions.update(action for action, _ in stack.engine.events(each, since))
        return action in seen[name]

    stack.kill("gluetun")
    stack.wait(lambda: did("qsticky", "die"), "qsticky to leave", 60)
    # qsticky has left by itself. It was unhealthy until then, and the healer let it be.
    assert stack.engine.exit_codes("qsticky", since) == [3]
    stack.wait(lambda: did("qbittorrent", "restart"), "the healer to restart qBittorrent", 90)
    stack.wait_settled(90)
    assert stack.forwarded() != old
    assert "Container /qbittorrent found" in "\n".join(stack.engine.logs("autoheal"))
    assert "health_status: unhealthy" in seen["qsticky"] and "restart" not in seen["qsticky"]

"""The compose files of README.md as they stand, in a real Docker engine: every start order, every
way to lose one of the three containers, and whether health told the truth meanwhile."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import Engine
from stack import PASSWORD, Stack

pytestmark = [pytest.mark.xdist_group("stack"), pytest.mark.timeout(300)]

FILES = ["compose.yaml", "compose.bridge.yaml"]
THREE = ("gluetun", "qbittorrent", "qsticky")

NewStack = Callable[[str], Stack]


@pytest.fixture
def new_stack(stack_images: Engine, place: Path) -> Iterator[NewStack]:
    """Makes the stack of one of the files; nothing of it is started yet."""
    made: list[Stack] = []

    def make(file: str) -> Stack:
        made.append(Stack(stack_images, place / "stack", file))
        return made[-1]

    yield make
    for stack in made:
        stack.down()


@pytest.mark.parametrize("file", FILES)
def test_the_stack_syncs_and_is_healthy(file: str, new_stack: NewStack) -> None:
    stack = new_stack(file)
    stack.up()
    stack.wait_settled()
    assert stack.engine.state("after")["Running"]

    before = stack.forwarded()
    with stack.watch():
        stack.gluetun("port", str(before + 1))
        stack.wait_settled()
    assert stack.forwarded() == before + 1

    stack.gluetun("port", "0")
    assert "no forwarded port" in stack.wait_unhealthy()
    stack.gluetun("port", str(before + 2))
    stack.wait_settled()


def test_what_depends_on_qsticky_starts_when_it_is_healthy(new_stack: NewStack) -> None:
    """And the password is corrected in its file meanwhile."""
    stack = new_stack("compose.yaml")
    secret = stack.directory / "qbittorrent_pass.txt"
    secret.write_text("battery staple\n")
    up = threading.Thread(target=stack.up)
    up.start()
    try:
        stack.wait(
            lambda: stack.engine.exists("qsticky")
            and stack.engine.state("qsticky")["Running"]
            and "rejected" in stack.judge()[1],
            "the login to be rejected",
        )
        assert stack.engine.health("qsticky") != "healthy"
        assert stack.engine.state("after")["Status"] == "created"
    finally:
        secret.write_text(PASSWORD)  # in place: a single file is mounted
        up.join()
    assert stack.engine.state("after")["Running"]
    stack.wait_settled()
    log = "\n".join(stack.engine.logs("qsticky"))
    assert PASSWORD not in log and "staple" not in log


@pytest.mark.parametrize("file", FILES)
def test_the_three_start_in_any_order(file: str, new_stack: NewStack) -> None:
    stack = new_stack(file)
    stack.compose("create")
    for order in itertools.permutations(THREE):
        refused = []
        for name in order:
            joins = stack.engine.inspect(name)["HostConfig"]["NetworkMode"].startswith("container:")
            early = joins and "gluetun" not in order[: order.index(name)]
            done = stack.engine.docker("start", name, check=False)
            assert (done.returncode != 0) == early, f"{order}, {name}: {done.stderr}"
            if early:  # by the engine: there is no network to join yet
                assert "network" in done.stderr, done.stderr
                refused.append(name)
        if refused:
            stack.engine.docker("start", *refused)
        stack.wait_settled()
        stack.engine.docker("kill", *THREE)


@pytest.mark.parametrize("name", ["qbittorrent", "qsticky"])
def test_one_is_lost_and_comes_back(name: str, new_stack: NewStack) -> None:
    stack = new_stack("compose.yaml")
    stack.up()
    stack.wait_settled()
    first = stack.engine.inspect(name)
    with stack.watch():
        stack.kill(name)
        stack.wait(
            lambda: stack.engine.inspect(name)["RestartCount"] > first["RestartCount"],
            "the engine to restart it",
        )
        stack.wait_settled()

        stack.engine.docker("restart", "--time=5", name)
        stack.wait_settled()

        stack.compose("up", "--detach", "--force-recreate", "--no-deps", "--timeout=5", name)
        assert stack.engine.inspect(name)["Id"] != first["Id"]
        stack.wait_settled()


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
    assert "connection refused" in stack.wait_unhealthy()
    assert not stack.is_open()
    stack.engine.docker("restart", "--time=5", "qbittorrent")
    stack.wait_settled()


def test_a_reconnect_with_the_same_port_leaves_it_open(new_stack: NewStack) -> None:
    """The tunnel's device is deleted and made anew: qBittorrent's socket on it is dead."""
    stack = new_stack("compose.yaml")
    stack.up()
    stack.wait_settled()
    port = stack.forwarded()
    with stack.watch():
        stack.gluetun("reconnect", str(port))
        stack.wait_settled()
    assert stack.forwarded() == port

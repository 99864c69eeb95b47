"""The compose files of examples/ as they stand, in a real Docker engine: every start order, the
loss of qBittorrent and of qsticky, and whether health told the truth meanwhile."""

from __future__ import annotations

import itertools
import threading

import pytest

from conftest import NewStack
from stack import FILES, PASSWORD

pytestmark = [pytest.mark.xdist_group("docker 1"), pytest.mark.timeout(300)]

THREE = ("gluetun", "qbittorrent", "qsticky")


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
    stack.wait_judged_unhealthy("Gluetun has had no port since")
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

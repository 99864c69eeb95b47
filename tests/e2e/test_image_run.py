"""qsticky's image under every switch that people harden containers with."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import Engine
from harness import PATIENCE, VERSION, PortFile, wait_until
from stack import PASSWORD, QBITTORRENT, QSTICKY, write_qbittorrent_config

pytestmark = [pytest.mark.xdist_group("docker 2"), pytest.mark.timeout(300)]

PORT = 41000
# For all users: a tmpfs belongs to root else.
HEALTH = "--tmpfs=/app/health:mode=1777,size=64k"

Run = Callable[..., str]


class Pair:
    """A qBittorrent in a container, the port file beside it, and qsticky joining them."""

    def __init__(self, engine: Engine, directory: Path, name: str) -> None:
        self.engine = engine
        self.name = name
        self.port_file = PortFile(directory / "gluetun" / "forwarded_port")
        self.port_file.path.parent.chmod(0o755)
        self.port_file.write(PORT)
        config = directory / "config"
        write_qbittorrent_config(config)
        volume = f"--volume={config}:/config"
        self.engine.docker("run", "--detach", f"--name={name}", volume, QBITTORRENT)

    def run(self, *flags: str, interval: int = 1, env: dict[str, str] | None = None) -> str:
        """Starts qsticky with these flags; returns the container's name."""
        name = f"{self.name}-qsticky"
        variables = {
            "QSTICKY_QBITTORRENT_PASS": PASSWORD,
            "QSTICKY_CHECK_INTERVAL": str(interval),
            "QSTICKY_VPN_INTERFACE": "none",
        } | (env or {})
        if not any("--network" in flag for flag in flags):
            flags = (f"--network=container:{self.name}", *flags)
        self.engine.docker("rm", "--force", name, check=False)
        if "--no-healthcheck" not in flags:
            # In the start period it would not become unhealthy.
            flags = ("--health-interval=1s", "--health-start-period=1s", *flags)
        self.engine.docker(
            *("run", "--detach", f"--name={name}"),
            f"--volume={self.port_file.path.parent}:/tmp/gluetun:ro",
            *(f"--env={key}={value}" for key, value in variables.items()),
            *(*flags, QSTICKY),
        )
        return name

    def judge(self) -> tuple[int, str]:
        command = ("exec", f"{self.name}-qsticky", "/qsticky", "healthcheck")
        done = self.engine.docker(*command, check=False)
        return done.returncode, (done.stdout + done.stderr).strip()

    def wait_judged(self, healthy: bool, timeout: float = 2 * PATIENCE) -> str:
        def judged() -> str:
            code, line = self.judge()
            if (code == 0) == healthy:
                return line
            time.sleep(0.05)
            return ""

        try:
            return wait_until(judged, timeout, "healthy" if healthy else "unhealthy")
        except AssertionError as error:
            log = "\n".join(self.engine.logs(f"{self.name}-qsticky")[-20:])
            raise AssertionError(f"{error}: {self.judge()}\n{log}") from None

    def connections(self) -> int:
        """How many qBittorrent has been asked for: each cycle has one."""
        script = (
            "lines = [l.split() for l in open('/proc/net/snmp') if l.startswith('Tcp:')];"
            "print(dict(zip(*lines))['PassiveOpens'])"
        )
        return int(self.engine.docker("exec", self.name, "python3", "-c", script).stdout)


@pytest.fixture(scope="module")
def quiet(stack_images: Engine, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Left alone from the first of these tests to the last, which looks at its log."""
    pair = Pair(stack_images, tmp_path_factory.mktemp("quiet"), "quiet")
    pair.run()
    return pair


@pytest.fixture(scope="module")
def pair(stack_images: Engine, quiet: Pair, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(stack_images, tmp_path_factory.mktemp("pair"), "pair")


@pytest.fixture(autouse=True)
def _clean(pair: Pair) -> Iterator[None]:
    pair.port_file.write(PORT)
    yield
    pair.engine.docker("rm", "--force", "pair-qsticky", check=False)


FLAGS = {
    "nothing": [],
    "another user": ["--user=12345:6789"],
    "root": ["--user=0"],
    "read-only": ["--read-only", HEALTH],
    "no capabilities": ["--cap-drop=ALL"],
    "no capabilities, root": ["--cap-drop=ALL", "--user=0"],
    "no new privileges": ["--security-opt=no-new-privileges"],
    "little memory": ["--memory=8m", "--memory-swap=8m"],
    "few processes": ["--pids-limit=16"],
    "no descriptors to waste": ["--ulimit=nofile=16"],
    "beside an init": ["--init"],
    "all of it": [
        *("--user=12345:6789", "--read-only", HEALTH, "--cap-drop=ALL", "--memory=8m"),
        *("--memory-swap=8m", "--security-opt=no-new-privileges", "--pids-limit=16"),
    ],
}


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS.keys())
def test_it_works_with(flags: list[str], pair: Pair) -> None:
    name = pair.run(*flags)
    line = pair.wait_judged(True)
    assert line.startswith(f"healthy: port {PORT},"), line
    pair.engine.wait_health(name, "healthy")
    state = pair.engine.state(name)
    assert state["Running"] and not state["OOMKilled"]
    for line in pair.engine.logs(name):
        assert " WARN " not in line and " ERROR " not in line, line
    if "--init" in flags:
        return  # then another one is the first process
    pair.engine.docker("exec", name, "/qsticky", "reload")
    pair.engine.wait_log(name, "SIGHUP: checking now")


def test_it_never_needs_a_second_process(pair: Pair) -> None:
    """The limit is lowered later, and nothing is executed in there: the engine's own helper counts, too."""
    name = pair.run("--no-healthcheck")
    pair.engine.wait_log(name, f"in sync: port {PORT}")
    pair.engine.docker("update", "--pids-limit=1", name)
    pair.port_file.write(PORT + 1)
    pair.engine.wait_log(name, f"in sync: port {PORT + 1}")
    pair.engine.docker("kill", "--signal=HUP", name)
    pair.engine.wait_log(name, "SIGHUP: checking now")
    assert pair.engine.state(name)["Running"]


def test_docker_does_not_keep_it_from_giving_up_more(pair: Pair) -> None:
    name = pair.run("--cap-drop=ALL", "--security-opt=no-new-privileges")
    pair.wait_judged(True)
    said = pair.engine.docker("exec", name, "/qsticky", "check", check=False).stdout
    # Landlock is not in every kernel.
    assert re.search(r"sandbox +seccomp, (no Landlock|Landlock ABI \d+), no capabilities", said), said


def test_without_a_network_it_says_so_and_lives(pair: Pair) -> None:
    name = pair.run("--network=none")
    line = pair.wait_judged(False)
    assert "localhost:8080: connection refused" in line, line
    pair.engine.wait_health(name, "unhealthy")
    assert pair.engine.state(name)["Running"]
    (trouble,) = [line for line in pair.engine.logs(name) if " INFO " not in line]
    assert "connection refused" in trouble


@pytest.mark.parametrize("kind", ["nothing writable", "a volume of others"])
def test_without_a_place_for_its_health_it_works_and_is_unhealthy(
    kind: str, pair: Pair, place: Path
) -> None:
    place.chmod(0o755)
    of_root = [f"--volume={place}:/app/health", "--user=12345:6789"]
    name = pair.run(*(["--read-only"] if kind == "nothing writable" else of_root))
    pair.engine.wait_health(name, "unhealthy")
    pair.wait_judged(False)
    pair.engine.wait_log(name, f"in sync: port {PORT}")  # all the same
    assert pair.engine.state(name)["Running"]
    (trouble,) = [line for line in pair.engine.logs(name) if " ERROR " in line]
    assert "/app/health" in trouble


def test_it_stops_at_once(pair: Pair) -> None:
    """By the engine's clock, from the signal to the end. The best of five: the machine is busy
    with other tests."""
    took = []
    for _ in range(5):
        since = time.time() - 1
        name = pair.run()
        pair.wait_judged(True)
        pair.engine.docker("stop", name)
        assert pair.engine.state(name)["ExitCode"] == 0
        events = dict(pair.engine.events(name, since))
        took.append(events["die"] - events["kill"])
    print(f"from kill to die: {min(took) * 1000:.0f} ms at best, {max(took) * 1000:.0f} at worst")
    assert min(took) < 0.2, took


def test_it_is_unhealthy_within_three_intervals_of_the_death_of_qbittorrent(pair: Pair) -> None:
    interval = 5
    name = pair.run(interval=interval)
    pair.wait_judged(True)
    start = time.monotonic()
    pair.engine.docker("kill", pair.name)
    line = pair.wait_judged(False)
    assert time.monotonic() - start < 3 * interval
    assert "connection refused" in line
    pair.engine.wait_health(name, "unhealthy")
    # Its namespace is a new one: whoever shares it is started again, too.
    pair.engine.docker("start", pair.name)
    pair.engine.docker("restart", name)
    pair.wait_judged(True)
    pair.engine.wait_health(name, "healthy")


def test_it_is_unhealthy_when_there_is_no_port_for_too_long(pair: Pair) -> None:
    name = pair.run(env={"QSTICKY_NO_PORT_GRACE": "3"})
    pair.wait_judged(True)
    pair.engine.wait_health(name, "healthy")
    pair.port_file.clear()
    assert "Gluetun has had no port since" in pair.wait_judged(False)
    pair.engine.wait_health(name, "unhealthy")
    pair.port_file.write(PORT)
    pair.wait_judged(True)
    pair.engine.wait_health(name, "healthy")


def test_it_is_unhealthy_while_it_is_frozen(pair: Pair) -> None:
    """The file may be as old as two intervals and 15 seconds: within three at the default of 30."""
    name = pair.run()
    pair.wait_judged(True)
    pair.engine.docker("kill", "--signal=STOP", name)
    start = time.monotonic()
    line = pair.wait_judged(False)
    assert time.monotonic() - start > 10, line
    assert "ago" in line
    pair.engine.wait_health(name, "unhealthy")
    pair.engine.docker("kill", "--signal=CONT", name)
    pair.wait_judged(True)
    pair.engine.wait_health(name, "healthy")


def test_a_hundred_checks_that_find_nothing_to_do_are_not_worth_a_line(quiet: Pair) -> None:
    """The last here: it has been at it meanwhile."""
    name = "quiet-qsticky"
    start = 2  # the first cycle, and what this test suite asked for at its start
    wait_until(
        lambda: quiet.connections() >= 100 + start or time.sleep(0.5), 120, "100 cycles"
    )
    log = quiet.engine.logs(name)
    assert [re.sub(r"^\S+ ", "", line)[:20] for line in log] == [
        f"INFO  qsticky {VERSION}:"[:20],
        "INFO  port change ne",
        "INFO  in sync: port ",
    ]
    assert quiet.engine.state(name)["Health"]["Status"] == "healthy"

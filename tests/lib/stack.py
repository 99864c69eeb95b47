"""The three containers that users run, in an engine of the tests' own: stand-ins for Gluetun and
the linuxserver image with the real qBittorrent, and qsticky as Dockerfile.scratch makes it."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import images
from documents import example
from engine import Engine
from harness import PATIENCE, ROOT, password_entry, wait_until

GLUETUN = "qmcgaw/gluetun:v3"
GLUETUN_LATEST = "qmcgaw/gluetun:latest"
QBITTORRENT = "lscr.io/linuxserver/qbittorrent:latest"
AUTOHEAL = "willfarrell/autoheal:1.2.0"
# As the files name it.
QSTICKY = re.findall(r"^  qsticky:\n    image: (\S+)$", example("compose.yaml"), re.M)[0]
PEERS = "peers"
# The stand-ins' own modules, and where their images have them: no higher, since harness.py asks for
# its grandparent.
INSIDE = "/opt/stand_in"
STAND_INS = (
    *("stand_in_gluetun.py", "stand_in_linuxserver.py", "stand_in_autoheal.py", "far_end.py"),
    *("control_server.py", "faulty_server.py", "harness.py", "listener.py", "versions.py"),
)
PASSWORD = 'correct horse "&=+%'
FILES = ["compose.yaml", "compose-bridge.yaml"]
HEALER_FILE = "compose-autoheal.yaml"
TWO_FILE = "compose-two.yaml"
INTERVAL = 1  # seconds between two checks of qsticky, and of the engine

# What the tests change in a user's file: they have no time.
HURRY = f"""
services:
  gluetun:
    container_name: gluetun
  qbittorrent:
    container_name: qbittorrent
  qsticky:
    container_name: qsticky
    environment:
      QSTICKY_CHECK_INTERVAL: "{INTERVAL}"
      QSTICKY_NO_PORT_GRACE: "3"
      QSTICKY_LOG_LEVEL: DEBUG
    healthcheck:
      interval: {INTERVAL}s
  after:
    image: {PEERS}
    container_name: after
    command: ["python3", "-c", "import signal; signal.pause()"]
    stop_signal: SIGKILL
    depends_on:
      qsticky: {{condition: service_healthy}}
"""
# Of the example with a healer, too. Its mount has the same target, so it takes the place of that.
HURRY_HEALER = """
  autoheal:
    container_name: autoheal
    environment:
      AUTOHEAL_INTERVAL: "1"
    volumes:
      - {socket}:/var/run/docker.sock
"""
HURRY_QBITTORRENT = """container_name: qbittorrent
    healthcheck: {interval: 1s, retries: 3}
"""


# Only Gluetun's master forwards more than one port.
HURRY_TWO = """container_name: gluetun
    environment:
      GLUETUN_VERSION: master
"""
HURRY_SECOND = """
  qbittorrent2:
    container_name: qbittorrent2
  qsticky2:
    container_name: qsticky2
    environment:
      QSTICKY_CHECK_INTERVAL: "1"
      QSTICKY_LOG_LEVEL: DEBUG
    healthcheck:
      interval: 1s
"""


def hurry(engine: Engine, file: str) -> str:
    if file == TWO_FILE:
        quick = HURRY.replace("container_name: gluetun\n", HURRY_TWO)
        return quick + HURRY_SECOND.strip("\n") + "\n"
    if file != HEALER_FILE:
        return HURRY
    quick = HURRY.replace("container_name: qbittorrent\n", HURRY_QBITTORRENT)
    return quick + HURRY_HEALER.strip("\n").format(socket=engine.socket) + "\n"


def make_images(engine: Engine, binary: Path) -> None:
    engine.import_tar(PEERS, images.peers_tar())
    context = engine.directory / "context"
    context.mkdir()
    for module in STAND_INS:
        shutil.copy(ROOT / "tests" / "lib" / module, context)
    for name, script, more in (
        (
            GLUETUN,
            "stand_in_gluetun.py",
            # As the real image, but for the interval.
            'HEALTHCHECK --interval=1s --timeout=5s --start-period=10s CMD '
            f'["python3", "{INSIDE}/stand_in_gluetun.py", "healthcheck"]\n',
        ),
        (QBITTORRENT, "stand_in_linuxserver.py", "VOLUME /config\n"),
        (AUTOHEAL, "stand_in_autoheal.py", ""),
    ):
        (context / "Dockerfile").write_text(
            f"FROM {PEERS}\nCOPY *.py {INSIDE}/\n"
            f'ENTRYPOINT ["python3", "{INSIDE}/{script}"]\n{more}'
        )
        engine.docker("build", f"--tag={name}", context, env={"DOCKER_BUILDKIT": "0"})
    engine.docker("tag", GLUETUN, GLUETUN_LATEST)
    # The image's last stage as it is, on a binary that is built already.
    last_stage = (ROOT / "Dockerfile.scratch").read_text().partition("\nFROM scratch\n")
    assert last_stage[1], "Dockerfile.scratch ends with another stage than FROM scratch"
    files = {"/image/qsticky": binary, "/image/app/health": None, "/image/tmp": None}
    engine.import_files("build", files)
    (context / "Dockerfile").write_text("FROM scratch\n" + last_stage[2])
    engine.docker("build", f"--tag={QSTICKY}", context, env={"DOCKER_BUILDKIT": "0"})
    engine.docker("image", "rm", "build")


def write_qbittorrent_config(directory: Path) -> None:
    """Where the linuxserver image has it. That image sets the ports itself."""
    config = directory / "qBittorrent" / "qBittorrent.conf"
    config.parent.mkdir(parents=True)
    config.write_text(
        "[BitTorrent]\nSession\\DHTEnabled=false\nSession\\LSDEnabled=false\n"
        "[LegalNotice]\nAccepted=true\n"
        "[Network]\nPortForwardingEnabled=false\n"
        "[Preferences]\nConnection\\ResolvePeerCountries=false\nWebUI\\UseUPnP=false\n"
        f"WebUI\\Password_PBKDF2={password_entry(PASSWORD)}\n"
    )


class Sample(NamedTuple):
    asked: float  # when it was known whether a peer is let in, and the rest was asked
    time: float
    reported: str  # by the engine, of qsticky: healthy, unhealthy, starting; "" while it is down
    judged: bool  # by `qsticky healthcheck`: healthy
    true: bool  # a peer out there is let in


class Stack:
    """A compose file of examples/, up and running."""

    def __init__(self, engine: Engine, directory: Path, file: str) -> None:
        self.engine = engine
        self.directory = directory
        self.files = [file, "hurry.yaml"]
        directory.mkdir(parents=True)
        (directory / file).write_text(example(file))
        (directory / "hurry.yaml").write_text(hurry(engine, file))
        # Single quotes: the value is taken as it is.
        (directory / ".env").write_text(
            f"WIREGUARD_PRIVATE_KEY=unused\nQBITTORRENT_PASS='{PASSWORD}'\n"
        )
        (directory / "qbittorrent_pass.txt").write_text(PASSWORD + "\n")
        write_qbittorrent_config(directory / "qbittorrent")
        if file == TWO_FILE:
            write_qbittorrent_config(directory / "qbittorrent2")

    def compose(self, *args: str, **options: Any) -> str:
        files = [f"--file={file}" for file in self.files]
        command = ["docker", "compose", "--project-name=test", *files, *args]
        options = {"timeout": 110.0, "cwd": self.directory} | options
        done = self.engine.run(command, **options)
        return str(done.stdout)

    def up(self) -> None:
        try:
            self.compose("up", "--detach")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout=0")

    def __enter__(self) -> "Stack":
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def story(self) -> str:
        """For a failure's message."""
        parts = []
        for name in ("gluetun", "qbittorrent", "qsticky", "qbittorrent2", "qsticky2", "autoheal"):
            if self.engine.exists(name):
                state = json.dumps(self.engine.state(name), indent=1)[-1500:]
                parts.append(f"--- {name}\n{state}\n" + "\n".join(self.engine.logs(name)[-30:]))
        return "\n".join(parts)

    # -- the peers

    def gluetun(self, *args: str, check: bool = True) -> str:
        command = ("exec", "gluetun", "python3", f"{INSIDE}/stand_in_gluetun.py", *args)
        return str(self.engine.docker(*command, check=check).stdout).strip()

    def forwarded(self) -> int:
        return int(self.gluetun("port"))

    def is_open(self) -> bool:
        """What all this is about."""
        return self.gluetun("probe", check=False) == "open"

    # -- qsticky

    def judge(self, name: str = "qsticky") -> tuple[int, str]:
        done = self.engine.docker("exec", name, "/qsticky", "healthcheck", check=False)
        return done.returncode, (done.stdout + done.stderr).strip()

    def wait(self, check: Callable[[], Any], what: str, timeout: float = 2 * PATIENCE) -> None:
        try:
            wait_until(lambda: check() or time.sleep(0.1), timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None

    def wait_settled(self, timeout: float = 2 * PATIENCE) -> None:
        """Healthy, and rightly so."""

        def settled() -> bool:
            return self.engine.health("qsticky") == "healthy" and self.is_open()

        self.wait(settled, "the stack to settle", timeout)
        code, line = self.judge()
        assert code == 0, line
        assert line.startswith(f"healthy: port {self.forwarded()},"), line

    def wait_judged_unhealthy(self, reason: str) -> None:
        """The engine believes it three checks, and after a start 15 seconds, later."""

        def judged() -> bool:
            code, line = self.judge()
            return code == 1 and reason in line

        self.wait(judged, f"unhealthy: {reason}")

    def kill(self, name: str) -> None:
        """As a crash would: `docker kill` would count as the wish of a person."""
        pid = self.engine.state(name)["Pid"]
        assert pid > 0
        self.engine.kill_inside(pid)

    def watch(self) -> "Watch":
        return Watch(self)


class Watch:
    """Samples what is said of the stack and what is true, for as long as it is entered."""

    # Said for as long after it was true: three of qsticky's intervals, and some for a busy machine.
    # The engine asks three times more before it believes.
    JUDGED_MAX = 3 * INTERVAL + 4
    REPORTED_MAX = JUDGED_MAX + 3 * INTERVAL + 2

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.samples: list[Sample] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._collect, daemon=True)

    def _collect(self) -> None:
        engine = self.stack.engine
        while not self._stop.is_set():
            # What is true first: it may become so at any time, and is said afterwards.
            true = self.stack.is_open()
            asked = time.monotonic()
            judged = self.stack.judge()[0] == 0
            try:
                reported = engine.health("qsticky")
            except AssertionError:
                reported = ""  # just being made again
            self.samples.append(Sample(asked, time.monotonic(), reported, judged, true))
            self._stop.wait(0.2)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Healthy was said only of what was true, or had just been."""
        false_at = None  # known not to be true since then, however long the samples took
        for sample in self.samples:
            if sample.true:
                false_at = None
                continue
            false_at = false_at or sample.asked
            late = sample.asked - false_at
            story = f"{late:.1f} s after it had ceased to be true: {sample}\n" + self.text()
            assert not (sample.judged and late > self.JUDGED_MAX), story
            assert not (sample.reported == "healthy" and late > self.REPORTED_MAX), story

    def text(self) -> str:
        start = self.samples[0].time
        return "\n".join(
            f"{sample.time - start:6.1f} {sample.reported:9} judged {sample.judged!s:5} "
            f"true {sample.true}"
            for sample in self.samples
        )

"""Fixtures of the end-to-end suite: both binaries, a real qBittorrent, a faulty one,
and a qsticky that is checked for its standing promises in every test it appears in."""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import select
import shutil
import signal
import subprocess
import tempfile
import termios
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import pytest

import images
import stack
import versions
from certificates import Pki
from engine import Engine, missing_programs
from faulty_server import FaultyServer
from gluetun import Gluetun
from harness import BINARY, PATIENCE, ROOT, PortFile, QBittorrent, Qsticky, free_port, wait_until
from listening_server import ListeningServer
from namespace import Namespace

BINARIES = {
    "musl": ROOT / "build" / "qsticky",
    "asan": ROOT / "build" / "asan" / "qsticky",
    "host": ROOT / "build" / "host" / "qsticky",  # only where a test asks for it
    "gcov": ROOT / "build" / "gcov" / "qsticky",  # for make coverage, in place of all others
}
ONLY = os.environ.get("QSTICKY_TEST_BUILD")

# A stop that waits for a connect takes 3 s, for an exchange 10; one round of a lookup, 1 s, is not told
# apart. How much sooner than this it really is, the benchmark measures.
AT_ONCE = 2.5
# For which an empty port file is not yet taken for no port: a second, less what the test is too late.
EMPTY_S = 0.9
# A cycle may take 15 s in all; the rest is for a busy machine.
CYCLE_DEADLINE = 22.0

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
AS_PID_1 = ("unshare", "--pid", "--fork", "--kill-child=KILL")

TEXT_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (DEBUG|INFO |WARN |ERROR) \S.*")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
UPTIME = re.compile(r"([1-9]\d* days?, )?\d{1,2}:\d\d:\d\d")
SECRETS = ("QSTICKY_QBITTORRENT_PASS", "QSTICKY_GLUETUN_PASSWORD", "QSTICKY_GLUETUN_APIKEY")
STATES = {"starting", "waiting_for_port", "in_sync", "retrying", "error"}


def missing(what: str) -> None:
    """By hand a test without its means is skipped; in CI that would be a gap nobody sees."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.stash[PASSED] = report.passed


PASSED = pytest.StashKey[bool]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the fuzz targets did, which is of interest also where nothing failed."""
    told = [
        value
        for report in terminalreporter.getreports("passed")
        for name, value in getattr(report, "user_properties", ())
        if name == "fuzz" and report.when == "call"
    ]
    if told:
        terminalreporter.section("fuzz targets")
        terminalreporter.write_line("\n".join(sorted(told)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spreads the slow tests over the parallel workers, which get neighbours together. The
    order is the same each time, and any order must do. Groups, each for one worker, come first
    and in their own order: they share what is dear to make, and take longest.

    With one build only, those tests are left out that do not start it."""
    if ONLY:
        items[:] = [item for item in items if "binary" in item.fixturenames]
    if "PYTEST_XDIST_WORKER" in os.environ:
        random.Random(1).shuffle(items)
        items.sort(key=_place_in_group)


def _place_in_group(item: pytest.Item) -> tuple[int, str, int]:
    group = item.get_closest_marker("xdist_group")
    if group is None:
        return 1, "", 0
    return 0, item.module.__name__, item.function.__code__.co_firstlineno


# -- the means ------------------------------------------------------------------


@pytest.fixture(params=[ONLY] if ONLY else ["musl", "asan"])
def binary(request: pytest.FixtureRequest) -> Path:
    path = BINARIES[ONLY or request.param]
    if not path.exists():
        missing(f"{path.relative_to(ROOT)} is not built")
    return path


@pytest.fixture(scope="session")
def root() -> None:
    """Users and namespaces at will: not every root in a container has that."""
    if os.geteuid() != 0:
        missing("needs root")
    namespaces = ["unshare", "--mount", "--net", "--pid", "--fork", "true"]
    if subprocess.run(namespaces, check=False).returncode != 0:
        missing("needs the right to make namespaces")


@pytest.fixture
def namespace(root: None) -> Iterator[Namespace]:
    """A network namespace that the test is in from its start to its end, with all that it starts.
    A module that has it makes sure that it comes before anything else is started."""
    with Namespace() as made:
        yield made


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that any user may enter, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="qsticky-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def port_file(place: Path) -> PortFile:
    return PortFile(place / "gluetun" / "forwarded_port")


# -- the peers ------------------------------------------------------------------


@pytest.fixture(scope="session")
def qbittorrent_nox() -> str:
    path = shutil.which("qbittorrent-nox")
    if path is None:
        missing("qbittorrent-nox is not installed")
    return str(path)


@pytest.fixture(scope="session")
def _shared_qbittorrent(
    qbittorrent_nox: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[QBittorrent]:
    with QBittorrent(tmp_path_factory.mktemp("qbittorrent")) as server:
        yield server


@pytest.fixture
def qbittorrent(_shared_qbittorrent: QBittorrent) -> QBittorrent:
    """The real one, shared by the tests that do not restart it, on a port of this test's own."""
    _shared_qbittorrent.set_preferences({"listen_port": free_port()})
    return _shared_qbittorrent


@pytest.fixture
def new_qbittorrent(qbittorrent_nox: str, place: Path) -> Iterator[Callable[..., QBittorrent]]:
    """Makes real ones for tests that stop, restart or lock them. They are not started yet."""
    made: list[QBittorrent] = []

    def make(**options: Any) -> QBittorrent:
        try:
            versions.command(options.get("version", versions.INSTALLED), ())
        except versions.Gone as reason:
            pytest.skip(str(reason))
        except versions.Unavailable as reason:
            missing(str(reason))
        server = QBittorrent(place / f"profile{len(made)}", **options)
        made.append(server)
        return server

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def new_fake() -> Iterator[Callable[..., FaultyServer]]:
    made: list[FaultyServer] = []

    def make(kind: type[FaultyServer] = FaultyServer, **options: Any) -> FaultyServer:
        server = kind(**options)
        made.append(server)
        return server

    yield make
    for server in made:
        server.heal()
        server.stop()


NewGluetun = Callable[..., Gluetun]


@pytest.fixture
def new_gluetun(namespace: Namespace, port_file: PortFile) -> Iterator[NewGluetun]:
    """Makes stand-ins for Gluetun in the test's network namespace; `start=False`: not started yet."""
    namespace.set_ipv6(False)
    namespace.add_bridge()
    with ExitStack() as made:

        def make(*args: Any, start: bool = True, **options: Any) -> Gluetun:
            gluetun = Gluetun(namespace, port_file, *args, **options)
            made.callback(gluetun.close)
            return gluetun.start() if start else gluetun

        yield make


@pytest.fixture
def new_listening(new_fake: Callable[..., FaultyServer]) -> Callable[..., ListeningServer]:
    """Makes fakes that open their port. They are not started yet."""
    return lambda **options: new_fake(ListeningServer, **options)


@pytest.fixture
def fake(new_fake: Callable[..., FaultyServer]) -> FaultyServer:
    return new_fake().start()


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    if shutil.which("openssl") is None:
        missing("openssl is not installed")
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def nginx() -> str:
    path = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if path is None:
        missing("nginx is not installed")
    return str(path)


@pytest.fixture
def peers() -> Iterator[ExitStack]:
    """What a test enters here is left when it ends."""
    with ExitStack() as stack:
        yield stack


# -- Docker ----------------------------------------------------------------------
# Tests that share an engine run in one worker: pytestmark = pytest.mark.xdist_group(...). Each
# group has an engine of its own.


def _engine(network: Literal["own", "host"]) -> Iterator[Engine]:
    if programs := missing_programs():
        missing(f"not installed: {', '.join(programs)}")
    with Engine(network) as engine:
        yield engine


@pytest.fixture(scope="session")
def build_engine(root: None) -> Iterator[Engine]:
    """For image builds, by `docker build --network host`: in the machine's network."""
    yield from _engine("host")


@pytest.fixture(scope="session")
def stack_engine(root: None) -> Iterator[Engine]:
    """For containers that talk to each other, in a network of their own."""
    yield from _engine("own")


@pytest.fixture(scope="session")
def stack_images(stack_engine: Engine) -> Engine:
    """The stack engine with the images of a user's stack, and `docker compose`."""
    if not BINARY.exists():
        missing("build/qsticky is not built")
    stack_engine.add_plugin("compose", images.compose_plugin())
    stack.make_images(stack_engine, BINARY)
    return stack_engine


NewStack = Callable[[str], stack.Stack]


@pytest.fixture
def new_stack(stack_images: Engine, place: Path) -> Iterator[NewStack]:
    """Makes the stack of one of the files; nothing of it is started yet."""
    made: list[stack.Stack] = []

    def make(file: str) -> stack.Stack:
        made.append(stack.Stack(stack_images, place / "stack", file))
        return made[-1]

    yield make
    for one in made:
        one.down()


@pytest.fixture(scope="session")
def debian_image(build_engine: Engine) -> str:
    """debian:bookworm-slim, or what comes close to it, in the build engine."""
    if shutil.which("mmdebstrap") is None:
        missing("mmdebstrap is not installed")
    name = "debian:bookworm-slim"
    build_engine.import_tar(name, images.debian_tar(), ["CMD bash"])
    return name


# -- qsticky --------------------------------------------------------------------


class Sidecar(Qsticky):
    """A qsticky whose health file is checked against spec 8 at each reading."""

    strict = True  # False where it cannot be replaced: it may be found empty then

    def __init__(self, *args: Any, **options: Any) -> None:
        self._reading = threading.Lock()
        super().__init__(*args, **options)

    @property
    def log(self) -> list[str]:
        """All that was logged up to now: what is in the pipe still is waited for."""

        def read_up() -> bool:
            with self._reading:
                waiting = fcntl.ioctl(self.process.stderr, termios.FIONREAD, bytes(4))
            return waiting == bytes(4)

        if self.process is not None and self.process.stderr is not None:
            wait_until(read_up, what="the log to be read")
        return self._log

    @log.setter
    def log(self, lines: list[str]) -> None:
        self._log = lines

    def _collect(self) -> None:
        fd, rest, more = self.process.stderr.fileno(), b"", True
        while more:
            select.select([fd], [], [])
            with self._reading:
                piece = os.read(fd, 65536)
                *lines, rest = (rest + piece).split(b"\n")
                self._log += [line.decode(errors="backslashreplace") for line in lines]
                more = bool(piece)
        if rest:
            self._log.append(rest.decode(errors="backslashreplace"))

    def health(self) -> dict[str, Any] | None:
        text = self._raw_health()
        if text is None or (text == "" and not self.strict):
            return None
        assert '"healthy": true' in text or '"healthy": false' in text
        health = json.loads(text)
        check_health_fields(health)
        return health

    @property
    def pid(self) -> int:
        """qsticky's own, also where the wrapper stays as its parent."""
        pid = super().pid
        if "--fork" not in self.command:
            return pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        return int(wait_until(children.read_text, what="the wrapper to fork"))

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def stop(self, timeout: float = PATIENCE) -> int:
        self.wait_started()
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def check_stops_at_once(self, number: int | None = None) -> None:
        """By SIGTERM or another signal. It leaves nothing behind."""
        # The first request leaves a moment before the file is written.
        wait_until(self.health_file.exists, what="the health file")
        started = time.monotonic()
        self.signal(signal.SIGTERM if number is None else number)
        assert self.wait() == 0
        assert time.monotonic() - started < AT_ONCE
        assert not self.health_file.exists()
        assert self.left_behind() <= {"status.json.login"}

    def left_behind(self) -> set[str]:
        """The files beside the health file, and that."""
        return {path.name for path in self.health_file.parent.iterdir()}

    def wait_in_sync(self, port: int, timeout: float = PATIENCE) -> dict[str, Any]:
        health = self.wait_health(timeout, state="in_sync", current_port=port, forwarded_port=port)
        assert health["healthy"] is True
        assert health["last_error"] is None
        assert health["consecutive_failures"] == 0
        assert health["last_check"] is not None
        return health

    def wait_failed(self, timeout: float = PATIENCE) -> dict[str, Any]:
        """Waits until a cycle has failed."""

        def failed() -> dict[str, Any] | None:
            health = self.health()
            return health if health and health["consecutive_failures"] else None

        health = self._wait(failed, timeout, "a failed cycle")
        assert health["healthy"] is False
        return health

    def wait_refused_twice(self) -> None:
        """Until two cycles running have found nobody at qBittorrent's port: it has restarted."""
        first = self.wait_health(state="retrying")["consecutive_failures"]
        wait_until(
            lambda: self.health()["consecutive_failures"] >= first + 2, what="two refused cycles"
        )

    def wait_cycles(self, count: int, timeout: float = PATIENCE) -> None:
        """Until the health file was written that many times more."""
        inode = None
        while count >= 0:
            now = wait_until(
                lambda was=inode: self.health_writes() not in (None, was) and self.health_writes(),
                timeout,
                "the health file to be written",
            )
            inode, count = now, count - 1

    def health_writes(self) -> tuple[int, int] | None:
        """Something else each time the health file is written; None while there is none."""
        try:
            status = self.health_file.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def troubles(self) -> list[str]:
        """What it logged above INFO."""
        return [*self.lines("WARN"), *self.lines("ERROR")]

    def wait_trouble(self) -> str:
        """The one line above INFO that it has logged, or logs soon: health is written first."""
        (line,) = wait_until(self.troubles, what="a line above INFO")
        return line

    def check_log(self) -> None:
        """What holds for every line it ever writes."""
        for line in self.log:
            assert len(line.encode()) <= 1024, f"over 1 KiB: {line}"
            assert not controls(line), f"not escaped: {line!r}"
            if self.env.get("QSTICKY_LOG_FORMAT") == "json":
                assert set(json.loads(line)) == {"time", "level", "message"}, line
            else:
                assert TEXT_LINE.fullmatch(line), line
            secrets = [self.env.get(name) for name in SECRETS]
            for secret in (*secrets, "a+b/", "SID"):
                assert not secret or secret not in line, f"a secret in the log: {line}"


def controls(text: str) -> list[str]:
    """Its control characters, those of ISO 8859 (U+0080 to U+009F) too: terminals obey them."""
    return [character for character in text if unicodedata.category(character) == "Cc"]


def check_health_fields(health: dict[str, Any]) -> None:
    """Every field of spec 8 is there, of its type, and they agree with each other."""
    expected = {
        "healthy": (bool,),
        "state": (str,),
        "current_port": (int, type(None)),
        "forwarded_port": (int, type(None)),
        "forwarded_ports": (list,),
        "reachable": (bool, type(None)),
        "reachable_udp": (bool, type(None)),
        "connection_status": (str, type(None)),
        "external_address": (str, type(None)),
        "interface": (str, type(None)),
        "login": (str, type(None)),
        "last_check": (str, type(None)),
        "last_port_change": (str, type(None)),
        "timestamp": (str,),
        "valid_seconds": (int,),
        "uptime": (str,),
        "uptime_seconds": (int,),
        "consecutive_failures": (int,),
        "rebinds": (int,),
        "last_error": (str, type(None)),
        "hint": (str, type(None)),
        "qbittorrent_version": (str, type(None)),
        "version": (str,),
    }
    assert set(health) == set(expected)
    for name, types in expected.items():
        assert type(health[name]) in types, f"{name}: {health[name]!r}"
    assert health["state"] in STATES
    for name in ("last_check", "last_port_change", "timestamp"):
        assert health[name] is None or RFC_3339.fullmatch(health[name]), f"{name}: {health[name]}"
    assert UPTIME.fullmatch(health["uptime"]), health["uptime"]
    assert health["forwarded_port"] is None or 1 <= health["forwarded_port"] <= 65535
    assert all(1 <= port <= 65535 for port in health["forwarded_ports"])
    assert health["login"] in (None, "rejected", "held_back", "banned")
    if health["healthy"]:
        assert health["login"] is None, health
        assert health["state"] in ("in_sync", "waiting_for_port"), health
        assert health["last_error"] is None, health
        assert health["consecutive_failures"] == 0, health
        assert health["reachable"] is not False, health
        assert health["reachable_udp"] is not False, health
    if health["state"] == "in_sync":
        assert health["current_port"] == health["forwarded_port"] is not None, health
    if health["state"] in ("retrying", "error"):
        assert not health["healthy"] and health["last_error"], health


MakeSidecar = Callable[..., Sidecar]


@pytest.fixture
def sidecar(
    request: pytest.FixtureRequest, binary: Path, place: Path, port_file: PortFile
) -> Iterator[MakeSidecar]:
    """Starts qsticky beside a server. After the test each one stops with 0, leaves no
    health file, reports nothing to a sanitizer and has written a log as promised."""
    made: list[Sidecar] = []
    # The stand-in for Gluetun makes a tunnel of the kind that is found.
    has_tunnel = {"namespace", "new_gluetun"} <= set(request.fixturenames)
    finds = {"QSTICKY_VPN_INTERFACE": ""} if has_tunnel else {}

    def make(
        server: QBittorrent | FaultyServer | None,
        *,
        start: bool = True,
        port: int | None = None,
        program: Path = binary,
        health_file: Path | None = None,
        env: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
        **options: Any,
    ) -> Sidecar:
        if server is not None:
            options = {"user": server.user, "password": server.password} | options
            port = port or getattr(server, "webui_port", None) or server.port
        made_now = Sidecar(
            program,
            port_file=options.pop("port_file", port_file),
            health_file=health_file or place / f"health{len(made)}" / "status.json",
            qbittorrent_port=port,
            env={**finds, **(env or {})},
            wrapper=wrapper,
            **options,
        )
        made.append(made_now)
        if start:
            made_now.start()
        return made_now

    yield make

    passed = request.node.stash.get(PASSED, False)
    for one in made:
        running = one.process is not None and one.process.poll() is None
        if not passed:
            one.kill()
        elif running:
            assert one.stop() == 0
            assert not one.health_file.exists()
            assert not Path(f"{one.health_file}.new").exists()
    if passed:
        for one in made:
            one.check_log()


@pytest.fixture
def public_binary(binary: Path, place: Path) -> Path:
    """A copy that any user may run, wherever the work tree is."""
    copy = place / "qsticky"
    shutil.copy(binary, copy)
    copy.chmod(0o755)
    return copy

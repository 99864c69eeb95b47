"""Each system call of a sidecar's life made to fail, with each error that it can give: once, and
for as long as it takes to fail twice. Whatever fails, it goes on, does not spin, says nothing untrue
in the health file, and comes back to the forwarded port by itself.

By default each place fails, and each error comes, but not each error at each place. All of that,
with the real qBittorrent too: QSTICKY_FAULTS=all (`make faults`)."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import strace
from conftest import MakeSidecar, Sidecar, missing
from harness import PATIENCE, PortFile, QBittorrent, wait_until, with_mounted
from listening_server import ListeningServer
from name_server import NameServer
from namespace import Namespace
from receiver import Receiver

ALL = os.environ.get("QSTICKY_FAULTS") == "all"

# What each call may answer in the way it is used here: man-pages section 2, ip(7), netlink(7),
# inotify(7), and what network file systems add.
FILES = "EACCES EIO ELOOP ENOENT ENOMEM ENOTDIR ESTALE"
CHANGES = f"{FILES} EBUSY EDQUOT EISDIR ENOSPC EPERM EROFS"
ERRORS = {
    "access": FILES,
    "bind": "EADDRINUSE ENOMEM EPERM",
    "close": "EDQUOT EINTR EIO ENOSPC",
    "connect": "EACCES EADDRNOTAVAIL EAGAIN ECONNREFUSED EHOSTUNREACH EINTR ENETUNREACH EPERM "
    "ETIMEDOUT",
    "epoll_create1": "EMFILE ENFILE ENOMEM",
    "epoll_ctl": "ENOMEM ENOSPC",
    "flock": "EAGAIN EINTR ENOLCK",
    "fstat": "EIO ENOMEM EOVERFLOW ESTALE",
    "getdents64": "EIO ENOENT ESTALE",
    "getsockname": "ENOBUFS",
    "getrandom": "EAGAIN ENOSYS",
    "inotify_add_watch": "EACCES ENOENT ENOMEM ENOSPC ENOTDIR",
    "inotify_init1": "EMFILE ENFILE ENOMEM",
    "inotify_rm_watch": "EINVAL",
    "madvise": "EAGAIN EINVAL ENOMEM",
    "mkdir": f"{CHANGES} EEXIST EMLINK",
    "open": f"{CHANGES} EINTR EMFILE ENFILE",
    "openat": f"{FILES} EMFILE ENFILE",
    "poll": "EINTR ENOMEM",
    "pread64": "EINTR EIO EISDIR ESTALE",
    "pwrite64": "EDQUOT EFBIG EINTR EIO ENOSPC EPERM",
    "read": "EAGAIN EINTR EIO EISDIR ENOMEM ESTALE",
    "recvfrom": "EAGAIN ECONNREFUSED ECONNRESET EHOSTUNREACH EINTR ENOBUFS ENOMEM ETIMEDOUT",
    "rename": f"{CHANGES} EXDEV",
    "rt_sigprocmask": "EINVAL",
    "sendto": "EACCES EAGAIN ECONNREFUSED ECONNRESET EINTR ENETUNREACH ENOBUFS ENOMEM EPERM EPIPE "
    "ETIMEDOUT",
    "setsockopt": "EINVAL ENOMEM ENOPROTOOPT",
    "signalfd4": "EMFILE ENFILE ENODEV ENOMEM",
    "socket": "EACCES EAFNOSUPPORT EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT",
    "stat": f"{FILES} EOVERFLOW",
    "unlink": CHANGES,
    "wait4": "ECHILD EINTR",
    "write": "EAGAIN EDQUOT EFBIG EINTR EIO ENOSPC EPERM EPIPE",
}
# Before main(), after it, or without an error to give.
CANNOT_FAIL = {
    "arch_prctl", "clock_gettime", "execve", "exit_group", "geteuid", "getpid", "mprotect",
    "set_tid_address", "umask",
}  # fmt: skip
# Of the sandbox: what the kernel has not, or does not allow, is done without.
SET_UP = {
    "capget": "EPERM",
    "capset": "EPERM",
    "fcntl": "EBADF",  # musl's fstat() asks so whether a descriptor is open
    "landlock_add_rule": "EINVAL ENOMEM",
    "landlock_create_ruleset": "EMFILE ENOMEM ENOSYS EOPNOTSUPP",
    "landlock_restrict_self": "E2BIG EPERM",
    "openat2": "ELOOP ENOSYS",
    "prctl": "EACCES EINVAL EPERM",
    "prlimit64": "EPERM",
    "readlink": "EACCES ELOOP ENOENT",
    "seccomp": "EINVAL ENOMEM ENOSYS",
    "setrlimit": "EPERM",
}
# One signal is one of these, and a socket that poll() calls ready is not empty for long.
FLEETING = {"EAGAIN", "EINTR"}
# Where the loop cannot sleep, or has no signals, it ends and says why: a restart is the repair.
FATAL = {("poll", "ENOMEM"), ("rt_sigprocmask", "EINVAL")} | {
    ("signalfd4", error) for error in ERRORS["signalfd4"].split()
}

# glibc's names, of the build with the sanitizers.
ASAN_NAMES = {"open": "openat", "stat": "newfstatat", "fstat": "newfstatat"}

FIRST_PORT = 40000
NAME = "qbittorrent.example"
# A cycle is two hundred; where a descriptor cannot be read, there are a hundred turns of some eleven
# before a pause, counted again after a cycle. A loop that spins: ten thousands.
CALLS_AWAKE = 3000
# Where it hardly gets a processor, the next cycle is due before these turns are over.
CYCLES_AWAKE = 20
CALLS_AWAKE_IN_ALL = 20000
STOP_S = 10.0  # it takes milliseconds; no deadline of its own is that long

MUSL = pytest.mark.parametrize("binary", ["musl"], indirect=True)
pytestmark = pytest.mark.usefixtures("strace_there")


@pytest.fixture(scope="session")
def strace_there() -> None:
    if shutil.which("strace") is None:
        missing("strace is not installed")


@dataclass
class World:
    """A server, and its name, in a network of their own with a tunnel; for sidecars beside it."""

    namespace: Namespace
    server: ListeningServer | QBittorrent
    port_file: PortFile
    place: Path
    sidecar: MakeSidecar
    asan: bool
    webhook: str
    port: int = FIRST_PORT
    _stirred: Iterator[str] = field(default_factory=lambda: itertools.cycle(["add", "del"]))
    _files: Iterator[int] = field(default_factory=itertools.count)

    def name(self, call: str) -> str:
        return ASAN_NAMES.get(call, call) if self.asan else call

    def trace_file(self) -> Path:
        return self.place / f"trace{next(self._files)}"

    def start(
        self, *, traced: tuple[str, ...] = (), env: dict[str, str] | None = None, **options: object
    ) -> Sidecar:
        """With an interval of a second, so that what is missed is found then."""
        return self.sidecar(
            self.server,
            interval=1,
            log_level="INFO",
            env={
                "QSTICKY_QBITTORRENT_HOST": NAME,
                # It ends who makes a call that is none, and strace makes one of what is to fail.
                "QSTICKY_SANDBOX": "false",
                "QSTICKY_WEBHOOK_URL": self.webhook,
            }
            | (env or {}),
            wrapper=(*with_mounted(self.place / "resolv.conf", "/etc/resolv.conf"), *traced),
            **options,
        )

    def truth(self) -> int:
        port = self.server.listen_port
        return port() if callable(port) else port

    def change(self) -> int:
        self.port += 1
        self.port_file.write(self.port)
        return self.port

    def stir(self, call: str, pid: int) -> None:
        """Has the calls come that a change of the port alone does not bring."""
        if call == "recvfrom":
            self.namespace.ip(f"addr {next(self._stirred)} 10.9.9.9/32 dev tun0")
        if call in ("access", "flock", "pread64", "pwrite64", "read", "wait4"):
            os.kill(pid, signal.SIGHUP)


def is_healthy(health: dict[str, Any] | None, port: int | None = None) -> bool:
    """In sync, with that port or with any."""
    if not health or not health["healthy"] or health["state"] != "in_sync":
        return False
    return port in (None, health["forwarded_port"])


def check_honest(world: World, qsticky: Sidecar) -> dict[str, Any] | None:
    """The health file, which says healthy only of the port that the server has."""
    before = world.truth()
    health = qsticky.health()
    if is_healthy(health):
        assert health["current_port"] == before or world.truth() != before, health
    return health


def check_awake(trace: list[strace.Call]) -> None:
    """It slept now and then, for as long as it meant to: no loop that only turns, or has cycles only."""
    turning, cycles, awake = 0, 0, 0
    for at, call in enumerate(trace):
        turning, awake = turning + 1, awake + 1
        if call.slept:
            turning, cycles, awake = 0, 0, 0
        elif call.name.startswith("open") and "status.json.new" in call.arguments:  # of its health
            turning, cycles = 0, cycles + 1
        assert turning < CALLS_AWAKE and cycles < CYCLES_AWAKE and awake < CALLS_AWAKE_IN_ALL, (
            f"{turning} calls, {cycles} cycles, {awake} calls in all, in a row: "
            f"{trace[max(0, at - 20) : at + 1]}"
        )


def wait_back(world: World, qsticky: Sidecar, port: int) -> None:
    """Until it is in sync again, by itself, and honest on the way."""

    qsticky._wait(
        lambda: is_healthy(check_honest(world, qsticky), port), PATIENCE, f"port {port} in sync"
    )
    assert world.truth() == port
    assert qsticky.wait_in_sync(port)["healthy"]


# -- the fixtures ----------------------------------------------------------------


@pytest.fixture
def kind() -> str:
    """Of the server: "fake", or "real"."""
    return "fake"


@pytest.fixture
def world(
    kind: str,
    namespace: Namespace,
    binary: Path,
    request: pytest.FixtureRequest,
    port_file: PortFile,
    place: Path,
    sidecar: MakeSidecar,
) -> Iterator[World]:
    namespace.set_ipv6(False)
    namespace.add_tunnel()
    port_file.write(FIRST_PORT)
    if kind == "fake":
        server = request.getfixturevalue("new_listening")().start()
    else:
        server = request.getfixturevalue("new_qbittorrent")(address="").start()
    (place / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    asan = binary.parent.name == "asan"
    webhook = ""
    # These are made only while a message is sent.
    if request.node.callspec.params.get("call", "epoll").startswith("epoll"):
        webhook = request.getfixturevalue("new_fake")(Receiver, like="gotify").start().url
    with NameServer({NAME: ["127.0.0.1"]}):
        yield World(namespace, server, port_file, place, sidecar, asan, webhook)


# -- which calls there are ----------------------------------------------------------


@MUSL
@pytest.mark.parametrize("kind", ["real"])
def test_no_system_call_is_without_its_errors(world: World) -> None:
    """A call that is new in the product has to come into the table above, and an old one out."""
    files = []

    def traced(**options: object) -> Sidecar:
        files.append(world.trace_file())
        return world.start(traced=strace.wrapper(files[-1]), **options)

    qsticky = traced(env={"QSTICKY_METRICS_FILE": str(world.place / "metrics" / "qsticky.prom")})
    qsticky.wait_in_sync(FIRST_PORT)
    for call in ("recvfrom", "read"):
        world.stir(call, qsticky.pid)
        qsticky.wait_cycles(2)
    qsticky.wait_in_sync(world.change())
    world.port_file.clear()
    qsticky.wait_health(state="waiting_for_port")
    world.port_file.write_bytes(b"nonsense")
    qsticky.wait_health(state="error")
    world.port_file.remove()
    qsticky.wait_log("(its directory is empty)")
    world.port_file.write_bytes(b"nonsense")
    qsticky.wait_health(state="error")
    shutil.rmtree(world.port_file.path.parent)
    qsticky.wait_health(state="waiting_for_port")
    world.port_file.path.parent.mkdir()
    qsticky.wait_in_sync(world.change())
    world.server.stop()
    qsticky.wait_health(state="retrying")
    assert qsticky.stop() == 0
    once = traced(args=("once",))
    assert once.wait() == 1
    seen = {call.name for file in files for call in strace.wait_complete(file)} - strace.OWN
    assert seen - CANNOT_FAIL == set(ERRORS)


# -- a running sidecar ----------------------------------------------------------------


def errors_of(call: str) -> list[str]:
    return ERRORS[call].split()


def pairs(call: str, places: int, most: int | None = None) -> list[tuple[int, str]]:
    """Which place gives which error: each place and each error once at least, or every pair."""
    errors = errors_of(call)
    if ALL:
        return list(itertools.product(range(1, places + 1), errors))
    turns = range(max(places, len(errors)))
    return [(turn % places + 1, errors[turn % len(errors)]) for turn in turns][:most]


def count_places(world: World, qsticky: Sidecar, call: str) -> int:
    """How often the call is made from a change of the port until it is in place."""
    with strace.Strace(qsticky.pid, world.trace_file()) as trace:
        world.stir(call, qsticky.pid)
        wait_back(world, qsticky, world.change())
        wait_until(trace.sleeps, what="the sleep")
    return sum(one.name == world.name(call) for one in trace.calls())


def run(world: World) -> Sidecar:
    qsticky = world.start()
    qsticky.wait_in_sync(world.port)
    return qsticky


# What a change of the port consists of, or comes with.
IN_A_CYCLE = sorted(
    set(ERRORS)
    - {"getdents64", "inotify_add_watch", "inotify_init1", "inotify_rm_watch", "mkdir"}
    - {"rt_sigprocmask", "signalfd4", "unlink"}
)
BESIDE = [(kind, call) for kind in ("fake", "real") for call in IN_A_CYCLE]
if not ALL:  # those that depend on the other end, with a real one
    BESIDE = [pair for pair in BESIDE if (pair[0] == "real") == (pair[1] in ("recvfrom", "sendto"))]
# The C library of the sanitized build does without, and its loop naps otherwise.
NOT_ASAN = {"madvise", "openat"}


@pytest.mark.parametrize(
    ("binary", "kind", "call"),
    [
        (build, *pair)
        for build in ("musl", "asan")
        for pair in BESIDE
        if build == "musl" or pair[1] not in NOT_ASAN
    ],
    indirect=["binary"],
)
def test_a_call_that_fails_once_is_made_up_for(call: str, world: World) -> None:
    qsticky = run(world)
    places = count_places(world, qsticky, call)
    for place, error in pairs(call, places) if places else []:
        if (call, error) in FATAL:
            continue
        inject = f"{world.name(call)}:error={error}:when={place}"
        with strace.Strace(qsticky.pid, world.trace_file(), inject) as trace:
            world.stir(call, qsticky.pid)
            wait_back(world, qsticky, world.change())
        check_awake(trace.calls())


@pytest.mark.parametrize(("kind", "call"), BESIDE)
@MUSL
def test_while_a_call_fails_health_says_so_and_afterwards_it_is_in_sync(
    call: str, world: World
) -> None:
    qsticky = run(world)
    if not count_places(world, qsticky, call):
        return  # at a start only
    errors = errors_of(call)
    for error in errors if ALL or len(errors) < 10 else errors[::2]:
        if error in FLEETING or (call, error) in FATAL:
            continue
        before, inject = world.port, f"{world.name(call)}:error={error}"
        with strace.Strace(qsticky.pid, world.trace_file(), inject) as trace:
            world.stir(call, qsticky.pid)
            port = world.change()

            def is_over(port: int = port) -> bool:
                health, made = check_honest(world, qsticky), trace.calls()
                naps = [at for at, one in enumerate(made) if one.slept]
                if naps:
                    return any(one.injected for one in made[naps[0] :])
                harmless = is_healthy(health, port) and call not in ("read", "recvfrom")
                return harmless and any(one.injected for one in made)

            wait_until(is_over, what=f"{call} to fail with {error}, twice or harmlessly")
            wait_until(
                lambda: not is_healthy(check_honest(world, qsticky), before), what="the news"
            )
        check_awake(trace.calls())
        wait_back(world, qsticky, port)


@MUSL
@pytest.mark.parametrize("call", sorted({*IN_A_CYCLE, "inotify_rm_watch", "unlink"} - {"wait4"}))
def test_a_stop_is_a_stop_whatever_fails(call: str, world: World) -> None:
    errors = errors_of(call)
    for error in errors if ALL else errors[:2]:
        qsticky = run(world)
        inject = f"{world.name(call)}:error={error}"
        with strace.Strace(qsticky.pid, world.trace_file(), inject) as trace:
            qsticky.signal(signal.SIGTERM)
            code = qsticky.wait(STOP_S)
        assert code == 0 or (code == 1 and (call, error) in FATAL)
        if call == "unlink" and trace.hits():
            qsticky.health_file.unlink()  # it could not
        assert not qsticky.health_file.exists()


# -- a sidecar that starts ----------------------------------------------------------------

ONLY_AT_START = {
    "inotify_add_watch", "inotify_init1", "mkdir", "rt_sigprocmask", "signalfd4"
}  # fmt: skip


@MUSL
@pytest.mark.parametrize("call", sorted(set(ERRORS) - {"inotify_rm_watch", "unlink", "wait4"}))
def test_a_start_of_which_a_call_fails_gets_there_or_says_why_not(call: str, world: World) -> None:
    first = world.trace_file()
    qsticky = world.start(traced=strace.wrapper(first))
    qsticky.wait_in_sync(world.port)
    assert qsticky.stop() == 0
    # Up to the first sleep: the rest is that of a running one.
    made = itertools.takewhile(lambda one: not one.slept, strace.wait_complete(first))
    places = sum(one.name == call for one in made)
    most = None if call in ONLY_AT_START else 4
    for place, error in pairs(call, places, most) if places else []:
        file = world.trace_file()
        inject = f"{call}:error={error}:when={place}"
        qsticky = world.start(traced=strace.wrapper(file, inject))
        if (call, error) in FATAL and ended_fatally(qsticky, file):
            continue
        wait_back(world, qsticky, world.port)
        assert qsticky.stop() == 0
        check_awake(strace.wait_complete(file))


def ended_fatally(qsticky: Sidecar, trace: Path) -> bool:
    """Whether it cannot go on after the fault, and says so; else it sleeps in its loop again."""

    def settled() -> bool:
        ended = qsticky.process.poll() is not None
        return ended or bool(strace.hits(trace) and strace.sleeps(trace))

    wait_until(settled, 20, "its end, or its sleep")
    if qsticky.process.poll() is None:
        return False
    check_end(qsticky)
    (line,) = qsticky.lines("ERROR")
    assert "cannot go on: " in line
    return True


def check_end(qsticky: Sidecar) -> None:
    assert qsticky.wait() == 1
    assert not qsticky.health_file.exists()


@MUSL
def test_a_sandbox_that_cannot_be_made_does_not_stop_the_job(world: World) -> None:
    """Each call that it takes, at each place, with one error after the other."""
    on = {"QSTICKY_SANDBOX": "true"}
    first, plain = world.trace_file(), world.trace_file()
    for file, env in ((first, on), (plain, {})):
        qsticky = world.start(traced=strace.wrapper(file), env=env)
        qsticky.wait_in_sync(world.port)
        assert qsticky.stop() == 0
    made = [one.name for one in strace.wait_complete(first)]
    added = set(made) - {one.name for one in strace.wait_complete(plain)} - set(ERRORS)
    assert added <= set(SET_UP)
    for call in sorted(added):
        errors = SET_UP[call].split()
        places = range(1, made.count(call) + 1)
        # Nothing that comes after is to be made a call of none: see World.start().
        for place in places if ALL else [*places][:2] + [*places][-2:]:
            inject = f"{call}:error={errors[place % len(errors)]}:when={place}"
            traced = strace.wrapper(world.trace_file(), inject)
            qsticky = world.start(traced=traced, env=on)
            wait_back(world, qsticky, world.port)
            assert qsticky.stop() == 0


@MUSL
def test_a_loop_that_cannot_sleep_ends_and_says_so(world: World) -> None:
    """All others, in a cycle or for the log, only cost that cycle or line."""
    qsticky = run(world)
    most = count_places(world, qsticky, "poll") + 20  # there are not as many each time
    for place in range(1, most):
        file = world.trace_file()
        with strace.Strace(qsticky.pid, file, f"poll:error=ENOMEM:when={place}"):
            world.change()
            if ended_fatally(qsticky, file):
                return
        wait_back(world, qsticky, world.port)
    # The loop's turn depends on how replies come in. Each time, then; it cannot be said in the log.
    with strace.Strace(qsticky.pid, world.trace_file(), "poll:error=ENOMEM"):
        world.change()
        check_end(qsticky)

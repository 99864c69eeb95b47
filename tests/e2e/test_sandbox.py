"""A compromised qsticky, and what it is kept from: by its own means, and by those alone that a kernel
has. tests/e2e/hostile.c takes the steps, inside the binary that users get."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import AS_NOBODY, AS_PID_1, NOBODY, MakeSidecar, missing
from faulty_server import FaultyServer
from harness import (
    BINARY,
    PATIENCE,
    ROOT,
    PortFile,
    QBittorrent,
    during_sleep,
    free_port,
    wait_until,
)
from without import WRAPPER as WITHOUT

HOSTILE = ROOT / "build" / "tests" / "hostile"
PORT = 41000

L, S, C = "landlock", "seccomp", "capabilities"
# What stops each step; any of these alone does.
STEPS: dict[str, set[str]] = {
    "read": {L},
    "write": {L},
    "unlink": {L},
    "mkdir": {L},
    "symlink": {L, S},
    "chmod": {S},
    "mount": {S, C},
    "exec": {L, S},
    "fork": {S},
    "unshare": {S},
    "setuid": {S, C},
    "mprotect": {S},
    "mmap": {S},
    "kill": {L, S},
    "ptrace": {L, S, C},
    "bind": {L, S},
    "bind-udp": {S},
    "listen": {S},
    "unix": {S},
    "packet": {S, C},
    "raw": {C},
    "io_uring": {S},
    "dumpable": {S},
    "dup": {S},
    "i386": {S},
    "x32": {S},
}
# Of the kernel's configuration whether there is such a thing at all.
OPTIONAL = {"i386", "x32", "io_uring"}
# Of what Landlock does, all that its first version can not.
YOUNG = {"bind": 4, "kill": 6}

DONE, REFUSED = 60, 100


@pytest.fixture
def binary() -> Path:
    """What users get: the other build has no seccomp."""
    if not BINARY.exists():
        missing("build/qsticky is not built")
    return BINARY


@pytest.fixture
def i386_binary() -> Path:
    """This kernel filters it, and an emulated one not: user-mode QEMU has no seccomp."""
    program = ROOT / "build" / "i386" / "qsticky"
    if not program.exists():
        missing("build/i386/qsticky is not built")
    try:
        subprocess.run([program, "--version"], check=True, capture_output=True)
    except OSError:
        missing("this kernel runs no program for i386")
    return program


def landlock_abi() -> int:
    """Of this kernel; 0: none."""
    done = subprocess.run([BINARY, "check"], env={}, capture_output=True, text=True, check=False)
    found = re.search(r"^\S+ +sandbox +.*Landlock ABI (\d+)", done.stdout, re.M)
    return int(found[1]) if found else 0


@pytest.fixture(scope="module")
def abi() -> int:
    found = landlock_abi()
    if found == 0:
        missing("this kernel has no Landlock")
    return found


class Attack:
    """One step at a time, each in a qsticky and with an aim of its own."""

    def __init__(self, place: Path, aims: Path, user: int, wrapper: Sequence[str]) -> None:
        self.aims = aims
        self.user = user
        self.wrapper = wrapper
        self.program = place / "hostile"
        shutil.copy(HOSTILE, self.program)
        self.program.chmod(0o755)
        self.port_file = PortFile(place / "gluetun" / "forwarded_port")
        self.port_file.write(PORT)

    def take(self, step: str, sandbox: bool = True, aim: str | None = None) -> str:
        """killed, refused or done. Where it was not done, nothing has happened."""
        folder = self.aims / step
        folder.mkdir()
        os.chown(folder, self.user, self.user)
        victim = subprocess.Popen(
            ["sleep", "60"], user=self.user, group=self.user, extra_groups=[]
        )
        try:
            return self._take(step, folder, victim, sandbox, aim)
        finally:
            victim.kill()
            victim.wait()
            if (folder / "file").is_mount():
                subprocess.run(["umount", "--lazy", folder / "file"], check=True)
            shutil.rmtree(folder)

    def _take(
        self,
        step: str,
        folder: Path,
        victim: subprocess.Popen[bytes],
        sandbox: bool,
        given_aim: str | None,
    ) -> str:
        file = folder / "file"
        aim = given_aim or str(file)
        if step in ("read", "write", "chmod", "unlink"):
            file.write_text("untouched")
            file.chmod(0o600)
            os.chown(file, self.user, self.user)
        elif step == "mount":
            file.mkdir()
        elif step in ("kill", "ptrace"):
            aim = str(victim.pid)
        elif step == "setuid":
            aim = "1" if self.user == 0 else "0"
        before = self._state(folder)
        done = subprocess.run(
            [*self.wrapper, self.program],
            env={
                "HOSTILE": step,
                "HOSTILE_AIM": aim,
                "QSTICKY_SANDBOX": "true" if sandbox else "false",
                "QSTICKY_QBITTORRENT_PORT": "1",
                "QSTICKY_PORT_FILE_PATH": str(self.port_file.path),
                "HEALTH_FILE": str(folder / "health" / "status.json"),
            },
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert b"qBittorrent at" in done.stderr, "it had been at work"
        if done.returncode == DONE:
            return "done"
        assert victim.poll() is None, "the other process lives"
        assert self._state(folder) == before
        if done.returncode == -signal.SIGSYS:
            return "killed"
        assert done.returncode in (REFUSED + errno.EACCES, REFUSED + errno.EPERM), done
        return "refused"

    @staticmethod
    def _state(folder: Path) -> object:
        file = folder / "file"
        if not os.path.lexists(file):
            return None
        return os.lstat(file).st_mode, file.is_mount(), file.is_file() and file.read_text()

    def all(self, steps: Sequence[str], sandbox: bool = True) -> dict[str, str]:
        with ThreadPoolExecutor(3) as pool:
            return dict(zip(steps, pool.map(lambda step: self.take(step, sandbox), steps)))


NewAttack = Callable[..., Attack]


@pytest.fixture
def attack(root: None, place: Path) -> Iterator[NewAttack]:
    if not HOSTILE.exists():
        missing("build/tests/hostile is not built")
    # Beside the other: around the port file's directory qsticky may read.
    aims = Path(tempfile.mkdtemp(prefix="qsticky-test-"))
    aims.chmod(0o755)
    yield lambda user=0, wrapper=(): Attack(place, aims, user, wrapper)
    shutil.rmtree(aims)


def expected(lacking: Sequence[str], abi: int) -> dict[str, str]:
    """By what is not lacking. A filter's answer comes before all others'."""
    outcome = {}
    for step, means in STEPS.items():
        left = means - set(lacking)
        if abi < YOUNG.get(step, 0):
            left -= {L}
        outcome[step] = "killed" if S in left else "refused" if left else "done"
    return outcome


@pytest.mark.parametrize("user", [0, NOBODY])
def test_every_hostile_step_is_stopped(user: int, abi: int, attack: NewAttack) -> None:
    outcome = attack(user, AS_NOBODY if user else ()).all(list(STEPS))
    assert outcome == expected((), abi)
    assert "done" not in outcome.values()


def test_every_hostile_step_is_stopped_as_pid_1(abi: int, attack: NewAttack) -> None:
    """The kernel keeps most deadly signals from PID 1: not this one. (Others it cannot name.)"""
    steps = [step for step in STEPS if step not in ("kill", "ptrace")]
    wanted = {step: how for step, how in expected((), abi).items() if step in steps}
    assert attack(0, AS_PID_1).all(steps) == wanted


@pytest.mark.parametrize("around", ["/run", "/etc/ssl", "/etc"])
def test_what_is_beside_the_files_that_it_reads_stays_closed(
    around: str, abi: int, attack: NewAttack
) -> None:
    """Of these it may read secrets, CAs and the resolver's files, and nothing that is next to them."""
    Path(around).mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix="qsticky-test-", dir=around) as neighbour:
        neighbour.write(b"x")
        neighbour.flush()
        assert attack().take("read", aim=neighbour.name) == "refused"
        assert attack().take("read", sandbox=False, aim=neighbour.name) == "done"


@pytest.mark.parametrize(
    "missing_file", ["/nowhere/gluetun/forwarded_port", "/tmp/nowhere/forwarded_port"]
)
def test_a_port_file_that_is_not_there_opens_nothing_that_is(
    missing_file: str, abi: int, attack: NewAttack
) -> None:
    """Least of all what is above its directory: / or /tmp."""
    attacker = attack()
    attacker.port_file = PortFile(missing_file, make_dir=False)
    assert attacker.take("read") == "refused"


def test_without_the_sandbox_every_step_would_succeed(attack: NewAttack) -> None:
    """So the steps are real ones."""
    outcome = attack().all([step for step in STEPS if step not in OPTIONAL], sandbox=False)
    assert set(outcome.values()) == {"done"}, outcome


@pytest.mark.parametrize("lacking", [(L,), (S,), (L, S)], ids=" and ".join)
def test_where_the_kernel_lacks_something_the_rest_still_stops_what_it_can(
    lacking: tuple[str, ...], abi: int, attack: NewAttack
) -> None:
    steps = [step for step in STEPS if step not in OPTIONAL]
    wanted = {step: how for step, how in expected(lacking, abi).items() if step in steps}
    assert attack(0, (*WITHOUT, ",".join(lacking))).all(steps) == wanted


def test_without_openat2_the_rules_are_the_same(
    abi: int, attack: NewAttack, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """Docker's profile may forbid it. Then /proc tells where links lead."""
    steps = ["read", "write", "unlink", "mkdir"]
    wanted = {step: how for step, how in expected((), abi).items() if step in steps}
    assert attack(0, (*WITHOUT, "openat2")).all(steps) == wanted
    port_file.write(PORT)
    qsticky = sidecar(fake, wrapper=(*WITHOUT, "openat2"))
    qsticky.wait_in_sync(PORT)
    assert not qsticky.troubles()


# -- what is on --------------------------------------------------------------------


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(re.split(r":\s*", line, maxsplit=1) for line in lines)


def test_no_privilege_is_left(
    root: None, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(PORT)
    qsticky = sidecar(fake, wrapper=AS_PID_1)
    qsticky.wait_in_sync(PORT)
    status = status_of(qsticky.pid)
    for which in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
        assert int(status[f"Cap{which}"], 16) == 0, which
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    limits = Path(f"/proc/{qsticky.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M), limits
    assert re.search(r"^Max open files +64 +64 ", limits, re.M), limits
    assert not qsticky.troubles()


def test_nobody_of_the_same_user_looks_into_its_memory_or_environment(
    root: None, fake: FaultyServer, place: Path, port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    port_file.write(PORT)
    copy, health = place / "qsticky", place / "health"
    shutil.copy(BINARY, copy)
    health.mkdir()
    os.chown(health, NOBODY, NOBODY)
    qsticky = sidecar(fake, program=copy, wrapper=AS_NOBODY, health_file=health / "status.json")
    qsticky.wait_in_sync(PORT)
    for name in ("environ", "mem", "maps"):
        done = subprocess.run(
            [*AS_NOBODY, "cat", f"/proc/{qsticky.pid}/{name}"], capture_output=True, check=False
        )
        assert done.returncode != 0 and done.stdout == b"", name


def test_a_password_from_a_file_is_not_in_its_memory_while_it_sleeps(
    root: None, fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    fake.password = "correct horse battery"
    (place / "pass").write_text(fake.password)
    port_file.write(PORT)
    secret = {"QSTICKY_QBITTORRENT_PASS": "", "QSTICKY_QBITTORRENT_PASS_FILE": f"{place}/pass"}
    qsticky = sidecar(fake, interval=30, env=secret)
    qsticky.wait_in_sync(PORT)

    def memory() -> bytes:
        parts = []
        with open(f"/proc/{qsticky.pid}/mem", "rb", buffering=0) as file:
            for line in Path(f"/proc/{qsticky.pid}/maps").read_text().splitlines():
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                if " rw" in line:
                    file.seek(start)
                    parts.append(file.read(end - start))
        return b"".join(parts)

    found = during_sleep(qsticky.pid, memory)
    # As it is, and as it is sent.
    for text in (b"correct horse", b"correct%20horse", b"correct+horse"):
        assert text not in found
    assert b"SID=" in found, "this does read its memory: the session's cookie is needed again"


def test_off_gives_up_nothing_and_is_a_warning(
    root: None, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(PORT)
    before = status_of(os.getpid())
    qsticky = sidecar(fake, env={"QSTICKY_SANDBOX": "false"})
    qsticky.wait_in_sync(PORT)
    after = status_of(qsticky.pid)
    for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp"):
        assert after[name] == before[name], name
    assert "QSTICKY_SANDBOX=false" in qsticky.wait_trouble()


@pytest.mark.parametrize("lacking", ["landlock", "seccomp", "landlock,seccomp"])
def test_what_is_lacking_is_a_line_at_debug_and_the_job_goes_on(
    lacking: str, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(PORT)
    qsticky = sidecar(fake, wrapper=(*WITHOUT, lacking))
    qsticky.wait_in_sync(PORT)
    lines = [line.split("DEBUG ")[1] for line in qsticky.log if " sandbox: " in line]
    texts = {
        "landlock": "sandbox: no Landlock: Function not implemented",
        "seccomp": "sandbox: no seccomp: Invalid argument",
    }
    assert lines == [texts[what] for what in lacking.split(",")]
    assert not qsticky.troubles()


def test_all_that_there_is_is_no_line_at_all(
    abi: int, fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(PORT)
    qsticky = sidecar(fake)
    qsticky.wait_in_sync(PORT)
    assert not [line for line in qsticky.log if "sandbox" in line]


@pytest.mark.parametrize(
    ("wrapper", "value", "line"),
    [
        ((), "true", r"ok    sandbox         seccomp, Landlock ABI \d+, no capabilities"),
        ((*WITHOUT, "landlock"), "true", "warn  sandbox         seccomp, no Landlock, no cap.*"),
        ((*WITHOUT, "seccomp"), "true", r"warn  sandbox         no seccomp, Landlock ABI .*"),
        ((), "false", "warn  sandbox         QSTICKY_SANDBOX=false"),
    ],
)
def test_check_says_what_is_on(
    wrapper: Sequence[str], value: str, line: str, abi: int
) -> None:
    done = subprocess.run(
        [*wrapper, BINARY, "check"],
        env={"QSTICKY_SANDBOX": value, "QSTICKY_QBITTORRENT_PORT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(f"^{line}$", done.stdout, re.M), done.stdout


# -- what it must not be in the way of -----------------------------------------------


def test_it_goes_on_after_a_stop_of_its_process(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """The kernel takes up an interrupted poll(2) by another system call."""
    port_file.write(PORT)
    qsticky = sidecar(fake, interval=3600)
    qsticky.wait_in_sync(PORT)
    for _ in range(3):
        qsticky.signal(signal.SIGSTOP)
        qsticky.signal(signal.SIGCONT)
    port_file.write(PORT + 1)
    qsticky.wait_in_sync(PORT + 1)


@pytest.mark.parametrize("build", ["binary", "i386_binary"])
@pytest.mark.parametrize(
    ("there", "reason"), [(None, "its directory is empty"), ("ip", "there is no such file")]
)
def test_it_lives_on_where_only_the_port_file_is_missing(
    there: str | None,
    reason: str,
    build: str,
    abi: int,
    request: pytest.FixtureRequest,
    fake: FaultyServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """The look around, for the reason why, makes calls of its own."""
    if there:
        (port_file.path.parent / there).touch()
    program = request.getfixturevalue(build)
    qsticky = sidecar(fake, program=program, env={"QSTICKY_NO_PORT_GRACE": "0"})
    qsticky.wait_log(f"({reason})")
    for command in ("once", "check"):
        done = subprocess.run(
            [*qsticky.command[:-1], command], env=qsticky.env, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 1 and reason in done.stdout + done.stderr, (command, done)
    port_file.write(PORT)
    qsticky.wait_in_sync(PORT)


def test_a_health_directory_that_was_removed_is_an_error_until_the_next_start(
    abi: int, fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """What may be written is this one directory, not all that has its name: the one above may hold
    the port file."""
    port_file.write(PORT)
    qsticky = sidecar(fake, )
    qsticky.wait_in_sync(PORT)
    # in one step: the next file may just be written
    qsticky.health_file.parent.rename(place / "removed")
    assert str(qsticky.health_file) in qsticky.wait_trouble()
    assert qsticky.healthcheck()[0] == 1
    port_file.write(PORT + 1)
    wait_until(lambda: fake.listen_port == PORT + 1, what="the job to go on")
    assert qsticky.stop() == 0
    qsticky = sidecar(fake, health_file=qsticky.health_file)
    qsticky.wait_in_sync(PORT + 1)


def test_a_secret_that_is_turned_as_kubernetes_does_is_read(
    new_qbittorrent: Callable[..., QBittorrent],
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    """..data is a link to a directory with the date in its name; a new one takes its place."""
    server = new_qbittorrent(password="correct horse").start()
    secret = place / "secret"

    def turn(name: str, password: str) -> None:
        (secret / name).mkdir(parents=True)
        (secret / name / "pass").write_text(password)
        (secret / "..data.new").symlink_to(name)
        (secret / "..data.new").rename(secret / "..data")

    turn("..2026_11_22", "wrong")
    (secret / "pass").symlink_to("..data/pass")
    first = free_port()
    port_file.write(first)
    qsticky = sidecar(
        server,
        env={"QSTICKY_QBITTORRENT_PASS": "", "QSTICKY_QBITTORRENT_PASS_FILE": f"{secret}/pass"},
    )
    qsticky.wait_log("password rejected")
    turn("..2026_11_23", "correct horse")
    shutil.rmtree(secret / "..2026_11_22")
    qsticky.wait_in_sync(first)


# -- when it does not fit any more ------------------------------------------------------


CHROOT = shutil.which("chroot", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


class World:
    """A root directory of qsticky's own: what is directly below it is ours to replace."""

    def __init__(self, place: Path, binary: Path, user: int = 0) -> None:
        self.root = place / "world"
        self.user = user
        inside = self.root / place.relative_to("/") / "health"
        inside.mkdir(parents=True)
        # The same path outside, where the test looks.
        (place / "health").symlink_to(inside)
        self.health_file = place / "health" / "status.json"
        os.chown(inside, user, user)
        shutil.copy(binary, self.root / "qsticky")
        (self.root / "dev").mkdir()
        (self.root / "dev" / "null").touch()

    def qsticky(self, sidecar: MakeSidecar, server: FaultyServer) -> Any:
        return sidecar(
            server,
            program=Path("/qsticky"),
            port_file="/top/forwarded_port",
            health_file=self.health_file,
            wrapper=(CHROOT, f"--userspec={self.user}:{self.user}", "--groups=", self.root),
        )

    def write(self, port: int, mode: int = 0o755) -> None:
        """In a new directory."""
        top = self.root / "top"
        if top.exists():
            top.rename(self.root / f"top.{port}")
        new = PortFile(self.root / "new" / "forwarded_port")
        new.write(port)
        new.path.parent.chmod(mode)
        new.path.parent.rename(top)


def check_ended_for_a_restart(qsticky: Any, file: str) -> None:
    """By status 1, with one sentence at the end."""
    assert qsticky.wait() == 1
    last = qsticky.log[-1]
    assert " ERROR " in last and file in last and "restart qsticky" in last
    assert sum(file in line for line in qsticky.troubles()) == 1, qsticky.log
    assert not qsticky.health_file.exists()


@pytest.mark.parametrize("before", [True, False], ids=["replaced", "made later"])
def test_a_port_directory_that_only_a_restart_opens_ends_it(
    before: bool, root: None, abi: int, binary: Path, fake: FaultyServer, place: Path,
    sidecar: MakeSidecar,
) -> None:
    world = World(place, binary)
    if before:
        world.write(PORT)
    qsticky = world.qsticky(sidecar, fake)
    qsticky.wait_health(state="in_sync" if before else "waiting_for_port")
    world.write(PORT + 1)
    check_ended_for_a_restart(qsticky, "/top/forwarded_port")
    # As a restart policy has it; and in the same directory it follows.
    qsticky = world.qsticky(sidecar, fake)
    qsticky.wait_in_sync(PORT + 1)
    PortFile(world.root / "top" / "forwarded_port").rename_over(f"{PORT + 2}")
    qsticky.wait_in_sync(PORT + 2)


def test_it_does_not_end_where_a_restart_would_open_nothing(
    root: None, abi: int, binary: Path, fake: FaultyServer, place: Path, sidecar: MakeSidecar
) -> None:
    world = World(place, binary, NOBODY)
    world.write(PORT)
    qsticky = world.qsticky(sidecar, fake)
    qsticky.wait_in_sync(PORT)
    world.write(PORT + 1, mode=0o700)
    assert "no permission" in qsticky.wait_trouble()
    qsticky.wait_cycles(3)
    assert qsticky.process.poll() is None
    (world.root / "top").chmod(0o755)
    assert qsticky.wait() == 1


def test_a_port_file_right_in_the_root_is_read_and_nothing_else_is(
    root: None, abi: int, fake: FaultyServer, place: Path, binary: Path, sidecar: MakeSidecar
) -> None:
    """Mounted alone, for example."""
    world = World(place, binary)
    (world.root / "forwarded_port").write_text(f"{PORT}")
    qsticky = sidecar(
        fake,
        program=Path("/qsticky"),
        port_file="/forwarded_port",
        health_file=world.health_file,
        wrapper=(CHROOT, world.root),
    )
    qsticky.wait_in_sync(PORT)
    (world.root / "forwarded_port").write_text(f"{PORT + 1}")
    qsticky.wait_in_sync(PORT + 1)
    PortFile(world.root / "forwarded_port").rename_over(f"{PORT + 2}")
    check_ended_for_a_restart(qsticky, "/forwarded_port")


def test_a_directory_of_secrets_that_only_a_restart_opens_ends_it(
    abi: int, new_fake: Callable[..., FaultyServer], place: Path, sidecar: MakeSidecar
) -> None:
    server = new_fake(password="first").start()
    file = place / "secrets" / "pass"
    # Not beside it: around the port file's directory more may be read.
    port_file = PortFile(place / "apart" / "gluetun" / "forwarded_port")
    port_file.write(PORT)

    def make(password: str) -> None:
        file.parent.mkdir()
        file.write_text(password)

    def start() -> Any:
        env = {"QSTICKY_QBITTORRENT_PASS": "", "QSTICKY_QBITTORRENT_PASS_FILE": str(file)}
        return sidecar(server, port_file=port_file, health_file=place / "health" / "status.json", env=env)

    make("first")
    qsticky = start()
    qsticky.wait_in_sync(PORT)
    server.password = "second"
    server.forget_sessions()
    file.parent.rename(place / "old")
    make("second")
    assert qsticky.wait() == 1
    last = qsticky.log[-1]
    assert " ERROR " in last and str(file) in last and "restart qsticky" in last
    start().wait_in_sync(PORT)


# -- what it inherits -------------------------------------------------------------------


def test_inherited_descriptors_stay_open_and_are_in_nobodys_way(
    fake: FaultyServer, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    """One may be a lock, which is held by it."""
    inherit = (
        "import os, sys\n"
        "for _ in range(100): os.set_inheritable(os.open('/dev/null', os.O_RDONLY), True)\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    port_file.write(PORT)
    qsticky = sidecar(fake, wrapper=(sys.executable, "-c", inherit))
    qsticky.wait_in_sync(PORT)
    port_file.write(PORT + 1)
    qsticky.wait_in_sync(PORT + 1)
    assert not qsticky.troubles()
    assert qsticky.healthcheck()[0] == 0
    open_now = [os.readlink(fd) for fd in Path(f"/proc/{qsticky.pid}/fd").iterdir()]
    assert open_now.count("/dev/null") >= 100
    limits = Path(f"/proc/{qsticky.pid}/limits").read_text()
    limit = int(re.search(r"^Max open files +(\d+) ", limits, re.M)[1])
    assert len(open_now) < limit <= len(open_now) + 64
    for command in ("status", "once", "check"):
        done = subprocess.run(
            [*qsticky.command[:-1], command], env=qsticky.env, capture_output=True, check=False
        )
        assert done.returncode == 0, (command, done)


def test_the_binary_for_i386_is_filtered_by_this_kernel(
    root: None,
    i386_binary: Path,
    fake: FaultyServer,
    port_file: PortFile,
    sidecar: MakeSidecar,
) -> None:
    port_file.write(PORT)
    qsticky = sidecar(fake, program=i386_binary)
    qsticky.wait_in_sync(PORT)
    assert status_of(qsticky.pid)["Seccomp"] == "2"
    port_file.write(PORT + 1)
    qsticky.wait_in_sync(PORT + 1)
    qsticky.signal(signal.SIGHUP)
    qsticky.wait_log("SIGHUP")
    assert qsticky.healthcheck()[0] == 0
    for command in ("status", "once", "check"):
        done = subprocess.run(
            [i386_binary, command], env=qsticky.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done)

"""A Docker engine of the tests' own, beside any that the machine may have.

    with Engine(network="own") as engine:
        engine.import_files("hello", {"/hello": program}, ['ENTRYPOINT ["/hello"]'])
        assert engine.docker("run", "--rm", "hello").stdout == "hello\\n"

It has its own data, sockets and containerd in a temporary directory, and lives in process and
mount namespaces of its own. So one signal, to the first process in there, ends everything that it
ever started, containers too, and takes its mounts along. What remains, a directory and control
groups, has a name that nobody else uses and is removed.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from harness import PATIENCE, wait_until

# Debian's: an own build of the client may be too new for Debian's engine.
PATH = f"/usr/bin:/usr/sbin:{os.environ.get('PATH', os.defpath)}"
CGROUPS = Path("/sys/fs/cgroup")

NEEDED = ("dockerd", "containerd", "runc", "docker", "docker-init", "ip", "iptables")


def missing_programs() -> list[str]:
    return [name for name in NEEDED if shutil.which(name, path=PATH) is None]


class Engine:
    """One dockerd. `network`:

    "own": in a network namespace made for it, where it may have bridges and firewall rules as it
    has on a user's machine. Its containers reach each other and nothing else.

    "host": in the machine's network, which it leaves as it is: no bridge, no firewall rule, no
    forwarding. For image builds that need packages: `docker build --network host`.
    """

    def __init__(self, network: Literal["own", "host"]) -> None:
        self.network = network
        self.directory = Path()
        self.process: subprocess.Popen[bytes] | None = None

    # -- process

    def start(self) -> "Engine":
        assert self.process is None, "already started"
        # Not below the work tree: the names of sockets are short (108 bytes).
        self.directory = Path(tempfile.mkdtemp(prefix="qsticky-engine-"))
        atexit.register(self.stop)
        (self.directory / "daemon.json").write_text("{}")  # else the machine's own is read
        (self.directory / "client").mkdir()
        daemon = [
            "docker-init",  # adopts and reaps, as the first process of a namespace must
            "-s",
            "--",
            "dockerd",
            f"--config-file={self.directory}/daemon.json",
            f"--data-root={self.directory}/data",
            f"--exec-root={self.directory}/exec",
            f"--pidfile={self.directory}/pid",
            f"--host=unix://{self.socket}",
            f"--cgroup-parent=/{self.directory.name}",
            # systemd would make the groups, if it were asked, outside of our name.
            "--exec-opt=native.cgroupdriver=cgroupfs",
        ]
        namespaces = ["--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
        if self.network == "own":
            daemon = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", *daemon]
            namespaces.append("--net")
        else:
            daemon += ["--bridge=none", "--iptables=false", "--ip6tables=false"]
            daemon += ["--ip-forward=false", "--ip-masq=false"]
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                # Whatever ends this test process ends the engine.
                ["setpriv", "--pdeathsig=KILL", "unshare", *namespaces, "--", *daemon],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": PATH, "HOME": str(self.directory)},
                start_new_session=True,
            )
        try:
            wait_until(self._answers, 2 * PATIENCE, "the Docker engine to answer")
        except BaseException:
            self.stop()
            raise
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"dockerd ended with {self.process.returncode}: {self.log()}")
        if not self.socket.exists():
            return False
        return self.docker("version", check=False).returncode == 0

    def stop(self) -> None:
        """Ends it and all its containers, as a power cut would; removes what it had."""
        atexit.unregister(self.stop)
        if self.process is not None:
            if self.process.poll() is None:
                first = self._first_pid()
                os.kill(first if first else self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)  # the kernel has ended all others by then
            self.process = None
        if self.directory != Path():
            _remove_cgroups(self.directory.name)
            shutil.rmtree(self.directory)
            self.directory = Path()

    def _first_pid(self) -> int:
        """Process 1 of its namespace, as this one sees it; 0 where it is not there yet."""
        assert self.process is not None
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(children[0]) if children else 0

    def __enter__(self) -> "Engine":
        return self if self.process else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def socket(self) -> Path:
        return self.directory / "docker.sock"

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")[-4000:]

    # -- the client

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """For any program that is to talk to this engine and to no other."""
        return {
            "PATH": PATH,
            "HOME": str(self.directory),
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.directory / "client"),
            **(more or {}),
        }

    def run(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        check: bool = True,
        timeout: float = 2 * PATIENCE,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        stdin: Any = subprocess.DEVNULL,
    ) -> subprocess.CompletedProcess[str]:
        """Any client command. `check`: an AssertionError with its output where it fails."""
        done = subprocess.run(
            [os.fspath(word) for word in command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            env=self.environment(env),
            cwd=cwd,
            check=False,
        )
        if check and done.returncode != 0:
            words = " ".join(os.fspath(word) for word in command)
            raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def docker(
        self, *args: str | os.PathLike[str], **options: Any
    ) -> subprocess.CompletedProcess[str]:
        return self.run(["docker", *args], **options)

    def inspect(self, name: str, kind: str = "container") -> dict[str, Any]:
        return json.loads(self.docker("inspect", f"--type={kind}", name).stdout)[0]

    def exists(self, name: str, kind: str = "container") -> bool:
        return self.docker("inspect", f"--type={kind}", name, check=False).returncode == 0

    def state(self, name: str) -> dict[str, Any]:
        return self.inspect(name)["State"]

    def health(self, name: str) -> str:
        """starting, healthy or unhealthy; "" where it is not running or has no check."""
        state = self.state(name)
        return state.get("Health", {}).get("Status", "") if state["Running"] else ""

    def logs(self, name: str) -> list[str]:
        done = self.docker("logs", name)
        return (done.stdout + done.stderr).splitlines()

    def wait_log(self, name: str, substring: str, timeout: float = 2 * PATIENCE) -> None:
        wait_until(
            lambda: any(substring in line for line in self.logs(name)),
            timeout,
            f"{substring!r} in the log of {name}",
        )

    def wait_health(self, name: str, wanted: str, timeout: float = 2 * PATIENCE) -> None:
        try:
            wait_until(lambda: self.health(name) == wanted, timeout, f"{name} to be {wanted}")
        except AssertionError as error:
            checks = self.state(name).get("Health", {}).get("Log") or []
            said = "\n".join(f"{check['ExitCode']} {check['Output']}" for check in checks)
            log = "\n".join(self.logs(name)[-40:])
            raise AssertionError(f"{error}\n--- checks\n{said}\n--- log\n{log}") from None

    def events(self, name: str, since: float) -> list[tuple[str, float]]:
        """What the engine did with a container: (action, seconds since the epoch)."""
        done = self.docker(
            *("events", f"--since={since:.6f}", f"--until={time.time():.6f}"),
            *(f"--filter=container={name}", "--format={{.Action}} {{.TimeNano}}"),
        )
        pairs = (line.rsplit(" ", 1) for line in done.stdout.splitlines())
        return [(action, int(nanoseconds) / 1e9) for action, nanoseconds in pairs]

    def exit_codes(self, name: str, since: float) -> list[int]:
        done = self.docker(
            *("events", f"--since={since:.6f}", f"--until={time.time():.6f}"),
            *(f"--filter=container={name}", "--filter=event=die"),
            "--format={{.Actor.Attributes.exitCode}}",
        )
        return [int(line) for line in done.stdout.splitlines()]

    def inside(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Runs a command of this machine in the engine's network, as a user's shell would be."""
        return self.run(["nsenter", f"--net=/proc/{self._first_pid()}/ns/net", *command], **options)

    def kill_inside(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to a process by its number in the engine's own process namespace, which
        is what `docker inspect` shows."""
        self.run(
            # The shell's own: kill(1) is in a package that not every Debian has.
            ["nsenter", f"--target={self._first_pid()}", "--pid", "--mount", "sh", "-c"]
            + [f"kill -{number.name.removeprefix('SIG')} {pid}"]
        )

    def add_plugin(self, name: str, program: Path) -> None:
        """Makes `docker NAME` run the program."""
        folder = self.directory / "client" / "cli-plugins"
        folder.mkdir(exist_ok=True)
        (folder / f"docker-{name}").symlink_to(program)

    # -- images

    def import_tar(self, tag: str, tar: Path, changes: Sequence[str] = ()) -> None:
        """A root file system as an image. `changes` are lines as in a Dockerfile."""
        options = [f"--change={change}" for change in changes]
        self.docker("import", *options, tar, tag, timeout=120)

    def import_files(
        self, tag: str, files: Mapping[str, Path | None], changes: Sequence[str] = ()
    ) -> None:
        """An image of a few files: {path inside: file here, or None for an empty directory that
        anybody may write to}."""
        tar = self.directory / "import.tar"
        with tarfile.open(tar, "w") as archive:
            for name, source in files.items():
                if source is None:
                    entry = tarfile.TarInfo(name.strip("/"))
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
                    archive.addfile(entry)
                else:
                    content = source.read_bytes()
                    entry = tarfile.TarInfo(name.strip("/"))
                    entry.size, entry.mode = len(content), 0o755
                    archive.addfile(entry, io.BytesIO(content))
        self.import_tar(tag, tar, changes)
        tar.unlink()

    def copy_image_from(self, other: "Engine", image: str) -> None:
        """With all its layers and settings."""
        tar = self.directory / "copy.tar"
        other.docker("save", f"--output={tar}", image, timeout=120)
        self.docker("load", f"--input={tar}", timeout=120)
        tar.unlink()


def _remove_cgroups(name: str) -> None:
    """They are empty by now. The kernel may need an instant to notice."""
    for top in (CGROUPS / name, *CGROUPS.glob(f"*/{name}")):
        if top.is_dir():
            groups = [path for path, _, _ in os.walk(top, topdown=False)]
            for path in groups:
                wait_until(lambda gone=path: _removed(gone), what=f"{path} to be empty")


def _removed(group: str) -> bool:
    try:
        os.rmdir(group)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True

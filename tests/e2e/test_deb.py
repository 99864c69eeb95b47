"""The Debian package: what is in it, and its life on a Debian 13, from the installation to the purge.

No systemd runs there. So the unit is judged by `systemd-analyze`, and the program is started as the
unit says: its command, its variables, another user."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import versions
from conftest import missing
from documents import example
from harness import BINARY, ROOT, PortFile, QBittorrent, free_port, wait_until

VERSION = re.search(r"^VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.M)[1]
OF_DEBIAN_13 = "5.1.0"
# What systemd takes for DynamicUser=yes lies around here.
SERVICE = 64321
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

pytestmark = [
    pytest.mark.xdist_group("deb"),
    pytest.mark.timeout(900),  # all is compiled, beside other tests
]


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, (command, done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


@pytest.fixture(scope="module")
def architecture() -> str:
    if shutil.which("dpkg") is None:
        missing("dpkg is not installed")
    return run("dpkg", "--print-architecture").strip()


@pytest.fixture(scope="module")
def package(architecture: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made in a directory of its own, of this tree."""
    for program in ("dpkg-buildpackage", "dh", "musl-gcc"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed")
    place = tmp_path_factory.mktemp("deb")
    # What was fetched is taken from here: no test of a package needs a network.
    command = ["make", "deb-all", f"BUILD={place}", f"downloads={ROOT / 'build' / 'third_party'}"]
    run(*command, cwd=ROOT, env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
    return place / "deb" / f"qsticky_{VERSION}_{architecture}.deb"


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("unpacked")
    run("dpkg-deb", "--extract", package, place)
    return place


def unit_in(root: Path) -> Path:
    (unit,) = root.glob("**/systemd/system/qsticky.service")
    return unit


def settings(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text, re.M)


def test_the_package_is_for_this_machine_and_needs_no_other(
    package: Path, architecture: str
) -> None:
    fields = run("dpkg-deb", "--field", package)
    assert f"\nArchitecture: {architecture}\n" in fields
    assert f"\nVersion: {VERSION}\n" in fields
    assert "Depends:" not in fields


def test_the_package_holds_the_binary_that_make_gives(unpacked: Path) -> None:
    if not BINARY.exists():
        missing("build/qsticky is not built")
    assert (unpacked / "usr/bin/qsticky").read_bytes() == BINARY.read_bytes()


def test_the_package_holds_what_it_lists(unpacked: Path) -> None:
    files = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    unit = str(unit_in(unpacked).relative_to(unpacked))
    doc = "usr/share/doc/qsticky"
    examples = {"prometheus-rules.yaml", "grafana-dashboard.json"}
    assert files - {f"{doc}/examples/{name}" for name in examples} - {
        f"{doc}/examples/{name}.gz" for name in examples
    } == {
        "usr/bin/qsticky",
        "usr/share/man/man8/qsticky.8.gz",
        "usr/share/lintian/overrides/qsticky",
        unit,
        f"{doc}/README.Debian",
        f"{doc}/changelog.gz",
        f"{doc}/copyright",
    }
    assert (unpacked / "etc/qsticky").is_dir()
    copyrights = (unpacked / doc / "copyright").read_text()
    for name in ("bearssl/LICENSE.txt", "jsmn/LICENSE"):
        holder = (ROOT / "build" / "third_party" / name).read_text().splitlines()[0]
        assert holder.removeprefix("Copyright (c) ").strip() in copyrights, name


def test_the_unit_is_that_of_the_examples_but_for_the_place_of_the_binary(unpacked: Path) -> None:
    def plain(text: str) -> list[str]:
        return [line for line in text.splitlines() if not line.startswith("#")]

    text = unit_in(unpacked).read_text()
    assert plain(text) == plain(example("qsticky.service").replace("/usr/local/bin", "/usr/bin"))
    assert settings(text, "DynamicUser") == ["yes"]


def test_systemd_understands_the_unit(unpacked: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not installed")
    unit = tmp_path / "qsticky.service"
    text = unit_in(unpacked).read_text()
    unit.write_text(text.replace("/usr/bin/qsticky", str(unpacked / "usr/bin/qsticky")))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and unit.name not in done.stderr, done.stderr


def test_lintian_has_nothing_to_say(package: Path) -> None:
    if shutil.which("lintian") is None:
        missing("lintian is not installed")
    (changes,) = package.parent.glob("*.changes")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on=error,warning", changes],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done


# -- installed ---------------------------------------------------------------------------------

# Runs "$@" in the root $1, above which all changes are in memory. The mounts end with the process
# that holds the name space.
HOLD = """
set -e
lower=$1; place=$2
mount -t tmpfs tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/root"
mount -t overlay -o lowerdir="$lower",upperdir="$place/upper",workdir="$place/work" none "$place/root"
for kind in dev proc; do
    mount --rbind /$kind "$place/root/$kind"
done
mount -t tmpfs tmpfs "$place/root/run"
echo ready
exec sleep infinity
"""


class Machine:
    """A Debian 13 of the test's own."""

    def __init__(self, place: Path) -> None:
        self.root = place / "root"
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", HOLD, "sh", versions.root_of(OF_DEBIAN_13), place],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout.readline() == "ready\n"

    def enter(self, *command: str) -> list[str]:
        """To be put before a command that is to run here, in a root of that name space."""
        inside = ["nsenter", "--mount", f"--target={self._holder.pid}"]
        return [*inside, "chroot", str(self.root), *command]

    def run(self, *command: str, **options: object) -> str:
        return run(*self.enter(*command), env={"PATH": PATH, "LC_ALL": "C"}, **options)

    def write(self, path: str, text: str, mode: str = "0644") -> None:
        self.run("sh", "-ec", 'umask 077; cat >"$0"; chmod "$1" "$0"', path, mode, input=text)

    def files(self) -> set[str]:
        """All but what dpkg and ldconfig write about themselves."""
        found = self.run("find", "/", "-xdev", "-print").splitlines()
        found += self.run("find", "/run", "-print").splitlines()
        return {name for name in found if not re.match(r"/(var/(lib/dpkg|log|cache)|tmp)/", name)}

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()


@pytest.fixture
def machine(root: None, place: Path) -> Iterator[Machine]:
    try:
        made = Machine(place)
    except versions.Unavailable as reason:
        missing(str(reason))
    yield made
    made.close()


def start_as_the_unit_says(machine: Machine, web_ui_port: int) -> subprocess.Popen[str]:
    text = machine.run("cat", "/usr/lib/systemd/system/qsticky.service")
    (command,), (directory,) = settings(text, "ExecStart"), settings(text, "RuntimeDirectory")
    ((name, source),) = [one.split(":") for one in settings(text, "LoadCredential")]
    credentials = "/run/credentials/qsticky.service"
    script = f"""
        mkdir -p -m 0755 /run/credentials; mkdir -m 0500 {credentials}
        cp {source} {credentials}/{name}; chown -R {SERVICE}:{SERVICE} {credentials}
        mkdir -p -m 0700 /run/private; mkdir /run/private/{directory}
        chown {SERVICE}:{SERVICE} /run/private/{directory}; chmod 0755 /run/private
        ln -s private/{directory} /run/{directory}"""
    machine.run("sh", "-ec", script)
    env = dict(setting.split("=", 1) for setting in settings(text, "Environment"))
    env = {name: value.replace("%d", credentials) for name, value in env.items()}
    env |= {"QSTICKY_QBITTORRENT_PORT": str(web_ui_port), "QSTICKY_CHECK_INTERVAL": "1"}
    (umask,) = settings(text, "UMask")
    as_service = ["setpriv", f"--reuid={SERVICE}", f"--regid={SERVICE}", "--clear-groups"]
    as_service += ["--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    assert command == "/usr/bin/qsticky"
    return subprocess.Popen(
        machine.enter("sh", "-c", f'umask {umask}; exec "$@"', "sh", *as_service, command),
        env={"PATH": PATH, **env},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_it_is_installed_does_its_job_and_is_purged_without_a_trace(
    package: Path, machine: Machine, new_qbittorrent: Callable[..., QBittorrent]
) -> None:
    before = machine.files()
    machine.run("sh", "-ec", "cat >/tmp/qsticky.deb", stdin=package.open())
    machine.run("dpkg", "--install", "/tmp/qsticky.deb")
    machine.run("dpkg", "--audit")
    wanted = machine.run("find", "/etc/systemd", "-name", "qsticky*")
    assert wanted == "", "it is enabled"
    assert "qsticky" in machine.run("zcat", "/usr/share/man/man8/qsticky.8.gz")

    # As README.Debian says.
    server = new_qbittorrent(version=OF_DEBIAN_13, password="correct horse").start()
    machine.write("/etc/qsticky/qbittorrent_pass", server.password, "0600")
    machine.run("mkdir", "-p", "/srv/gluetun")
    port = free_port()
    machine.write("/srv/gluetun/forwarded_port", f"{port}\n")
    process = start_as_the_unit_says(machine, server.webui_port)

    def healthy() -> bool:
        assert process.poll() is None, process.stderr.read()
        command = machine.enter("qsticky", "healthcheck")
        env = {"PATH": PATH, "HEALTH_FILE": "/run/qsticky/status.json"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return f"healthy: port {port}" in done.stdout and done.returncode == 0

    try:
        wait_until(healthy, what="the installed qsticky to be healthy")
        assert server.listen_port() == port
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0, process.stderr.read()

    # The same once more is an upgrade, which keeps the password.
    machine.run("dpkg", "--install", "/tmp/qsticky.deb")
    assert machine.run("cat", "/etc/qsticky/qbittorrent_pass") == server.password
    machine.run("dpkg", "--remove", "qsticky")
    assert machine.run("cat", "/etc/qsticky/qbittorrent_pass") == server.password
    machine.run("dpkg", "--purge", "qsticky")
    ours = {"/srv/gluetun", "/srv/gluetun/forwarded_port", "/run/credentials", "/run/private"}
    ours |= {f"/run/credentials/qsticky.service{rest}" for rest in ("", "/qbittorrent_pass")}
    assert machine.files() - before == ours
    assert before <= machine.files()

"""What the tests put into their Docker engine, made of what Debian's archive and this machine have.

Kept below build/, so that a second run has it at once: `make clean` throws it away. (With
QSTICKY_TEST_IMAGES, in the directory which that names: several work trees may share it.)
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import versions
from harness import ROOT

KEPT = Path(os.environ.get("QSTICKY_TEST_IMAGES") or ROOT / "build" / "images")
PEERS = ("qbittorrent-nox", "python3", "ip", "test")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def kept(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """The file `name`, made by `make(path)` unless one of the same recipe is there already."""
    key = hashlib.sha256(recipe.encode()).hexdigest()[:16]
    stem, dot, ending = name.partition(".")
    path = KEPT / f"{stem}-{key}{dot}{ending}"
    KEPT.mkdir(parents=True, exist_ok=True)
    # One test process makes it, the others wait.
    with open(KEPT / f"{stem}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in KEPT.glob(f"{stem}-*"):
                old.unlink()
            new = KEPT / f"{stem}.new"
            try:
                make(new)
                new.rename(path)
            finally:
                new.unlink(missing_ok=True)
    return path


def _run(*command: str | os.PathLike[str], **options: str | os.PathLike[str] | None) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options
    )
    if done.returncode != 0:
        words = " ".join(os.fspath(word) for word in command)
        raise AssertionError(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"[-6000:])
    return done.stdout


# -- Debian's archive, as this machine reaches it --------------------------------


def _sites() -> dict[str, list[str]]:
    """Where this machine gets Debian's packages: {site: suites of Debian 12 there}. One that is no
    Debian 12 itself names none of these, but has a mirror."""
    listing = _run(
        *("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)"),
        "Created-By: Packages",
    )
    sites: dict[str, list[str]] = {}
    for line in listing.splitlines():
        site, release, component = line.split()
        suites = sites.setdefault(site, [])
        if component == "main" and release.startswith("bookworm") and release not in suites:
            suites.append(release)
    found = {site: suites for site, suites in sites.items() if suites}
    return found or {versions.mirror().rstrip("/"): ["bookworm"]}


def _sources() -> str:
    """In the shape that the official image has."""
    return "\n".join(
        f"Types: deb\nURIs: {site}\nSuites: {' '.join(suites)}\nComponents: main\n"
        f"Signed-By: {KEYRING}\n"
        for site, suites in _sites().items()
    )


def _reach() -> str:
    """What this machine's apt was told about proxies and mirrors that are out of date."""
    wanted = re.compile(r"Acquire::(Check-Valid-Until|Check-Date|Retries|https?::Proxy\b)")
    lines = _run("apt-config", "dump").splitlines()
    return "".join(f"{line}\n" for line in lines if wanted.match(line))


def debian_tar() -> Path:
    """A root file system like that of the image debian:bookworm-slim: what apt needs, no manuals,
    no package lists, and the same sources as this machine has."""
    sources, reach = _sources(), _reach()

    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="qsticky-images-") as directory:
            files = Path(directory)
            (files / "debian.sources").write_text(sources)
            (files / "reach.conf").write_text(reach)
            _run(
                *("mmdebstrap", "--variant=minbase", "--format=tar", "--skip=output/dev"),
                "--dpkgopt=path-exclude=/usr/share/{doc,info,locale,man}/*",
                f"--aptopt={files}/reach.conf",
                # It numbers the files that it is given.
                '--customize-hook=cd "$1/etc/apt" && rm -f sources.list && '
                "mv sources.list.d/*debian.sources sources.list.d/debian.sources",
                *("bookworm", path, files / "debian.sources"),
            )

    return kept("debian.tar", sources + reach + "2", make)


def compose_plugin() -> Path:
    """The program of `docker compose`. Debian 12 has version 1 only, which does not know all of
    today's compose files; Debian 13 has version 2, and it runs here as it is."""
    return _of_debian_13("docker-compose", "usr/libexec/docker/cli-plugins/docker-compose")


def quadlet() -> Path:
    """Podman's own reader of .container files. Debian 12's podman is older than those."""
    return _of_debian_13("podman", "usr/libexec/podman/quadlet")


def _of_debian_13(package: str, file: str) -> Path:
    """One program of one of Debian 13's packages, which is not installed."""
    site = next(site for site, suites in _sites().items() if "bookworm" in suites)

    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="qsticky-images-") as name:
            directory = Path(name)
            # An apt of its own: the machine's lists and choices stay as they are.
            (directory / "parts").mkdir()
            for folder in ("state/lists/partial", "cache/archives/partial"):
                (directory / folder).mkdir(parents=True)
            (directory / "status").touch()
            (directory / "sources").write_text(f"deb [signed-by={KEYRING}] {site} trixie main\n")
            (directory / "apt.conf").write_text(
                f'Dir::State "{name}/state/";\n'
                f'Dir::State::status "{name}/status";\n'
                f'Dir::Cache "{name}/cache/";\n'
                f'Dir::Etc::sourcelist "{name}/sources";\n'
                f'Dir::Etc::sourceparts "{name}/parts/";\n'
                'APT::Sandbox::User "root";\n'
                'Acquire::Languages "none";\n'
                # A mirror may keep a release past its date.
                'Acquire::Check-Valid-Until "false";\n'
                "#clear APT::Update::Pre-Invoke;\n"
                "#clear APT::Update::Post-Invoke;\n"
                "#clear APT::Update::Post-Invoke-Success;\n"
            )
            apt = ("apt-get", "-q", "-c", directory / "apt.conf")
            _run(*apt, "update")
            _run(*apt, "download", package, cwd=directory)
            (archive,) = directory.glob(f"{package}_*.deb")
            _run("dpkg-deb", "--extract", archive, directory / "package")
            shutil.copy(directory / "package" / file, path)  # with its mode

    return kept(Path(file).name, f"{site} 1", make)


# -- programs of this machine, as an image ----------------------------------------


def _libraries_of(programs: list[str]) -> set[str]:
    listed = _run("ldd", *programs)
    return set(re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", listed, re.M))


def peers_tar() -> Path:
    """qbittorrent-nox, Python, ip and test as they are installed here, with the libraries they load, for
    the stand-ins of the images that users have beside qsticky. The whole packages with all that
    they depend on would be ten times as much."""
    found = {name: shutil.which(name, path="/usr/bin:/usr/sbin") for name in PEERS}
    programs = [path for path in found.values() if path]
    assert len(programs) == len(PEERS), f"not installed: {found}"
    standard_library = Path(os.path.realpath(os.__file__)).parent
    extensions = [str(path) for path in standard_library.glob("lib-dynload/*.so")]

    def make(path: Path) -> None:
        with tarfile.open(path, "w") as archive:
            for link in ("bin", "lib", "lib64", "sbin"):
                entry = tarfile.TarInfo(link)
                entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{link}"
                archive.addfile(entry)
            for folder in ("tmp", "config", "downloads"):
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
                archive.addfile(entry)
            for file in sorted({*programs, *_libraries_of([*programs, *extensions]), *extensions}):
                folder, name = os.path.split(file)
                archive.add(os.path.realpath(file), f"{os.path.realpath(folder)}/{name}")
            for file in sorted(standard_library.rglob("*.py*")):
                archive.add(file, file)

    stamps = [f"{program} {os.stat(program).st_mtime_ns}" for program in programs]
    return kept("peers.tar", "\n".join([*stamps, "4"]), make)

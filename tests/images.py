"""What the tests put into their Docker engine, made of what Debian's archive and this machine have.

Kept below build/, so that a second run has it at once: `make clean` throws it away.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness import ROOT

KEPT = Path(os.environ.get("QSTICKY_TEST_IMAGES") or ROOT / "build" / "images")
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
    """Where this machine gets Debian's packages: {site: suites of Debian 12 there}."""
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
    return {site: suites for site, suites in sites.items() if suites}


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

"""Real qBittorrents of other years, from Debian's own packages.

The machine's qbittorrent-nox is Debian 12's; where the machine is another Debian, that is one of the
others. These come as whole root file systems, made by mmdebstrap from the mirror that the machine's
apt uses, and kept below build/roots: about 20 s and 220 MB each, once. The oldest is the only one with libtorrent 1.2, the line that many images keep.

One more has no qBittorrent but compilers: Debian 13 as a machine that builds.

    python3 tests/lib/versions.py          makes those that are missing
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOTS = Path(__file__).resolve().parents[2] / "build" / "roots"

# What each had when this was written; testing moves on, and then a later one runs by that name.
SUITES = {"4.2.5": "bullseye", "5.1.0": "trixie", "5.3.0": "forky"}
INSTALLED = "4.5.2"  # Debian 12's, without a root of its own there
# Mirrors drop a suite some months after its support has ended (bullseye's: August 2026).
OLDEST = "4.2.5"
VERSIONS = (INSTALLED, *SUITES)
# The tests know what this one does. So it is the same where another is installed. The stand-ins' images do not
# say what they are, and make no roots.
try:
    CODENAME = platform.freedesktop_os_release().get("VERSION_CODENAME")
except OSError:
    CODENAME = "bookworm"
if CODENAME != "bookworm":
    SUITES[INSTALLED] = "bookworm"
# The other Debian that qsticky is built on, with what `make` needs.
BUILD_HOST = "trixie-build"

WITH_QBITTORRENT = ("--include=qbittorrent-nox,ca-certificates",)
WITH_COMPILERS = (
    f"--customize-hook=copy-in {Path(__file__).resolve().parents[1] / 'setup.sh'} /",
    '--customize-hook=chroot "$1" /setup.sh build',
)
MAKE_ROOT = (
    "mmdebstrap",
    "--variant=apt",
    # A mirror that is a snapshot is past its date; the signature is checked all the same.
    '--aptopt=Acquire::Check-Valid-Until "false"',
)

# Runs "$@" in the root $1, where the directories up to "--" are to be seen under their own names.
# The mounts are in a name space that ends with the process, so none is left whatever happens to it.
IN_ROOT = """
set -e
root=$1; shift
for kind in dev proc; do
    mount --rbind /$kind "$root/$kind"
done
# Its own temporary directory: 4.2.5 leaves a socket and a lock there, whose short names may clash.
mount -t tmpfs tmpfs "$root/run"
export TMPDIR=/run
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --bind "$1" "$root$1"
    shift
done
shift
exec chroot "$root" "$@"
"""


class Unavailable(Exception):
    """This version is not to be had here; the text says why."""


class Gone(Unavailable):
    """The mirror has dropped its suite, as it was bound to: nobody's fault, in CI neither."""


_gone: dict[str, Gone] = {}


def mirror() -> str:
    """Where apt gets Debian's main archive from, whichever way its sources are written."""
    targets = subprocess.run(
        [
            "apt-get",
            "indextargets",
            "--format=$(REPO_URI)",
            "Created-By: Packages",
            "Origin: Debian",
            "Label: Debian",
            "Component: main",
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    if not targets:
        raise Unavailable("apt's sources name no Debian mirror, or their lists were never fetched")
    return targets[0]


def root_of(version: str) -> Path:
    """The root file system with that qBittorrent. Made now if it is missing: by the first process
    that asks, while the others wait."""
    return _root(SUITES[version], SUITES[version], f"qBittorrent {version}", WITH_QBITTORRENT)


def build_host() -> Path:
    """The root file system of a Debian 13 with the packages that `make` needs."""
    return _root(BUILD_HOST, "trixie", "Debian 13", WITH_COMPILERS)


def _root(name: str, suite: str, what: str, options: Sequence[str]) -> Path:
    root = ROOTS / name
    if root.exists():
        return root
    if suite in _gone:
        raise _gone[suite]
    if os.geteuid() != 0:
        raise Unavailable(f"{what} needs root")
    if shutil.which("mmdebstrap") is None:
        raise Unavailable(f"{what} needs mmdebstrap, which is not installed")
    ROOTS.mkdir(parents=True, exist_ok=True)
    with open(ROOTS / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            _make(root, suite, what, options)
    return root


def _make(root: Path, suite: str, what: str, options: Sequence[str]) -> None:
    """Under another name until it is whole."""
    unfinished = Path(tempfile.mkdtemp(prefix=f"{root.name}.", dir=ROOTS))
    try:
        # Else mmdebstrap has its own idea of the mode, or other users cannot enter.
        unfinished.chmod(0o755)
        made = subprocess.run(
            [*MAKE_ROOT, *options, suite, str(unfinished), mirror()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=os.environ | {"LC_ALL": "C"},
        )
        if made.returncode != 0 and suite == SUITES[OLDEST] and _is_gone(suite, made.stdout):
            _gone[suite] = Gone(f"{what}: the mirror has no {suite} any more")
            raise _gone[suite]
        if made.returncode != 0:
            raise Unavailable(f"mmdebstrap {suite}: {made.stdout[-2000:]}")
        unfinished.rename(root)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _is_gone(suite: str, said: str) -> bool:
    """Whether apt was told so by the mirror. One that cannot be reached has not said it."""
    return re.search(rf"^Err:\d+ .* {suite} Release\n +404 ", said, re.M) is not None


def command(version: str, shared: Sequence[Path]) -> list[str]:
    """What to put before "qbittorrent-nox" to get that version, in which the directories `shared`
    are the same as here. The process that starts is qbittorrent-nox in the end, by its id."""
    if version not in SUITES:
        return []
    return inside(root_of(version), shared)


def inside(root: Path, shared: Sequence[Path]) -> list[str]:
    """What to put before a command to run it in this root, in which `shared` is the same as here."""
    directories = [str(directory) for directory in shared]
    return ["unshare", "--mount", "sh", "-c", IN_ROOT, "sh", str(root), *directories, "--"]


if __name__ == "__main__":
    try:
        for name in SUITES:
            try:
                root_of(name)
            except Gone as reason:
                print(reason)
        build_host()
    except Unavailable as reason:
        sys.exit(str(reason))

"""Debian 13 as the machine that builds: gcc 14 and musl 1.2.5, where Debian 12 has 12 and 1.2.3. Their
warnings are errors here, too, and their binary does its job."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import versions
from conftest import MakeSidecar, missing
from harness import ROOT, PortFile, QBittorrent, free_port

SOURCES = ("Makefile", "src", "tests/setup.sh", "tests/tests.mk", "third_party")

pytestmark = [
    pytest.mark.xdist_group("debian_13"),
    pytest.mark.timeout(900),  # all is compiled, beside other tests
]


def copy_tree(place: Path) -> Path:
    """The sources and the archives of third parties, so that nothing is fetched."""
    for name in SOURCES:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, place / name)
    (place / "sources").mkdir()
    for archive in (ROOT / "build" / "third_party").glob("*.tar.*"):
        shutil.copy(archive, place / "sources")
    return place


@pytest.fixture(scope="module")
def enter(root: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    try:
        debian_13 = versions.build_host()
    except versions.Unavailable as reason:
        missing(str(reason))
    tree = copy_tree(tmp_path_factory.mktemp("tree"))

    def run(command: str, result: int = 0) -> str:
        script = f"cd {tree}; export PATH=/usr/sbin:/usr/bin:/sbin:/bin; {command}"
        done = subprocess.run(
            [*versions.inside(debian_13, [tree]), "sh", "-ec", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == result, done.stdout[-4000:]
        return done.stdout

    run("tests/setup.sh build")
    run("make -j 2 THIRD_PARTY_SOURCES=sources all")
    run.tree = tree
    return run


@pytest.fixture
def binary(enter: Callable[..., str]) -> Path:
    return enter.tree / "build" / "qsticky"


def test_it_is_built_by_the_compiler_and_with_the_library_of_debian_13(
    enter: Callable[..., str],
) -> None:
    assert enter("gcc -dumpversion").startswith("14")
    assert enter("dpkg-query --show --showformat='${Version}' musl-tools").startswith("1.2.5")


def test_a_warning_ends_the_build_there(enter: Callable[..., str]) -> None:
    enter("cp src/base/text.c text.kept; echo 'void f(void) { int a; }' >>src/base/text.c")
    said = enter("make THIRD_PARTY_SOURCES=sources build/musl/base/text.o", result=2)
    assert "[-Werror=unused-variable]" in said
    assert "[-Werror=missing-prototypes]" in said
    enter("mv text.kept src/base/text.c")


def test_the_make_there_does_not_build_again_what_it_has(enter: Callable[..., str]) -> None:
    """By a rule for any kind of build, unlike those of build/musl: make 4.4 deletes what it takes for
    a mere step on the way."""
    library = "build/host/libbearssl.a"
    assert f"AR    {library}" in enter(f"make -j 2 THIRD_PARTY_SOURCES=sources {library}")
    assert f"AR    {library}" not in enter(f"make THIRD_PARTY_SOURCES=sources {library}")


def test_what_was_built_there_does_the_job_here(
    qbittorrent: QBittorrent, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(free_port())
    qsticky = sidecar(qbittorrent)
    for port in (free_port(), free_port()):
        port_file.write(port)
        qsticky.wait_in_sync(port)
        assert qbittorrent.listen_port() == port
    qsticky.check_stops_at_once()

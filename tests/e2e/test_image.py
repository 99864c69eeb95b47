"""The image, built as users build it: what is in it, what it says about itself, and that it comes
out the same each time. QSTICKY_TEST_PLATFORMS=all builds it for every platform; else it is built for
the engine's own, by both builders, and for one other."""

from __future__ import annotations

import calendar
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conftest import missing
from engine import Engine
from harness import BINARY, ROOT, wait_until

pytestmark = [
    pytest.mark.xdist_group("build_engine"),
    pytest.mark.timeout(900),  # packages are installed and all is compiled, beside other tests
]

# Docker's name, the one in build/, and what the image must say that it is for.
PLATFORMS = {
    "linux/arm/v6": ("armel", ("linux", "arm", "v6")),
    "linux/arm/v7": ("armhf", ("linux", "arm", "v7")),
    "linux/arm64": ("arm64", ("linux", "arm64", None)),
    "linux/386": ("i386", ("linux", "386", None)),
    "linux/amd64": ("amd64", ("linux", "amd64", None)),
}
TRIED = list(PLATFORMS) if os.environ.get("QSTICKY_TEST_PLATFORMS") == "all" else ["linux/arm/v6"]

LABEL = "org.opencontainers.image."

# Name, kind, mode: all of the image.
CONTENT = [
    ("app", tarfile.DIRTYPE, 0o755),
    ("app/health", tarfile.DIRTYPE, 0o777),
    ("qsticky", tarfile.REGTYPE, 0o755),
    ("tmp", tarfile.DIRTYPE, 0o1777),
]


class Image(NamedTuple):
    tag: str
    size: int  # as the engine counts it
    layers: list[str]  # their digests
    config: dict[str, Any]
    platform: tuple[str, str, str | None]
    entries: list[tarfile.TarInfo]
    binary: bytes
    layer_size: int


def git(*args: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(["git", *args], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean clone, with what was changed here since the last commit."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        missing("not a git work tree")
    path = tmp_path_factory.mktemp("clone") / "qsticky"
    git("clone", "--quiet", str(ROOT), str(path))
    for name in git("ls-files", "-z", "--modified", "--others", "--exclude-standard").split("\0"):
        if name and (ROOT / name).exists():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, path / name)
        elif name:
            (path / name).unlink()
    return path


def image_of(engine: Engine, tag: str, directory: Path) -> Image:
    """What a registry would be given."""
    file = directory / "image.tar"
    engine.docker("save", f"--output={file}", tag)
    with tarfile.open(file) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json"))
        config = json.load(archive.extractfile(manifest["Config"]))
        (layer,) = manifest["Layers"]
        layer_file = archive.extractfile(layer)
        layer_size = archive.getmember(layer).size
        with tarfile.open(fileobj=layer_file) as root:
            entries = root.getmembers()
            binary = root.extractfile("qsticky").read()
    file.unlink()
    return Image(
        tag,
        engine.inspect(tag, "image")["Size"],
        config["rootfs"]["diff_ids"],
        config["config"],
        (config["os"], config["architecture"], config.get("variant")),
        entries,
        binary,
        layer_size,
    )


def native_image(engine: Engine, tree: Path, builder: str, directory: Path) -> Image:
    engine.docker(
        *("build", "--network=host", "--file=Dockerfile.scratch", f"--tag=qsticky:{builder}", "."),
        cwd=tree,
        env={"DOCKER_BUILDKIT": "1" if builder == "buildkit" else "0"},
        timeout=600,
    )
    return image_of(engine, f"qsticky:{builder}", directory)


@pytest.fixture(scope="module")
def images(
    build_engine: Engine,
    debian_image: str,
    tree: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Image]:
    """By both builders; neither knows what the other has kept."""
    directory = tmp_path_factory.mktemp("images")
    return {
        builder: native_image(build_engine, tree, builder, directory)
        for builder in ("classic", "buildkit")
    }


@pytest.fixture(params=["classic", "buildkit"])
def image(request: pytest.FixtureRequest, images: dict[str, Image]) -> Image:
    return images[request.param]


def check_content(image: Image) -> None:
    assert len(image.layers) == 1
    found = [(entry.name.rstrip("/"), entry.type, entry.mode & 0o7777) for entry in image.entries]
    assert sorted(found) == CONTENT
    for entry in image.entries:
        assert (entry.uid, entry.gid, entry.mtime) == (0, 0, 0), entry


def test_one_layer_holds_one_executable_and_two_empty_directories(image: Image) -> None:
    check_content(image)


def test_the_image_says_how_to_run_it(image: Image) -> None:
    check_config(image.config)


def check_config(config: dict[str, Any]) -> None:
    assert config["Entrypoint"] == ["/qsticky"] and not config.get("Cmd")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", config["User"])
    assert "HEALTH_FILE=/app/health/status.json" in config["Env"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"] == {
        "Test": ["CMD", "/qsticky", "healthcheck"],
        "Interval": 30e9,
        "Timeout": 5e9,
        "StartPeriod": 15e9,
        "Retries": 3,
    }
    assert not config.get("Volumes") and not config.get("ExposedPorts")


def test_a_label_is_right_or_absent(image: Image) -> None:
    """Here git is not asked, so nothing is known of the commit."""
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True)
    labels = image.config["Labels"]
    names = {name.removeprefix(LABEL) for name in labels}
    assert names == {"title", "description", "licenses", "version"} and all(labels.values())
    assert version.stdout == f"qsticky {labels[LABEL + 'version']}\n"


def labels_by_make(directory: Path, *variables: str) -> dict[str, str]:
    """Those that `make image` has the engine add."""
    done = subprocess.run(
        ["make", "--silent", "image", "DOCKER=echo", "PLATFORM=", "ARCH=", *variables],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.split()
    given = [label for option, label in zip(words, words[1:]) if option == "--label"]
    return dict(label.removeprefix(LABEL).split("=", 1) for label in given)


def test_make_image_labels_the_addresses_that_it_is_given(tmp_path: Path) -> None:
    address = "https://code.example/somebody/qsticky"
    for name in ("Makefile", "packaging", "third_party"):
        (tmp_path / name).symlink_to(ROOT / name)
    assert labels_by_make(tmp_path, f"SOURCE_URL={address}") == {
        "url": address,
        "source": address,
        "documentation": f"{address}#readme",
    }


def copy_makefiles(directory: Path) -> None:
    shutil.copy2(ROOT / "Makefile", directory)
    for name in ("packaging", "third_party"):
        shutil.copytree(ROOT / name, directory / name, dirs_exist_ok=True)


def test_make_image_labels_what_git_knows(tmp_path: Path) -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        missing("not a git work tree")
    clone = tmp_path / "clone"
    git("clone", "--quiet", str(ROOT), str(clone))
    copy_makefiles(clone)
    author = ("-c", "user.name=a", "-c", "user.email=a@b")
    git("add", "--all", cwd=clone)
    git(*author, "commit", "--quiet", "--allow-empty", "--message=now", cwd=clone)
    commit = git("rev-parse", "HEAD", cwd=clone).strip()
    labels = labels_by_make(clone)
    assert set(labels) == {"revision", "created"} and labels["revision"] == commit
    created = calendar.timegm(time.strptime(labels["created"], "%Y-%m-%dT%H:%M:%SZ"))
    assert created == int(git("log", "-1", "--format=%ct", cwd=clone))

    # Of changes nobody knows the date.
    with open(clone / "Makefile", "a") as makefile:
        makefile.write("# changed\n")
    assert labels_by_make(clone) == {"revision": f"{commit}-dirty"}

    # A tarball's tree, in somebody's repository: that one's commit is not ours.
    below = clone / "below"
    below.mkdir()
    copy_makefiles(below)
    assert labels_by_make(below) == {}


def test_the_image_is_the_binary_and_next_to_nothing_more(
    image: Image, capsys: pytest.CaptureFixture[str]
) -> None:
    binary = len(image.binary)
    with capsys.disabled():
        print(f"\n{image.tag}: {image.size} bytes, {image.layer_size} as a tar; binary: {binary}")
    assert image.size <= binary + 1024


def test_the_binary_is_the_one_that_make_gives(image: Image) -> None:
    if not BINARY.exists():
        missing("build/qsticky is not built")
    assert image.binary == BINARY.read_bytes()


def test_two_builds_give_the_same_layer(images: dict[str, Image]) -> None:
    assert images["classic"].layers == images["buildkit"].layers


@pytest.fixture
def container(build_engine: Engine) -> Iterator[str]:
    name = "tried"
    yield name
    build_engine.docker("rm", "--force", name, check=False)


@pytest.mark.parametrize("user", [(), ("--user=12345:6789",), ("--user=0", "--cap-drop=ALL")])
def test_it_runs_as_any_user_and_writes_its_health(
    user: tuple[str, ...], images: dict[str, Image], build_engine: Engine, container: str
) -> None:
    build_engine.docker(
        *("run", "--detach", "--network=none", f"--name={container}", *user, "qsticky:buildkit")
    )

    def judged() -> str:
        done = build_engine.docker("exec", container, "/qsticky", "healthcheck", check=False)
        assert done.returncode == 1
        return done.stdout

    # There is no qBittorrent: that it says so has come by way of the health file.
    wait_until(lambda: "connection refused" in judged(), what="the health file to be written")
    build_engine.docker("stop", container)
    assert build_engine.state(container)["ExitCode"] == 0


@pytest.mark.parametrize("platform", TRIED)
def test_make_builds_the_image_for_another_platform(
    platform: str, images: dict[str, Image], build_engine: Engine, tree: Path, tmp_path: Path
) -> None:
    architecture, says = PLATFORMS[platform]
    built = ROOT / "build" / architecture / "qsticky"
    if not built.exists():
        missing(f"{built.relative_to(ROOT)} is not built")
    build_engine.run(
        ["make", "image", f"PLATFORM={platform}", "DOCKER_BUILD_FLAGS=--network=host"],
        cwd=tree,
        timeout=600,
    )
    tag = "qsticky:latest-" + platform.removeprefix("linux/").replace("/", "-")
    image = image_of(build_engine, tag, tmp_path)
    assert image.platform == says
    check_content(image)
    assert image.binary == built.read_bytes()

    head = git("rev-parse", "HEAD", cwd=tree).strip()
    assert image.config["Labels"][LABEL + "revision"] in (head, f"{head}-dirty")
    given = {LABEL + name: value for name, value in labels_by_make(tree).items()}
    assert given.items() <= image.config["Labels"].items() and all(image.config["Labels"].values())

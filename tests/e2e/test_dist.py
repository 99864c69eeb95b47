"""What `make dist` makes: the same bytes each time, complete, and loaded and run by those who take it.
An emulator plays the other processors."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import missing
from engine import Engine
from harness import PATIENCE, ROOT, free_port, wait_until
from test_image import CONTENT, LABEL, PLATFORMS, check_config

pytestmark = [
    pytest.mark.xdist_group("build_engine"),
    pytest.mark.timeout(600),  # the engine is busy with others' builds
]

EMULATORS = {
    "linux/arm/v6": "qemu-arm",
    "linux/arm/v7": "qemu-arm",
    "linux/arm64": "qemu-aarch64",
    "linux/386": "qemu-i386",
    "linux/amd64": "qemu-x86_64",
}
LINKED = ("Thomas Pornin", "Serge A. Zaitsev", "Rich Felker", "GCC\nRuntime Library Exception")


def make(*words: str, cwd: Path = ROOT, **options: Any) -> str:
    done = subprocess.run(
        ["make", "--silent", *words], cwd=cwd, capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"[-6000:]
    return done.stdout


NAMES = dict(line.split("=", 1) for line in make("names").splitlines())
VERSION, REPOSITORY = NAMES["version"], NAMES["repository"]
IMAGE = f"qsticky-{VERSION}-image.tar"
SBOM = f"qsticky-{VERSION}.spdx.json"
TARBALLS = {
    platform: f"qsticky-{VERSION}-{platform.replace('/', '-')}.tar.gz" for platform in PLATFORMS
}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made of the binaries that the tests use, without what git knows of this tree."""
    for _, (architecture, _) in PLATFORMS.items():
        if not (ROOT / "build" / architecture / "qsticky").exists():
            missing(f"build/{architecture}/qsticky is not built")
    path = tmp_path_factory.mktemp("dist")
    make(
        *("dist-files", f"dist={path}/dist", f"staging={path}/staging"),
        *("revision=", "SOURCE_DATE_EPOCH=0"),
    )
    return path / "dist"


def files_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_another_run_gives_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    """Of the same binaries. `make reproducible` compiles them a second time, elsewhere."""
    make(
        *("dist-files", f"dist={tmp_path}/dist", f"staging={tmp_path}/staging"),
        *("revision=", "SOURCE_DATE_EPOCH=0"),
        env={**os.environ, "TZ": "Asia/Tokyo"},
        umask=0o077,
    )
    first, second = files_of(dist), files_of(tmp_path / "dist")
    assert set(first) == {*TARBALLS.values(), IMAGE, SBOM, "SHA256SUMS"} == set(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_the_sums_are_those_of_all_other_files(dist: Path) -> None:
    sums = dict(reversed(line.split()) for line in (dist / "SHA256SUMS").read_text().splitlines())
    others = {name: content for name, content in files_of(dist).items() if name != "SHA256SUMS"}
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in others.items()}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_tarball_has_binary_manual_unit_and_licences(dist: Path, platform: str) -> None:
    top = TARBALLS[platform].removesuffix(".tar.gz")
    with tarfile.open(dist / TARBALLS[platform]) as archive:
        entries = {entry.name: entry for entry in archive}
        content = {
            name.removeprefix(f"{top}/"): archive.extractfile(entry).read()
            for name, entry in entries.items()
            if entry.isfile()
        }
    modes = {"qsticky": 0o755, "qsticky.8": 0o644, "qsticky.service": 0o644, "LICENSE": 0o644}
    assert {name: entry.mode for name, entry in entries.items()} == {
        top: 0o755,
        **{f"{top}/{name}": mode for name, mode in modes.items()},
    }
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 0)}
    architecture, _ = PLATFORMS[platform]
    assert content["qsticky"] == (ROOT / "build" / architecture / "qsticky").read_bytes()
    assert content["qsticky.8"] == (ROOT / "docs" / "qsticky.8").read_bytes()
    assert content["qsticky.service"] == (ROOT / "examples" / "qsticky.service").read_bytes()
    check_licenses(content["LICENSE"].decode())


def check_licenses(text: str) -> None:
    assert text.startswith((ROOT / "LICENSE").read_text())
    for holder in LINKED:
        assert holder in text, holder
    for name, file in (("bearssl", "LICENSE.txt"), ("jsmn", "LICENSE")):
        assert (ROOT / "build" / "third_party" / name / file).read_text() in text


# -- the SBOM ------------------------------------------------------------------------------


def test_the_sbom_is_valid_by_the_schema_of_spdx(dist: Path, tmp_path: Path) -> None:
    npm = ROOT / "build" / "npm"
    if not (npm / "spdx.schema.json").exists():
        missing("what the tests take from npm is not here: make build/npm/.installed")

    def validate(file: Path) -> subprocess.CompletedProcess[str]:
        script = ROOT / "tests" / "lint" / "npm" / "validate.cjs"
        return subprocess.run(
            ["node", script, npm, npm / "spdx.schema.json", file],
            capture_output=True,
            text=True,
            check=False,
        )

    done = validate(dist / SBOM)
    assert done.returncode == 0, done.stderr
    # And it does find what is wrong.
    for right, wrong in (('"sha256"', '"sha257"'), ('"from"', '"form"'), ('"spdxId"', '"id"')):
        (tmp_path / SBOM).write_text((dist / SBOM).read_text().replace(right, wrong, 1))
        assert validate(tmp_path / SBOM).returncode == 1, wrong


def test_the_sbom_has_what_the_pins_and_the_binaries_say(dist: Path) -> None:
    graph = json.loads((dist / SBOM).read_text())["@graph"]
    elements = {element.get("spdxId"): element for element in graph}
    packages = {e["name"]: e for e in graph if e["type"] == "software_Package"}
    assert set(packages) == {"qsticky", "BearSSL", "jsmn", "musl", "libgcc"}
    for name, package in (("bearssl", "BearSSL"), ("jsmn", "jsmn")):
        pin = (ROOT / "third_party" / f"{name}.pin").read_text()
        fields = dict(re.findall(r"^(\w+)=(.*)$", pin, re.M))
        assert packages[package]["software_packageVersion"] == fields["version"]
        assert packages[package]["verifiedUsing"][0]["hashValue"] == fields["sha256"]
    assert packages["qsticky"]["software_packageVersion"] == VERSION

    linked: dict[str, set[str]] = {}
    for one in graph:
        if one.get("relationshipType") == "hasStaticLink":
            names = {elements[target]["name"] for target in one["to"]}
            linked.setdefault(elements[one["from"]]["name"], set()).update(names)
    for platform, (architecture, _) in PLATFORMS.items():
        binary = (ROOT / "build" / architecture / "qsticky").read_bytes()
        name = TARBALLS[platform].removesuffix(".tar.gz") + "/qsticky"
        (file,) = [e for e in graph if e["type"] == "software_File" and e["name"] == name]
        assert file["verifiedUsing"][0]["hashValue"] == hashlib.sha256(binary).hexdigest()
        # The division that 32-bit processors lack.
        own = {"libgcc"} if architecture in ("armhf", "armel", "i386") else set()
        assert linked[name] == {"BearSSL", "jsmn", "musl"} | own
    licensed = {one["from"] for one in graph if one.get("relationshipType") == "hasDeclaredLicense"}
    assert {package["spdxId"] for package in packages.values()} == licensed


# -- the image ---------------------------------------------------------------------------


class Layout:
    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as archive:
            self.files = {entry.name: archive.extractfile(entry).read() for entry in archive}

    def blob(self, descriptor: dict[str, Any]) -> bytes:
        kind, digest = descriptor["digest"].split(":")
        content = self.files[f"blobs/{kind}/{digest}"]
        assert (len(content), hashlib.sha256(content).hexdigest()) == (descriptor["size"], digest)
        return content

    def index(self) -> dict[str, Any]:
        (entry,) = json.loads(self.files["index.json"])["manifests"]
        assert entry["annotations"]["org.opencontainers.image.ref.name"] == f"{REPOSITORY}:{VERSION}"
        return json.loads(self.blob(entry))


def test_the_index_has_an_image_for_each_platform(dist: Path) -> None:
    layout = Layout(dist / IMAGE)
    assert json.loads(layout.files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    index = layout.index()
    found = {"/".join(entry["platform"].values()) for entry in index["manifests"]}
    assert len(index["manifests"]) == len(found)
    for entry in index["manifests"]:
        named = entry["platform"]
        platform = "/".join(named[part] for part in ("os", "architecture", "variant") if part in named)
        architecture, _ = PLATFORMS[platform]
        manifest = json.loads(layout.blob(entry))
        config = json.loads(layout.blob(manifest["config"]))
        assert {part: config[part] for part in named} == named
        check_config(config["config"])
        labels = {name.removeprefix(LABEL): text for name, text in config["config"]["Labels"].items()}
        assert set(labels) == {"title", "description", "licenses", "version"}
        (layer,) = manifest["layers"]
        tar = gzip.decompress(layout.blob(layer))
        assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(tar).hexdigest()}"]
        with tarfile.open(fileobj=io.BytesIO(tar)) as root:
            files = [(e.name, e.type, e.mode) for e in root.getmembers()]
            assert sorted(files) == sorted([*CONTENT, ("LICENSE", tarfile.REGTYPE, 0o644)])
            assert {(e.uid, e.gid, e.mtime) for e in root.getmembers()} == {(0, 0, 0)}
            binary = root.extractfile("qsticky").read()
            check_licenses(root.extractfile("LICENSE").read().decode())
        assert binary == (ROOT / "build" / architecture / "qsticky").read_bytes()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty one, at 127.0.0.1: Docker takes that without TLS."""
    if shutil.which("docker-registry") is None:
        missing("docker-registry is not installed")
    if shutil.which("skopeo") is None:
        missing("skopeo is not installed")
    directory = tmp_path_factory.mktemp("registry")
    address = f"127.0.0.1:{free_port()}"
    (directory / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: '{address}'}}\n"
        f"storage: {{filesystem: {{rootdirectory: '{directory}/data'}}}}\n"
    )
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(directory / "config.yml")], stdout=log, stderr=log
        )

    def answers() -> bool:
        assert process.poll() is None, (directory / "log").read_text()
        try:
            with urllib.request.urlopen(f"http://{address}/v2/", timeout=PATIENCE) as reply:
                return reply.status == 200
        except OSError:
            return False

    try:
        wait_until(answers, what="the registry to answer")
        yield address
    finally:
        process.kill()
        process.wait()


def tags(registry: str, name: str) -> list[str]:
    done = subprocess.run(
        ["skopeo", "list-tags", "--tls-verify=false", f"docker://{registry}/{name}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(json.loads(done.stdout)["Tags"])


def publish(file: Path, repository: str, version: str) -> str:
    done = subprocess.run(
        [ROOT / "packaging" / "publish", file, repository, version],
        env={**os.environ, "TLS_VERIFY": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def digest_of(image: str) -> str:
    done = subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{image}"],
        capture_output=True,
        check=True,
    )
    return f"sha256:{hashlib.sha256(done.stdout).hexdigest()}"


def test_a_release_moves_the_tags_below_it_and_no_higher_one(
    dist: Path, registry: str, tmp_path: Path
) -> None:
    repository = f"{registry}/tags"
    # Another index, so that it can be told from the first.
    other = tmp_path / "other.tar"
    roots = []
    for platform, (architecture, _) in PLATFORMS.items():
        root = tmp_path / architecture
        root.mkdir()
        (root / "file").write_text(architecture)
        roots.append(f"{platform}={root}")
    oci = ROOT / "packaging" / "oci.py"
    subprocess.run([oci, other, "--name=other:1", *roots], check=True)

    first = publish(dist / IMAGE, repository, "3.9.1")
    assert tags(registry, "tags") == ["3", "3.9", "3.9.1", "latest"]
    assert {digest_of(f"{repository}:{tag}") for tag in tags(registry, "tags")} == {first}
    # A fix for what is older, numbers that are not letters, and one that is not a release yet.
    second = publish(other, repository, "3.8.10")
    publish(other, repository, "3.8.9")
    publish(other, repository, "4.0.0-rc1")
    assert second != first
    where = {tag: digest_of(f"{repository}:{tag}") for tag in tags(registry, "tags")}
    assert {tag for tag in where if where[tag] == first} == {"3", "3.9", "3.9.1", "latest"}
    assert {tag for tag in where if where[tag] == second} == {"3.8", "3.8.10", "3.8.9", "4.0.0-rc1"}
    publish(other, repository, "3.10.0")
    assert {digest_of(f"{repository}:{tag}") for tag in ("3", "3.10", "latest")} == {second}
    assert digest_of(f"{repository}:3.9") == first


@pytest.fixture(scope="module")
def published(dist: Path, registry: str) -> str:
    publish(dist / IMAGE, f"{registry}/qsticky", VERSION)
    return f"{registry}/qsticky:{VERSION}"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_docker_pulls_and_runs_the_image_of_each_platform(
    platform: str, published: str, build_engine: Engine
) -> None:
    """On the processor that it is for, or on what plays it: the machine's own emulator, lent to the
    container together with the libraries that it needs."""
    if shutil.which(EMULATORS[platform]) is None:
        missing(f"{EMULATORS[platform]} is not installed")
    build_engine.docker("pull", f"--platform={platform}", published, timeout=120)
    image = build_engine.inspect(published, "image")
    os_name, architecture, variant = PLATFORMS[platform][1]
    assert (image["Os"], image["Architecture"], image.get("Variant")) == (
        os_name,
        architecture,
        variant,
    )
    check_config(image["Config"])
    lent = [f"--volume=/{name}:/{name}:ro" for name in ("usr", "lib", "lib64")]
    emulator = [*lent, f"--entrypoint=/usr/bin/{EMULATORS[platform]}", published, "/qsticky"]
    runs = [["run", "--rm", "--network=none", f"--platform={platform}", *emulator]]
    if platform == "linux/amd64" and os.uname().machine == "x86_64":
        runs.append(["run", "--rm", "--network=none", published])
    for run in runs:
        said = build_engine.docker(*run, "--version")
        assert said.stdout == f"qsticky {VERSION}\n", said.stderr
        checked = build_engine.docker(*run, "check", "--json", check=False)
        assert checked.returncode == 1 and json.loads(checked.stdout)["hops"], checked.stderr


def test_podman_loads_and_runs_the_image_tar(root: None, dist: Path, place: Path) -> None:
    if shutil.which("podman") is None:
        missing("podman is not installed")
    name = f"{REPOSITORY}:{VERSION}"
    group = place.name
    podman = ["podman", f"--root={place}/root", f"--runroot={place}/run"]
    podman += ["--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--events-backend=none"]
    podman += ["--runtime=runc"]

    def run(*words: str) -> str:
        done = subprocess.run([*podman, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        assert name in run("load", f"--input={dist / IMAGE}")
        limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
        flags = ("--rm", "--network=none", f"--cgroup-parent=/{group}", *limits)
        assert run("run", *flags, name, "--version") == f"qsticky {VERSION}\n"
    finally:
        subprocess.run([*podman, "rmi", "--all", "--force"], capture_output=True, check=False)
        for path in [*Path("/sys/fs/cgroup").glob(group), *Path("/sys/fs/cgroup").glob(f"*/{group}")]:
            for below in (*path.glob("*/"), path):
                below.rmdir()

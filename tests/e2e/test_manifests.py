"""The Kubernetes manifest and the systemd unit of examples/, as far as they can be checked without
a cluster and without systemd at work."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import missing
from documents import MANUAL, example
from faulty_server import FaultyServer
from harness import BINARY, PortFile, Qsticky, wait_until

try:
    import kubernetes.client.models as models
    import yaml
except ImportError:
    models = None

# What systemd takes for DynamicUser=yes lies around here.
SERVICE = 64321

# Fields that are younger than Debian's package of the types (Kubernetes 1.22).
YOUNGER = {("V1Container", "restartPolicy")}


def check_type(value: Any, name: str, where: str) -> None:
    """That `value` is what Kubernetes' type of that name allows: no unknown field, no other type,
    nothing required left out."""
    inner = re.fullmatch(r"(list|dict)[\[(](?:str, )?(\w+)[\])]", name)
    if inner and inner[1] == "list":
        assert isinstance(value, list), f"{where}: not a list"
        for index, item in enumerate(value):
            check_type(item, inner[2], f"{where}[{index}]")
    elif inner:
        assert isinstance(value, dict), f"{where}: not a map"
        for key, item in value.items():
            check_type(item, inner[2], f"{where}.{key}")
    elif name in ("str", "int", "bool"):
        assert type(value).__name__ == name, f"{where}: {value!r} is not {name}"
    elif name != "object":
        check_fields(value, getattr(models, name), where)


def check_fields(value: Any, model: Any, where: str) -> None:
    assert isinstance(value, dict), f"{where}: not a map"
    fields = {field: name for name, field in model.attribute_map.items()}
    for key, item in value.items():
        if (model.__name__, key) not in YOUNGER:
            assert key in fields, f"{where}: {model.__name__} has no field {key}"
            check_type(item, model.openapi_types[fields[key]], f"{where}.{key}")
    # The types refuse None where a field is required.
    model(**{fields[key]: item for key, item in value.items() if key in fields})


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """By kind."""
    if models is None:
        missing("python3-kubernetes is not installed")
    documents = list(yaml.safe_load_all(example("kubernetes.yaml")))
    return {document["kind"]: document for document in documents}


def test_the_manifest_is_what_kubernetes_takes(manifest: dict[str, Any]) -> None:
    assert set(manifest) == {"Secret", "Deployment"}
    check_fields(manifest["Secret"], models.V1Secret, "Secret")
    check_fields(manifest["Deployment"], models.V1Deployment, "Deployment")


def test_the_check_of_the_manifest_finds_mistakes(manifest: dict[str, Any]) -> None:
    for wrong in ({"kind": 1}, {"spec": {}}, {"spec": {"replica": 1}}, {"metadata": []}):
        with pytest.raises((AssertionError, ValueError)):
            check_fields(manifest["Deployment"] | wrong, models.V1Deployment, "")


def test_the_manifest_fits_together(manifest: dict[str, Any]) -> None:
    template = manifest["Deployment"]["spec"]["template"]
    pod = template["spec"]
    containers = pod["initContainers"] + pod["containers"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    mounted = {mount["name"] for one in containers for mount in one["volumeMounts"]}
    assert mounted == volumes
    selector = manifest["Deployment"]["spec"]["selector"]
    assert selector["matchLabels"] == template["metadata"]["labels"]
    (secret,) = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    keys = set(manifest["Secret"]["stringData"])
    assert secret["secretName"] == manifest["Secret"]["metadata"]["name"]
    assert {item["key"] for item in secret["items"]} <= keys
    # Native sidecars, the VPN first.
    assert [one["name"] for one in pod["initContainers"]] == ["gluetun", "qsticky"]
    assert all(one["restartPolicy"] == "Always" for one in pod["initContainers"])


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    if shutil.which("systemd-analyze") is None:
        missing("systemd-analyze is not installed")
    if not BINARY.exists():
        missing("build/qsticky is not built")
    path = tmp_path / "qsticky.service"
    path.write_text(example(path.name).replace("/usr/local/bin/qsticky", str(BINARY)))
    return path


def analyze(*args: str) -> str:
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", *args], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_understands_the_unit(unit: Path) -> None:
    """A warning names the file: there is none."""
    said = analyze("verify", "--man=no", "--recursive-errors=no", str(unit))
    assert unit.name not in said, said


def test_the_unit_is_as_closed_as_its_page_says(unit: Path) -> None:
    said = analyze("security", "--offline=true", str(unit))
    level = re.search(r"Overall exposure level for \S+: (\d+\.\d) (\w+)", said)
    assert level, said
    text = example("README.md")
    assert f'exposure of this unit {level[1]}, "{level[2]}"' in " ".join(text.split()), level[0]


def settings(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text, re.M)


@pytest.mark.parametrize("mode", ["0755", "0700"], ids=["as in the unit", "closed to others"])
def test_the_command_for_the_health_of_the_unit_says_healthy(
    mode: str, root: None, public_binary: Path, new_fake: Callable[..., FaultyServer], place: Path
) -> None:
    """The documented line, beside a service as its own unit starts it: another user, its umask and
    its directory, which RuntimeDirectoryMode= may close."""
    text = example("qsticky.service")
    (command,) = re.findall(r"^sudo HEALTH_FILE=.*$", example("README.md"), re.M)
    assert f"\n.Dl {command}\n" in MANUAL.read_text()
    (umask,), (directory,) = settings(text, "UMask"), settings(text, "RuntimeDirectory")
    env = dict(setting.split("=", 1) for setting in settings(text, "Environment"))
    assert settings(text, "DynamicUser") == ["yes"]
    server = new_fake(password="correct horse").start()
    credentials, srv = place / "credentials", PortFile(place / "srv" / "gluetun" / "forwarded_port")
    credentials.mkdir(mode=0o500)
    (credentials / "qbittorrent_pass").write_text(server.password)
    for path in (credentials, credentials / "qbittorrent_pass"):
        os.chown(path, SERVICE, SERVICE)
    srv.write(41000)
    (place / "bin").mkdir()
    public_binary.rename(place / "bin" / "qsticky")
    (place / "bin" / "sudo").write_text('#!/bin/sh\nexec /usr/bin/env "$@"\n')
    (place / "bin" / "sudo").chmod(0o755)
    script = f"""mount -t tmpfs none /run; mount --bind {place}/srv /srv
        mkdir -m {mode} /run/{directory}; chown {SERVICE}:{SERVICE} /run/{directory}
        umask {umask}; exec setpriv --reuid={SERVICE} --regid={SERVICE} --clear-groups \
            --inh-caps=-all --bounding-set=-all --no-new-privs "$@" """
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-e", "-c", script, "sh", place / "bin" / "qsticky"],
        env={
            **{name: value.replace("%d", str(credentials)) for name, value in env.items()},
            "QSTICKY_QBITTORRENT_PORT": str(server.port),
            "QSTICKY_CHECK_INTERVAL": "1",
        },
    )

    def said() -> str:
        done = subprocess.run(
            ["nsenter", "--mount", f"--target={process.pid}", "sh", "-c", command],
            env={"PATH": f"{place}/bin:{os.environ.get('PATH', os.defpath)}"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else ""

    try:
        assert "healthy: port 41000" in wait_until(said, what="the command to say healthy")
    finally:
        process.terminate()
        assert process.wait() == 0


def system_calls_of(group: str) -> set[str]:
    """What a name stands for in SystemCallFilter=, groups within it included."""
    if not group.startswith("@"):
        return {group}
    listed = analyze("syscall-filter", group).splitlines()[1:]
    members = [line.strip() for line in listed if line.strip() and "#" not in line]
    return set().union(*(system_calls_of(member) for member in members))


def test_the_unit_allows_the_system_calls_that_qsticky_makes(
    unit: Path, fake: FaultyServer, port_file: PortFile, place: Path
) -> None:
    if shutil.which("strace") is None:
        missing("strace is not installed")
    allowed: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.M):
        for name in line.lstrip("~").split():
            if line.startswith("~"):
                allowed -= system_calls_of(name)
            else:
                allowed |= system_calls_of(name)
    trace = place / "trace"
    port_file.write(41000)
    qsticky = Qsticky(
        BINARY,
        port_file=port_file,
        health_file=place / "health" / "status.json",
        qbittorrent_port=fake.port,
        # CapabilityBoundingSet=: where there are none, none are given up.
        wrapper=("setpriv", "--bounding-set=-all", "strace", "-f", "-qq", "-o", str(trace)),
    )
    with qsticky:
        qsticky.wait_health(state="in_sync")
        port_file.write(41001)
        qsticky.wait_health(state="in_sync", current_port=41001)
        port_file.clear()
        qsticky.wait_health(state="waiting_for_port")
        (tracee,) = Path(f"/proc/{qsticky.pid}/task/{qsticky.pid}/children").read_text().split()
        os.kill(int(tracee), signal.SIGTERM)
        assert qsticky.wait() == 0
    made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.M))
    assert {"poll", "connect", "rename"} <= made
    assert not made - allowed

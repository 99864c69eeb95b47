"""What examples/ has for Kubernetes, Helm, Unraid and systemd, as far as it can be checked
without any of these at work."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from conftest import missing
from documents import MANUAL, README, defaults, example, rows
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
    assert set(manifest) == {"Secret", "Deployment", "Service"}
    for kind, document in manifest.items():
        check_fields(document, getattr(models, f"V1{kind}"), kind)


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
    # The Web UI is at the Service, by the name of its port.
    service = manifest["Service"]["spec"]
    assert service["selector"] == template["metadata"]["labels"]
    (port,) = service["ports"]
    named = {one["name"]: one["containerPort"] for one in pod["containers"][0]["ports"]}
    assert named[port["targetPort"]] == port["port"] == 8080
    # Native sidecars, the VPN first.
    assert [one["name"] for one in pod["initContainers"]] == ["gluetun", "qsticky"]
    assert all(one["restartPolicy"] == "Always" for one in pod["initContainers"])


def test_an_unhealthy_qsticky_leaves_the_web_ui_on_its_service(manifest: dict[str, Any]) -> None:
    """Readiness is the pod's: one container that is not ready takes all off the Service."""
    pod = manifest["Deployment"]["spec"]["template"]["spec"]
    assert not any("readinessProbe" in one for one in pod["initContainers"] + pod["containers"])
    qsticky = pod["initContainers"][1]
    assert "livenessProbe" not in qsticky and "startupProbe" not in qsticky
    # So something else has to tell.
    (webhook,) = [one for one in qsticky["env"] if one["name"] == "QSTICKY_WEBHOOK_URL"]
    assert webhook["valueFrom"]["secretKeyRef"]["optional"] is True
    assert pod["enableServiceLinks"] is False


# -- Helm -------------------------------------------------------------------------------------
# No registry of the tests has the chart. What it makes of its values is written here as far as this
# file uses it (its templates lib/pod/_spec.tpl, lib/container, classes/), and judged by Kubernetes'
# types. Unknown values are refused, as the chart's schema does.


def rendered_container(name: str, values: dict[str, Any]) -> dict[str, Any]:
    values = dict(values)
    image = values.pop("image")
    assert set(image) <= {"repository", "tag", "pullPolicy"}, image
    env = [
        {"name": key, **(value if isinstance(value, dict) else {"value": value})}
        for key, value in values.pop("env", {}).items()
    ]
    values.pop("dependsOn", None)
    container = {"name": name, "image": f"{image['repository']}:{image['tag']}", "env": env}
    if "pullPolicy" in image:
        container["imagePullPolicy"] = image["pullPolicy"]
    for kind, probe in values.pop("probes", {}).items():
        assert (probe["enabled"], probe["custom"], len(probe)) == (True, True, 3), probe
        container[f"{kind}Probe"] = probe["spec"]
    passed = {"command", "restartPolicy", "securityContext", "resources"}
    assert set(values) <= passed, values
    return container | values


def rendered_volume(name: str, values: dict[str, Any]) -> dict[str, Any]:
    values = {key: value for key, value in values.items() if key != "advancedMounts"}
    kind = values.pop("type", "persistentVolumeClaim")
    names = {
        "emptyDir": {"medium": "medium", "sizeLimit": "sizeLimit"},
        "secret": {"name": "secretName", "items": "items"},
        "hostPath": {"hostPath": "path", "hostPathType": "type"},
        "persistentVolumeClaim": {"existingClaim": "claimName"},
    }[kind]
    return {"name": name, kind: {names[key]: value for key, value in values.items()}}


def rendered(values: dict[str, Any]) -> dict[str, Any]:
    """The pod that the chart makes."""
    assert set(values) == {"defaultPodOptions", "controllers", "service", "persistence"}
    ((controller, parts),) = values["controllers"].items()
    assert parts.pop("strategy") == "Recreate"
    assert set(parts) == {"initContainers", "containers"}
    ((_, service),) = values["service"].items()
    assert service["controller"] == controller
    pod = dict(values["defaultPodOptions"])
    for kind, containers in parts.items():
        pod[kind] = [rendered_container(name, one) for name, one in containers.items()]
        for container in pod[kind]:
            container["volumeMounts"] = [
                {"name": volume, "mountPath": mount.pop("path"), **mount}
                for volume, item in values["persistence"].items()
                for mount in item["advancedMounts"][controller].get(container["name"], [])
            ]
    pod["volumes"] = [rendered_volume(name, one) for name, one in values["persistence"].items()]
    return pod


@pytest.fixture
def values() -> dict[str, Any]:
    if models is None:
        missing("python3-kubernetes is not installed")
    return yaml.safe_load(example("app-template.yaml"))


def by_name(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the lists in it in one order, without ports, which the chart takes from the service."""
    plain = [
        {key: by_name(value) if key in ("env", "volumeMounts") else value for key, value in one.items()}
        for one in items
    ]
    return sorted(
        ({key: value for key, value in one.items() if value and key != "ports"} for one in plain),
        key=lambda one: one["name"],
    )


def test_the_values_for_helm_make_the_pod_of_the_manifest(
    values: dict[str, Any], manifest: dict[str, Any]
) -> None:
    assert values["controllers"]["qbittorrent"]["initContainers"]["qsticky"]["dependsOn"] == "gluetun"
    pod = rendered(values)
    check_fields(pod, models.V1PodSpec, "pod")
    wanted = manifest["Deployment"]["spec"]["template"]["spec"]
    # Which registry and tag: `make docs` writes them.
    for container in (*wanted["initContainers"], *pod["initContainers"]):
        container["image"] = container["image"].rpartition("/")[2].partition(":")[0]
    for part in ("initContainers", "containers", "volumes"):
        assert by_name(pod.pop(part)) == by_name(wanted.pop(part)), part
    assert pod == wanted


# -- Unraid -----------------------------------------------------------------------------------


def test_the_unraid_template_asks_for_what_people_set() -> None:
    """The eight of README's table, with the defaults of the program, and the port file's directory."""
    root = ElementTree.fromstring(example("unraid.xml"))
    assert (root.tag, root.get("version")) == ("Container", "2")
    fields = root.findall("Config")
    variables = {field.get("Target"): field for field in fields if field.get("Type") == "Variable"}
    listed = {row[0].strip("`") for row in rows(README.read_text())}
    assert set(variables) == {name for name in listed if re.fullmatch("QSTICKY_[A-Z_]+", name)}
    for name, field in variables.items():
        default = field.get("Default", "").partition("|")[0]
        assert default in ("", defaults()[name]), name
        assert (field.text or "") == default, name
        is_secret = f"{name}_FILE" in defaults() and not name.endswith("_USER")
        assert field.get("Mask") == ("true" if is_secret else "false"), name
    (path,) = [field for field in fields if field.get("Type") == "Path"]
    assert defaults()["QSTICKY_PORT_FILE_PATH"] == f"{path.get('Target')}/forwarded_port"
    assert path.get("Mode") == "ro"
    known = {"Name", "Target", "Default", "Mode", "Description", "Type", "Display", "Required", "Mask"}
    assert all(set(field.attrib) == known for field in fields)
    assert root.findtext("Network") == "container:gluetun"


# -- systemd ----------------------------------------------------------------------------------


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
    is_257 = int(re.search(r"^systemd (\d+)", analyze("--version"))[1]) >= 257
    said_there = f'{level[1]}, "{level[2]}"'
    where = f"with systemd 257, {said_there}" if is_257 else f"exposure of this unit {said_there}"
    assert where in " ".join(text.split()), level[0]


def settings(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text, re.M)


@pytest.mark.parametrize("mode", ["0755", "0700"], ids=["as in the unit", "closed to others"])
def test_the_command_for_the_health_of_the_unit_says_healthy(
    mode: str, root: None, public_binary: Path, new_fake: Callable[..., FaultyServer], place: Path
) -> None:
    """The documented line, beside a service as its own unit starts it: another user, its umask and
    its directory, which RuntimeDirectoryMode= may close."""
    text = example("qsticky.service")
    page = example("README.md")
    health, check = re.findall(r"^sudo HEALTH_FILE=.*$", page, re.M)
    assert f"\n.Dl {health}\n" in MANUAL.read_text()
    # Root's own file is elsewhere here: /etc is the machine's.
    own = place / "own"
    check = check.replace("/etc/qsticky/", f"{own}/")
    assert str(own) in check
    (umask,), (directory,) = settings(text, "UMask"), settings(text, "RuntimeDirectory")
    env = dict(setting.split("=", 1) for setting in settings(text, "Environment"))
    assert settings(text, "DynamicUser") == ["yes"]
    server = new_fake(password="correct horse").start()
    credentials, srv = place / "credentials", PortFile(place / "srv" / "gluetun" / "forwarded_port")
    credentials.mkdir(mode=0o500)
    (credentials / "qbittorrent_pass").write_text(server.password)
    for path in (credentials, credentials / "qbittorrent_pass"):
        os.chown(path, SERVICE, SERVICE)
    own.mkdir(mode=0o700)
    (own / "qbittorrent_pass").write_text(server.password)
    (own / "qbittorrent_pass").chmod(0o600)
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

    def said(command: str = health) -> str:
        done = subprocess.run(
            ["nsenter", "--mount", f"--target={process.pid}", "sh", "-c", command],
            env={
                "PATH": f"{place}/bin:{os.environ.get('PATH', os.defpath)}",
                "QSTICKY_QBITTORRENT_PORT": str(server.port),
                "QSTICKY_VPN_INTERFACE": "none",  # not the machine's
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else ""

    try:
        assert "healthy: port 41000" in wait_until(said, what="the command to say healthy")
        checked = said(check)
        for line in ("port file", "login", "port", "health file"):
            assert re.search(f"^ok    {line} ", checked, re.M), checked
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
        env={"QSTICKY_VPN_INTERFACE": "tun0"},
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

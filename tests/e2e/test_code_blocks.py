"""The code blocks of README.md, docs/ and examples/: each is run, verified or parsed. And the messages
that the pages explain are those that there are."""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from certificates import Pki
from conftest import MakeSidecar, Sidecar, missing
from documents import DOCS, EXAMPLES, README, Block, blocks, commands, defaults, documents, example
from faulty_server import FaultyServer
from harness import BINARY, ROOT, PortFile, wait_until
from tls_peers import OpensslServer

try:
    import yaml
except ImportError:
    yaml = None

WITHOUT_CAS = ("unshare", "--mount", "sh", "-c")
WITHOUT_CAS += ('mount -t tmpfs none /etc/ssl/certs && exec "$@"', "sh")
ALL_BLOCKS = [block for file in documents() for block in blocks(file)]


def of_language(*languages: str) -> list[Any]:
    found = [block for block in ALL_BLOCKS if block.language in languages]
    return [pytest.param(block, id=str(block)) for block in found]


# -- code blocks ------------------------------------------------------------------------


def test_every_code_block_has_a_language_that_is_checked_here() -> None:
    checked = {"yaml", "sh", "text", "json", "toml", "mermaid"}
    assert [str(block) for block in ALL_BLOCKS if block.language not in checked] == []
    for file in documents():
        fences = len(re.findall(r"^ *```", file.read_text(), re.M))
        assert fences == 2 * len(blocks(file)), f"{file}: a block that is not seen"


COMPOSE_FILES = [
    pytest.param(Block(file, 1, "yaml", file.read_text()), id=file.name)
    for file in sorted(EXAMPLES.glob("compose*.yaml"))
]


@pytest.mark.parametrize("block", [*of_language("yaml"), *COMPOSE_FILES])
def test_compose_fragments_configure_qsticky(block: Block) -> None:
    """Each setting is known, and qsticky takes its value."""
    if yaml is None:
        missing("python3-yaml is not installed")
    content = yaml.safe_load(block.text)
    assert set(content) <= {"services", "secrets", "volumes"}
    allowed = set().union({"sysctls", "labels", "healthcheck"}, *yaml.safe_load(example("compose.yaml"))["services"].values())
    for service in content["services"].values():
        assert set(service) <= allowed
        env = {name: str(value) for name, value in service.get("environment", {}).items()}
        ours = {name: value for name, value in env.items() if name.startswith("QSTICKY_")}
        assert set(ours) <= set(defaults())
        done = subprocess.run(
            [BINARY, "healthcheck"],
            env=ours | {"HEALTH_FILE": "/nonexistent/status.json"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.startswith("unhealthy: no health file"), done.stdout


@pytest.mark.parametrize("block", of_language("json"))
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)  # what is in it: test_webhook.py


@pytest.mark.parametrize("block", of_language("toml"))
def test_toml_is_toml(block: Block) -> None:
    tomllib.loads(block.text)  # what it does: test_control_server.py


# What a line of a block `sh` may do, by its first word.


def make_takes(words: list[str]) -> None:
    files = [ROOT / "Makefile", *sorted(ROOT.glob("*/*.mk"))]
    text = "".join(file.read_text() for file in files)
    targets = set(" ".join(re.findall(r"^([a-z][a-z -]*):(?!=)", text, re.M)).split())
    variables = set(re.findall(r"^([A-Z_]+) \?=", text, re.M)) | {"OLD"}
    for word in words:
        name, is_assigned, _ = word.partition("=")
        assert name in (variables if is_assigned else targets), word


def docker_takes(words: list[str]) -> None:
    command, *rest = words
    if command == "compose":
        verb, *rest = rest
        assert verb in {"up", "logs", "exec", "run", "kill", "restart"}
        services = set(re.findall(r"^  (\w+):$", example("compose.yaml"), re.M))
        names = [word for word in rest if not word.startswith("-") and word not in ("HUP",)]
        assert not names or names[0] in services, names
        if verb == "exec":
            assert names[1] == "/qsticky" and names[2] in commands()
        if verb == "run":
            assert set(names[1:]) <= commands()
    else:
        assert command in {"build", "load", "run"}
        if "-f" in rest:
            assert (ROOT / rest[rest.index("-f") + 1]).exists()


def sudo_takes(words: list[str]) -> None:
    while "=" in words[0]:
        assert words.pop(0).partition("=")[0] in defaults()
    program, *rest = words
    if program == "qsticky":
        assert set(rest) <= commands()
    elif program == "make":
        make_takes(rest)
    elif program == "install":
        source = rest[-1] if "-t" in rest else rest[-2]
        assert source in example("compose.yaml") or [*ROOT.glob(source)], source
    elif program == "podman":
        assert rest[:2] == ["secret", "create"]
        quadlets = "".join(file.read_text() for file in EXAMPLES.glob("*.container"))
        assert re.search(rf"^Secret={rest[2]},", quadlets, re.M)
    elif program == "apt":
        assert rest[0] == "install"
        assert rest[1] == "./build/deb/qsticky_*.deb"
    else:
        assert program == "systemctl"
        units = {file.stem for ending in ("service", "container") for file in EXAMPLES.glob(f"*.{ending}")}
        assert rest[0] == "daemon-reload" or rest[0] in ("enable", "start")
        assert set(rest[1:]) - {"--now"} <= units


def printf_gives(words: list[str]) -> None:
    line = shlex.join(words).replace("'|'", "|")
    shown = subprocess.run(["sh", "-c", f"printf {line}"], capture_output=True, check=True).stdout
    padded = shown + b"=" * (-len(shown) % 4)
    assert base64.urlsafe_b64decode(padded) == b"Bearer " + words[1].encode()


SHELL: dict[str, Callable[[list[str]], None]] = {
    "make": make_takes,
    "docker": docker_takes,
    "sudo": sudo_takes,
    "printf": printf_gives,
}


@pytest.mark.parametrize("block", of_language("sh"))
def test_commands_are_those_that_there_are(block: Block) -> None:
    subprocess.run(["sh", "-n"], input=block.text, text=True, check=True)
    for line in block.text.splitlines():
        first, *words = shlex.split(line)
        SHELL[first](words)


def test_the_check_of_commands_finds_mistakes() -> None:
    for line in (
        "make dmeo",
        "make bench-compare OLDER=x",
        "docker build -f Dockerfile .",
        "docker compose exec qsticky /qsticky chekc",
        "docker compose restart qbitorrent",
        "sudo HEALTHFILE=/x qsticky healthcheck",
        "sudo install examples/qstickyd.service /etc",
        "sudo systemctl enable --now qstickyd",
        "sudo systemctl stop qsticky",
        "sudo podman secret create qbittorrent_password x",
        "sudo apt install ./build/qsticky_*.deb",
        "curl x",
    ):
        first, *words = shlex.split(line)
        with pytest.raises((AssertionError, KeyError)):
            SHELL[first](words)


# -- what qsticky says --------------------------------------------------------------------


def mask(line: str) -> str:
    """The same line for every machine, time and port."""
    line = line.strip()
    line = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z ", "", line)
    line = re.sub(r"\d{4}-\d\d-\d\d", "DAY", line)
    line = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]+…|\b[0-9a-f]{64}\b", "HEX", line)
    line = re.sub(r"/\S*/(\w+(?:\.json)?)\b", r"DIR/\1", line)
    line = line.replace("127.0.0.1", "localhost")
    line = line.replace("VPN interface none", "VPN interface tun0")
    return re.sub(r" +", " ", re.sub(r"\d+(\.\d+)*", "N", line))


@pytest.fixture
def said(
    root: None,
    fake: FaultyServer,
    place: Path,
    port_file: PortFile,
    sidecar: MakeSidecar,
    pki: Pki,
) -> set[str]:
    """Masked: the lines of the situations that the pages show."""
    lines: list[str] = []

    def run(qsticky: Sidecar) -> None:
        done = subprocess.run(
            qsticky.command,
            env=qsticky.env,
            capture_output=True,
            text=True,
            check=False,
        )
        lines.extend((done.stdout + done.stderr).splitlines())

    # The quick start, and a qBittorrent that goes away.
    port_file.write(45720)
    qsticky = sidecar(fake, log_level="INFO")
    qsticky.wait_in_sync(45720)
    lines.append(qsticky.healthcheck()[1])
    fake.stop()
    qsticky.wait_failed()
    wait_until(lambda: qsticky.healthcheck()[0] == 1, what="the turn to unhealthy")
    lines.append(qsticky.healthcheck()[1])
    lines += qsticky.log
    # A forgotten mount.
    nowhere = PortFile(place / "nowhere" / "forwarded_port", make_dir=False)
    run(sidecar(fake, start=False, port_file=nowhere, args=("check",)))
    # A self-signed certificate.
    (place / "server").mkdir()
    certificate = pki.make("DNS:nas", subject="/CN=nas")
    with OpensslServer(place / "server", certificate) as server:
        env = {"QSTICKY_USE_HTTPS": "true"}
        run(sidecar(server, start=False, env=env, wrapper=WITHOUT_CAS, args=("once",)))
    return {mask(line) for line in lines}


@pytest.mark.parametrize("binary", ["musl"], indirect=True)
def test_shown_output_is_what_qsticky_says(said: set[str]) -> None:
    shown = [block for block in ALL_BLOCKS if block.language == "text"]
    assert len(shown) >= 4
    # A kernel, or a Docker, without Landlock cannot say that line.
    lacks_sandbox = any(line.startswith("warn sandbox") for line in said)
    for block in shown:
        for line in block.text.splitlines():
            if lacks_sandbox and line.startswith("ok    sandbox"):
                continue
            assert mask(line) in said, f"{block}: {line}\n" + "\n".join(sorted(said))


def literals() -> str:
    """The strings of the program, a line each. Neighbours are one; formats are as they stand."""
    literal = r'"((?:\\.|[^"\\\n])*)"'
    found = []
    for file in sorted((ROOT / "src").glob("**/*.[ch]")):
        joined = re.sub(r'(?<!\\)"\s*(?:PRI\w+\s*)?"', "", file.read_text())
        found += re.findall(literal, joined)
    return "\n".join(found).replace('\\"', '"')


def messages(text: str) -> set[str]:
    """What stands as code in the first column of the tables of messages, cut where a value is."""
    heads = r"^\| (?:message|`check` or the log says) \|.*\n\|.*\n((?:\|.*\n)+)"
    spans = {
        span
        for table in re.findall(heads, text, re.M)
        for line in table.splitlines()
        for span in re.findall(r"`([^`]+)`", line.split(" | ")[0])
    }
    value = r"…|\b[NM]\b|\btun0\b|/etc/\S+|HTTP \d+|\b\d+\b|\bhttps?://|\bQSTICKY_\w+"
    return {part.strip(" :") for span in spans for part in re.split(value, span) if len(part) > 5}


@pytest.mark.parametrize("page", [README, DOCS / "troubleshooting.md"], ids=lambda page: page.name)
def test_the_messages_explained_are_those_that_there_are(page: Path) -> None:
    explained = messages(page.read_text())
    assert len(explained) > 5
    known = literals()
    assert sorted(part for part in explained if part not in known) == []

"""README.md, docs/ and examples/: they can be read, lead to each other, and what they list is what the
program has. Their code blocks: test_code_blocks.py."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import demo
import links
import prose
from conftest import MakeSidecar, missing
from documents import (
    DOCS,
    EXAMPLES,
    MANUAL,
    README,
    blocks,
    commands,
    defaults,
    document,
    documents,
    example,
    rows,
)
from faulty_server import FaultyServer
from harness import ROOT, PortFile, wait_until

try:
    import yaml
except ImportError:
    yaml = None

README_LINES_MAX = 250


# -- README and the pages ------------------------------------------------------------


def test_readme_is_short_enough_to_be_read() -> None:
    assert len(README.read_text().splitlines()) <= README_LINES_MAX


def test_readme_shows_the_first_example_word_for_word() -> None:
    first, *_ = blocks(README, "yaml")
    assert first.text == example("compose.yaml")


def test_readme_leads_to_every_page() -> None:
    linked = {target.partition("#")[0] for target in links.links(README)}
    pages = {str(page.relative_to(ROOT)) for page in documents()} - {"README.md"}
    assert pages <= linked


@pytest.mark.parametrize("page", [str(page.relative_to(ROOT)) for page in links.pages()])
def test_every_relative_link_leads_somewhere(page: str) -> None:
    assert not list(links.dead_links(ROOT / page))


def test_the_check_of_links_finds_dead_ones(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# What is here\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md#what-is-here) [b](nowhere.md) [c](other.md#nothing) [d](https://x.example/)\n"
        "```sh\n[e](no.md)\n```\n[f]: gone.md\n"
    )
    found = [one.split(": ", 1)[1] for one in links.dead_links(page)]
    assert found == [
        "nowhere.md: no such file",
        "other.md#nothing: no such heading",
        "gone.md: no such file",
    ]


def test_sentences_are_short_enough_to_be_read_once() -> None:
    for name, part in (("README", True), ("docs", False)):
        total, long = prose.count([one for one in prose.pages() if (one[0] == README) == part])
        assert len(long) <= prose.LIMIT * total, f"{name}: {long}"


def test_the_count_of_sentences_finds_long_ones() -> None:
    text = "One two three. " + "word " * 31 + "end.\n\n| cell one two | " + "more " * 31 + "|\n"
    total, long = prose.count([(README, part) for part in prose.markdown(text)])
    assert (total, len(long)) == (4, 2)


def test_the_picture_is_one_of_this_demo() -> None:
    root = ElementTree.parse(DOCS / "demo.svg").getroot()
    texts = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]
    shown = re.sub(r"\s+", " ", "".join(texts).replace("\xa0", " "))
    titles = re.findall(r'demo\.step\(\s*f?"(.*?)",', Path(demo.__file__).read_text())
    patterns = [re.sub(r"\\\{\w+\\\}", r"\\S+", re.escape(title)) for title in titles]
    found = [title for title in patterns if re.search(rf"\d+\. {title}", shown)]
    assert len(found) == len(re.findall(r"\bheld, [\d.]+ s later", shown)) >= 4
    assert f"{len(titles)} of {len(titles)} steps held." in shown


# -- the diagram ----------------------------------------------------------------------------


def test_the_diagram_shows_the_networks_of_the_example() -> None:
    """And it is in the part of mermaid's grammar that is read here."""
    if yaml is None:
        missing("python3-yaml is not installed")
    (diagram,) = blocks(README, "mermaid")
    first, *lines = diagram.text.splitlines()
    assert re.fullmatch(r"flowchart (LR|TD)", first)
    groups: dict[str, set[str]] = {"": set()}
    inside = ""
    for line in map(str.strip, lines):
        if match := re.fullmatch(r"subgraph (\w+) \[[\w' ]+\]", line):
            assert not inside
            inside = match[1]
            groups[inside] = set()
        elif line == "end":
            assert inside
            inside = ""
        elif match := re.fullmatch(r"(\w+)\([\w ]+\)", line):
            groups[inside].add(match[1])
        else:
            end = r"(\w+)(\([\w ]+\))?"
            match = re.fullmatch(rf"{end} -->\|[\w,:. ]+\| {end}", line)
            assert match, f"not understood: {line}"
            for name, is_declared in ((match[1], match[2]), (match[3], match[4])):
                if is_declared:
                    groups[inside].add(name)
    assert not inside
    named = set(re.findall(r"(?:^|\| )(\w+)(?:\(| -->|$)", "\n".join(map(str.strip, lines)), re.M))
    assert named - {"end"} <= set().union(*groups.values()), "each node has a text"

    services = yaml.safe_load(example("compose.yaml"))["services"]
    joined = {name for name, service in services.items() if "network_mode" in service}
    assert all(services[name]["network_mode"] == "service:gluetun" for name in joined)
    assert groups["network"] == joined | {"gluetun"}


# -- what is listed --------------------------------------------------------------------------


def test_configuration_lists_every_variable_with_its_default() -> None:
    listed = {
        row[0].strip("`"): row[1].strip("`")
        for row in rows(document("configuration.md"))
        if re.fullmatch(r"`[A-Z0-9_]+`", row[0])
    }
    assert listed == defaults()


@pytest.mark.parametrize(
    "file", [*documents(), MANUAL, *EXAMPLES.iterdir()], ids=lambda file: file.name
)
def test_no_page_names_a_variable_that_there_is_not(file: Path) -> None:
    named = set(re.findall(r"\bQSTICKY_[A-Z0-9_]*[A-Z0-9]", file.read_text()))
    assert named <= set(defaults())


def test_readme_lists_eight_variables_with_their_defaults() -> None:
    listed = {
        row[0].strip("`"): row[1].strip("`")
        for row in rows(README.read_text())
        if re.fullmatch(r"`[A-Z0-9_]+`", row[0])
    }
    assert len(listed) == 8
    assert listed.items() <= defaults().items()


def test_migrating_lists_every_old_name() -> None:
    """As the rows of the settings have them."""
    code = (ROOT / "src" / "config" / "settings.h").read_text()
    pairs = set(re.findall(r'\.name = "(\w+)",\s*\.old_name = "(\w+)"', code))
    assert pairs
    listed = {(row[1].strip("`"), row[0].strip("`")) for row in rows(document("migrating.md"))}
    assert listed == pairs | {("HEALTH_FILE", "HEALTH_FILE")}


def test_configuration_lists_every_command() -> None:
    listed = " ".join(row[0] for row in rows(document("configuration.md")))
    for command in commands():
        assert f"`qsticky {command}`" in listed, command


def test_monitoring_lists_the_fields_and_metrics_that_there_are(
    fake: FaultyServer, place: Path, port_file: PortFile, sidecar: MakeSidecar
) -> None:
    port_file.write(41000)
    metrics = place / "qsticky.prom"
    qsticky = sidecar(fake, env={"QSTICKY_METRICS_FILE": str(metrics)})
    health = qsticky.wait_in_sync(41000)
    page = document("monitoring.md")
    fields, _, rest = page.partition("\n## Metrics\n")
    names, _, _ = rest.partition("\n## Notifications\n")
    assert {row[0].strip("`") for row in rows(fields)} == set(health)
    # Written after the health file, and again with each of its changes.
    wait_until(
        lambda: metrics.exists() and re.search(r"^qsticky_healthy\S* 1$", metrics.read_text(), re.M),
        what="metrics that are healthy",
    )
    made = set(re.findall(r"^# TYPE (\w+)", metrics.read_text(), re.M))
    # What is not known is left out: whether the port is open, without a tunnel.
    unknown = {"qsticky_port_reachable", "qsticky_port_reachable_udp"}
    assert {row[0].strip("`") for row in rows(names)} == made | unknown

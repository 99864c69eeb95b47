"""Prometheus' alert rules and Grafana's dashboard of examples/, by Prometheus' own tool."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import missing
from documents import document, example, rows
from harness import ROOT

try:
    import yaml
except ImportError:
    yaml = None

RULES = "prometheus-rules.yaml"
TESTS = ROOT / "tests" / "e2e" / "prometheus-rules.test.yaml"
GRAFANA_COLUMNS = 24
# What node_exporter adds to a file of its textfile collector.
OF_NODE_EXPORTER = {"node_textfile_mtime_seconds"}


def promtool(*args: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool") or missing("promtool is not installed (Debian: prometheus)")
    return subprocess.run(
        [program, *args], capture_output=True, text=True, timeout=60, check=False
    )


def rules() -> dict[str, Any]:
    if yaml is None:
        missing("python3-yaml is not installed")
    return yaml.safe_load(example(RULES))


def run_rule_tests(place: Path, changed: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """The tests of the rules, on these rules."""
    (place / RULES).write_text(yaml.safe_dump(changed))
    shutil.copy(TESTS, place)
    return promtool("test", "rules", place / TESTS.name)


def metrics() -> set[str]:
    """As the page lists them; test_documents.py holds that list against the program's."""
    _, _, rest = document("monitoring.md").partition("\n## Metrics\n")
    return {row[0].strip("`") for row in rows(rest.partition("\n## ")[0])}


def named_in(query: str) -> set[str]:
    """The metrics of a query: what is no label and stands in no string."""
    outside = re.sub(r'"[^"]*"|\{[^}]*\}|\b(on|by)\s*\([^)]*\)', "", query)
    return set(re.findall(r"\b[a-z]\w*_\w+\b(?!\s*\()", outside))


def test_the_rules_are_what_prometheus_takes(tmp_path: Path) -> None:
    (tmp_path / RULES).write_text(example(RULES))
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", tmp_path / RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_raise_what_they_say_when_they_say(tmp_path: Path) -> None:
    done = run_rule_tests(tmp_path, rules())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("alert", "part", "other"),
    [
        ("QstickyUnhealthy", "== 0", "== 2"),
        ("QstickyUnhealthy", "for", "3m"),
        ("QstickyMetricsOld", "> 300", "> 400"),
        ("QstickyMetricsOld", "instance, ", ""),
        ("QstickyMetricsOld", "on (job, instance, instance_name) qsticky_start_time_seconds",
         "node_textfile_mtime_seconds"),
        ("QstickyRebindsRising", "increase", "delta"),
        ("QstickyRebindsRising", "> 3", "> 0"),
        ("QstickyPortChangesOften", "> 3", "> 2"),
        ("QstickyPortChangesOften", "3h", "2h"),
    ],
)  # fmt: skip
def test_the_tests_of_the_rules_find_mistakes(
    alert: str, part: str, other: str, tmp_path: Path
) -> None:
    wrong = rules()
    (rule,) = [rule for rule in wrong["groups"][0]["rules"] if rule["alert"] == alert]
    if part in rule:
        rule[part] = other
    else:
        assert part in rule["expr"]
        rule["expr"] = rule["expr"].replace(part, other)
    done = run_rule_tests(tmp_path, wrong)
    assert done.returncode != 0
    assert alert in done.stdout + done.stderr


def test_the_rules_ask_for_metrics_that_there_are() -> None:
    for rule in rules()["groups"][0]["rules"]:
        named = named_in(rule["expr"])
        assert named & metrics(), rule
        assert named <= metrics() | OF_NODE_EXPORTER, rule


def test_the_page_names_every_alert() -> None:
    page = document("monitoring.md")
    for rule in rules()["groups"][0]["rules"]:
        assert f"`{rule['alert']}`" in page


# -- the dashboard ----------------------------------------------------------------------------


@pytest.fixture
def dashboard() -> dict[str, Any]:
    return json.loads(example("grafana-dashboard.json"))


def queries(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_the_queries_of_the_dashboard_are_what_prometheus_takes(
    dashboard: dict[str, Any], tmp_path: Path
) -> None:
    """As rules: promtool reads queries nowhere else without a server."""
    recorded = [
        {"record": f"query:{index}", "expr": expr} for index, expr in enumerate(queries(dashboard))
    ]
    file = tmp_path / "queries.json"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": recorded}]}))
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
    recorded[0]["expr"] += ")"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": recorded}]}))
    assert promtool("check", "rules", file).returncode != 0


def test_the_dashboard_shows_every_metric(dashboard: dict[str, Any]) -> None:
    assert set().union(*map(named_in, queries(dashboard))) == metrics()


def test_the_dashboard_uses_the_variables_that_it_has(dashboard: dict[str, Any]) -> None:
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard)))
    assert used == variables == {"datasource", "instance_name"}
    for query in queries(dashboard):
        assert query.count("qsticky_") == query.count('{instance_name=~"$instance_name"}'), query
    for part in (*dashboard["panels"], *sum((one["targets"] for one in dashboard["panels"]), [])):
        assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_the_panels_of_the_dashboard_do_not_overlap(dashboard: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= GRAFANA_COLUMNS
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))

"""What a release needs beside its files: one place for the image's name, a changelog, forms, and
workflows that have no right too many."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import missing
from harness import ROOT

try:
    import yaml

    import workflows
except ImportError:
    yaml = None

# `make test` itself is none of their business: not its job server either.
ALONE = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
NAMES = subprocess.run(
    ["make", "--silent", "names"], cwd=ROOT, env=ALONE, capture_output=True, text=True, check=True
).stdout
REPOSITORY, VERSION = re.fullmatch(r"repository=(\S+)\nversion=(\S+)\n", NAMES).groups()
# How a Compose file, a manifest, a Quadlet, a template or a chart names an image.
NAMED = re.compile(r"(?:\b[Ii]mage[:=] ?|<Repository>|repository: )([\w./:-]*qsticky\b[\w./:-]*)")
FOR_PEOPLE = ("README.md", "CHANGELOG.md", "Dockerfile.scratch", "docs", "examples", ".github")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what `make docs` and `make release-check` read and write."""
    for name in ("Makefile", "packaging", "third_party", *FOR_PEOPLE):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name)
        else:
            shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


def make(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--silent", *words],
        cwd=cwd,
        env=ALONE,
        capture_output=True,
        text=True,
        check=False,
    )


def texts(tree: Path) -> dict[str, str]:
    files = [tree / name for name in FOR_PEOPLE]
    files += [path for directory in files for path in directory.glob("**/*")]
    return {str(path.relative_to(tree)): path.read_text() for path in files if path.is_file()}


# -- the names ---------------------------------------------------------------------------


def test_each_file_has_the_names_that_the_makefile_has(tree: Path) -> None:
    before = texts(tree)
    assert make("docs", cwd=tree).stdout == ""
    assert texts(tree) == before


def test_every_example_names_the_published_image() -> None:
    found = {
        f"{name}: {image}"
        for name, text in texts(ROOT).items()
        for image in NAMED.findall(text)
        if name.startswith(("README", "docs", "examples"))
    }
    assert len(found) >= 4
    assert [one for one in found if one.split(": ")[1].split(":")[0] != REPOSITORY] == []


def test_make_docs_leaves_nothing_of_the_former_names(tree: Path) -> None:
    new = "code.example:5000/some-body/q_sticky"
    makefile = tree / "Makefile"
    text = makefile.read_text().replace(f"VERSION := {VERSION}", "VERSION := 4.5.6")
    makefile.write_text(text.replace(REPOSITORY, new))
    before = texts(tree)
    assert "README.md" in make("docs", cwd=tree).stdout
    after = texts(tree)
    assert [name for name, text in after.items() if REPOSITORY in text] == []
    named = {name for name, text in before.items() if REPOSITORY in text}
    assert {name for name, text in after.items() if new in text} == named
    assert f"{new}:4\n" in after["examples/compose.yaml"]
    version = re.compile(rf"(?<![\d.]){re.escape(VERSION)}(?![\d.])")
    left = {name for name, text in after.items() if version.search(text)}
    # The past, and a picture that `make picture` draws.
    assert left <= {"CHANGELOG.md", "docs/demo.svg"}
    assert 'image.version="4.5.6"' in after["Dockerfile.scratch"]
    # And back: nothing else was touched.
    make("docs", f"IMAGE_REPOSITORY={REPOSITORY}", f"VERSION={VERSION}", cwd=tree)
    assert texts(tree) == before


@pytest.mark.parametrize("name", ["", "qsticky", "ghcr.io/Owner/qsticky", "ghcr.io/owner/qsticky:3"])
def test_make_docs_refuses_what_is_no_repository(tree: Path, name: str) -> None:
    before = texts(tree)
    done = make("docs", f"IMAGE_REPOSITORY={name}", cwd=tree)
    assert done.returncode != 0 and "in lower case, without a tag" in done.stderr
    assert texts(tree) == before


# -- the changelog -------------------------------------------------------------------------


def test_the_changelog_has_a_section_of_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    heads = re.findall(r"^## (.*)$", text, re.M)
    pattern = r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d|unreleased)"
    found = [re.fullmatch(pattern, head) for head in heads]
    assert all(found), heads
    versions = [tuple(map(int, one.groups()[:3])) for one in found]
    assert versions == sorted(set(versions), reverse=True) and versions[-1] == (3, 0, 0)
    assert [one[4] for one in found[1:]].count("unreleased") == 0
    assert VERSION in {".".join(map(str, version)) for version in versions}
    kinds = set(re.findall(r"^### (.*)$", text, re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def ready(tree: Path) -> list[str]:
    """Makes it a tree of which the tag may be pushed. Returns the call that says so."""
    changelog = tree / "CHANGELOG.md"
    changelog.write_text(
        "# Changelog\n\n## [9.8.7] - 2027-01-02\n\n### Added\n\n- This.\n\n"
        "## [9.8.6] - 2026-12-01\n\nThat.\n"
    )
    names = ["VERSION=9.8.7", "IMAGE_REPOSITORY=ghcr.io/somebody/qsticky"]
    assert make("docs", *names, cwd=tree).returncode == 0
    return ["release-check", "TAG=v9.8.7", *names]


def test_a_tag_that_fits_may_be_released(tree: Path) -> None:
    check = ready(tree)
    done = make(*check, cwd=tree)
    assert (done.returncode, done.stderr) == (0, "")
    assert make("release-notes", "VERSION=9.8.7", cwd=tree).stdout == "### Added\n\n- This.\n"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("TAG=v9.8.8", "the tag is v9.8.8"),
        ("TAG=9.8.7", "the tag is 9.8.7"),
        ("IMAGE_REPOSITORY=registry.example/owner/qsticky", "is the placeholder"),
        ("2027-01-02=unreleased", "write the day of the release"),
        ("- This.=", "nothing is said"),
        ("[9.8.7]=[9.8.5]", "no heading ## [9.8.7]"),
        ("label", "run `make docs`"),
    ],
)
def test_a_tag_that_does_not_fit_is_refused(tree: Path, wrong: str, says: str) -> None:
    check = ready(tree)
    name, _, value = wrong.partition("=")
    changelog = tree / "CHANGELOG.md"
    if name.isupper():
        check.append(wrong)
    elif name == "label":
        file = tree / "Dockerfile.scratch"
        file.write_text(file.read_text().replace("9.8.7", "9.8.6"))
    else:
        text = changelog.read_text().replace(name, value)
        changelog.write_text(text.replace("### Added\n\n\n", ""))
    done = make(*check, cwd=tree)
    assert done.returncode != 0 and says in done.stderr, done.stderr


# -- GitHub's files ------------------------------------------------------------------------


def test_the_rules_for_workflows_hold_and_find_mistakes() -> None:
    if yaml is None or shutil.which("shellcheck") is None:
        missing("python3-yaml or shellcheck is not installed")
    for path in workflows.WORKFLOWS.glob("*.yml"):
        assert list(workflows.problems(path.read_text())) == []
    text = (workflows.WORKFLOWS / "release.yml").read_text()
    for right, wrong in (
        ("@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5"),
        (" # v5.0.0", ""),
        ("permissions: {}", "permissions: write-all"),
        ("permissions: {}\n", "\n"),
        ("github.token", "secrets.TOKEN"),
        ('"$GITHUB_REF_NAME"', "${{ github.ref_name }}"),
        ("cd dist && sha256sum", "cd $dist && sha256sum"),
    ):
        assert right in text
        assert list(workflows.problems(text.replace(right, wrong))), wrong


def test_a_release_is_what_make_says_and_passes_the_tests_first() -> None:
    if yaml is None:
        missing("python3-yaml is not installed")
    release, ci = (
        yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
        for name in ("release.yml", "ci.yml")
    )
    jobs = release["jobs"]
    assert release[True] == {"push": {"tags": ["v*"]}}  # "on" is true, to YAML 1.1
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml" and "workflow_call" in ci[True]
    assert (jobs["build"]["needs"], jobs["publish"]["needs"]) == ("test", "build")
    writing = {name for name, job in jobs.items() if "write" in job["permissions"].values()}
    assert writing == {"publish"}
    runs = [script for one in (release, ci) for _, script in workflows.scripts(one)]
    assert ".ci/run" in runs
    targets = {name for run in runs for name in re.findall(r"^make (?:--silent )?([a-z-]+)", run, re.M)}
    assert targets >= {"dist", "release-check", "release-notes", "names"}
    for target in targets:
        assert make("--dry-run", "--question", target).returncode in (0, 1), target


KINDS = {
    "markdown": ({"value"}, set()),
    "textarea": ({"label"}, {"description", "placeholder", "value", "render"}),
    "input": ({"label"}, {"description", "placeholder", "value"}),
    "dropdown": ({"label", "options"}, {"description", "multiple", "default"}),
    "checkboxes": ({"label", "options"}, {"description"}),
}


@pytest.mark.parametrize("name", ["problem.yml", "wish.yml"])
def test_an_issue_form_is_what_github_takes_and_asks_for_check(name: str) -> None:
    """By GitHub's documentation of the syntax for forms: there is no schema in a registry."""
    if yaml is None:
        missing("python3-yaml is not installed")
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / name).read_text())
    assert {"name", "description", "body"} <= set(form)
    assert set(form) <= {"name", "description", "body", "title", "labels", "projects", "type"}
    identifiers = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    labels = [part["attributes"]["label"] for part in form["body"] if part["type"] != "markdown"]
    assert len(set(identifiers)) == len(identifiers) > 0 and len(set(labels)) == len(labels)
    for part in form["body"]:
        required, more = KINDS[part["type"]]
        assert set(part) <= {"type", "id", "attributes", "validations"}
        assert required <= set(part["attributes"]) <= required | more
        assert re.fullmatch(r"[\w-]+", part.get("id", "markdown"))
        assert set(part.get("validations", {})) <= {"required"}
    text = (ROOT / ".github" / "ISSUE_TEMPLATE" / name).read_text()
    assert "qsticky check --json" in text
    assert {path.name for path in (ROOT / ".github" / "ISSUE_TEMPLATE").iterdir()} == {
        "config.yml",
        "problem.yml",
        "wish.yml",
    }


def test_no_two_files_differ_by_case_only() -> None:
    """Some file systems could hold one of them only."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        missing("not a git work tree")
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = done.stdout.splitlines()
    assert len({name.lower() for name in names}) == len(names)

#!/usr/bin/env python3
"""Rules of ours for .github/workflows/ that actionlint does not have: each action at a commit, no
right that is not asked for, no secret; and shellcheck over the scripts in there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

WORKFLOWS = Path(__file__).resolve().parents[2] / ".github" / "workflows"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def uses(text: str) -> list[str]:
    """What is used, with the comment behind it."""
    found = re.findall(r"^\s*(?:- )?uses:\s*(.*)$", text, re.M)
    return [one.strip() for one in found if not one.startswith("./")]


def scripts(workflow: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each with the shell that the runner takes for it."""
    for job in workflow["jobs"].values():
        shell = "sh" if "container" in job else "bash"
        for step in job.get("steps", []):
            if "run" in step:
                yield step.get("shell", shell), step["run"]


def problems(text: str) -> Iterator[str]:
    workflow = yaml.safe_load(text)
    for one in uses(text):
        if not PINNED.fullmatch(one):
            yield f"{one}: not pinned by commit, with the version behind it"
    if "permissions" not in workflow:
        yield "no permissions: each job would have those of the repository's default"
    parts = [workflow, *workflow["jobs"].values()]
    if any(isinstance(part.get("permissions"), str) for part in parts):
        yield "permissions for everything"
    if re.search(r"\bsecrets\.(?!GITHUB_TOKEN\b)", text):
        yield "a secret is used"
    for shell, script in scripts(workflow):
        if "${{" in script:
            yield f"an expression within a script, which it may change: {script!r}"
        done = subprocess.run(
            ["shellcheck", f"--shell={shell}", "-"],
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            yield done.stdout


def main() -> None:
    found = [
        f"{path.name}: {problem}"
        for path in sorted(WORKFLOWS.glob("*.yml"))
        for problem in problems(path.read_text())
    ]
    sys.exit("\n".join(found) if found else 0)


if __name__ == "__main__":
    main()

"""The files that README.md offers, as a user would copy them."""

from __future__ import annotations

import re

from harness import ROOT


def readme_file(name: str) -> str:
    """The code block whose first line is a comment with that name."""
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"^```\w+\n(# (\S+)\n.*?)^```$", text, re.M | re.S)
    found = [block for block, title in blocks if title == name]
    assert len(found) == 1, f"{name}: {len(found)} such blocks, of {[title for _, title in blocks]}"
    return found[0]

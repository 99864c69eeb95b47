#!/usr/bin/env python3
"""Runs the demo at a terminal of its own and writes what it shows as a picture.

    picture.py FILE.svg [STEP...]       these steps of it; all by default

Debian's python3-rich draws it. Nothing in it is written by hand: a run that did not hold to its end
gives no picture.
"""

from __future__ import annotations

import io
import os
import pty
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 100  # columns

# Rich's own frame without its fonts, which would come from a server of others.
FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<!-- Made by `make picture`. -->
<style>
.{unique_id}-matrix {{
font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px;
line-height: {line_height}px;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def run_demo() -> tuple[int, str]:
    """Its status, and what it wrote to its terminal."""
    shown = bytearray()

    def read(terminal: int) -> bytes:
        part = os.read(terminal, 4096)
        shown.extend(part)
        return part

    os.environ.pop("NO_COLOR", None)
    os.environ["TERM"] = "xterm"
    status = pty.spawn([sys.executable, str(Path(__file__).with_name("demo.py"))], read)
    return os.waitstatus_to_exitcode(status), shown.decode().replace("\r\n", "\n")


def select(shown: str, steps: list[str]) -> str:
    """The introduction, these steps and the result."""
    parts = shown.split("\n\n")

    def is_wanted(part: str) -> bool:
        number = re.match(r"(?:\x1b\[\d+m)*(\d+)\. ", part)
        return number is None or not steps or number[1] in steps

    return "\n\n".join(part for part in parts if is_wanted(part))


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    status, shown = run_demo()
    if status != 0:
        print(f"picture: the demo ended with status {status}: no picture", file=sys.stderr)
        return 1
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(select(shown, sys.argv[2:]).strip("\n")))
    picture = console.export_svg(title="make demo", code_format=FRAME, unique_id="demo")
    lines = [line.rstrip() for line in picture.splitlines()]
    Path(sys.argv[1]).write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

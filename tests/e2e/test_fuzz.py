"""The fuzz targets, beside the end-to-end tests: on the time that those leave, three at a time.

`make fuzz` runs them by themselves."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

import fuzz
from conftest import missing

SECONDS = float(os.environ.get("FUZZ_SECONDS", "45"))

AT_ONCE = 3


def _params() -> list[object]:
    """In groups, each for one worker. They come first, since they take longest."""
    return [
        pytest.param(target, marks=pytest.mark.xdist_group(f"fuzz-{number % AT_ONCE}"))
        for number, target in enumerate(fuzz.TARGETS)
    ]


# It counts its own time on the processor; here only a target that waits for nothing shall not stay.
@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.parametrize("target", _params())
def test_no_input_breaks_it_and_its_files_are_reached(
    target: str, record_property: Callable[[str, object], None]
) -> None:
    if not (fuzz.BUILD / target).exists():
        missing(f"build/fuzz/{target} is not built")
    seed = random.SystemRandom().randrange(1, 1 << 31)
    try:
        result = fuzz.fuzz(target, SECONDS, seed, yielding=True)
    except fuzz.Failed as failure:
        pytest.fail(str(failure), pytrace=False)
    record_property("fuzz", str(result))
    assert not fuzz.unreached(result)

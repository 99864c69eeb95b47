"""README.md, docs/ and examples/ say what is so: what they show is run, verified or parsed."""

from __future__ import annotations

from documents import README, blocks, example


def test_readme_shows_the_first_example_word_for_word() -> None:
    first, *_ = blocks(README, "yaml")
    assert first.text == example("compose.yaml")

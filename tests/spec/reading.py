"""What the tests of this room share: reading a text, and the sentence of a refusal."""

from __future__ import annotations

import re

import pytest

from tradewind.spec import Overrides, SpecError, Task, parse_task


def read(text: str, base_dir: str = "/", **flags: object) -> Task:
    return parse_task(text, "t.yaml", base_dir, overrides=Overrides(**flags))  # type: ignore[arg-type]


def refusal(text: str, base_dir: str = "/", **flags: object) -> str:
    with pytest.raises(SpecError) as caught:
        read(text, base_dir, **flags)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return without_column(sentence)


def without_column(sentence: str) -> str:
    """The sentence without the column of its place, which tests/spec/tasks/refused.yaml holds to account."""
    return re.sub(r"^([^ ]*:\d+):\d+: ", r"\1: ", sentence)

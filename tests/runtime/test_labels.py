from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.runtime.labels import conditions, described, matches
from tradewind.runtime.messages.values import Condition

VALUES = st.sampled_from(["a", "b", "c-1"])
LABELS = st.dictionaries(st.sampled_from(["zone", "kind"]), VALUES)


@given(LABELS, st.lists(VALUES, min_size=1))
def test_a_selector_and_its_negation_never_agree(labels: dict[str, str], values: list[str]) -> None:
    text = f"in({', '.join(values)})"
    assert matches(conditions({"zone": text}), labels) != matches(conditions({"zone": "!" + text}), labels)
    assert matches(conditions({"zone": text}), labels) == (labels.get("zone") in values)


@given(LABELS)
def test_nothing_wanted_is_always_there(labels: dict[str, str]) -> None:
    assert matches(conditions(None), labels)
    assert matches([Condition("zone", "exists")], labels) != matches([Condition("zone", "missing")], labels)


def test_what_is_no_selector_is_refused() -> None:
    assert conditions({"zone": "!a"}) == [Condition("zone", "not in", ["a"])]
    assert described(conditions({"zone": "in(a,b)"})) == "zone in a, b"
    for text in ("in()", "-a", "a,b", "!!a", "not in(a)"):
        with pytest.raises(ValueError, match="label_selector"):
            conditions({"zone": text})
    with pytest.raises(TypeError):
        conditions(["zone"])  # type: ignore[arg-type]

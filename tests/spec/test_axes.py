from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.spec import SpecError
from tradewind.spec.axes import MAX_MEMBERS, read_axes


def test_every_combination_the_last_axis_fastest() -> None:
    assert read_axes(["lr=0.1,0.01", "seed=1..3"]) == tuple(
        {"lr": lr, "seed": seed} for lr in ("0.1", "0.01") for seed in ("1", "2", "3")
    )
    assert [one["n"] for one in read_axes(["n=0..10..5,99"])] == ["0", "5", "10", "99"]
    assert read_axes([]) == ({},)


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["lr"], "is no axis"),
        (["1x=2"], "is no axis"),
        (["lr=1", "lr=2"], "lr has an axis already"),
        (["lr=1,,2"], "has an empty value"),
        (["lr=5..1"], "counts nothing"),
        (["lr=1..5..0"], "counts nothing"),
        (["lr=1,1"], "names a value twice"),
        (["lr=0..999999999"], "more than 10000 jobs"),
        (["a=1..101", "b=1..100"], "more than 10000 jobs"),
    ],
)
def test_refusals(texts: list[str], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence) as caught:
        read_axes(texts)
    assert str(caught.value).startswith("--array ")


@given(st.lists(st.text(max_size=20), max_size=3))
def test_anything_is_read_or_refused(texts: list[str]) -> None:
    try:
        assert 0 < len(read_axes(texts)) <= MAX_MEMBERS
    except SpecError:
        pass

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.catalog import UnknownNameError
from tradewind.catalog.names import check, matching

KNOWN = ["us-east-1", "us-east-2", "eu-west-1", "CA, NA", "m[1].large"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("US-EAST-1", ["us-east-1"]),
        ("us-*", ["us-east-1", "us-east-2"]),
        ("us-east-?", ["us-east-1", "us-east-2"]),
        ("m[1].*", ["m[1].large"]),
        ("m[1].large", ["m[1].large"]),
        ("us-east", []),
        ("", []),
    ],
)
def test_names_and_patterns(typed: str, found: list[str]) -> None:
    assert matching(typed, KNOWN) == found


@given(st.text("ab*?[]-", max_size=6), st.lists(st.text("ab[]-", max_size=5), max_size=5))
def test_only_the_two_signs_mean_something(typed: str, known: list[str]) -> None:
    plain = re.escape(typed).replace(r"\*", ".*").replace(r"\?", ".")
    assert matching(typed, known) == [name for name in known if re.fullmatch(plain, name, re.DOTALL)]


def test_a_miss_names_the_nearest_and_where() -> None:
    with pytest.raises(UnknownNameError, match=r"the region 'us-eats-1' on aws; did you mean 'us-east-1'\?"):
        check("region", "us-eats-1", KNOWN, " on aws")
    check("region", "EU-*", KNOWN)

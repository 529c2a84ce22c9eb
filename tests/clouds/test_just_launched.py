"""What no list shows yet is asked for by name: for a while, and only by those whose tags it carries."""

from __future__ import annotations

from tradewind.broker.clouds.just_launched import LIST_LAG_S, JustLaunched
from tradewind.broker.clouds.tags import carries, shared_tags

TAGS = {"cluster": "c1", "instance": "i-1"}


def test_until_it_is_listed_forgotten_or_old() -> None:
    now = 1000.0
    recent = JustLaunched(lambda: now)
    recent.add("a", TAGS)
    recent.add("b", {"cluster": "c2"})
    assert recent.missing([], {}) == ["a", "b"]
    assert recent.missing([], {"cluster": "c1"}) == ["a"]
    assert recent.missing(["a"], {"cluster": "c1"}) == []
    recent.forget("b")
    recent.forget("b")
    assert recent.missing([], {}) == ["a"]
    now += LIST_LAG_S
    assert recent.missing([], {}) == []


def test_tags() -> None:
    assert shared_tags(TAGS, "i-1") == {"cluster": "c1"}
    assert carries(TAGS, {"cluster": "c1"})
    assert not carries(TAGS, {"cluster": "c1", "owner": ""})
    assert not carries(TAGS, {"cluster": "c2"})

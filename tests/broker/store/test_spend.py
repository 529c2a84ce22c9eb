"""Spend from facts alone, exact."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.store.records import EventRow
from tradewind.broker.store.spend import instance_spends, total_usd


def fact(kind, unix, instance_id="i", **data):
    return EventRow(
        seq=0,
        subject=f"instance/{instance_id}",
        cluster_id=1,
        managed_job_id=None,
        unix=unix,
        kind=kind,
        cause="c",
        data={"instance_id": instance_id, "price_usd_h": "0.1", **data},
    )


def test_an_hour_at_ten_cents_is_ten_cents_exactly():
    (one,) = instance_spends([fact("launched", 1000.0), fact("ended", 4600.0)], now=9e9)
    assert one.usd == Fraction(1, 10)
    assert not one.running


def test_what_runs_is_counted_until_now_and_ends_once():
    facts = [fact("launched", 0.0), fact("launched", 5.0), fact("ended", 36.0), fact("ended", 72.0)]
    (one,) = instance_spends(facts, now=100.0)
    assert one.usd == Fraction(1, 1000)
    (open_one,) = instance_spends(facts[:1], now=36.0)
    assert open_one.running
    assert open_one.usd == Fraction(1, 1000)


def test_an_instance_found_late_costs_from_its_intent():
    (one,) = instance_spends([fact("launched", 36.0, since_unix=0.0), fact("ended", 72.0)], now=99.0)
    assert one.usd == Fraction(2, 1000)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**6)), max_size=20))
def test_the_sum_does_not_depend_on_order(lives):
    facts = []
    for n, (begin_ms, held_ms, price) in enumerate(lives):
        name = f"i{n}"
        facts.append(fact("launched", begin_ms / 1000, name, price_usd_h=repr(price / 1e6)))
        facts.append(fact("ended", (begin_ms + held_ms) / 1000, name))
    expected = sum((Fraction(repr(p / 1e6)) * h / 3_600_000 for _, h, p in lives), Fraction(0))
    assert total_usd(instance_spends(facts, 0.0)) == expected
    assert total_usd(instance_spends(facts[::-1], 0.0)) == expected

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.catalog.shelves import offer
from tradewind.catalog.quarantine import quarantine


def test_a_price_under_half_the_median_is_set_apart_with_its_reason() -> None:
    offers = [offer(f"r{n}", price_ondemand_usd_h=1.0) for n in range(4)] + [
        offer("odd", price_ondemand_usd_h=0.1, price_spot_usd_h=0.05)
    ]
    kept, (apart,) = quarantine(offers)
    assert kept == offers[:4]
    assert apart.offer == offers[4]
    assert apart.reason == "0.1 USD/h on demand is 10% of this type's median over 5 regions (1 USD/h)"


def test_half_the_median_is_still_believed_and_spot_is_never_judged() -> None:
    offers = [offer("r1"), offer("r2"), offer("r3", price_ondemand_usd_h=0.5), offer("r4", price_spot_usd_h=0.01)]
    assert quarantine(offers) == (offers, [])
    spot_only = [offer("r1", price_ondemand_usd_h=None, price_spot_usd_h=0.01), offer("r2")]
    assert quarantine(spot_only) == (spot_only, [])


def test_a_region_counts_once_however_many_zones_it_has() -> None:
    zones = [offer("r1", zone=f"z{n}", price_ondemand_usd_h=0.4) for n in range(9)]
    kept, apart = quarantine([*zones, offer("r2"), offer("r3")])
    assert len(apart) == 9
    assert len(kept) == 2


@given(st.lists(st.sampled_from([0.1, 0.5, 1.0, 3.0]), min_size=1, max_size=12))
def test_nothing_is_lost_and_more_than_half_is_kept(prices: list[float]) -> None:
    offers = [offer(f"r{n}", price_ondemand_usd_h=price) for n, price in enumerate(prices)]
    kept, apart = quarantine(offers)
    assert sorted([*kept, *(entry.offer for entry in apart)], key=repr) == sorted(offers, key=repr)
    assert len(kept) * 2 >= len(offers)

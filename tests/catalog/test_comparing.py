from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from tests.catalog.shelves import offer
from tradewind.catalog import Offer, compare

_price = st.none() | st.sampled_from([0.0, 0.5, 1.0, 3.0])


@st.composite
def _catalog(draw: st.DrawFn) -> list[Offer]:
    keys = draw(st.sets(st.tuples(st.sampled_from(["r1", "r2"]), st.sampled_from(["m1", "m2", "m3"]))))
    return [offer(r, t, price_ondemand_usd_h=draw(_price), price_spot_usd_h=draw(_price)) for r, t in sorted(keys)]


@given(_catalog(), _catalog(), st.randoms(use_true_random=False))
def test_every_offer_is_told_once_and_order_changes_nothing(
    before: list[Offer], after: list[Offer], rng: random.Random
) -> None:
    found = compare(before, after)
    moved = {(c.region, c.instance_type) for c in found.changed}
    assert len(found.added) + len(moved) + found.same == len(after)
    assert len(found.removed) + len(moved) + found.same == len(before)
    shuffled = (rng.sample(before, len(before)), rng.sample(after, len(after)))
    assert compare(*shuffled) == found
    back = compare(after, before)
    assert (back.added, back.removed, back.same) == (found.removed, found.added, found.same)


@given(_catalog())
def test_nothing_changes_from_a_catalog_to_itself(offers: list[Offer]) -> None:
    found = compare(offers, offers)
    assert (found.added, found.removed, found.changed, found.same) == ((), (), (), len(offers))


def test_the_largest_move_comes_first_up_or_down() -> None:
    before = [
        offer("r1", "m1", price_ondemand_usd_h=1.0),
        offer("r1", "m2", price_ondemand_usd_h=4.0),
        offer("r1", "m3"),
    ]
    after = [offer("r1", "m1", price_ondemand_usd_h=2.0), offer("r1", "m2"), offer("r1", "m3", price_spot_usd_h=0.1)]
    changes = compare(before, after).changed
    assert [(c.instance_type, c.use_spot, c.before, c.after, c.ratio) for c in changes] == [
        ("m2", False, 4.0, 1.0, 0.25),
        ("m1", False, 1.0, 2.0, 2.0),
        ("m3", True, None, 0.1, None),
    ]

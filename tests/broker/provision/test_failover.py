"""Which candidate is next, and what a refusal or a loss rules out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.broker.harness import offer, ranked
from tradewind.broker.provider import Blocked
from tradewind.broker.provision.failover import (
    MAX_BLOCK_S,
    MIN_BLOCK_S,
    as_place,
    block_for_loss,
    block_for_refusal,
    next_candidate,
)

NOW = 1000.0
PLACES = [
    offer(zone, region=region, cloud=cloud) for cloud in ("aws", "gcp") for region in ("r1", "r2") for zone in "ab"
]
CANDIDATES = [ranked(one) for one in PLACES]


def refusal(one, scope="zone", kind="capacity", until=0.0):
    refused = Blocked(kind=kind, scope=scope, why="full", until_unix=until)
    return block_for_refusal(one, use_spot=True, refused=refused, cluster_id=None, now=NOW)


def loss(one):
    return block_for_loss(one, use_spot=True, why="taken", cluster_id=None, now=NOW)


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.booleans()), max_size=12))
def test_the_first_that_nothing_covers_else_one_that_was_only_lost(found):
    blocks = [loss(one) if lost else refusal(one) for one, lost in found]
    refused = [one for one, lost in found if not lost]
    lost = [one for one, was_lost in found if was_lost]
    free = [i for i, one in enumerate(PLACES) if one not in refused and one not in lost]
    lossy = [i for i, one in enumerate(PLACES) if one not in refused]
    expected = free[0] if free else (lossy[0] if lossy else None)
    assert next_candidate(CANDIDATES, blocks) == expected


def test_scopes():
    def ruled_out(scope):
        place = as_place(refusal(PLACES[0], scope))
        return sum(place.matches(one, use_spot=True) for one in PLACES)

    assert [ruled_out(s) for s in ("type", "zone", "region", "cloud")] == [1, 1, 2, 4]
    other_type = offer("a")
    assert as_place(refusal(PLACES[0], "zone")).matches(other_type, use_spot=True)
    assert not as_place(refusal(PLACES[0])).matches(PLACES[0], use_spot=False), "capacity is of one market"
    assert as_place(refusal(PLACES[0], kind="permission")).matches(PLACES[0], use_spot=False)


def test_a_loss_without_a_zone_rules_out_the_region():
    place = as_place(loss(offer("", region="r1")))
    assert place.matches(offer("a", region="r1"), use_spot=True)
    assert not place.matches(offer("a", region="r2"), use_spot=True)


def test_times_are_bounded_both_ways():
    assert refusal(PLACES[0]).until_unix == NOW + MIN_BLOCK_S
    assert refusal(PLACES[0], until=float("inf")).until_unix == NOW + MAX_BLOCK_S
    assert refusal(PLACES[0], until=NOW + 60).until_unix == NOW + 60

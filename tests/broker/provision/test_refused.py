"""The sentence that is left when every place was refused."""

from __future__ import annotations

from tests.broker.harness import offer, ranked
from tradewind.broker.provider import Blocked, Kind
from tradewind.broker.provision.failover import block_for_loss, block_for_refusal
from tradewind.broker.provision.refused import TOLD, every_place_refused, reasons
from tradewind.broker.store.records import BlockRow

NOW = 1000.0
KINDS: tuple[Kind, ...] = ("capacity", "quota", "price", "image", "request")


def refusal(zone: str, *, cloud: str = "aws", kind: Kind = "capacity") -> BlockRow:
    refused = Blocked(kind=kind, scope="zone", why=f"{zone} says {kind}", until_unix=NOW + 60)
    return block_for_refusal(offer(zone, cloud=cloud), use_spot=True, refused=refused, cluster_id=None, now=NOW)


def test_many_places_of_one_kind_are_one_reason_and_a_count() -> None:
    blocks = [*(refusal(f"z{n}") for n in range(50)), refusal("z1"), refusal("g1", cloud="gcp")]
    assert reasons(blocks) == "z0 says capacity, and 49 more like it; g1 says capacity"
    assert reasons([]) == ""


def test_no_more_reasons_than_are_read() -> None:
    said = reasons([refusal("z", kind=kind) for kind in KINDS])
    assert said.count(" says ") == TOLD
    assert said.endswith("; and 1 other reasons")


def test_only_what_is_about_the_candidates_is_told() -> None:
    candidates = [ranked(offer("z1"))]
    elsewhere = refusal("g1", cloud="gcp")
    taken = block_for_loss(offer("z1"), use_spot=True, why="z1 took one back", cluster_id=None, now=NOW)
    assert (
        every_place_refused(candidates, [elsewhere, taken, refusal("z1")])
        == "every place was refused (z1 says capacity)"
    )
    assert every_place_refused(candidates, [elsewhere, taken]) == "every place was refused (z1 took one back)"
    assert every_place_refused(candidates, [elsewhere]) == "every place was refused (no candidate is left)"


def test_a_zone_of_a_candidate_that_leaves_it_open_is_about_it() -> None:
    assert "z1 says capacity" in every_place_refused([ranked(offer(""))], [refusal("z1")])

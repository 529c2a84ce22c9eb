"""A person's own offers over the shipped ones: their word stands, their blanks keep what was known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.catalog.shelves import offer
from tradewind.catalog import Offer
from tradewind.catalog.merging import merge

BLANK = {
    "arch": "",
    "vcpus": None,
    "memory_gib": None,
    "price_ondemand_usd_h": None,
    "basis": "own",
    "spot_basis": "own",
}


def own(region: str = "r1", instance_type: str = "m1", **fields: object) -> Offer:
    return offer(region, instance_type, **{**BLANK, **fields})  # type: ignore[arg-type]


def test_a_negotiated_price_without_a_zone_holds_in_the_whole_region() -> None:
    zones = [offer("r1", zone=z, price_spot_usd_h=0.3, spot_risk_per_h=0.01, date="2026-01-01") for z in ("a", "b")]
    elsewhere = offer("r2")
    merged = merge([*zones, elsewhere], [own(price_ondemand_usd_h=0.5, date="2026-02-02")])
    assert [(o.region, o.zone, o.price_ondemand_usd_h, o.basis, o.date) for o in merged] == [
        ("r1", "a", 0.5, "own", "2026-02-02"),
        ("r1", "b", 0.5, "own", "2026-02-02"),
        ("r2", "", 1.0, "list", ""),
    ]
    assert [(o.price_spot_usd_h, o.spot_basis, o.spot_risk_per_h, o.vcpus, o.arch) for o in merged[:2]] == [
        (0.3, "list", 0.01, 2.0, "x86_64")
    ] * 2


def test_what_is_known_of_the_equipment_is_kept_where_nothing_else_is_said() -> None:
    known = offer(local_disk_gb=500.0, local_disk_kind="nvme", network_gbps=25.0, features=("efa",))
    (kept,) = merge([known], [own(price_ondemand_usd_h=0.5)])
    assert (kept.local_disk_gb, kept.local_disk_kind, kept.network_gbps, kept.features) == (500, "nvme", 25, ("efa",))
    (said,) = merge([known], [own(price_ondemand_usd_h=0.5, local_disk_gb=0.0, network_gbps=10.0)])
    assert (said.local_disk_gb, said.local_disk_kind, said.network_gbps) == (0, "", 10)


def test_a_zone_of_its_own_is_added_with_what_the_region_says() -> None:
    merged = merge([offer("r1")], [own(zone="z9", price_spot_usd_h=0.2)])
    assert [(o.zone, o.price_ondemand_usd_h, o.price_spot_usd_h) for o in merged] == [("", 1.0, None), ("z9", 1.0, 0.2)]
    assert (merged[1].basis, merged[1].spot_basis) == ("list", "own")


def test_a_known_type_in_a_new_place_brings_its_shape_not_its_price() -> None:
    known = offer("r1", accelerator="A100", accelerator_count=8.0, accelerator_memory_gib=40.0, price_spot_usd_h=0.4)
    (_, new) = merge([known], [own("r7", price_ondemand_usd_h=0.1)])
    assert (new.accelerator, new.accelerator_count, new.accelerator_memory_gib, new.vcpus) == ("A100", 8.0, 40.0, 2.0)
    assert (new.price_ondemand_usd_h, new.price_spot_usd_h) == (0.1, None)


def test_a_private_cluster_is_added_as_it_is() -> None:
    (mine,) = merge([], [own("basement", "dgx", price_ondemand_usd_h=0.0, accelerator="A100", accelerator_count=8.0)])
    assert (mine.arch, mine.vcpus, mine.accelerator_count) == ("x86_64", None, 8.0)


_places = st.tuples(st.sampled_from(["r1", "r2"]), st.sampled_from(["", "a", "b"]), st.sampled_from(["m1", "m2"]))
_price = st.none() | st.sampled_from([0.5, 1.0])


@given(st.sets(_places), st.dictionaries(_places, st.tuples(_price, _price).filter(any)))
def test_merging_keeps_every_place_once_and_the_persons_word(
    shipped: set[tuple[str, str, str]],
    mine: dict[tuple[str, str, str], tuple[float | None, float | None]],
) -> None:
    offers = [offer(r, t, zone=z, price_ondemand_usd_h=9.0) for r, z, t in sorted(shipped)]
    owned = [
        own(r, t, zone=z, price_ondemand_usd_h=o, price_spot_usd_h=s) for (r, z, t), (o, s) in sorted(mine.items())
    ]
    merged = {(o.region, o.zone, o.instance_type): o for o in merge(offers, owned)}
    assert len(merged) == len(merge(offers, owned))
    assert {(o.region, o.zone, o.instance_type): o for o in merge(offers, owned[::-1])} == merged
    assert shipped <= merged.keys()
    for (region, zone, name), (ondemand, spot) in mine.items():
        stood_for = [k for k in merged if k[0] == region and k[2] == name and zone in ("", k[1])]
        assert stood_for
        for key in stood_for:
            if zone == "" and key != (region, zone, name) and (region, key[1], name) in mine:
                continue  # the row of that very zone says more
            assert ondemand in (None, merged[key].price_ondemand_usd_h)
            assert spot in (None, merged[key].price_spot_usd_h)
    untouched = [o for o in offers if not any(k[0] == o.region and k[2] == o.instance_type for k in mine)]
    assert all(o in merged.values() for o in untouched)

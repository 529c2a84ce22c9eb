"""Queries against the plain meaning of a filter, over random small catalogs and every walk."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.catalog.shelves import in_order, offer, price_of, satisfies, shelf
from tradewind.catalog import Offer, OfferFilter, PlacePattern

_CLOUDS, _REGIONS, _ZONES = ("aws", "gcp"), ("r1", "r2"), ("", "z1")
_prices = st.none() | st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0])
_types = st.fixed_dictionaries(
    {
        "arch": st.sampled_from(["x86_64", "arm64"]),
        "vcpus": st.sampled_from([None, 1.0, 2.0, 4.0]),
        "memory_gib": st.sampled_from([None, 2.0, 8.0, 16.0]),
        "accelerator": st.sampled_from(["", "", "T4"]),
        "accelerator_count": st.sampled_from([1.0, 2.0]),
        "burstable": st.booleans(),
        "disk": st.sampled_from([(None, ""), (0.0, ""), (100.0, ""), (100.0, "ssd"), (500.0, "nvme")]),
        "network_gbps": st.sampled_from([None, 5.0, 100.0]),
        "features": st.sampled_from([(), ("efa",), ("bare_metal", "efa"), ("nested_virtualization",)]),
    }
)


@st.composite
def _catalogs(draw: st.DrawFn) -> list[Offer]:
    types = {name: draw(_types) for name in ("m1", "m2", "m3")}
    restricted = {(cloud, region): draw(st.booleans()) for cloud in _CLOUDS for region in _REGIONS}
    offers = []
    keys = [(c, r, z, t) for c in _CLOUDS for r in _REGIONS for z in _ZONES for t in types]
    for cloud, region, zone, name in draw(st.lists(st.sampled_from(keys), unique=True, min_size=1, max_size=20)):
        fields = dict(types[name])
        if not fields["accelerator"]:
            fields["accelerator_count"] = 0.0
        fields["local_disk_gb"], fields["local_disk_kind"] = fields.pop("disk")
        ondemand, spot = draw(_prices), draw(_prices)
        risk = draw(st.sampled_from([None, 0.001, 0.01]))
        fields |= {
            "price_ondemand_usd_h": 1.0 if ondemand is None and spot is None else ondemand,
            "price_spot_usd_h": spot,
        }
        fields |= {"restricted": restricted[cloud, region], "spot_risk_per_h": risk}
        fields |= {
            "basis": draw(st.sampled_from(["exact", "list"])),
            "spot_basis": draw(st.sampled_from(["own", "list"])),
        }
        offers.append(offer(region, name, cloud=cloud, zone=zone, **fields))
    return offers


_patterns = st.builds(
    PlacePattern,
    st.sampled_from(["", *_CLOUDS]),
    st.sampled_from(["", *_REGIONS, "*", "r?"]),
    st.sampled_from(["", "z1", "z*"]),
    st.sampled_from(["", "m1", "m2", "*", "m[12]", "*2"]),
)
_filters = st.builds(
    OfferFilter,
    clouds=st.sampled_from([(), ("aws",), ("aws", "gcp"), ("none",)]),
    region=st.sampled_from([None, None, "r1", "nowhere", "R?", "*2"]),
    instance_type=st.sampled_from([None, None, "m1", "M*"]),
    archs=st.sampled_from([(), ("x86_64",), ("arm64", "x86_64")]),
    min_vcpus=st.sampled_from([None, 2.0]),
    max_vcpus=st.sampled_from([None, 2.0, 4.0]),
    min_memory_gib=st.sampled_from([None, 8.0]),
    max_memory_gib=st.sampled_from([None, 8.0]),
    min_memory_gib_per_vcpu=st.sampled_from([None, None, 4.0]),
    accelerator=st.sampled_from([None, None, "T4"]),
    accelerator_count=st.sampled_from([None, None, 1.0]),
    no_accelerator=st.booleans(),
    use_spot=st.sampled_from([True, False, None]),
    max_price_usd_h=st.sampled_from([None, None, 0.5, 1.0]),
    restricted=st.booleans(),
    burstable=st.booleans(),
    excluded=st.lists(_patterns, max_size=2).map(tuple),
    any_accelerator=st.sampled_from([False, False, True]),
    min_accelerator_count=st.sampled_from([None, None, 1.0, 2.0]),
    max_spot_risk_per_h=st.sampled_from([None, None, 0.001]),
    bases=st.sampled_from([(), (), ("exact",), ("exact", "own")]),
    min_local_disk_gb=st.sampled_from([None, None, 100.0, 200.0]),
    max_local_disk_gb=st.sampled_from([None, None, None, 100.0]),
    local_disk_kinds=st.sampled_from([(), (), ("nvme",), ("nvme", "ssd")]),
    min_network_gbps=st.sampled_from([None, None, 5.0, 25.0]),
    features=st.sampled_from([(), (), ("efa",), ("bare_metal", "efa")]),
)
_few = st.sampled_from([0, 3, 10_000])  # where the walk changes over


@settings(max_examples=200, deadline=None)
@given(_catalogs(), _filters, st.sampled_from([None, 1, 3, 100]), _few)
def test_offers_are_those_that_satisfy_the_filter_in_order(
    offers: list[Offer], wanted: OfferFilter, limit: int | None, few: int
) -> None:
    right = [found for found in offers if satisfies(found, wanted)]
    with shelf(offers) as catalog, mock.patch("tradewind.catalog.catalog._FEW", few):
        assert catalog.offers(wanted, limit) == in_order(right, wanted)[:limit]
        assert catalog.count(wanted) == len(right)
        by_name = sorted(right, key=lambda o: (o.cloud, o.region, o.zone, o.instance_type))
        assert [(o.region, o.zone) for o in catalog.offers(wanted, order="name")] == [
            (o.region, o.zone) for o in by_name
        ]


@settings(max_examples=200, deadline=None)
@given(_catalogs(), _filters.filter(lambda wanted: wanted.use_spot is not None), _few)
def test_cheapest_per_place_is_the_minimum_of_each_place(offers: list[Offer], wanted: OfferFilter, few: int) -> None:
    best: dict[tuple[str, str, str], Offer] = {}
    for found in offers:
        if not satisfies(found, wanted):
            continue

        def key(each: Offer) -> tuple[object, ...]:
            risk = each.spot_risk_per_h if wanted.use_spot else 0.0
            return (price_of(each, wanted), float("inf") if risk is None else risk, each.instance_type)

        place = (found.cloud, found.region, found.zone)
        if place not in best or key(found) < key(best[place]):
            best[place] = found
    with shelf(offers) as catalog, mock.patch("tradewind.catalog.catalog._FEW", few):
        assert catalog.cheapest_per_place(wanted) == [best[place] for place in sorted(best)]


def test_the_order_of_rows_changes_nothing() -> None:
    offers = [offer(region, name) for region in ("r2", "r1") for name in ("m2", "m1")]
    with shelf(offers) as one, shelf(offers[::-1]) as other:
        assert one.offers() == other.offers()
        assert one.cheapest_per_place(OfferFilter()) == other.cheapest_per_place(OfferFilter())


def test_no_market_has_no_cheapest() -> None:
    with shelf([offer()]) as catalog, pytest.raises(ValueError, match="use_spot"):
        catalog.cheapest_per_place(OfferFilter(use_spot=None))


def test_a_zone_also_means_the_regional_offers_there() -> None:
    here = offer("us-east1", zone="us-east1-b", cloud="gcp")
    there = offer("us-east1", zone="us-east1-c", cloud="gcp")
    regional = offer("us-east1", "m2", cloud="gcp")
    elsewhere = offer("us-west1", "m2", cloud="gcp")
    with shelf([here, there, regional, elsewhere]) as catalog:
        assert catalog.offers(OfferFilter(zone="US-east1-b")) == [regional, here]


def test_a_zone_that_is_excluded_leaves_the_regional_offer() -> None:
    here, regional = offer("r", zone="z1"), offer("r", "m2")
    with shelf([here, regional]) as catalog:
        assert catalog.offers(OfferFilter(excluded=(PlacePattern("aws", "r", "z1"),))) == [regional]


def test_an_accounts_own_zone_letter_means_the_region() -> None:
    regional = offer("us-east-1")
    with shelf([regional, offer("us-east-1", "m2", zone="use1-az1"), offer("us-east-2")]) as catalog:
        assert catalog.offers(OfferFilter(zone="us-east-1a")) == [regional]
        assert catalog.offers(OfferFilter(zone="us-east-9a")) == []


def test_a_third_of_a_device_is_found_as_people_write_it() -> None:
    third = offer(accelerator="A10", accelerator_count=1 / 3)
    with shelf([third]) as catalog:
        assert catalog.offers(OfferFilter(accelerator="A10", accelerator_count=0.333)) == [third]


def test_a_type_and_an_accelerator_may_mean_the_one_with_the_other_attached() -> None:
    plain, attached = offer(), offer("r1", "m1+T4:2", accelerator="T4", accelerator_count=2.0)
    other = offer("r1", "m10+T4:2", accelerator="T4", accelerator_count=2.0)
    with shelf([plain, attached, other]) as catalog:
        assert catalog.offers(OfferFilter(instance_type="M1")) == [plain]
        assert catalog.offers(OfferFilter(instance_type="m1", accelerator="T4")) == [attached]
        assert catalog.offers(OfferFilter(instance_type="m1+T4:2")) == [attached]


_FACTS = {"T4": 65.0}  # dense bf16 TFLOPS of the one accelerator here, by its datasheet


def _units(found: Offer, order: str) -> float | None:
    return {
        "per-gpu": found.accelerator_count or None,
        "per-tflop": found.accelerator_count * _FACTS[found.accelerator] if found.accelerator else None,
        "per-gpu-gib": found.accelerator_count * 16.0 if found.accelerator else None,
        "per-vcpu": found.vcpus,
        "per-gib": found.memory_gib,
    }[order]


@settings(max_examples=120, deadline=None)
@given(
    _catalogs(),
    _filters,
    st.sampled_from(["per-gpu", "per-tflop", "per-gpu-gib", "per-vcpu", "per-gib"]),
    st.sampled_from([None, 1, 3]),
)
def test_an_order_by_units_is_the_price_for_each(
    offers: list[Offer], wanted: OfferFilter, order: str, limit: int | None
) -> None:
    ranked = [found for found in offers if satisfies(found, wanted) and _units(found, order) is not None]

    def key(found: Offer) -> tuple[object, ...]:
        price = price_of(found, wanted)
        return (price / _units(found, order), found.cloud, found.region, found.zone, found.instance_type)  # type: ignore[operator]

    with shelf(offers) as catalog:
        assert catalog.offers(wanted, limit, order) == sorted(ranked, key=key)[:limit]  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(
    _catalogs(),
    _filters,
    st.sampled_from(["price", "per-vcpu"]),
    st.sampled_from(["cloud", "region", "zone", "instance_type", "accelerator"]),
    st.sampled_from([None, 1, 2]),
)
def test_one_of_each_is_the_first_of_each(
    offers: list[Offer], wanted: OfferFilter, order: str, each: str, limit: int | None
) -> None:
    columns = {
        "region": ("cloud", "region"),
        "zone": ("cloud", "region", "zone"),
        "instance_type": ("cloud", "instance_type"),
    }
    first: dict[tuple[str, ...], Offer] = {}
    with shelf(offers) as catalog:
        for found in catalog.offers(wanted, order=order):  # type: ignore[arg-type]
            first.setdefault(tuple(getattr(found, name) for name in columns.get(each, (each,))), found)
        assert catalog.offers(wanted, limit, order, each) == list(first.values())[:limit]  # type: ignore[arg-type]


def test_a_limit_beyond_sqlites_integers_is_no_limit() -> None:
    with shelf([offer()]) as catalog:
        for order in ("price", "name", "per-vcpu"):
            assert catalog.offers(limit=10**30, order=order) == [offer()]  # type: ignore[arg-type]

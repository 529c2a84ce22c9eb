from __future__ import annotations

import pytest

from tests.catalog.shelves import offer
from tradewind.catalog import Catalog, OfferFilter
from tradewind.catalog.attached import AddOn, Limit, with_attached
from tradewind.catalog.provenance import ATTACHED

T4 = AddOn("us-east1-c", "T4", 1.0, 16.0, 0.35, 0.1654)
LIMITS = {("T4", 1.0): Limit(4, 26)}


def machine(name: str, vcpus: float = 4.0, memory: float = 15.0, zone: str = "us-east1-c", spot: float | None = 0.1):
    return offer(
        "us-east1",
        name,
        cloud="gcp",
        zone=zone,
        vcpus=vcpus,
        memory_gib=memory,
        price_ondemand_usd_h=0.2,
        price_spot_usd_h=spot,
    )


def test_the_price_is_the_sum_of_both_parts() -> None:
    (found,) = with_attached([machine("n1-standard-4")], [T4], LIMITS, ATTACHED)
    assert (found.instance_type, found.accelerator, found.accelerator_count) == ("n1-standard-4+T4:1", "T4", 1.0)
    assert (found.price_ondemand_usd_h, found.price_spot_usd_h, found.basis) == (0.55, 0.2654, "derived")
    assert with_attached([machine("n1-standard-4", spot=None)], [T4], LIMITS, ATTACHED)[0].price_spot_usd_h is None


@pytest.mark.parametrize(
    "unlawful",
    [
        machine("n1-standard-8", vcpus=8.0),
        machine("n1-highmem-8", memory=52.0),
        machine("n1-megamem-4"),
        machine("n2-standard-4"),
        machine("n1-standard-4", zone="us-east1-b"),
    ],
    ids=lambda each: f"{each.instance_type}-{each.zone}",
)
def test_pairings_that_google_refuses_are_no_offers(unlawful) -> None:
    assert with_attached([unlawful], [T4], LIMITS, ATTACHED) == []


def test_the_shipped_catalog_sells_them(shipped: Catalog) -> None:
    found = shipped.offers(
        OfferFilter(clouds=("gcp",), accelerator="V100", accelerator_count=8, min_vcpus=96), limit=1
    )[0]
    assert found.instance_type == "n1-highcpu-96+V100:8"
    assert {
        o.accelerator
        for o in shipped.offers(OfferFilter(clouds=("gcp",), instance_type="n1-standard-4", accelerator="T4"))
    } == {"T4"}

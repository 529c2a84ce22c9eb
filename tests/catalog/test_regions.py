"""Place, residency and carbon of regions, as limits and as facts for others to count with."""

from __future__ import annotations

from tests.catalog.shelves import offer, shelf
from tradewind.catalog import Catalog, OfferFilter


def test_every_offers_region_is_known(shipped: Catalog) -> None:
    for cloud in shipped.clouds():
        for name in shipped.regions(cloud):
            region = shipped.region(cloud, name)
            assert region.continent, (cloud, name)
            assert len(region.country) == 2 or (cloud, name) == ("lambda", "europe-south-1")


def test_limits_on_place_and_carbon(shipped: Catalog) -> None:
    german = shipped.offers(OfferFilter(countries=("de",)), limit=None, one_per="region")
    assert {(o.cloud, o.region) for o in german} >= {
        ("aws", "eu-central-1"),
        ("gcp", "europe-west3"),
        ("lambda", "europe-central-1"),
    }
    assert all(shipped.region(o.cloud, o.region).country == "DE" for o in german)
    clean = shipped.offers(OfferFilter(continents=("Europe",), max_gco2eq_per_kwh=50), one_per="region")
    assert clean
    for found in clean:
        region = shipped.region(found.cloud, found.region)
        assert region.continent == "Europe"
        assert region.gco2eq_per_kwh is not None
        assert region.gco2eq_per_kwh <= 50


def test_what_is_not_known_keeps_no_limit() -> None:
    with shelf([offer("basement", cloud="onprem"), offer("eu-north-1")]) as catalog:
        assert [o.region for o in catalog.offers()] == ["eu-north-1", "basement"]
        assert [o.region for o in catalog.offers(OfferFilter(continents=("europe",)))] == ["eu-north-1"]
        assert [o.region for o in catalog.offers(OfferFilter(max_gco2eq_per_kwh=1e9))] == ["eu-north-1"]
        assert catalog.offers(OfferFilter(countries=("FR",))) == []
        assert catalog.region("onprem", "basement").country == ""


def test_the_facts_are_there_for_others(shipped: Catalog) -> None:
    region = shipped.regions_by_place["gcp", "europe-west9"]
    assert (region.country, region.continent) == ("FR", "Europe")
    assert region.gco2eq_per_kwh is not None

"""The facts as offers: basis, date, risk and access on known rows."""

from __future__ import annotations

import pathlib

import pytest

from tradewind.catalog import Catalog, CatalogError, Offer, OfferFilter
from tradewind.catalog.facts import read_offers, read_regions
from tradewind.catalog.risk import interruptions_per_hour

FACTS = pathlib.Path(__file__).resolve().parents[2] / "data" / "facts"


def get(catalog: Catalog, cloud: str, region: str, zone: str, instance_type: str) -> Offer:
    found = catalog.get(cloud, region, zone, instance_type)
    assert found is not None
    return found


def test_basis_and_date_say_how_each_price_was_made(shipped: Catalog) -> None:
    exact = get(shipped, "aws", "us-east-1", "", "m5.large")
    assert (exact.basis, exact.date, exact.spot_basis, exact.spot_date) == (
        "exact",
        "2026-07-20",
        "derived",
        "2025-06-28",
    )
    google = get(shipped, "gcp", "us-east1", "us-east1-b", "n2-standard-4")
    assert (google.basis, google.spot_basis, google.date) == ("list", "list", "2026-08-03")
    slice_ = shipped.offers(OfferFilter(accelerator="tpu-v5p", accelerator_count=64), limit=1)[0]
    assert (slice_.basis, slice_.date, slice_.vcpus) == ("derived", "2026-05-20", None)
    zonal = shipped.offers(OfferFilter(clouds=("aws",), accelerator="A100", use_spot=True), limit=1)[0]
    assert (zonal.spot_basis, zonal.zone != "") == ("exact", True)


def test_every_offer_has_a_price_a_date_and_an_arch(shipped: Catalog) -> None:
    for found in shipped.offers(OfferFilter(use_spot=None, restricted=True, burstable=True)):
        assert found.arch in {"x86_64", "arm64"}
        assert found.date
        for price in (found.price_ondemand_usd_h, found.price_spot_usd_h):
            assert price is None or price > 0
        assert found.price_ondemand_usd_h is not None or found.price_spot_usd_h is not None
        assert (found.accelerator == "") == (found.accelerator_count == 0)


def test_spot_risk_is_aws_only(shipped: Catalog) -> None:
    spot = shipped.offers(OfferFilter(use_spot=True))
    assert {found.cloud for found in spot if found.spot_risk_per_h is not None} == {"aws"}
    bands = ("<5%", "5-10%", "10-15%", "15-20%", ">20%")
    risks = {found.spot_risk_per_h for found in spot if found.spot_risk_per_h is not None}
    assert risks == {interruptions_per_hour(band) for band in bands}


def test_parts_of_an_l4_are_counted_as_parts(shipped: Catalog) -> None:
    assert get(shipped, "aws", "us-east-1", "", "g6f.large").accelerator_count == 0.125
    assert get(shipped, "aws", "us-east-1", "", "gr6f.4xlarge").accelerator_memory_gib == 24


def test_memory_is_per_device_everywhere(shipped: Catalog) -> None:
    eight = shipped.offers(OfferFilter(clouds=("vast",), accelerator="H200", accelerator_count=8), limit=1)[0]
    assert eight.accelerator_memory_gib == 140.4
    assert all((o.accelerator_memory_gib or 0) >= 79 for o in shipped.offers(OfferFilter(accelerator="A100-80GB")))


@pytest.mark.skipif(not FACTS.is_dir(), reason="the facts are in the checkout only")
def test_a_row_that_cannot_be_right_stops_the_build(tmp_path: pathlib.Path) -> None:
    for file in FACTS.iterdir():
        (tmp_path / file.name).symlink_to(file)
    text = (FACTS / "lambda_offers.csv").read_text().replace(",0.2,", ",-0.2,", 1)
    (tmp_path / "lambda_offers.csv").unlink()
    (tmp_path / "lambda_offers.csv").write_text(text)
    with pytest.raises(CatalogError, match=r"lambda_offers\.csv:2: .*-0\.2 is no amount"):
        read_offers(str(tmp_path))


@pytest.mark.skipif(not FACTS.is_dir(), reason="the facts are in the checkout only")
def test_regions_lie_where_their_coordinates_say() -> None:
    for region in read_regions(str(FACTS)):
        assert len(region.country) == 2
        assert region.continent
        assert "0" not in region.zones
        if region.latitude is not None and region.longitude is not None and region.continent.endswith("America"):
            assert region.longitude < -30
        if region.continent == "South America":
            assert region.latitude is None or region.latitude < 13

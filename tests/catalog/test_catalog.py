"""The shipped catalog, asked as the rooms above ask it."""

from __future__ import annotations

import datetime as dt
import os
import pickle
import sqlite3
import subprocess
import sys
import threading

import pytest

from tests.catalog.shelves import offer, shelf
from tradewind.catalog import Catalog, CatalogError, OfferFilter, Region, UnknownNameError, open_catalog


def test_it_holds_the_five_clouds(shipped: Catalog) -> None:
    assert shipped.clouds() == ["aws", "azure", "gcp", "lambda", "vast"]
    assert shipped.count() == len(shipped.offers(OfferFilter(use_spot=None, restricted=True, burstable=True))) > 100_000
    assert dt.date.fromisoformat(shipped.date).year == 2026
    assert shipped.source == "shipped"


def test_every_offer_can_be_asked_for_by_name(shipped: Catalog) -> None:
    cheapest = shipped.offers(OfferFilter(use_spot=True, burstable=True, restricted=True), limit=20)
    assert cheapest[0].burstable
    for found in cheapest:
        assert shipped.get(found.cloud, found.region, found.zone, found.instance_type) == found
    assert shipped.get("aws", "us-east-1", "", "m5.nothing") is None


def test_names(shipped: Catalog) -> None:
    assert "us-east-1" in shipped.regions("aws")
    assert shipped.zones("gcp", "us-east1") == ["us-east1-a", "us-east1-b", "us-east1-c", "us-east1-d"]
    assert "use1-az1" in shipped.zones("aws", "us-east-1")
    assert "n1-standard-4" in shipped.instance_types("gcp")
    assert "n1-standard-4" not in shipped.instance_types("aws")
    assert {"A100", "A100-80GB", "H100", "tpu-v5e"} <= set(shipped.accelerator_names())
    assert 8 in shipped.accelerator_counts("A100")
    assert 7 not in shipped.accelerator_counts("A100")


def test_regions_know_where_they_are(shipped: Catalog) -> None:
    region = shipped.region("azure", "mexicocentral")
    assert (region.continent, region.country) == ("North America", "MX")
    assert shipped.region("gcp", "europe-west9").gco2eq_per_kwh is not None
    assert shipped.region("aws", "us-gov-east-1").restricted
    assert shipped.region("vast", "nowhere") == Region("vast", "nowhere")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ({"cloud": "awss"}, "no offer in the catalog has the cloud 'awss'; did you mean 'aws'?"),
        (
            {"cloud": "gcp", "region": "us-east-1"},
            "no offer in the catalog has the region 'us-east-1' on gcp; did you mean 'us-east1'?",
        ),
        ({"zone": "us-east1-z"}, "no offer in the catalog has the zone 'us-east1-z'; did you mean 'us-east1-d'?"),
        (
            {"instance_type": "m5.larg"},
            "no offer in the catalog has the instance type 'm5.larg'; did you mean 'm5.large'?",
        ),
    ],
)
def test_an_unknown_name_gets_the_nearest(shipped: Catalog, names: dict[str, str], sentence: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        shipped.check_names(**names)
    assert str(caught.value) == sentence
    assert str(pickle.loads(pickle.dumps(caught.value))) == sentence


def test_known_names_pass(shipped: Catalog) -> None:
    shipped.check_names(cloud="aws", region="us-east-1", zone="us-east-1a", instance_type="m5.large")
    shipped.check_names(region="US-EAST1", zone="us-east1-b")


def test_accelerators_by_what_people_call_them(shipped: Catalog) -> None:
    assert shipped.resolve_accelerators("a100-80gb-sxm", 8) == ("A100-80GB", 8)
    assert shipped.resolve_accelerators("v5litepod-8") == ("tpu-v5e", 8)


def test_quarantined_offers_are_not_for_sale(shipped: Catalog) -> None:
    apart = shipped.quarantined()
    assert len(apart) == 30
    assert {entry.offer.cloud for entry in apart} == {"azure"}
    for entry in apart:
        found = entry.offer
        assert shipped.get(found.cloud, found.region, found.zone, found.instance_type) is None
        assert "median" in entry.reason


def test_a_persons_own_catalog_has_no_quarantine() -> None:
    with shelf([offer("r1", price_ondemand_usd_h=1.0), offer("r2", price_ondemand_usd_h=0.1)]) as catalog:
        assert catalog.quarantined() == []
        assert catalog.count() == 2


def test_no_restricted_or_burstable_offers_unless_asked(shipped: Catalog) -> None:
    assert not any(found.restricted or found.burstable for found in shipped.offers(limit=2000))
    gov = shipped.offers(OfferFilter(region="us-gov-east-1", restricted=True), limit=5)
    assert gov
    assert all(found.restricted for found in gov)
    assert shipped.offers(OfferFilter(region="us-gov-east-1")) == []
    assert shipped.offers(OfferFilter(accelerator="Trainium"), limit=1)[0].burstable is False


def test_many_threads_may_ask_at_once(shipped: Catalog) -> None:
    wanted = OfferFilter(min_vcpus=8, use_spot=True)
    right, answers = shipped.offers(wanted, 50), []

    def ask() -> None:
        answers.extend(shipped.offers(wanted, 50) == right for _ in range(10))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 80


def test_a_closed_catalog_does_not_answer(shipped: Catalog) -> None:
    shipped.close()
    with pytest.raises(sqlite3.ProgrammingError):
        shipped.offers(limit=1)


def test_importing_the_room_is_light() -> None:
    heavy = "{'sqlite3', 'numpy', 'sqlalchemy', 'yaml', 'lzma'}"
    code = f"import sys, tradewind.catalog; from tradewind.catalog import Offer, OfferFilter; print(*({heavy} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=os.sep)
    assert ran.stdout.strip() == ""


def test_a_catalog_that_is_not_there_is_one_sentence(tmp_path) -> None:
    with pytest.raises(CatalogError, match="cannot be read: no such file"):
        open_catalog(str(tmp_path / "none.csv"))

"""Local disks, networks and what machines are able to do: as the clouds publish them, and unknown where no source tells."""

from __future__ import annotations

import pathlib

import pytest

from tests.catalog.shelves import offer, shelf
from tradewind.catalog import Catalog, CatalogError, Offer, OfferFilter, Wish, filter_of
from tradewind.catalog.equipment import read_equipment, with_local_disk
from tradewind.catalog.facts import read_rows
from tradewind.catalog.listing import equipment_left_out
from tradewind.spec.machine import LocalDisk

FACTS = pathlib.Path(__file__).resolve().parents[2] / "data" / "facts"


@pytest.mark.parametrize(
    ("cloud", "instance_type", "disk_gb", "kind", "gbps", "features"),
    [
        ("aws", "m5.large", 0, "", 0.75, ()),
        ("aws", "c5d.4xlarge", 400, "nvme", 5, ()),
        ("aws", "p5.48xlarge", 30400, "nvme", 3200, ("efa",)),
        ("aws", "d2.xlarge", 6144, "hdd", 1.25, ()),
        ("aws", "m6idn.32xlarge", 7600, "nvme", 200, ("efa",)),  # two cards of 200 that share 200
        ("gcp", "a3-highgpu-8g", 6000, "nvme", 1000, ()),
        ("gcp", "c4a-standard-32-lssd", 2250, "nvme", 23, ("tier_1",)),
        ("gcp", "n1-standard-8", 0, "", 16, ()),
        ("azure", "Standard_D96ads_v6", 5280, "nvme", 40, ("nested_virtualization",)),
        ("azure", "Standard_ND96isr_H100_v5", 28672, "nvme", 80, ("infiniband",)),
        ("azure", "Standard_HB120rs_v3", None, "", None, ("infiniband",)),
        ("azure", "Standard_D2_v2", None, "", None, ()),
    ],
)
def test_what_the_sources_say(
    shipped: Catalog, cloud: str, instance_type: str, disk_gb: float | None, kind: str, gbps: float | None, features: tuple[str, ...]
) -> None:  # fmt: skip
    found = shipped.offers(OfferFilter(clouds=(cloud,), instance_type=instance_type, use_spot=None), limit=1)[0]
    assert (found.local_disk_gb, found.local_disk_kind, found.network_gbps, found.features) == (
        disk_gb,
        kind,
        gbps,
        features,
    )


def test_a_machine_with_attached_accelerators_keeps_its_own_equipment(shipped: Catalog) -> None:
    attached = shipped.offers(OfferFilter(instance_type="n1-standard-8+T4:2"), limit=1)[0]
    assert (attached.local_disk_gb, attached.network_gbps) == (0, 16)


@pytest.mark.skipif(not FACTS.is_dir(), reason="the facts are in the checkout only")
def test_every_row_names_a_source_and_a_machine_that_is_sold() -> None:
    rows = read_rows(str(FACTS), "machines.csv.gz")
    sold = {(row["cloud"], row["instance_type"]) for cloud in ("aws", "azure", "gcp") for row in read_rows(str(FACTS), f"{cloud}_offers.csv.gz")}  # fmt: skip
    told = (FACTS / "SOURCES.md").read_text()
    assert len(read_equipment(rows)) == len(rows)
    for row in rows:
        assert (row["cloud"], row["instance_type"]) in sold
        assert all(f"| {tag} |" in told for tag in row["source"].split("+"))
        assert bool(float(row["local_disk_gb"] or 0)) >= bool(row["local_disk_kind"])


@pytest.mark.parametrize(
    ("disk", "kinds", "least", "most"),
    [
        (LocalDisk("nvme"), ("nvme",), None, None),
        (LocalDisk("ssd", 300), ("nvme", "ssd"), 300, 300),
        (LocalDisk(None, 500, at_least=True), (), 500, None),
    ],
)
def test_a_disk_as_a_task_asks_for_it(
    disk: LocalDisk, kinds: tuple[str, ...], least: float | None, most: float | None
) -> None:
    wanted = with_local_disk(OfferFilter(), disk)
    assert (wanted.local_disk_kinds, wanted.min_local_disk_gb, wanted.max_local_disk_gb) == (kinds, least, most)


def test_what_no_source_tells_is_left_out_and_counted() -> None:
    unknown, none = offer(), offer(instance_type="m2", local_disk_gb=0.0, network_gbps=10.0)
    some = offer(instance_type="m3", local_disk_gb=500.0, network_gbps=50.0)  # of no known kind
    known = offer(instance_type="m4", local_disk_gb=500.0, local_disk_kind="nvme", features=("efa",), network_gbps=50.0)
    with shelf([unknown, none, some, known]) as catalog:

        def left(wish: Wish) -> tuple[list[Offer], tuple[str, ...]]:
            wanted = filter_of(wish, catalog)
            return catalog.offers(wanted), equipment_left_out(catalog.unknown_equipment(wanted))

        tell = "left out, because no source tells it"
        assert left(Wish(local_disk="nvme:400+")) == ([known], (f"{tell} (local disk): 2 types on aws",))
        assert left(Wish(local_disk="400+")) == ([some, known], (f"{tell} (local disk): 1 type on aws",))
        assert left(Wish(local_disk="600+"))[0] == []
        both = Wish(
            local_disk="nvme:400+", min_network=25
        )  # what is known to be too slow was not left out for its disk
        assert left(both) == ([known], (f"{tell} (local disk): 2 types on aws", f"{tell} (network): 1 type on aws"))
        assert left(Wish(min_network=25)) == ([some, known], (f"{tell} (network): 1 type on aws",))
        assert left(Wish(features=("EFA",))) == ([known], (f"{tell} (features): 1 type on aws",))
        assert left(Wish()) == ([unknown, none, some, known], ())


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (Wish(local_disk="hdd"), "local-disk: 'hdd' is no local disk; write nvme, ssd:300 or nvme:500+ (GB)"),
        (Wish(features=("fast",)), "feature: 'fast' is none of bare_metal, efa, infiniband, nested_virtualization, tier_1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence(wish: Wish, says: str) -> None:
    with shelf([offer()]) as catalog, pytest.raises(CatalogError) as caught:
        filter_of(wish, catalog)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("local_disk_kind", "tape", "local_disk_kind 'tape' is none of nvme, ssd, hdd"),
        ("features", "efa;warp", "feature 'warp' is none of"),
    ],
)
def test_a_fact_that_cannot_be_is_refused(field: str, value: str, says: str) -> None:
    row = {"cloud": "aws", "instance_type": "m", "local_disk_gb": "1", "local_disk_kind": "", "network_gbps": ""}
    with pytest.raises(ValueError, match=says):
        read_equipment([row | {"features": ""} | {field: value}])

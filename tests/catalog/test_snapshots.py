"""Snapshots kept here, what a reference names, and prices over time."""

from __future__ import annotations

import pathlib

import pytest

from tests.catalog.shelves import offer
from tradewind.catalog import CatalogError, PricePoint, open_catalog
from tradewind.catalog.history import history, key_of
from tradewind.catalog.imports import add_import, own_directory
from tradewind.catalog.snapshot import DATA_DIRECTORY, read_offers
from tradewind.catalog.snapshots import keep_snapshot, kept_snapshots, load_offers, snapshots_directory

OFFERS = [offer("r1", price_spot_usd_h=0.3, accelerator="A100", accelerator_count=0.5), offer("CA, NA", vcpus=None)]


def test_the_whole_snapshot_reads_as_the_index_has_it(own_cache: pathlib.Path) -> None:
    offers = read_offers()
    with open_catalog() as catalog:
        assert len(offers) == catalog.count()
        for each in offers[::5000]:
            assert catalog.get(each.cloud, each.region, each.zone, each.instance_type) == each
    assert own_cache.exists()


def test_a_kept_snapshot_is_a_catalog_of_its_own(data_dir: pathlib.Path, own_cache: pathlib.Path) -> None:
    kept = keep_snapshot(OFFERS, "2026-05-20", snapshots_directory())
    assert kept_snapshots(snapshots_directory()) == [kept]
    assert pathlib.Path(kept.path).is_relative_to(data_dir)
    first = pathlib.Path(kept.path).read_bytes()
    assert pathlib.Path(keep_snapshot(OFFERS, "2026-05-20", snapshots_directory()).path).read_bytes() == first
    with open_catalog(kept.path) as catalog:
        assert catalog.count() == 2
    loaded = load_offers("2026-05-20")
    assert [(o.region, o.price_spot_usd_h, o.vcpus, o.accelerator_count) for o in loaded] == [
        ("r1", 0.3, 2.0, 0.5),
        ("CA, NA", None, None, 0.0),
    ]
    assert own_cache.exists()


def test_other_files_are_no_snapshots() -> None:
    keep_snapshot(OFFERS, "2026-05-20", snapshots_directory())
    for name in ("notes.txt", "2026-5-1.csv.gz", "old.csv.gz", "2026-05-21.csv.gz.7.tmp"):
        (pathlib.Path(snapshots_directory()) / name).write_text("")
    assert [kept.date for kept in kept_snapshots(snapshots_directory())] == ["2026-05-20"]


@pytest.mark.parametrize("date", ["", "yesterday", "2026-13-01", "20260520", "../2026-05-20"])
def test_a_day_is_a_day(date: str) -> None:
    with pytest.raises(CatalogError, match="is no date"):
        keep_snapshot(OFFERS, date, snapshots_directory())


def test_what_a_reference_names(tmp_path: pathlib.Path) -> None:
    shipped = load_offers("shipped")
    assert load_offers(DATA_DIRECTORY) == shipped
    assert load_offers("current") == shipped
    mine = tmp_path / "mine.csv"
    mine.write_text("cloud,region,instance_type,price_ondemand_usd_h\nonprem,basement,dgx,2\n")
    add_import(str(mine), own_directory())
    assert len(load_offers("current")) == len(shipped) + 1
    assert load_offers("shipped") == shipped
    with pytest.raises(CatalogError, match="'2026-01-01' is neither a file nor a kept snapshot"):
        load_offers("2026-01-01")
    keep_snapshot(OFFERS, "2026-05-20", snapshots_directory())
    with pytest.raises(CatalogError, match="kept are 2026-05-20"):
        load_offers("2026-01-01")


def test_history_goes_through_the_days_in_order() -> None:
    directory = snapshots_directory()
    keep_snapshot([offer("r1", price_ondemand_usd_h=2.0)], "2026-02-01", directory)
    keep_snapshot([offer("r1", price_ondemand_usd_h=3.0, price_spot_usd_h=1.0), offer("r2")], "2026-01-01", directory)
    keep_snapshot([offer("r2")], "2026-03-01", directory)
    now = [offer("r1"), offer("r9")]
    found = history(now, "2026-04-01", kept_snapshots(directory))
    assert found[key_of(now[0])] == (
        PricePoint("2026-01-01", 3.0, 1.0),
        PricePoint("2026-02-01", 2.0, None),
        PricePoint("2026-04-01", 1.0, None),
    )
    assert found[key_of(now[1])] == (PricePoint("2026-04-01", 1.0, None),)
    undated = history(now, "", kept_snapshots(directory))
    assert len(undated[key_of(now[0])]) == 2


def test_a_damaged_snapshot_is_named() -> None:
    kept = keep_snapshot(OFFERS, "2026-05-20", snapshots_directory())
    pathlib.Path(kept.path).write_text("cloud,region\n")
    with pytest.raises(CatalogError, match=r"2026-05-20\.csv\.gz: the kept snapshot is damaged"):
        history(OFFERS, "2026-06-01", [kept])

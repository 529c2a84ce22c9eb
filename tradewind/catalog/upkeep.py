"""What a person does with the catalog itself, as `tradewind catalog` does: look at it, keep and compare its prices, add offers of their own."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Collection

import msgspec

from tradewind.catalog.age import days_old
from tradewind.catalog.checkup import Checkup, examine
from tradewind.catalog.comparing import Comparison, compare
from tradewind.catalog.errors import CatalogError
from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.imports import add_import, own_directory, read_own_offers, remove_import
from tradewind.catalog.opening import open_catalog
from tradewind.catalog.snapshot import read_manifest
from tradewind.catalog.snapshots import (
    CURRENT,
    SHIPPED,
    Kept,
    keep_snapshot,
    kept_snapshots,
    load_offers,
    snapshots_directory,
)


class CloudCount(msgspec.Struct, frozen=True):
    """How many offers and regions of one cloud there are."""

    offers: int
    regions: int


class Info(msgspec.Struct, frozen=True):
    """What a catalog holds: `date` is the day of its newest price (YYYY-MM-DD, "" where it says none), `days_old` the days since."""

    source: str
    date: str
    days_old: int | None
    offers: int
    clouds: dict[str, CloudCount]
    imports: tuple[str, ...]
    snapshots: tuple[str, ...]


class Added(msgspec.Struct, frozen=True):
    """Own offers that are in every plan now: how many, how many of them `stand_in` for shipped prices, and whether the name was `replaced`."""

    name: str
    offers: int
    stand_in: int
    new: int
    replaced: bool


def today() -> dt.date:
    """This day, UTC."""
    return dt.datetime.now(dt.UTC).date()


def info(catalog: str | os.PathLike[str] | None = None) -> Info:
    """How many offers of which clouds the catalog (a CSV, or the shipped one with your own offers) holds, and from when. Raises CatalogError."""
    with open_catalog(None if catalog is None else os.fspath(catalog)) as shelf:
        every = {
            cloud: OfferFilter(clouds=(cloud,), use_spot=None, restricted=True, burstable=True)
            for cloud in shelf.clouds()
        }
        return Info(
            source=shelf.source,
            date=shelf.date,
            days_old=days_old(shelf.date, today()),
            offers=shelf.count(),
            clouds={
                cloud: CloudCount(shelf.count(wanted), len(shelf.regions(cloud))) for cloud, wanted in every.items()
            },
            imports=tuple(entry.name for entry in shelf.imports),
            snapshots=tuple(kept.date for kept in kept_snapshots(snapshots_directory())),
        )


def doctor(catalog: str | os.PathLike[str] | None = None) -> Checkup:
    """What of the catalog (a CSV, or the shipped one with your own offers) is not believed or not known, and your own offers in it. Raises CatalogError."""
    with open_catalog(None if catalog is None else os.fspath(catalog)) as shelf:
        return examine(shelf, today())


def import_offers(file: str | os.PathLike[str], name: str = "") -> Added:
    """The offers of the CSV (also .gz) are kept under `name` (by default the file's), and merged into every plan from now on.

    Raises:
        CatalogError: a row cannot be used, another import has an offer of these, or the data directory cannot be written.
    """
    entry, replaced = add_import(os.fspath(file), own_directory(), name)
    own = read_own_offers(entry)
    with open_catalog(own="") as shipped:
        stands_in = sum(shipped.sells(o.cloud, o.region, o.zone, o.instance_type) for o in own)
    with open_catalog():  # builds the index now, so that the next plan need not
        pass
    return Added(entry.name, len(own), stands_in, len(own) - stands_in, replaced)


def remove_offers(name: str) -> None:
    """Plans go by the shipped prices again. Raises CatalogError: nothing is imported under that name."""
    remove_import(name, own_directory())


def keep(file: str | os.PathLike[str] | None = None, date: str = "") -> Kept:
    """The shipped snapshot, or a CSV of offers of the day `date` (YYYY-MM-DD), is kept on this machine, to compare prices over time.

    Raises:
        CatalogError: a CSV without its day, or one that cannot be read, or the data directory cannot be written.
    """
    if file is not None and not date:
        raise CatalogError("a CSV does not say of which day its prices are; add its date, as 2026-05-20")
    return keep_snapshot(
        load_offers(SHIPPED if file is None else os.fspath(file)), date or read_manifest().date, snapshots_directory()
    )


def diff(before: str, after: str = CURRENT, *, clouds: Collection[str] = ()) -> Comparison:
    """What changed from one catalog to another, of these clouds alone if any are named.

    Each is "shipped", "current" (with your own offers), the day of a kept snapshot, a CSV of offers, or a directory with a built snapshot.

    Raises:
        CatalogError: it is none of these, or cannot be read.
    """
    wanted = {cloud.lower() for cloud in clouds}
    old, new = (
        [offer for offer in load_offers(reference) if not wanted or offer.cloud in wanted]
        for reference in (before, after)
    )
    return compare(old, new)

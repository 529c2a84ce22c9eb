"""How offers' prices moved from snapshot to snapshot."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Iterable, Sequence

import msgspec

from tradewind.catalog.errors import CatalogError
from tradewind.catalog.offer import Offer
from tradewind.catalog.snapshots import Kept

Key = tuple[str, str, str, str]


class PricePoint(msgspec.Struct, frozen=True, order=True):
    """The prices of one day (YYYY-MM-DD), USD/hour; None: not sold that way or not known."""

    date: str
    price_ondemand_usd_h: float | None
    price_spot_usd_h: float | None


def key_of(offer: Offer) -> Key:
    """What makes an offer the same one in another snapshot."""
    return offer.cloud, offer.region, offer.zone, offer.instance_type


def history(offers: Sequence[Offer], date: str, kept: Iterable[Kept]) -> dict[Key, tuple[PricePoint, ...]]:
    """For each offer its prices in every kept snapshot that sells it, and today's with the day `date`, the oldest first.

    A day without the offer has no point. Raises CatalogError when a kept snapshot cannot be read.
    """
    points: dict[Key, dict[str, PricePoint]] = {key_of(offer): {} for offer in offers}
    for snapshot in kept:
        for key, ondemand, spot in _prices(snapshot, points.keys()):
            points[key][snapshot.date] = PricePoint(snapshot.date, ondemand, spot)
    for offer in offers:
        if date:
            points[key_of(offer)][date] = PricePoint(date, offer.price_ondemand_usd_h, offer.price_spot_usd_h)
    return {key: tuple(sorted(of_key.values())) for key, of_key in points.items()}


def device_history(names: Collection[str], kept: Iterable[Kept]) -> dict[str, tuple[PricePoint, ...]]:
    """For each accelerator the least USD/hour of one device in every kept snapshot that sells it, the oldest first.

    Raises CatalogError when a kept snapshot cannot be read.
    """
    points: dict[str, list[PricePoint]] = {name: [] for name in names}
    for snapshot in sorted(kept):
        least: dict[str, tuple[float, float]] = {}
        for row in _rows(snapshot):
            if row["accelerator"] in points and float(row["accelerator_count"] or 1) > 0:
                count = float(row["accelerator_count"] or 1)
                ondemand, spot = (
                    float(row[column]) / count if row[column] else math.inf
                    for column in ("price_ondemand_usd_h", "price_spot_usd_h")
                )
                before = least.get(row["accelerator"], (math.inf, math.inf))
                least[row["accelerator"]] = (min(before[0], ondemand), min(before[1], spot))
        for name, prices in least.items():
            ondemand_, spot_ = (price if price < math.inf else None for price in prices)
            points[name].append(PricePoint(snapshot.date, ondemand_, spot_))
    return {name: tuple(of_name) for name, of_name in points.items()}


def _prices(snapshot: Kept, wanted: Collection[Key]) -> Iterable[tuple[Key, float | None, float | None]]:
    """The wanted offers of a snapshot; the rest of its rows is passed over, at some 0.2 s for a hundred thousand."""
    for row in _rows(snapshot):
        key = (row["cloud"], row["region"], row["zone"], row["instance_type"])
        if key in wanted:
            ondemand, spot = row["price_ondemand_usd_h"], row["price_spot_usd_h"]
            yield key, float(ondemand) if ondemand else None, float(spot) if spot else None


def _rows(snapshot: Kept) -> Iterable[dict[str, str]]:
    """The snapshot's rows with every column of the offer schema. Raises CatalogError when it cannot be read."""
    from tradewind.catalog.usercsv import COLUMNS, read_bytes

    try:
        rows = csv.reader(io.StringIO(read_bytes(snapshot.path).decode("utf-8-sig"), newline=""))
        header = next(rows, [])
        if missing := set(COLUMNS) - set(header):
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        for row in rows:
            yield dict(zip(header, row, strict=True))
    except (ValueError, csv.Error) as error:
        raise CatalogError(
            f"{snapshot.path}: the kept snapshot is damaged ({error}); keep it again, or delete the file"
        ) from error

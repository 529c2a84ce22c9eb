"""How offers' prices moved from snapshot to snapshot."""

from __future__ import annotations

import csv
import io
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


def _prices(snapshot: Kept, wanted: Collection[Key]) -> Iterable[tuple[Key, float | None, float | None]]:
    """The wanted offers of a snapshot; the rest of its rows is passed over unread, at some 0.2 s for a hundred thousand."""
    from tradewind.catalog.usercsv import read_bytes

    try:
        rows = csv.reader(io.StringIO(read_bytes(snapshot.path).decode("utf-8-sig"), newline=""))
        header = next(rows)
        place = [header.index(name) for name in ("cloud", "region", "zone", "instance_type")]
        ondemand, spot = header.index("price_ondemand_usd_h"), header.index("price_spot_usd_h")
        cloud, region, zone, instance_type = place
        for row in rows:
            key = (row[cloud], row[region], row[zone], row[instance_type])
            if key in wanted:
                yield key, float(row[ondemand]) if row[ondemand] else None, float(row[spot]) if row[spot] else None
    except (ValueError, IndexError, StopIteration, csv.Error) as error:
        raise CatalogError(
            f"{snapshot.path}: the kept snapshot is damaged ({error}); keep it again, or delete the file"
        ) from error

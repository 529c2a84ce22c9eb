"""Offers split into the three tables that the index is built from: types, places, and prices where the two meet.

Ids are the rank by content, so that the same offers give the same tables whatever their order, and "smaller id" is "earlier by name".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tradewind.catalog.offer import Offer
from tradewind.catalog.provenance import Provenance

Value = str | float | int | None
Row = tuple[Value, ...] | Sequence[str]

TYPE_COLUMNS = (
    "id", "cloud", "instance_type", "arch", "vcpus", "memory_gib", "accelerator", "accelerator_count", "accelerator_memory_gib", "burstable",
    "local_disk_gb", "local_disk_kind", "network_gbps", "features",
)  # fmt: skip
PLACE_COLUMNS = ("id", "cloud", "region", "zone", "restricted")
PROVENANCE_COLUMNS = ("id", "basis", "spot_basis", "date", "spot_date")
PRICE_COLUMNS = ("type", "place", "ondemand", "spot", "provenance", "risk")


class Tables(NamedTuple):
    """Rows in id order (prices by type, then place); None is unknown."""

    types: Iterable[Row]
    places: Iterable[Row]
    provenances: Iterable[Row]
    prices: Iterable[Row]


def split(offers: Iterable[Offer]) -> Tables:
    """The tables of `offers`, none of which may repeat a (cloud, region, zone, instance_type)."""
    rows = [(_type_of(o), (o.cloud, o.region, o.zone, int(o.restricted)), _provenance_of(o), o) for o in offers]
    types = _ranked({row[0] for row in rows})
    places = _ranked({row[1] for row in rows})
    provenances = _ranked({row[2] for row in rows})
    prices = [
        (
            types[type_],
            places[place],
            o.price_ondemand_usd_h,
            o.price_spot_usd_h,
            provenances[provenance],
            o.spot_risk_per_h,
        )
        for type_, place, provenance, o in rows
    ]
    prices.sort(key=lambda row: row[:2])
    return Tables(
        [(rank, *key) for key, rank in types.items()],
        [(rank, *key) for key, rank in places.items()],
        [(rank, *key) for key, rank in provenances.items()],
        prices,
    )


def _type_of(offer: Offer) -> tuple[Value, ...]:
    return (
        offer.cloud,
        offer.instance_type,
        offer.arch,
        offer.vcpus,
        offer.memory_gib,
        offer.accelerator,
        offer.accelerator_count,
        offer.accelerator_memory_gib,
        int(offer.burstable),
        offer.local_disk_gb,
        offer.local_disk_kind,
        offer.network_gbps,
        ";".join(offer.features),
    )


def _provenance_of(offer: Offer) -> tuple[Value, ...]:
    made = Provenance(offer.basis, offer.spot_basis, offer.date, offer.spot_date)
    return (made.basis, made.spot_basis, made.date, made.spot_date)


def _ranked(keys: set[tuple[Value, ...]]) -> dict[tuple[Value, ...], int]:
    ordered = sorted(
        keys, key=lambda key: tuple((value is not None, value if value is not None else 0) for value in key)
    )
    return {key: rank for rank, key in enumerate(ordered)}

"""Small catalogs for tests, held in memory, and what a filter means, written plainly."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest import mock

from tradewind.catalog import Catalog, Offer, OfferFilter, PlacePattern
from tradewind.catalog.tables import split


def offer(
    region: str = "r1", instance_type: str = "m1", *, cloud: str = "aws", zone: str = "", **fields: object
) -> Offer:
    values: dict[str, object] = {
        "arch": "x86_64",
        "vcpus": 2.0,
        "memory_gib": 8.0,
        "accelerator": "",
        "accelerator_count": 0.0,
        "accelerator_memory_gib": None,
        "price_ondemand_usd_h": 1.0,
        "price_spot_usd_h": None,
    } | fields
    return Offer(cloud=cloud, region=region, zone=zone, instance_type=instance_type, **values)  # type: ignore[arg-type]


@contextmanager
def shelf(offers: Sequence[Offer]) -> Iterator[Catalog]:
    digest = hashlib.sha256(repr(offers).encode()).hexdigest()
    with (
        mock.patch("tradewind.catalog.cache.cache_directory", return_value=None),
        Catalog(digest, lambda: split(offers), source="test", date="") as catalog,
    ):
        yield catalog


def price_of(found: Offer, wanted: OfferFilter) -> float | None:
    if wanted.use_spot is None:
        return found.price_ondemand_usd_h if found.price_ondemand_usd_h is not None else found.price_spot_usd_h
    return found.price_spot_usd_h if wanted.use_spot else found.price_ondemand_usd_h


def satisfies(found: Offer, wanted: OfferFilter) -> bool:
    """The documented meaning of a filter without zones, one offer at a time."""

    def least(value: float | None, limit: float | None) -> bool:
        return limit is None or (value is not None and value >= limit)

    def most(value: float | None, limit: float | None) -> bool:
        return limit is None or (value is not None and value <= limit)

    price = price_of(found, wanted)
    ratio = found.memory_gib is not None and found.vcpus is not None
    return (
        (not wanted.clouds or found.cloud in wanted.clouds)
        and _named(found.region, wanted.region)
        and _named(found.instance_type, wanted.instance_type)
        and (not wanted.archs or found.arch in wanted.archs)
        and least(found.vcpus, wanted.min_vcpus)
        and most(found.vcpus, wanted.max_vcpus)
        and least(found.memory_gib, wanted.min_memory_gib)
        and most(found.memory_gib, wanted.max_memory_gib)
        and (
            wanted.min_memory_gib_per_vcpu is None
            or (ratio and found.memory_gib >= found.vcpus * wanted.min_memory_gib_per_vcpu)  # type: ignore[operator]
        )
        and wanted.accelerator in (None, found.accelerator)
        and wanted.accelerator_count in (None, found.accelerator_count)
        and not (wanted.no_accelerator and found.accelerator)
        and not (wanted.any_accelerator and not found.accelerator)
        and least(found.accelerator_count, wanted.min_accelerator_count)
        and most(found.spot_risk_per_h, wanted.max_spot_risk_per_h)
        and least(found.local_disk_gb, wanted.min_local_disk_gb)
        and most(found.local_disk_gb, wanted.max_local_disk_gb)
        and (not wanted.local_disk_kinds or found.local_disk_kind in wanted.local_disk_kinds)
        and least(found.network_gbps, wanted.min_network_gbps)
        and set(wanted.features) <= set(found.features)
        and (not wanted.bases or bool(_bases(found, wanted) & set(wanted.bases)))
        and price is not None
        and (wanted.max_price_usd_h is None or price <= wanted.max_price_usd_h)
        and (wanted.restricted or not found.restricted)
        and (wanted.burstable or not found.burstable)
        and not any(_matches(found, pattern) for pattern in wanted.excluded)
    )


def _named(name: str, wanted: str | None) -> bool:
    return wanted is None or fnmatch.fnmatchcase(name.lower(), wanted.lower())


def _bases(found: Offer, wanted: OfferFilter) -> set[str]:
    if wanted.use_spot is None:
        return {found.basis, found.spot_basis}
    return {found.spot_basis if wanted.use_spot else found.basis}


def _matches(found: Offer, pattern: PlacePattern) -> bool:
    pairs = (
        (pattern.cloud, found.cloud),
        (pattern.region, found.region),
        (pattern.zone, found.zone),
        (pattern.instance_type, found.instance_type),
    )
    return all(wanted in ("", "*") or fnmatch.fnmatchcase(name, wanted) for wanted, name in pairs)


def in_order(offers: Sequence[Offer], wanted: OfferFilter) -> list[Offer]:
    """Cheapest first; in either market what has an on-demand price comes before what has none; ties by place, then type."""

    def key(found: Offer) -> tuple[object, ...]:
        late = wanted.use_spot is None and found.price_ondemand_usd_h is None
        return (late, price_of(found, wanted), found.cloud, found.region, found.zone, found.instance_type)

    return sorted(offers, key=key)

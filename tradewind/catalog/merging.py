"""A person's own offers merged into the shipped ones: what they say stands, what they leave blank stays as it was known. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from msgspec.structs import replace

from tradewind.catalog.offer import Offer

_Key = tuple[str, str, str, str]


def merge(shipped: Iterable[Offer], own: Iterable[Offer]) -> list[Offer]:
    """Both, each (cloud, region, zone, type) once.

    An own offer of a type that is sold at that place stands in for it; without a zone it stands for every row of the region. Its prices
    replace the shipped ones in their market, and a blank price or figure keeps what was known. An own offer that is sold nowhere near is
    added, its blanks filled from the same type elsewhere where there is one, else left unknown (x86_64).
    """
    rows: dict[_Key, Offer] = {_key(offer): offer for offer in shipped}
    in_region: defaultdict[tuple[str, str, str], list[_Key]] = defaultdict(list)
    by_type: dict[tuple[str, str], Offer] = {}
    for key, offer in rows.items():
        in_region[offer.cloud, offer.region, offer.instance_type].append(key)
        by_type.setdefault((offer.cloud, offer.instance_type), offer)
    for offer in sorted(
        own, key=lambda offer: offer.zone != ""
    ):  # the word on one zone stands over the word on its region
        here = in_region[offer.cloud, offer.region, offer.instance_type]
        stands_for = here if not offer.zone else [key for key in here if key[2] == offer.zone]
        for key in stands_for:
            rows[key] = _over(offer, rows[key])
        if not stands_for:
            # A price elsewhere is not the price here; only what the type is carries over. A new zone keeps its region's price.
            regional = rows.get((offer.cloud, offer.region, "", offer.instance_type))
            known = regional or by_type.get((offer.cloud, offer.instance_type))
            rows[_key(offer)] = _filled(offer, known, prices=regional is not None)
    return list(rows.values())


def _key(offer: Offer) -> _Key:
    return offer.cloud, offer.region, offer.zone, offer.instance_type


def _over(own: Offer, shipped: Offer) -> Offer:
    """The own offer at the place of the shipped one."""
    return replace(_filled(own, shipped, prices=True), zone=shipped.zone)


def _filled(own: Offer, known: Offer | None, *, prices: bool) -> Offer:
    """The own offer with its blanks as they are known."""
    if known is None:
        return replace(own, arch=own.arch or "x86_64")
    if not own.accelerator:
        own = replace(
            own,
            accelerator=known.accelerator,
            accelerator_count=known.accelerator_count,
            accelerator_memory_gib=known.accelerator_memory_gib,
        )
    if own.accelerator == known.accelerator and own.accelerator_memory_gib is None:
        own = replace(own, accelerator_memory_gib=known.accelerator_memory_gib)
    own = replace(
        own,
        arch=own.arch or known.arch,
        vcpus=known.vcpus if own.vcpus is None else own.vcpus,
        memory_gib=known.memory_gib if own.memory_gib is None else own.memory_gib,
        network_gbps=known.network_gbps if own.network_gbps is None else own.network_gbps,
        features=own.features or known.features,
    )
    if own.local_disk_gb is None:
        own = replace(
            own, local_disk_gb=known.local_disk_gb, local_disk_kind=own.local_disk_kind or known.local_disk_kind
        )
    if prices and own.price_ondemand_usd_h is None:
        own = replace(own, price_ondemand_usd_h=known.price_ondemand_usd_h, basis=known.basis, date=known.date)
    if prices and own.price_spot_usd_h is None and known.price_spot_usd_h is not None:
        own = replace(
            own, price_spot_usd_h=known.price_spot_usd_h, spot_basis=known.spot_basis, spot_date=known.spot_date
        )
    return replace(own, spot_risk_per_h=known.spot_risk_per_h if prices and own.price_spot_usd_h is not None else None)

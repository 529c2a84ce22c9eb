"""Gangs that may not stand in one zone: for each region and type the cheapest way to put at most k nodes into each zone."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tradewind.catalog.catalog import Catalog
from tradewind.optimizer.problem import Candidate, ZoneShare


def spread(candidates: Iterable[Candidate], nodes: int, most: int, catalog: Catalog) -> list[Candidate]:
    """One candidate for each cloud, region, type and market that has zones enough; its price is the mean of its nodes'.

    The cheapest zones are filled first, which is the cheapest way where limits bind no single zone. A regional offer stands for
    any zone of its region, as many as are known.
    """
    groups: dict[tuple[str, str, str, bool, int], list[Candidate]] = {}
    for candidate in candidates:
        offer = candidate.offer
        key = (offer.cloud, offer.region, offer.instance_type, candidate.use_spot, candidate.alternative)
        groups.setdefault(key, []).append(candidate)
    zones = _Zones(catalog)
    found = (_filled(group, nodes, most, zones) for _, group in sorted(groups.items()))
    return [candidate for candidate in found if candidate is not None]


class _Zones:
    """Each region's zones, asked of the catalog once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[tuple[str, str], list[str]] = {}

    def of(self, cloud: str, region: str) -> list[str]:
        key = (cloud, region)
        if key not in self._known:
            self._known[key] = self._catalog.zones(cloud, region)
        return self._known[key]


def _filled(group: list[Candidate], nodes: int, most: int, known: _Zones) -> Candidate | None:
    zones: dict[str, Candidate] = {}
    for candidate in sorted(group, key=lambda c: (c.hourly_usd, c.offer.zone)):
        offer = candidate.offer
        for zone in (offer.zone,) if offer.zone else known.of(offer.cloud, offer.region):
            zones.setdefault(zone, candidate)
    left, usd_h, placed = nodes, 0.0, []
    for zone, candidate in zones.items():  # the cheapest first
        here = min(left, most)
        placed.append(ZoneShare(zone, here, candidate.hourly_usd))
        usd_h += here * candidate.hourly_usd
        left -= here
        if not left:
            first = next(iter(zones.values()))
            offer = msgspec.structs.replace(first.offer, zone="")
            return msgspec.structs.replace(first, offer=offer, hourly_usd=usd_h / nodes, spread=tuple(placed))
    return None

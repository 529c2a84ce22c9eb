"""Gangs that may not stand in one zone: for each region and type the cheapest way to put at most k nodes into each zone."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from tradewind.catalog.catalog import Catalog
from tradewind.optimizer.problem import Candidate, Reservation, ZoneShare


def spread(
    candidates: Iterable[Candidate],
    nodes: int,
    most: int,
    catalog: Catalog,
    reservations: Collection[Reservation] = (),
) -> list[Candidate]:
    """One candidate for each cloud, region, type and market that has zones enough; its price is the mean of the nodes that are paid for.

    The cheapest zones are filled first, which is the cheapest way where limits bind no single zone. A regional offer stands for
    any zone of its region, as many as are known. Beside it stands one for each number of its nodes that a reservation could pay.
    """
    groups: dict[tuple[str, str, str, bool, int], list[Candidate]] = {}
    for candidate in candidates:
        offer = candidate.offer
        key = (offer.cloud, offer.region, offer.instance_type, candidate.use_spot, candidate.alternative)
        groups.setdefault(key, []).append(candidate)
    zones = _Zones(catalog)
    found: list[Candidate | None] = []
    for _, group in sorted(groups.items()):
        slots = _slots(group, nodes, most, zones)
        found.append(_filled(slots, nodes))
        if not group[0].use_spot:
            found += (
                _filled(slots, nodes, reservation, free)
                for reservation in reservations
                for free in range(1, min(nodes, reservation.nodes) + 1)
            )
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


def _slots(group: list[Candidate], nodes: int, most: int, known: _Zones) -> list[Candidate]:
    """Where each node could stand, the cheapest first: every zone as often as it may be used."""
    zones: dict[str, Candidate] = {}
    for candidate in sorted(group, key=lambda c: (c.hourly_usd, c.offer.zone)):
        offer = candidate.offer
        for zone in (offer.zone,) if offer.zone else known.of(offer.cloud, offer.region):
            zones.setdefault(zone, msgspec.structs.replace(candidate, offer=msgspec.structs.replace(offer, zone=zone)))
    return [candidate for candidate in zones.values() for _ in range(min(most, nodes))]


def _filled(
    slots: list[Candidate], nodes: int, reservation: Reservation | None = None, free: int = 0
) -> Candidate | None:
    """The cheapest way to fill the slots, the reservation paying for so many nodes; None where there are too few slots.

    What is paid already takes the dearest slots that the reservation covers, so that the cheapest are left for what is bought.
    """
    covered = [s for s in slots if reservation is not None and reservation.place.matches(s.offer, use_spot=False)]
    reserved = covered[len(covered) - free :]
    taken = {id(slot): 0 for slot in reserved}
    for slot in reserved:
        taken[id(slot)] += 1
    bought: list[Candidate] = []
    for slot in reversed(slots):  # the free ones are the last of their zone
        if taken.get(id(slot), 0):
            taken[id(slot)] -= 1
        else:
            bought.append(slot)
    bought = bought[::-1][: nodes - free]
    if len(reserved) < free or len(bought) < nodes - free:
        return None
    placed: dict[str, ZoneShare] = {}
    for slot in (*bought, *reserved):
        before = placed.get(slot.offer.zone, ZoneShare(slot.offer.zone, 0, slot.hourly_usd))
        placed[slot.offer.zone] = msgspec.structs.replace(before, nodes=before.nodes + 1)
    paid = sum(slot.hourly_usd for slot in bought)
    first = slots[0]
    return msgspec.structs.replace(
        first,
        offer=msgspec.structs.replace(first.offer, zone=""),
        hourly_usd=paid / len(bought) if bought else first.hourly_usd,
        spread=tuple(placed.values()),
        reservation="" if reservation is None else reservation.name,
        free_nodes=free,
    )

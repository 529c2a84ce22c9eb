"""A gang over several zones: which zones, how many nodes in each, and which rank stands where. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import msgspec

from tradewind.catalog.offer import Offer
from tradewind.optimizer.plan import RankedCandidate
from tradewind.optimizer.problem import ZoneShare


def spread_over(
    candidate: RankedCandidate, zones: Sequence[str], nodes: int, standing: Collection[str] = ()
) -> RankedCandidate | None:
    """The candidate's gang over these zones, no more nodes in one than in the fullest of its plan; None when they are too few.

    Its own zones come first, each at its planned price, those where a part of it is `standing` before all; another zone costs what the dearest
    of them does.
    """
    most = max(share.nodes for share in candidate.spread)
    prices = {share.zone: share.hourly_usd for share in candidate.spread}
    order = [*(share.zone for share in candidate.spread), *(zone for zone in zones if zone not in prices)]
    order = sorted((zone for zone in order if zone in set(zones)), key=lambda zone: zone not in standing)
    left, shares = nodes, []
    for zone in order:
        here = min(left, most)
        if here:
            shares.append(ZoneShare(zone, here, prices.get(zone, max(prices.values()))))
        left -= here
    if left:
        return None
    usd_h = sum(share.nodes * share.hourly_usd for share in shares)
    return msgspec.structs.replace(candidate, spread=tuple(shares), hourly_usd=usd_h)


def offer_in(candidate: RankedCandidate, zone: str) -> Offer:
    """The candidate's offer in one zone of its spread, at the price there; its own offer where it is not spread."""
    share = next((share for share in candidate.spread if share.zone == zone), None)
    if share is None:
        return candidate.offer
    price = {"price_spot_usd_h" if candidate.use_spot else "price_ondemand_usd_h": share.hourly_usd}
    return msgspec.structs.replace(candidate.offer, zone=zone, **price)


def may_stay(offer: Offer, candidate: RankedCandidate) -> bool:
    """Whether a machine of this offer is one that the candidate asks for."""
    if not candidate.spread:
        return offer == candidate.offer
    bare = msgspec.structs.replace(
        offer,
        zone=candidate.offer.zone,
        price_spot_usd_h=candidate.offer.price_spot_usd_h,
        price_ondemand_usd_h=candidate.offer.price_ondemand_usd_h,
    )
    return bare == candidate.offer and any(share.zone == offer.zone for share in candidate.spread)


def zones_left(candidate: RankedCandidate, taken: Iterable[str]) -> list[str]:
    """A zone for each node that is still to be bought, those of machines that stay taken off."""
    held = Counter(taken)
    return [share.zone for share in candidate.spread for _ in range(max(share.nodes - held[share.zone], 0))]

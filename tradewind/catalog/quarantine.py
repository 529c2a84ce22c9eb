"""Prices that cannot be right: a cloud's own data error is set apart with its reason, and never planned on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from tradewind.catalog.offer import Offer

SHARE_OF_MEDIAN = 0.5


class Quarantined(msgspec.Struct, frozen=True):
    """An offer whose prices are not believed, and why in one sentence."""

    offer: Offer
    reason: str


def quarantine(offers: Iterable[Offer]) -> tuple[list[Offer], list[Quarantined]]:
    """The offers that are believed, and those whose on-demand price is under half its type's median over regions.

    A region counts once, however many zones it has. Both prices of such an offer go: the spot price is made from the same error. Spot
    prices alone are never judged; they do differ by five times between regions. Order is kept.
    """
    from statistics import median  # the build alone needs it; the value below is read at run time

    everything = list(offers)
    by_type: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for offer in everything:
        if offer.price_ondemand_usd_h is not None:
            by_type[offer.cloud, offer.instance_type].setdefault(offer.region, offer.price_ondemand_usd_h)
    medians = {key: median(prices.values()) for key, prices in by_type.items()}
    kept: list[Offer] = []
    apart: list[Quarantined] = []
    for offer in everything:
        price = offer.price_ondemand_usd_h
        usual = medians.get((offer.cloud, offer.instance_type))
        if price is None or usual is None or price >= SHARE_OF_MEDIAN * usual:
            kept.append(offer)
            continue
        regions = len(by_type[offer.cloud, offer.instance_type])
        reason = f"{price:g} USD/h on demand is {price / usual:.0%} of this type's median over {regions} regions ({usual:g} USD/h)"
        apart.append(Quarantined(offer, reason))
    return kept, apart

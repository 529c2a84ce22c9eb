"""What the catalog offers for a need: candidates by index, never the whole catalog, and the offers worth comparing with."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from tradewind.broker.planner import recall
from tradewind.broker.planner.need import Need
from tradewind.broker.planner.reach import why_left_out
from tradewind.catalog.catalog import Catalog
from tradewind.catalog.filter import OfferFilter, PlacePattern
from tradewind.catalog.offer import Offer
from tradewind.optimizer.problem import Candidate, Limits, Place, Reference


class Supply(msgspec.Struct, frozen=True):
    """The candidates of a task, what is shown beside them, and how many offers they stand for."""

    candidates: tuple[Candidate, ...]
    references: tuple[Reference, ...]
    considered: int


def supply_of(needs: Iterable[Need], catalog: Catalog, limits: Limits, clouds: Collection[str] | None) -> Supply:
    """Every place's cheapest offers for the needs. Enough for an exact plan under the limits: the offers left out are dearer at the same place."""
    needs = tuple(needs)
    candidates: list[Candidate] = []
    references: list[Reference] = []
    considered = 0
    for need in needs:
        found = _cheapest(need, catalog, limits)
        considered += recall.count(catalog, need.filter)
        left_out = [c for c in found if clouds is not None and c.offer.cloud not in clouds]
        usable = [c for c in found if clouds is None or c.offer.cloud in clouds]
        too_dear = [c for c in usable if need.max_node_usd_h is not None and c.hourly_usd > need.max_node_usd_h]
        candidates += (c for c in usable if need.max_node_usd_h is None or c.hourly_usd <= need.max_node_usd_h)
        references += _best_per_cloud(too_dear, f"it is over max_hourly_cost {need.max_node_usd_h or 0:g}")
        for cloud in sorted({c.offer.cloud for c in left_out}):
            mine = [c for c in left_out if c.offer.cloud == cloud]
            references += _best_per_cloud(mine, why_left_out(cloud, clouds or ()))
    references = _other_market(needs, candidates, catalog, limits, clouds) + references
    return Supply(tuple(candidates), tuple(references), considered)


def price_of(offer: Offer, *, use_spot: bool) -> float:
    """USD/hour of the offer in the market; not a number when it is not sold there."""
    price = offer.price_spot_usd_h if use_spot else offer.price_ondemand_usd_h
    return float("nan") if price is None else price


def _cheapest(need: Need, catalog: Catalog, limits: Limits) -> list[Candidate]:
    use_spot = need.use_spot
    blocks = [b for b in limits.blocks if b.instance_type and (b.use_spot is None or b.use_spot == use_spot)]
    quotas = [q for q in limits.quotas if q.place.instance_type or q.unit != "nodes"]
    if quotas or any(_is_glob(block) for block in blocks):
        # A limit tells types at one place apart by more than their price, so the dearer ones matter too.
        offers = tuple(catalog.offers(need.filter))
    else:
        excluded = tuple(_plain(block) for block in blocks)
        offers = recall.cheapest_per_place(catalog, msgspec.structs.replace(need.filter, excluded=excluded))
    zone = need.filter.zone
    return [
        Candidate(_resolved(offer, zone), use_spot, price_of(offer, use_spot=use_spot), need.alternative)
        for offer in offers
    ]


def _resolved(offer: Offer, zone: str | None) -> Offer:
    """A regional offer stands for the zone that was asked for."""
    return msgspec.structs.replace(offer, zone=zone) if zone and not offer.zone else offer


def _is_glob(place: Place) -> bool:
    names = (place.cloud, place.region, place.zone, place.instance_type)
    return any(name != "*" and ("*" in name or "?" in name) for name in names)


def _plain(place: Place) -> PlacePattern:
    """The block as the catalog spells it, with "" for anything."""
    names = (place.cloud, place.region, place.zone, place.instance_type)
    return PlacePattern(*("" if name == "*" else name for name in names))


def _best_per_cloud(candidates: Iterable[Candidate], why: str) -> list[Reference]:
    best: dict[str, Candidate] = {}
    for candidate in candidates:
        cloud = candidate.offer.cloud
        if cloud not in best or _cheaper(candidate, best[cloud]):
            best[cloud] = candidate
    return [Reference(best[cloud], why) for cloud in sorted(best)]


def _cheaper(a: Candidate, b: Candidate) -> bool:
    def key(c: Candidate) -> tuple[float, str, str, str]:
        return c.hourly_usd, c.offer.region, c.offer.zone, c.offer.instance_type

    return key(a) < key(b)


def _other_market(
    needs: tuple[Need, ...],
    candidates: list[Candidate],
    catalog: Catalog,
    limits: Limits,
    clouds: Collection[str] | None,
) -> list[Reference]:
    """The cheapest in the market that was not asked for, and the best there of each cloud that has nothing in the one that was."""
    markets = {need.use_spot for need in needs}
    if len(markets) != 1:
        return []
    asked = markets.pop()
    why = "on demand; spot was asked for" if asked else "spot (use_spot: true buys it)"
    others: list[Candidate] = []
    for need in needs:
        other = msgspec.structs.replace(need, filter=msgspec.structs.replace(need.filter, use_spot=not asked))
        others += (c for c in _cheapest(other, catalog, limits) if clouds is None or c.offer.cloud in clouds)
    best = _best_per_cloud(others, why)
    if not best:
        return []
    cheapest = min(best, key=lambda r: (r.candidate.hourly_usd, r.candidate.offer.cloud))
    serving = {c.offer.cloud for c in candidates}
    return [r for r in best if r is cheapest or r.candidate.offer.cloud not in serving]


def one_of(catalog: Catalog, asked: OfferFilter) -> Offer | None:
    """The cheapest offer that the filter admits, or None."""
    found = catalog.offers(asked, limit=1)
    return found[0] if found else None

"""What the catalog offers for a need: candidates by index, never the whole catalog, and the offers worth comparing with."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

import msgspec

from tradewind.broker.planner import recall
from tradewind.broker.planner.carbon import carbon_kg_h, watts_of
from tradewind.broker.planner.need import Need
from tradewind.broker.planner.reach import why_left_out
from tradewind.broker.planner.spread import spread
from tradewind.broker.planner.wishes import NONE, Pace, Wishes
from tradewind.catalog.catalog import Catalog
from tradewind.catalog.filter import OfferFilter, PlacePattern
from tradewind.catalog.offer import Offer
from tradewind.catalog.risk import interruptions_per_hour
from tradewind.optimizer.cost import UNKNOWN_RISK_PER_H, hazard_per_h
from tradewind.optimizer.hazard import Experience, learnt
from tradewind.optimizer.problem import Candidate, Limits, Place, Reference

BANDS = ("<5%", "5-10%", "10-15%", "15-20%", ">20%")  # of the Spot Advisor, as `catalog.risk` reads them


class Supply(msgspec.Struct, frozen=True):
    """The candidates of a task, what is shown beside them, and how many offers they stand for."""

    candidates: tuple[Candidate, ...]
    references: tuple[Reference, ...]
    considered: int


def supply_of(
    needs: Iterable[Need],
    catalog: Catalog,
    limits: Limits,
    clouds: Collection[str] | None,
    wishes: Wishes = NONE,
    *,
    nodes: int = 1,
    recovers: bool = False,
) -> Supply:
    """Every place's cheapest offers for the needs. Enough for an exact plan under the limits: the offers left out are dearer at the same place,
    and no better in what else counts (risk where interruptions are paid for, emissions and hours where those count).
    """
    needs = tuple(needs)
    pace = Pace(wishes.estimates, catalog) if wishes.estimates else None
    candidates: list[Candidate] = []
    references: list[Reference] = []
    considered = 0
    for need in needs:
        found, unknown = _weighed(need, catalog, limits, wishes, pace, recovers=recovers)
        if wishes.most_per_zone is not None and nodes > wishes.most_per_zone:
            found = spread(found, nodes, wishes.most_per_zone, catalog, limits.reservations)
        references += _best_per_cloud(unknown, "no estimate and no datasheet tells its speed")
        considered += recall.count(catalog, need.filter)
        left_out = [c for c in found if clouds is not None and c.offer.cloud not in clouds]
        usable = [c for c in found if clouds is None or c.offer.cloud in clouds]
        too_dear = [c for c in usable if need.max_node_usd_h is not None and c.hourly_usd > need.max_node_usd_h]
        candidates += (c for c in usable if need.max_node_usd_h is None or c.hourly_usd <= need.max_node_usd_h)
        references += _best_per_cloud(too_dear, f"it is over max_hourly_cost {need.max_node_usd_h or 0:g}")
        for cloud in sorted({c.offer.cloud for c in left_out}):
            mine = [c for c in left_out if c.offer.cloud == cloud]
            references += _best_per_cloud(mine, why_left_out(cloud, clouds or ()))
    references = _other_market(needs, candidates, catalog, limits, clouds, pace) + references
    return Supply(tuple(candidates), tuple(references), considered)


def _weighed(
    need: Need, catalog: Catalog, limits: Limits, wishes: Wishes, pace: Pace | None, *, recovers: bool
) -> tuple[list[Candidate], list[Candidate]]:
    """The candidates with their hours and emissions, and those whose hours nobody knows."""
    by_risk = recovers and need.use_spot
    whole = wishes.carbon or pace is not None or wishes.most_per_zone is not None
    found = _all(need, catalog) if whole else _cheapest(need, catalog, limits)
    if by_risk and not whole:
        found += _safer(need, catalog, limits, found)
    apart = [r.place for r in limits.reservations]
    if by_risk:  # where something was seen, offers at one place differ by more than their price and band
        apart += dict.fromkeys(Place(s.cloud, s.region) for s in wishes.seen.rows)
    if apart and not whole:
        known = {c.offer for c in found}
        found += (c for c in _all(need, catalog, apart) if c.offer not in known)
    if need.use_spot and wishes.seen.rows:
        found = [_with_seen(c, wishes.seen) for c in found]
    unknown: list[Candidate] = []
    if pace is not None:
        timed = [msgspec.structs.replace(c, hours=pace.hours(c.offer)) for c in found]
        found = [c for c in timed if c.hours is not None]
        unknown = [c for c in timed if c.hours is None]
    if whole and not (limits.quotas or limits.blocks or limits.reservations or wishes.most_per_zone is not None):
        found = _leading(found, by_risk=by_risk, by_power=wishes.carbon)
    if wishes.carbon:
        regions = catalog.region
        found = [
            msgspec.structs.replace(c, carbon_kg_h=carbon_kg_h(c.offer, regions(c.offer.cloud, c.offer.region)))
            for c in found
        ]
    return found, unknown


def _all(need: Need, catalog: Catalog, places: Sequence[Place] | None = None) -> list[Candidate]:
    """Every offer for the need, or those at the places."""
    offers = catalog.offers(need.filter)
    if places is not None:
        offers = [o for o in offers if any(place.matches(o, use_spot=need.use_spot) for place in places)]
    zone = need.filter.zone
    return [
        Candidate(_resolved(o, zone), need.use_spot, price_of(o, use_spot=need.use_spot), need.alternative)
        for o in offers
    ]


def _with_seen(candidate: Candidate, seen: Experience) -> Candidate:
    """The candidate with the hazard by what was seen of its type there."""
    offer = candidate.offer
    there = seen.at(offer.cloud, offer.region, offer.zone, offer.instance_type)
    hazard = learnt(there, offer.spot_risk_per_h, UNKNOWN_RISK_PER_H) if there else None
    return candidate if hazard is None else msgspec.structs.replace(candidate, hazard=hazard)


def _leading(candidates: list[Candidate], *, by_risk: bool, by_power: bool) -> list[Candidate]:
    """Of each place those that no cheaper one equals in risk, power and hours alike; what has no known power comes last."""
    best: dict[tuple[str, str, str], list[tuple[float, ...]]] = {}
    kept = []
    for candidate in sorted(candidates, key=lambda c: c.hourly_usd):
        offer = candidate.offer
        watts = watts_of(offer) if by_power else 0.0
        mine = (
            hazard_per_h(candidate) if by_risk else 0.0,
            math.inf if watts is None else watts,
            candidate.hours or 0.0,
        )
        before = best.setdefault((offer.cloud, offer.region, offer.zone), [])
        if not any(all(a <= b for a, b in zip(other, mine, strict=True)) for other in before):
            before.append(mine)
            kept.append(candidate)
    return kept


def _safer(need: Need, catalog: Catalog, limits: Limits, found: list[Candidate]) -> list[Candidate]:
    """The cheapest of each place that is interrupted no oftener than each published band says, where that is another one.

    With the cheapest of all they are every offer that can be best when interruptions are paid for: risks take no values but the bands'.
    """
    known = {c.offer for c in found}
    more = []
    for band in BANDS:
        tame = msgspec.structs.replace(
            need, filter=msgspec.structs.replace(need.filter, max_spot_risk_per_h=interruptions_per_hour(band))
        )
        for candidate in _cheapest(tame, catalog, limits):
            if candidate.offer not in known:
                known.add(candidate.offer)
                more.append(candidate)
    return more


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
    pace: Pace | None,
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
        found = (c for c in _cheapest(other, catalog, limits) if clouds is None or c.offer.cloud in clouds)
        timed = found if pace is None else (msgspec.structs.replace(c, hours=pace.hours(c.offer)) for c in found)
        others += (c for c in timed if pace is None or c.hours is not None)
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

"""The order in which failover tries places, and one sentence for each on why it is not the choice."""

from __future__ import annotations

from collections.abc import Iterable

from tradewind.optimizer.limits import hourly_nano
from tradewind.optimizer.money import is_price, usd
from tradewind.optimizer.order import candidate_key, risk_micro_per_h, sorted_candidates
from tradewind.optimizer.plan import RankedCandidate
from tradewind.optimizer.problem import Candidate, Problem, Request
from tradewind.optimizer.prune import Pool

# A failover that has been refused at fifty places is told so; it is not helped by the next fifty.
MOST_PER_TASK = 50


def ranked_candidates(problem: Problem, pool: Pool, choice: tuple[Candidate, ...]) -> tuple[RankedCandidate, ...]:
    """For each task the choice, then its other places, cheapest first: one candidate a place, the best of every cloud always among them."""
    ranked: list[RankedCandidate] = []
    for request, row, chosen in zip(problem.requests, pool.left, choice, strict=True):
        ranked += (_ranked(request, chosen, c) for c in _in_order(row, chosen))
    return tuple(ranked)


def _in_order(row: Iterable[Candidate], chosen: Candidate) -> list[Candidate]:
    places = {(chosen.offer.cloud, chosen.offer.region, chosen.offer.zone)}
    others: list[Candidate] = []
    for candidate in sorted_candidates(row):
        offer = candidate.offer
        place = (offer.cloud, offer.region, offer.zone)
        if place not in places:
            places.add(place)
            others.append(candidate)
    kept = others[: MOST_PER_TASK - 1]
    clouds = {c.offer.cloud for c in (chosen, *kept)}
    for candidate in others[MOST_PER_TASK - 1 :]:
        if candidate.offer.cloud not in clouds:
            clouds.add(candidate.offer.cloud)
            kept.append(candidate)
    return [chosen, *kept]


def _ranked(request: Request, chosen: Candidate, candidate: Candidate) -> RankedCandidate:
    reason = "" if candidate is chosen else why_not(request, chosen, candidate)
    return as_ranked(request, candidate, reason)


def as_ranked(request: Request, candidate: Candidate, reason: str) -> RankedCandidate:
    """The candidate as a line of the plan, its price for all nodes."""
    offer = candidate.offer
    payable = is_price(candidate.hourly_usd)
    return RankedCandidate(
        task=request.task,
        cloud=offer.cloud,
        region=offer.region,
        zone=offer.zone,
        instance_type=offer.instance_type,
        use_spot=candidate.use_spot,
        hourly_usd=usd(hourly_nano(request, candidate)) if payable else candidate.hourly_usd,
        reason=reason,
        offer=offer,
        alternative=candidate.alternative,
    )


def why_not(request: Request, chosen: Candidate, candidate: Candidate) -> str:
    """Why the choice stands before the candidate, in one sentence."""
    ours, theirs = hourly_nano(request, chosen), hourly_nano(request, candidate)
    if theirs < ours:
        return f"{usd(ours - theirs):.4g} USD/h cheaper, but it would break a limit that the whole plan keeps"
    if theirs > ours:
        return _dearer(ours, theirs, candidate, chosen)
    if risk_micro_per_h(candidate) > risk_micro_per_h(chosen):
        return "the same price, with a higher risk of interruption"
    if candidate_key(candidate) < candidate_key(chosen):
        return "the same price; the choice leaves room under the plan's limits"
    return "the same price and risk; the choice comes first by name"


def _dearer(ours: int, theirs: int, candidate: Candidate, chosen: Candidate) -> str:
    more = theirs / ours - 1
    amount = f"{usd(theirs - ours):.4g} USD/h dearer"
    if chosen.use_spot and not candidate.use_spot:
        return f"on demand costs {theirs / ours:.1f}x ({amount})"
    if more >= 1:
        return f"{amount} ({theirs / ours:.1f}x)"
    return f"{amount} (+{more:.0%})" if more >= 0.005 else f"{amount} (+{more:.2%})"

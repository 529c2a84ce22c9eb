"""The order in which failover tries places, and one sentence for each on why it is not the choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from tradewind.optimizer.cost import (
    MG_PER_KG,
    carbon_mg,
    hourly_nano,
    is_payable,
    moving_mg,
    moving_nano,
    risk_micro_per_h,
    score_nano,
    site_of,
    total_nano,
    wall_h,
    work_h,
)
from tradewind.optimizer.money import usd
from tradewind.optimizer.order import candidate_key, sorted_candidates
from tradewind.optimizer.plan import RankedCandidate
from tradewind.optimizer.problem import MONEY, Candidate, Edge, Problem, Request
from tradewind.optimizer.prune import Pool

# A failover that has been refused at fifty places is told so; it is not helped by the next fifty.
MOST_PER_TASK = 50


Figures = Callable[[Request, Candidate], tuple[float, ...]]


def ranked_candidates(
    problem: Problem, pool: Pool, choice: tuple[Candidate, ...], figures: Figures | None = None
) -> tuple[RankedCandidate, ...]:
    """For each task the choice, then its other places, cheapest first: one candidate a place, the best of every cloud always among them.

    `figures` go before the price: the first that differs decides. In a DAG a place costs what the machines cost there and what moving data costs with the other tasks where they are.
    """
    ranked: list[RankedCandidate] = []
    at = {r.task: c for r, c in zip(problem.requests, choice, strict=True)}
    for request, row, chosen in zip(problem.requests, pool.left, choice, strict=True):
        touching = [edge for edge in problem.edges if request.task in {edge.source, edge.target}]
        ours = _with_moving(problem, at, touching, request, chosen)
        others = _in_order(request, (_with_moving(problem, at, touching, request, c) for c in row), ours, figures)
        ranked += (as_ranked(request, c, "" if c is ours else _why(request, ours, c, figures)) for c in others)
    return tuple(ranked)


def _why(request: Request, chosen: Candidate, candidate: Candidate, figures: Figures | None) -> str:
    tied = (
        figures is not None
        and request.weights == MONEY
        and total_nano(request, candidate) == total_nano(request, chosen)
    )
    if tied and wall_h(request, candidate) > wall_h(request, chosen):
        return f"the same cost; {wall_h(request, candidate):.3g} h, not {wall_h(request, chosen):.3g}"
    return why_not(request, chosen, candidate)


def _with_moving(
    problem: Problem, at: dict[str, Candidate], touching: list[Edge], request: Request, candidate: Candidate
) -> Candidate:
    """The candidate with the moving of data to and from the choice's other places as a cost, and emissions, of its own."""
    if not touching:
        return candidate
    here = site_of(candidate)
    pairs = [
        (edge, here, site_of(at[edge.target]))
        if edge.source == request.task
        else (edge, site_of(at[edge.source]), here)
        for edge in touching
    ]
    return msgspec.structs.replace(
        candidate,
        once_usd=candidate.once_usd + usd(sum(moving_nano(problem, *pair) for pair in pairs)),
        once_kg=candidate.once_kg + sum(moving_mg(problem, *pair) for pair in pairs) / MG_PER_KG,
    )


def _in_order(
    request: Request, row: Iterable[Candidate], chosen: Candidate, figures: Figures | None
) -> list[Candidate]:
    places = {(chosen.offer.cloud, chosen.offer.region, chosen.offer.zone)}
    others: list[Candidate] = []
    ranked = sorted_candidates(request, row)
    if figures is not None:
        ranked.sort(key=lambda c: figures(request, c))
    ranked.sort(key=request.preference)
    for candidate in ranked:
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


def as_ranked(request: Request, candidate: Candidate, reason: str) -> RankedCandidate:
    """The candidate as a line of the plan, its price for all nodes."""
    offer = candidate.offer
    return RankedCandidate(
        task=request.task,
        cloud=offer.cloud,
        region=offer.region,
        zone=offer.zone,
        instance_type=offer.instance_type,
        use_spot=candidate.use_spot,
        hourly_usd=usd(hourly_nano(request, candidate)) if is_payable(candidate) else candidate.hourly_usd,
        reason=reason,
        offer=offer,
        alternative=candidate.alternative,
        spread=candidate.spread,
        free_nodes=candidate.free_nodes,
    )


def why_not(request: Request, chosen: Candidate, candidate: Candidate) -> str:
    """Why the choice stands before the candidate, in one sentence."""
    if request.preference(candidate) > request.preference(chosen):
        return f"it comes later in the order that was asked for; {difference(request, chosen, candidate)}"
    if request.weights != MONEY:
        return _weighed(request, chosen, candidate)
    ours, theirs = total_nano(request, chosen), total_nano(request, candidate)
    if theirs < ours:
        return f"{difference(request, chosen, candidate)}, but it would break a limit that the whole plan keeps"
    if theirs > ours:
        dearer = difference(request, chosen, candidate)
        if ours and chosen.use_spot and not candidate.use_spot and _by_the_hour(request, chosen, candidate):
            return f"on demand costs {theirs / ours:.1f}x ({dearer.partition(' (')[0]})"
        return f"on demand; {dearer}" if chosen.use_spot and not candidate.use_spot else dearer
    if risk_micro_per_h(candidate) > risk_micro_per_h(chosen):
        return "the same price, with a higher risk of interruption"
    if candidate_key(request, candidate) < candidate_key(request, chosen):
        return "the same price; the choice leaves room under the plan's limits"
    return "the same price and risk; the choice comes first by name"


def _weighed(request: Request, chosen: Candidate, candidate: Candidate) -> str:
    """Why not, where more than money is weighed: each measure that differs."""
    parts = [difference(request, chosen, candidate)]
    if request.weights.kg:
        parts.append(
            f"{carbon_mg(request, candidate) / MG_PER_KG:.3g} kg CO2e, not {carbon_mg(request, chosen) / MG_PER_KG:.3g}"
        )
    if request.weights.hour and wall_h(request, candidate) != wall_h(request, chosen):
        parts.append(f"{wall_h(request, candidate):.3g} h, not {wall_h(request, chosen):.3g}")
    worse = score_nano(request, candidate) >= score_nano(request, chosen)
    return "; ".join(parts) + ("" if worse else ", but it would break a limit that the whole plan keeps")


def difference(request: Request, chosen: Candidate, candidate: Candidate) -> str:
    """How much dearer or cheaper the candidate is: USD/h, or expected USD over the job when more than the hours is paid for."""
    ours, theirs = total_nano(request, chosen), total_nano(request, candidate)
    amount, unit = abs(theirs - ours), "USD more is expected" if theirs > ours else "USD less is expected"
    if _by_the_hour(request, chosen, candidate):
        amount = abs(hourly_nano(request, candidate) - hourly_nano(request, chosen))
        unit = "USD/h dearer" if theirs > ours else "USD/h cheaper"
    if theirs == ours:
        return "the same price"
    if not ours:  # a machine of one's own costs nothing
        return f"{usd(amount):.4g} {unit}"
    share = theirs / ours - 1
    if share >= 1:
        return f"{usd(amount):.4g} {unit} ({theirs / ours:.1f}x)"
    return (
        f"{usd(amount):.4g} {unit} ({share:+.0%})"
        if abs(share) >= 0.005
        else f"{usd(amount):.4g} {unit} ({share:+.2%})"
    )


def _by_the_hour(request: Request, chosen: Candidate, candidate: Candidate) -> bool:
    same_h = work_h(request, chosen) == work_h(request, candidate)
    return request.recovery is None and chosen.once_usd == candidate.once_usd and same_h and not chosen.free_nodes

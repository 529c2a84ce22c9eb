"""Planning again from where things stand: after a loss, a price change or a new offer. A task moves only when the saving pays for it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tradewind.optimizer.check import canonical
from tradewind.optimizer.cost import hourly_nano, total_nano
from tradewind.optimizer.decide import optimize
from tradewind.optimizer.money import nano_usd, usd
from tradewind.optimizer.plan import Placement, Plan
from tradewind.optimizer.problem import Candidate, Problem, Request
from tradewind.optimizer.solvers import DEFAULT_SOLVERS, Solver


class Moving(msgspec.Struct, frozen=True):
    """What a move takes: `hours` on the new machines before the work goes on, work done again since the last checkpoint included.

    `margin` is the share of what staying costs that a move must save beyond its own price: below it prices would be followed to and fro.
    """

    hours: float = 0.2
    margin: float = 0.05


class Stand(msgspec.Struct, frozen=True):
    """What became of one task: `moves` to where the plan says, or stays; `why` says so in a sentence.

    `staying_usd` is what is left to be paid where it stands (None: it can't stay), `going_usd` what the best other place would cost with the
    move (a place that comes later in an order of preference is no better), None when there is none.
    """

    task: str
    moves: bool
    staying_usd: float | None
    going_usd: float | None
    why: str


class Replanned(msgspec.Struct, frozen=True):
    """The plan for what is left, each task with its stand. The plan's totals hold the price of its moves, and not the margin."""

    plan: Plan
    stands: tuple[Stand, ...]


def replan(
    problem: Problem,
    held: Sequence[Placement],
    moving: Moving = Moving(),  # noqa: B008  a frozen value
    *,
    solvers: Sequence[Solver] = DEFAULT_SOLVERS,
) -> Replanned:
    """The best plan for the rest of the work, given where tasks stand.

    The problem's hours are those that are left and its candidates today's; a held placement that is among them no more, or blocked, was
    lost, and its task moves in any case. Exact: every candidate elsewhere carries the price of going there and the margin, so one plan settles which moves
    together are worth it. A task that asked for an order of preference goes to one it prefers only when that pays, and to a later one only when
    it may not stay. Raises as `optimize` does.
    """
    problem = canonical(problem)
    standing = {placement.task: placement for placement in held}
    here = {r.task: _held(r, standing.get(r.task)) for r in problem.requests}
    requests = tuple(_content(r, here[r.task]) for r in problem.requests)
    priced = tuple(_priced(r, here[r.task], standing, moving, margin=True) for r in requests)
    plan = optimize(msgspec.structs.replace(problem, requests=priced), solvers=solvers)
    if not plan.feasible:
        return Replanned(plan, ())
    places = {p.task: p for p in plan.placements}
    true = tuple(_priced(r, here[r.task], standing, moving, margin=False) for r in requests)
    stands = tuple(_stand(r, here[r.task], places[r.task], known=r.task in standing) for r in true)
    return Replanned(_without_margin(plan, true), stands)


def _content(request: Request, here: Candidate | None) -> Request:
    """The request content with what it holds: an earlier alternative that has come within reach has to pay for the move as any other."""
    return request if here is None else msgspec.structs.replace(request, content_with=here.alternative)


def _held(request: Request, placement: Placement | None) -> Candidate | None:
    """Today's candidate for what is held; None when there is none."""
    if placement is None:
        return None
    named = [c for c in request.candidates if _same(c, placement)]
    exactly = [c for c in named if c.offer == placement.offer and c.alternative == placement.alternative]
    return min(exactly or named, key=lambda c: total_nano(request, c), default=None)


def _same(candidate: Candidate, placement: Placement) -> bool:
    offer = candidate.offer
    return (offer.cloud, offer.region, offer.zone, offer.instance_type, candidate.use_spot, candidate.free_nodes) == (
        placement.cloud,
        placement.region,
        placement.zone,
        placement.instance_type,
        placement.use_spot,
        placement.free_nodes,
    )


def _is(candidate: Candidate, placement: Placement) -> bool:
    return _same(candidate, placement) and (candidate.offer, candidate.alternative) == (
        placement.offer,
        placement.alternative,
    )


def _priced(
    request: Request, here: Candidate | None, standing: dict[str, Placement], moving: Moving, *, margin: bool
) -> Request:
    """The request with the price of going there on every candidate but the one it stands on."""
    if request.task not in standing:
        return request
    hold = total_nano(request, here) * moving.margin if here is not None and margin else 0.0
    rows = (
        c
        if here is not None and _alike(c, here)
        else msgspec.structs.replace(c, once_usd=c.once_usd + usd(round(hourly_nano(request, c) * moving.hours + hold)))
        for c in request.candidates
    )
    return msgspec.structs.replace(request, candidates=tuple(rows))


def _stand(request: Request, here: Candidate | None, placement: Placement, *, known: bool) -> Stand:
    chosen = next(c for c in request.candidates if _is(c, placement))
    where = (
        f"{placement.instance_type} at {'/'.join(p for p in (placement.cloud, placement.region, placement.zone) if p)}"
    )
    if here is None:
        why = "it is lost where it stood" if known else "it is new"
        return Stand(request.task, True, None, usd(total_nano(request, chosen)), f"{why}; it goes to {where}")
    staying = usd(total_nano(request, here))
    if _alike(chosen, here):
        others = [c for c in request.candidates if not _alike(c, here)]
        no_later = [total_nano(request, c) for c in others if request.preference(c) <= request.preference(here)]
        going = usd(min(no_later)) if no_later else None
        why = (
            "all else comes later in the order that was asked for"
            if others and not no_later
            else _why_stay(staying, going)
        )
        return Stand(request.task, False, staying, going, why)
    ours = usd(total_nano(request, chosen))
    saving = f"{staying - ours:.4g} of {staying:.4g} USD ({(staying - ours) / staying:.0%})" if staying else "nothing"
    why = (
        f"going to {where} saves {saving}, the move paid for"
        if ours < staying and request.preference(chosen) <= request.preference(here)
        else f"it may not stay; it goes to {where}"
    )
    return Stand(request.task, True, staying, ours, why)


def _alike(one: Candidate, other: Candidate) -> bool:
    """Whether both stand on the same machines, however many of them a reservation pays."""
    return (one.offer, one.use_spot, one.alternative, one.spread) == (
        other.offer,
        other.use_spot,
        other.alternative,
        other.spread,
    )


def _why_stay(staying: float, going: float | None) -> str:
    if going is None:
        return "there is nowhere else"
    if going >= staying:
        return f"nothing else is cheaper once the move is paid for ({going:.4g} USD against {staying:.4g})"
    return f"a move would save {staying - going:.4g} of {staying:.4g} USD ({1 - going / staying:.1%}), too little to be worth it"


def _without_margin(plan: Plan, requests: tuple[Request, ...]) -> Plan:
    """The plan with what is truly paid."""
    placements = []
    for request, placement in zip(requests, plan.placements, strict=True):
        chosen = next(c for c in request.candidates if _is(c, placement))
        placements.append(msgspec.structs.replace(placement, total_usd=usd(total_nano(request, chosen))))
    total = sum(nano_usd(p.total_usd) for p in placements) + sum(nano_usd(t.usd) for t in plan.transfers)
    return msgspec.structs.replace(plan, placements=tuple(placements), total_usd=usd(total))

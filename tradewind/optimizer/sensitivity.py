"""How firm a plan is: the price rise each placement survives, and what each limit costs. For the long form of the plan page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from tradewind.catalog.offer import Offer
from tradewind.optimizer.check import canonical
from tradewind.optimizer.conflicts import describe, limits_of, under
from tradewind.optimizer.cost import hourly_nano, machine_nano, plan_nano, work_h
from tradewind.optimizer.money import nano_usd, usd
from tradewind.optimizer.ordered import search_in_order
from tradewind.optimizer.plan import Plan, RankedCandidate
from tradewind.optimizer.problem import Candidate, Problem, Request
from tradewind.optimizer.prune import Pool, compete, usable
from tradewind.optimizer.rank import as_ranked, difference
from tradewind.optimizer.search import search
from tradewind.optimizer.solvers import DEFAULT_SOLVERS, Solver


class CostParts(msgspec.Struct, frozen=True):
    """What one placement's total is made of, in USD: the work itself, and what start, checkpoints and lost work add in expectation."""

    task: str
    work_usd: float
    overhead_usd: float


class Margin(msgspec.Struct, frozen=True):
    """How much the offer of a placement may rise in price before another plan is cheaper.

    `rise` is a fraction of its price (0.14: up to 14 % dearer it stays the choice), None when nothing else could serve. `next_best` is what
    the task would move to then; `held_by` names the cap that would be broken first, "" when it is the rival's price that counts.
    """

    task: str
    rise: float | None
    next_best: RankedCandidate | None
    held_by: str


class LimitPrice(msgspec.Struct, frozen=True):
    """What a limit costs: the cheapest plan without it, in USD, and the saving as a fraction of what the plan minimises."""

    limit: str
    total_usd: float
    saving: float


class Explanation(msgspec.Struct, frozen=True):
    """The long form of a plan's reasons."""

    parts: tuple[CostParts, ...]
    margins: tuple[Margin, ...]
    limits: tuple[LimitPrice, ...]


def explain(problem: Problem, plan: Plan, *, solvers: Sequence[Solver] = DEFAULT_SOLVERS) -> Explanation:
    """The reasons behind a feasible plan of this problem; of an infeasible one it is empty (`plan.conflicts` says why).

    Each margin and each limit that could bind costs one more solve.
    """
    if not plan.feasible:
        return Explanation((), (), ())
    problem = canonical(problem)
    chosen = _choice(problem, plan)
    return Explanation(
        parts=_parts(problem, chosen),
        margins=tuple(_margin(problem, plan, chosen, i, solvers) for i in range(len(chosen))),
        limits=_limit_prices(problem, plan, solvers),
    )


def _choice(problem: Problem, plan: Plan) -> list[Candidate]:
    chosen = []
    for request, placement in zip(problem.requests, plan.placements, strict=True):
        wanted = (
            placement.offer,
            placement.use_spot,
            placement.alternative,
            placement.reservation,
            placement.free_nodes,
        )
        chosen.append(next(c for c in request.candidates if _named(c) == wanted))
    return chosen


def _named(candidate: Candidate) -> tuple[Offer, bool, int, str, int]:
    return candidate.offer, candidate.use_spot, candidate.alternative, candidate.reservation, candidate.free_nodes


def _parts(problem: Problem, chosen: list[Candidate]) -> tuple[CostParts, ...]:
    parts = []
    for request, candidate in zip(problem.requests, chosen, strict=True):
        work = usd(round(hourly_nano(request, candidate) * work_h(request, candidate)))
        parts.append(CostParts(request.task, work, usd(machine_nano(request, candidate)) - work))
    return tuple(parts)


def _margin(problem: Problem, plan: Plan, chosen: list[Candidate], i: int, solvers: Sequence[Solver]) -> Margin:
    """Plans that keep the placement all rise with its price as fast, so the plan loses first to the best one of another slope (or breaks a cap).

    Other offers do not rise at all; the same offer on more nodes that are paid already rises slower.
    """
    request, ours = problem.requests[i], chosen[i]
    alive = usable(problem)
    slope = _slope(problem, request, ours)
    slower: dict[float, list[Candidate]] = {}
    for candidate in alive.left[i]:
        same = (candidate.offer, candidate.use_spot) == (ours.offer, ours.use_spot)
        at = _slope(problem, request, candidate) if same else 0.0
        if not same or at < slope:
            slower.setdefault(at, []).append(candidate)
    rise, held_by = _until_a_cap(problem, chosen, i)
    next_best = None
    for at, candidates in sorted(slower.items()):
        left = [
            tuple(c for c in row if r.preference(c) == r.preference(own))  # the order stands, whatever the price
            for r, row, own in zip(
                problem.requests, (*alive.left[:i], tuple(candidates), *alive.left[i + 1 :]), chosen, strict=True
            )
        ]
        found = search(problem, compete(problem, Pool(tuple(left), alive.refused)), solvers)
        if not found.choice:
            continue
        rival = found.choice[i]
        named = as_ranked(request, rival, difference(request, ours, rival))
        if not slope:  # nothing is paid for it, so no price can rise
            next_best = named
            continue
        until = (nano_usd(found.objective_usd) - nano_usd(plan.certificate.objective)) / (slope - at)
        if rise is None or until <= rise:
            rise, held_by, next_best = max(until, 0.0), "", named
        elif next_best is None:
            next_best = named
    return Margin(request.task, rise, next_best, held_by)


def _slope(problem: Problem, request: Request, candidate: Candidate) -> float:
    """By how much what is minimised grows while the price of the candidate's offer doubles."""
    return problem.weights.usd * machine_nano(request, candidate)


def _until_a_cap(problem: Problem, chosen: list[Candidate], i: int) -> tuple[float | None, str]:
    limits = problem.limits
    best: tuple[float | None, str] = (None, "")
    for name, cap, cost in (
        ("max_hourly_usd", limits.max_hourly_usd, hourly_nano),
        ("max_total_usd", limits.max_total_usd, machine_nano),
    ):
        if cap is None:
            continue
        pairs = zip(problem.requests, chosen, strict=True)
        spent = plan_nano(problem, chosen) if cost is machine_nano else sum(cost(r, c) for r, c in pairs)
        each = cost(problem.requests[i], chosen[i])
        slack = (nano_usd(cap) - spent) / each if each else math.inf
        if slack < math.inf and (best[0] is None or slack < best[0]):
            best = (slack, f"{name} {cap:g}")
    return best


def _limit_prices(problem: Problem, plan: Plan, solvers: Sequence[Solver]) -> tuple[LimitPrice, ...]:
    """Of every limit without which the plan would be cheaper, dearest limit first."""
    limits = limits_of(problem)
    prices = []
    for k, limit in enumerate(limits):
        eased = under(problem, limits[:k] + limits[k + 1 :])
        found = search_in_order(eased, usable(eased), solvers)
        if found.choice and nano_usd(found.objective_usd) < nano_usd(plan.certificate.objective):
            total = usd(plan_nano(eased, found.choice))
            prices.append(LimitPrice(describe(limit), total, 1 - found.objective_usd / plan.certificate.objective))
    return tuple(sorted(prices, key=lambda p: (p.total_usd, p.limit)))

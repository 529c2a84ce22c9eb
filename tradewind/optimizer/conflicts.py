"""Why a problem has no plan: the smallest set of limits that can't hold together, and what lifting each would cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import msgspec

from tradewind.optimizer.cost import hourly_nano, plan_nano
from tradewind.optimizer.money import usd
from tradewind.optimizer.plan import Conflict
from tradewind.optimizer.problem import Limits, Place, Problem, Quota, Together
from tradewind.optimizer.prune import prune
from tradewind.optimizer.search import Found, search
from tradewind.optimizer.solvers import Solver

# Every set up to this size is tried before larger ones, so what is found is smallest; beyond, a deletion filter finds one that is minimal
# (no limit of it can be left out) though perhaps not smallest. With at most 24 limits that is 2,324 solves of some milliseconds.
EXHAUSTIVE_SIZE = 3
EXHAUSTIVE_LIMITS = 24


class Cap(msgspec.Struct, frozen=True):
    """A cap on spending in USD, or on carbon in kg, by the name of its field."""

    field: str
    usd: float


class Deadline(msgspec.Struct, frozen=True):
    """The hours from launch within which a task, or everything (""), must be expected to end."""

    task: str
    hours: float


Limit = Cap | Deadline | Place | Quota | Together


def find_conflicts(problem: Problem, solvers: Sequence[Solver]) -> tuple[Conflict, ...]:
    """The limits in conflict, each with the cost of the cheapest plan once it alone is lifted. Empty when no limit is to blame."""
    limits = limits_of(problem)
    if not all(r.candidates for r in problem.requests) or not _feasible(problem, (), solvers):
        return ()
    guilty = _smallest(problem, limits, solvers)
    conflicts = []
    for limit in guilty:
        found = _solve(problem, [other for other in limits if other != limit], solvers)
        if found.choice:
            pairs = zip(problem.requests, found.choice, strict=True)
            hourly = usd(sum(hourly_nano(r, c) for r, c in pairs))
            conflicts.append(Conflict(describe(limit), hourly, usd(plan_nano(problem, found.choice))))
        else:
            conflicts.append(Conflict(describe(limit), None, None))
    return tuple(conflicts)


def describe(limit: Limit) -> str:
    """The limit as a person would name it."""
    match limit:
        case Quota():
            return str(limit)
        case Place():
            return f"the block of {limit}"
        case Together():
            return f"{', '.join(limit.tasks)} in one {limit.scope}"
        case Deadline():
            return f"the deadline of {limit.task or 'everything'} after {limit.hours:g} h"
        case Cap():
            return f"{limit.field} {limit.usd:g}"


def limits_of(problem: Problem) -> list[Limit]:
    """Each limit by itself."""
    limits = problem.limits
    caps = [
        Cap(field, usd)
        for field, usd in (
            ("max_hourly_usd", limits.max_hourly_usd),
            ("max_total_usd", limits.max_total_usd),
            ("max_carbon_kg", limits.max_carbon_kg),
        )
        if usd is not None
    ]
    deadlines = [Deadline(r.task, r.deadline_h) for r in problem.requests if r.deadline_h is not None]
    if problem.deadline_h is not None:
        deadlines.append(Deadline("", problem.deadline_h))
    return [*caps, *deadlines, *problem.together, *limits.quotas, *limits.blocks]


def under(problem: Problem, limits: Sequence[Limit]) -> Problem:
    """The problem with these limits alone."""
    caps = {limit.field: limit.usd for limit in limits if isinstance(limit, Cap)}
    deadlines = {limit.task: limit.hours for limit in limits if isinstance(limit, Deadline)}
    return msgspec.structs.replace(
        problem,
        requests=tuple(msgspec.structs.replace(r, deadline_h=deadlines.get(r.task)) for r in problem.requests),
        deadline_h=deadlines.get(""),
        together=tuple(limit for limit in limits if isinstance(limit, Together)),
        limits=Limits(
            max_hourly_usd=caps.get("max_hourly_usd"),
            max_total_usd=caps.get("max_total_usd"),
            blocks=tuple(limit for limit in limits if isinstance(limit, Place)),
            quotas=tuple(limit for limit in limits if isinstance(limit, Quota)),
            max_carbon_kg=caps.get("max_carbon_kg"),
            reservations=problem.limits.reservations,
        ),
    )


def _smallest(problem: Problem, limits: list[Limit], solvers: Sequence[Solver]) -> list[Limit]:
    if len(limits) <= EXHAUSTIVE_LIMITS:
        for size in range(1, EXHAUSTIVE_SIZE + 1):
            for some in combinations(limits, size):
                if not _feasible(problem, some, solvers):
                    return list(some)
    kept = list(limits)
    for limit in limits:
        without = [other for other in kept if other is not limit]
        if not _feasible(problem, without, solvers):
            kept = without
    return kept


def _feasible(problem: Problem, limits: Sequence[Limit], solvers: Sequence[Solver]) -> bool:
    """Whether a plan exists under these limits; one that was not found in the time counts as existing, so that no limit is blamed unproven."""
    return not _solve(problem, limits, solvers).proven_infeasible


def _solve(problem: Problem, limits: Sequence[Limit], solvers: Sequence[Solver]) -> Found:
    eased = under(problem, limits)
    return search(eased, prune(eased), solvers)

"""What a plan is least in: one measure, several one after the other, or a weighted sum.

Lexicographic order: the first measure is minimised, held at its least by a limit, and so on; the rest is settled by cost. Time is the
expected end of everything. Its least is found by bisection on the deadline: each step is an exact plan, the end lies within `TIME_GAP` of
what is possible, and most often the first step, at what the quickest machines alone would take, has a plan and ends the search exactly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

import msgspec

from tradewind.optimizer.check import MOST_WEIGHT, canonical
from tradewind.optimizer.cost import longest_around, wall_h
from tradewind.optimizer.decide import Clock, no_clock, optimize
from tradewind.optimizer.fallbacks import with_fallbacks
from tradewind.optimizer.money import nano_usd, usd
from tradewind.optimizer.plan import Certificate, Plan
from tradewind.optimizer.problem import MONEY, Measure, Problem, Weights
from tradewind.optimizer.prune import usable
from tradewind.optimizer.solvers import DEFAULT_SOLVERS, Solver

MEASURES: tuple[Measure, ...] = ("cost", "time", "carbon")
TIME_GAP = 1e-6  # of the least time, relative
_TERM = re.compile(r"(?:(\d+(?:\.\d*)?|\.\d+)\*)?(cost|time|carbon)")


class Aim(msgspec.Struct, frozen=True):
    """Measures in the order in which they are minimised; or, where `weights` are given, their weighted sum."""

    order: tuple[Measure, ...] = ("cost",)
    weights: Weights | None = None

    @property
    def counts_carbon(self) -> bool:
        """Whether emissions matter, so that candidates without known ones can't be judged."""
        return "carbon" in self.order or (self.weights is not None and self.weights.kg > 0)

    def __str__(self) -> str:
        """As `parse_aim` reads it."""
        return ",".join(self.order)


def parse_aim(text: str) -> Aim:
    """`cost`, `time`, `carbon`; `cost,time` one after the other; `cost+0.1*carbon+2*time` weighs USD, kg and hours.

    Raises ValueError with a sentence for anything else.
    """
    squeezed = text.replace(" ", "").lower()
    if "+" in squeezed or "*" in squeezed:
        return Aim((), _weights(squeezed, text))
    order = squeezed.split(",")
    for name in order:
        if name not in MEASURES:
            raise ValueError(
                f"{name or text!r} is nothing to minimise; write cost, time or carbon, as in cost,time or cost+0.1*carbon"
            )
    if len(set(order)) < len(order):
        raise ValueError(f"{text!r} names a measure twice")
    return Aim(tuple(cast("Measure", name) for name in order))


def _weights(squeezed: str, text: str) -> Weights:
    found: dict[str, float] = {}
    for term in squeezed.split("+"):
        match = _TERM.fullmatch(term)
        if match is None or match[2] in found:
            raise ValueError(
                f"{text!r} is no weighted sum; write cost+0.1*carbon+2*time, each measure once (USD, kg, hours)"
            )
        found[match[2]] = float(match[1] or 1)
    if not any(found.values()) or max(found.values()) > MOST_WEIGHT:
        raise ValueError(f"{text!r} has no weight above 0, or one above {MOST_WEIGHT:,.0f}")
    return Weights(found.get("cost", 0.0), found.get("carbon", 0.0), found.get("time", 0.0))


def minimize(
    problem: Problem, aim: Aim, *, clock: Clock = no_clock, solvers: Sequence[Solver] = DEFAULT_SOLVERS
) -> Plan:
    """The plan that is least in what `aim` says. Raises as `optimize` does."""
    started = clock()
    if aim.weights is not None:
        return optimize(msgspec.structs.replace(problem, weights=aim.weights), clock=clock, solvers=solvers)
    posed = problem
    for measure in aim.order:
        plan = _least(problem, measure, solvers)
        if not plan.feasible:
            return plan
        problem = held(problem, measure, plan)
    if aim.order[-1] == "carbon":  # of those that emit as little, the cheapest
        plan = optimize(problem, solvers=solvers)
    plan = with_fallbacks(posed, aim.order, plan)
    seconds = clock() - started
    certificate = plan.certificate if aim.order == ("cost",) else _certified(plan, aim.order[0])
    return msgspec.structs.replace(
        plan, minimized=str(aim), certificate=msgspec.structs.replace(certificate, seconds=seconds)
    )


def held(problem: Problem, measure: Measure, plan: Plan) -> Problem:
    """The problem with the plan's figure in this measure as a limit."""
    limits = problem.limits
    if measure == "time":
        return msgspec.structs.replace(problem, deadline_h=plan.makespan_h)
    if measure == "cost":
        limits = msgspec.structs.replace(limits, max_total_usd=usd(nano_usd(plan.total_usd)))
    else:
        limits = msgspec.structs.replace(limits, max_carbon_kg=plan.carbon_kg)
    return msgspec.structs.replace(problem, limits=limits)


def quickest_h(problem: Problem) -> float:
    """No plan ends earlier: every task on its quickest machine, data in no time, limits that couple them aside."""
    problem = canonical(problem)
    rows = zip(problem.requests, usable(problem).left, strict=True)
    wall = {r.task: min((wall_h(r, c) for c in row), default=0.0) for r, row in rows}
    return max((wall[task] + rest for task, rest in longest_around(problem, wall).items()), default=0.0)


def _least(problem: Problem, measure: Measure, solvers: Sequence[Solver]) -> Plan:
    if measure == "carbon":
        return optimize(msgspec.structs.replace(problem, weights=Weights(0.0, 1.0, 0.0)), solvers=solvers)
    problem = msgspec.structs.replace(problem, weights=MONEY)
    return optimize(problem, solvers=solvers) if measure == "cost" else _soonest(problem, solvers)


def _soonest(problem: Problem, solvers: Sequence[Solver]) -> Plan:
    """The cheapest of the plans that end first."""
    low = quickest_h(problem)
    plan = optimize(problem, solvers=solvers)
    if not plan.feasible:
        return plan
    ahead = low
    while plan.makespan_h > low * (1 + TIME_GAP):
        sooner = optimize(msgspec.structs.replace(problem, deadline_h=ahead), solvers=solvers)
        if sooner.feasible:
            plan = sooner
        else:
            low = ahead
        ahead = (low + plan.makespan_h) / 2
    return optimize(msgspec.structs.replace(problem, deadline_h=plan.makespan_h), solvers=solvers)


def _certified(plan: Plan, measure: Measure) -> Certificate:
    """The proof in the unit of the first measure."""
    certificate = plan.certificate
    if measure == "time":
        low = max(plan.makespan_h / (1 + TIME_GAP), 0.0)
        return msgspec.structs.replace(certificate, objective=plan.makespan_h, bound=low, gap=TIME_GAP)
    if measure == "carbon" and plan.carbon_kg is not None:
        return msgspec.structs.replace(certificate, objective=plan.carbon_kg, bound=plan.carbon_kg, gap=certificate.gap)
    return certificate

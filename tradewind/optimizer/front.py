"""Cost against time: plans that nothing beats in both."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tradewind.optimizer.check import canonical
from tradewind.optimizer.cost import longest_around, wall_h
from tradewind.optimizer.decide import optimize
from tradewind.optimizer.plan import Plan
from tradewind.optimizer.problem import Problem
from tradewind.optimizer.prune import usable
from tradewind.optimizer.solvers import DEFAULT_SOLVERS, Solver


def pareto(problem: Problem, points: int = 20, *, solvers: Sequence[Solver] = DEFAULT_SOLVERS) -> tuple[Plan, ...]:
    """At most so many plans, from the cheapest to the quickest: each is the cheapest of all that end within its step.

    The epsilon-constraint method (Haimes, Lasdon, Wismer 1971): the deadline falls in even steps from where the cheapest plan ends towards
    where the quickest machines would; steps that the plan in hand keeps anyway are passed over. Empty when the problem has no plan.
    """
    cheapest = optimize(problem, solvers=solvers)
    if not cheapest.feasible:
        return ()
    front = [cheapest]
    quickest_h = _quickest_h(problem)
    for k in range(1, points):
        latest = cheapest.makespan_h + (quickest_h - cheapest.makespan_h) * k / (points - 1)
        if front[-1].makespan_h <= latest:
            continue
        plan = optimize(msgspec.structs.replace(problem, deadline_h=latest), solvers=solvers)
        if not plan.feasible:
            break
        if plan.total_usd <= front[-1].total_usd:
            front.pop()  # as cheap, and quicker
        front.append(plan)
    return tuple(front)


def _quickest_h(problem: Problem) -> float:
    """No plan ends earlier: every task on its quickest machine, limits that couple them aside."""
    problem = canonical(problem)
    rows = zip(problem.requests, usable(problem).left, strict=True)
    wall = {r.task: min(wall_h(r, c) for c in row) for r, row in rows}
    return max((wall[task] + rest for task, rest in longest_around(problem, wall).items()), default=0.0)

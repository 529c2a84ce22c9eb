"""One measure against another: plans that nothing beats in both."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tradewind.optimizer.aims import Aim, minimize
from tradewind.optimizer.decide import optimize
from tradewind.optimizer.plan import Plan
from tradewind.optimizer.problem import MONEY, Measure, Problem, Weights
from tradewind.optimizer.solvers import DEFAULT_SOLVERS, Solver


def figure(plan: Plan, measure: Measure) -> float:
    """The plan's USD, hours or kg of CO2-equivalent; infinite where emissions are unknown."""
    if measure == "carbon":
        return float("inf") if plan.carbon_kg is None else plan.carbon_kg
    return plan.total_usd if measure == "cost" else plan.makespan_h


def pareto(
    problem: Problem,
    points: int = 20,
    *,
    first: Measure = "cost",
    second: Measure = "time",
    solvers: Sequence[Solver] = DEFAULT_SOLVERS,
) -> tuple[Plan, ...]:
    """At most so many plans, from the least in `first` to the least in `second`: each is the least of all within its step.

    The epsilon-constraint method (Haimes, Lasdon, Wismer 1971): the limit on the second measure falls in even steps from where the least in
    the first ends towards the least there is; steps that the plan in hand keeps anyway are passed over. `first` is cost or carbon. Empty when the problem
    has no plan. Raises ValueError for the same measure twice and for time as the first.
    """
    if first in {second, "time"}:
        raise ValueError(f"no front of {first} against {second}; name two measures, time as the second")
    if "carbon" in {first, second}:  # what nobody knows can't lie on a front
        problem = _within(problem, "carbon", 1e9)
    problem = msgspec.structs.replace(problem, weights=Weights(0.0, 1.0) if first == "carbon" else MONEY)
    least = optimize(problem, solvers=solvers)
    if not least.feasible:
        return ()
    far = minimize(problem, Aim((second,)), solvers=solvers)
    low = figure(far, second)
    front = [least]
    for k in range(1, points):
        latest = figure(least, second) + (low - figure(least, second)) * k / max(points - 1, 1)
        if k == points - 1:
            latest = low  # not what the sums of floats make of it
        if figure(front[-1], second) <= latest:
            continue
        plan = optimize(_within(problem, second, latest), solvers=solvers)
        if not plan.feasible:
            break
        if figure(plan, first) <= figure(front[-1], first):
            front.pop()  # as little of the first, and less of the second
        front.append(plan)
    return tuple(front)


def _within(problem: Problem, measure: Measure, most: float) -> Problem:
    if measure == "time":
        return msgspec.structs.replace(problem, deadline_h=most)
    field = "max_total_usd" if measure == "cost" else "max_carbon_kg"
    return msgspec.structs.replace(problem, limits=msgspec.structs.replace(problem.limits, **{field: most}))

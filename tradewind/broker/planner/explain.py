"""The long form of one task's plan: the plan, how firm it is, and what giving up one thing would save."""

from __future__ import annotations

import time
from collections.abc import Collection

import msgspec

from tradewind.broker.planner.plan import problem_of
from tradewind.broker.planner.relax import Relaxation, relaxations
from tradewind.catalog.catalog import Catalog
from tradewind.optimizer.decide import optimize
from tradewind.optimizer.plan import Plan
from tradewind.optimizer.preemption import Recovery
from tradewind.optimizer.problem import Limits
from tradewind.optimizer.sensitivity import Explanation, explain
from tradewind.spec.task import Task


class ExplainedPlan(msgspec.Struct, frozen=True):
    """A task's plan with its reasons. Of an infeasible plan `explanation` is empty and `relaxations` are what would make it possible."""

    plan: Plan
    explanation: Explanation
    relaxations: tuple[Relaxation, ...]


def explain_task(
    task: Task,
    catalog: Catalog,
    *,
    limits: Limits = Limits(),  # noqa: B008  a frozen value
    clouds: Collection[str] | None = None,
    hours: float | None = None,
    recovery: Recovery | None = None,
) -> ExplainedPlan:
    """The plan that plan_task makes of the same arguments, explained. Costs some ten plans' time. Raises as plan_task does."""
    problem = problem_of([task], catalog, limits=limits, clouds=clouds, hours=hours, recovery=recovery)
    plan = optimize(problem, clock=time.perf_counter)
    eased = relaxations(task, catalog, plan, limits=limits, clouds=clouds, hours=hours, recovery=recovery)
    return ExplainedPlan(plan, explain(problem, plan), eased)

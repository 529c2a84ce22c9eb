"""The long form of one task's plan: the plan, how firm it is, and what giving up one thing would save."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from tradewind.broker.planner.asked import Asked
from tradewind.broker.planner.plan import problem_of, solved
from tradewind.broker.planner.relax import Relaxation, relaxations
from tradewind.broker.planner.wishes import NONE, Wishes
from tradewind.catalog.catalog import Catalog
from tradewind.optimizer.aims import Aim, held
from tradewind.optimizer.plan import Plan
from tradewind.optimizer.preemption import Recovery
from tradewind.optimizer.problem import Limits, Problem
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
    deadline_h: float | None = None,
    wishes: Wishes = NONE,
    aim: Aim | None = None,
) -> ExplainedPlan:
    """The plan that plan_task makes of the same arguments, explained. Costs some ten plans' time. Raises as plan_task does."""
    given = {
        "limits": limits,
        "clouds": clouds,
        "hours": hours,
        "recovery": recovery,
        "deadline_h": deadline_h,
        "wishes": wishes,
    }
    problem = problem_of([task], catalog, **given)  # type: ignore[arg-type]  # each by its own name
    plan = solved(problem, aim)
    eased = relaxations(task, catalog, plan, aim=aim, **given)  # type: ignore[arg-type]
    return ExplainedPlan(plan, explain(_posed(problem, plan, aim), plan), eased)


def explain_posed(problem: Problem, aim: Aim | None = None) -> ExplainedPlan:
    """The plan of a problem that is posed already, explained; what a changed wish would save is not among the reasons."""
    plan = solved(problem, aim)
    return ExplainedPlan(plan, explain(_posed(problem, plan, aim), plan), ())


def _posed(problem: Problem, plan: Plan, aim: Aim | None) -> Problem:
    """The problem of which the plan is the answer: of several measures the last, the others held at what they are."""
    if aim is None or not plan.feasible:
        return problem
    if aim.weights is not None:
        return msgspec.structs.replace(problem, weights=aim.weights)
    for measure in aim.order:
        if measure != "cost":
            problem = held(problem, measure, plan)
    return problem


def explain_parts(
    parts: Sequence[tuple[Task, Asked]], problem: Problem, catalog: Catalog, aim: Aim | None = None
) -> ExplainedPlan:
    """The plan of the problem that `pose` made of the parts, explained; of one task alone also what a changed wish would save."""
    told = explain_posed(problem, aim)
    if len(parts) > 1:
        return told
    task, found = parts[0]
    eased = relaxations(
        task,
        catalog,
        told.plan,
        limits=found.limits,
        hours=found.hours,
        deadline_h=found.deadline_h,
        wishes=found.wishes,
        recovery=found.recovery,
        aim=aim,
    )
    return msgspec.structs.replace(told, relaxations=eased)

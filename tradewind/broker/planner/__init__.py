"""From a task to a plan: what the task needs, asked of the catalog by index, handed to the optimizer. Names load on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradewind.broker.planner.asked import Asked, asked_of
    from tradewind.broker.planner.errors import PlanError
    from tradewind.broker.planner.explain import ExplainedPlan, explain_task
    from tradewind.broker.planner.job import DeadlineCourse, deadline_course, job_problem, what_now
    from tradewind.broker.planner.plan import plan_task, plan_tasks, problem_of
    from tradewind.broker.planner.relax import Relaxation, relaxations
    from tradewind.broker.planner.wishes import Estimate, Wishes, parse_estimate

_HOMES = {
    "Asked": "asked",
    "DeadlineCourse": "job",
    "Estimate": "wishes",
    "ExplainedPlan": "explain",
    "PlanError": "errors",
    "Relaxation": "relax",
    "Wishes": "wishes",
    "asked_of": "asked",
    "deadline_course": "job",
    "explain_task": "explain",
    "job_problem": "job",
    "parse_estimate": "wishes",
    "plan_task": "plan",
    "plan_tasks": "plan",
    "problem_of": "plan",
    "relaxations": "relax",
    "what_now": "job",
}

__all__ = [
    "Asked",
    "DeadlineCourse",
    "Estimate",
    "ExplainedPlan",
    "PlanError",
    "Relaxation",
    "Wishes",
    "asked_of",
    "deadline_course",
    "explain_task",
    "job_problem",
    "parse_estimate",
    "plan_task",
    "plan_tasks",
    "problem_of",
    "relaxations",
    "what_now",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

"""Several tasks as one problem, each with its own wishes: a chain, a group that stands together, or tasks that share limits only."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from tradewind.broker.planner.asked import Asked
from tradewind.broker.planner.egress import egress
from tradewind.broker.planner.errors import PlanError
from tradewind.broker.planner.plan import UNNAMED, problem_of
from tradewind.catalog.catalog import Catalog
from tradewind.optimizer.aims import Aim
from tradewind.optimizer.problem import Edge, Limits, Problem, Request, Together
from tradewind.spec.task import Task
from tradewind.spec.workload import Workload


def named(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """The tasks, those without a name called task-1, task-2, ...; one alone is called task."""
    return tuple(
        task if task.name else msgspec.structs.replace(task, name=UNNAMED if len(tasks) == 1 else f"{UNNAMED}-{number}")
        for number, task in enumerate(tasks, 1)
    )


def edges_of(workload: Workload) -> tuple[Edge, ...]:
    """What a file's tasks, which have names, hand on: each reads what those before it (`depends_on`, else the one before) say they write: `outputs`, GB."""
    tasks = workload.tasks
    return tuple(
        Edge(tasks[a].name or "", tasks[b].name or "", tasks[a].outputs.gigabytes if tasks[a].outputs else 0.0)  # type: ignore[union-attr]
        for a, b in dict.fromkeys(workload.edges)
    )


def together_of(workload: Workload) -> tuple[Together, ...]:
    """A group that starts together stands in one region."""
    if workload.header.execution != "parallel" or workload.is_single:
        return ()
    return (Together(tuple(task.name or "" for task in workload.tasks)),)


def aim_of(parts: Sequence[tuple[Task, Asked]]) -> Aim | None:
    """What the plan of all of them is to be least in. Raises PlanError where they do not agree."""
    aims = dict.fromkeys(asked.aim for _, asked in parts)
    if len(aims) > 1:
        raise PlanError("placement.minimize", "the tasks name different things to minimize; name one")
    return next(iter(aims), None)


def pose(
    parts: Sequence[tuple[Task, Asked]],
    catalog: Catalog,
    *,
    clouds: Collection[str] | None = None,
    edges: Sequence[Edge] = (),
    together: Sequence[Together] = (),
    deadline_h: float | None = None,
) -> Problem:
    """One problem for all the tasks, which have names. What a task may not use (`exclude`, residency) is its own; quotas, shares, reservations and
    caps hold for all of them together. Raises PlanError as plan_task does, and for two tasks of one name.
    """
    requests: list[Request] = []
    defaults: dict[str, None] = {}
    considered = 0
    single = len(parts) == 1
    for task, asked in parts:
        problem = problem_of(
            [task],
            catalog,
            limits=asked.limits,
            clouds=clouds,
            hours=asked.hours,
            recovery=asked.recovery,
            deadline_h=asked.deadline_h,
            wishes=asked.wishes,
        )
        request = problem.requests[0]
        if any(request.task == other.task for other in requests):
            raise PlanError("name", f"two tasks are called {request.task!r}; give each a name of its own")
        if not single and asked.limits.blocks:
            row = tuple(
                c
                for c in request.candidates
                if not any(block.matches(c.offer, use_spot=c.use_spot) for block in asked.limits.blocks)
            )
            request = msgspec.structs.replace(request, candidates=row)
        requests.append(request)
        considered += problem.offers_considered or 0
        defaults |= dict.fromkeys((*problem.defaults_applied, *asked.told))
    return Problem(
        tuple(requests),
        parts[0][1].limits if single else _shared([asked.limits for _, asked in parts]),
        edges=tuple(edges),
        egress=egress() if edges else Problem(()).egress,
        together=tuple(together),
        deadline_h=deadline_h,
        offers_considered=considered,
        defaults_applied=tuple(defaults),
    )


def _shared(each: Sequence[Limits]) -> Limits:
    """The limits of all tasks together: each said once, the least of each cap, a reservation by its name."""
    return Limits(
        max_hourly_usd=min((e.max_hourly_usd for e in each if e.max_hourly_usd is not None), default=None),
        max_total_usd=min((e.max_total_usd for e in each if e.max_total_usd is not None), default=None),
        max_carbon_kg=min((e.max_carbon_kg for e in each if e.max_carbon_kg is not None), default=None),
        quotas=tuple(dict.fromkeys(quota for e in each for quota in e.quotas)),
        shares=tuple(dict.fromkeys(share for e in each for share in e.shares)),
        reservations=tuple({r.name: r for e in each for r in e.reservations}.values()),
    )

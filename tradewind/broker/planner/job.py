"""What a managed job should hold now, over the catalog: the question that its shell asks at every tick, after a loss and after a price change."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from tradewind.broker.planner.need import Need
from tradewind.broker.planner.plan import problem_of
from tradewind.broker.planner.wishes import NONE, Wishes
from tradewind.catalog.catalog import Catalog
from tradewind.optimizer.advice import Advice, Position, Terms, advise
from tradewind.optimizer.preemption import Recovery
from tradewind.optimizer.problem import Candidate, Limits, Problem
from tradewind.spec.task import Task


def what_now(
    task: Task,
    catalog: Catalog,
    position: Position = Position(),  # noqa: B008  a frozen value
    *,
    terms: Terms = Terms(),  # noqa: B008  a frozen value
    limits: Limits = Limits(),  # noqa: B008  a frozen value
    clouds: Collection[str] | None = None,
    hours: float | None = None,
    recovery: Recovery | None = None,
    wishes: Wishes = NONE,
) -> Advice:
    """What the job should hold from now on; `position` says where it stands. Raises as `plan_task` and `advise` do.

    `limits` hold today's blocks: places that were lost or that refused. The task's deadline counts from its launch; with one, a task that
    asks for spot may also go to on demand, because only that is certain to end in time.
    """
    problem = job_problem(task, catalog, limits=limits, clouds=clouds, hours=hours, recovery=recovery, wishes=wishes)
    return advise(problem, position, terms, deadline_h=task.deadline_hours)


def job_problem(
    task: Task,
    catalog: Catalog,
    *,
    limits: Limits = Limits(),  # noqa: B008  a frozen value
    clouds: Collection[str] | None = None,
    hours: float | None = None,
    recovery: Recovery | None = None,
    wishes: Wishes = NONE,
) -> Problem:
    """The job's problem in every market that it may buy in: those it names, and with a deadline on demand beside spot."""

    def posed(change: Callable[[Need], Need] | None) -> Problem:
        return problem_of(
            [task],
            catalog,
            limits=limits,
            clouds=clouds,
            hours=hours,
            recovery=recovery,
            change=change,
            wishes=wishes,
        )

    problem = posed(None)
    if task.deadline_hours is None or not any(resources.use_spot for resources in task.resources):
        return problem
    request, other = problem.requests[0], posed(_on_demand).requests[0]
    row: dict[Candidate, None] = dict.fromkeys((*request.candidates, *other.candidates))
    why = () if row else request.why_no_candidates
    both = msgspec.structs.replace(request, candidates=tuple(row), why_no_candidates=why)
    return msgspec.structs.replace(problem, requests=(both,))


def _on_demand(need: Need) -> Need:
    return msgspec.structs.replace(need, filter=msgspec.structs.replace(need.filter, use_spot=False))

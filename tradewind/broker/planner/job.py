"""What a managed job should hold now, over the catalog: the question that its shell asks at every tick, after a loss and after a price change."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from tradewind.broker.planner.need import Need
from tradewind.broker.planner.plan import problem_of
from tradewind.broker.planner.wishes import NONE, Wishes
from tradewind.catalog.catalog import Catalog
from tradewind.optimizer.advice import Advice, Position, Terms, advise
from tradewind.optimizer.decide import optimize
from tradewind.optimizer.plan import Placement
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


class DeadlineCourse(msgspec.Struct, frozen=True):
    """What a job on spot with a deadline does from its launch: `first` it holds (None: nothing until spot returns), and at the latest after
    `on_demand_by_h` hours without progress it goes `to` on demand. It costs from `least_usd` (never interrupted; on spot to the end, or as long as
    a spot machine too slow for the deadline may be kept) to `most_usd`: all the slack paid for on spot, and then all the work on demand.
    """

    task: str
    deadline_h: float
    first: Placement | None
    to: Placement
    on_demand_by_h: float
    least_usd: float
    most_usd: float


def deadline_course(problem: Problem, deadline_h: float, terms: Terms = Terms()) -> DeadlineCourse | None:  # noqa: B008  a frozen value
    """The course of the job of `job_problem` under the deadline; None where it does not mix markets, or on demand cannot be had in time."""
    advice = advise(problem, terms=terms, deadline_h=deadline_h)
    if advice.slack_h is None or advice.slack_h < 0 or advice.on_demand_by_h is None:
        return None
    row = tuple(c for c in problem.requests[0].candidates if not c.use_spot)
    request = msgspec.structs.replace(problem.requests[0], candidates=row, deadline_h=None)
    to = optimize(msgspec.structs.replace(problem, requests=(request,))).placements[0]
    first = advice.plan.placements[0] if advice.plan is not None else None
    if first is not None and not first.use_spot:
        return None
    rate = 0.0 if first is None else first.hourly_usd
    changes_h = 2 * terms.changeover_h
    return DeadlineCourse(
        task=request.task,
        deadline_h=deadline_h,
        first=first,
        to=to,
        on_demand_by_h=advice.on_demand_by_h,
        least_usd=_least_usd(first, to, deadline_h, advice.on_demand_by_h),
        most_usd=advice.on_demand_by_h * rate + to.total_usd + changes_h * to.hourly_usd,
    )


def _least_usd(first: Placement | None, to: Placement, deadline_h: float, on_demand_by_h: float) -> float:
    """What the course costs when nothing is taken away. A `first` too slow for the deadline does `to.hours / first.hours` of an hour's work on
    demand in an hour, so that it uses up the slack in `on_demand_by_h / (1 - to.hours / first.hours)` hours; the rest is done on demand.
    """
    if first is None:
        return to.total_usd
    done = 1.0
    if first.hours > deadline_h:
        done = on_demand_by_h / (first.hours - to.hours)
    return min(done * first.total_usd + (1 - done) * to.total_usd, to.total_usd)

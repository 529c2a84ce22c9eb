"""plan_task: the cheapest plan for a task over a catalog."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

import msgspec

from tradewind.broker.planner.egress import egress
from tradewind.broker.planner.inputs import with_inputs
from tradewind.broker.planner.nearest import why_nothing
from tradewind.broker.planner.need import Need, needs_of
from tradewind.broker.planner.supply import supply_of
from tradewind.broker.planner.wishes import NONE, Wishes
from tradewind.catalog.catalog import Catalog
from tradewind.optimizer.aims import Aim, minimize
from tradewind.optimizer.decide import optimize
from tradewind.optimizer.hazard import Experience
from tradewind.optimizer.plan import Plan
from tradewind.optimizer.preemption import Recovery
from tradewind.optimizer.problem import Edge, Limits, Problem, Request, Together
from tradewind.optimizer.solvers import DEFAULT_SOLVERS, telling
from tradewind.spec.task import Task

DEFAULT_HOURS = 1.0
UNNAMED = "task"
DISKS_NOT_COUNTED = "prices: of machines alone, because the catalog has no prices of disks"


def plan_task(
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
) -> Plan:
    """The cheapest plan for one task; `feasible` False and sentences when there is none.

    `clouds` are those that can be bought from here (None: all); what others would offer is among `references` with the reason. `hours` is how
    long the task's work takes (one hour when None, which is said in `defaults_applied`); `recovery` counts interruptions into the cost.
    `aim` says what the plan is least in (None: cost).
    Raises PlanError when the task names a cloud, region, accelerator or type that nobody sells.
    """
    problem = problem_of(
        [task],
        catalog,
        limits=limits,
        clouds=clouds,
        hours=hours,
        recovery=recovery,
        deadline_h=deadline_h,
        wishes=wishes,
    )
    return solved(problem, aim)


def solved(problem: Problem, aim: Aim | None, told: Callable[[float], None] | None = None) -> Plan:
    """The problem's plan, least in what the aim says; None and `cost` are cost alone.

    A search that takes long tells its relative gap (0 to 1; infinity before anything is found) as it goes, from a thread of the solver's.
    """
    solvers = DEFAULT_SOLVERS if told is None else telling(told)
    if aim is None or aim == Aim():
        return optimize(problem, clock=time.perf_counter, solvers=solvers)
    return minimize(problem, aim, clock=time.perf_counter, solvers=solvers)


def plan_tasks(
    tasks: Sequence[Task],
    catalog: Catalog,
    *,
    limits: Limits = Limits(),  # noqa: B008  a frozen value
    clouds: Collection[str] | None = None,
    hours: float | None = None,
    edges: Sequence[Edge] = (),
    together: Sequence[Together] = (),
) -> Plan:
    """One plan for several tasks that share the limits; tasks without a name are called task-1, task-2, ...

    `edges` make a DAG of them, and moving the data on them is paid at the catalog's egress prices; `together` keeps tasks in one place.
    Raises as plan_task does, and InvalidProblem for edges or groups that name no task, and for edges that close a circle.
    """
    problem = problem_of(tasks, catalog, limits=limits, clouds=clouds, hours=hours)
    if edges or together:
        prices = egress() if edges else problem.egress
        problem = msgspec.structs.replace(problem, edges=tuple(edges), egress=prices, together=tuple(together))
    return optimize(problem, clock=time.perf_counter)


def _resident(need: Need, wishes: Wishes) -> Need:
    if not (wishes.continents or wishes.countries):
        return need
    resident = msgspec.structs.replace(need.filter, continents=wishes.continents, countries=wishes.countries)
    return msgspec.structs.replace(need, filter=resident)


def problem_of(
    tasks: Sequence[Task],
    catalog: Catalog,
    *,
    limits: Limits = Limits(),  # noqa: B008  a frozen value
    clouds: Collection[str] | None = None,
    hours: float | None = None,
    recovery: Recovery | None = None,
    deadline_h: float | None = None,
    change: Callable[[Need], Need] | None = None,
    wishes: Wishes = NONE,
) -> Problem:
    """The problem that the tasks pose over the catalog, defaults applied and named. Raises PlanError as plan_task does.

    `wishes` narrow where it may run and say how long it takes on what. `change` alters each need before it is asked of the catalog: "what if arm64 were allowed".
    """
    requests: list[Request] = []
    defaults: list[str] = []
    considered = 0
    for number, task in enumerate(tasks, 1):
        name = task.name or (UNNAMED if len(tasks) == 1 else f"{UNNAMED}-{number}")
        needs, said = needs_of(task, catalog)
        if any(resources.disk_size is not None or resources.disk_tier is not None for resources in task.resources):
            said = (*said, DISKS_NOT_COUNTED)
        needs = tuple(_resident(need, wishes) for need in needs)
        needs = needs if change is None else tuple(change(need) for need in needs)
        recovers = recovery
        if recovers is None and wishes.seen.losses and any(need.use_spot for need in needs):
            recovers = Recovery()
            said = (*said, _told(wishes.seen))
        supply = supply_of(needs, catalog, limits, clouds, wishes, nodes=task.num_nodes, recovers=recovers is not None)
        why: tuple[str, ...] = ()
        if not supply.candidates and change is None:  # what-ifs need no reasons
            why = tuple(dict.fromkeys(s for need in needs for s in why_nothing(need, catalog, clouds, name, wishes)))
        defaults += said
        considered += supply.considered
        request = Request(
            task=name,
            candidates=supply.candidates,
            num_nodes=task.num_nodes,
            hours=DEFAULT_HOURS if hours is None else hours,
            ordered=task.ordered,
            recovery=recovers,
            deadline_h=deadline_h,
            references=supply.references,
            why_no_candidates=why,
        )
        requests.append(with_inputs(request, task, catalog))
    if hours is None and not wishes.estimates:
        defaults.append("length: 1 hour, because none is given")
    return Problem(
        tuple(requests), limits, offers_considered=considered, defaults_applied=tuple(dict.fromkeys(defaults))
    )


def _told(seen: Experience) -> str:
    hours = sum(row.hours for row in seen.rows)
    return f"what interruptions cost is counted, because {seen.losses} spot machines were lost here in {hours:.3g} h"

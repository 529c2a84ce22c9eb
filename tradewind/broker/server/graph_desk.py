"""Several tasks submitted as one: a chain or a graph of managed jobs, planned together, each started once those before it have succeeded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from graphlib import CycleError, TopologicalSorter

import msgspec

from tradewind.broker.jobs.planning import CatalogPlanner
from tradewind.broker.jobs.plans import PlanRefused
from tradewind.broker.server.desk import JobDesk
from tradewind.broker.server.requests import GraphPlanRequest, GraphRequest, JobRequest, Refusal
from tradewind.broker.store import graphs
from tradewind.broker.store.ledger import Ledger
from tradewind.optimizer.plan import Placement, Plan, RankedCandidate
from tradewind.optimizer.problem import Edge
from tradewind.spec.storage import DataSize
from tradewind.spec.task import Task

MAX_GRAPH = 1000
Plans = Callable[[JobRequest], Awaitable[Plan]]


def names_of(tasks: Sequence[Task]) -> tuple[str, ...]:
    """A name for each task, no two the same: its own, or its place in the file."""
    names: list[str] = []
    for place, task in enumerate(tasks, 1):
        name = task.name or f"task-{place}"
        names.append(name if name not in names else f"{name}-{place}")
    return tuple(names)


def check_edges(count: int, edges: Sequence[tuple[int, int]]) -> None:
    """Every edge joins two of `count` tasks, and none waits for itself. Raises Refusal."""
    if not 0 < count <= MAX_GRAPH:
        raise Refusal(f"a graph has 1 to {MAX_GRAPH} tasks, not {count}", "request")
    before: dict[int, set[int]] = {}
    for parent, child in edges:
        if not (0 <= parent < count and 0 <= child < count):
            raise Refusal(f"the edge {parent} -> {child} names a task that is none of 0 to {count - 1}", "request")
        before.setdefault(child, set()).add(parent)
    try:
        tuple(TopologicalSorter(before).static_order())
    except CycleError as error:
        circle = " -> ".join(map(str, error.args[1]))
        raise Refusal(f"the tasks wait for each other: {circle}", "request") from error


def data_edges(tasks: Sequence[Task], edges: Sequence[tuple[int, int]]) -> tuple[Edge, ...]:
    """The edges as the planner takes them: what the parent says it writes is what the child reads."""
    names = names_of(tasks)
    sizes = [task.outputs.gigabytes if isinstance(task.outputs, DataSize) else 0.0 for task in tasks]
    return tuple(Edge(names[parent], names[child], sizes[parent]) for parent, child in dict.fromkeys(edges))


def placed(plan: Plan, placement: Placement) -> Plan:
    """One task's plan with the place that the plan of the whole graph chose for it first, and its own ranking behind."""
    chosen = RankedCandidate(
        task=placement.task,
        cloud=placement.cloud,
        region=placement.region,
        zone=placement.zone,
        instance_type=placement.instance_type,
        use_spot=placement.use_spot,
        hourly_usd=placement.hourly_usd,
        reason="",
        offer=placement.offer,
    )
    behind = (one for one in plan.candidates if (one.offer, one.use_spot) != (chosen.offer, chosen.use_spot))
    return msgspec.structs.replace(plan, candidates=(chosen, *behind), hourly_usd=placement.hourly_usd)


class GraphDesk:
    """The requests about graphs; `plan_to_buy` gives one job's plan that costs no more than was accepted, or raises Refusal."""

    def __init__(self, desk: JobDesk, planner: CatalogPlanner, plan_to_buy: Plans) -> None:
        self._desk, self._planner, self._plan_to_buy = desk, planner, plan_to_buy

    async def plan(self, asked: GraphPlanRequest) -> Plan:
        """One plan for all the tasks; what each costs is among its placements, in their order. Raises Refusal."""
        check_edges(len(asked.tasks), asked.edges)
        named = tuple(
            msgspec.structs.replace(task, name=name)
            for task, name in zip(asked.tasks, names_of(asked.tasks), strict=True)
        )
        try:
            return await self._planner.together(named, asked.options(), data_edges(named, asked.edges))
        except PlanRefused as error:
            raise Refusal(str(error), error.kind) from error

    async def submit(self, asked: GraphRequest) -> int:
        """Id of the array that holds its jobs, all of which wait in the queue or for each other. Raises Refusal."""
        key = asked.client_key
        if (twin := self._desk.array_known(key, asked.max_active)) is not None:
            return twin
        check_edges(len(asked.jobs), asked.edges)
        plans = await self._plans(asked)
        name = asked.name or asked.jobs[0].task.name or "graph"
        names = names_of([job.task for job in asked.jobs])

        def fill(ledger: Ledger, array_id: int, cause: str) -> None:
            ids = []
            for index, (job, plan) in enumerate(zip(asked.jobs, plans, strict=True)):
                own = {"TRADEWIND_GRAPH_INDEX": str(index), "TRADEWIND_GRAPH_SIZE": str(len(asked.jobs))}
                task = msgspec.structs.replace(job.task, envs={**job.task.envs, **own}, depends_on=())
                one = msgspec.structs.replace(job, task=task, name=job.name or f"{name[:40]}-{names[index]}"[:63])
                ids.append(self._desk.insert(ledger, one, plan, cause, plan=plan, array_id=array_id, array_index=index))
            graphs.add(ledger.connection, {(ids[parent], ids[child]) for parent, child in asked.edges})

        size, limit = len(asked.jobs), asked.max_active
        return await self._desk.add_array(
            fill, plan=None, client_key=key, name=name, size=size, max_active=limit, kind="graph"
        )

    async def _plans(self, asked: GraphRequest) -> list[Plan]:
        """A plan for each job, none dearer than was accepted, at the places that the plan of the whole chose."""
        first = asked.jobs[0]
        if any(
            (job.rehearse, job.catalog, job.hours) != (first.rehearse, first.catalog, first.hours) for job in asked.jobs
        ):
            raise Refusal("the jobs of a graph are rehearsed all or none, over one catalog", "request")
        plans = []
        for job in asked.jobs:
            alone = msgspec.structs.replace(job, task=msgspec.structs.replace(job.task, depends_on=()))
            await self._desk.check(alone)
            plans.append(await self._plan_to_buy(alone))
        tasks = tuple(job.task for job in asked.jobs)
        whole = await self.plan(
            GraphPlanRequest(tasks, asked.edges, hours=first.hours, catalog=first.catalog, rehearse=first.rehearse)
        )
        if not whole.feasible or len(whole.placements) != len(plans):
            raise Refusal(" ".join(whole.why_infeasible) or "no plan satisfies all the tasks together", "no_plan")
        both = zip(plans, whole.placements, asked.jobs, strict=True)
        return [
            placed(plan, there) if there.hourly_usd <= job.accepted_hourly_usd * (1 + 1e-9) else plan
            for plan, there, job in both
        ]

"""Plans and offers, in this process and without a daemon."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from tradewind.broker.jobs.standing import asked_here
from tradewind.broker.planner.asked import Asked
from tradewind.broker.planner.egress import egress
from tradewind.broker.planner.explain import ExplainedPlan, explain_parts
from tradewind.broker.planner.plan import solved
from tradewind.broker.planner.workload import aim_of, named, pose
from tradewind.catalog import Catalog, open_catalog
from tradewind.catalog.accelerators import AcceleratorFacts
from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.offer import Offer
from tradewind.optimizer.aims import Aim
from tradewind.optimizer.front import pareto as front
from tradewind.optimizer.plan import Plan
from tradewind.optimizer.problem import Edge, Measure, Problem, Together
from tradewind.sdk.checkup import Finding, findings
from tradewind.sdk.directory import data_dir
from tradewind.sdk.task import AnyTask, spec_of
from tradewind.spec import Task as SpecTask
from tradewind.spec.built import refuse_unbuilt

Parts = list[tuple[SpecTask, Asked]]


def plan(
    task: AnyTask | Sequence[AnyTask],
    *,
    hours: float | None = None,
    catalog: str | os.PathLike[str] | None = None,
    edges: Sequence[tuple[str, str, float]] = (),
    together: Sequence[Sequence[str]] = (),
    deadline_h: float | None = None,
    time_limit_s: float | None = None,
) -> Plan:
    """Where the task would run cheapest over the whole catalog, what that beats, and the proof. Buys nothing, asks no daemon.

    Several tasks are one plan under the limits of all of them. `edges` (task, task that reads what it wrote, GB) make a DAG of them, and moving
    the data is paid for; `together` names tasks that stand in one region; `deadline_h` is when all of it is expected to have ended. After `time_limit_s`
    seconds (None: 60) the best plan found by then is given, with the gap that is proven. `hours` is how long each task's work takes (None: its `estimates`, else what earlier runs of it took, else one hour). `catalog` is a CSV of offers in place of
    the shipped ones. The task's `placement`, and `limits.yaml` of the data directory, say where it may run and what is minimised.

    Of a plan with `feasible` False, `why_infeasible` says what to change. Prices are `hourly_usd` (USD/hour, all nodes) and `total_usd`. A launch
    plans again over what can be bought from here, which may be dearer: `launch(task, plan=plan)` then refuses instead of paying more.

    Raises:
        SpecError: the task is wrong.
        PlanError: it names a cloud, region, accelerator or type that nobody sells, or two tasks have one name.
        InvalidProblem: an edge or a group names no task, or the edges close a circle.
        LimitsError: limits.yaml cannot be understood.
        CatalogError: the catalog cannot be read.
    """
    asked = _Question(task, hours, edges, together, deadline_h, time_limit_s)
    with asked.shelf(catalog) as offers:
        problem, _, aim = asked.posed(offers)
        return solved(problem, aim)


def explain(
    task: AnyTask | Sequence[AnyTask],
    *,
    hours: float | None = None,
    catalog: str | os.PathLike[str] | None = None,
    edges: Sequence[tuple[str, str, float]] = (),
    together: Sequence[Sequence[str]] = (),
    deadline_h: float | None = None,
    time_limit_s: float | None = None,
) -> ExplainedPlan:
    """The same plan with its reasons: how firm the choice is, the order of fail-over, and of one task what each wish given up would save.

    Costs some ten plans' time. Raises as `plan`.
    """
    asked = _Question(task, hours, edges, together, deadline_h, time_limit_s)
    with asked.shelf(catalog) as offers:
        problem, parts, aim = asked.posed(offers)
        return explain_parts(parts, problem, offers, aim)


def pareto(
    task: AnyTask | Sequence[AnyTask],
    first: Measure = "cost",
    second: Measure = "time",
    *,
    hours: float | None = None,
    catalog: str | os.PathLike[str] | None = None,
    edges: Sequence[tuple[str, str, float]] = (),
    together: Sequence[Sequence[str]] = (),
    deadline_h: float | None = None,
    time_limit_s: float | None = None,
) -> tuple[Plan, ...]:
    """Plans that nothing beats in both measures (USD, hours, kg of CO2-equivalent), from the least in `first`; () where nothing will do.

    Raises as `plan`, and ValueError for the same measure twice, or time as the first.
    """
    asked = _Question(task, hours, edges, together, deadline_h, time_limit_s)
    with asked.shelf(catalog) as offers:
        problem, _, _ = asked.posed(offers, carbon="carbon" in {first, second})
        return front(problem, first=first, second=second)


class _Question:
    """Tasks, and what is asked of one plan for them."""

    def __init__(
        self,
        task: AnyTask | Sequence[AnyTask],
        hours: float | None,
        edges: Sequence[tuple[str, str, float]],
        together: Sequence[Sequence[str]],
        deadline_h: float | None,
        time_limit_s: float | None,
    ) -> None:
        several: Sequence[AnyTask] = (task,) if isinstance(task, str) or not isinstance(task, Sequence) else task
        self._specs = named([spec_of(one) for one in several])
        for spec in self._specs:
            refuse_unbuilt(spec, "plan")
        self._hours = hours
        self._edges = tuple(Edge(source, target, gigabytes) for source, target, gigabytes in edges)
        self._together = tuple(Together(tuple(group)) for group in together)
        self._deadline_h = deadline_h
        self._time_limit_s = time_limit_s

    def shelf(self, catalog: str | os.PathLike[str] | None) -> Catalog:
        """What the tasks may be planned over. Raises CatalogError."""
        return shelf(self._specs, catalog)

    def posed(self, offers: Catalog, *, carbon: bool = False) -> tuple[Problem, Parts, Aim | None]:
        """The problem as it stands from this data directory, what it was made of, and what its plan is to be least in."""
        parts = asked_of_all(self._specs, offers, hours=self._hours)
        if carbon:
            parts = [(spec, msgspec.structs.replace(found, wishes=msgspec.structs.replace(found.wishes, carbon=True))) for spec, found in parts]  # fmt: skip
        problem = pose(parts, offers)
        problem = msgspec.structs.replace(
            problem,
            edges=self._edges,
            egress=egress() if self._edges else problem.egress,
            together=self._together,
            deadline_h=self._deadline_h,
            time_limit_s=problem.time_limit_s if self._time_limit_s is None else self._time_limit_s,
        )
        return problem, parts, aim_of(parts)


def asked_of_all(specs: Sequence[SpecTask], offers: Catalog, *, hours: float | None) -> Parts:
    """Each task with what it asks of a plan made from this data directory. Raises as `plan`."""
    return [(spec, asked_here(spec, offers, data_dir(), hours=hours)) for spec in specs]


def posed(specs: Sequence[SpecTask], offers: Catalog, *, hours: float | None = None) -> tuple[Problem, Aim | None]:
    """The tasks' problem as it stands from this data directory, and what its plan is to be least in. Raises as `plan`."""
    parts = asked_of_all(specs, offers, hours=hours)
    return pose(parts, offers), aim_of(parts)


def shelf(tasks: tuple[SpecTask, ...], catalog: str | os.PathLike[str] | None) -> Catalog:
    """What the tasks may be planned over: this machine, or one's own, alone where a task asks for it, else the person's catalog or the shipped one."""
    path = None if catalog is None else os.path.abspath(catalog)
    for task in tasks:
        if any(resources.infra.cloud in {"local", "ssh"} for resources in task.resources):
            from tradewind.broker.jobs.planning import catalog_for

            return catalog_for(task, path or "", data_dir=data_dir())
    return open_catalog(path)


def offers(
    wanted: OfferFilter | None = None, *, limit: int | None = 100, catalog: str | os.PathLike[str] | None = None
) -> list[Offer]:
    """What the world sells of that kind (everything on demand when None), the cheapest first, at most `limit`. Prices are USD/hour of one machine.

    Raises:
        CatalogError: the catalog cannot be read.
    """
    with open_catalog(None if catalog is None else os.path.abspath(catalog)) as shelves:
        return shelves.offers(wanted, limit)


class Accelerator(msgspec.Struct, frozen=True):
    """An accelerator on offer: its datasheet (None where it is not known), the counts a machine has, and the cheapest machine of each market."""

    name: str
    facts: AcceleratorFacts | None
    counts: tuple[float, ...]
    cheapest_on_demand: Offer | None
    cheapest_spot: Offer | None


def accelerators(name: str | None = None, *, catalog: str | os.PathLike[str] | None = None) -> dict[str, Accelerator]:
    """Every accelerator on offer by its canonical name, or the one that `name` means ("a100-80"). Prices are USD/hour of a whole machine.

    Raises:
        CatalogError: the catalog cannot be read, or knows no accelerator of that name.
    """
    with open_catalog(None if catalog is None else os.path.abspath(catalog)) as shelves:
        names = shelves.accelerator_names() if name is None else [shelves.resolve_accelerators(name)[0]]
        return {each: _accelerator(shelves, each) for each in names}


def _accelerator(shelves: Catalog, name: str) -> Accelerator:
    def cheapest(*, use_spot: bool) -> Offer | None:
        return next(iter(shelves.offers(OfferFilter(accelerator=name, use_spot=use_spot), 1)), None)

    facts, counts = shelves.accelerator_facts.get(name), tuple(shelves.accelerator_counts(name))
    return Accelerator(name, facts, counts, cheapest(use_spot=False), cheapest(use_spot=True))


def doctor() -> tuple[Finding, ...]:
    """What is the case on this machine, or wrong with it, a sentence each; `well` says which."""
    return tuple(findings())

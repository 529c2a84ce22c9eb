"""Plans and offers, in this process and without a daemon."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from tradewind.broker.jobs.standing import asked_here
from tradewind.broker.planner.egress import egress
from tradewind.broker.planner.plan import solved
from tradewind.broker.planner.workload import aim_of, named, pose
from tradewind.catalog import Catalog, open_catalog
from tradewind.catalog.accelerators import AcceleratorFacts
from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.offer import Offer
from tradewind.optimizer.aims import Aim
from tradewind.optimizer.plan import Plan
from tradewind.optimizer.problem import Edge, Problem, Together
from tradewind.sdk.checkup import Finding, findings
from tradewind.sdk.directory import data_dir
from tradewind.sdk.task import AnyTask, spec_of
from tradewind.spec import Task as SpecTask
from tradewind.spec.built import refuse_unbuilt


def plan(
    task: AnyTask | Sequence[AnyTask],
    *,
    hours: float | None = None,
    catalog: str | os.PathLike[str] | None = None,
    edges: Sequence[tuple[str, str, float]] = (),
    together: Sequence[Sequence[str]] = (),
    deadline_h: float | None = None,
) -> Plan:
    """Where the task would run cheapest over the whole catalog, what that beats, and the proof. Buys nothing, asks no daemon.

    Several tasks are one plan under the limits of all of them. `edges` (task, task that reads what it wrote, GB) make a DAG of them, and moving
    the data is paid for; `together` names tasks that stand in one region; `deadline_h` is when all of it is expected to have ended. `hours` is how
    long each task's work takes (None: its `estimates`, else what earlier runs of it took, else one hour). `catalog` is a CSV of offers in place of
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
    several = task if isinstance(task, Sequence) else (task,)
    specs = named([spec_of(one) for one in several])
    for spec in specs:
        refuse_unbuilt(spec, "plan")
    with shelf(specs, catalog) as offers:
        problem, aim = posed(specs, offers, hours=hours)
        problem = msgspec.structs.replace(
            problem,
            edges=tuple(Edge(source, target, gigabytes) for source, target, gigabytes in edges),
            egress=egress() if edges else problem.egress,
            together=tuple(Together(tuple(group)) for group in together),
            deadline_h=deadline_h,
        )
        return solved(problem, aim)


def posed(specs: Sequence[SpecTask], offers: Catalog, *, hours: float | None = None) -> tuple[Problem, Aim | None]:
    """The tasks' problem as it stands from this data directory, and what its plan is to be least in. Raises as `plan`."""
    parts = [(spec, asked_here(spec, offers, data_dir(), hours=hours)) for spec in specs]
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


def check() -> dict[str, str]:
    """By cloud why it cannot be used from here, "" where it can: credentials and settings are looked at, no cloud is asked.

    Raises:
        SettingsError: the settings of the clouds cannot be read.
    """
    from tradewind.broker.clouds.registry import Clouds

    clouds = Clouds(data_dir(), {})
    try:
        return dict(clouds.reasons())
    finally:
        clouds.close()

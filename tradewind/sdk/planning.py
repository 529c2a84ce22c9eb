"""Plans and offers, in this process and without a daemon."""

from __future__ import annotations

import os

from tradewind.broker.planner import plan_task
from tradewind.catalog import Catalog, open_catalog
from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.offer import Offer
from tradewind.optimizer.plan import Plan
from tradewind.sdk.daemon import data_dir
from tradewind.sdk.task import AnyTask, spec_of
from tradewind.spec import Task as SpecTask
from tradewind.spec.built import refuse_unbuilt


def plan(task: AnyTask, *, hours: float | None = None, catalog: str | os.PathLike[str] | None = None) -> Plan:
    """Where the task would run cheapest over the whole catalog, what that beats, and the proof. Buys nothing, asks no daemon.

    `hours` is how long its work takes (one hour when None). `catalog` is a CSV of offers in place of the shipped ones. Of a plan with
    `feasible` False, `why_infeasible` says what to change. Prices are `hourly_usd` (USD/hour, all nodes) and `total_usd`. A launch plans
    again over what can be bought from here, which may be dearer: `launch(task, plan=plan)` then refuses instead of paying more.

    Raises:
        SpecError: the task is wrong.
        PlanError: it names a cloud, region, accelerator or type that nobody sells.
        CatalogError: the catalog cannot be read.
    """
    spec = spec_of(task)
    refuse_unbuilt(spec, "plan")
    with shelf((spec,), catalog) as offers:
        return plan_task(spec, offers, hours=hours)


def shelf(tasks: tuple[SpecTask, ...], catalog: str | os.PathLike[str] | None) -> Catalog:
    """What the tasks may be planned over: this machine alone where one of them says `infra: local`, else the person's catalog or the shipped one."""
    path = None if catalog is None else os.path.abspath(catalog)
    for task in tasks:
        if any(resources.infra.cloud == "local" for resources in task.resources):
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

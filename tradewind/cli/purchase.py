"""From a task to an accepted plan: what `launch` and `jobs launch` do before anything is bought."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from tradewind.cli import exits, notes, planpage, progress, terminal
from tradewind.cli.confirm import confirm
from tradewind.cli.errors import CliError

if TYPE_CHECKING:
    from tradewind.cli.daemon import Api
    from tradewind.optimizer.plan import Plan
    from tradewind.spec.task import Task


class Accepted(NamedTuple):
    """A plan that a person has seen and agreed to, and the request that carries it to the daemon."""

    plan: Plan
    body: dict[str, Any]


def planned(api: Api, body: dict[str, Any]) -> Plan:
    """The daemon's plan: over what it may buy from here, without the places it has seen refuse.

    Raises:
        CliError: nothing satisfies the request.
    """
    import msgspec

    from tradewind.cli.elsewhere import only_here
    from tradewind.optimizer.plan import Plan

    try:
        with progress.waiting("planning"):
            plan = msgspec.convert(api.post("/v1/plan", body), Plan)
    except CliError as error:
        if error.exit_code != exits.NO_PLAN:
            raise
        raise _no_plan(error.message, only_here(api)) from error
    if not plan.feasible:
        why = " ".join(plan.why_infeasible) or "nothing in the catalog satisfies the request"
        raise _no_plan(why, only_here(api))
    return plan


def _no_plan(why: str, hint: str) -> CliError:
    return CliError(f"{why.rstrip('.')}.", exits.NO_PLAN, hint)


def further_job(api: Api, name: str | None, task: Task, *, yes: bool, start: bool) -> dict[str, Any] | None:
    """The request that runs a task on the cluster of this name, for which nothing may be bought; None where it is to be made, or made anew.

    One that is stopped is up again, unless `start` is False.

    Raises:
        CliError: it was to be started, and that was not confirmed, or its cloud has no room for it now.
    """
    from tradewind.broker.server.way_back import LOST
    from tradewind.spec import task_to_dict

    there = next((one for one in api.get("/v1/clusters") if one["name"] == name), None)
    if there is None or there["state"] in {"TERMINATED", *LOST}:
        if there is not None:
            print(f"{name} is {there['state']}; it is made anew.", file=sys.stderr)
        return None
    if start and there["state"] == "STOPPED":
        _start_again(api, there, yes=yes)
    print(f"{name} is there already; the task runs on it as a further job, and nothing is bought.", file=sys.stderr)
    return {"task": task_to_dict(task), "accepted_hourly_usd": 0.0}


def _start_again(api: Api, cluster: dict[str, Any], *, yes: bool) -> None:
    """The stopped cluster is up again, once that was agreed to.

    Raises:
        CliError: not confirmed, or its cloud has no room for it now.
    """
    from tradewind.cli.daemon import cluster_resource
    from tradewind.cli.follow import interrupted

    name = cluster["name"]
    confirm(f"{name} is stopped. Start it again, for {terminal.usd(cluster['hourly_usd'])} USD/h?", yes=yes)
    goes_on = f"interrupted; the start of {name} goes on. `tradewind status` shows what has become of it."
    with progress.waiting(f"{name}: starting"), interrupted(goes_on):
        api.post(f"{cluster_resource(name)}/start")


def accept(
    api: Api, task: Task, *, rehearse: bool, catalog: str | None, yes: bool, show: bool = True, times: int = 1
) -> Accepted:
    """Plan a task, show the plan on stderr (one line of it in a pipe), ask, and return what was agreed to. `times` is how many jobs it is for.

    Raises:
        CliError: no plan, or not confirmed.
    """
    from tradewind.sdk.trace_context import process_started_unix, trace_context
    from tradewind.spec import task_to_dict

    body: dict[str, Any] = {"task": task_to_dict(task), "rehearse": rehearse}
    if catalog is not None:
        import os

        body["catalog"] = os.path.abspath(catalog)
    plan = planned(api, body)
    watched = sys.stderr.isatty()
    if show and watched:
        print(
            planpage.page(plan, limit=terminal.width(sys.stderr), colour=terminal.colourful(sys.stderr)),
            file=sys.stderr,
        )
    elif show:
        print(planpage.headline(plan), file=sys.stderr)
        notes.remark(planpage.cheaper_left_out(plan))  # the page has them in its tables
    if show and catalog is None and any(placement.cloud != "local" for placement in plan.placements):
        notes.remark(notes.of_shipped(notes.today()))
    if rehearse:
        if show:
            print("Rehearsed: local processes stand in for the instances; nothing is bought.", file=sys.stderr)
    elif plan.hourly_usd > 0:
        whole = planpage.headline(plan) + (f", {times} times" if times > 1 else "")
        confirm(f"Buy {whole}?", yes=yes)
    came = trace_context(process_started_unix(time.time()))
    return Accepted(plan, {**body, **came, "accepted_hourly_usd": plan.hourly_usd})

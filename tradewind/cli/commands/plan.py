"""`tradewind plan FILE`: in this process, no daemon."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from tradewind.cli import exits, options, terminal
from tradewind.cli.output import print_json
from tradewind.cli.overrides import read, task_flags

if TYPE_CHECKING:
    from tradewind.catalog import Catalog
    from tradewind.optimizer.plan import Plan
    from tradewind.spec.task import Task


def _shelf(task: Task, path: str | None) -> Catalog:
    """What the task may be planned over: this machine alone for `infra: local`, else the person's catalog or the shipped one."""
    if any(resources.infra.cloud == "local" for resources in task.resources):
        from tradewind.broker.jobs.planning import catalog_for

        return catalog_for(task, path or "")
    from tradewind.catalog import open_catalog

    return open_catalog(path)


def _explanation(
    task: Task, offers: Catalog, plan: Plan, hours: float | None, *, limit: int | None, colour: bool
) -> str:
    from tradewind.broker.planner import problem_of, relaxations
    from tradewind.cli import explainpage
    from tradewind.optimizer.sensitivity import explain

    found = explain(problem_of([task], offers, hours=hours), plan)
    return explainpage.page(plan, found, relaxations(task, offers, plan, hours=hours), limit=limit, colour=colour)


@click.command()
@options.task_file
@click.option(
    "--hours", type=click.FloatRange(min=0, min_open=True), default=None, help="How long the job runs; 1 if not given."
)
@click.option(
    "--explain",
    is_flag=True,
    help="Also how firm the choice is, what each limit given up would save, and the order of failover.",
)
@task_flags
@options.catalog
@options.as_json
def plan(
    file: str, hours: float | None, catalog: str | None, flags: dict[str, Any], *, explain: bool, as_json: bool
) -> int:
    """Show where a task would run cheapest over the whole catalog, what that beats and why. Buys nothing.

    Exit code 3 when nothing satisfies the request.
    """
    task = read(file, flags)
    from tradewind.broker.planner import plan_task
    from tradewind.cli import notes, planpage

    limit, colour = terminal.width(), terminal.colourful()
    with _shelf(task, catalog) as offers:
        result = plan_task(task, offers, hours=hours)
        why = _explanation(task, offers, result, hours, limit=limit, colour=colour) if explain and not as_json else ""
        remarks = notes.of_catalog(offers, notes.today())
    if as_json:
        print_json(result)
    else:
        print(planpage.page(result, limit=limit, colour=colour))
        if why:
            print(why)
    if not result.feasible:
        if as_json:
            print("tradewind: " + " ".join(result.why_infeasible), file=sys.stderr)
        return exits.NO_PLAN
    notes.remark(remarks)
    return exits.OK

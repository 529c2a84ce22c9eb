"""`tradewind plan FILE`: in this process, no daemon."""

from __future__ import annotations

import pathlib
import sys
from typing import TYPE_CHECKING, Any

import click

from tradewind.cli import asking, exits, options, terminal
from tradewind.cli.errors import CliError
from tradewind.cli.output import print_json
from tradewind.cli.overrides import read, task_flags

if TYPE_CHECKING:
    from tradewind.broker.planner import ExplainedPlan
    from tradewind.catalog import Catalog
    from tradewind.optimizer.problem import Problem
    from tradewind.spec.task import Task


def _shelf(task: Task, path: str | None) -> Catalog:
    """What the task may be planned over: this machine alone for `infra: local`, else the person's catalog or the shipped one."""
    if any(resources.infra.cloud == "local" for resources in task.resources):
        from tradewind.broker.jobs.planning import catalog_for
        from tradewind.cli.daemon import data_dir

        return catalog_for(task, path or "", data_dir=data_dir())
    from tradewind.catalog import open_catalog

    return open_catalog(path)


def _known_places(shelf: Catalog) -> tuple[set[str], set[str]]:
    regions = shelf.regions_by_place.values()
    return {r.continent for r in regions if r.continent}, {r.country for r in regions if r.country}


def _written(path: str, data: bytes) -> None:
    try:
        pathlib.Path(path).write_bytes(data)
    except OSError as err:
        raise CliError(f"{path} cannot be written: {err.strerror}", exits.FAILED) from err


def _drawn(problem: Problem, pair: str, *, svg: str | None, png: str | None, as_json: bool) -> int:
    """The front of two measures, shown and written where it was asked for."""
    from tradewind.cli import frontpage, frontplot
    from tradewind.optimizer.front import pareto

    first, second = asking.front_of(pair)
    plans = pareto(problem, first=first, second=second)
    if not plans:
        return exits.NO_PLAN
    points, axes = frontpage.points(plans, first, second), frontpage.axes(first, second)
    if svg is not None:
        _written(svg, frontplot.svg(points, axes, f"{problem.requests[0].task}: {first} against {second}").encode())
    if png is not None:
        _written(png, frontplot.png(points))
    if as_json:
        print_json(frontpage.as_json(plans, first, second))
    else:
        print(frontpage.page(plans, first, second, limit=terminal.width(), colour=terminal.colourful()))
    return exits.OK


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
@click.option("--pareto", metavar="A,B", help="Every plan that nothing beats in both: cost,time or cost,carbon.")
@click.option("--svg", type=click.Path(), metavar="PATH", help="Draw the --pareto front into this file.")
@click.option("--png", type=click.Path(), metavar="PATH", help="The same as a bitmap.")
@asking.asking_flags
@task_flags
@options.catalog
@options.as_json
def plan(
    file: str,
    hours: float | None,
    catalog: str | None,
    pareto: str | None,
    svg: str | None,
    png: str | None,
    flags: dict[str, Any],
    asked: dict[str, Any],
    *,
    explain: bool,
    as_json: bool,
) -> int:
    """Show where a task would run cheapest over the whole catalog, what that beats and why. Buys nothing.

    Exit code 3 when nothing satisfies the request.
    """
    if pareto is None and (svg or png):
        raise click.UsageError(
            "--svg and --png draw the front of --pareto; name its two measures, as --pareto cost,time."
        )
    aim = asking.aim(asked)
    carbon = aim.counts_carbon or "carbon" in (asking.front_of(pareto) if pareto else ())
    task = read(file, flags)
    from tradewind.broker.planner import explain_task, plan_task, problem_of
    from tradewind.cli import notes, planpage
    from tradewind.optimizer import Recovery

    limit, colour = terminal.width(), terminal.colourful()
    explained = None
    with _shelf(task, catalog) as offers:
        asking.check_residency(asked, _known_places(offers))
        given = {
            "limits": asking.limits(asked, offers.clouds()),
            "hours": hours,
            "deadline_h": asked["deadline"],
            "recovery": Recovery() if asked["interruptions"] else None,
            "wishes": asking.wishes(asked, carbon=carbon),
        }
        if pareto is not None:
            code = _drawn(problem_of([task], offers, **given), pareto, svg=svg, png=png, as_json=as_json)
            if code == exits.OK:
                return code
        if explain:
            explained = explain_task(task, offers, aim=aim, **given)
        result = explained.plan if explained else plan_task(task, offers, aim=aim, **given)
        remarks = notes.of_catalog(offers, notes.today())
    if as_json:
        print_json(_whole(explained) if explained else result)
    else:
        print(planpage.page(result, limit=limit, colour=colour))
        if explained:
            print(_reasons(explained, limit=limit, colour=colour))
    if not result.feasible:
        if as_json:
            print("tradewind: " + " ".join(result.why_infeasible), file=sys.stderr)
        return exits.NO_PLAN
    notes.remark(remarks)
    return exits.OK


def _reasons(explained: ExplainedPlan, *, limit: int | None, colour: bool) -> str:
    from tradewind.cli import explainpage

    return explainpage.page(explained.plan, explained.explanation, explained.relaxations, limit=limit, colour=colour)


def _whole(explained: ExplainedPlan) -> dict[str, Any]:
    """The plan as without --explain, and beside its fields the reasons."""
    import msgspec

    plan: dict[str, Any] = msgspec.to_builtins(explained.plan)
    reasons = {"explanation": explained.explanation, "relaxations": explained.relaxations}
    return plan | {name: msgspec.to_builtins(part) for name, part in reasons.items()}

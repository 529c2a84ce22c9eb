"""`tradewind plan FILE...`: in this process, no daemon."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tradewind.cli import asking, exits, options, terminal
from tradewind.cli.errors import CliError
from tradewind.cli.output import print_json
from tradewind.cli.overrides import read, task_flags

if TYPE_CHECKING:
    from tradewind.broker.planner import Asked, DeadlineCourse, ExplainedPlan
    from tradewind.catalog import Catalog
    from tradewind.optimizer.plan import Plan
    from tradewind.optimizer.problem import Edge, Problem, Together
    from tradewind.spec.task import Task


def _shelf(tasks: Sequence[Task], path: str | None) -> Catalog:
    """What the tasks may be planned over: this machine, or one's own, alone where a task asks for it, else the person's catalog or the shipped one."""
    for task in tasks:
        if any(resources.infra.cloud in {"local", "ssh"} for resources in task.resources):
            from tradewind.broker.jobs.planning import catalog_for
            from tradewind.sdk.directory import data_dir

            return catalog_for(task, path or "", data_dir=data_dir())
    from tradewind.catalog import open_catalog

    return open_catalog(path)


def _known_places(shelf: Catalog) -> tuple[set[str], set[str]]:
    regions = shelf.regions_by_place.values()
    return {r.continent for r in regions if r.continent}, {r.country for r in regions if r.country}


def _read(
    files: tuple[str, ...], flags: dict[str, Any]
) -> tuple[tuple[Task, ...], tuple[Edge, ...], tuple[Together, ...]]:
    """Every task of the files with a name, what one hands to the next, and which stand together. One task alone takes the flags."""
    import msgspec

    from tradewind.broker.planner.workload import edges_of, named, together_of
    from tradewind.spec import Overrides, load_workload, refuse_unbuilt

    if not files:
        if not any(flags.values()):
            raise click.UsageError("name a task file, or say what a machine must have: `tradewind plan --gpus A100:8`.")
        return (read((), flags),), (), ()
    if len(files) == 1:
        whole = load_workload(files[0]) if not any(flags.values()) and pathlib.Path(files[0]).is_file() else None
        if whole is None or whole.is_single:
            return (read(files[0], flags),), (), ()
        loads = [whole]
    else:
        loads = [load_workload(file, overrides=Overrides(**flags)) for file in files]
    tasks: list[Task] = []
    edges: list[Edge] = []
    together: list[Together] = []
    unnamed = named([task for load in loads for task in load.tasks])
    for load in loads:
        own = unnamed[len(tasks) : len(tasks) + len(load.tasks)]
        whole = msgspec.structs.replace(load, tasks=own)
        edges += edges_of(whole)
        together += together_of(whole)
        tasks += own
    for task in tasks:
        refuse_unbuilt(task)
    return tuple(tasks), tuple(edges), tuple(together)


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
@click.argument("files", nargs=-1, type=click.Path(), metavar="[FILE...]")
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="How long each task runs; if not given, as long as earlier runs of it, else 1.",
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
    files: tuple[str, ...],
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
    """Show where tasks would run cheapest over the whole catalog, what that beats and why. Buys nothing.

    Without a file the flags say what a machine must have. Several tasks are one plan under shared limits: the documents of a file are a chain whose tasks read what the one before them writes (or,
    with `execution: parallel`, stand in one region), several files are independent. Exit code 3 when nothing satisfies the request.
    """
    if pareto is None and (svg or png):
        raise click.UsageError(
            "--svg and --png draw the front of --pareto; name its two measures, as --pareto cost,time."
        )
    front = asking.front_of(pareto) if pareto else ()
    asking.aim(asked)
    tasks, edges, together = _read(files, flags)
    import msgspec

    from tradewind.broker.planner.explain import explain_parts
    from tradewind.broker.planner.plan import solved
    from tradewind.broker.planner.workload import aim_of, pose
    from tradewind.cli import notes, planpage, progress

    limit, colour = terminal.width(), terminal.colourful()
    with progress.searching("planning") as told, _shelf(tasks, catalog) as offers:
        asking.check(asked, offers.clouds(), _known_places(offers))
        parts = _parts(tasks, asked, offers, hours, carbon="carbon" in front)
        aim = aim_of(parts)
        problem = pose(parts, offers, edges=edges, together=together)
        if asked["time_limit"] is not None:
            problem = msgspec.structs.replace(problem, time_limit_s=asked["time_limit"])
        if pareto is not None:
            code = _drawn(problem, pareto, svg=svg, png=png, as_json=as_json)
            if code == exits.OK:
                return code
        explained = explain_parts(parts, problem, offers, aim) if explain else None
        result = explained.plan if explained else solved(problem, aim, told)
        courses = _courses(parts, offers) if result.feasible else ()
        remarks = notes.of_catalog(offers, notes.today())
    if as_json:
        print_json(_whole(result, explained, courses))
    else:
        print(planpage.page(result, limit=limit, colour=colour))
        for course in courses:
            print(planpage.course(course, limit=limit))
        if explained:
            print(_reasons(explained, limit=limit, colour=colour))
    if not result.feasible:
        if as_json:
            print("tradewind: " + " ".join(result.why_infeasible), file=sys.stderr)
        return exits.NO_PLAN
    notes.remark(remarks)
    return exits.OK


def _parts(
    tasks: Sequence[Task], asked: dict[str, Any], offers: Catalog, hours: float | None, *, carbon: bool
) -> tuple[tuple[Task, Asked], ...]:
    """Each task with what it, the flags, limits.yaml and the record of this data directory ask."""
    import msgspec

    from tradewind.broker.jobs.limits import LimitsError
    from tradewind.broker.jobs.standing import asked_here
    from tradewind.sdk.directory import data_dir

    parts = []
    for task in tasks:
        mine = asking.applied(task, asked)
        try:
            found = asked_here(mine, offers, data_dir(), hours=hours)
        except LimitsError as err:
            raise CliError(str(err), exits.BAD_INPUT) from err
        known = hours is not None or found.hours is not None or found.wishes.estimates
        cap = asked["budget"] or (mine.budget_usd if known else None)
        parts.append(
            (
                mine,
                msgspec.structs.replace(
                    found,
                    limits=msgspec.structs.replace(found.limits, max_total_usd=cap),
                    wishes=msgspec.structs.replace(found.wishes, carbon=found.wishes.carbon or carbon),
                ),
            )
        )
    return tuple(parts)


def _courses(parts: Sequence[tuple[Task, Asked]], offers: Catalog) -> tuple[DeadlineCourse, ...]:
    """Of every task on spot that has a deadline, what it would do until then."""
    from tradewind.broker.planner import deadline_course, job_problem

    found = []
    for task, asked in parts:
        if task.deadline_hours is None or not any(resources.use_spot for resources in task.resources):
            continue
        problem = job_problem(
            task, offers, limits=asked.limits, hours=asked.hours, recovery=asked.recovery, wishes=asked.wishes
        )
        course = deadline_course(problem, task.deadline_hours)
        found += [course] if course is not None else []
    return tuple(found)


def _reasons(explained: ExplainedPlan, *, limit: int | None, colour: bool) -> str:
    from tradewind.cli import explainpage

    return explainpage.page(explained.plan, explained.explanation, explained.relaxations, limit=limit, colour=colour)


def _whole(plan: Plan, explained: ExplainedPlan | None, courses: Sequence[DeadlineCourse]) -> dict[str, Any]:
    """The plan, and beside its fields the reasons and the courses to deadlines where there are some."""
    import msgspec

    whole: dict[str, Any] = msgspec.to_builtins(plan)
    if courses:
        whole["deadlines"] = msgspec.to_builtins(courses)
    if explained is not None:
        reasons = {"explanation": explained.explanation, "relaxations": explained.relaxations}
        whole |= {name: msgspec.to_builtins(part) for name, part in reasons.items()}
    return whole

"""`tradewind jobs launch`."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from tradewind.cli import exits, options
from tradewind.cli.output import print_json
from tradewind.cli.overrides import read, task_flags


@click.command()
@options.task_words
@click.option("-n", "--name", help="Its name; the task's if not given.")
@task_flags
@click.option("--priority", type=int, help="From -1000 to 1000; of those that wait, the higher goes first.")
@click.option("--budget", metavar="USD", help="What it may cost in all; of an array, what each of its jobs may.")
@click.option(
    "--job-recovery",
    metavar="TEXT",
    help="Where it goes after a loss: eager, failover or deadline, or a strategy of your own.",
)
@options.secrets
@options.secret_files
@click.option(
    "--after", metavar="WHEN", help="Start no earlier: 30m, 2h, 1d from now, or a time such as 2026-01-31T18:00."
)
@click.option("--array", "axes", multiple=True, metavar="NAME=VALUES",
              help="One job for each value: lr=0.1,0.01 or seed=1..5. Repeated: every combination.")  # fmt: skip
@click.option(
    "--max-active", type=click.IntRange(min=1), help="Of an array or graph: how many of its jobs are active at a time."
)
@click.option(
    "--share", metavar="NAME", envvar="TRADEWIND_SHARE",
    help="Whom it is for, a person or a team: of equal priority, who has the fewest jobs active comes next. Default: $TRADEWIND_SHARE.",
)  # fmt: skip
@click.option("--key", metavar="TEXT", help="Submitting again under the same key is the same job.")
@options.rehearse
@options.dryrun
@click.option(
    "--seed", type=int, help="Rehearsal: take an instance at a moment that this seed draws from recorded spot traces."
)
@click.option("--time-scale", type=click.FloatRange(min=0, min_open=True), default=None,
              help="Rehearsal: recorded seconds that pass in one of ours; if not given, such that the loss comes after 7 to 14 s.")  # fmt: skip
@click.option(
    "--reclaims",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Rehearsal: how many instances to take at most.",
)
@click.option(
    "--notice", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
    help="Rehearsal: announce a loss so long before, as clouds do (AWS 120, GCP and Azure 30); the job moves in time.",
)  # fmt: skip
@options.yes
@options.detach
@options.accepted_json
@options.catalog
def launch(
    words: tuple[str, ...], name: str | None, catalog: str | None, seed: int | None, time_scale: float | None, reclaims: int, notice: float,
    priority: int | None, budget: str | None, secrets: tuple[str, ...], secret_files: tuple[str, ...], after: str | None,
    axes: tuple[str, ...], max_active: int | None, key: str | None, share: str | None, job_recovery: str | None, flags: dict[str, Any],
    *, rehearse: bool, dryrun: bool, yes: bool, detach: bool, as_json: bool,
) -> int:  # fmt: skip
    """Plan a task, ask, and run it to its end: after a preemption it plans again and goes on from its last checkpoint.

    Several tasks in one file are planned and submitted as one: each starts once those it depends on have succeeded.
    """
    from tradewind.cli import daemon, graph, managed, submission
    from tradewind.cli.follow import watched
    from tradewind.cli.purchase import accept

    if not words:
        raise click.UsageError("name a task file or a command: `tradewind jobs launch FILE`.")
    if seed is not None and not rehearse:
        raise click.UsageError("--seed says when a rehearsal loses an instance; it needs --rehearse.")
    given = submission.secret_values(secrets, secret_files, words)
    flags |= {"priority": priority, "budget": budget, "job_recovery": job_recovery, "secrets": tuple(given)}
    market = None if seed is None else managed.market(seed, time_scale, reclaims, notice)
    not_before = None if after is None else submission.moment(after, time.time())
    workload = graph.several(words, flags)
    if workload is not None:
        if axes:
            raise click.UsageError("--array is for one task, and the file holds several.")
        named = tuple(dict.fromkeys(name for task in workload.tasks for name in task.secrets))
        return graph.launch(
            daemon.reach(start=True), workload, rehearse=rehearse, dryrun=dryrun, catalog=catalog, yes=yes, detach=detach,
            secrets={} if dryrun else submission.with_environment(named, given), name=name, key=key, max_active=max_active, market=market,
            not_before_unix=not_before, share=share,
        )  # fmt: skip
    if max_active is not None and not axes:
        raise click.UsageError("--max-active is for several jobs; it needs --array, or a file of several tasks.")
    task = read(words, flags, "job")
    given = {} if dryrun else submission.with_environment(task.secrets, given)
    more: dict[str, Any] = {"secrets": given} if given else {}
    if share is not None:
        more["share"] = share
    if not_before is not None:
        more["not_before_unix"] = not_before
    members = submission.members(axes)
    api = daemon.reach(start=True)
    accepted = accept(api, task, rehearse=rehearse, catalog=catalog, yes=yes or dryrun, times=len(members))
    if dryrun:
        print("Only shown: nothing was bought or started.", file=sys.stderr)
        return exits.OK
    began = time.time()
    if axes:
        array_id = managed.submit_array(
            api, accepted, members, max_active=max_active, name=name, key=key, market=market, **more
        )
        if as_json:
            print_json({"array_id": array_id})
            return exits.OK
        print(
            f"array a{array_id}: {len(members)} jobs accepted; `tradewind jobs status a{array_id}` shows their progress."
        )
        return exits.OK if detach else managed.follow_array(api, array_id)
    job_id = managed.submit(api, accepted, name=name, key=key, market=market, **more)
    if as_json:
        print_json({"job_id": job_id})
        return exits.OK
    if detach:
        print(f"managed job {job_id}: accepted; follow it with `tradewind jobs logs {job_id}`.")
        return exits.OK
    return managed.follow(api, job_id, since_unix=began, out=watched())

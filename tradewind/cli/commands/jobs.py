"""`tradewind jobs ...`: managed jobs."""

from __future__ import annotations

import time
from typing import Any

import click

from tradewind.cli import exits, options
from tradewind.cli.lazy import SuggestingGroup
from tradewind.cli.output import print_json
from tradewind.cli.overrides import read, task_flags


@click.group(cls=SuggestingGroup)
def jobs() -> None:
    """Managed jobs: they survive preemption. Each has a cluster of its own that goes when the job ends."""


@jobs.command()
@options.task_file
@click.option("-n", "--name", help="Its name; the task's if not given.")
@task_flags
@options.rehearse
@click.option(
    "--seed", type=int, help="Rehearsal: take an instance at a moment that this seed draws from recorded spot traces."
)
@click.option("--time-scale", type=click.FloatRange(min=0, min_open=True), default=None,
              help="Rehearsal: recorded seconds that pass in one of ours; if not given, such that the loss comes after 10 to 20 s.")  # fmt: skip
@click.option(
    "--reclaims",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Rehearsal: how many instances to take at most.",
)
@options.yes
@options.detach
@options.catalog
def launch(
    file: str, name: str | None, catalog: str | None, seed: int | None, time_scale: float | None, reclaims: int,
    flags: dict[str, Any],    *, rehearse: bool, yes: bool, detach: bool,
) -> int:  # fmt: skip
    """Plan a task, ask, and run it to its end: after a preemption it plans again and goes on from its last checkpoint."""
    from tradewind.cli import daemon, managed
    from tradewind.cli.follow import watched
    from tradewind.cli.purchase import accept

    if seed is not None and not rehearse:
        raise click.UsageError("--seed says when a rehearsal loses an instance; it needs --rehearse.")
    task = read(file, flags)
    api = daemon.reach(start=True)
    accepted = accept(api, task, rehearse=rehearse, catalog=catalog, yes=yes)
    market = None if seed is None else managed.market(seed, time_scale, reclaims)
    began = time.time()
    job_id = managed.submit(api, accepted, name=name, market=market)
    if detach:
        print(f"managed job {job_id}: accepted; follow it with `tradewind jobs logs {job_id}`.")
        return exits.OK
    return managed.follow(api, job_id, since_unix=began, out=watched())


@jobs.command()
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that have ended.")
@options.as_json
def queue(*, everything: bool, as_json: bool) -> int:
    """The managed jobs and what each waits for."""
    from tradewind.cli import daemon, rows

    api = daemon.reach(start=False)
    found = [job for job in api.get("/v1/jobs") if everything or job["state"] not in rows.ENDED]
    if as_json:
        print_json(found)
    else:
        print(rows.jobs_table(found) if found else "No managed job is unfinished; --all shows the ended ones.")
    return exits.OK


@jobs.command()
@click.argument("job")
@options.as_json
def status(job: str, *, as_json: bool) -> int:
    """One managed job: state, attempts, what it waits for, what it has cost."""
    from tradewind.cli import billpage, daemon, managed, rows, terminal

    api = daemon.reach(start=False)
    row = managed.find(api, job)
    bill = api.get(f"/v1/jobs/{row['id']}/bill")
    if as_json:
        print_json({**row, "bill": bill})
    else:
        print(rows.jobs_table([row]))
        print()
        print(billpage.page(bill, limit=terminal.width(), colour=terminal.colourful()))
    return exits.OK


@jobs.command()
@click.argument("job")
@options.follow
def logs(job: str, *, follow: bool) -> int:
    """The output of a managed job over all its attempts. Ctrl-C leaves it running."""
    from tradewind.cli import daemon, managed
    from tradewind.cli.follow import copy_logs

    api = daemon.reach(start=False)
    row = managed.find(api, job)
    if follow:
        return managed.follow(api, int(row["id"]), since_unix=float(row["created_unix"]))
    copy_logs(api, managed.log_path(int(row["id"]), follow=False))
    return exits.OK


@jobs.command()
@click.argument("job")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def cancel(job: str, *, yes: bool) -> int:
    """End a managed job and its cluster."""
    from tradewind.cli import daemon, managed
    from tradewind.cli.confirm import confirm

    api = daemon.reach(start=False)
    row = managed.find(api, job)
    confirm(f"Cancel managed job {row['id']} ({row['name']})?", yes=yes)
    api.post(f"/v1/jobs/{row['id']}/cancel")
    print(f"managed job {row['id']}: cancelling; `tradewind jobs status {row['id']}` says when its cluster is gone.")
    return exits.OK

"""`tradewind jobs queue|status|logs|top|spend`."""

from __future__ import annotations

from typing import Any

import click

from tradewind.cli import exits, options
from tradewind.cli.output import print_json


@click.command()
@click.option("-a", "--all", "everything", is_flag=True, help="Also those that have ended.")
@click.option("--state", metavar="STATE[,STATE]", help="Only these states.")
@click.option("-n", "--name", help="Only jobs of this name.")
@click.option("--expand", is_flag=True, help="Every job of an array, not one line for all.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="The newest so many.")
@options.as_json
def queue(*, everything: bool, state: str | None, name: str | None, expand: bool, limit: int, as_json: bool) -> int:
    """The managed jobs and what each waits for. An array is one line with its progress."""
    from urllib.parse import urlencode

    from tradewind.cli import arraypage, daemon, rows

    api = daemon.reach(start=False)
    asked: dict[str, Any] = {"limit": limit}
    if state is not None:
        asked["state"] = state
    elif not everything:
        asked["unfinished"] = 1
    if name is not None:
        asked["name"] = name
    found = api.get(f"/v1/jobs?{urlencode(asked)}")
    if as_json:
        print_json(found)
        return exits.OK
    alone = found if expand else [job for job in found if job["array_id"] is None]
    ids = [] if expand else sorted({job["array_id"] for job in found if job["array_id"] is not None})
    parts = []
    if ids:
        parts.append(arraypage.table(api.get(f"/v1/arrays?ids={','.join(map(str, ids))}")))
    if alone:
        parts.append(rows.jobs_table(alone))
    print("\n\n".join(parts) or "No managed job is unfinished; --all shows the ended ones.")
    return exits.OK


@click.command()
@click.argument("job")
@options.as_json
def status(job: str, *, as_json: bool) -> int:
    """One managed job (number or name) or array (a1): state, attempts, what it waits for, what it has cost."""
    from tradewind.cli import arraypage, billpage, daemon, managed, rows, terminal

    api = daemon.reach(start=False)
    array_id = managed.array_of(job)
    if array_id is not None:
        view = managed.find_array(api, array_id)
        members = api.get(f"/v1/jobs?array={array_id}&limit=100000")
        if as_json:
            print_json({**view, "jobs": members})
        else:
            print(f"{arraypage.table([view])}\n\n{rows.jobs_table(members)}")
        return exits.OK
    row = managed.find(api, job)
    bill = api.get(f"/v1/jobs/{row['id']}/bill")
    if as_json:
        print_json({**row, "bill": bill})
    else:
        print(rows.jobs_table([row]))
        print()
        print(billpage.page(bill, limit=terminal.width(), colour=terminal.colourful()))
    return exits.OK


@click.command()
@click.argument("job")
@options.follow
@click.option("--grep", metavar="TEXT", help="Only lines that hold this text.")
@click.option(
    "--rank", type=click.IntRange(min=0), help="One node's output, bytes as they came; all nodes' lines when not given."
)
@click.option("--tail", type=click.IntRange(min=1), metavar="N", help="Only the last N lines so far; does not follow.")
@options.sync_down
def logs(job: str, *, follow: bool, grep: str | None, rank: int | None, tail: int | None, sync_down: bool) -> int:
    """The output of a managed job over all its attempts. Ctrl-C leaves it running."""
    from tradewind.cli import daemon, jobs, managed
    from tradewind.cli.follow import copy_logs

    if grep is not None and tail is not None:
        raise click.UsageError("--grep looks through all of it; leave --tail out.")
    api = daemon.reach(start=False)
    row = managed.find(api, job)
    so_far = managed.log_path(int(row["id"]), follow=False, rank=rank)
    if grep is not None:
        return exits.OK if managed.print_matching(api, so_far, grep) else exits.FAILED
    if sync_down:
        jobs.keep(api.stream(so_far), f"job-{row['id']}", rank)
    elif tail is not None:
        jobs.print_last(api.stream(so_far), tail)
    elif follow:
        return managed.follow(api, int(row["id"]), since_unix=float(row["created_unix"]), rank=rank)
    else:
        copy_logs(api, so_far)
    return exits.OK


@click.command()
@options.as_json
def top(*, as_json: bool) -> int:
    """Everything at a glance: jobs by state, what is spent, the limits, and the active jobs, dearest first, with what
    each uses: cores, GiB, and the share of time in which its GPUs compute.
    """
    from tradewind.cli import arraypage, daemon, rows

    api = daemon.reach(start=False)
    if not api.up:
        print_json({}) if as_json else print("No managed job was ever submitted here.")
        return exits.OK
    summary = api.get("/v1/summary")
    active = api.get("/v1/jobs?state=STARTING,RUNNING,RECOVERING,CANCELLING,PAUSING&limit=1000")
    used = {one["managed_job_id"]: one for one in api.get("/v1/usage")}
    for job in active:
        job["usage"] = used.get(job["id"])
    active.sort(key=lambda job: (-float(job["hourly_usd"]), int(job["id"])))
    if as_json:
        print_json({**summary, "active": active})
        return exits.OK
    print(arraypage.summary(summary))
    if active:
        print()
        print(rows.top_table(active[:40]))
    return exits.OK


@click.command()
@click.option(
    "--by", metavar="job|name|cloud|region|day|label:KEY", default="job", show_default=True, help="What one line is for.",
)  # fmt: skip
@click.option("--rehearsed", is_flag=True, help="What rehearsals would have cost, instead of real money.")
@options.as_json
def spend(by: str, *, rehearsed: bool, as_json: bool) -> int:
    """What managed jobs have cost, exactly, beside the same hours on demand, and what runs now costs an hour."""
    from tradewind.cli import arraypage, daemon

    api = daemon.reach(start=False)
    if not api.up:
        print_json({}) if as_json else print("Nothing was spent.")
        return exits.OK
    from urllib.parse import quote

    report = api.get(f"/v1/spend?by={quote(by, safe='')}&rehearsed={int(rehearsed)}")
    print_json(report) if as_json else print(arraypage.spending(report))
    return exits.OK

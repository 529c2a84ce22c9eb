"""`tradewind jobs cancel|pause|resume|retry`: of jobs by number or name, of arrays (a1), or of all."""

from __future__ import annotations

import click

from tradewind.cli import exits

_jobs = click.argument("jobs", nargs=-1, metavar="[JOB|aARRAY]...")
_all = click.option("-a", "--all", "everything", is_flag=True, help="Every job whose state allows it.")
_yes = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


@click.command()
@_jobs
@click.option("-n", "--name", "names", multiple=True, help="The same as naming it; may be repeated.")
@_all
@_yes
def cancel(jobs: tuple[str, ...], names: tuple[str, ...], *, everything: bool, yes: bool) -> int:
    """End managed jobs and their clusters. Checkpoints are kept."""
    return _change("cancel", (*jobs, *names), everything=everything, yes=yes, ask="Cancel")


@click.command()
@_jobs
@_all
def pause(jobs: tuple[str, ...], *, everything: bool) -> int:
    """Give the machines of managed jobs back; their checkpoints are kept, and `resume` goes on from there."""
    return _change("pause", jobs, everything=everything)


@click.command()
@_jobs
@_all
def resume(jobs: tuple[str, ...], *, everything: bool) -> int:
    """Put paused managed jobs back into the queue."""
    return _change("resume", jobs, everything=everything)


@click.command()
@_jobs
@_all
@click.option(
    "--budget", type=click.FloatRange(min=0, min_open=True), help="What it may cost in all from now on (USD)."
)
def retry(jobs: tuple[str, ...], budget: float | None, *, everything: bool) -> int:
    """Put managed jobs that failed or were cancelled back into the queue; they go on from their last checkpoint."""
    return _change("retry", jobs, everything=everything, query="" if budget is None else f"?budget_usd={budget!r}")


def _change(
    change: str, words: tuple[str, ...], *, everything: bool, yes: bool = True, ask: str = "", query: str = ""
) -> int:
    from tradewind.cli import daemon, managed
    from tradewind.cli.confirm import confirm
    from tradewind.cli.errors import CliError

    if bool(words) == everything:
        raise click.UsageError(f"name the jobs to {change}, or give --all.")
    api = daemon.reach(start=False)
    if everything:
        states = {"cancel": "unfinished=1", "pause": "unfinished=1", "resume": "state=PAUSED"}
        chosen = api.get(
            f"/v1/jobs?{states.get(change, 'state=FAILED,FAILED_SETUP,FAILED_PRECHECKS,FAILED_NO_RESOURCE,CANCELLED')}&limit=100000"
        )
        targets = [managed.Target(int(job["id"]), f"managed job {job['id']} ({job['name']})") for job in chosen]
        targets = [one for one, job in zip(targets, chosen, strict=True) if job["state"] not in managed.ALREADY[change]]
    else:
        targets = [managed.target(api, word) for word in words]
    if not targets:
        print(f"There is no managed job to {change}.")
        return exits.OK
    names = targets[0].text if len(targets) == 1 else f"{len(targets)} managed jobs"
    if ask:
        confirm(f"{ask} {names}?", yes=yes)
    for one in targets:
        try:
            print(managed.change(api, one, change, query))
        except CliError as refused:
            if not everything or refused.exit_code != exits.FAILED:
                raise
            print(refused)  # it has come to its end since it was listed
    return exits.OK

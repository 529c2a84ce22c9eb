"""`tradewind launch FILE`, or a command."""

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
@click.option(
    "-c", "--cluster", metavar="NAME", help="Its name; an existing one that is up runs the task as a further job."
)
@click.option("-n", "--name", help="The job's name, and the cluster's if none is given; the task's if not given.")
@task_flags
@options.secrets
@options.secret_files
@click.option(
    "-i",
    "--idle-minutes-to-autostop",
    "idle_minutes",
    type=click.IntRange(min=-1),
    metavar="MINUTES",
    help="Stop it once it is idle that long; -1: never.",
)
@click.option("--wait-for", type=click.Choice(["jobs_and_ssh", "jobs", "none"]), help="What it is not idle during.")
@click.option(
    "--down", is_flag=True, default=None, help="End it instead of stopping it; alone: once its last job has ended."
)
@click.option("-r", "--retry-until-up", is_flag=True, help="When every place refuses, wait and try again.")
@click.option("--no-setup", is_flag=True, help="Leave the task's setup out.")
@options.rehearse
@options.dryrun
@options.yes
@options.detach
@options.accepted_json
@options.catalog
def launch(
    words: tuple[str, ...], cluster: str | None, name: str | None, catalog: str | None, idle_minutes: int | None,
    wait_for: str | None, flags: dict[str, Any], secrets: tuple[str, ...], secret_files: tuple[str, ...],
    *, down: bool | None, rehearse: bool, yes: bool, detach: bool, retry_until_up: bool, no_setup: bool, dryrun: bool,
    as_json: bool,
) -> int:  # fmt: skip
    """Plan a task, ask, get the machines, run setup and run there, and follow the output. The cluster stays up: `tradewind down`.

    The task is a task file, or a command: `tradewind launch --cpus 4 'python train.py'`; options of the command itself stand behind `--`.
    """
    import msgspec

    from tradewind.cli import daemon, jobs, submission
    from tradewind.cli.follow import copy_logs, detaching, interrupted, stages, watched
    from tradewind.cli.purchase import accept, further_job

    given = submission.secret_values(secrets, secret_files, words)
    flags |= {"name": name, "idle_minutes": idle_minutes, "wait_for": wait_for, "autostop_down": down}
    task = read(words, {**flags, "secrets": tuple(given)}, "launch")
    if no_setup:
        task = msgspec.structs.replace(task, setup=None)
    more: dict[str, Any] = {} if dryrun else {"secrets": submission.with_environment(task.secrets, given)}
    api = daemon.reach(start=True)
    wanted = cluster or task.name
    body = further_job(api, wanted, task, yes=yes, start=not dryrun)
    if body is None:
        with interrupted("interrupted; nothing was bought."):
            body = accept(api, task, rehearse=rehearse, catalog=catalog, yes=yes or dryrun).body
    if dryrun:
        print("Only shown: nothing was bought or started.", file=sys.stderr)
        return exits.OK
    body = {**body, **more, "cluster": wanted, "retry_until_up": retry_until_up}
    began = time.time()
    with interrupted(
        "interrupted while it was being launched; `tradewind status` shows whether it has begun, `tradewind down` ends it."
    ):
        launched = api.post("/v1/launch", body)
    name, job_id = launched["cluster"], int(launched["job_id"])
    back = f"tradewind logs {name} {job_id}"
    if as_json:
        print_json(launched)
        return exits.OK
    if detach:
        print(f"{name}: accepted as job {job_id}; follow it with `{back}`.")
        return exits.OK
    with detaching(back), stages(api, f"cluster/{name}", began, out=watched(), linger_s=0.2) as hush:
        copy_logs(api, jobs.log_path(name, job_id, follow=True), hush=hush)
    return jobs.verdict(api, name, job_id)

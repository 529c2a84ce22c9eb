"""`tradewind launch FILE`."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from tradewind.cli import exits, options
from tradewind.cli.overrides import read, task_flags


@click.command()
@options.task_file
@click.option(
    "-c", "--cluster", metavar="NAME", help="Its name; an existing one that is up runs the task as a further job."
)
@task_flags
@options.rehearse
@options.yes
@options.detach
@options.catalog
@click.option("-r", "--retry-until-up", is_flag=True, help="When every place refuses, wait and try again.")
def launch(
    file: str,
    cluster: str | None,
    catalog: str | None,
    flags: dict[str, Any],
    *,
    rehearse: bool,
    yes: bool,
    detach: bool,
    retry_until_up: bool,
) -> int:
    """Plan a task, ask, get the machines, run setup and run there, and follow the output. The cluster stays up: `tradewind down`."""
    from tradewind.cli import daemon, jobs
    from tradewind.cli.follow import copy_logs, detaching, stages, watched
    from tradewind.cli.purchase import accept, further_job

    task = read(file, flags, "launch")
    api = daemon.reach(start=True)
    wanted = cluster or task.name
    if wanted is not None and any(c["name"] == wanted and c["state"] != "TERMINATED" for c in api.get("/v1/clusters")):
        print(
            f"{wanted} is there already; the task runs on it as a further job, and nothing is bought.", file=sys.stderr
        )
        body = further_job(task)
    else:
        body = accept(api, task, rehearse=rehearse, catalog=catalog, yes=yes).body
    if wanted is not None:
        body = {**body, "cluster": wanted}
    if retry_until_up:
        body = {**body, "retry_until_up": True}
    began = time.time()
    launched = api.post("/v1/launch", body)
    name, job_id = launched["cluster"], int(launched["job_id"])
    back = f"tradewind logs {name} {job_id}"
    if detach:
        print(f"{name}: accepted as job {job_id}; follow it with `{back}`.")
        return exits.OK
    with detaching(back), stages(api, f"cluster/{name}", began, out=watched(), linger_s=0.2):
        copy_logs(api, jobs.log_path(name, job_id, follow=True))
    return jobs.verdict(api, name, job_id)

"""`tradewind exec CLUSTER FILE`."""

from __future__ import annotations

from typing import Any

import click

from tradewind.cli import exits, options
from tradewind.cli.overrides import read, task_flags


@click.command(name="exec")
@click.argument("cluster")
@options.task_file
@task_flags
@options.detach
def exec_(cluster: str, file: str, flags: dict[str, Any], *, detach: bool) -> int:
    """Run a task's `run` on a cluster that is up, without its setup, and follow the output."""
    from tradewind.cli import daemon, jobs
    from tradewind.cli.follow import copy_logs, detaching
    from tradewind.spec import task_to_dict

    task = task_to_dict(read(file, flags, "exec"))
    api = daemon.reach(start=False)
    if not api.up:
        raise daemon.no_cluster(cluster)
    job_id = int(api.post(f"{daemon.cluster_resource(cluster)}/exec", {"task": task})["job_id"])
    back = f"tradewind logs {cluster} {job_id}"
    if detach:
        print(f"{cluster}: accepted as job {job_id}; follow it with `{back}`.")
        return exits.OK
    with detaching(back):
        copy_logs(api, jobs.log_path(cluster, job_id, follow=True))
    return jobs.verdict(api, cluster, job_id)

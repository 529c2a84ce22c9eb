"""`tradewind logs CLUSTER [JOB]`."""

from __future__ import annotations

import click

from tradewind.cli import exits, options


@click.command()
@click.argument("cluster")
@click.argument("job", type=int, required=False)
@options.follow
@click.option(
    "--rank", type=click.IntRange(min=0), help="One node's output, bytes as they came; all nodes' lines when not given."
)
@click.option("--tail", type=click.IntRange(min=1), metavar="N", help="Only the last N lines so far; does not follow.")
@options.sync_down
@click.option("--status", is_flag=True, help="Only the job's state; exit code 0 when it has succeeded.")
def logs(
    cluster: str, job: int | None, rank: int | None, tail: int | None, *, follow: bool, status: bool, sync_down: bool
) -> int:
    """The output of a cluster's job, the newest one if none is named. Ctrl-C leaves it running."""
    from tradewind.cli import daemon, jobs
    from tradewind.cli.follow import copy_logs, detaching

    api = daemon.reach(start=False)
    if not api.up:
        raise daemon.no_cluster(cluster)
    job_id = jobs.newest(api, cluster) if job is None else job
    if status:
        return jobs.verdict(api, cluster, job_id)
    if sync_down:
        so_far = jobs.log_path(cluster, job_id, follow=False, rank=rank)
        jobs.keep(api.stream(so_far), f"{cluster}-{job_id}", rank)
        return exits.OK
    if tail is not None:
        jobs.print_last(api.stream(jobs.log_path(cluster, job_id, follow=False, rank=rank)), tail)
        return exits.OK
    with detaching(f"tradewind logs {cluster} {job_id}"):
        copy_logs(api, jobs.log_path(cluster, job_id, follow=follow, rank=rank))
    return jobs.verdict(api, cluster, job_id) if follow else exits.OK

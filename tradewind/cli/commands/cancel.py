"""`tradewind cancel CLUSTER [JOB...]`."""

from __future__ import annotations

import click

from tradewind.cli import exits


@click.command()
@click.argument("cluster")
@click.argument("jobs", nargs=-1, type=int, metavar="[JOB...]")
@click.option("-a", "--all", "everything", is_flag=True, help="Every unfinished job of the cluster.")
def cancel(cluster: str, jobs: tuple[int, ...], *, everything: bool) -> int:
    """End jobs of a cluster (all unfinished ones with --all); the cluster stays up."""
    from tradewind.cli import daemon, rows

    if not jobs and not everything:
        raise click.UsageError("say which jobs by number, or --all.")
    api = daemon.reach(start=False)
    if not api.up:
        raise daemon.no_cluster(cluster)
    wanted = list(jobs)
    if everything:
        wanted = [
            int(j["id"]) for j in api.get(f"{daemon.cluster_resource(cluster)}/jobs") if j["state"] not in rows.ENDED
        ]
    for job in wanted:
        api.post(f"{daemon.cluster_resource(cluster)}/jobs/{job}/cancel")
        print(f"job {job} on {cluster}: cancelled")
    if not wanted:
        print(f"{cluster} has no unfinished job.")
    return exits.OK

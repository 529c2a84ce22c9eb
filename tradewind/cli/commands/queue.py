"""`tradewind queue CLUSTER`."""

from __future__ import annotations

import click

from tradewind.cli import exits, options
from tradewind.cli.output import print_json


@click.command()
@click.argument("cluster")
@click.option("-s", "--skip-finished", is_flag=True, help="Leave out those that have ended.")
@options.as_json
def queue(cluster: str, *, skip_finished: bool, as_json: bool) -> int:
    """The jobs of a cluster, and what each waits for."""
    from tradewind.cli import daemon, rows

    api = daemon.reach(start=False)
    if not api.up:
        raise daemon.no_cluster(cluster)
    found = api.get(f"{daemon.cluster_resource(cluster)}/jobs")
    if skip_finished:
        found = [job for job in found if job["ended_unix"] is None]
    if as_json:
        print_json(found)
    else:
        print(
            rows.jobs_table(found) if found else f"{cluster} has no {'unfinished job' if skip_finished else 'job yet'}."
        )
    return exits.OK

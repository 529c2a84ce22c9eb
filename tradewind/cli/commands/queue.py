"""`tradewind queue CLUSTER`."""

from __future__ import annotations

import click

from tradewind.cli import exits, options
from tradewind.cli.output import print_json


@click.command()
@click.argument("cluster")
@options.as_json
def queue(cluster: str, *, as_json: bool) -> int:
    """The jobs of a cluster, and what each waits for."""
    from tradewind.cli import daemon, rows

    api = daemon.reach(start=False)
    if not api.up:
        raise daemon.no_cluster(cluster)
    found = api.get(f"{daemon.cluster_resource(cluster)}/jobs")
    if as_json:
        print_json(found)
    else:
        print(rows.jobs_table(found) if found else f"{cluster} has no job yet.")
    return exits.OK

"""`tradewind status`."""

from __future__ import annotations

import sys

import click

from tradewind.cli import exits, options
from tradewind.cli.output import print_json


@click.command()
@click.argument("names", nargs=-1, metavar="[CLUSTER...]")
@click.option("-a", "--all", "everything", is_flag=True, help="Also clusters and jobs that have ended.")
@click.option("-r", "--refresh", is_flag=True, help="Ask every cloud first what it still has.")
@options.as_json
def status(names: tuple[str, ...], *, everything: bool, refresh: bool, as_json: bool) -> int:
    """The clusters and unfinished managed jobs, their cost, and what each waits for."""
    from tradewind.cli import daemon, rows

    api = daemon.reach(start=False)
    if refresh and api.up:
        for remark in api.post("/v1/refresh")["remarks"]:
            print(f"tradewind: {remark}", file=sys.stderr)
    clusters = list(api.get("/v1/clusters" + ("?all=1" if everything else "")))
    jobs = [
        j
        for j in api.get("/v1/jobs" if everything else "/v1/jobs?unfinished=1")
        if everything or j["state"] not in rows.ENDED
    ]
    if names:
        clusters = [c for c in clusters if c["name"] in names]
        jobs = []
        missing = sorted(set(names) - {c["name"] for c in clusters})
        if missing:
            raise daemon.no_cluster(missing[0])
    if as_json:
        print_json({"clusters": clusters, "jobs": jobs})
        return exits.OK
    print(rows.clusters_table(clusters) if clusters else "No cluster is up.")
    for name in names:
        found = api.get(f"{daemon.cluster_resource(name)}/jobs")
        if found:
            print(f"\nJobs on {name}\n" + rows.jobs_table(found))
    if jobs:
        print("\nManaged jobs\n" + rows.jobs_table(jobs))
    return exits.OK

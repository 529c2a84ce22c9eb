"""`tradewind status`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from tradewind.cli import exits, options
from tradewind.cli.output import print_json

if TYPE_CHECKING:
    from tradewind.cli.daemon import Api


@click.command()
@click.argument("names", nargs=-1, metavar="[CLUSTER...]")
@click.option("-a", "--all", "everything", is_flag=True, help="Also clusters and jobs that have ended.")
@click.option("-r", "--refresh", is_flag=True, help="Ask every cloud first what it still has.")
@click.option("--ip", is_flag=True, help="Only the address of a cluster's head.")
@click.option("--endpoints", is_flag=True, help="Only where a cluster's open ports are reached.")
@click.option(
    "--endpoint", type=click.IntRange(1, 65535), metavar="PORT", help="Only where this port of its head is reached."
)
@options.as_json
def status(
    names: tuple[str, ...],
    endpoint: int | None,
    *,
    everything: bool,
    refresh: bool,
    ip: bool,
    endpoints: bool,
    as_json: bool,
) -> int:
    """The clusters and unfinished managed jobs, their cost, and what each waits for."""
    from tradewind.cli import daemon, progress, rows

    api = daemon.reach(start=False)
    if refresh and api.up:
        with progress.waiting("asking the clouds"):
            remarks = api.post("/v1/refresh")["remarks"]
        for remark in remarks:
            print(f"tradewind: {remark}", file=sys.stderr)
    if ip or endpoints or endpoint is not None:
        return _reached(api, names, endpoint, ip=ip)
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
    for one in clusters:
        if one["state"] == "PREEMPTED":
            one["lost_unix"] = _lost_unix(api, one["name"])
    print(rows.clusters_table(clusters) if clusters else "No cluster is up.")
    for name in names:
        found = api.get(f"{daemon.cluster_resource(name)}/jobs")
        if found:
            print(f"\nJobs on {name}\n" + rows.jobs_table(found))
    if jobs:
        print("\nManaged jobs\n" + rows.jobs_table(jobs))
    return exits.OK


def _lost_unix(api: Api, name: str) -> float | None:
    """When the cluster was preempted."""
    from urllib.parse import quote

    told = api.get(f"/v1/events?subject=cluster/{quote(name, safe='')}")
    return next((float(event["unix"]) for event in reversed(told) if event["kind"] == "preempted"), None)


def _reached(api: Api, names: tuple[str, ...], endpoint: int | None, *, ip: bool) -> int:
    """Print where one cluster is reached, for scripts."""
    from tradewind.cli import daemon
    from tradewind.cli.errors import CliError

    if len(names) != 1:
        raise click.UsageError("name one cluster whose address is wanted.")
    if not api.up:
        raise daemon.no_cluster(names[0])
    nodes = api.get(f"{daemon.cluster_resource(names[0])}/endpoints")
    if ip:
        print(nodes[0]["host"])
        return exits.OK
    wanted = nodes[0]["ports"] if endpoint is None else [endpoint]
    if endpoint is not None and endpoint not in nodes[0]["ports"]:
        raise CliError(
            f"port {endpoint} of {names[0]} is not open; `tradewind ports {names[0]} {endpoint}` opens it.",
            exits.FAILED,
        )
    for port in wanted:
        print(f"{nodes[0]['host']}:{port}")
    return exits.OK

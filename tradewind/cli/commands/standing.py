"""`tradewind stop`, `start`, `autostop` and `ports`: what is done with clusters that are there."""

from __future__ import annotations

import sys

import click

from tradewind.cli import exits, options

_WAITING = {
    "jobs_and_ssh": " without a job or an SSH session",
    "jobs": " without a job",
    "none": ", whatever runs there",
}


_DOING = {"stop": "stopping", "start": "starting"}


def _each(names: tuple[str, ...], verb: str, done: str) -> int:
    """Post `verb` for every cluster; what failed is said, and the rest is still done."""
    from tradewind.cli import daemon
    from tradewind.cli.errors import CliError
    from tradewind.cli.follow import interrupted
    from tradewind.cli.progress import waiting

    api = daemon.reach(start=False)
    failed = False
    for name in names:
        try:
            if not api.up:
                raise daemon.no_cluster(name)
            with (
                waiting(f"{name}: {_DOING[verb]}"),
                interrupted(
                    f"interrupted; the {verb} of {name} goes on. `tradewind status` shows what has become of it."
                ),
            ):
                answer = api.post(f"{daemon.cluster_resource(name)}/{verb}")
            if verb == "stop" and answer["state"] != "STOPPED":
                raise CliError(f"{name} was not stopped: {answer['why'] or answer['state']}", exits.FAILED)
        except CliError as error:
            if error.exit_code == exits.INTERRUPTED:  # those named after it are left as they are
                raise
            failed = True
            print(f"tradewind: {error}", file=sys.stderr)
        else:
            print(f"{name}: {done}")
    return exits.FAILED if failed else exits.OK


def _chosen(names: tuple[str, ...], state: str, *, everything: bool) -> tuple[str, ...]:
    """The clusters that are named, or all of that state that are a person's own."""
    from tradewind.cli import daemon

    if bool(names) == everything:
        raise click.UsageError("name the clusters, or --all.")
    if not everything:
        return names
    listed = daemon.reach(start=False).get("/v1/clusters")
    return tuple(one["name"] for one in listed if one["state"] == state and one["managed_job_id"] is None)


@click.command()
@click.argument("names", nargs=-1, metavar="CLUSTER...")
@click.option("-a", "--all", "everything", is_flag=True, help="Every cluster that is up.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def stop(names: tuple[str, ...], *, everything: bool, yes: bool) -> int:
    """Stop clusters: their jobs end, their disks stay and are paid for. Returns when the machines are stopped."""
    from tradewind.cli.confirm import confirm

    names = _chosen(names, "UP", everything=everything)
    if not names:
        print("No cluster is up.")
        return exits.OK
    confirm(f"Stop {', '.join(names)}? Jobs that run there end.", yes=yes)
    return _each(names, "stop", "stopped; `tradewind start` brings it back, its disk is still paid for.")


@click.command()
@click.argument("names", nargs=-1, metavar="CLUSTER...")
@click.option("-a", "--all", "everything", is_flag=True, help="Every cluster that is stopped.")
def start(names: tuple[str, ...], *, everything: bool) -> int:
    """Start stopped clusters again. Returns when they are up."""
    names = _chosen(names, "STOPPED", everything=everything)
    if not names:
        print("No cluster is stopped.")
        return exits.OK
    return _each(names, "start", "up.")


@click.command()
@click.argument("name", metavar="CLUSTER")
@click.option("-i", "--idle-minutes", type=click.FloatRange(min=0), default=5.0, help="After so many idle ones; 5.")
@click.option(
    "--wait-for",
    type=click.Choice(list(_WAITING)),
    default="jobs_and_ssh",
    show_default=True,
    help="What it is not idle during: jobs and SSH sessions, jobs alone, nothing.",
)
@click.option("--down", is_flag=True, help="End it instead of stopping it.")
@click.option("--cancel", is_flag=True, help="Never.")
def autostop(name: str, wait_for: str, *, idle_minutes: float, down: bool, cancel: bool) -> int:
    """Stop a cluster, or with --down end it, once it has been idle for a while."""
    from tradewind.cli import daemon

    api = daemon.reach(start=False)
    if not api.up:
        raise daemon.no_cluster(name)
    body = {"minutes": None if cancel else idle_minutes, "down": down, "wait_for": wait_for}
    api.post(f"{daemon.cluster_resource(name)}/autostop", body)
    what = "ends" if down else "stops"
    print(
        f"{name}: it never stops by itself."
        if cancel
        else f"{name}: it {what} after {idle_minutes:g} minutes{_WAITING[wait_for]}."
    )
    return exits.OK


@click.command()
@click.argument("name", metavar="CLUSTER")
@click.argument("numbers", nargs=-1, type=click.IntRange(1, 65535), metavar="[PORT]...")
@options.as_json
def ports(name: str, numbers: tuple[int, ...], *, as_json: bool) -> int:
    """Let the world reach TCP ports of a cluster until it ends, and show where; without ports, those that are open."""
    from tradewind.cli import daemon
    from tradewind.cli.output import print_json

    api = daemon.reach(start=False)
    if not api.up:
        raise daemon.no_cluster(name)
    if numbers:
        api.post(f"{daemon.cluster_resource(name)}/ports", {"ports": list(numbers)})
    nodes = api.get(f"{daemon.cluster_resource(name)}/endpoints")
    if as_json:
        print_json(nodes)
        return exits.OK
    if not nodes[0]["ports"]:
        print(f"{name} has no open port.")
        return exits.OK
    for node in nodes:
        print(", ".join(f"{node['host']}:{number}" for number in numbers or node["ports"]))
    return exits.OK

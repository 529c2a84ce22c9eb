"""`tradewind stop`, `start`, `autostop` and `ports`: what is done with clusters that are there."""

from __future__ import annotations

import sys

import click

from tradewind.cli import exits


def _each(names: tuple[str, ...], verb: str, done: str) -> int:
    """Post `verb` for every cluster; what failed is said, and the rest is still done."""
    from tradewind.cli import daemon
    from tradewind.cli.errors import CliError

    api = daemon.reach(start=False)
    failed = False
    for name in names:
        try:
            if not api.up:
                raise daemon.no_cluster(name)
            answer = api.post(f"{daemon.cluster_resource(name)}/{verb}")
            if verb == "stop" and answer["state"] != "STOPPED":
                raise CliError(f"{name} was not stopped: {answer['why'] or answer['state']}", exits.FAILED)
        except CliError as error:
            failed = True
            print(f"tradewind: {error}", file=sys.stderr)
        else:
            print(f"{name}: {done}")
    return exits.FAILED if failed else exits.OK


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="CLUSTER...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def stop(names: tuple[str, ...], *, yes: bool) -> int:
    """Stop clusters: their jobs end, their disks stay and are paid for. Returns when the machines are stopped."""
    from tradewind.cli.confirm import confirm

    confirm(f"Stop {', '.join(names)}? Jobs that run there end.", yes=yes)
    return _each(names, "stop", "stopped; `tradewind start` brings it back, its disk is still paid for.")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="CLUSTER...")
def start(names: tuple[str, ...]) -> int:
    """Start stopped clusters again. Returns when they are up."""
    return _each(names, "start", "up.")


@click.command()
@click.argument("name", metavar="CLUSTER")
@click.option("-i", "--idle-minutes", type=click.FloatRange(min=0), default=5.0, help="After so many without a job; 5.")
@click.option("--down", is_flag=True, help="End it instead of stopping it.")
@click.option("--cancel", is_flag=True, help="Never.")
def autostop(name: str, *, idle_minutes: float, down: bool, cancel: bool) -> int:
    """Stop a cluster, or with --down end it, once it has been without a job for a while."""
    from tradewind.cli import daemon

    api = daemon.reach(start=False)
    if not api.up:
        raise daemon.no_cluster(name)
    body = {"minutes": None if cancel else idle_minutes, "down": down}
    api.post(f"{daemon.cluster_resource(name)}/autostop", body)
    what = "ends" if down else "stops"
    print(
        f"{name}: it never stops by itself."
        if cancel
        else f"{name}: it {what} after {idle_minutes:g} minutes without a job."
    )
    return exits.OK


@click.command()
@click.argument("name", metavar="CLUSTER")
@click.argument("numbers", nargs=-1, required=True, type=click.IntRange(1, 65535), metavar="PORT...")
def ports(name: str, numbers: tuple[int, ...]) -> int:
    """Let the world reach TCP ports of a cluster, until it ends."""
    from tradewind.cli import daemon

    api = daemon.reach(start=False)
    if not api.up:
        raise daemon.no_cluster(name)
    api.post(f"{daemon.cluster_resource(name)}/ports", {"ports": list(numbers)})
    nodes = api.post(f"{daemon.cluster_resource(name)}/login")["nodes"]
    for node in nodes:
        print(", ".join(f"{node['host']}:{number}" for number in numbers))
    return exits.OK

"""`tradewind down NAME...`."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

import click

from tradewind.cli import exits

if TYPE_CHECKING:
    from tradewind.cli.daemon import Api


def _going_on(api: Api, name: str) -> str:
    """What the ending of the cluster waits for, as far as the daemon says it."""
    from tradewind.cli import daemon
    from tradewind.cli.errors import CliError

    try:
        waits = api.get(daemon.cluster_resource(name))["waiting_for"]
    except CliError:
        waits = ""
    return f"ending {name}: waits for {waits}" if waits else f"ending {name}"


@click.command()
@click.argument("names", nargs=-1, metavar="CLUSTER...")
@click.option("-a", "--all", "everything", is_flag=True, help="Every cluster.")
@click.option("-p", "--purge", is_flag=True, help="Forget them without asking their clouds, which may still have them.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def down(names: tuple[str, ...], *, everything: bool, purge: bool, yes: bool) -> int:
    """End clusters: their jobs, instances and disks. Returns when nothing of them is left."""
    from tradewind.cli import daemon
    from tradewind.cli.confirm import confirm
    from tradewind.cli.errors import CliError
    from tradewind.cli.follow import interrupted
    from tradewind.cli.progress import waiting

    if not names and not everything:
        raise click.UsageError("name the clusters, or --all.")
    api = daemon.reach(start=False)
    up = [c["name"] for c in api.get("/v1/clusters") if c["state"] != "TERMINATED"]
    if everything:
        names = tuple(up)
    for name in names:
        if name not in up:
            raise daemon.no_cluster(name)
    if not names:
        print("No cluster is up.")
        return exits.OK
    confirm(f"End {', '.join(names)} and everything on {'it' if len(names) == 1 else 'them'}?", yes=yes)
    failed = False
    for name in names:
        try:
            with (
                waiting(functools.partial(_going_on, api, name)),
                interrupted(
                    f"interrupted; {name} goes on being ended. `tradewind status` shows when nothing of it is left."
                ),
            ):
                api.post(f"{daemon.cluster_resource(name)}/{'purge' if purge else 'down'}")
        except CliError as error:
            if error.exit_code == exits.INTERRUPTED:  # those named after it are left as they are
                raise
            failed = True
            print(f"tradewind: {error}", file=sys.stderr)
        else:
            print(
                f"{name}: forgotten; look at its cloud's console." if purge else f"{name}: down; nothing of it is left."
            )
    return exits.FAILED if failed else exits.OK

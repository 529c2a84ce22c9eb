"""`tradewind reap`."""

from __future__ import annotations

import sys

import click

from tradewind.cli import exits, options
from tradewind.cli.output import print_json


@click.command()
@click.option("--dry-run", is_flag=True, help="Only list it.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@options.as_json
def reap(*, dry_run: bool, yes: bool, as_json: bool) -> int:
    """Find and remove what carries this data directory's tags at any cloud and no record owns.

    Exit code 1 when a cloud did not answer: there may be more.
    """
    from tradewind.cli import daemon
    from tradewind.cli.confirm import confirm
    from tradewind.cli.progress import waiting

    api = daemon.reach(start=True)
    with waiting("asking the clouds"):
        answer = api.post("/v1/reap", {"dry_run": True})
    if answer["found"] and not dry_run:
        if not as_json:
            _show(answer)
        confirm(f"Remove these {len(answer['found'])} things?", yes=yes)
        answer = api.post("/v1/reap", {"dry_run": False})
    if as_json:
        print_json(answer)
    elif dry_run or not answer["found"]:
        _show(answer)
    else:
        print(f"{len(answer['found'])} removed.")
    for remark in answer["remarks"]:
        print(f"tradewind: {remark}", file=sys.stderr)
    return exits.FAILED if answer["remarks"] else exits.OK


def _show(answer: dict[str, list[dict[str, str]]]) -> None:
    for one in answer["found"]:
        print(f"{one['cloud']:<6} {one['kind']:<9} {one['name']}")
    if not answer["found"]:
        print("Nothing is left over.")

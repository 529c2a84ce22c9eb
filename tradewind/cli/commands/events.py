"""`tradewind events NAME`."""

from __future__ import annotations

import click

from tradewind.cli import exits, options, terminal, timeline
from tradewind.cli.output import print_json


@click.command()
@click.argument("name", metavar="NAME")
@click.option("-f", "--follow", is_flag=True, help="Go on until it has ended.")
@options.as_json
def events(name: str, *, follow: bool, as_json: bool) -> int:
    """The timeline of a cluster (its name) or of a managed job (its number or name): every transition, from the record itself."""
    from tradewind.cli import daemon
    from tradewind.cli.follow import detaching
    from tradewind.cli.follow import events as rows_of

    api = daemon.reach(start=False)
    subject = daemon.subject(api, name)
    first: float | None = None
    found = []
    with detaching(f"tradewind events {name} -f"):
        for event in rows_of(api, subject, follow=follow):
            first = float(event["unix"]) if first is None else first
            if as_json:
                found.append(event)
            else:
                print(timeline.line(event, first, colour=terminal.colourful(), limit=terminal.width()), flush=True)
    if as_json:
        print_json(found)
    return exits.OK

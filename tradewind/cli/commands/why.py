"""`tradewind why NAME`."""

from __future__ import annotations

from typing import Any

import click

from tradewind.cli import exits, options, terminal, timeline
from tradewind.cli.output import print_json


@click.command()
@click.argument("name", metavar="NAME")
@options.as_json
def why(name: str, *, as_json: bool) -> int:
    """What a cluster or managed job (its number or name) waits for, or how it came to its end."""
    from tradewind.cli import daemon, follow

    api = daemon.reach(start=False)
    subject = daemon.subject(api, name)
    kind, _, key = subject.partition("/")
    row: dict[str, Any] = api.get(f"/v1/jobs/{key}" if kind == "job" else daemon.cluster_resource(key))
    facts = [event for event in follow.events(api, subject) if timeline.is_stage(event, subject)]
    if as_json:
        last = facts[-1] if facts else None
        print_json(
            {
                "subject": subject,
                "state": row["state"],
                "waiting_for": row["waiting_for"],
                "why": row["why"],
                "last": last,
            }
        )
        return exits.OK
    print(f"{name} is {row['state']}.")
    if row["waiting_for"]:
        print(terminal.wrapped(f"It waits for {row['waiting_for']}.", limit=terminal.width()))
    if row["why"]:
        print(terminal.wrapped(f"Because: {row['why']}", limit=terminal.width()))
    if facts:
        print(
            "The last that happened:\n"
            + timeline.timeline(facts[-3:], colour=terminal.colourful(), limit=terminal.width())
        )
    return exits.OK

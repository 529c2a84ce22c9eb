"""`tradewind doctor`."""

from __future__ import annotations

import click

from tradewind.cli import exits, options, terminal
from tradewind.cli.output import print_json

_SAYS_FROM = 25  # the column that follows verdict and subject


@click.command()
@options.as_json
def doctor(*, as_json: bool) -> int:
    """What is wrong on this machine, if anything, and how to mend it. Exit code 1 when something is."""
    from tradewind.cli.progress import waiting
    from tradewind.sdk.checkup import findings

    with waiting("looking"):
        found = findings()
    if as_json:
        print_json([finding._asdict() for finding in found])
    else:
        colour = terminal.colourful()
        for finding in found:
            verdict = (
                terminal.styled("ok     ", "green", colour=colour)
                if finding.well
                else terminal.styled("PROBLEM", "red", colour=colour)
            )
            says = terminal.wrapped(finding.says, indent=_SAYS_FROM, limit=terminal.width()).lstrip()
            print(f"{verdict}  {finding.what:<15} {says}")
    return exits.OK if all(finding.well for finding in found) else exits.FAILED

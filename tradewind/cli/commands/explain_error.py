"""`tradewind explain-error CODE`."""

from __future__ import annotations

import click

from tradewind.cli import exits, options
from tradewind.cli.output import print_json

_COVERS = {
    "zone": "everything in that zone",
    "region": "everything in that region",
    "cloud": "the whole cloud",
    "type": "this machine type in that zone and market",
    "family": "this family of machine types in that region and market",
}


def _lasting(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= length:
            count = seconds / length
            return f"{count:g} {unit}{'' if count == 1 else 's'}"
    return "no time"


@click.command(name="explain-error")
@click.argument("code")
@options.as_json
def explain_error(code: str, *, as_json: bool) -> int:
    """What a cloud's error code means to failover: its kind, what it rules out and for how long, with the source."""
    from tradewind.cli.errors import CliError
    from tradewind.sdk.checking import explain_error as meanings

    found = meanings(code)
    if not found:
        raise CliError(
            f"no table knows the code {code}; a launch that meets it leaves that zone alone for some minutes and names it as unknown.",
            exits.FAILED,
        )
    if as_json:
        print_json(found)
        return exits.OK
    for cloud, known in found.items():
        print(f"{cloud}: {code} is about {known.kind}.")
        print(f"  it rules out {_COVERS[known.scope]} for {_lasting(known.seconds)}")
        if known.mend:
            print(f"  what to do: {known.mend}")
        print(f"  source: {known.source}")
    return exits.OK

"""`tradewind check [CLOUD...]`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from tradewind.cli import exits, options, terminal
from tradewind.cli.output import print_json

if TYPE_CHECKING:
    from tradewind.sdk.checking import CloudCheck


def _print(name: str, found: CloudCheck, *, colour: bool) -> None:
    why = found.why_not
    verdict = terminal.styled("works", "green", colour=colour) if found.works else "not usable" if why else "incomplete"
    limit = terminal.width()
    # Colour takes no columns, and textwrap would count it: only "works" has some, and stands alone.
    print(f"{name}: {verdict}" if not why else terminal.wrapped(f"{name}: {verdict}: {why}", limit=limit))
    for finding in found.findings:
        mark = "ok     " if finding.ok else "MISSING"
        told = "; ".join(part for part in (finding.permission, finding.why) if part)
        said = terminal.wrapped(f"{finding.what}" + (f": {told}" if told else ""), indent=11, limit=limit).lstrip()
        print(f"  {mark}  {said}")
        if finding.mend and not finding.ok:
            print(f"           mend it: {finding.mend}")  # a command, which is copied whole


@click.command()
@click.argument("names", nargs=-1, metavar="[CLOUD...]")
@options.as_json
def check(names: tuple[str, ...], *, as_json: bool) -> int:
    """Which clouds can be used from here; which permission is missing, and the command that mends it. `check local` tells of this computer.

    Exit code 1 when a named cloud, or without names every cloud, cannot be used.
    """
    from tradewind.cli import daemon
    from tradewind.cli.elsewhere import only_here
    from tradewind.cli.progress import waiting
    from tradewind.sdk.checking import check as checked

    try:
        with waiting("asking the clouds"):
            found = checked(*names)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        print_json({name: _as_data(seen) for name, seen in found.items()})
    else:
        for name, seen in found.items():
            _print(name, seen, colour=terminal.colourful())
        if told := only_here(daemon.running()):
            print(f"tradewind: {told}", file=sys.stderr)
    working = [seen.works for seen in found.values()]
    return exits.OK if (all(working) if names else any(working)) else exits.FAILED


def _as_data(found: CloudCheck) -> dict[str, Any]:
    import msgspec

    return {"works": found.works, "why_not": found.why_not, "findings": msgspec.to_builtins(found.findings)}

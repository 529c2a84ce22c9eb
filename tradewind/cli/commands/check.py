"""`tradewind check [CLOUD...]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tradewind.cli import exits, options, terminal
from tradewind.cli.output import print_json

if TYPE_CHECKING:
    from tradewind.broker.capabilities import Finding


async def _look(names: tuple[str, ...], data_dir: str) -> dict[str, tuple[str, tuple[Finding, ...]]]:
    """By cloud: why it cannot be tried at all (""), and what its check found."""
    import asyncio

    from tradewind.broker.capabilities import Checking, Finding
    from tradewind.broker.clouds.registry import LOCAL, Clouds, why_not
    from tradewind.broker.provider import ProviderError

    made = {}
    if LOCAL in names:
        from tradewind.broker.clouds.local.entry import make

        made[LOCAL] = make(data_dir)
    clouds = Clouds(data_dir, made)
    reasons = {**await asyncio.to_thread(clouds.reasons), LOCAL: why_not(LOCAL, data_dir)}

    async def one(name: str) -> tuple[Finding, ...]:
        provider = clouds[name]
        if isinstance(provider, Checking):
            return await provider.report()
        try:
            return (Finding(what="use it", ok=True, why=await provider.check()),)
        except ProviderError as error:
            return (Finding(what="use it", ok=False, why=str(error)),)

    try:
        tried = [name for name in names if not reasons[name]]
        found = dict(zip(tried, await asyncio.gather(*map(one, tried)), strict=True))
    finally:
        await asyncio.to_thread(clouds.close)
    return {name: (reasons[name], found.get(name, ())) for name in names}


def _works(why_not: str, findings: tuple[Finding, ...]) -> bool:
    """Whether the cloud can be used. A missing permission of which the check says that it can be done without is not in the way."""
    return not why_not and bool(findings) and all(finding.ok for finding in findings)


def _print(name: str, why_not: str, findings: tuple[Finding, ...], *, colour: bool) -> None:
    good = _works(why_not, findings)
    verdict = terminal.styled("works", "green", colour=colour) if good else "not usable" if why_not else "incomplete"
    print(f"{name}: {verdict}" + (f": {why_not}" if why_not else ""))
    for finding in findings:
        mark = "ok     " if finding.ok else "MISSING"
        told = "; ".join(part for part in (finding.permission, finding.why) if part)
        print(f"  {mark}  {finding.what}" + (f": {told}" if told else ""))
        if finding.mend and not finding.ok:
            print(f"           mend it: {finding.mend}")


@click.command()
@click.argument("names", nargs=-1, metavar="[CLOUD...]")
@options.as_json
def check(names: tuple[str, ...], *, as_json: bool) -> int:
    """Which clouds can be used from here; which permission is missing, and the command that mends it. `check local` tells of this computer.

    Exit code 1 when a named cloud, or without names every cloud, cannot be used.
    """
    import asyncio

    from tradewind.broker.clouds.registry import LOCAL, NAMES
    from tradewind.cli.daemon import data_dir

    unknown = sorted(set(names) - {*NAMES, LOCAL})
    if unknown:
        raise click.UsageError(f"there is no cloud called {unknown[0]!r}; known are {', '.join((*NAMES, LOCAL))}.")
    found = asyncio.run(_look(names or NAMES, data_dir()))
    if as_json:
        print_json({name: _as_data(*seen) for name, seen in found.items()})
    else:
        for name, seen in found.items():
            _print(name, *seen, colour=terminal.colourful())
    working = [_works(*seen) for seen in found.values()]
    return exits.OK if (all(working) if names else any(working)) else exits.FAILED


def _as_data(why_not: str, findings: tuple[Finding, ...]) -> dict[str, Any]:
    import msgspec

    return {"works": _works(why_not, findings), "why_not": why_not, "findings": msgspec.to_builtins(findings)}

"""`tradewind catalog`: what the catalog holds, and what is set aside."""

from __future__ import annotations

import click

from tradewind.cli import exits, options, terminal
from tradewind.cli.lazy import SuggestingGroup
from tradewind.cli.output import print_json
from tradewind.cli.terminal import Column


@click.group(cls=SuggestingGroup)
def catalog() -> None:
    """The catalog itself: what is in it, what is set aside."""


@catalog.command()
@options.catalog
@options.as_json
def info(catalog: str | None, *, as_json: bool) -> int:
    """How many offers of which clouds, and from when."""
    from tradewind.catalog import OfferFilter, open_catalog

    with open_catalog(catalog) as shelf:
        counts = {
            cloud: (
                shelf.count(OfferFilter(clouds=(cloud,), use_spot=None, restricted=True, burstable=True)),
                len(shelf.regions(cloud)),
            )
            for cloud in shelf.clouds()
        }
        held = {
            "source": shelf.source,
            "date": shelf.date,
            "offers": shelf.count(),
            "clouds": {cloud: {"offers": offers, "regions": regions} for cloud, (offers, regions) in counts.items()},
        }
    if as_json:
        print_json(held)
        return exits.OK
    dated = f", newest price of {held['date']}" if held["date"] else ""
    print(f"{held['offers']:,} offers, {held['source']}{dated}.\n")
    columns = [Column("CLOUD"), Column("OFFERS", "right"), Column("REGIONS", "right")]
    cells = [[cloud, f"{offers:,}", str(regions)] for cloud, (offers, regions) in counts.items()]
    print(terminal.table(columns, cells, limit=terminal.width(), colour=terminal.colourful()))
    return exits.OK


@catalog.command()
@options.as_json
def doctor(*, as_json: bool) -> int:
    """The offers of the shipped snapshot whose prices are not believed; none of them is ever planned on."""
    from tradewind.catalog import open_catalog

    with open_catalog() as shelf:
        apart = shelf.quarantined()
    if as_json:
        print_json(apart)
        return exits.OK
    columns = [Column("CLOUD"), Column("REGION"), Column("TYPE", shrink=True), Column("WHY SET ASIDE")]
    cells = [[q.offer.cloud, q.offer.region, q.offer.instance_type, q.reason] for q in apart]
    print(terminal.table(columns, cells, limit=terminal.width(), colour=terminal.colourful(), wrap_last=True))
    print(f"\n{len(apart)} offers are set aside.")
    return exits.OK

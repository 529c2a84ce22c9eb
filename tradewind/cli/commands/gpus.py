"""`tradewind gpus [NAME]`: the accelerators on sale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tradewind.cli import exits, options, terminal
from tradewind.cli.output import print_json
from tradewind.cli.terminal import Column

if TYPE_CHECKING:
    from tradewind.catalog import Catalog

COLUMNS = [
    Column("ACCELERATOR"),
    Column("COUNT", "right"),
    Column("USD/H", "right"),
    Column("AT", shrink=True),
    Column("SPOT", "right"),
    Column("AT", shrink=True),
]


class Sold(NamedTuple):
    """An accelerator in one number a machine, and where that is cheapest in each market (None: not sold)."""

    accelerator: str
    number: float
    on_demand: dict[str, Any] | None
    spot: dict[str, Any] | None


def _cheapest(shelf: Catalog, name: str, count: float, *, use_spot: bool) -> dict[str, Any] | None:
    from tradewind.catalog import OfferFilter
    from tradewind.cli.planpage import place

    found = shelf.offers(OfferFilter(accelerator=name, accelerator_count=count, use_spot=use_spot), limit=1)
    if not found:
        return None
    price = found[0].price_spot_usd_h if use_spot else found[0].price_ondemand_usd_h
    where = terminal.short_place(place(found[0].cloud, found[0].region, found[0].zone))
    return {"usd_h": price, "place": where, "instance_type": found[0].instance_type}


@click.command()
@click.argument("name", required=False)
@options.catalog
@options.as_json
def gpus(name: str | None, catalog: str | None, *, as_json: bool) -> int:
    """The accelerators on sale, with the cheapest machine for each count, on demand and spot; of one if NAME is given."""
    from tradewind.catalog import open_catalog

    rows: list[Sold] = []
    with open_catalog(catalog) as shelf:
        names = shelf.accelerator_names() if name is None else [shelf.resolve_accelerators(name)[0]]
        for each in names:
            counts = shelf.accelerator_counts(each)
            rows += [
                Sold(
                    each,
                    count,
                    _cheapest(shelf, each, count, use_spot=False),
                    _cheapest(shelf, each, count, use_spot=True),
                )
                for count in (counts if name is not None else counts[:1])
            ]
    if as_json:
        print_json([row._asdict() for row in rows])
        return exits.OK
    cells = [[r.accelerator, terminal.count(r.number), *_shown(r.on_demand), *_shown(r.spot)] for r in rows]
    print(terminal.table(COLUMNS, cells, limit=terminal.width(), colour=terminal.colourful()))
    if name is None:
        print("\nThe smallest machine of each; `tradewind gpus NAME` lists every count.")
    return exits.OK


def _shown(offer: dict[str, Any] | None) -> list[str]:
    return ["-", "-"] if offer is None else [terminal.usd(offer["usd_h"]), offer["place"]]

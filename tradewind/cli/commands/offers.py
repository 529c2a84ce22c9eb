"""`tradewind offers [filters]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tradewind.cli import exits, options, terminal
from tradewind.cli.output import print_json
from tradewind.cli.terminal import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tradewind.catalog.offer import Offer

COLUMNS = [
    Column("CLOUD"),
    Column("PLACE", shrink=True),
    Column("TYPE", shrink=True),
    Column("VCPU", "right"),
    Column("GIB", "right"),
    Column("ACCELERATOR"),
    Column("USD/H", "right"),
    Column("SPOT", "right"),
]


def offers_table(rows: Sequence[Offer], *, limit: int | None, colour: bool) -> str:
    """The offers as a table; the accelerator's column only when one of them has some."""
    from tradewind.cli.planpage import within_cloud

    cells = [
        [
            o.cloud,
            within_cloud(o.region, o.zone),
            o.instance_type,
            terminal.count(o.vcpus),
            terminal.count(o.memory_gib),
            f"{o.accelerator}:{terminal.count(o.accelerator_count)}" if o.accelerator else "",
            terminal.usd(o.price_ondemand_usd_h),
            terminal.usd(o.price_spot_usd_h),
        ]
        for o in rows
    ]
    keep = [i for i in range(len(COLUMNS)) if i != 5 or any(row[5] for row in cells)]
    return terminal.table(
        [COLUMNS[i] for i in keep], [[row[i] for i in keep] for row in cells], limit=limit, colour=colour
    )


@click.command()
@click.option("--cloud", "clouds", multiple=True, help="aws, gcp, azure, lambda or vast; may be repeated.")
@click.option("--region", help="The cloud's name for it.")
@click.option("--zone", help="The cloud's name for it.")
@click.option("--gpu", "--gpus", "gpu", metavar="NAME[:COUNT]", help="Accelerators, as in a task file: A100:8.")
@click.option("--cpus", metavar="N[+]", help="vCPUs: exactly N, or at least N.")
@click.option("--memory", metavar="GIB[+]", help="Memory: exactly, or at least.")
@click.option("--arch", type=click.Choice(["x86_64", "arm64", "any"]), help="The processor's; any when not given.")
@click.option("-t", "--instance-type", help="The cloud's name for it.")
@click.option("--spot", "--use-spot", "spot", is_flag=True, help="Only what is sold as spot, by its spot price.")
@click.option("--all", "everything", is_flag=True, help="Also restricted and burstable offers.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many, cheapest first.")
@options.catalog
@options.as_json
def offers(limit: int, catalog: str | None, *, as_json: bool, **filters: object) -> int:
    """What the clouds sell that fits, cheapest first (USD an hour for the whole machine). Exit code 3 when nothing does."""
    from tradewind.catalog import open_catalog
    from tradewind.cli.offerfilter import offer_filter

    with open_catalog(catalog) as shelf:
        wanted = offer_filter(shelf, **filters)  # type: ignore[arg-type]  # click checked them
        rows = shelf.offers(wanted, limit=limit)
    if as_json:
        print_json(rows)
    elif rows:
        print(offers_table(rows, limit=terminal.width(), colour=terminal.colourful()))
    else:
        print("Nothing in the catalog fits; drop one of the filters.")
    return exits.OK if rows else exits.NO_PLAN

"""`tradewind cost-report`."""

from __future__ import annotations

import click

from tradewind.cli import exits, options
from tradewind.cli.output import print_json


@click.command(name="cost-report")
@options.as_json
def cost_report(*, as_json: bool) -> int:
    """What every cluster has cost so far, at the prices frozen when it was launched."""
    from tradewind.cli import daemon
    from tradewind.cli.terminal import Column, table, usd, width

    api = daemon.reach(start=False)
    found = api.get("/v1/costs")
    if as_json:
        print_json(found)
        return exits.OK
    if not found:
        print("Nothing has cost anything yet.")
        return exits.OK
    columns = [
        Column("CLUSTER", shrink=True),
        Column("STATE"),
        Column("PLACE", shrink=True),
        Column("HOURS", "right"),
        Column("USD", "right"),
    ]
    rows = [[c["cluster"], c["state"], c["place"], f"{c['seconds'] / 3600:.2f}", usd(c["usd"])] for c in found]
    print(table(columns, rows, limit=width()))
    real = sum(c["usd"] for c in found if not c["place"].endswith("(rehearsed)"))
    print(f"\nTogether {usd(real)} USD, rehearsals left out.")
    return exits.OK

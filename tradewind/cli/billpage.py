"""A managed job's bill as a page: each instance's life and cost, and what the same machine-hours cost elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradewind.cli.terminal import Column, duration, styled, table

Bill = Mapping[str, Any]  # GET /v1/jobs/{id}/bill


def exact(amount: float) -> str:
    """Dollars with seven decimals: a rehearsal of a minute costs thousandths of a cent."""
    return f"{amount:.7f}"


def spent(bill: Bill) -> str:
    """What it has cost, in one line; rehearsed money is not money."""
    amount = exact(float(bill["spent_usd"]))
    if bill.get("rehearsed"):
        return f"{amount} USD at catalog prices; rehearsed, so nothing was paid"
    return f"{amount} USD"


def page(bill: Bill, *, limit: int | None, colour: bool = False) -> str:
    """The instances, their sum, and the comparisons, dearest last."""
    instances = [
        [
            str(i["place"]),
            f"{i['price_usd_h']:g}",
            duration(float(i["seconds"])) + (" so far" if i["running"] else ""),
            exact(float(i["usd"])),
        ]
        for i in bill["instances"]
    ]
    columns = [
        Column("INSTANCE AT", shrink=True),
        Column("USD/H", "right"),
        Column("HELD", "right"),
        Column("USD", "right"),
    ]
    lines = [table(columns, instances, limit=limit, colour=colour), f"in all: {spent(bill)}"]
    if bill.get("comparisons"):
        columns = [
            Column("THE SAME MACHINE-HOURS"),
            Column("AT", shrink=True),
            Column("USD/H", "right"),
            Column("USD", "right"),
        ]
        rows = [
            [str(c["how"]), str(c["place"]), f"{c['node_usd_h']:g}", exact(float(c["usd"]))]
            for c in bill["comparisons"]
        ]
        lines += ["", styled(f"{float(bill['node_hours']) * 3600:.0f} node-seconds elsewhere", "bold", colour=colour)]
        lines.append(table(columns, rows, limit=limit, colour=colour))
    return "\n".join(lines)

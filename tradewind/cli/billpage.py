"""A managed job's bill as a page: each instance's life and cost, and what the same machine-hours cost elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradewind.cli.terminal import Column, duration, short_place, styled, table

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
            short_place(str(i["place"])),
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
    others = elsewhere(bill)
    if others:
        columns = [
            Column("THE SAME MACHINE-HOURS"),
            Column("AT", shrink=True),
            Column("USD/H", "right"),
            Column("USD", "right"),
            Column("", "right"),
        ]
        rows = [
            [
                str(c["how"]),
                short_place(str(c["place"])),
                f"{c['node_usd_h']:g}",
                exact(float(c["usd"])),
                _times(c, bill),
            ]
            for c in others
        ]
        lines += [
            "",
            styled(f"{float(bill['node_hours']) * 3600:.0f} node-seconds, bought otherwise", "bold", colour=colour),
        ]
        lines.append(table(columns, rows, limit=limit, colour=colour))
    return "\n".join(lines)


def elsewhere(bill: Bill) -> list[Mapping[str, Any]]:
    """The comparisons, cheapest first, one a place and price."""
    seen: set[tuple[str, float]] = set()
    kept = []
    for comparison in sorted(bill.get("comparisons") or (), key=lambda c: float(c["usd"])):
        key = (str(comparison["place"]), float(comparison["node_usd_h"]))
        if key not in seen:
            seen.add(key)
            kept.append(comparison)
    return kept


def _times(comparison: Mapping[str, Any], bill: Bill) -> str:
    spent_usd = float(bill["spent_usd"])
    return f"{float(comparison['usd']) / spent_usd:.1f}x" if spent_usd else ""

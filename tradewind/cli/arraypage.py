"""Arrays, the summary of everything and spending, as tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.cli import terminal
from tradewind.cli.terminal import Column

Row = Mapping[str, Any]
_BAR = 20


def table(arrays: Sequence[Row]) -> str:
    """Arrays, each with its progress and how many of its jobs are in which state."""
    columns = [Column("ARRAY", "right"), Column("NAME", shrink=True), Column("PROGRESS"), Column("STATES", shrink=True)]
    cells = []
    for one in arrays:
        done = int(one["ended"]) * _BAR // max(1, int(one["size"]))
        bar = f"{'#' * done}{'.' * (_BAR - done)} {one['ended']}/{one['size']}"
        states = ", ".join(f"{count} {state}" for state, count in sorted(one["states"].items()))
        cells.append([f"a{one['id']}", str(one["name"]), bar, states])
    return terminal.table(columns, cells, limit=terminal.width(), colour=terminal.colourful())


def summary(found: Row) -> str:
    """A few lines: jobs by state, spending, limits."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(found["states"].items())) or "none"
    limits = found["limits"]
    cap = "no cap" if limits["max_hourly_cost"] is None else f"{limits['max_hourly_cost']:g} USD/h"
    budget = "no budget" if limits["budget"] is None else f"{limits['budget']:g} USD in all"
    lines = [f"jobs       {states}"]
    for name, money in (("real", "real money"), ("rehearsed", "rehearsed")):
        world = found[name]
        if name == "real" or world["spent_usd"] or world["active"]:
            lines.append(
                f"{money:<10} {world['active']} active, {terminal.usd(world['usd_h'])} USD/h now, {terminal.usd(world['spent_usd'])} USD in all"
            )
    lines.append(
        f"limits     {limits['max_active_jobs']} active jobs, {cap}, {budget} (limits.yaml in the data directory)"
    )
    return "\n".join(lines)


def spending(report: Row) -> str:
    """The lines of a spending report, the sum, the saving against on demand, what a day goes on to cost, and what is to come."""
    columns = [
        Column(str(report["by"]).upper(), shrink=True),
        Column("INSTANCES", "right"),
        Column("HOURS", "right"),
        Column("USD", "right"),
        Column("ON DEMAND", "right"),
    ]
    cells = [
        [
            str(line["group"]),
            str(line["instances"]) + (f" ({line['running']} running)" if line["running"] else ""),
            f"{line['hours']:.3f}",
            terminal.usd(line["usd"]),
            terminal.usd(line["on_demand_usd"]),
        ]
        for line in report["lines"]
    ]
    rehearsed = " rehearsed, so nothing was paid" if report["rehearsed"] else ""
    total = f"in all {report['usd_exact']} USD{rehearsed}"
    saved = float(report["on_demand_usd"]) - float(report["usd"])
    if report["on_demand_usd"] and saved > 0:
        total += f"; {saved / float(report['on_demand_usd']):.0%} less than on demand"
    if report["usd_h"]:
        total += f"; what runs now costs {terminal.usd(report['usd_h'])} USD/h, {terminal.usd(report['usd_h'] * 24)} USD a day"
    limit = terminal.width()
    said = "\n".join(terminal.wrapped(line, indent=0, limit=limit) for line in (f"{total}.", *_to_come(report)))
    return (
        f"{terminal.table(columns, cells, limit=terminal.width(), colour=terminal.colourful())}\n{said}"
        if cells
        else said
    )


def _to_come(report: Row) -> tuple[str, ...]:
    """A sentence on what is still to be spent; none when everything has ended."""
    ahead = report["forecast"]
    if not ahead["jobs"]:
        return ()
    whose = "1 unfinished job" if ahead["jobs"] == 1 else f"{ahead['jobs']} unfinished jobs"
    in_all = terminal.usd(float(report["usd"]) + ahead["usd"])
    has = "has" if ahead["jobs"] == 1 else "have"
    return (
        (
            f"forecast: {in_all} USD in all once {whose} {has} ended, {terminal.usd(ahead['usd'])} of it for {ahead['hours']:.3g} hours of work"
            " to come, at the lengths that were given or planned with."
        ),
    )

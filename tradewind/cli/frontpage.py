"""A Pareto front as a page: the drawing, and a line for each plan on it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tradewind.cli import frontplot
from tradewind.cli.planpage import market, place
from tradewind.cli.terminal import Column, short_place, styled, table
from tradewind.optimizer.front import figure
from tradewind.optimizer.plan import Plan
from tradewind.optimizer.problem import Measure

UNITS: dict[Measure, str] = {"cost": "USD", "time": "h", "carbon": "kg CO2e"}


def axes(first: Measure, second: Measure) -> tuple[str, str]:
    """What the two axes say."""
    return f"{first} ({UNITS[first]})", f"{second} ({UNITS[second]})"


def points(plans: Sequence[Plan], first: Measure, second: Measure) -> list[tuple[float, float]]:
    """Each plan's two figures."""
    return [(figure(plan, first), figure(plan, second)) for plan in plans]


def page(plans: Sequence[Plan], first: Measure, second: Measure, *, limit: int | None, colour: bool = False) -> str:
    """The front drawn, and below it where each of its plans goes."""
    columns = [
        Column("", "right"),
        Column(UNITS[first].upper(), "right"),
        Column(UNITS[second].upper(), "right"),
        Column("GOES TO", shrink=True),
    ]
    cells = []
    for number, plan in enumerate(plans, 1):
        where = "; ".join(
            f"{p.instance_type} at {short_place(place(p.cloud, p.region, p.zone))} ({market(use_spot=p.use_spot)})"
            for p in plan.placements
        )
        mark = str(number) if number < 10 else chr(ord("a") + number - 10)
        cells.append([mark, f"{figure(plan, first):.4g}", f"{figure(plan, second):.4g}", where])
    head = styled(f"{first} against {second}: {len(plans)} plans that nothing beats in both", "bold", colour=colour)
    if len(plans) == 1:
        head = styled(f"{first} against {second}: one plan is best in both", "bold", colour=colour)
    drawn = [] if len(plans) == 1 else [frontplot.letters(points(plans, first, second), axes(first, second)), ""]
    return "\n".join([head, *drawn, table(columns, cells, limit=limit, indent=2, colour=colour)])


def as_json(plans: Sequence[Plan], first: Measure, second: Measure) -> dict[str, Any]:
    """The front for programs: each point's figures and whole plan."""
    return {
        "pareto": [first, second],
        "points": [
            {first: figure(plan, first), second: figure(plan, second), "plan": msgspec.to_builtins(plan)}
            for plan in plans
        ],
    }

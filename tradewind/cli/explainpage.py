"""The long form of a plan: how firm the choice is, what giving something up would save, and the order of failover. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tradewind.broker.planner.relax import Relaxation
from tradewind.cli.planpage import comparison, market, place
from tradewind.cli.terminal import Column, short_place, styled, table, usd, wrapped
from tradewind.optimizer.plan import Plan, RankedCandidate
from tradewind.optimizer.sensitivity import Explanation, Margin


def _where(candidate: RankedCandidate) -> str:
    where = short_place(place(candidate.cloud, candidate.region, candidate.zone))
    return f"{candidate.instance_type} at {where} ({market(use_spot=candidate.use_spot)})"


def firmness(margin: Margin) -> str:
    """How far the chosen offer's price may rise, and what takes its place then."""
    if margin.rise is None:
        return f"{margin.task}: nothing else could serve, whatever the price."
    up_to = f"{margin.task}: stays the choice until its price rises by {margin.rise:.1%}"
    if margin.held_by:
        return f"{up_to}; then {margin.held_by} is reached."
    return f"{up_to}; then {_where(margin.next_best)}." if margin.next_best else f"{up_to}."


def _saving(relaxation: Relaxation) -> str:
    return "there is a plan" if relaxation.saving is None else f"{relaxation.saving:.0%}"


def _relaxed(relaxations: Sequence[Relaxation], *, limit: int | None, colour: bool) -> Iterable[str]:
    if not relaxations:
        return
    yield ""
    yield styled("What giving something up would save", "bold", colour=colour)
    columns = [
        Column("WHAT", shrink=True),
        Column("SAVES", "right"),
        Column("USD/H", "right"),
        Column("GOES TO", shrink=True),
    ]
    cells = [
        [
            r.what,
            _saving(r),
            usd(r.placement.hourly_usd),
            f"{r.placement.instance_type} at {short_place(place(r.placement.cloud, r.placement.region, r.placement.zone))}",
        ]
        for r in relaxations
    ]
    yield table(columns, cells, limit=limit, indent=2, colour=colour)


def page(
    plan: Plan, found: Explanation, relaxations: Sequence[Relaxation], *, limit: int | None, colour: bool = False
) -> str:
    """Everything that `plan --explain` adds to the plan's page."""
    lines: list[str] = []
    if found.margins:
        lines += ["", styled("How firm this is", "bold", colour=colour)]
        lines += [wrapped(firmness(margin), indent=2, limit=limit) for margin in found.margins]
    lines += [
        wrapped(f"without {p.limit} it would cost {usd(p.total_usd)} USD, {p.saving:.0%} less.", indent=2, limit=limit)
        for p in found.limits
    ]
    lines += _relaxed(relaxations, limit=limit, colour=colour)
    lines += comparison("In the order of failover", plan.candidates, limit=limit, colour=colour)
    return "\n".join(lines)

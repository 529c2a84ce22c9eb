"""The long form of a plan: how firm the choice is, what giving something up would save, and the order of failover. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tradewind.broker.planner.relax import Relaxation
from tradewind.catalog.offer import Offer
from tradewind.cli.planpage import comparison, market, place
from tradewind.cli.terminal import Column, short_place, styled, table, usd, wrapped
from tradewind.optimizer.cost import OWN_MACHINES, UNKNOWN_RISK_PER_H
from tradewind.optimizer.hazard import Hazard
from tradewind.optimizer.plan import Plan, RankedCandidate
from tradewind.optimizer.sensitivity import Explanation, Margin

MOST_FAILOVERS = 8
DISK_NAMES = {"nvme": "NVMe", "ssd": "SSD", "hdd": "hard disk"}


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


def _parts(plan: Plan, found: Explanation, *, limit: int | None, colour: bool) -> Iterable[str]:
    """What each task's total is made of."""
    if not found.parts:
        return
    yield ""
    yield styled("What it is made of", "bold", colour=colour)
    for part, placement in zip(found.parts, plan.placements, strict=True):
        pieces = [f"{usd(part.work_usd)} USD for the work itself"]
        if placement.expected is not None:
            run = placement.expected
            pieces.append(f"{usd(part.overhead_usd)} USD for starting, checkpoints and work expected to be done again")
            pieces.append(
                f"{run.interruptions:.3g} interruptions expected, a checkpoint every {run.checkpoint_interval_h:.3g} h"
            )
        if placement.hazard is not None:
            pieces.append(_seen(placement.hazard))
        elif placement.use_spot and placement.offer.cloud not in OWN_MACHINES:
            pieces.append(_unseen(placement.offer))
        if placement.free_nodes:
            pieces.append(f"{placement.free_nodes} of {placement.num_nodes} nodes are reserved and paid already")
        if equipment := _equipment(placement.offer):
            pieces.append(f"each machine has {equipment}")
        if placement.carbon_kg is not None:
            pieces.append(f"{placement.carbon_kg:.3g} kg CO2e")
        yield wrapped(f"{part.task}: " + "; ".join(pieces) + ".", indent=2, limit=limit)
    moving = sum(transfer.usd for transfer in plan.transfers)
    if plan.transfers:
        kg = [t.carbon_kg for t in plan.transfers if t.carbon_kg is not None]
        hours = max(t.hours for t in plan.transfers)
        parts = [
            f"{usd(moving)} USD",
            *([f"{hours:.3g} h at most"] if hours else []),
            *([f"{sum(kg):.3g} kg CO2e"] if kg else []),
        ]
        yield wrapped(f"moving data: {', '.join(parts)}.", indent=2, limit=limit)


def _equipment(offer: Offer) -> str:
    """What a source tells of the machine beside its size."""
    parts = []
    if offer.local_disk_gb:
        kind = f" of {DISK_NAMES[offer.local_disk_kind]}" if offer.local_disk_kind else ""
        parts.append(f"{offer.local_disk_gb:,.0f} GB{kind} of its own")
    if offer.network_gbps is not None:
        parts.append(f"{offer.network_gbps:g} Gbit/s")
    return ", ".join([*parts, *(feature.replace("_", " ") for feature in offer.features)])


def _seen(hazard: Hazard) -> str:
    published = "nothing" if hazard.published_per_h is None else f"{hazard.published_per_h:.2g} an hour"
    return (
        f"{hazard.losses} of your machines were taken away there in {hazard.hours:.3g} h, {published} is published: {hazard.per_h:.2g} interruptions "
        f"an hour are expected (by your own hours alone {hazard.low_per_h:.2g} to {hazard.high_per_h:.2g}, with 90 % confidence)"
    )


def _unseen(offer: Offer) -> str:
    published = (
        f"no source tells its risk, and the worst published one, {UNKNOWN_RISK_PER_H:.2g} interruptions an hour, is assumed"
        if offer.spot_risk_per_h is None
        else f"{offer.spot_risk_per_h:.2g} interruptions an hour are published, an average over its region"
    )
    return f"none of your machines was held there yet: {published}; single zones have been seen to be a thousand times as bad"


def _saving(relaxation: Relaxation) -> str:
    return "there is a plan" if relaxation.saving is None else f"-{relaxation.saving:.0%}"


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
    lines = list(_parts(plan, found, limit=limit, colour=colour))
    if found.margins:
        lines += ["", styled("How firm this is", "bold", colour=colour)]
        lines += [wrapped(firmness(margin), indent=2, limit=limit) for margin in found.margins]
    lines += [
        wrapped(f"without {p.limit} it would cost {usd(p.total_usd)} USD, {p.saving:.0%} less.", indent=2, limit=limit)
        for p in found.limits
    ]
    lines += _relaxed(relaxations, limit=limit, colour=colour)
    first = plan.candidates[:MOST_FAILOVERS]
    lines += comparison("In the order of failover", first, limit=limit, colour=colour)
    if len(plan.candidates) > len(first):
        lines.append(f"  and {len(plan.candidates) - len(first)} more places; --json has them all")
    return "\n".join(lines)

"""The plan as a page: what was chosen, what it beat and why, what was assumed, and the solver's proof. Pure: a Plan in, text out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tradewind.catalog.offer import Offer
from tradewind.cli.terminal import Column, count, cut, duration, styled, table, usd, wrapped
from tradewind.optimizer.page import TaskOverview, overview
from tradewind.optimizer.plan import Certificate, Placement, Plan, RankedCandidate

if TYPE_CHECKING:
    from tradewind.broker.planner.job import DeadlineCourse

_BASES = {"exact": "exact price", "list": "list price", "derived": "derived price", "own": "your own price"}


def place(cloud: str, region: str, zone: str) -> str:
    """`aws/us-east-1/use1-az1`; a regional offer has no third part."""
    return "/".join(part for part in (cloud, region, zone) if part)


def within_cloud(region: str, zone: str) -> str:
    """The zone where it names its region (`us-west4-a`), else `us-east-1/use1-az1`, else the region."""
    return zone if region and zone.startswith(region) else place("", region, zone)


def size(offer: Offer) -> str:
    """`2 vCPU, 8 GiB`, with the accelerators when there are some."""
    parts = [f"{count(offer.vcpus)} vCPU", f"{count(offer.memory_gib)} GiB"]
    if offer.accelerator:
        parts.append(f"{count(offer.accelerator_count)} x {offer.accelerator}")
    if offer.arch not in {"", "x86_64"}:
        parts.append(offer.arch)
    return ", ".join(parts)


def market(*, use_spot: bool) -> str:
    """The market's name as people say it."""
    return "spot" if use_spot else "on demand"


def _dated(offer: Offer, *, use_spot: bool) -> str:
    basis, date = (offer.spot_basis, offer.spot_date or offer.date) if use_spot else (offer.basis, offer.date)
    return f"{_BASES[basis]} of {date}" if date else _BASES[basis]


def _choice(task: TaskOverview, *, colour: bool) -> Iterable[str]:
    placement = task.chosen
    nodes = f"{placement.num_nodes} node{'s' if placement.num_nodes > 1 else ''}"
    where = place(placement.cloud, placement.region, placement.zone)
    sold = market(use_spot=placement.use_spot)
    yield styled(f"{placement.task}: {placement.instance_type} at {where}, {nodes}, {sold}", "bold", colour=colour)
    each = f" ({usd(placement.hourly_usd / placement.num_nodes)} a node)" if placement.num_nodes > 1 else ""
    yield f"  {usd(placement.hourly_usd)} USD/h{each}, {usd(placement.total_usd)} USD for {placement.hours:.6g} h"
    if placement.carbon_kg is not None:
        yield f"  {placement.carbon_kg:.3g} kg CO2e"
    if placement.spread:
        yield "  " + ", ".join(f"{share.nodes} in {share.zone}" for share in placement.spread)
    if placement.free_nodes:
        yield f"  {placement.free_nodes} of the nodes are paid already ({placement.reservation})"
    yield f"  {_dated(placement.offer, use_spot=placement.use_spot)}; each node: {size(placement.offer)}"
    if placement.use_spot:
        yield f"  {_against_on_demand(task)}"
        yield from _risk(placement)


def _risk(placement: Placement) -> Iterable[str]:
    """How often such a machine is taken away: by what was seen there, else by what is published."""
    hazard = placement.hazard
    rate = placement.offer.spot_risk_per_h if hazard is None else hazard.per_h
    seen = "" if hazard is None else f" ({hazard.losses} lost here in {hazard.hours:.3g} h)"
    if rate:
        yield f"  expected interruptions: one in {duration(3600 / rate)} a node{seen}"


def _against_on_demand(task: TaskOverview) -> str:
    def beside(price: float | None) -> str:
        if price is None:
            return "not sold"
        times = f" ({price / task.chosen.hourly_usd:.1f}x)" if task.chosen.hourly_usd else ""
        return f"{usd(price)} USD/h{times}"

    machine, anywhere = beside(task.same_machine_ondemand_usd_h), beside(task.ondemand_usd_h)
    return f"on demand: {machine} here; {anywhere} where it is cheapest"


def shortened(reason: str) -> str:
    """The reason without the difference in dollars, which the table's own column shows: `6% dearer`, `5.1x the price`."""
    return re.sub(r"[\d.e+-]+ USD/h (dearer|cheaper) \(([^)]*)\)", _share, reason)


def _share(match: re.Match[str]) -> str:
    share = match[2]
    return f"{share} the price" if share.endswith("x") else f"{share.lstrip('+-')} {match[1]}"


def comparison(title: str, rows: Iterable[RankedCandidate], *, limit: int | None, colour: bool) -> Iterable[str]:
    """A titled table of places with why each is not the choice; nothing when there are none."""
    rows = list(rows)
    if not rows:
        return
    yield ""
    yield styled(title, "bold", colour=colour)
    columns = [
        Column("CLOUD"),
        Column("PLACE", shrink=True),
        Column("TYPE", shrink=True),
        Column("USD/H", "right"),
        Column("WHY NOT"),
    ]
    cells = [
        [r.cloud, within_cloud(r.region, r.zone), r.instance_type, usd(r.hourly_usd), shortened(r.reason) or "chosen"]
        for r in rows
    ]
    yield table(columns, cells, limit=limit, indent=2, colour=colour, wrap_last=True)


def _identity(row: RankedCandidate) -> tuple[str, str, str, str, bool]:
    return row.cloud, row.region, row.zone, row.instance_type, row.use_spot


def proof(certificate: Certificate, offers: int, minimized: str = "cost") -> str:
    """The solver's certificate in one sentence."""
    least = (
        "cheapest"
        if minimized.split(",", maxsplit=1)[0] == "cost"
        else f"least in {minimized.split(',', maxsplit=1)[0]}"
    )
    near = f"{certificate.gap:.2%}" if certificate.gap >= 1e-4 else f"{certificate.gap:.0e}"
    proven = f"proven {least}" if certificate.gap < 1e-9 else f"within {near} of the {least}"
    return (
        f"{offers:,} offers considered; {proven}: objective {certificate.objective:.6f}, bound {certificate.bound:.6f}, "
        f"gap {certificate.gap:g} ({certificate.solver}, {certificate.columns} columns, {certificate.seconds * 1000:.0f} ms)."
    )


def page(plan: Plan, *, limit: int | None = 80, colour: bool = False) -> str:
    """The whole page, without a newline at its end. `limit` is the terminal's width, None in a pipe."""
    lines: list[str] = []
    if not plan.feasible:
        lines.append(styled("No plan.", "red", colour=colour))
        lines += [wrapped(reason, indent=2, limit=limit) for reason in plan.why_infeasible]
    for task in overview(plan).tasks:
        lines += _choice(task, colour=colour)
        lines += comparison("The best of each cloud", task.clouds, limit=limit, colour=colour)
        shown = set(map(_identity, task.clouds))
        others = [row for row in plan.references if row.task == task.task and _identity(row) not in shown]
        lines += comparison("Not for this task", others[:6], limit=limit, colour=colour)
    if len(plan.placements) > 1:
        lines += ["", f"Together {usd(plan.hourly_usd)} USD/h, {usd(plan.total_usd)} USD in all."]
    if plan.feasible:
        lines += ["", wrapped(proof(plan.certificate, plan.offers_considered, plan.minimized), limit=limit)]
    if plan.defaults_applied:
        lines.append(wrapped("Assumed: " + "; ".join(plan.defaults_applied) + ".", limit=limit))
    return "\n".join(lines)


def course(found: DeadlineCourse, *, limit: int | None) -> str:
    """What a job on spot does until its deadline, in two sentences."""
    now = "nothing until spot can be had" if found.first is None else _on(found.first)
    told = (
        f"{found.task}, to end within {found.deadline_h:g} h: {now}; {_on(found.to)} for {usd(found.to.hourly_usd)} USD/h, "
        f"{found.on_demand_by_h:.3g} h after the launch at the latest, an hour later for each hour of work done. "
        f"In all {usd(found.least_usd)} USD if nothing is taken away, {usd(found.most_usd)} USD at most."
    )
    return wrapped(told, limit=limit)


def _on(placement: Placement) -> str:
    where = place(placement.cloud, placement.region, placement.zone)
    return f"{placement.instance_type} at {where}, {market(use_spot=placement.use_spot)}"


def headline(plan: Plan) -> str:
    """One line for a confirmation: what is about to be bought."""
    return (
        "; ".join(
            cut(
                f"{p.num_nodes} x {p.instance_type} at {place(p.cloud, p.region, p.zone)} ({market(use_spot=p.use_spot)})",
                70,
            )
            for p in plan.placements
        )
        + f" for {usd(plan.hourly_usd)} USD/h"
    )


def cheaper_left_out(plan: Plan) -> list[str]:
    """A sentence for each cloud's cheaper offer in the chosen market that may not be bought, with what keeps it out"""
    return [
        f"cheaper, and left out: {row.instance_type} at {place(row.cloud, row.region, row.zone)} "
        f"({market(use_spot=row.use_spot)}) for {usd(row.hourly_usd)} USD/h: {shortened(row.reason)}"
        for chosen in plan.placements
        for row in plan.references
        if row.task == chosen.task and row.use_spot == chosen.use_spot and row.hourly_usd < chosen.hourly_usd
    ]

"""The plan as a page: what was chosen, what it beat and why, what was assumed, and the solver's proof. Pure: a Plan in, text out."""

from __future__ import annotations

from collections.abc import Iterable

from tradewind.catalog.offer import Offer
from tradewind.cli.terminal import Column, count, cut, duration, styled, table, usd, wrapped
from tradewind.optimizer.plan import Certificate, Placement, Plan, RankedCandidate

_BASES = {"exact": "exact price", "list": "list price", "derived": "derived price"}


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
    basis = _BASES[offer.spot_basis if use_spot else offer.basis]
    return f"{basis} of {offer.date}" if offer.date else basis


def _choice(placement: Placement, *, colour: bool) -> Iterable[str]:
    nodes = f"{placement.num_nodes} node{'s' if placement.num_nodes > 1 else ''}"
    offer = placement.offer
    yield styled(
        f"{placement.task}: {placement.instance_type} at {place(placement.cloud, placement.region, placement.zone)}, "
        f"{nodes}, {market(use_spot=placement.use_spot)}",
        "bold",
        colour=colour,
    )
    each = placement.hourly_usd / placement.num_nodes
    yield (
        f"  {usd(placement.hourly_usd)} USD/h"
        + (f" ({usd(each)} a node)" if placement.num_nodes > 1 else "")
        + (f", {usd(placement.total_usd)} USD for {placement.hours:g} h; {_dated(offer, use_spot=placement.use_spot)}")
    )
    yield f"  each node: {size(offer)}"
    if placement.use_spot:
        yield f"  {_against_on_demand(placement)}"
        if offer.spot_risk_per_h:
            yield f"  expected interruptions: one in {duration(3600 / offer.spot_risk_per_h)} a node"


def _against_on_demand(placement: Placement) -> str:
    price = placement.offer.price_ondemand_usd_h
    if price is None:
        return "on demand: not sold here"
    here = price * placement.num_nodes
    times = here / placement.hourly_usd if placement.hourly_usd else float("inf")
    return f"on demand here: {usd(here)} USD/h, {times:.1f} times the spot price"


def best_of_each_cloud(plan: Plan, task: str) -> list[RankedCandidate]:
    """The first candidate of each cloud in the ranking, the choice's own cloud among them."""
    best: dict[str, RankedCandidate] = {}
    for candidate in plan.candidates:
        if candidate.task == task:
            best.setdefault(candidate.cloud, candidate)
    return list(best.values())


def _comparison(title: str, rows: Iterable[RankedCandidate], *, limit: int | None, colour: bool) -> Iterable[str]:
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
        [r.cloud, within_cloud(r.region, r.zone), r.instance_type, usd(r.hourly_usd), r.reason or "chosen"]
        for r in rows
    ]
    yield table(columns, cells, limit=limit, indent=2, colour=colour)


def proof(certificate: Certificate, offers: int) -> str:
    """The solver's certificate in one sentence."""
    proven = "proven cheapest" if certificate.gap < 1e-9 else f"within {certificate.gap:.2%} of the cheapest"
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
    for placement in plan.placements:
        lines += _choice(placement, colour=colour)
        lines += _comparison(
            "The best of each cloud", best_of_each_cloud(plan, placement.task), limit=limit, colour=colour
        )
    references = [r for r in plan.references if r.reason]
    lines += _comparison("For comparison", references[:6], limit=limit, colour=colour)
    if len(plan.placements) > 1:
        lines += ["", f"Together {usd(plan.hourly_usd)} USD/h, {usd(plan.total_usd)} USD in all."]
    lines += ["", wrapped(proof(plan.certificate, plan.offers_considered), limit=limit)]
    if plan.defaults_applied:
        lines.append(wrapped("Assumed: " + "; ".join(plan.defaults_applied) + ".", limit=limit))
    return "\n".join(lines)


def ranking(plan: Plan, *, limit: int | None = 80, colour: bool = False) -> str:
    """Every candidate in the order that failover tries them."""
    return "\n".join(_comparison("In the order of failover", plan.candidates, limit=limit, colour=colour))


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

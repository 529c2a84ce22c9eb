"""Offers as a table: what they are, what they cost, and what their order counts. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tradewind.cli import terminal
from tradewind.cli.planpage import within_cloud
from tradewind.cli.terminal import Column

if TYPE_CHECKING:
    from tradewind.catalog.accelerators import AcceleratorFacts
    from tradewind.catalog.filter import OfferFilter
    from tradewind.catalog.offer import Offer

Facts = Mapping[str, "AcceleratorFacts"]


def price_of(offer: Offer, *, use_spot: bool | None) -> float | None:
    """USD/hour in the market; in either, on demand where it is sold so."""
    if use_spot is None:
        return offer.price_spot_usd_h if offer.price_ondemand_usd_h is None else offer.price_ondemand_usd_h
    return offer.price_spot_usd_h if use_spot else offer.price_ondemand_usd_h


def _tflops(offer: Offer, facts: Facts) -> float | None:
    known = facts.get(offer.accelerator)
    return None if known is None or known.tflops_bf16 is None else known.tflops_bf16 * offer.accelerator_count


def _device_gib(offer: Offer, facts: Facts) -> float | None:
    known = facts.get(offer.accelerator)
    gib = offer.accelerator_memory_gib
    gib = known.memory_gib if gib is None and known is not None else gib
    return None if gib is None else gib * offer.accelerator_count


# What each order counts: its column's title, and how many of it an offer has.
UNITS: dict[str, tuple[str, Callable[[Offer, Facts], float | None]]] = {
    "per-gpu": ("USD/GPU", lambda offer, _: offer.accelerator_count),
    "per-tflop": ("USD/TFLOP", _tflops),
    "per-gpu-gib": ("USD/GPU-GIB", _device_gib),
    "per-vcpu": ("USD/VCPU", lambda offer, _: offer.vcpus),
    "per-gib": ("USD/GIB", lambda offer, _: offer.memory_gib),
}


def _disk(offer: Offer) -> str:
    if not offer.local_disk_gb:
        return "-" if offer.local_disk_gb is None else "0"
    return f"{terminal.count(offer.local_disk_gb)} {offer.local_disk_kind}".rstrip()


# The columns that are shown where their limit is asked for.
EQUIPMENT: dict[str, Callable[[Offer], str]] = {
    "DISK GB": _disk,
    "GBIT/S": lambda offer: terminal.count(offer.network_gbps),
    "FEATURES": lambda offer: " ".join(offer.features),
}


def equipment_asked(wanted: OfferFilter) -> tuple[str, ...]:
    """The columns for what the filter limits."""
    disk = wanted.local_disk_kinds or wanted.min_local_disk_gb is not None
    asked = (disk, wanted.min_network_gbps is not None, wanted.features)
    return tuple(title for title, is_asked in zip(EQUIPMENT, asked, strict=True) if is_asked)


def unit_price(offer: Offer, order: str, facts: Facts, *, use_spot: bool | None) -> float | None:
    """USD/hour for one of what the order counts; None where either is not known."""
    price, units = price_of(offer, use_spot=use_spot), UNITS[order][1](offer, facts)
    return price / units if price is not None and units else None


def small_usd(amount: float | None) -> str:
    """Dollars of which only the first digits matter, never in powers of ten."""
    if amount is None:
        return "-"
    return terminal.usd(amount) if amount >= 0.01 or amount == 0 else f"{amount:.6f}"


def offers_table(
    rows: Sequence[Offer],
    *,
    order: str = "price",
    use_spot: bool | None = False,
    facts: Facts | None = None,
    lines: Sequence[str] | None = None,
    equipment: Sequence[str] = (),
    limit: int | None = None,
    colour: bool = False,
) -> str:
    """The offers as a table; columns that would be empty are left out. `equipment` names columns of `EQUIPMENT`, `lines` are their prices over time, drawn."""
    columns = [
        Column("CLOUD"),
        Column("PLACE", shrink=True),
        Column("TYPE", shrink=True),
        Column("VCPU", "right"),
        Column("GIB", "right"),
        Column("ACCELERATOR"),
        Column("USD/H", "right"),
        Column("SPOT", "right"),
    ]
    cells = [_cells(offer) for offer in rows]
    for title in equipment:
        columns.append(Column(title, "left" if title == "FEATURES" else "right"))
        for cell, offer in zip(cells, rows, strict=True):
            cell.append(EQUIPMENT[title](offer))
    if order in UNITS:
        columns.append(Column(UNITS[order][0], "right"))
        for cell, offer in zip(cells, rows, strict=True):
            cell.append(small_usd(unit_price(offer, order, facts or {}, use_spot=use_spot)))
    if lines is not None:
        columns.append(Column("HISTORY"))
        for cell, line in zip(cells, lines, strict=True):
            cell.append(line)
    left_out = _left_out(columns, cells, limit)
    keep = [i for i, column in enumerate(columns) if column.title not in left_out]
    return terminal.table(
        [columns[i] for i in keep], [[cell[i] for i in keep] for cell in cells], limit=limit, colour=colour
    )


def _left_out(columns: Sequence[Column], cells: Sequence[Sequence[str]], limit: int | None) -> set[str]:
    """The titles of columns that say nothing here, or less than the room they take from names: an accelerator says more than its host's size."""
    at = [column.title for column in columns].index("ACCELERATOR")
    some = [bool(cell[at]) for cell in cells]
    if not any(some):
        return {"ACCELERATOR"}
    widths = (max(len(c.title), *(len(cell[i]) for cell in cells)) for i, c in enumerate(columns))
    narrow = limit is not None and sum(widths) + 2 * (len(columns) - 1) > limit
    return {"VCPU", "GIB"} if narrow and all(some) else set()


def _cells(offer: Offer) -> list[str]:
    return [
        offer.cloud,
        within_cloud(offer.region, offer.zone),
        offer.instance_type,
        terminal.count(offer.vcpus),
        terminal.count(offer.memory_gib),
        f"{offer.accelerator}:{terminal.count(offer.accelerator_count)}" if offer.accelerator else "",
        terminal.usd(offer.price_ondemand_usd_h),
        terminal.usd(offer.price_spot_usd_h),
    ]

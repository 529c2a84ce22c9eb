"""Accelerators as tables: what each is and where it is cheapest, and every way one of them is sold. Pure: values in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from tradewind.cli import terminal
from tradewind.cli.planpage import within_cloud
from tradewind.cli.terminal import Column

if TYPE_CHECKING:
    from tradewind.catalog.accelerators import AcceleratorFacts
    from tradewind.catalog.history import PricePoint
    from tradewind.catalog.offer import Offer


class Sold(msgspec.Struct, frozen=True):
    """An accelerator on offer: its datasheet (None where there is none here), the clouds, and the least USD/hour of one device (TPU: chip)."""

    name: str
    facts: AcceleratorFacts | None
    memory_gib: float | None
    clouds: tuple[str, ...]
    least_ondemand_usd_h: float | None
    least_spot_usd_h: float | None


class Way(msgspec.Struct, frozen=True):
    """The cheapest offer with so many devices on a cloud (and, if asked, in a region), in either market."""

    accelerator: str
    count: float
    cloud: str
    ondemand: Offer | None
    spot: Offer | None


def accelerators_table(rows: Sequence[Sold], *, limit: int | None, colour: bool) -> str:
    """Every accelerator, with its figures and its cheapest prices for one device."""
    columns = [
        Column("NAME"),
        Column("MAKER"),
        Column("YEAR", "right"),
        Column("GIB", "right"),
        Column("GB/S", "right"),
        Column("TFLOPS", "right"),
        Column("USD/H", "right"),
        Column("SPOT", "right"),
        Column("CLOUDS", shrink=True),
    ]
    cells = []
    for row in rows:
        facts = row.facts
        cells.append(
            [
                row.name,
                facts.vendor if facts else "-",
                str(facts.year) if facts else "-",
                terminal.count(row.memory_gib),
                terminal.count(facts.memory_bandwidth_gb_s if facts else None),
                terminal.count(facts.tflops_bf16 if facts else None),
                terminal.usd(row.least_ondemand_usd_h),
                terminal.usd(row.least_spot_usd_h),
                " ".join(row.clouds),
            ]
        )
    return terminal.table(columns, cells, limit=limit, colour=colour)


# The datasheet's figures as a person reads them; what is blank there is said to be unknown, never shown as zero.
_FIGURES = (
    ("memory_gib", "GiB of memory"),
    ("memory_bandwidth_gb_s", "GB/s of memory bandwidth"),
    ("tflops_bf16", "dense bf16 TFLOPS"),
    ("tflops_fp32", "fp32 TFLOPS"),
    ("tops_int8", "dense int8 TOPS"),
    ("tflops_fp8", "dense fp8 TFLOPS"),
    ("interconnect_gb_s", "GB/s between devices"),
)


def facts_lines(name: str, facts: AcceleratorFacts | None, *, limit: int | None) -> list[str]:
    """What the datasheet says of one device, and what is not known of it."""
    if facts is None:
        return [terminal.wrapped(f"{name}: no datasheet figures are known here.", limit=limit)]
    known = [f"{getattr(facts, f):g} {unit}" for f, unit in _FIGURES if getattr(facts, f) is not None]
    unknown = [unit for f, unit in _FIGURES if getattr(facts, f) is None]
    device = "chip" if name.startswith("tpu-") else "device"
    lines = [f"{name}: {facts.vendor} {facts.generation}, {facts.year}; each {device}: {', '.join(known)}."]
    if unknown:
        lines.append(f"Not known: {', '.join(unknown)}.")
    lines.append(f"Source: {facts.source}.")
    return [terminal.wrapped(line, limit=limit) for line in lines]


def ways_table(rows: Iterable[Way], *, limit: int | None, colour: bool) -> str:
    """Every count that is sold, on each cloud at its cheapest; the place and type are those of the cheaper market shown first."""
    columns = [
        Column("COUNT", "right"),
        Column("CLOUD"),
        Column("PLACE", shrink=True),
        Column("TYPE", shrink=True),
        Column("USD/H", "right"),
        Column("EACH", "right"),
        Column("SPOT", "right"),
        Column("SPOT PLACE", shrink=True),
    ]
    cells = []
    for row in rows:
        shown = row.ondemand or row.spot
        if shown is None:
            continue
        price = row.ondemand.price_ondemand_usd_h if row.ondemand else None
        cells.append(
            [
                terminal.count(row.count),
                row.cloud,
                within_cloud(shown.region, shown.zone),
                shown.instance_type,
                terminal.usd(price),
                terminal.usd(price / row.count if price is not None and row.count else None),
                terminal.usd(row.spot.price_spot_usd_h if row.spot else None),
                within_cloud(row.spot.region, row.spot.zone) if row.spot else "-",
            ]
        )
    return terminal.table(columns, cells, limit=limit, colour=colour)


def past_table(past: Mapping[str, Sequence[PricePoint]], *, limit: int | None, colour: bool) -> str:
    """The least USD/hour of one device anywhere over the snapshots, by market; those never sold in one are left out of it."""
    from tradewind.cli.past import drawn, prices
    from tradewind.cli.planpage import market

    columns = [
        Column("NAME"),
        Column("MARKET"),
        Column("SINCE"),
        Column("FIRST", "right"),
        Column("LAST", "right"),
        Column("HISTORY"),
    ]
    cells = []
    for name, points in past.items():
        for use_spot in (False, True):
            known = prices(points, use_spot=use_spot)
            if known:
                first, last = known[0], known[-1]
                told = [market(use_spot=use_spot), first[0], terminal.usd(first[1]), terminal.usd(last[1])]
                cells.append([name, *told, drawn(points, use_spot=use_spot)])
    return terminal.table(columns, cells, limit=limit, colour=colour)

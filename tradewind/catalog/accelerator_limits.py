"""Limits on what an accelerator is: which names keep them by their datasheets, and of which nobody can say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from tradewind.catalog.filter import AcceleratorLimits

if TYPE_CHECKING:
    from tradewind.catalog.accelerators import AcceleratorFacts

# Drivers and markets report a little less than a device's nominal memory (31.8 GiB of an RTX 5090's 32).
MEMORY_TOLERANCE = 0.03


# What a limit is called where a person is told that a figure is not known.
FIGURES = {
    "memory_gib": "memory",
    "memory_bandwidth_gb_s": "memory bandwidth",
    "tflops_bf16": "bf16 TFLOPS",
    "tflops_fp32": "fp32 TFLOPS",
    "tops_int8": "int8 TOPS",
    "tflops_fp8": "fp8 TFLOPS",
    "interconnect_gb_s": "interconnect",
    "year": "year",
    "vendor": "vendor",
    "generation": "generation",
}


class Judged(msgspec.Struct, frozen=True):
    """The names that keep the limits, and for each that might (no known figure breaks one) the figures that are not known."""

    keep: tuple[str, ...]
    unknown: dict[str, tuple[str, ...]]


def judge(limits: AcceleratorLimits, names: Iterable[str], facts: Mapping[str, AcceleratorFacts]) -> Judged:
    """Each accelerator's standing under the limits, but for its memory: an offer's own figure is better than the datasheet's."""
    keep: list[str] = []
    unknown: dict[str, tuple[str, ...]] = {}
    for name in names:
        verdicts = dict(_verdicts(limits, facts.get(name)))
        if False in verdicts.values():
            continue
        missing = tuple(FIGURES[figure] for figure, verdict in verdicts.items() if verdict is None)
        if missing:
            unknown[name] = missing
        else:
            keep.append(name)
    return Judged(tuple(keep), unknown)


def _verdicts(limits: AcceleratorLimits, facts: AcceleratorFacts | None) -> Iterable[tuple[str, bool | None]]:
    """For each figure with a limit: kept, broken, or None where the figure is not known."""
    for figure in FIGURES:
        least = getattr(limits, f"min_{figure}", None)
        if figure != "memory_gib" and least is not None:
            known = getattr(facts, figure, None)
            yield figure, None if known is None else known >= least
    for figure, wanted in (("vendor", limits.vendors), ("generation", limits.generations)):
        if wanted:
            known = getattr(facts, figure, None)
            yield figure, None if known is None else known.lower() in {each.lower() for each in wanted}


def enough_memory(least_gib: float, names: Iterable[str], facts: Mapping[str, AcceleratorFacts]) -> tuple[str, ...]:
    """The names whose datasheet says that much memory, for offers that do not say it themselves."""
    return tuple(name for name in names if name in facts and facts[name].memory_gib >= least_gib)

"""Limits on datasheet figures: what is blank stays unknown, keeps no limit, and is said."""

from __future__ import annotations

import pytest

from tests.catalog.shelves import offer, shelf
from tradewind.catalog import AcceleratorLimits, Catalog, OfferFilter, accelerator_facts
from tradewind.catalog.accelerator_limits import judge

FACTS = accelerator_facts()


def test_a_known_figure_keeps_or_breaks_and_a_blank_one_is_unknown() -> None:
    judged = judge(AcceleratorLimits(min_tflops_bf16=300), ["H100", "T4", "K80", "Gaudi"], FACTS)
    assert judged.keep == ("H100",)
    assert judged.unknown == {"K80": ("bf16 TFLOPS",), "Gaudi": ("bf16 TFLOPS",)}


def test_a_broken_limit_needs_no_other_figure() -> None:
    """K80 has no bf16 figure, but its bandwidth alone already breaks the limits: nothing unknown decides."""
    limits = AcceleratorLimits(min_tflops_bf16=1, min_memory_bandwidth_gb_s=1000)
    assert judge(limits, ["K80"], FACTS).unknown == {}


@pytest.mark.parametrize(
    ("limits", "keep"),
    [
        (AcceleratorLimits(vendors=("nvidia",)), ("H100",)),
        (AcceleratorLimits(vendors=("Google", "AMD")), ("MI300X", "tpu-v6e")),
        (AcceleratorLimits(generations=("hopper",)), ("H100",)),
        (AcceleratorLimits(min_year=2024), ("tpu-v6e",)),
        (AcceleratorLimits(min_interconnect_gb_s=890), ("H100", "MI300X")),
        (AcceleratorLimits(), ("H100", "MI300X", "tpu-v6e")),
    ],
)
def test_each_limit(limits: AcceleratorLimits, keep: tuple[str, ...]) -> None:
    assert judge(limits, ["H100", "MI300X", "tpu-v6e"], FACTS).keep == keep


def test_an_offers_own_memory_is_better_than_the_datasheets() -> None:
    short = offer("r1", accelerator="H100", accelerator_count=1.0, accelerator_memory_gib=79.6)  # as drivers report 80
    large = offer("r2", accelerator="H100", accelerator_count=1.0, accelerator_memory_gib=94.0)
    silent = offer("r3", accelerator="H100", accelerator_count=1.0)
    small = offer("r4", accelerator="A100", accelerator_count=1.0)
    with shelf([short, large, silent, small]) as catalog:

        def at_least(gib: float) -> list[str]:
            limits = AcceleratorLimits(min_memory_gib=gib)
            return [found.region for found in catalog.offers(OfferFilter(accelerator_limits=limits))]

        assert at_least(40) == ["r1", "r2", "r3", "r4"]
        assert at_least(80) == ["r1", "r2", "r3"]
        assert at_least(94) == ["r2"]


def test_the_shipped_catalog_says_whom_a_limit_leaves_out(shipped: Catalog) -> None:
    wanted = OfferFilter(accelerator_limits=AcceleratorLimits(min_tflops_bf16=900, min_memory_gib=90))
    found = shipped.offers(wanted)
    assert found
    assert all((o.accelerator_memory_gib or 0) >= 90 * 0.97 for o in found)
    assert all((FACTS[o.accelerator].tflops_bf16 or 0) >= 900 for o in found)
    assert shipped.unknown_figures(wanted) == {
        "RTX-PRO-6000": ("bf16 TFLOPS",),
        "RTX-PRO-6000-WS": ("bf16 TFLOPS",),
    }
    assert shipped.unknown_figures(OfferFilter(accelerator="H100")) == {}

"""Why nothing fits: what no source says is called unknown, and long lists are cut to what is near."""

from __future__ import annotations

import pytest

from tests.catalog.shelves import offer, shelf
from tradewind.broker.planner import plan_task
from tradewind.catalog import Offer
from tradewind.spec.task import AcceleratorRequest, Quantity, Resources, Task


def _why(offers: list[Offer], resources: Resources) -> tuple[str, ...]:
    with shelf(offers) as catalog:
        return plan_task(Task(name="t", resources=(resources,), run="echo"), catalog).why_infeasible


def _slice(count: float) -> Offer:
    name = f"tpu-v5litepod-{count:g}"
    return offer("r1", name, vcpus=None, memory_gib=None, accelerator="tpu-v5e", accelerator_count=count)


def test_a_limit_on_what_nobody_knows_says_so() -> None:
    asked = Resources(accelerators=(AcceleratorRequest("tpu-v5e-8"),), cpus=Quantity(4, at_least=True))
    assert _why([_slice(8)], asked) == (
        "t: cpus: 4+ cannot be judged: no source gives the vCPUs of what fits the rest (1 offers); leave cpus out",
    )


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (3, "1, 2, 4, 8, 16, 32, ..., 8192"),
        (100, "..., 16, 32, 64, 128, 256, 512, ..., 8192"),
        (9000, "..., 2048, 4096, 8192"),
    ],
)
def test_of_many_counts_the_near_ones_are_told(wanted: float, told: str) -> None:
    asked = Resources(accelerators=(AcceleratorRequest("tpu-v5e", wanted),))
    offers = [_slice(2.0**power) for power in range(14)]
    assert _why(offers, asked) == (f"t: no offer has {wanted:g} tpu-v5e; counts sold: {told}",)

"""What a plan goes by beside the task itself: where it may run, how long it takes on what, what counts, and what was seen of spot."""

from __future__ import annotations

import math

import msgspec

from tradewind.broker.planner.errors import PlanError
from tradewind.catalog.accelerators import AcceleratorFacts
from tradewind.catalog.catalog import Catalog
from tradewind.catalog.errors import CatalogError
from tradewind.catalog.offer import Offer
from tradewind.optimizer.hazard import NOTHING_SEEN, Experience


class Estimate(msgspec.Struct, frozen=True):
    """Hours that the work takes: on machines with `count` of the accelerator, or on those of an instance type of that name (count 0)."""

    name: str
    count: float
    hours: float


class Wishes(msgspec.Struct, frozen=True):
    """`continents` and `countries` (ISO, two letters) say where it may run; a place of which neither is known is then left out.

    With `estimates` a machine's hours are its own estimate, else follow from the datasheets: hours x TFLOPS where it was measured / TFLOPS
    here (dense bf16 or fp16, all devices, perfect scaling); machines with neither are left out. `carbon` weighs candidates by their
    emissions too. At most `most_per_zone` nodes of a task stand in one zone (None: all in one zone). `seen` is how often machines were taken
    away from here before: it corrects the published risk, and once any was, what interruptions cost is counted for every task on spot.
    """

    continents: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    estimates: tuple[Estimate, ...] = ()
    carbon: bool = False
    most_per_zone: int | None = None
    seen: Experience = NOTHING_SEEN


NONE = Wishes()


def parse_estimate(text: str) -> Estimate:
    """`A100:8=10` (hours on eight A100) or `p4d.24xlarge=9.5`. Raises ValueError with a sentence."""
    name, separator, hours = text.rpartition("=")
    try:
        value = float(hours)
    except ValueError:
        value = math.nan
    if not separator or not name.strip() or not 0 < value <= 1_000_000:
        raise ValueError(f"{text!r} is no estimate; write A100:8=10 (hours on eight A100) or p4d.24xlarge=9.5")
    accelerator, colon, count = name.strip().partition(":")
    if not colon:
        return Estimate(accelerator, 0.0, value)
    try:
        number = float(count)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise ValueError(f"{text!r}: {count!r} is no number of accelerators; write A100:8=10")
    return Estimate(accelerator, number, value)


class Pace:
    """Hours by machine, from estimates and the datasheets."""

    def __init__(self, estimates: tuple[Estimate, ...], catalog: Catalog) -> None:
        self._types: dict[str, float] = {}
        self._sets: dict[tuple[str, float], float] = {}
        self._facts = catalog.accelerator_facts
        types = {name.lower() for name in catalog.instance_types()}
        for estimate in estimates:
            if not estimate.count and estimate.name.lower() in types:
                self._types[estimate.name.lower()] = estimate.hours
                continue
            try:
                key = catalog.resolve_accelerators(estimate.name, estimate.count or 1)
            except CatalogError as err:
                raise PlanError("estimates", str(err)) from err
            self._sets[key] = estimate.hours
        self._work = self._teraflop_hours()

    def hours(self, offer: Offer) -> float | None:
        """How long the work takes on the machine; None when neither an estimate nor the datasheets say."""
        own = self._types.get(offer.instance_type.lower())
        if own is None:
            own = self._sets.get((offer.accelerator, offer.accelerator_count))
        if own is not None:
            return own
        speed = _tflops(self._facts, offer.accelerator, offer.accelerator_count)
        return self._work / speed if self._work and speed else None

    def _teraflop_hours(self) -> float | None:
        """The work in TFLOPS x hours, by the first estimate in the order of names whose accelerator's speed is known."""
        for (name, count), hours in sorted(self._sets.items()):
            if (speed := _tflops(self._facts, name, count)) is not None:
                return speed * hours
        return None


def _tflops(facts: dict[str, AcceleratorFacts], name: str, count: float) -> float | None:
    known = facts.get(name)
    return None if known is None or known.tflops_bf16 is None or not count else known.tflops_bf16 * count

"""What a node has and what of it is taken: exact arithmetic in ten-thousandths, and accelerator numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNIT = 10_000
# Resources that come as numbered devices; a request of a whole number gets whole devices, a fraction shares one.
DEVICE_RESOURCES = ("GPU",)


def to_units(resources: Mapping[str, float]) -> dict[str, int]:
    """Amounts in ten-thousandths, without the zeros. What is free may be less than nothing, see ResourcePool."""
    return {name: round(amount * UNIT) for name, amount in resources.items() if amount}


def to_amounts(units: Mapping[str, int]) -> dict[str, float]:
    """Amounts as people write them."""
    return {name: value / UNIT for name, value in units.items()}


@dataclass(frozen=True, slots=True)
class Allocation:
    """What one lease or actor holds of a pool."""

    units: Mapping[str, int]
    devices: tuple[tuple[str, int, int], ...] = ()  # (resource, device, units of it)
    bundle: str = ""  # of a placement group that it was taken from

    def accelerators(self) -> list[str]:
        """The numbers of the devices held, as CUDA_VISIBLE_DEVICES wants them."""
        return [str(device) for _, device, _ in self.devices]


class ResourcePool:
    """Totals and what is free of them. Only waking tasks may drive a free amount below zero: they run at once, and nothing is granted meanwhile."""

    def __init__(self, total: Mapping[str, float], devices: Mapping[str, Mapping[int, int]] | None = None) -> None:
        """A pool in which everything is free; devices are those of the resources that have them, by default all from 0 on."""
        self.total = to_units(total)
        self.free = dict(self.total)
        self._devices: dict[str, dict[int, int]] = {
            name: dict.fromkeys(range(self.total.get(name, 0) // UNIT), UNIT)
            for name in DEVICE_RESOURCES
            if self.total.get(name, 0) >= UNIT
        }
        if devices is not None:
            self._devices = {name: dict(left) for name, left in devices.items()}
        self._whole = {name: dict(left) for name, left in self._devices.items()}

    def feasible(self, units: Mapping[str, int]) -> bool:
        """True when an empty pool could serve the request."""
        return all(self.total.get(name, 0) >= amount for name, amount in units.items())

    def available(self, units: Mapping[str, int]) -> bool:
        """True when the request can be served now."""
        if any(self.free.get(name, 0) < amount for name, amount in units.items()):
            return False
        return all(self._pick(name, units[name]) is not None for name in self._devices if name in units)

    def _pick(self, name: str, amount: int) -> list[tuple[int, int]] | None:
        devices = self._devices[name]
        if amount < UNIT:
            # The fullest device that still has room, so that whole ones stay whole.
            fitting = [(left, device) for device, left in devices.items() if left >= amount]
            return [(min(fitting)[1], amount)] if fitting else None
        whole = [device for device, left in devices.items() if left == UNIT]
        count = amount // UNIT
        return [(device, UNIT) for device in whole[:count]] if len(whole) >= count else None

    def take(self, units: Mapping[str, int]) -> Allocation | None:
        """The allocation, or None when it cannot be had now."""
        if not self.available(units):
            return None
        devices: list[tuple[str, int, int]] = []
        for name in self._devices:
            if name in units:
                for device, amount in self._pick(name, units[name]) or ():
                    self._devices[name][device] -= amount
                    devices.append((name, device, amount))
        for name, amount in units.items():
            self.free[name] -= amount
        return Allocation(dict(units), tuple(devices))

    def release(self, allocation: Allocation) -> None:
        """Everything in the allocation is free again."""
        for name, amount in allocation.units.items():
            self.free[name] += amount
        for name, device, amount in allocation.devices:
            self._devices[name][device] += amount

    def lend_cpus(self, allocation: Allocation) -> None:
        """A blocked task's CPUs are free for others; it keeps everything else."""
        self.free["CPU"] = self.free.get("CPU", 0) + allocation.units.get("CPU", 0)

    def reclaim_cpus(self, allocation: Allocation) -> None:
        """A task that wakes has its CPUs again, even if that leaves less than nothing."""
        self.free["CPU"] = self.free.get("CPU", 0) - allocation.units.get("CPU", 0)

    def validate(self) -> None:
        """Raises AssertionError when an amount is free that does not exist."""
        for name, amount in self.free.items():
            assert amount <= self.total.get(name, 0), f"{name}: {amount} free of {self.total.get(name, 0)}"
        for name, devices in self._devices.items():
            assert all(0 <= left <= self._whole[name][device] for device, left in devices.items()), f"{name}: {devices}"


def describe(resources: Mapping[str, float]) -> str:
    """One line, e.g. "2 CPU, 0.5 GPU, 3.5 GiB memory"; "nothing" for none."""
    return ", ".join(_said(name, amount) for name, amount in sorted(resources.items()) if amount) or "nothing"


def _said(name: str, amount: float) -> str:
    if name != "memory":
        return f"{amount:g} {name}"
    return f"{amount / (1 << 30):.3g} GiB memory" if amount >= 1 << 30 else f"{amount / (1 << 20):.3g} MiB memory"

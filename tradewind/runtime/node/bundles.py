"""A node's resources with bundles cut out of them: each bundle of a placement group is a pool of its own. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from tradewind.runtime.node.resources import Allocation, ResourcePool, to_amounts


class BundledPool(ResourcePool):
    """As ResourcePool; `bundle` names the bundle ("group:index") to take from, "" the node itself."""

    def __init__(self, total: Mapping[str, float]) -> None:
        """A pool in which everything is free, without bundles."""
        super().__init__(total)
        self._bundles: dict[str, ResourcePool] = {}
        self._behind: dict[str, Allocation] = {}

    def reserve(self, bundle: str, units: Mapping[str, int]) -> bool:
        """True when the bundle is cut out (or was already)."""
        if bundle in self._bundles:
            return True
        taken = self.take(units)
        if taken is None:
            return False
        devices: dict[str, dict[int, int]] = {}
        for name, device, amount in taken.devices:
            devices.setdefault(name, {})[device] = amount
        self._behind[bundle] = taken
        self._bundles[bundle] = ResourcePool(to_amounts(units), devices)
        return True

    def cancel(self, bundle: str) -> None:
        """The bundle is the node's again; what was taken from it counts no longer."""
        taken = self._behind.pop(bundle, None)
        if taken is not None:
            del self._bundles[bundle]
            self.release(taken)

    def bundles_of(self, group: str, index: int = -1) -> list[str]:
        """The names of the group's bundles here, or of the one with that index."""
        if index >= 0:
            name = f"{group}:{index}"
            return [name] if name in self._bundles else []
        return [name for name in self._bundles if name.rpartition(":")[0] == group]

    def take_in(self, bundle: str, units: Mapping[str, int]) -> Allocation | None:
        """As take, from the bundle."""
        pool = self._bundles.get(bundle)
        taken = None if pool is None else pool.take(units)
        return None if taken is None else Allocation(taken.units, taken.devices, bundle)

    def _of(self, allocation: Allocation) -> ResourcePool | None:
        return self._bundles.get(allocation.bundle)

    def release(self, allocation: Allocation) -> None:
        """Everything in the allocation is free again where it came from; nothing when its bundle is gone."""
        if not allocation.bundle:
            super().release(allocation)
        elif (pool := self._of(allocation)) is not None:
            pool.release(allocation)

    def lend_cpus(self, allocation: Allocation) -> None:
        """As ResourcePool's; a task in a bundle lends its CPUs to the bundle's other tasks only."""
        if not allocation.bundle:
            super().lend_cpus(allocation)
        elif (pool := self._of(allocation)) is not None:
            pool.lend_cpus(allocation)

    def reclaim_cpus(self, allocation: Allocation) -> None:
        """As ResourcePool's."""
        if not allocation.bundle:
            super().reclaim_cpus(allocation)
        elif (pool := self._of(allocation)) is not None:
            pool.reclaim_cpus(allocation)

    def bundle_amounts(self) -> dict[str, dict[str, float]]:
        """What is free in each bundle."""
        return {name: to_amounts(pool.free) for name, pool in self._bundles.items()}

    def validate(self) -> None:
        """As ResourcePool's, for the bundles too."""
        super().validate()
        assert self._bundles.keys() == self._behind.keys()
        for pool in self._bundles.values():
            pool.validate()

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tradewind.runtime.node.resources import UNIT, Allocation, ResourcePool, describe, to_amounts, to_units

TOTAL = {"CPU": 4.0, "GPU": 3.0, "special": 1.5}
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "CPU": st.sampled_from([0.1, 0.3, 0.5, 1.0, 2.0]),
        "GPU": st.sampled_from([0.25, 0.5, 1.0, 2.0]),
        "special": st.sampled_from([0.5, 1.0]),
    },
)


class PoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.pool = ResourcePool(TOTAL)
        self.held: list[Allocation] = []
        self.lent: list[Allocation] = []

    @rule(request=REQUESTS)
    def take(self, request: dict[str, float]) -> None:
        allocation = self.pool.take(to_units(request))
        if allocation is not None:
            assert to_amounts(allocation.units) == request
            self.held.append(allocation)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self.pool.release(self.held.pop(data.draw(st.integers(0, len(self.held) - 1))))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def block(self, data: st.DataObject) -> None:
        allocation = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.pool.lend_cpus(allocation)
        self.lent.append(allocation)

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def wake(self, data: st.DataObject) -> None:
        allocation = self.lent.pop(data.draw(st.integers(0, len(self.lent) - 1)))
        self.pool.reclaim_cpus(allocation)
        self.held.append(allocation)

    @invariant()
    def nothing_is_given_twice(self) -> None:
        self.pool.validate()
        for name, total in to_units(TOTAL).items():
            used = sum(allocation.units.get(name, 0) for allocation in self.held)
            if name != "CPU":
                used += sum(allocation.units.get(name, 0) for allocation in self.lent)
                assert used <= total
            assert self.pool.free[name] == total - used
        shares: dict[int, int] = {}
        for allocation in [*self.held, *self.lent]:
            for _, device, amount in allocation.devices:
                shares[device] = shares.get(device, 0) + amount
        assert all(amount <= UNIT for amount in shares.values()), "a device is shared by more than there is of it"

    def teardown(self) -> None:
        for allocation in self.lent:
            self.pool.reclaim_cpus(allocation)
        for allocation in [*self.lent, *self.held]:
            self.pool.release(allocation)
        assert self.pool.free == self.pool.total


TestPool = PoolMachine.TestCase


def test_whole_devices_stay_whole_while_fractions_share_one() -> None:
    pool = ResourcePool({"GPU": 2})
    first = pool.take({"GPU": UNIT // 2})
    second = pool.take({"GPU": UNIT // 2})
    assert first is not None
    assert second is not None
    assert first.accelerators() == second.accelerators()
    whole = pool.take({"GPU": UNIT})
    assert whole is not None
    assert whole.accelerators() != first.accelerators()
    assert pool.take({"GPU": UNIT // 4}) is None


def test_amounts_are_said_as_people_write_them() -> None:
    assert describe({"CPU": 2.0, "GPU": 0.5, "none": 0}) == "2 CPU, 0.5 GPU"
    assert describe({"CPU": 1.0, "memory": 2.5 * 2**30}) == "1 CPU, 2.5 GiB memory"
    assert describe({"memory": 100 * 2.0**20}) == "100 MiB memory"
    assert describe({}) == "nothing"

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tradewind.runtime.head.groups import PlacementGroups
from tradewind.runtime.head.packing import SearchTooLongError, pack
from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.cluster import GroupSpec, NodeView
from tradewind.runtime.node.bundles import BundledPool
from tradewind.runtime.node.resources import to_amounts, to_units

STRATEGY = st.sampled_from(["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"])
BUNDLES = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def brute(bundles: list[int], strategy: str, free: list[int]) -> bool:
    def place(index: int, left: list[int], used: tuple[int, ...]) -> bool:
        if index == len(bundles):
            return True
        for node, room in enumerate(left):
            if room < bundles[index] or (strategy == "STRICT_SPREAD" and node in used):
                continue
            if strategy == "STRICT_PACK" and used and node not in used:
                continue
            rest = [*left[:node], room - bundles[index], *left[node + 1 :]]
            if place(index + 1, rest, (*used, node)):
                return True
        return False

    return place(0, free, ())


@given(BUNDLES, STRATEGY, st.lists(st.integers(0, 6), min_size=1, max_size=4))
def test_bundles_are_packed_whenever_they_can_be(bundles: list[int], strategy: str, free: list[int]) -> None:
    nodes = {f"n{number}": {"CPU": room} for number, room in enumerate(free)}
    found = pack(dict(enumerate({"CPU": need} for need in bundles)), strategy, nodes, {})
    assert (found is not None) == brute(bundles, strategy, free)
    for node, room in nodes.items():
        assert sum(bundles[index] for index, at in (found or {}).items() if at == node) <= room["CPU"]


def test_a_hopeless_search_ends() -> None:
    bundles = {index: {"CPU": 3} for index in range(40)}
    nodes = {f"n{number}": {"CPU": 5 + number % 2} for number in range(35)}
    try:
        assert pack(bundles, "PACK", nodes, {}) is not None
    except SearchTooLongError:
        pass


class GroupMachine(RuleBasedStateMachine):
    """The head and its nodes with messages that are delayed, and nodes that die and join."""

    def __init__(self) -> None:
        super().__init__()
        self.views: dict[str, NodeView] = {}
        self.pools: dict[str, BundledPool] = {}
        self.wires: dict[str, list[cluster.FromHead]] = {}
        self.answers: list[tuple[str, cluster.BundleReserved]] = []
        self.groups = PlacementGroups(self.views, self.send, lambda *_: None, lambda _record: None)
        self.count = 0

    def send(self, node: str, message: cluster.FromHead) -> None:
        if node in self.wires:
            self.wires[node].append(message)

    @precondition(lambda self: len(self.pools) < 3)
    @rule()
    def join(self) -> None:
        self.count += 1
        node = f"n{self.count}"
        self.pools[node] = BundledPool({"CPU": 4})
        self.wires[node] = []
        self.views[node] = NodeView(node, "h", "h:1", {"CPU": 4}, {"CPU": 4}, {})
        self.groups.joined(self.views[node])
        self.groups.try_again()

    @rule(bundles=BUNDLES, strategy=STRATEGY)
    def create(self, bundles: list[int], strategy: str) -> None:
        self.count += 1
        self.groups.create(GroupSpec(f"g{self.count}", [{"CPU": float(need)} for need in bundles], strategy))

    @precondition(lambda self: self.groups.records)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        self.groups.remove(data.draw(st.sampled_from(sorted(self.groups.records))), "removed")

    @precondition(lambda self: any(self.wires.values()))
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(sorted(node for node, wire in self.wires.items() if wire)))
        message = self.wires[node].pop(0)
        pool = self.pools[node]
        if isinstance(message, cluster.ReserveBundle):
            held = pool.reserve(f"{message.group}:{message.index}", to_units(message.resources))
            self.answers.append((node, cluster.BundleReserved(message.group, message.index, message.round, held)))
        elif isinstance(message, cluster.ReturnBundles):
            names = [f"{message.group}:{index}" for index in message.indices] or pool.bundles_of(message.group)
            for name in names:
                pool.cancel(name)

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        node, message = self.answers.pop(data.draw(st.integers(0, len(self.answers) - 1)))
        if node in self.pools:
            self.groups.reserved(node, message)

    @precondition(lambda self: self.pools)
    @rule(data=st.data())
    def load(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(sorted(self.pools)))
        self.views[node] = NodeView(node, "h", "h:1", {"CPU": 4}, to_amounts(self.pools[node].free), {})
        self.groups.try_again()

    @precondition(lambda self: len(self.pools) > 1)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        node = data.draw(st.sampled_from(sorted(self.pools)))
        for book in (self.pools, self.wires, self.views):
            del book[node]
        self.answers = [(at, message) for at, message in self.answers if at != node]
        self.groups.lose(node, "it was lost")

    @invariant()
    def nothing_is_oversubscribed(self) -> None:
        self.groups.validate()
        for pool in self.pools.values():
            pool.validate()
            assert pool.free["CPU"] >= 0

    def teardown(self) -> None:
        """When all messages have come, nodes hold exactly the bundles that the head knows."""
        for record in list(self.groups.records.values()):
            if record.state != "CREATED":
                self.groups.remove(record.spec.group, "the end")
        while any(self.wires.values()) or self.answers:
            while self.answers:
                node, message = self.answers.pop()
                if node in self.pools:
                    self.groups.reserved(node, message)
            for node in sorted(self.wires):
                while self.wires[node]:
                    message = self.wires[node].pop(0)
                    if isinstance(message, cluster.ReserveBundle):
                        held = self.pools[node].reserve(f"{message.group}:{message.index}", to_units(message.resources))
                        answer = cluster.BundleReserved(message.group, message.index, message.round, held)
                        self.answers.append((node, answer))
                    elif isinstance(message, cluster.ReturnBundles):
                        names = [f"{message.group}:{index}" for index in message.indices]
                        for name in names or self.pools[node].bundles_of(message.group):
                            self.pools[node].cancel(name)
        for node, pool in self.pools.items():
            known = {
                f"{record.spec.group}:{index}"
                for record in self.groups.records.values()
                for index, at in record.nodes.items()
                if at == node
            }
            assert set(pool.bundle_amounts()) == known


TestGroups = GroupMachine.TestCase
TestGroups.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

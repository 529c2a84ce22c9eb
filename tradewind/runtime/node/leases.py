"""Who gets a worker next, and on which node. Pure: requests, the local pool and the last view of the others in, decisions out.

Among jobs the one with the smallest share goes first. Within a job nested requests (from workers) go before the driver's: the deepest work is what others wait for, and starting all the parents first would only
fill the machine with blocked processes.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tradewind.runtime.labels import described, matches
from tradewind.runtime.messages.cluster import NodeView
from tradewind.runtime.messages.values import Shape
from tradewind.runtime.node.bundles import BundledPool
from tradewind.runtime.node.fairness import Shares
from tradewind.runtime.node.resources import Allocation, ResourcePool, describe, to_units

# How long a spread call waits for the node whose turn it is before it takes any that has room.
SPREAD_TURN_S = 0.2
ANSWER_S = 2.0


@dataclass(slots=True)
class Pending:
    """Workers that a process still wants for one of its request numbers."""

    process: str
    request: int
    shape: Shape
    units: dict[str, int]
    count: int
    priority: int
    order: int
    asked: int = 0  # of count, how many another node is being asked for
    job: str = ""
    since: float = 0.0
    turn_since: float = -1.0  # since when the node whose turn it is has had no room; negative: it has


@dataclass(frozen=True, slots=True)
class GrantHere:
    process: str
    request: int
    shape: Shape
    allocation: Allocation


@dataclass(frozen=True, slots=True)
class AskThere:
    process: str
    request: int
    shape: Shape
    node: str


@dataclass(frozen=True, slots=True)
class Refuse:
    process: str
    request: int
    reason: str


Decision = GrantHere | AskThere | Refuse


@dataclass(slots=True)
class _Other:
    view: NodeView
    free: dict[str, int] = field(default_factory=dict)
    bundles: dict[str, dict[str, int]] = field(default_factory=dict)


class LeaseBook:
    """Requests that wait, and what is known of the other nodes."""

    def __init__(self, node: str, pool: BundledPool, labels: Mapping[str, str] | None = None) -> None:
        self.node = node
        self._labels = labels or {}
        self.pool = pool
        self.pending: dict[tuple[str, int], Pending] = {}
        self._others: dict[str, _Other] = {}
        # The other nodes when they are empty; what a node has in all never changes.
        self._wholes: dict[str, ResourcePool] = {}
        self._gone_groups: dict[str, str] = {}
        self._order = itertools.count()
        self._spread = 0
        # Nodes that have lost their turns and had no room since.
        self._passed: set[str] = set()
        # True when something would be decided SPREAD_TURN_S later that is not now.
        self.waits_for_turn = False

    def want(
        self, process: str, request: int, shape: Shape, count: int, priority: int, *, job: str = "", now: float = 0.0
    ) -> None:
        """The process, which works for the job, wants count workers in all for this request number; 0 withdraws it."""
        key = (process, request)
        if count <= 0:
            self.pending.pop(key, None)
            return
        found = self.pending.get(key)
        if found is not None:
            found.count = count
        else:
            self.pending[key] = Pending(
                process,
                request,
                shape,
                to_units(shape.resources),
                count,
                priority,
                next(self._order),
                job=job,
                since=now,
            )

    def withdraw(self, process: str) -> None:
        """The process wants nothing any more."""
        for key in [key for key in self.pending if key[0] == process]:
            del self.pending[key]

    def see(self, nodes: list[NodeView]) -> None:
        """What the head last said about the cluster."""
        self._others = {
            view.node: _Other(
                view, to_units(view.available), {name: to_units(free) for name, free in view.bundles.items()}
            )
            for view in nodes
            if view.alive and view.node != self.node
        }

    def lose(self, node: str) -> None:
        """The node is gone; what it was asked for is wanted again."""
        self._others.pop(node, None)
        self._wholes.pop(node, None)

    def answered(self, process: str, request: int, node: str, *, granted: bool) -> None:
        """The node that was asked has answered."""
        found = self.pending.get((process, request))
        if found is not None:
            found.asked = max(0, found.asked - 1)
            # However long its first worker took to start: from now on its turns are as long as the others'.
            found.turn_since = -1.0
            if granted:
                self._got(found)
        if not granted and node in self._others:
            self._others[node].free = {}  # until the next view
            self._others[node].bundles = {}

    def _got(self, pending: Pending) -> None:
        pending.count -= 1
        # Among equals everybody has a turn.
        pending.order = next(self._order)
        if pending.count <= 0:
            self.pending.pop((pending.process, pending.request), None)

    @property
    def others(self) -> list[str]:
        """The other nodes, as far as this one knows."""
        return list(self._others)

    @property
    def waiting(self) -> int:
        """Workers wanted that nobody has given."""
        return sum(pending.count for pending in self.pending.values())

    def decide(self, shares: Shares | None = None, now: float = 0.0) -> list[Decision]:
        """Everything that can be decided now, the poorest job first; grants have been taken from the pool and added to the shares."""
        self.waits_for_turn = False
        shares = shares if shares is not None else Shares(self.pool.total)
        waiting: dict[str, deque[Pending]] = {}
        for pending in sorted(self.pending.values(), key=lambda item: (item.priority, item.order)):
            waiting.setdefault(pending.job, deque()).append(pending)
        out: list[Decision] = []
        while waiting:
            job = min(waiting, key=lambda name: (shares.of(name), waiting[name][0].priority, waiting[name][0].order))
            pending = waiting[job][0]
            decision = self._decide(pending, now) if pending.count > pending.asked else None
            if decision is not None:
                out.append(decision)
                if isinstance(decision, GrantHere):
                    shares.add(job, pending.units)
                    self._got(pending)
                elif isinstance(decision, AskThere):
                    pending.asked += 1
                else:
                    self.pending.pop((pending.process, pending.request), None)
            if decision is None or isinstance(decision, Refuse) or pending.count <= 0:
                waiting[job].popleft()
                if not waiting[job]:
                    del waiting[job]
        return out

    def _decide(self, pending: Pending, now: float) -> Decision | None:
        strategy = pending.shape.strategy
        if strategy.startswith("PG:"):
            return self._decide_in_group(pending)
        soft = strategy.startswith("NODE?")
        wanted = strategy[5:] if strategy.startswith(("NODE:", "NODE?")) else ""
        if wanted and wanted != self.node and wanted not in self._others and not soft:
            return Refuse(
                pending.process,
                pending.request,
                f"it must run on node {wanted[:8]}, which is not alive. {self._census()}",
            )
        nodes = self._order_of_preference(strategy, wanted, pending.units, soft=soft)
        shape = pending.shape
        if shape.hard:
            nodes = self._as_wanted(pending, nodes)
            if not nodes:
                asked = ", or ".join(described(conditions) for conditions in shape.alternatives)
                reason = f"it asks for a node with {asked}, and none of them is so. {self._census()}"
                return Refuse(pending.process, pending.request, reason)
        if shape.soft:
            nodes.sort(key=lambda node: not matches(shape.soft, self._labels_of(node)))
        if not any(self._feasible(node, pending.units) for node in nodes):
            asked = describe(pending.shape.resources)
            where = f"node {wanted[:8]} alone may run it" if wanted and not soft else "no node has that much"
            return Refuse(pending.process, pending.request, f"it asks for {asked}, and {where}. {self._census()}")
        if strategy == "SPREAD":
            return self._decide_spread(pending, [node for node in nodes if self._feasible(node, pending.units)], now)
        return self._first_with_room(pending, nodes)

    def _first_with_room(self, pending: Pending, nodes: Sequence[str]) -> Decision | None:
        for node in nodes:
            if node == self.node:
                allocation = self.pool.take(pending.units)
                if allocation is not None:
                    return GrantHere(pending.process, pending.request, pending.shape, allocation)
            elif self._debit(node, pending.units):
                return AskThere(pending.process, pending.request, pending.shape, node)
        return None

    def _decide_spread(self, pending: Pending, nodes: Sequence[str], now: float) -> Decision | None:
        """The nodes that could ever run it take turns; one that has no room for a while loses its turn until it has some."""
        self._passed = {node for node in self._passed if not self._has_room(node, pending.units)}
        order = sorted(node for node in nodes if node not in self._passed) or sorted(nodes)
        turn = self._spread % len(order)
        found = self._first_with_room(pending, [order[turn]])
        if found is None:
            if pending.turn_since < 0:
                pending.turn_since = now
            # A node that has been asked may be starting a worker.
            patience = ANSWER_S if pending.asked else SPREAD_TURN_S
            if now - pending.turn_since < patience:
                self.waits_for_turn = True
                return None
            self._passed.add(order[turn])
            found = self._first_with_room(pending, order[turn + 1 :] + order[:turn])
        if found is not None:
            self._spread += 1
            pending.turn_since = -1.0
        return found

    def _has_room(self, node: str, units: Mapping[str, int]) -> bool:
        other = self._others.get(node)
        free = self.pool.free if node == self.node else other.free if other is not None else {}
        return all(free.get(name, 0) >= amount for name, amount in units.items())

    def credit(self, node: str, units: Mapping[str, int]) -> None:
        """What a worker of another node held, and has been given back, can be asked for again."""
        other = self._others.get(node)
        if other is not None and other.free:
            for name, amount in units.items():
                other.free[name] = other.free.get(name, 0) + amount

    def lose_group(self, group: str, reason: str) -> None:
        """The placement group is gone: what waits for it waits in vain."""
        self._gone_groups[group] = reason

    def take_here(self, shape: Shape) -> Allocation | None:
        """What the shape asks for, from this node or from the bundle that it names; None when it cannot be had now."""
        units = to_units(shape.resources)
        if not shape.strategy.startswith("PG:"):
            return self.pool.take(units)
        _, group, index = shape.strategy.split(":")
        for bundle in self.pool.bundles_of(group, int(index)):
            allocation = self.pool.take_in(bundle, units)
            if allocation is not None:
                return allocation
        return None

    def _decide_in_group(self, pending: Pending) -> Decision | None:
        _, group, index = pending.shape.strategy.split(":")
        if group in self._gone_groups:
            reason = f"its placement group is gone: {self._gone_groups[group]}."
            return Refuse(pending.process, pending.request, reason)
        allocation = self.take_here(pending.shape)
        if allocation is not None:
            return GrantHere(pending.process, pending.request, pending.shape, allocation)
        if pending.process.startswith("actor:"):
            return None
        for node, other in sorted(self._others.items()):
            for bundle, free in other.bundles.items():
                mine = bundle == f"{group}:{index}" or (index == "-1" and bundle.rpartition(":")[0] == group)
                if mine and all(free.get(name, 0) >= amount for name, amount in pending.units.items()):
                    for name, amount in pending.units.items():
                        free[name] -= amount
                    return AskThere(pending.process, pending.request, pending.shape, node)
        return None

    def _order_of_preference(self, strategy: str, wanted: str, units: Mapping[str, int], *, soft: bool) -> list[str]:
        everybody = [self.node, *sorted(self._others)]
        if wanted and (not soft or (wanted in everybody and self._feasible(wanted, units))):
            return [wanted]
        if strategy == "SPREAD":
            return everybody
        # Least loaded first among the others, so that what does not fit here does not all go to one of them.
        order = [self.node, *sorted(self._others, key=lambda node: -self._others[node].free.get("CPU", 0))]
        near = strategy[5:] if strategy.startswith("NEAR:") else ""
        return [near, *(node for node in order if node != near)] if near in order else order

    def _as_wanted(self, pending: Pending, nodes: list[str]) -> list[str]:
        """The nodes whose labels are as the first of the request's alternatives says that a node with enough of everything meets."""
        found: list[str] = []
        for conditions in pending.shape.alternatives:
            met = [node for node in nodes if matches(conditions, self._labels_of(node))]
            if any(self._feasible(node, pending.units) for node in met):
                return met
            found = found or met
        return found

    def _labels_of(self, node: str) -> Mapping[str, str]:
        return self._labels if node == self.node else self._others[node].view.labels

    def _feasible(self, node: str, units: Mapping[str, int]) -> bool:
        if node == self.node:
            return self.pool.feasible(units)
        other = self._others.get(node)
        if other is None:
            return False
        whole = self._wholes.get(node)
        if whole is None:
            whole = self._wholes[node] = ResourcePool(other.view.total)
        return whole.feasible(units)

    def _debit(self, node: str, units: Mapping[str, int]) -> bool:
        other = self._others.get(node)
        if other is None or any(other.free.get(name, 0) < amount for name, amount in units.items()):
            return False
        if not units and not other.free:
            return False
        for name, amount in units.items():
            other.free[name] -= amount
        return True

    def _census(self) -> str:
        have = {self.node: describe({name: amount / 10_000 for name, amount in self.pool.total.items()})}
        have.update({node: describe(other.view.total) for node, other in self._others.items()})
        return "The nodes have: " + "; ".join(f"{node[:8]}: {text}" for node, text in sorted(have.items())) + "."

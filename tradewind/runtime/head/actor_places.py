"""On which node an actor is started. Pure: what the nodes have and have free in, a node out."""

from __future__ import annotations

from collections.abc import Mapping

from tradewind.runtime.head.groups import PlacementGroups
from tradewind.runtime.labels import described, matches
from tradewind.runtime.messages.cluster import ActorSpec, NodeView
from tradewind.runtime.node.resources import UNIT, ResourcePool, to_units


class ActorPlaces:
    """The choice of nodes for actors; `nodes` and `groups` are the head's own and change under it."""

    def __init__(self, nodes: Mapping[str, NodeView], groups: PlacementGroups) -> None:
        self._nodes = nodes
        self._groups = groups
        self._turn = 0
        # Nodes as they are when they are empty, which never changes.
        self._wholes: dict[str, ResourcePool] = {}

    def forget(self, node: str) -> None:
        """The node is gone."""
        self._wholes.pop(node, None)

    def feasible(self, spec: ActorSpec) -> bool:
        """True when some node could ever hold the actor."""
        if spec.placement.strategy.startswith("PG:"):
            record = self._groups.records.get(spec.placement.strategy.split(":")[1])
            return record is not None and record.state != "REMOVED"
        return bool(self._candidates(spec))

    def choose(self, spec: ActorSpec) -> NodeView | None:
        """The node to start the actor on: one with room where there is one, near its owner unless it says otherwise; None when there is none."""
        views = self._candidates(spec)
        if not views:
            return None
        units = to_units(spec.placement.resources)

        def free(view: NodeView) -> bool:
            if spec.placement.strategy.startswith("PG:"):
                return _free_in_bundle(view, spec.placement.strategy, units)
            return all(round(view.available.get(name, 0.0) * UNIT) >= amount for name, amount in units.items())

        fitting = [view for view in views if free(view)]
        if spec.placement.soft:
            fitting = [view for view in fitting if matches(spec.placement.soft, view.labels)] or fitting
        pool = fitting or views
        if spec.placement.strategy == "SPREAD":
            pool = sorted(pool, key=lambda view: view.node)
            self._turn += 1
            return pool[self._turn % len(pool)]
        owner_node = spec.owner.partition("/")[0]
        near = next((view for view in pool if view.node == owner_node), None)
        return near or max(pool, key=lambda view: view.available.get("CPU", 0.0))

    def _candidates(self, spec: ActorSpec) -> list[NodeView]:
        units = to_units(spec.placement.resources)
        strategy = spec.placement.strategy
        if strategy.startswith("PG:"):
            _, group, index = strategy.split(":")
            return [self._nodes[node] for node in self._groups.nodes_of(group, int(index))]
        able = [view for view in self._nodes.values() if self._whole(view).feasible(units)]
        views: list[NodeView] = []
        for wanted in spec.placement.alternatives:
            views = [view for view in able if matches(wanted, view.labels)] if wanted else able
            if views:
                break
        if strategy.startswith(("NODE:", "NODE?")):
            exact = [view for view in views if view.node == strategy[5:]]
            return exact if exact or strategy[4] == ":" else views
        return views

    def _whole(self, view: NodeView) -> ResourcePool:
        """The node when it is empty."""
        found = self._wholes.get(view.node)
        if found is None:
            found = self._wholes[view.node] = ResourcePool(view.total)
        return found


def labels_text(spec: ActorSpec) -> str:
    """What the actor asks of a node's labels, as a part of a sentence; "" for nothing."""
    asked = ", or ".join(described(conditions) for conditions in spec.placement.alternatives)
    return f" of a node with {asked}" if spec.placement.hard else ""


def _free_in_bundle(view: NodeView, strategy: str, units: dict[str, int]) -> bool:
    _, group, index = strategy.split(":")
    return any(
        all(to_units(free).get(name, 0) >= amount for name, amount in units.items())
        for bundle, free in view.bundles.items()
        if bundle == f"{group}:{index}" or (index == "-1" and bundle.rpartition(":")[0] == group)
    )

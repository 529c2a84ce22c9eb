"""Placement groups. Pure: events in, messages for node daemons out.

PENDING -> CREATED -> (RESCHEDULING -> CREATED),  any -> REMOVED. A round of reservations is all or nothing: what one node refuses is given
back by the others, so two groups never wait for each other's halves.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from tradewind.runtime.head.packing import SearchTooLongError, pack
from tradewind.runtime.labels import described, matches
from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.cluster import GroupSpec, NodeView
from tradewind.runtime.node.resources import describe, to_units

TRANSITIONS: dict[str, frozenset[str]] = {
    "PENDING": frozenset({"CREATED", "REMOVED"}),
    "CREATED": frozenset({"RESCHEDULING", "REMOVED"}),
    "RESCHEDULING": frozenset({"CREATED", "REMOVED"}),
    "REMOVED": frozenset(),
}


class IllegalGroupTransitionError(Exception):
    """A placement group cannot go from the one state to the other; nothing was changed."""


@dataclass(slots=True)
class GroupRecord:
    """One placement group as the head knows it."""

    spec: GroupSpec
    state: str = "PENDING"
    nodes: dict[int, str] = field(default_factory=dict)
    asked: dict[int, str] = field(default_factory=dict)
    refused: bool = False
    round: int = 0
    reason: str = ""
    watchers: list[tuple[str, str, int]] = field(default_factory=list)  # (node, process, request)

    def move(self, state: str) -> None:
        """The group is in that state. Raises IllegalGroupTransitionError."""
        if state not in TRANSITIONS[self.state]:
            raise IllegalGroupTransitionError(f"Group {self.spec.group} cannot go from {self.state} to {state}.")
        self.state = state

    def answer(self) -> cluster.GroupState:
        """What callers are told."""
        return cluster.GroupState(self.spec, self.state, self.nodes, self.reason)


class PlacementGroups:
    """The head's placement groups. `send`, `save` and `changed` (a group has its places, or is gone) carry out what is decided."""

    def __init__(
        self,
        nodes: Mapping[str, NodeView],
        send: Callable[[str, cluster.FromHead], None],
        save: Callable[[str, str, bytes | None], None],
        changed: Callable[[GroupRecord], None],
    ) -> None:
        self._nodes = nodes
        self._send = send
        self._save = save
        self._changed = changed
        self.records: dict[str, GroupRecord] = {}

    def remember(self, specs: Mapping[str, bytes]) -> None:
        """What an earlier life of this head wrote down; the nodes that join say which bundles they hold."""
        for group, data in specs.items():
            self.records[group] = GroupRecord(msgspec.msgpack.decode(data, type=GroupSpec))

    def create(self, spec: GroupSpec) -> cluster.Accepted:
        """The group waits for its places, or can never have them."""
        if spec.group in self.records:
            return cluster.Accepted()
        if spec.name and any(
            record.spec.name == spec.name and record.state != "REMOVED" for record in self.records.values()
        ):
            return cluster.Accepted(f"a placement group named {spec.name!r} exists")
        record = GroupRecord(spec)
        totals = {node: to_units(view.total) for node, view in self._nodes.items()}
        try:
            possible = pack(self._missing(record), spec.strategy, totals, {}, self._barred(spec)) is not None
        except SearchTooLongError:
            possible = True
        if not possible:
            have = "; ".join(f"{node[:8]}: {describe(view.total)}" for node, view in sorted(self._nodes.items()))
            want = "; ".join(
                describe(bundle) + (f" on a node with {described(wanted)}" if wanted else "")
                for bundle, wanted in itertools.zip_longest(spec.bundles, spec.labels)
            )
            return cluster.Accepted(
                f"the bundles ({want}) do not fit the cluster with {spec.strategy}. The nodes have: {have}"
            )
        self.records[spec.group] = record
        self._save("group", spec.group, msgspec.msgpack.encode(spec))
        self._reserve(record)
        return cluster.Accepted()

    def watch(self, node: str, process: str, request: int, group: str) -> None:
        """Answered when the group is created or removed."""
        record = self.records.get(group)
        if record is None:
            gone = cluster.GroupState(
                GroupSpec(group, [], "PACK"), "REMOVED", {}, "the cluster does not know it (any more)"
            )
            self._send(node, cluster.HeadReply(process, request, gone))
        elif record.state in {"CREATED", "REMOVED"}:
            self._send(node, cluster.HeadReply(process, request, record.answer()))
        else:
            record.watchers.append((node, process, request))

    def remove(self, group: str, reason: str) -> None:
        """The group's bundles are given back, and what runs in them is ended."""
        record = self.records.get(group)
        if record is None or record.state == "REMOVED":
            return
        record.move("REMOVED")
        record.reason = reason
        record.nodes = {}
        record.asked = {}
        self._save("group", group, None)
        for node in list(self._nodes):
            self._send(node, cluster.ReturnBundles(group, [], reason))
        self._tell(record)
        self._changed(record)

    def owner_gone(self, process: str) -> None:
        """Groups of a driver that has ended go with it, detached ones apart."""
        for record in list(self.records.values()):
            if record.spec.job == process and not record.spec.detached:
                self.remove(record.spec.group, "its driver has ended")

    def try_again(self) -> None:
        """There may be room now for groups that wait."""
        for record in self.records.values():
            if record.state in {"PENDING", "RESCHEDULING"} and not record.asked:
                self._reserve(record)

    def joined(self, view: NodeView) -> None:
        """The node is a member; bundles that it holds already are known again, or given back."""
        for name in view.bundles:
            group, _, index = name.rpartition(":")
            record = self.records.get(group)
            if record is None or record.state == "REMOVED" or record.nodes.get(int(index), view.node) != view.node:
                self._send(view.node, cluster.ReturnBundles(group, [int(index)], "it is somewhere else now"))
                continue
            record.asked.pop(int(index), None)
            record.nodes[int(index)] = view.node
            self._settle(record)

    def reserved(self, node: str, message: cluster.BundleReserved) -> None:
        """A node has made room for a bundle, or could not."""
        record = self.records.get(message.group)
        if record is None or record.round != message.round or record.asked.get(message.index) != node:
            if message.held:
                self._send(node, cluster.ReturnBundles(message.group, [message.index], "it is not wanted any more"))
            return
        del record.asked[message.index]
        if message.held:
            record.nodes[message.index] = node
        else:
            record.refused = True
        self._settle(record)

    def lose(self, node: str, reason: str) -> None:
        """The node is gone, with the bundles that it held."""
        for record in self.records.values():
            mine = [index for index, at in record.nodes.items() if at == node]
            asked = [index for index, at in record.asked.items() if at == node]
            for index in mine:
                del record.nodes[index]
            for index in asked:
                del record.asked[index]
                record.refused = True
            if mine and record.state == "CREATED":
                record.move("RESCHEDULING")
                record.reason = f"node {node[:8]} was lost: {reason}"
            if mine or asked:
                self._settle(record)
        self.try_again()

    def nodes_of(self, group: str, index: int) -> list[str]:
        """Where the bundle is, or with index -1 where any of the group's are."""
        record = self.records.get(group)
        if record is None:
            return []
        places = record.nodes.values() if index < 0 else [record.nodes[index]] if index in record.nodes else []
        return list(dict.fromkeys(places))

    def _missing(self, record: GroupRecord) -> dict[int, dict[str, int]]:
        return {
            index: to_units(bundle) for index, bundle in enumerate(record.spec.bundles) if index not in record.nodes
        }

    def _barred(self, spec: GroupSpec) -> dict[int, set[str]]:
        """The nodes whose labels are not as a bundle wants them."""
        return {
            index: {node for node, view in self._nodes.items() if not matches(wanted, view.labels)}
            for index, wanted in enumerate(spec.labels)
            if wanted
        }

    def _reserve(self, record: GroupRecord) -> None:
        missing = self._missing(record)
        free = {
            node: to_units({name: max(0.0, amount) for name, amount in view.available.items()})
            for node, view in self._nodes.items()
        }
        try:
            found = pack(missing, record.spec.strategy, free, record.nodes, self._barred(record.spec))
        except SearchTooLongError:
            return
        if found is None:
            return
        record.round += 1
        record.refused = False
        record.asked = dict(found)
        for index, node in found.items():
            self._send(
                node,
                cluster.ReserveBundle(
                    record.spec.group, index, record.round, record.spec.bundles[index], record.spec.job
                ),
            )

    def _settle(self, record: GroupRecord) -> None:
        if record.asked or record.state == "REMOVED":
            return
        if len(record.nodes) == len(record.spec.bundles):
            if record.state != "CREATED":
                record.move("CREATED")
                record.reason = ""
                self._tell(record)
                self._changed(record)
        elif record.refused and record.state == "PENDING":
            for index, node in record.nodes.items():
                self._send(node, cluster.ReturnBundles(record.spec.group, [index], "not all bundles found room"))
            record.nodes = {}

    def _tell(self, record: GroupRecord) -> None:
        waiting, record.watchers = record.watchers, []
        for node, process, request in waiting:
            self._send(node, cluster.HeadReply(process, request, record.answer()))

    def validate(self) -> None:
        """Raises AssertionError when a group is created without all its places, or a bundle is placed and asked for at once."""
        for record in self.records.values():
            assert record.state != "CREATED" or len(record.nodes) == len(record.spec.bundles)
            assert not record.nodes.keys() & record.asked.keys()
            assert all(node in self._nodes for node in record.nodes.values())
            if record.spec.strategy == "STRICT_SPREAD":
                assert len(set(record.nodes.values())) == len(record.nodes)
            if record.spec.strategy == "STRICT_PACK":
                assert len({*record.nodes.values(), *record.asked.values()}) <= 1

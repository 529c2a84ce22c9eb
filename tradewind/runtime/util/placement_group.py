"""Placement groups: bundles of resources that are reserved together, on one node or spread over several."""

from __future__ import annotations

import secrets
import sys
import types
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tradewind.runtime import exceptions, labels, serialization, session
from tradewind.runtime.core.failures import dump_error
from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.values import Failed
from tradewind.runtime.object_ref import ObjectRef

if TYPE_CHECKING:
    from tradewind.runtime.core.process import Process

# Of the groups that tasks of this process ran in; a group's bundles never change.
_handles: dict[str, PlacementGroup] = {}

STRATEGIES = ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD")


class PlacementGroup:
    """A handle to a group; may be passed on."""

    def __init__(self, group: str, bundles: Sequence[Mapping[str, float]]) -> None:
        """Made by placement_group()."""
        self.id = group
        self.bundle_specs = [dict(bundle) for bundle in bundles]

    @staticmethod
    def empty() -> PlacementGroup:
        """A handle to no group."""
        return PlacementGroup("", [])

    @property
    def is_empty(self) -> bool:
        """True for a handle to no group."""
        return not self.id

    @property
    def bundle_count(self) -> int:
        """How many bundles it has."""
        return len(self.bundle_specs)

    def ready(self) -> ObjectRef:
        """A ref that holds this handle once every bundle is reserved, or an error when the group is gone."""
        process = session.process()
        with process.lock:
            key = process.table.create()
            ref = ObjectRef(key, process.release)

            def answered(answer: Any) -> None:
                if isinstance(answer, cluster.GroupState) and answer.state == "CREATED":
                    process.objects.resolve(key, packed)
                    return
                why = answer.error if isinstance(answer, cluster.Accepted) else answer.reason
                kind = (
                    exceptions.TaskPlacementGroupRemoved
                    if isinstance(answer, cluster.GroupState)
                    else exceptions.TaskUnschedulableError
                )
                error = kind(f"The placement group {self.id} is gone: {why}.")
                process.objects.resolve(key, Failed(dump_error(error)))

            packed = serialization.serialize(self).to_bytes()
            process.ask_head(cluster.WatchGroup(self.id), answered)
            process.flush_all()
        return ref

    def wait(self, timeout_seconds: float = 30) -> bool:
        """True once every bundle is reserved, False when that took too long. Raises TaskUnschedulableError when the group is gone."""
        process = session.process()
        try:
            process.objects.get((self.ready(),), timeout_seconds)
        except exceptions.GetTimeoutError:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlacementGroup) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        return PlacementGroup, (self.id, self.bundle_specs)

    def __repr__(self) -> str:
        return f"PlacementGroup({self.id}, {self.bundle_specs})"


def placement_group(
    bundles: Sequence[Mapping[str, float]],
    strategy: str | None = None,
    name: str = "",
    lifetime: str | None = None,
    bundle_label_selector: Sequence[Mapping[str, str]] | None = None,
) -> PlacementGroup:
    """A group that is being reserved, all of it or nothing. It goes with its driver unless lifetime is "detached".

    strategy is PACK unless given. bundle_label_selector says for each bundle what labels its node must have ({} for any).
    Raises ValueError for bundles that make no sense, TaskUnschedulableError when the cluster as it is could never hold them.
    """
    strategy = strategy or "PACK"
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy is {strategy!r}; it must be one of {', '.join(STRATEGIES)}.")
    if lifetime not in {None, "detached"}:
        raise ValueError(f"lifetime is {lifetime!r}; it must be None or 'detached'.")
    if not isinstance(bundles, (list, tuple)) or not all(isinstance(bundle, Mapping) for bundle in bundles):
        raise ValueError(f"bundles is {bundles!r}; it must be a list of resources, e.g. [{{'CPU': 1}}].")
    wanted = [{key: float(amount) for key, amount in bundle.items() if amount} for bundle in bundles]
    if not wanted or not all(wanted) or any(amount < 0 for bundle in wanted for amount in bundle.values()):
        raise ValueError(
            f"bundles is {list(bundles)!r}; it must be a list of resources that are not all zero, e.g. [{{'CPU': 1}}]."
        )
    selectors = [labels.conditions(selector) for selector in bundle_label_selector or ()]
    if selectors and len(selectors) != len(wanted):
        raise ValueError(
            f"bundle_label_selector has {len(selectors)} entries for {len(wanted)} bundles; it must have one for each, {{}} for any node."
        )
    process = session.process()
    group = secrets.token_hex(8)
    spec = cluster.GroupSpec(group, wanted, strategy, process.job, name, lifetime == "detached", selectors)
    answer = process.head(cluster.CreateGroup(spec))
    if answer.error:
        raise exceptions.TaskUnschedulableError(f"The placement group can never be reserved: {answer.error}.")
    return PlacementGroup(group, wanted)


def remove_placement_group(placement_group: PlacementGroup) -> None:
    """The group's bundles are given back; tasks and actors in them are being ended."""
    session.process().head(cluster.RemoveGroup(placement_group.id))


def get_placement_group(placement_group_name: str) -> PlacementGroup:
    """The living group of that name. Raises ValueError when there is none."""
    if not placement_group_name:
        raise ValueError("get_placement_group() was given no name.")
    for state in _states():
        if state.spec.name == placement_group_name and state.state != "REMOVED":
            return PlacementGroup(state.spec.group, state.spec.bundles)
    raise ValueError(f"No placement group is named {placement_group_name!r}; it may have been removed.")


def get_current_placement_group() -> PlacementGroup | None:
    """The group that the calling task or actor runs in; None outside of any, and in a driver."""
    process = session.process()
    executor = process.executor
    return group_of(process, executor.current.group) if executor is not None and executor.current.group else None


def group_of(process: Process, group: str) -> PlacementGroup:
    """The handle of a group by its id, as running tasks know it. Raises ValueError when it is unknown to the head."""
    name = group.rstrip("*")
    found = _handles.get(name)
    if found is None:
        for state in process.head(cluster.ListGroups()).groups:
            if state.spec.group == name:
                found = _handles[name] = PlacementGroup(name, state.spec.bundles)
                return found
        raise ValueError(f"The placement group {name} is unknown to the cluster; it may have been removed.")
    return found


def placement_group_table(placement_group: PlacementGroup | None = None) -> dict[str, Any]:
    """What the head knows of the group, or of all of them by id."""
    table: dict[str, dict[str, Any]] = {
        state.spec.group: {
            "placement_group_id": state.spec.group,
            "name": state.spec.name,
            "bundles": dict(enumerate(state.spec.bundles)),
            "bundles_to_node_id": dict(state.nodes),
            "strategy": state.spec.strategy,
            "state": state.state,
            "reason": state.reason,
        }
        for state in _states()
    }
    return table if placement_group is None else table.get(placement_group.id, {})


def _states() -> list[cluster.GroupState]:
    answer = session.process().head(cluster.ListGroups())
    return list(answer.groups)


class _CallableModule(types.ModuleType):
    """Ray has a function and a module of this name in the same place; this is both."""

    def __call__(self, *args: Any, **options: Any) -> PlacementGroup:
        """As placement_group()."""
        return placement_group(*args, **options)


sys.modules[__name__].__class__ = _CallableModule

__all__ = [
    "PlacementGroup",
    "get_current_placement_group",
    "get_placement_group",
    "placement_group",
    "placement_group_table",
    "remove_placement_group",
]

"""Where a task or actor may run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradewind.runtime.core.process import Process
    from tradewind.runtime.util.placement_group import PlacementGroup


@dataclass(frozen=True, slots=True)
class NodeAffinitySchedulingStrategy:
    """On this node; with soft, elsewhere when the node is gone or full for good."""

    node_id: str
    soft: bool = False


@dataclass(frozen=True, slots=True)
class PlacementGroupSchedulingStrategy:
    """In this bundle of the group, or with index -1 in any of them that has room."""

    placement_group: PlacementGroup
    placement_group_bundle_index: int = -1
    placement_group_capture_child_tasks: bool | None = None


def effective(strategy: Any, process: Process) -> Any:
    """The strategy, or for none that of the running task's placement group when it captures the tasks that it starts."""
    if strategy is None and process.scope:
        from tradewind.runtime.util.placement_group import group_of

        return PlacementGroupSchedulingStrategy(group_of(process, process.scope), -1, True)
    return strategy


def group_text(strategy: Any) -> str:
    """The placement group that a strategy puts its tasks in, with a "*" behind it when it captures the tasks that they start; "" for none."""
    if not isinstance(strategy, PlacementGroupSchedulingStrategy):
        return ""
    return strategy.placement_group.id + ("*" if strategy.placement_group_capture_child_tasks else "")


def check_bundle(strategy: Any, resources: Mapping[str, float]) -> None:
    """Raises ValueError when no bundle of the strategy's group could ever hold the resources."""
    if not isinstance(strategy, PlacementGroupSchedulingStrategy):
        return
    bundles = strategy.placement_group.bundle_specs
    index = strategy.placement_group_bundle_index
    if not -1 <= index < len(bundles):
        raise ValueError(f"The placement group has {len(bundles)} bundles and none with index {index}.")
    candidates = bundles if index < 0 else [bundles[index]]
    if not any(all(bundle.get(name, 0) >= amount for name, amount in resources.items()) for bundle in candidates):
        raise ValueError(f"No such bundle of the placement group holds {dict(resources)}; they are {candidates}.")


def strategy_text(strategy: Any) -> str:
    """The strategy as messages carry it. Raises ValueError for one that does not exist."""
    if strategy is None or strategy == "DEFAULT":
        return "DEFAULT"
    if strategy == "SPREAD":
        return "SPREAD"
    if isinstance(strategy, NodeAffinitySchedulingStrategy):
        return f"NODE{'?' if strategy.soft else ':'}{strategy.node_id}"
    if isinstance(strategy, PlacementGroupSchedulingStrategy):
        return f"PG:{strategy.placement_group.id}:{strategy.placement_group_bundle_index}"
    raise ValueError(
        f"scheduling_strategy is {strategy!r}; it must be 'DEFAULT', 'SPREAD', a NodeAffinitySchedulingStrategy or a PlacementGroupSchedulingStrategy."
    )

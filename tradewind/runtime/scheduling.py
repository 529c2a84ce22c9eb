"""Where a task or actor may run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tradewind.runtime import labels
from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.values import Condition, Shape
from tradewind.runtime.runtime_env import environment_of

if TYPE_CHECKING:
    from tradewind.runtime.core.process import Process
    from tradewind.runtime.util.placement_group import PlacementGroup


@dataclass(frozen=True, slots=True)
class NodeAffinitySchedulingStrategy:
    """On this node; with soft, elsewhere when the node is gone or full for good."""

    node_id: str
    soft: bool = False


class In:
    """The label has one of these values."""

    operator = "in"

    def __init__(self, *values: str) -> None:
        """Raises ValueError for no value, or one that is no text."""
        if not values or not all(isinstance(value, str) for value in values):
            name = type(self).__name__
            raise ValueError(
                f'{name} takes one or more values as text, e.g. {name}("a", "b"), and was given {values!r}.'
            )
        self.values = list(values)


class NotIn(In):
    """The label has none of these values, or is not there."""

    operator = "not in"


class Exists:
    """The label is there, whatever its value."""

    operator = "exists"
    values: Sequence[str] = ()


class DoesNotExist(Exists):
    """The label is not there."""

    operator = "missing"


Wanted = Mapping[str, In | Exists]


class NodeLabelSchedulingStrategy:
    """On a node whose labels are as hard says, if possible one whose labels are as soft says."""

    def __init__(self, hard: Wanted | None, *, soft: Wanted | None = None) -> None:
        """Each label with In, NotIn, Exists or DoesNotExist. Raises ValueError for anything else, and when both are empty."""
        self.hard = _conditions("hard", hard)
        self.soft = _conditions("soft", soft)
        if not self.hard and not self.soft:
            raise ValueError("hard and soft of NodeLabelSchedulingStrategy cannot both be empty.")


def _conditions(field: str, given: Wanted | None) -> list[Condition]:
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise ValueError(f'{field} is a {type(given).__name__}; it must be a dict such as {{"zone": In("a")}}.')  # noqa: TRY004  Ray raises so too
    for key, wanted in given.items():
        if not isinstance(key, str) or not isinstance(wanted, (In, Exists)):
            raise ValueError(  # noqa: TRY004  Ray raises so too
                f"{field} has {key!r}: {wanted!r}; labels are text, and what they must be is In, NotIn, Exists or DoesNotExist."
            )
    return [Condition(key, wanted.operator, list(wanted.values)) for key, wanted in given.items()]


@dataclass(frozen=True, slots=True)
class PlacementGroupSchedulingStrategy:
    """In this bundle of the group, or with index -1 in any of them that has room."""

    placement_group: PlacementGroup
    placement_group_bundle_index: int = -1
    placement_group_capture_child_tasks: bool | None = None


def effective(options: Mapping[str, Any], process: Process) -> Any:
    """The strategy that options name, or for none that of the running task's placement group when it captures the tasks that it starts.

    Ray's older spelling (placement_group=, placement_group_bundle_index=, placement_group_capture_child_tasks=) is understood. Raises ValueError
    for both spellings at once.
    """
    strategy = options.get("scheduling_strategy")
    group = options.get("placement_group", "default")
    if group not in {"default", None}:
        if strategy is not None:
            raise ValueError("Give a placement group as scheduling_strategy or as placement_group, not both.")
        return PlacementGroupSchedulingStrategy(
            group, options.get("placement_group_bundle_index", -1), options.get("placement_group_capture_child_tasks")
        )
    if group is None and strategy is None:
        return "DEFAULT"
    if strategy is None and process.scope:
        from tradewind.runtime.util.placement_group import group_of

        return PlacementGroupSchedulingStrategy(group_of(process, process.scope), -1, True)
    return strategy


def address_resource(host: str) -> str:
    """The resource by whose name Ray's programs ask for a node by its address, as in resources={"node:10.0.0.2": 0.01}."""
    return f"node:{'127.0.0.1' if host in {'', 'localhost'} else host}"


def by_address(resources: dict[str, float], strategy: Any, process: Process) -> Any:
    """The strategy; that node's affinity when resources ask for a node by its address, which is taken out of them.

    No node has such a resource in its books: every other node would hear of it. Raises ValueError when a strategy was given too.
    """
    asked = next((name for name in resources if name.startswith("node:")), None)
    views = process.head(cluster.ListNodes()).nodes if asked is not None else []
    found = next((view.node for view in views if address_resource(view.host) == asked), None)
    if asked is None or found is None:
        return strategy
    if strategy not in {None, "DEFAULT"}:
        raise ValueError(f"Ask for a node by its address ({asked}) or by scheduling_strategy, not both.")
    del resources[asked]
    return NodeAffinitySchedulingStrategy(found)


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
    if strategy is None or strategy == "DEFAULT" or isinstance(strategy, NodeLabelSchedulingStrategy):
        return "DEFAULT"
    if strategy == "SPREAD":
        return "SPREAD"
    if isinstance(strategy, NodeAffinitySchedulingStrategy):
        return f"NODE{'?' if strategy.soft else ':'}{strategy.node_id}"
    if isinstance(strategy, PlacementGroupSchedulingStrategy):
        return f"PG:{strategy.placement_group.id}:{strategy.placement_group_bundle_index}"
    raise ValueError(
        f"scheduling_strategy is {strategy!r}; it must be 'DEFAULT', 'SPREAD', or a NodeAffinity-, NodeLabel- or PlacementGroupSchedulingStrategy."
    )


def shape_of(resources: Mapping[str, float], strategy: Any, options: Mapping[str, Any], process: Process) -> Shape:
    """What a worker must have for a task or actor of these options. Raises ValueError for a label selector or environment that makes no sense."""
    hard = labels.conditions(options.get("label_selector"))
    soft: list[Condition] = []
    if isinstance(strategy, NodeLabelSchedulingStrategy):
        hard += strategy.hard
        soft = strategy.soft
    around = environment_of(options.get("runtime_env"), process.environment, process.packages)
    fallbacks = [labels.conditions(instead["label_selector"]) for instead in options.get("fallback_strategy") or ()]
    return Shape(dict(resources), strategy_text(strategy), around, hard, soft, fallbacks)

"""Where a task or actor may run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NodeAffinitySchedulingStrategy:
    """On this node; with soft, elsewhere when the node is gone or full for good."""

    node_id: str
    soft: bool = False


def strategy_text(strategy: Any) -> str:
    """The strategy as messages carry it. Raises ValueError for one that does not exist."""
    if strategy is None or strategy == "DEFAULT":
        return "DEFAULT"
    if strategy == "SPREAD":
        return "SPREAD"
    if isinstance(strategy, NodeAffinitySchedulingStrategy):
        return f"NODE{'?' if strategy.soft else ':'}{strategy.node_id}"
    raise ValueError(
        f"scheduling_strategy is {strategy!r}; it must be 'DEFAULT', 'SPREAD' or a NodeAffinitySchedulingStrategy."
    )

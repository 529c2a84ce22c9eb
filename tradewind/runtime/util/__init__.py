"""What Ray keeps in `ray.util`: ActorPool, Queue, placement groups, scheduling strategies. Public names are lazy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradewind.runtime.util.actor_pool import ActorPool

__all__ = ["ActorPool"]


def __getattr__(name: str) -> Any:
    if name == "ActorPool":
        return importlib.import_module("tradewind.runtime.util.actor_pool").ActorPool
    if name in {
        "get_current_placement_group",
        "get_placement_group",
        "placement_group_table",
        "remove_placement_group",
    }:
        return getattr(importlib.import_module("tradewind.runtime.util.placement_group"), name)
    if name in {"queue", "placement_group", "state", "scheduling_strategies", "actor_pool"}:
        return importlib.import_module(f"tradewind.runtime.util.{name}")
    raise AttributeError(f"module 'tradewind.runtime.util' has no attribute {name!r}")

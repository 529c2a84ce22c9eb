"""What Ray keeps in `ray.util`: ActorPool, Queue, placement groups, scheduling strategies, custom serializers. Public names are lazy."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradewind.runtime.serialization import deregister_serializer, register_serializer
    from tradewind.runtime.util.actor_pool import ActorPool
    from tradewind.runtime.util.check_serialize import inspect_serializability
    from tradewind.runtime.util.completion import as_completed, map_unordered
    from tradewind.runtime.util.nodes import get_node_instance_id, get_node_ip_address, list_named_actors
    from tradewind.runtime.util.placement_group import (
        get_current_placement_group,
        get_placement_group,
        placement_group_table,
        remove_placement_group,
    )

_HOMES = {
    "serialization": ("deregister_serializer", "register_serializer"),
    "util.actor_pool": ("ActorPool",),
    "util.check_serialize": ("inspect_serializability",),
    "util.completion": ("as_completed", "map_unordered"),
    "util.nodes": ("get_node_instance_id", "get_node_ip_address", "list_named_actors"),
    "util.placement_group": (
        "get_current_placement_group",
        "get_placement_group",
        "placement_group_table",
        "remove_placement_group",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_SUBMODULES = frozenset({"actor_pool", "placement_group", "queue", "scheduling_strategies", "state"})

__all__ = [
    "ActorPool",
    "as_completed",
    "deregister_serializer",
    "get_current_placement_group",
    "get_node_instance_id",
    "get_node_ip_address",
    "get_placement_group",
    "inspect_serializability",
    "list_named_actors",
    "map_unordered",
    "placement_group_table",
    "register_serializer",
    "remove_placement_group",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"tradewind.runtime.util.{name}")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'tradewind.runtime.util' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tradewind.runtime.{home}"), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *_SUBMODULES})

"""The distributed task and actor engine, with Ray Core's names: `import tradewind.runtime as ray`. Stands alone in the project.

It imports none of the other rooms. Public names are lazy, so that importing the package loads nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradewind.runtime import exceptions
    from tradewind.runtime.actor import ActorClass, ActorHandle, exit_actor, get_actor, method
    from tradewind.runtime.api import (
        available_resources,
        cancel,
        cluster_resources,
        get,
        init,
        is_initialized,
        kill,
        nodes,
        put,
        remote,
        shutdown,
        wait,
    )
    from tradewind.runtime.context import get_gpu_ids, get_runtime_context
    from tradewind.runtime.core.streams import DynamicObjectRefGenerator, ObjectRefGenerator
    from tradewind.runtime.object_ref import ObjectRef
    from tradewind.runtime.tracing import timeline

_HOMES = {
    "actor": ("ActorClass", "ActorHandle", "exit_actor", "get_actor", "method"),
    "api": (
        "available_resources",
        "cancel",
        "cluster_resources",
        "get",
        "init",
        "is_initialized",
        "kill",
        "nodes",
        "put",
        "remote",
        "shutdown",
        "wait",
    ),
    "context": ("get_gpu_ids", "get_runtime_context"),
    "core.streams": ("DynamicObjectRefGenerator", "ObjectRefGenerator"),
    "object_ref": ("ObjectRef",),
    "tracing": ("timeline",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

_SUBMODULES = frozenset({"actor", "cloudpickle", "exceptions", "runtime_context", "runtime_env", "types", "util"})

__all__ = [
    "ActorClass",
    "ActorHandle",
    "DynamicObjectRefGenerator",
    "ObjectRef",
    "ObjectRefGenerator",
    "available_resources",
    "cancel",
    "cluster_resources",
    "exceptions",
    "exit_actor",
    "get",
    "get_actor",
    "get_gpu_ids",
    "get_runtime_context",
    "init",
    "is_initialized",
    "kill",
    "method",
    "nodes",
    "put",
    "remote",
    "shutdown",
    "timeline",
    "wait",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"tradewind.runtime.{name}")
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'tradewind.runtime' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tradewind.runtime.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

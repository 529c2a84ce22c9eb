"""What a task file leaves to defaults: the values that `validate --diff` prints."""

from __future__ import annotations

import msgspec

from tradewind.spec.document import Mapping, Node, Sequence
from tradewind.spec.nodes import is_null
from tradewind.spec.resources import ALTERNATIVE_LISTS
from tradewind.spec.task import Resources, Task
from tradewind.spec.typed import written

_TASK = ("num_nodes", "run_on", "engine", "elastic")
_SHARED = ("job_recovery", "priority")
_SIZES = ("cpus", "memory", "accelerators", "gpus", "instance_type")
_PICKS = ("accelerators", "gpus", "instance_type")


def defaults_added(task: Task, document: Mapping) -> dict[str, object]:
    """Each field that `document` does not give, by its dotted path, with the value that it has all the same.

    The default size is the planner's (`cpus: 2+`, `memory: 4+` where no size is named) and is told by it.
    """
    given = _given(document)
    found: dict[str, object] = {name: getattr(task, name) for name in _TASK if name not in given}
    resources = document.entries.get("resources")
    named = _resource_fields(resources)
    bare = Resources()
    if not named & {"infra", "cloud", "region", "zone"}:
        found["resources.infra"] = "*"
    if "arch" not in named:
        found["resources.arch"] = "any" if named & set(_PICKS) else "x86_64"
    found |= {f"resources.{name}": getattr(bare, name) for name in ("use_spot", "burstable") if name not in named}
    found |= {f"resources.{name}": _whole(getattr(task, name)) for name in _SHARED if name not in named}
    for mount in task.storage_mounts:
        found |= _left_out(f"file_mounts.{mount.target}", mount.storage)
    if task.service is not None:
        found |= _left_out("service", task.service)
    if task.autostop is not None:
        found |= _left_out("resources.autostop", task.autostop)
    return found


def names_no_size(document: Mapping) -> bool:
    """Whether nothing in `resources` tells how large the machine should be."""
    return not _resource_fields(document.entries.get("resources")) & set(_SIZES)


def _left_out(field: str, value: msgspec.Struct) -> dict[str, object]:
    """The fields of a map that have their default and are not empty."""
    told = written(value)
    whole = _whole(value)
    assert isinstance(whole, dict)
    return {f"{field}.{name}": held for name, held in whole.items() if name not in told and held not in (None, [], {})}


def _whole(value: object) -> object:
    return msgspec.to_builtins(value)


def _given(document: Mapping) -> set[str]:
    return {name for name, node in document.entries.items() if not is_null(node)}


def _resource_fields(node: Node | None) -> set[str]:
    """The fields given in `resources` or in any of its alternatives."""
    if not isinstance(node, Mapping):
        return set()
    found = _given(node)
    for name in ALTERNATIVE_LISTS:
        entries = node.entries.get(name)
        if isinstance(entries, Sequence):
            found = found.union(*(_given(item) for item in entries.items if isinstance(item, Mapping)))
    return found

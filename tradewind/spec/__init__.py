"""spec: what a person asks for. Task files in, frozen typed values out. Imports nothing else of tradewind."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tradewind.spec.errors import SpecError
    from tradewind.spec.load import command_task, load_task, parse_task
    from tradewind.spec.normal import normal_form
    from tradewind.spec.overrides import Overrides
    from tradewind.spec.task import AcceleratorRequest, FileMount, Infra, JobRecovery, Quantity, Resources, Task
    from tradewind.spec.wire import task_from_dict, task_to_dict

_HOMES = {
    "AcceleratorRequest": "task",
    "FileMount": "task",
    "Infra": "task",
    "JobRecovery": "task",
    "Overrides": "overrides",
    "Quantity": "task",
    "Resources": "task",
    "SpecError": "errors",
    "Task": "task",
    "command_task": "load",
    "load_task": "load",
    "normal_form": "normal",
    "parse_task": "load",
    "task_from_dict": "wire",
    "task_to_dict": "wire",
}

__all__ = [
    "AcceleratorRequest",
    "FileMount",
    "Infra",
    "JobRecovery",
    "Overrides",
    "Quantity",
    "Resources",
    "SpecError",
    "Task",
    "command_task",
    "load_task",
    "normal_form",
    "parse_task",
    "task_from_dict",
    "task_to_dict",
]


def __getattr__(name: str) -> object:
    """Hand on a public name; PyYAML is loaded only by the names that read a file."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)

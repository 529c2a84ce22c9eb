"""spec: what a person asks for. Task files in, frozen typed values out. Imports nothing else of tradewind."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tradewind.spec.built import not_built, refuse_unbuilt
    from tradewind.spec.errors import SpecError
    from tradewind.spec.load import (
        command_task,
        load_defaults,
        load_secrets,
        load_task,
        load_workload,
        parse_task,
        parse_workload,
    )
    from tradewind.spec.normal import normal_form, normal_forms
    from tradewind.spec.overrides import Overrides
    from tradewind.spec.schema import json_schema
    from tradewind.spec.task import AcceleratorRequest, FileMount, Infra, JobRecovery, Quantity, Resources, Task
    from tradewind.spec.wire import task_from_dict, task_to_dict
    from tradewind.spec.workload import Workload

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
    "Workload": "workload",
    "command_task": "load",
    "json_schema": "schema",
    "load_defaults": "load",
    "load_secrets": "load",
    "load_task": "load",
    "load_workload": "load",
    "normal_form": "normal",
    "normal_forms": "normal",
    "not_built": "built",
    "parse_task": "load",
    "parse_workload": "load",
    "refuse_unbuilt": "built",
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
    "Workload",
    "command_task",
    "json_schema",
    "load_defaults",
    "load_secrets",
    "load_task",
    "load_workload",
    "normal_form",
    "normal_forms",
    "not_built",
    "parse_task",
    "parse_workload",
    "refuse_unbuilt",
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

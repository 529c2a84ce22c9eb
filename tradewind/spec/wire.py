"""A task as the daemon receives and stores it: plain values that travel as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from tradewind.spec.task import Task


def task_to_dict(task: Task) -> dict[str, Any]:
    """The task as JSON-able values; `task_from_dict` gives an equal task back."""
    built: dict[str, Any] = msgspec.to_builtins(task)
    return built


def task_from_dict(values: dict[str, Any]) -> Task:
    """The task that `task_to_dict` described. Raises msgspec.ValidationError for values that are none."""
    return msgspec.convert(values, Task)

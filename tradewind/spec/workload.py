"""Several tasks in one file: a chain, each after the one before it, or a group that starts together."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tradewind.spec.document import Mapping, Scalar, Sequence
from tradewind.spec.task import Task
from tradewind.spec.typed import read_struct

Execution = Literal["serial", "parallel"]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the first document says of the tasks after it.

    A parallel group ends when its `primary_tasks` (by name; empty: all) have ended; the others are given `termination_delay` to finish:
    seconds, a time such as 5m, or one of both for each task.
    """

    name: str | None = None
    execution: Execution = "serial"
    primary_tasks: tuple[str, ...] = ()
    termination_delay: int | str | dict[str, Any] | None = None
    inter_connection: bool | str | dict[str, Any] | None = None


class Workload(msgspec.Struct, frozen=True):
    """The tasks of a file, at least one. `header` says how several belong together."""

    tasks: tuple[Task, ...]
    header: Header = Header()

    @property
    def is_single(self) -> bool:
        """Whether it is one task alone."""
        return len(self.tasks) == 1


def split_header(documents: tuple[Mapping, ...]) -> tuple[Header, tuple[Mapping, ...]]:
    """The header and the tasks' documents; a file's only document is a task."""
    first = documents[0]
    if len(documents) == 1 or not set(first.entries) <= set(Header.__struct_fields__):
        return Header(), documents
    primary = first.entries.get("primary_tasks")
    if isinstance(primary, Scalar) and isinstance(primary.value, str):
        entries = first.entries | {"primary_tasks": Sequence((primary,), primary.mark)}
        first = Mapping(entries, first.key_marks, first.mark)
    return read_struct(first, "header", Header), documents[1:]


def check_group(header: Header, tasks: tuple[Task, ...], documents: tuple[Mapping, ...], first: Mapping) -> None:
    """A parallel group's tasks have names, each its own, and its primary tasks are among them. Raises SpecError."""
    if header.execution != "parallel":
        if header.primary_tasks:
            raise first.key_marks["primary_tasks"].error("header.primary_tasks", "needs `execution: parallel`")
        return
    seen: set[str] = set()
    for task, document in zip(tasks, documents, strict=True):
        if task.name is None:
            raise document.mark.error("name", "each task of a group needs one")
        if task.name in seen:
            raise document.key_marks["name"].error("name", f"{task.name!r} is another task's name in this group")
        seen.add(task.name)
    for name in header.primary_tasks:
        if name not in seen:
            from tradewind.spec.fields import nearest

            raise first.entries["primary_tasks"].mark.error(
                "header.primary_tasks", f"no task is called {name!r}", nearest(name, seen)
            )

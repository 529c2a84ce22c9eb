"""Several tasks in one file: a chain, each after the one before it, or a group that starts together."""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from tradewind.spec.document import Mapping, Mark, Scalar
from tradewind.spec.fields import nearest
from tradewind.spec.nodes import is_null
from tradewind.spec.task import Task
from tradewind.spec.typed import plain, read_struct

Delay = Annotated[str, Meta(pattern=r"^[0-9]+[smhdwSMHDW]?$")]
Execution = Literal["serial", "parallel"]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the first document says of the tasks after it.

    A parallel group ends when its `primary_tasks` (by name; empty: all) have ended; the others are given `termination_delay` to finish:
    seconds, a time such as 5m, or one of both for each task.
    """

    UNKNOWN: ClassVar = "launch"
    NULLS: ClassVar = ("*",)
    EXACT: ClassVar = True

    name: str | None = None
    execution: Execution = "serial"
    primary_tasks: tuple[str, ...] = ()
    termination_delay: int | Delay | dict[str, int | Delay] | None = None
    inter_connection: bool | None = None


class Workload(msgspec.Struct, frozen=True):
    """The tasks of a file, at least one. `header` says how several belong together."""

    tasks: tuple[Task, ...]
    header: Header = Header()

    @property
    def is_single(self) -> bool:
        """Whether it is one task alone."""
        return len(self.tasks) == 1

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Which task must have succeeded before which, by their places in the file.

        Where no task says on which it depends, those of a chain follow each other and those of a group wait for none.
        """
        if any(task.depends_on for task in self.tasks):
            places = {task.name: place for place, task in enumerate(self.tasks)}
            return tuple((places[name], place) for place, task in enumerate(self.tasks) for name in task.depends_on)
        if self.header.execution == "parallel":
            return ()
        return tuple(pairwise(range(len(self.tasks))))


def alone(task: Task, workload: Workload) -> Task:
    """The task without what it says of the other tasks of its file, which are there."""
    return task if workload.is_single else msgspec.structs.replace(task, depends_on=())


def group_not_built(workload: Workload) -> tuple[str, ...]:
    """A sentence for each field of the header that nothing here carries out yet."""
    header, unset = workload.header, Header()
    return tuple(
        f"header.{name}: it is not there yet; remove the field to go on without"
        for name in ("primary_tasks", "termination_delay", "inter_connection")
        if getattr(header, name) != getattr(unset, name)
    )


def split_header(documents: tuple[Mapping, ...]) -> tuple[Header, tuple[Mapping, ...]]:
    """The header and the tasks' documents; a file's only document is a task, were it a header's."""
    first = documents[0]
    execution = first.entries.get("execution")
    parallel = isinstance(execution, Scalar) and execution.value == "parallel"
    if not (parallel and len(documents) > 1) and set(first.entries) not in ({"name"}, {"name", "execution"}):
        return Header(), documents
    name = first.entries.get("name")
    if name is not None and not is_null(name):
        text = name.text if isinstance(name, Scalar) else str(plain(name, "name"))
        first = Mapping(first.entries | {"name": Scalar(text, text, name.mark)}, first.key_marks, first.mark)
    header = read_struct(first, "header", Header)
    if len(documents) > 1:
        return header, documents[1:]
    if parallel:
        raise first.key_marks["execution"].error("execution", "is a group's, and the file holds no tasks for one")
    return Header(), (Mapping({"name": documents[0].entries["name"]}, first.key_marks, first.mark),)


def workload_of(tasks: Iterable[Task]) -> Workload:
    """The tasks as one, in order. Raises SpecError for one that waits for a task that is not among them, or for itself."""
    found = tuple(tasks)
    mark = Mark("the tasks")
    check_order(found, tuple(Mapping({}, {"depends_on": mark}, mark) for _ in found))
    return Workload(found)


def check_order(tasks: tuple[Task, ...], documents: tuple[Mapping, ...]) -> None:
    """What tasks depend on is among them, under names that are each one task's, and no task waits for itself. Raises SpecError."""
    names = [task.name for task in tasks]
    before: dict[str, tuple[str, ...]] = {}
    for task, document in zip(tasks, documents, strict=True):
        for name in task.depends_on:
            mark = document.key_marks["depends_on"]
            if name not in names:
                near = nearest(name, [each for each in names if each])
                raise mark.error("depends_on", f"no task of this file is called {name!r}", near)
            if names.count(name) > 1:
                raise mark.error("depends_on", f"{name!r} is the name of {names.count(name)} tasks; give each its own")
        if task.name is not None:
            before[task.name] = task.depends_on
    try:
        tuple(TopologicalSorter(before).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        first = next(document for document in documents if "depends_on" in document.key_marks)
        raise first.key_marks["depends_on"].error("depends_on", f"the tasks wait for each other: {circle}") from error


def check_group(header: Header, tasks: tuple[Task, ...], documents: tuple[Mapping, ...], first: Mapping) -> None:
    """A parallel group has a name and so have its tasks, each its own, and its header speaks of them. Raises SpecError."""
    if header.execution != "parallel":
        return
    if not header.name or not _is_group_name(header.name):
        raise first.key_marks.get("name", first.mark).error(
            "header.name", "a group needs a name of letters, digits, - and _"
        )
    if isinstance(primary := first.entries.get("primary_tasks"), Scalar) and primary.value is not None:
        raise primary.mark.error("header.primary_tasks", "must be a list of names")
    seen: set[str] = set()
    for task, document in zip(tasks, documents, strict=True):
        if task.name is None:
            raise document.mark.error("name", "each task of a group needs one")
        if not _is_group_name(task.name):
            raise document.key_marks["name"].error("name", "in a group may hold letters, digits, - and _ only")
        if task.name in seen:
            raise document.key_marks["name"].error("name", f"{task.name!r} is another task's name in this group")
        seen.add(task.name)
    delays = header.termination_delay
    for field, names, more in (
        ("primary_tasks", header.primary_tasks, set[str]()),
        ("termination_delay", tuple(delays) if isinstance(delays, dict) else (), {"default"}),
    ):
        for name in names:
            if name not in seen | more:
                raise first.entries[field].mark.error(
                    f"header.{field}", f"no task is called {name!r}", nearest(name, seen)
                )
    seconds = delays.values() if isinstance(delays, dict) else (delays,)
    if any(isinstance(each, int) and each < 0 for each in seconds):
        raise first.entries["termination_delay"].mark.error("header.termination_delay", "must not be below 0")


def _is_group_name(name: str) -> bool:
    return all(letter.isalnum() or letter in "-_" for letter in name)

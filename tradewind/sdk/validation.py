"""What `tradewind validate` and `tw.validate` say of task files: their normal form, the defaults, what is not there yet, or what is wrong."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from tradewind.spec import SpecError, json_schema, load_defaults, load_workload, normal_form, normal_forms, not_built
from tradewind.spec.errors import UnknownCloud
from tradewind.spec.workload import alone, group_not_built


class Verdict(msgspec.Struct, frozen=True):
    """What is the case with one file.

    Of a valid one: the normal forms of its documents (one alone is a task), for each task the defaults that were added (where they were asked for),
    and the sentences that a launch would give: of what is `not_there_yet`, and of what SkyPilot too refuses only then (a path that is not there). Of another: the `error` in one sentence, with where it points (0: no line).
    """

    file: str
    valid: bool
    documents: tuple[dict[str, Any], ...] = ()
    defaults: tuple[dict[str, Any], ...] = ()
    not_there_yet: tuple[str, ...] = ()
    error: str = ""
    line: int = 0
    column: int = 0
    field: str = ""
    suggestion: str = ""


def validate(*files: str | os.PathLike[str], defaults: bool = False) -> tuple[Verdict, ...]:
    """A verdict for each task file, in order; a wrong file is a verdict, never an error. With `defaults` also those that were added."""
    return tuple(_verdict(os.fspath(file), defaults=defaults) for file in files)


def schema() -> dict[str, Any]:
    """The JSON Schema of task files, by which editors complete and check them."""
    return json_schema()


def _verdict(file: str, *, defaults: bool) -> Verdict:
    try:
        later: list[SpecError] = []
        workload = load_workload(file, later=later)
        later = _without_own_clouds(later)
        added = tuple(_with_sizes(found) for found in load_defaults(file)) if defaults else ()
    except SpecError as error:
        return Verdict(
            file, False, error=str(error), line=error.line, column=error.column, field=error.field, suggestion=error.suggestion
        )  # fmt: skip
    unbuilt = [str(error) for error in later]
    unbuilt += [sentence for task in workload.tasks for sentence in not_built(alone(task, workload))]
    if workload.is_single:
        return Verdict(file, True, (normal_form(workload.tasks[0]),), added, tuple(unbuilt))
    return Verdict(file, True, tuple(normal_forms(workload)), added, (*group_not_built(workload), *unbuilt))


def _without_own_clouds(later: list[SpecError]) -> list[SpecError]:
    """What a launch refuses, less the clouds that the person's own catalog sells. Raises SpecError for one that nobody knows."""
    unknown = [error for error in later if isinstance(error, UnknownCloud)]
    if not unknown:
        return later
    from tradewind.catalog import open_catalog

    with open_catalog() as catalog:
        sold = {cloud.lower() for cloud in catalog.clouds()}
    for error in unknown:
        if error.cloud not in sold:
            raise error
    return [error for error in later if not isinstance(error, UnknownCloud)]


def _with_sizes(defaults: dict[str, Any]) -> dict[str, Any]:
    """The defaults with the sizes, which are the planner's to say."""
    from tradewind.broker.planner.need import DEFAULT_MEMORY_GIB, DEFAULT_VCPUS

    sizes = {"resources.cpus": f"{DEFAULT_VCPUS:g}+", "resources.memory": f"{DEFAULT_MEMORY_GIB:g}+"}
    return {field: sizes[field] if value is None else value for field, value in defaults.items()}

"""Task files as values: the one way in for YAML and for the flags that override it."""

from __future__ import annotations

import os

from tradewind.spec.defaults import defaults_added, names_no_size
from tradewind.spec.document import MAX_BYTES, Mapping, Mark, Scalar, read_documents
from tradewind.spec.errors import SpecError
from tradewind.spec.nodes import is_null
from tradewind.spec.overrides import Overrides, apply_overrides
from tradewind.spec.reading import read_task
from tradewind.spec.task import Task
from tradewind.spec.variables import read_value
from tradewind.spec.workload import Workload, check_group, check_order, split_header

SIZE_FIELDS = ("resources.cpus", "resources.memory")  # their default is the planner's


def load_task(path: str, *, overrides: Overrides | None = None, base_dir: str | None = None) -> Task:
    """The task in the file at `path`, with `overrides` applied.

    Relative local paths (workdir, file_mounts) count from `base_dir`, by default the current directory, as SkyPilot's do.
    Raises SpecError when the file cannot be read, is no task or several, or names local paths that are not there.
    """
    return parse_task(_read_text(path), path, os.getcwd() if base_dir is None else base_dir, overrides=overrides)


def load_workload(
    path: str,
    *,
    overrides: Overrides | None = None,
    base_dir: str | None = None,
    later: list[SpecError] | None = None,
) -> Workload:
    """All tasks in the file at `path`: one, a chain or a group. Raises SpecError, also for `overrides` of several tasks.

    With `later`, what a launch refuses and SkyPilot reads all the same (paths that are not there, say) is put there instead of raised.
    """
    here = os.getcwd() if base_dir is None else base_dir
    return parse_workload(_read_text(path), path, here, overrides=overrides, later=later)


def load_defaults(path: str, *, base_dir: str | None = None) -> list[dict[str, object]]:
    """For each task in the file at `path`, the fields that it leaves to defaults, with their values; None is the planner's to say.

    Raises SpecError.
    """
    documents = split_header(read_documents(_read_text(path), path, []))[1]
    here = os.getcwd() if base_dir is None else base_dir
    return [
        (dict.fromkeys(SIZE_FIELDS) if names_no_size(document) else {})
        | defaults_added(read_task(document, path, here), document)
        for document in documents
    ]


def load_secrets(path: str) -> dict[str, str]:
    """The values that the one task in the file at `path` writes beside its secrets' names; {} of several tasks. No `Task` holds them. Raises SpecError."""
    documents = split_header(read_documents(_read_text(path), path))[1]
    written = documents[0].entries.get("secrets")
    if len(documents) > 1 or not isinstance(written, Mapping):
        return {}
    given = {name: node for name, node in written.entries.items() if not is_null(node)}
    return {name: read_value(node, f"secrets.{name}") for name, node in given.items()}


def parse_task(text: str, source: str, base_dir: str, *, overrides: Overrides | None = None) -> Task:
    """The one task that the YAML `text` describes; `source` names it in messages. Raises SpecError."""
    workload = parse_workload(text, source, base_dir, overrides=overrides, single=True)
    return workload.tasks[0]


def parse_workload(
    text: str,
    source: str,
    base_dir: str,
    *,
    overrides: Overrides | None = None,
    single: bool = False,
    later: list[SpecError] | None = None,
) -> Workload:
    """The tasks that the YAML `text` describes; with `single` several are refused. Raises SpecError."""
    documents = read_documents(text, source, later)
    header, of_tasks = split_header(documents)
    changes = overrides or Overrides()
    if len(of_tasks) == 1:
        return Workload((read_task(apply_overrides(of_tasks[0], changes), source, base_dir),), header)
    if changes != Overrides():
        raise Mark(source).error("", f"the file holds {len(of_tasks)} tasks, and flags change one task only")
    tasks = tuple(read_task(document, source, base_dir) for document in of_tasks)
    check_group(header, tasks, of_tasks, documents[0])
    check_order(tasks, of_tasks)
    workload = Workload(tasks, header)
    if single:
        raise of_tasks[1].mark.error("", several(workload))
    return workload


def several(workload: Workload) -> str:
    """Why a file of several tasks cannot be launched: one sentence without the file's name."""
    what = "a chain" if workload.header.execution == "serial" else "a job group"
    return f"the file holds {what} of {len(workload.tasks)} tasks, and this takes one; `tradewind jobs launch` runs them all"


def command_task(command: str | None, *, overrides: Overrides | None = None, base_dir: str | None = None) -> Task:
    """The task that runs one command line, without a file, or for None nothing; flags as in `load_task`. Raises SpecError."""
    here = Mark("the command")
    if command is not None and not command.strip():
        raise here.error("", "there is no command to run")
    document = Mapping({}, {}, here)
    if command is not None:
        document = Mapping({"run": Scalar(command, command, here)}, {"run": here}, here)
    document = apply_overrides(document, overrides or Overrides())
    return read_task(document, "", os.getcwd() if base_dir is None else base_dir)


def _read_text(path: str) -> str:
    whole = Mark(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise whole.error("", "there is no such file") from error
    except IsADirectoryError as error:
        raise whole.error("", "is a directory; name the task file in it") from error
    except OSError as error:
        raise whole.error("", f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # a NUL in the path
        raise whole.error("", "is no path") from error
    if len(data) > MAX_BYTES:
        raise whole.error(
            "", f"the file is larger than {MAX_BYTES // 1000} kB; a task file holds no data: name files instead"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        here = Mark(path, before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        raise here.error("", f"the byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8") from error

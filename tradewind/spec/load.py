"""Task files as `Task` values: the one way in for YAML and for the flags that override it."""

from __future__ import annotations

import os
import re
from typing import cast

from tradewind.spec.document import MAX_BYTES, Mapping, Mark, Node, Scalar, read_document
from tradewind.spec.fields import (
    RESOURCE_FIELDS,
    RESOURCE_FIELDS_TO_COME,
    SHARED_RESOURCE_FIELDS,
    TASK_FIELDS,
    TASK_FIELDS_TO_COME,
)
from tradewind.spec.nodes import check_fields, is_null, kind_of, read_choice, read_mapping, read_text, read_whole_number
from tradewind.spec.overrides import Overrides, apply_overrides
from tradewind.spec.policy import read_budget, read_job_recovery, read_priority, read_secrets
from tradewind.spec.resources import read_resources
from tradewind.spec.task import FileMount, RunOn, Task

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_MAX_NODES = 10_000
_UNDER_RESOURCES = dict.fromkeys(
    (*RESOURCE_FIELDS, *SHARED_RESOURCE_FIELDS, *RESOURCE_FIELDS_TO_COME, "any_of"), "resources"
)


def load_task(path: str, *, overrides: Overrides | None = None, base_dir: str | None = None) -> Task:
    """The task in the file at `path`, with `overrides` applied.

    Relative local paths (workdir, file_mounts) count from `base_dir`, by default the current directory, as SkyPilot's do.
    Raises SpecError when the file cannot be read, is no task, or names local paths that are not there.
    """
    return parse_task(_read_text(path), path, os.getcwd() if base_dir is None else base_dir, overrides=overrides)


def parse_task(text: str, source: str, base_dir: str, *, overrides: Overrides | None = None) -> Task:
    """The task that the YAML `text` describes; `source` names it in messages. Raises SpecError."""
    document = read_document(text, source)
    return _read_task(apply_overrides(document, overrides or Overrides()), source, base_dir)


def command_task(command: str, *, overrides: Overrides | None = None, base_dir: str | None = None) -> Task:
    """The task that runs one command line, without a file; flags as in `load_task`. Raises SpecError."""
    here = Mark("the command")
    if not command.strip():
        raise here.error("", "there is no command to run")
    document = Mapping({"run": Scalar(command, command, here)}, {"run": here}, here)
    document = apply_overrides(document, overrides or Overrides())
    return _read_task(document, "", os.getcwd() if base_dir is None else base_dir)


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


def _read_task(document: Mapping, source: str, base_dir: str) -> Task:
    check_fields(document, "", TASK_FIELDS, TASK_FIELDS_TO_COME, _UNDER_RESOURCES)
    given = {name: node for name, node in document.entries.items() if not is_null(node)}
    envs = _read_envs(given.get("envs"))
    num_nodes, run_on, name, workdir = (given.get(field) for field in ("num_nodes", "run_on", "name", "workdir"))
    resources = read_resources(given.get("resources"))
    written = given.get("resources")
    shared = written.entries if isinstance(written, Mapping) else {}
    return Task(
        name=None if name is None else _read_name(name),
        workdir=None if workdir is None else _read_workdir(workdir, envs, base_dir),
        num_nodes=1 if num_nodes is None else read_whole_number(num_nodes, "num_nodes", least=1, most=_MAX_NODES),
        resources=resources,
        envs=envs,
        setup=_read_shell(given.get("setup"), "setup"),
        run=_read_shell(given.get("run"), "run"),
        run_on="all" if run_on is None else cast("RunOn", read_choice(run_on, "run_on", ("all", "head"))),
        file_mounts=_read_file_mounts(given.get("file_mounts"), envs, base_dir),
        source=source or None,
        job_recovery=read_job_recovery(shared.get("job_recovery")),
        priority=read_priority(shared.get("priority")),
        budget_usd=read_budget(given.get("budget")),
        secrets=read_secrets(given.get("secrets"), envs),
    )


def _read_name(node: Node) -> str:
    name = read_text(node, "name")
    if not _NAME.fullmatch(name):
        raise node.mark.error(
            "name", "may hold letters, digits and . _ - only, must start with a letter or digit, and be at most 63 long"
        )
    return name


def _read_shell(node: Node | None, field: str) -> str | None:
    if node is None:
        return None
    if not isinstance(node, Scalar):
        raise node.mark.error(
            field, f"must be shell text, not {kind_of(node)}; write `{field}: |` and the lines below it"
        )
    return read_text(node, field)


def _read_envs(node: Node | None) -> dict[str, str]:
    if node is None:
        return {}
    envs: dict[str, str] = {}
    mapping = read_mapping(node, "envs")
    for name, value in mapping.entries.items():
        field = f"envs.{name}"
        if not _ENV_NAME.fullmatch(name):
            raise mapping.key_marks[name].error(
                field, "is no name for a variable: letters, digits and _ only, not starting with a digit"
            )
        if is_null(value):
            raise mapping.key_marks[name].error(field, f"has no value; write one, or give it with --env {name}=VALUE")
        if not isinstance(value, Scalar):
            raise value.mark.error(field, f"must be a single value, not {kind_of(value)}")
        if isinstance(value.value, str):
            envs[name] = read_text(value, field)
        elif isinstance(value.value, bool | int | float):
            envs[name] = _text_of(value)
        else:
            envs[name] = value.text  # a date: YAML's reading of it is nobody's wish
    return envs


def _text_of(value: Scalar) -> str:
    """Python's str of the value, as SkyPilot does: true becomes True, 1e3 stays the text it is. Digits beyond int's print limit stay as typed."""
    try:
        return str(value.value)
    except ValueError:
        return value.text


def _substitute(text: str, envs: dict[str, str]) -> str:
    """$X and ${X} replaced where X is one of the task's envs; anything else stands as written."""
    return _VARIABLE.sub(lambda match: envs.get(match[1] or match[2], match[0]), text)


def _local_path(text: str, envs: dict[str, str], base_dir: str) -> str:
    return os.path.normpath(os.path.join(base_dir, os.path.expanduser(_substitute(text, envs))))


def _read_workdir(node: Node, envs: dict[str, str], base_dir: str) -> str:
    if isinstance(node, Mapping):
        raise node.mark.error("workdir", "a git repository as workdir is not there yet; name a local directory")
    text = read_text(node, "workdir")
    path = _local_path(text, envs, base_dir)
    if not os.path.isdir(path):
        what = "is a file, not a directory" if os.path.exists(path) else "does not exist"
        raise node.mark.error("workdir", f"{path} {what}; relative paths count from {base_dir}")
    return path


def _read_file_mounts(node: Node | None, envs: dict[str, str], base_dir: str) -> tuple[FileMount, ...]:
    if node is None:
        return ()
    mapping = read_mapping(node, "file_mounts")
    mounts: dict[str, FileMount] = {}
    for written, value in mapping.entries.items():
        field, key_mark = f"file_mounts.{written}", mapping.key_marks[written]
        target = _substitute(written, envs)
        if "\0" in target or not target.strip() or ".." in target.split("/"):
            raise key_mark.error(field, "is no target; a path on the node must not be empty or climb with ..")
        target = os.path.normpath(target)
        if target in mounts:
            raise key_mark.error(field, "is the target of two mounts; keep one")
        if target in {"/", "~", "."}:
            raise key_mark.error(field, "would replace a whole directory tree; mount onto a name below it")
        if isinstance(value, Mapping):
            raise value.mark.error(field, "storage mounts are not there yet; name a local file or directory")
        source = read_text(value, field)
        if _URL.match(source):
            raise value.mark.error(field, "buckets and URLs are not there yet; name a local file or directory")
        path = _local_path(source, envs, base_dir)
        if not os.path.exists(path):
            raise value.mark.error(field, f"{path} does not exist; relative paths count from {base_dir}")
        mounts[target] = FileMount(target, path)
    return tuple(mounts.values())

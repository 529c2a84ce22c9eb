"""One document as a `Task`: every field of it, each read by the module that knows it."""

from __future__ import annotations

import re
from typing import TypeVar, cast, get_args

import msgspec

from tradewind.spec.aside import inline_values, notes_apart
from tradewind.spec.document import Mapping, Node, Scalar, Sequence
from tradewind.spec.fields import RESOURCE_FIELDS, SHARED_RESOURCE_FIELDS, TASK_FIELDS
from tradewind.spec.mounts import Surroundings, read_file_mounts, read_volumes, read_workdir
from tradewind.spec.nodes import (
    check_fields,
    is_null,
    kind_of,
    read_amount,
    read_boolean,
    read_choice,
    read_mapping,
    read_positive_number,
    read_text,
    read_whole_number,
)
from tradewind.spec.placing_reading import read_estimates, read_placing
from tradewind.spec.policy import MOST_NODES, read_budget, read_managed_secrets, read_secrets
from tradewind.spec.quantities import parse_hours
from tradewind.spec.resources import read_resources
from tradewind.spec.service_reading import read_pool, read_service
from tradewind.spec.settings import Settings
from tradewind.spec.storage import DataSize, GitSource
from tradewind.spec.task import Engine, RunOn, Task
from tradewind.spec.typed import read_struct
from tradewind.spec.variables import check_docker_login, read_envs

S = TypeVar("S", bound=msgspec.Struct)
_NAME = re.compile(r"[A-Za-z0-9]+(?:[._-]{1,2}[A-Za-z0-9]+)*")
_WITH_NULL = ("inputs", "outputs", "depends_on")  # with which null is an error at SkyPilot
_LONGEST_NAME = 63
_URI = re.compile(r"(/|[A-Za-z][A-Za-z0-9+.-]*://).+")
_ELSEWHERE = dict.fromkeys(
    (*RESOURCE_FIELDS, *SHARED_RESOURCE_FIELDS, "any_of", "ordered"), "resources"
) | dict.fromkeys(
    ("execution", "primary_tasks", "termination_delay", "inter_connection"),
    "the first of several documents, before the tasks",
)


def read_task(document: Mapping, source: str, base_dir: str) -> Task:
    """The task that the document describes. Raises SpecError."""
    noted, document = notes_apart(document)
    check_fields(document, "", TASK_FIELDS, _ELSEWHERE)
    given = {name: node for name, node in document.entries.items() if not is_null(node)}
    for field in _WITH_NULL:
        if field in document.entries and field not in given:
            raise document.entries[field].mark.error(field, "has no value; write one, or remove the field")
    envs = read_envs(given.get("envs"))
    secrets = read_secrets(given.get("secrets"))
    check_docker_login(envs, secrets.inline, given.get("secrets", document).mark)
    around = Surroundings(envs | inline_values(given.get("secrets")), base_dir)
    name, num_nodes, run_on, engine, workdir = (
        given.get(field) for field in ("name", "num_nodes", "run_on", "engine", "workdir")
    )
    place = None if workdir is None else read_workdir(workdir, around)
    asked = read_resources(given.get("resources"))
    mounts = read_file_mounts(given.get("file_mounts"), around)
    return Task(
        name=None if name is None else read_name(name),
        workdir=place if isinstance(place, str) else None,
        git=place if isinstance(place, GitSource) else None,
        num_nodes=1
        if num_nodes is None
        else read_whole_number(num_nodes, "num_nodes", least=1, most=MOST_NODES, strict=True, ours=True),
        resources=asked.alternatives,
        ordered=asked.ordered,
        job_recovery=asked.shared.job_recovery,
        priority=asked.shared.priority,
        priority_class=asked.shared.priority_class,
        autostop=asked.shared.autostop,
        envs=envs,
        secrets=secrets.names,
        inline_secrets=secrets.inline,
        managed_secrets=(*secrets.held, *read_managed_secrets(given.get("managed_secrets"))),
        setup=_read_shell(given.get("setup"), "setup"),
        run=_read_shell(given.get("run"), "run"),
        run_on="all" if run_on is None else cast("RunOn", read_choice(run_on, "run_on", get_args(RunOn))),
        file_mounts=mounts.files,
        storage_mounts=mounts.buckets,
        volumes=read_volumes(given.get("volumes"), around),
        source=source or None,
        budget_usd=read_budget(given.get("budget")),
        deadline_hours=_read_deadline(given.get("deadline")),
        checkpoint=_read_checkpoint(given.get("checkpoint"), around),
        share="" if given.get("share") is None else read_name(given["share"], "share"),
        depends_on=_read_names(given.get("depends_on"), "depends_on"),
        estimates=read_estimates(given.get("estimates")),
        placement=read_placing(given.get("placement")),
        elastic=_read_flag(given.get("elastic"), "elastic"),
        engine="tradewind" if engine is None else cast("Engine", read_choice(engine, "engine", get_args(Engine))),
        service=read_service(given, around),
        pool=read_pool(given),
        inputs=_read_data(given.get("inputs"), "inputs"),
        outputs=_read_data(given.get("outputs"), "outputs"),
        config=Settings() if "config" not in given else _read_config(given["config"]),
        event_callback=_read_shell(given.get("event_callback"), "event_callback"),
        api_server_access=_read_flag(given.get("api_server_access"), "api_server_access"),
        notes=noted,
    )


def _read_config(node: Node) -> Settings:
    settings = read_struct(node, "config", Settings)
    for index, hook in enumerate(settings.hooks):
        if len(set(hook.events)) < len(hook.events):
            raise node.mark.error(f"config.hooks[{index}].events", "names an event twice; keep one")
    return settings


def read_name(node: Node, field: str = "name") -> str:
    """A name that may stand in paths and tags."""
    name = read_text(node, field)
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        node.mark.put_off(
            field,
            f"may hold letters, digits and, at most two in a row, . _ - between them, and be at most {_LONGEST_NAME} long",
        )
    return name


def _read_names(node: Node | None, field: str) -> tuple[str, ...]:
    """One name or a list of them, each once."""
    if node is None:
        return ()
    names = [read_name(item, field) for item in (node.items if isinstance(node, Sequence) else (node,))]
    return tuple(dict.fromkeys(names))


def _read_shell(node: Node | None, field: str) -> str | None:
    if node is None:
        return None
    if not isinstance(node, Scalar):
        raise node.mark.error(
            field, f"must be shell text, not {kind_of(node)}; write `{field}: |` and the lines below it"
        )
    return read_text(node, field)


def _read_flag(node: Node | None, field: str) -> bool:
    return node is not None and read_boolean(node, field)


def _read_deadline(node: Node | None) -> float | None:
    return None if node is None else read_amount(node, "deadline", parse_hours)


def _read_checkpoint(node: Node | None, around: Surroundings) -> str | None:
    if node is None:
        return None
    uri = around.substitute(read_text(node, "checkpoint"))
    if not _URI.fullmatch(uri):
        raise node.mark.error(
            "checkpoint", f"{uri!r} is no place for checkpoints; write a URI such as s3://bucket/path"
        )
    return uri


def _read_data(node: Node | None, field: str) -> DataSize | None:
    if node is None:
        return None
    mapping = read_mapping(node, field)
    if len(mapping.entries) != 1:
        raise node.mark.error(field, "must be one URI with its size in GB")
    ((uri, size),) = mapping.entries.items()
    return DataSize(uri, _read_gigabytes(size, f"{field}.{uri}"))


def _read_gigabytes(node: Node, field: str) -> float:
    if (
        isinstance(node, Scalar)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
        and node.value <= 0
    ):
        if node.value < 0:
            node.mark.put_off(field, "must not be below 0")
        return 0.0
    return read_positive_number(node, field)

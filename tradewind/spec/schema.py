"""The JSON Schema of task files, made from the types that they are read into: what editors complete and check by.

It says of each field which forms it takes; what only the reader can judge (amounts, places, files that are there) it leaves to `validate`, and so it
does null, which it allows for every field and the reader for those of a task, its resources and a bucket only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

import msgspec

from tradewind.spec.accelerators import SPELLINGS
from tradewind.spec.fields import (
    RESOURCE_FIELDS,
    RESOURCE_NOTES,
    SHARED_RESOURCE_FIELDS,
    STORAGE_NOTES,
    TASK_FIELDS,
    TASK_NOTES,
)
from tradewind.spec.glossary import ALTERNATIVES, RESOURCES, SHARED, TASK, Entry
from tradewind.spec.machine import AcceleratorArgs, AttachedDisk, Autostop, DiskTier, MachineFeature, NetworkTier
from tradewind.spec.placing import Placing
from tradewind.spec.policy import HIGHEST_PRIORITY, REFERENCE, STRATEGIES
from tradewind.spec.service import Pool, Service
from tradewind.spec.settings import Settings
from tradewind.spec.storage import GitSource, Storage, StorageConfig, Volume
from tradewind.spec.task import Arch, Engine, JobRecovery, RunOn

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PARTS = (
    GitSource,
    Storage,
    Volume,
    AcceleratorArgs,
    AttachedDisk,
    Autostop,
    JobRecovery,
    Service,
    Pool,
    Settings,
    Placing,
)
_OPEN = {each.__name__ for each in (AttachedDisk, Volume, StorageConfig)}  # SkyPilot looks at no other fields of these
_NOTE: Schema = {"description": "A note of SkyPilot's to itself."}
_REF = "#/$defs/{name}"

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_WHOLE: Schema = {"type": "integer"}
_AMOUNT: Schema = {"type": ["string", "number"]}
_COUNTS: Schema = {"type": "object", "additionalProperties": {"type": ["number", "null"]}}
_COUNT: Schema = {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "number"}}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"


def json_schema() -> Schema:
    """The schema of one task as a JSON-able value."""
    parts = {part.__name__: part for part in _PARTS}
    _, found = msgspec.json.schema_components(list(parts.values()), ref_template=_REF)
    defs = {name: _lenient(schema) for name, schema in found.items()}
    single = _described(_resources(), RESOURCE_FIELDS, RESOURCES) | _described(
        _shared(), SHARED_RESOURCE_FIELDS, SHARED
    )
    defs["Alternative"] = _closed(single | dict.fromkeys(SPELLINGS, _any(_TEXT, _COUNT)))
    lists = {name: _list(_ref("Alternative")) for name in ALTERNATIVES}
    notes = dict.fromkeys(RESOURCE_NOTES, _NOTE)
    defs["Resources"] = _closed(single | _described(lists, tuple(ALTERNATIVES), ALTERNATIVES) | notes)
    return {
        "$schema": DIALECT,
        "title": "tradewind task",
        **_closed(_described(_task(), TASK_FIELDS, TASK) | dict.fromkeys(TASK_NOTES, _NOTE)),
        "$defs": defs,
    }


def _task() -> dict[str, Schema]:
    shell = _TEXT
    data = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {"type": "number"}}
    variables = {
        "type": ["string", "number", "boolean", "null", "array", "object"]
    }  # the reader makes texts of them, as SkyPilot does
    return {
        "name": _TEXT,
        "workdir": _any(_TEXT, _ref("GitSource")),
        "num_nodes": {"type": "integer", "minimum": 1},
        "resources": _ref("Resources"),
        "envs": {"type": "object", "propertyNames": {"pattern": _VARIABLE}, "additionalProperties": variables},
        "secrets": _any(_list({"type": "string", "pattern": f"^{REFERENCE}"}), {"type": "object", "additionalProperties": variables}),
        "managed_secrets": _list(_any(_TEXT, {"type": "object", "maxProperties": 1})),
        "setup": shell,
        "run": shell,
        "run_on": _words(RunOn),
        "file_mounts": {"type": "object", "additionalProperties": _any(_TEXT, _ref("Storage"))},
        "volumes": {"type": "object", "additionalProperties": _any(_TEXT, _ref("Volume"))},
        "estimates": {"type": "object", "additionalProperties": _AMOUNT},
        "placement": _ref("Placing"),
        "budget": _AMOUNT,
        "deadline": _AMOUNT,
        "checkpoint": _TEXT,
        "share": _TEXT,
        "depends_on": _any(_TEXT, {"type": "array", "items": _TEXT}),
        "elastic": _FLAG,
        "engine": _words(Engine),
        "service": _ref("Service"),
        "pool": _ref("Pool"),
        "inputs": data,
        "outputs": data,
        "config": _ref("Settings"),
        "event_callback": shell,
        "api_server_access": _FLAG,
    }  # fmt: skip


def _resources() -> dict[str, Schema]:
    accelerators = _any(_TEXT, _COUNTS, _list(_TEXT, least=1))
    port = {"type": ["integer", "string"]}
    return {
        "infra": _TEXT,
        "cloud": _TEXT,
        "region": _TEXT,
        "zone": _TEXT,
        "cpus": _AMOUNT,
        "memory": _AMOUNT,
        "accelerators": accelerators,
        "gpus": accelerators,
        "accelerator_args": _ref("AcceleratorArgs"),
        "instance_type": _TEXT,
        "use_spot": _FLAG,
        "arch": _words(Arch),
        "burstable": _FLAG,
        "max_hourly_cost": {"type": "number", "exclusiveMinimum": 0},
        "disk_size": _AMOUNT,
        "ephemeral_storage": _AMOUNT,
        "disk_tier": _words(DiskTier),
        "network_tier": _words(NetworkTier),
        "local_disk": _AMOUNT,
        "network_speed": _AMOUNT,
        "features": _any(_words(MachineFeature), _list(_words(MachineFeature))),
        "ports": _any(port, _list(port)),
        "image_id": _any(_TEXT, _TEXTS),
        "labels": _TEXTS,
        "volumes": _list(_ref("AttachedDisk")),
    }


def _shared() -> dict[str, Schema]:
    return {
        "job_recovery": _any(_any_case(STRATEGIES), _ref("JobRecovery")),
        "priority": {"type": "integer", "minimum": -HIGHEST_PRIORITY, "maximum": HIGHEST_PRIORITY},
        "priority_class": _TEXT,
        "autostop": _any(_FLAG, _WHOLE, _TEXT, _ref("Autostop")),
    }


def _described(schemas: dict[str, Schema], fields: Iterable[str], texts: dict[str, Entry]) -> dict[str, Schema]:
    """Each field's schema with its meaning; the three lists must name the same fields."""
    assert set(schemas) == set(fields) == set(texts), "a field lacks its schema or its meaning"
    return {name: {"description": texts[name].meaning, **_or_null(schemas[name])} for name in fields}


def _closed(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _ref(name: str) -> Schema:
    return {"$ref": _REF.format(name=name)}


def _any(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def _list(items: Schema, *, least: int = 0) -> Schema:
    return {"type": "array", "items": items} | ({"minItems": least} if least else {})


def _words(literal: object) -> Schema:
    return {"enum": list(get_args(literal))}


def _any_case(words: Iterable[str]) -> Schema:
    """The words as they are and in capitals, which SkyPilot prints."""
    return {"enum": [spelling for word in words for spelling in (word, word.upper())]}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _lenient(schema: Schema) -> Schema:
    """A type's own schema as the reader takes it: null for any field, words also in other cases; YAML's forms where they are wider."""
    properties = {
        name: _or_null(_WIDER.get((schema["title"], name), _spelled(part)))
        for name, part in schema.get("properties", {}).items()
    }
    title = schema["title"]
    properties |= dict.fromkeys(STORAGE_NOTES if title == "Storage" else (), _NOTE)
    return {**schema, "additionalProperties": title in _OPEN, "properties": properties}


def _spelled(schema: Schema) -> Schema:
    found = dict(schema)
    words = found.get("enum")
    if words:
        found["enum"] = list(dict.fromkeys(form for word in words for form in _cases(word)))
    for inner in ("anyOf",):
        if inner in found:
            found[inner] = [_spelled(each) for each in found[inner]]
    if isinstance(found.get("items"), dict):
        found["items"] = _spelled(found["items"])
    return found


def _cases(word: object) -> tuple[object, ...]:
    return (word, word.lower(), word.upper()) if isinstance(word, str) else (word,)


_WIDER: dict[tuple[str, str], Schema] = {
    ("JobRecovery", "strategy"): _any_case(STRATEGIES),
    ("JobRecovery", "recover_on_exit_codes"): _any(
        {"type": "integer", "minimum": 0, "maximum": 255}, _list({"type": "integer", "minimum": 0, "maximum": 255})
    ),
    ("AttachedDisk", "disk_size"): _AMOUNT,
}

"""The part of JSON Schema 2020-12 that our schema uses; a keyword beyond it is an error, so that nothing is skipped unseen."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_TYPES = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int, "number": (int, float),
}  # fmt: skip
_SILENT = {"$schema", "$defs", "title", "description", "default"}


def problems(value: Any, schema: dict[str, Any] | bool, root: dict[str, Any] | None = None, at: str = "") -> list[str]:
    """What is wrong with the value; empty when the schema allows it."""
    if isinstance(schema, bool):
        return [] if schema else [f"{at}: not allowed"]
    root = schema if root is None else root
    found: list[str] = []
    for keyword, rule in schema.items():
        if keyword not in _SILENT and keyword not in _THEN:
            found += _check(value, keyword, rule, schema, root, at)
    return found


_THEN = {"additionalProperties"}  # judged with `properties`


def _is(value: Any, kind: str) -> bool:
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _check(value: Any, keyword: str, rule: Any, schema: dict[str, Any], root: dict[str, Any], at: str) -> list[str]:
    if keyword == "$ref":
        return problems(value, root["$defs"][rule.removeprefix("#/$defs/")], root, at)
    if keyword == "type":
        kinds = [rule] if isinstance(rule, str) else rule
        if not any(_is(value, kind) for kind in kinds):
            return [f"{at}: {value!r} is no {rule}"]
        return _object(value, schema, root, at) if isinstance(value, dict) else []
    if keyword == "enum":
        return [] if value in rule else [f"{at}: {value!r} is none of {rule}"]
    if keyword == "anyOf":
        each = [problems(value, one, root, at) for one in rule]
        return [] if any(not one for one in each) else [f"{at}: {value!r} fits none of {each}"]
    if keyword in {"properties", "required", "propertyNames", "minProperties", "maxProperties"}:
        return []  # part of _object
    if keyword == "items":
        return (
            [p for n, item in enumerate(value) for p in problems(item, rule, root, f"{at}[{n}]")]
            if isinstance(value, list)
            else []
        )
    assert keyword in _LIMITS, f"the checker does not know {keyword}"
    kinds, holds = _LIMITS[keyword]
    allowed = isinstance(value, bool) or not isinstance(value, kinds) or holds(value, rule)
    return [] if allowed else [f"{at}: {value!r} breaks {keyword} {rule}"]


_NUMBER = (int, float)
_LIMITS: dict[str, tuple[Any, Callable[[Any, Any], bool]]] = {
    "minimum": (_NUMBER, lambda value, rule: value >= rule),
    "maximum": (_NUMBER, lambda value, rule: value <= rule),
    "exclusiveMinimum": (_NUMBER, lambda value, rule: value > rule),
    "pattern": (str, lambda value, rule: re.search(rule, value) is not None),
    "minLength": (str, lambda value, rule: len(value) >= rule),
    "maxLength": (str, lambda value, rule: len(value) <= rule),
    "minItems": (list, lambda value, rule: len(value) >= rule),
    "maxItems": (list, lambda value, rule: len(value) <= rule),
}


def _object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], at: str) -> list[str]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = [f"{at}: lacks {name}" for name in schema.get("required", ()) if name not in value]
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
        found.append(f"{at}: {len(value)} entries")
    for name, inner in value.items():
        found += problems(inner, known.get(name, others), root, f"{at}.{name}")
        found += problems(name, schema.get("propertyNames", True), root, f"{at}.{name} (name)")
    return found

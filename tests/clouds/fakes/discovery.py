"""Google's discovery documents as judge: they route every request and check it, and check every answer that the fake gives.

So only a fake's behaviour is opinion, never its format. The documents come with google-api-python-client.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from dataclasses import dataclass

INTEGER_TEXT = {"int64": r"-?\d+", "uint64": r"\d+"}


class FormatError(AssertionError):
    """Something does not have the form that the vendor's description gives it."""


@dataclass(frozen=True)
class Route:
    id: str
    http_method: str
    pattern: re.Pattern[str]
    names: tuple[str, ...]
    method: dict


class Document:
    """One API. `integer_enums` accepts numbers for enums, as some generated clients send them."""

    def __init__(self, name: str, *, integer_enums: bool = False) -> None:
        self._doc = _load(name)
        self._schemas: dict[str, dict] = self._doc["schemas"]
        self._integer_enums = integer_enums
        self._routes = [*self._collect(self._doc)]
        self.base = "/" + self._doc["servicePath"]

    def _collect(self, node: dict):
        for method in node.get("methods", {}).values():
            path = method.get("flatPath", method["path"])
            names = tuple(re.findall(r"\{([^}]+)\}", path))
            pattern = re.compile(
                "/" + re.sub(r"\\\{[^}]+\\\}", "([^/:]+)", re.escape(self._doc["servicePath"] + path)) + r"\Z"
            )
            yield Route(method["id"], method["httpMethod"], pattern, names, method)
        for child in node.get("resources", {}).values():
            yield from self._collect(child)

    def route(self, http_method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The method that this request calls and the parts of its path."""
        for route in self._routes:
            if route.http_method == http_method and (found := route.pattern.match(path)):
                return route, dict(zip(route.names, found.groups(), strict=True))
        return None

    def check_request(self, route: Route, parts: dict[str, str], query: dict[str, str], body: object) -> None:
        """Raises FormatError unless the request is one that the description allows."""
        parameters = route.method.get("parameters", {})
        known = {**self._doc.get("parameters", {}), **parameters}
        for name, given in query.items():
            bare = name.lstrip("$")
            # generated clients add to alt how enums are to be written: "json;enum-encoding=int"
            value = given.partition(";")[0] if bare == "alt" else given
            if bare not in {key.lstrip("$") for key in known} and bare != "alt":
                raise FormatError(f"{route.id}: no query parameter {name}")
            self._check_value(
                known.get(name) or known.get(bare) or {"type": "string"}, value, f"{route.id}?{name}", text=True
            )
        for name, parameter in parameters.items():
            if parameter["location"] == "query" and parameter.get("required") and name not in query:
                raise FormatError(f"{route.id}: query parameter {name} is required")
            pattern = parameter.get("pattern", "")
            checked = parameter["location"] == "path" and name in parts and pattern and not pattern.startswith("^")
            if checked and not re.fullmatch(pattern, parts[name]):
                raise FormatError(f"{route.id}: {name}={parts[name]!r} does not match {parameter['pattern']}")
        if "request" in route.method:
            if body is None:
                raise FormatError(f"{route.id}: a body is required")
            self._check_value(route.method["request"], body, route.id, request=route.id)
        elif body not in (None, {}):
            raise FormatError(f"{route.id}: takes no body")

    def check_answer(self, route: Route, body: object) -> None:
        """Raises FormatError unless the fake's answer has the form that the description gives it."""
        if "response" in route.method:
            self._check_value(route.method["response"], body, f"{route.id} answer")

    def _check_value(self, schema: dict, value: object, where: str, *, request: str = "", text: bool = False) -> None:
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"]]
        kind = schema.get("type", "object")
        if kind == "object":
            self._check_object(schema, value, where, request)
        elif kind == "array":
            if not isinstance(value, list):
                raise FormatError(f"{where}: {value!r} is no list")
            for index, item in enumerate(value):
                self._check_value(schema["items"], item, f"{where}[{index}]", request=request)
        elif kind == "string":
            self._check_string(schema, value, where)
        elif kind == "boolean":
            if not isinstance(value, bool) and not (text and value in ("true", "false")):
                raise FormatError(f"{where}: {value!r} is no boolean")
        elif kind in ("integer", "number"):
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                and not (text and re.fullmatch(r"-?[\d.]+", str(value)))
            ):
                raise FormatError(f"{where}: {value!r} is no number")
            if kind == "integer" and isinstance(value, float):
                raise FormatError(f"{where}: {value!r} is no integer")
        elif kind != "any":
            raise FormatError(f"{where}: unknown kind {kind}")

    def _check_object(self, schema: dict, value: object, where: str, request: str) -> None:
        if not isinstance(value, dict):
            raise FormatError(f"{where}: {value!r} is no object")
        properties = schema.get("properties", {})
        extra = schema.get("additionalProperties")
        for name, item in value.items():
            if name in properties:
                if request and properties[name].get("readOnly"):
                    raise FormatError(f"{where}.{name} is output only")
                self._check_value(properties[name], item, f"{where}.{name}", request=request)
            elif extra is not None:
                self._check_value(extra, item, f"{where}.{name}", request=request)
            else:
                raise FormatError(f"{where}: no field {name}")
        for name, field in properties.items():
            if request and request in field.get("annotations", {}).get("required", ()) and name not in value:
                raise FormatError(f"{where}.{name} is required by {request}")

    def _check_string(self, schema: dict, value: object, where: str) -> None:
        if "enum" in schema and self._integer_enums and isinstance(value, int) and 0 <= value < len(schema["enum"]):
            return
        if not isinstance(value, str):
            raise FormatError(f"{where}: {value!r} is no string")
        if "enum" in schema and value not in schema["enum"]:
            raise FormatError(f"{where}: {value!r} is none of {schema['enum'][:12]}")
        if (form := INTEGER_TEXT.get(schema.get("format", ""))) and not re.fullmatch(form, value):
            raise FormatError(f"{where}: {value!r} is no {schema['format']}")
        if (pattern := schema.get("pattern")) and not re.fullmatch(pattern, value):
            raise FormatError(f"{where}: {value!r} does not match {pattern}")


@functools.cache
def document(name: str, *, integer_enums: bool = False) -> Document:
    """The API's document, read once: it has thousands of routes and schemas."""
    return Document(name, integer_enums=integer_enums)


@functools.cache
def _load(name: str) -> dict:
    documents = importlib.resources.files("googleapiclient.discovery_cache.documents")
    return json.loads((documents / f"{name}.json").read_text())

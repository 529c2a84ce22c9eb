"""The API's description (OpenAPI 3.1), made from the routes themselves and the types of their bodies: it cannot go stale."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.routing import Route

from tradewind import __version__
from tradewind.broker.server import requests

_BODIES: dict[str, type] = {
    "/v1/plan": requests.PlanRequest,
    "/v1/launch": requests.LaunchRequest,
    "/v1/jobs": requests.JobRequest,
    "/v1/arrays": requests.ArrayRequest,
    "/v1/shutdown": requests.ShutdownRequest,
    "/v1/clusters/{name}/exec": requests.ExecRequest,
}
_PARAMETER = re.compile(r"\{(\w+)\}")


def description(routes: Iterable[Route]) -> dict[str, Any]:
    """The whole description as plain values."""
    bodies = tuple(_BODIES.values())
    schemas, components = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    by_kind = dict(zip(bodies, schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in routes:
        for method in sorted((route.methods or set()) - {"HEAD"}):
            paths.setdefault(route.path, {})[method.lower()] = _operation(route, method, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {"title": "tradewind's daemon", "version": __version__},
        "servers": [{"url": "http://tradewind", "description": "the daemon's unix socket"}],
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(route: Route, method: str, by_kind: dict[type, Any]) -> dict[str, Any]:
    text = (route.endpoint.__doc__ or "").strip()
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{re.sub(r'[^a-z0-9]+', '_', route.path.lower()).strip('_')}",
        "summary": text.partition("\n")[0],
        "responses": {"200": {"description": "The answer."}, "default": {"description": "A refusal: `error` with message, kind, hint."}},
    }  # fmt: skip
    names = _PARAMETER.findall(route.path)
    if names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
        ]
    body = _BODIES.get(route.path)
    if method == "POST" and body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": by_kind[body]}}}
    return operation

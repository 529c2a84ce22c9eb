"""JSON in and out of the API."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tradewind.broker.server.requests import Refusal

T = TypeVar("T")
MAX_BODY_BYTES = 16 << 20


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


async def body(request: Request, kind: type[T]) -> T:
    """The request's body as a value. Raises Refusal."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise Refusal(f"the request is larger than {MAX_BODY_BYTES >> 20} MiB", "request")
    try:
        return msgspec.json.decode(bytes(data) or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise Refusal(f"the request cannot be read: {error}", "request") from error

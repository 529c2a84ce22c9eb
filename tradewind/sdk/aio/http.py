"""HTTP/1.1 (RFC 9112) to the daemon's socket on the event loop: one request a connection, just what the daemon speaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tradewind.broker.server.socket_path import SocketDirectoryError, socket_path
from tradewind.sdk.daemon import data_dir
from tradewind.sdk.errors import Refused, Unreachable, refusal

PIECE_BYTES = 1 << 16


async def request(method: str, path: str, body: Any) -> Any:
    """The JSON answer. Raises Refused, or Unreachable."""
    async with _asked(method, path, body) as reader:
        return json.loads(b"".join([piece async for piece in reader]) or b"null")


async def stream(path: str) -> AsyncIterator[bytes]:
    """The answer's bytes as they come, until it ends. Raises Refused, or Unreachable when the daemon goes before its end."""
    async with _asked("GET", path, None) as reader:
        async for piece in reader:
            yield piece


@asynccontextmanager
async def _asked(method: str, path: str, body: Any) -> AsyncIterator[AsyncIterator[bytes]]:
    """The body of the answer to a request; the connection is closed at the end, whatever the end is."""
    directory = data_dir()
    writer: asyncio.StreamWriter | None = None
    try:
        reader, writer = await asyncio.open_unix_connection(socket_path(directory))
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: tradewind\r\nConnection: close\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode("latin-1") + data)
        await writer.drain()
        status = int((await reader.readuntil(b"\r\n")).split(b" ", 2)[1])
        headers = {}
        while line := (await reader.readuntil(b"\r\n")).strip():
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip().lower()
        answer = _body(reader, headers)
        if status >= 400:
            raise _refused(status, b"".join([piece async for piece in answer]))
        yield answer
    except SocketDirectoryError as error:
        raise Unreachable(str(error)) from error
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError) as error:
        raise Unreachable(f"no answer from the daemon of {directory} ({str(error) or type(error).__name__})") from error
    finally:
        if writer is not None:
            writer.close()


async def _body(reader: asyncio.StreamReader, headers: dict[bytes, bytes]) -> AsyncIterator[bytes]:
    if headers.get(b"transfer-encoding") == b"chunked":
        while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        return
    left = int(headers.get(b"content-length", b"0"))
    while left:
        piece = await reader.readexactly(min(left, PIECE_BYTES))
        left -= len(piece)
        yield piece


def _refused(status: int, raw: bytes) -> Refused:
    try:
        said = json.loads(raw)["error"]
        return refusal(str(said["message"]), str(said["kind"]), str(said.get("hint", "")))
    except (ValueError, KeyError, TypeError):
        return Refused(f"the daemon answered {status}", "internal")

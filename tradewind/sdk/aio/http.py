"""HTTP/1.1 (RFC 9112) to the daemon's socket on the event loop: one request a connection, just what the daemon speaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tradewind.broker.server.answer_reader import AnswerReader
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
        yield _body(reader)
    except SocketDirectoryError as error:
        raise Unreachable(str(error)) from error
    except OSError as error:
        raise Unreachable(f"no answer from the daemon of {directory} ({str(error) or type(error).__name__})") from error
    finally:
        if writer is not None:
            writer.close()


async def _body(connection: asyncio.StreamReader) -> AsyncIterator[bytes]:
    answer, refused = AnswerReader(), b""
    while not answer.done:
        piece = answer.feed(await connection.read(PIECE_BYTES))
        if answer.status >= 400:
            refused += piece
        elif piece:
            yield piece
    if answer.status >= 400:
        raise _refused(answer.status, refused)


def _refused(status: int, raw: bytes) -> Refused:
    try:
        said = json.loads(raw)["error"]
        return refusal(str(said["message"]), str(said["kind"]), str(said.get("hint", "")))
    except (ValueError, KeyError, TypeError):
        return Refused(f"the daemon answered {status}", "internal")

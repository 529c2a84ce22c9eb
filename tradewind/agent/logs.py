"""A job's log: a file that its processes write directly, read here in pieces. However much a job prints, and without a newline, nothing piles up."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable

from tradewind.agent.protocol import LogChunk

_PIECE_BYTES = 256 << 10
_LOOK_EVERY_S = 0.05
_LAST_LINES_BYTES = 2048


async def read_log(
    path: str, *, offset: int, max_bytes: int, follow: bool, ended: Callable[[], bool]
) -> AsyncIterator[LogChunk]:
    """Pieces of the file from `offset` up to `max_bytes`; with `follow` it waits for more until `ended()` and all is read."""
    limit = offset + max_bytes
    fd = -1
    try:
        while offset < limit:
            over = ended()  # asked before the read: what was written before the end is then seen by it
            if fd < 0:
                fd = _open(path)
            data = os.pread(fd, min(_PIECE_BYTES, limit - offset), offset) if fd >= 0 else b""
            if data:
                yield LogChunk(offset, data)
                offset += len(data)
            elif over or not follow:
                return
            else:
                await asyncio.sleep(_LOOK_EVERY_S)
    finally:
        if fd >= 0:
            os.close(fd)


def last_lines(path: str) -> str:
    """The end of the log as text, at most 2 KiB, starting at a line where there is one."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LAST_LINES_BYTES))
            tail = file.read(_LAST_LINES_BYTES)
    except FileNotFoundError:
        return ""
    if size > len(tail) and b"\n" in tail[:-1]:
        tail = tail[tail.index(b"\n") + 1 :]
    text = tail.decode("utf-8", "replace").strip("\n")
    while len(text.encode()) > _LAST_LINES_BYTES:  # a byte that is no text takes three in its place
        text = text[len(text) // 8 + 1 :]
    return text


def size(path: str) -> int:
    """The log's bytes so far."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1

"""Asking an instance's host: one request a connection, lines of JSON (see host.py)."""

from __future__ import annotations

import asyncio
import json
import os
import socket

from tradewind.broker.clouds.local.directory import InstanceDirectory
from tradewind.broker.clouds.local.errors import refusal

_PATH_LIMIT = 107  # sun_path holds 108 bytes with its final zero (unix(7))


async def connect_unix(path: str, *, limit: int = 1 << 20) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a unix socket of this user, however long its path. Raises OSError; PermissionError when another user listens there."""
    sock = unix_socket(path)
    try:
        return await asyncio.open_unix_connection(sock=sock, limit=limit)
    except BaseException:
        sock.close()
        raise


def unix_socket(path: str) -> socket.socket:
    """A connected socket. A path over the limit is reached through its directory's descriptor."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if len(os.fsencode(path)) <= _PATH_LIMIT:
            sock.connect(path)
        else:
            directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                sock.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
            finally:
                os.close(directory)
        _pid, uid, _gid = memoryview(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)).cast("i")
        if uid not in (os.geteuid(), 0):
            raise PermissionError(f"{path} is served by user {uid}, not by you: tradewind does not speak to it")
    except BaseException:
        sock.close()
        raise
    return sock


async def ask_host(
    directory: InstanceDirectory, request: dict[str, object], *, timeout_s: float = 10
) -> dict[str, object]:
    """The host's answer to one request.

    Raises:
        ProviderError: no host answers ("ended"), it took too long ("time-out"), or it refused ("bad-request").
    """
    try:
        reader, writer = await connect_unix(directory.host_socket)
    except OSError as error:
        raise refusal("ended", f"instance {directory.instance_id} does not run: {directory.why_ended()}") from error
    try:
        writer.write(json.dumps(request).encode() + b"\n")
        async with asyncio.timeout(timeout_s):
            line = await reader.readline()
    except TimeoutError as error:
        raise refusal("time-out", f"instance {directory.instance_id} did not answer within {timeout_s:g} s") from error
    except OSError as error:
        raise refusal("ended", f"instance {directory.instance_id} ended while it was asked") from error
    finally:
        writer.close()
    if not line:
        raise refusal("ended", f"instance {directory.instance_id} ended while it was asked")
    answer: dict[str, object] = json.loads(line)
    if "error" in answer:
        raise refusal("bad-request", f"instance {directory.instance_id} could not do it: {answer['error']}")
    return answer

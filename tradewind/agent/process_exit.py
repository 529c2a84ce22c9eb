"""Awaiting the end of a child process without a thread and without polling."""

from __future__ import annotations

import asyncio
import os
import subprocess


async def until_exit(process: subprocess.Popen[bytes]) -> int:
    """The child's return code (negative: the signal that ended it), as soon as it has ended."""
    await until_gone(process.pid)
    return process.wait()


async def until_gone(pid: int) -> None:
    """Return as soon as this child has ended; it is left to be reaped by whoever started it."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    fd = os.pidfd_open(pid)
    loop.add_reader(fd, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)

"""Threads for the vendors' blocking libraries, apart from the loop's own, so that a cloud that hangs holds up nothing else."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Blocking:
    """A small pool of threads, made at the first call. A call whose caller is cancelled still runs to its end in its thread."""

    def __init__(self, name: str, *, threads: int = 16) -> None:
        self._name, self._threads = name, threads
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """What `call` returns or raises, without holding up the loop."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix=self._name)
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: context.run(call))

    def close(self) -> None:
        """Wait for the calls under way, drop those not begun, and end the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


async def all_done(*work: Awaitable[object]) -> None:
    """All of it has ended; then the first failure is raised. None goes on in its thread and makes something after we gave up."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result

"""A queue that any process of the cluster can put into and take from: an async actor with an asyncio queue inside."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterable, Mapping
from typing import Any

from tradewind.runtime import api
from tradewind.runtime.actor import ActorHandle
from tradewind.runtime.exceptions import RaySystemError


class Empty(queue.Empty):
    """Nothing was in the queue in time."""


class Full(queue.Full):
    """No room was in the queue in time."""


class _QueueActor:
    """Where the items are."""

    def __init__(self, maxsize: int) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(maxsize)

    async def qsize(self) -> int:
        return self._queue.qsize()

    async def put(self, item: Any, within_s: float | None) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._queue.put(item)
        except TimeoutError:
            return False
        return True

    async def get(self, within_s: float | None) -> tuple[bool, Any]:
        try:
            async with asyncio.timeout(within_s):
                return True, await self._queue.get()
        except TimeoutError:
            return False, None

    async def put_many(self, items: list[Any]) -> bool:
        if self._queue.maxsize and self._queue.qsize() + len(items) > self._queue.maxsize:
            return False
        for item in items:
            self._queue.put_nowait(item)
        return True

    async def get_many(self, count: int) -> list[Any] | None:
        if self._queue.qsize() < count:
            return None
        return [self._queue.get_nowait() for _ in range(count)]


def _check(timeout: float | None) -> None:
    if timeout is not None and timeout < 0:
        raise ValueError(f"timeout is {timeout:g}; it cannot be negative.")


class Queue:
    """First in, first out; travels like an actor handle. maxsize 0 means without limit."""

    def __init__(self, maxsize: int = 0, actor_options: Mapping[str, Any] | None = None) -> None:
        """An empty queue; its actor is started with actor_options and takes no CPU unless they say so."""
        self.maxsize = maxsize
        self.actor: ActorHandle[_QueueActor] | None = (
            api.remote(_QueueActor).options(**{"num_cpus": 0, **(actor_options or {})}).remote(maxsize)
        )

    def __len__(self) -> int:
        return self.qsize()

    def _asked(self) -> Any:
        if self.actor is None:
            raise RaySystemError("The queue was shut down, and what was in it is gone; make another Queue().")
        return self.actor

    def qsize(self) -> int:
        """How many items are in the queue."""
        return int(api.get(self._asked().qsize.remote()))

    def size(self) -> int:
        """As qsize()."""
        return self.qsize()

    def empty(self) -> bool:
        """True when nothing is in it."""
        return self.qsize() == 0

    def full(self) -> bool:
        """True when nothing more goes in."""
        return bool(self.maxsize) and self.qsize() >= self.maxsize

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """The item is in the queue. Raises Full when there is no room in time, ValueError for a negative timeout."""
        _check(timeout)
        if not api.get(self._asked().put.remote(item, timeout if block else 0.0)):
            raise Full(f"The queue holds {self.maxsize} items already.")

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The oldest item. Raises Empty when there is none in time, ValueError for a negative timeout."""
        _check(timeout)
        there, item = api.get(self._asked().get.remote(timeout if block else 0.0))
        if not there:
            raise Empty("The queue is empty.")
        return item

    async def put_async(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ASYNC109  Ray's argument
        """As put, for code in an event loop, which goes on meanwhile."""
        _check(timeout)
        if not await self._asked().put.remote(item, timeout if block else 0.0):
            raise Full(f"The queue holds {self.maxsize} items already.")

    async def get_async(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ASYNC109  Ray's argument
        """As get, for code in an event loop, which goes on meanwhile."""
        _check(timeout)
        there, item = await self._asked().get.remote(timeout if block else 0.0)
        if not there:
            raise Empty("The queue is empty.")
        return item

    def put_nowait(self, item: Any) -> None:
        """As put(block=False)."""
        self.put(item, block=False)

    def get_nowait(self) -> Any:
        """As get(block=False)."""
        return self.get(block=False)

    def put_nowait_batch(self, items: Iterable[Any]) -> None:
        """All items are in the queue, or Full is raised and none is. Raises TypeError for what cannot be iterated."""
        if not isinstance(items, Iterable):
            raise TypeError(f"put_nowait_batch() was given a {type(items).__name__}; it takes a list of items.")
        if not api.get(self._asked().put_many.remote(list(items))):
            raise Full(f"The queue has no room for all of them; it holds {self.maxsize} items at most.")

    def get_nowait_batch(self, num_items: int) -> list[Any]:
        """So many items, or Empty is raised and none is taken. Raises TypeError for what is no number, ValueError for a negative one."""
        if not isinstance(num_items, int):
            raise TypeError(f"get_nowait_batch() was given {num_items!r}; it takes a number of items.")
        if num_items < 0:
            raise ValueError(f"get_nowait_batch() was given {num_items}; it cannot be negative.")
        items = api.get(self._asked().get_many.remote(num_items))
        if items is None:
            raise Empty(f"The queue has fewer than {num_items} items.")
        return list(items)

    def shutdown(self, force: bool = False, grace_period_s: float = 5) -> None:
        """The queue's actor is gone, and what was in it: after what was asked of it before, or after grace_period_s; with force at once."""
        if self.actor is not None:
            if force or not api.wait([self.actor.__ray_terminate__.remote()], timeout=grace_period_s)[0]:
                api.kill(self.actor)
            self.actor = None

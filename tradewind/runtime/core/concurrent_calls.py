"""Several calls of one actor at once: in threads, or as coroutines of one loop, each within the limit of its concurrency group."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tradewind.runtime.core.functions import CoroutineCurrent
from tradewind.runtime.messages import control, peer

if TYPE_CHECKING:
    from tradewind.runtime.core.execution import Executor
    from tradewind.runtime.core.peers import Peer

# How many calls of an async actor run at once unless max_concurrency says otherwise (Ray's figure).
_ASYNC_LIMIT = 1000


def concurrent_calls(executor: Executor, actor: control.BecomeActor, kind: type) -> ConcurrentCalls | None:
    """What runs the actor's calls; None for an actor that runs them one after the other."""
    is_async = any(
        inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)
        for _, member in inspect.getmembers(kind)
    )
    if not is_async and actor.max_concurrency <= 1 and not actor.concurrency_groups:
        return None
    declared = {
        name: group
        for name, member in inspect.getmembers(kind)
        if (group := getattr(member, "__tradewind_method__", {}).get("concurrency_group"))
    }
    limits = {"": actor.max_concurrency, **actor.concurrency_groups}
    if is_async and actor.max_concurrency <= 1:
        limits[""] = _ASYNC_LIMIT
    return (AsyncCalls if is_async else ThreadedCalls)(executor, limits, declared)


class ConcurrentCalls:
    """Starts calls; their replies come when they are done."""

    def __init__(self, executor: Executor, limits: dict[str, int], declared: dict[str, str]) -> None:
        self._executor = executor
        self._declared = declared
        self._limits = limits

    def group_of(self, fn: int | str) -> str:
        """The call's concurrency group, "" for the default. Raises ValueError for one that the actor does not have."""
        method, _, group = str(fn).partition("@")
        group = group or self._declared.get(method, "")
        if group not in self._limits:
            raise ValueError(
                f"The actor has no concurrency group {group!r}; it has {sorted(self._limits)[1:] or 'none'}."
            )
        return group

    def start(self, sender: Peer, task: peer.Task) -> None:
        """The call is started as soon as its group has room."""
        raise NotImplementedError

    def cancel(self, sender: Peer, number: int) -> bool:
        """True when the call is running here and is being cancelled. Under the lock."""
        del sender, number
        return False


class ThreadedCalls(ConcurrentCalls):
    """Each group has threads of its own."""

    def __init__(self, executor: Executor, limits: dict[str, int], declared: dict[str, str]) -> None:
        super().__init__(executor, limits, declared)
        self._futures: dict[tuple[str, int], Future[None]] = {}
        self._pools = {
            group: ThreadPoolExecutor(limit, f"tradewind-{group or 'actor'}") for group, limit in limits.items()
        }

    def start(self, sender: Peer, task: peer.Task) -> None:
        """The call waits for a thread of its group."""
        try:
            pool = self._pools[self.group_of(task.fn)]
        except ValueError as error:
            self._executor.replies.reply_error(sender, task, error, time.perf_counter())
            self._executor.call_ended()
            return
        future = self._futures[sender.address, task.id] = pool.submit(self._run, sender, task)
        if future.done():
            self._futures.pop((sender.address, task.id), None)

    def cancel(self, sender: Peer, number: int) -> bool:
        """True when the call runs, which it goes on doing, or waits for a thread, which it does no longer."""
        future = self._futures.get((sender.address, number))
        if future is None:
            return False
        if future.cancel():
            del self._futures[sender.address, number]
            self._executor.answer_cancelled(sender, number, "before it began")
            self._executor.call_ended()
            return False
        if not future.done():
            self._executor.answered.add((sender.address, number))
            self._executor.producing.give_up((sender.address, number))
            self._executor.answer_cancelled(sender, number, "while it ran; its actor runs on")
        return not future.done()

    def _run(self, sender: Peer, task: peer.Task) -> None:
        try:
            self._executor.run_here(sender, task)
        finally:
            self._futures.pop((sender.address, task.id), None)
            self._executor.call_ended()


class AsyncCalls(ConcurrentCalls):
    """One loop in a thread of its own; each group has a semaphore."""

    def __init__(self, executor: Executor, limits: dict[str, int], declared: dict[str, str]) -> None:
        super().__init__(executor, limits, declared)
        self._current = executor.current = CoroutineCurrent()
        self._loop = asyncio.new_event_loop()
        self._semaphores = {group: asyncio.Semaphore(limit) for group, limit in limits.items()}
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        threading.Thread(target=self._loop.run_forever, name="tradewind-actor-loop", daemon=True).start()

    def start(self, sender: Peer, task: peer.Task) -> None:
        """The call becomes a task of the loop."""
        self._loop.call_soon_threadsafe(self._begin, sender, task)

    def cancel(self, sender: Peer, number: int) -> bool:
        """True when the call's coroutine is being cancelled."""
        found = self._tasks.get((sender.address, number))
        if found is None:
            return False
        self._loop.call_soon_threadsafe(found.cancel)
        return True

    def _begin(self, sender: Peer, task: peer.Task) -> None:
        self._tasks[sender.address, task.id] = self._loop.create_task(self._run(sender, task))

    async def _run(self, sender: Peer, task: peer.Task) -> None:
        executor = self._executor
        begin = time.perf_counter()
        self._current.begin()
        executor.take_up(sender, task)
        result: Any = None
        try:
            async with self._semaphores[self.group_of(task.fn)]:
                function = executor.functions.function_of(sender, task)
                args, kwargs = executor.functions.arguments_of(sender, task) if task.args or task.slots else ((), {})
                result = function(*args, **kwargs)
                if task.ahead >= 0:
                    await self._stream(sender, task, result)
                    result = None
                elif inspect.isawaitable(result):
                    result = await result
        except BaseException as error:  # whatever user code raises is its result
            executor.replies.reply_error(sender, task, error, begin)
        else:
            executor.replies.reply(sender, task, result, begin)
        finally:
            self._tasks.pop((sender.address, task.id), None)
            executor.history.append((str(task.fn), begin, time.perf_counter()))
            executor.call_ended()

    async def _stream(self, sender: Peer, task: peer.Task, items: Any) -> None:
        if not hasattr(items, "__aiter__"):
            for index, item in enumerate(items):
                self._executor.producing.send_item(sender, task, index, item)
            return
        room = asyncio.Event()
        index = 0
        with self._executor.producing.reading(sender, task, lambda: self._loop.call_soon_threadsafe(room.set)) as taken:
            async for item in items:
                self._executor.producing.send_item(sender, task, index, item)
                index += 1
                while task.ahead and index - taken() >= task.ahead and not sender.lost:
                    room.clear()
                    if index - taken() >= task.ahead:
                        await room.wait()
                if sender.lost:
                    return

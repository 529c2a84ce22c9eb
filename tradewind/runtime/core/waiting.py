"""`wait`: which of several refs, or generators of refs, are ready, and with fetch_local whether their bytes are on this node."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tradewind.runtime.core.objects import GetWaiter
from tradewind.runtime.core.streams import ObjectRefGenerator
from tradewind.runtime.messages import control
from tradewind.runtime.messages.values import Stored, Value

if TYPE_CHECKING:
    from tradewind.runtime.core.ownership import Entry, Key
    from tradewind.runtime.core.process import Process


class _Arrival:
    """Tells a waiter of a value once its bytes are on this node."""

    __slots__ = ("_waiter", "_waiting")

    def __init__(self, waiting: Waiting, waiter: GetWaiter) -> None:
        self._waiting = waiting
        self._waiter = waiter

    def ready(self, value: Value) -> None:
        """The value is known."""
        if self._waiting.is_far(value):
            assert isinstance(value, Stored)
            self._waiting.fetch(value, self._waiter)
        else:
            self._waiter.ready(value)


class _NextItem:
    """Tells a waiter, once, that a generator's next item is there, or its end."""

    __slots__ = ("_told", "_waiter")

    def __init__(self, waiter: GetWaiter) -> None:
        self._waiter = waiter
        self._told = False

    def finish(self) -> None:
        """An item is there."""
        if not self._told:
            self._told = True
            self._waiter.ready(b"")

    def ready(self, _value: Value) -> None:
        """The generator has ended."""
        self.finish()


class _Fetch:
    """An object on its way to this node, and who waits for it: what answers control.Open."""

    __slots__ = ("_stored", "_waiting", "message", "waiters")

    def __init__(self, waiting: Waiting, stored: Stored, waiter: GetWaiter) -> None:
        self._waiting = waiting
        self._stored = stored
        self.waiters = [waiter]
        self.message: Any = None

    def finish(self) -> None:
        """It is here, or cannot be had, which get() will say."""
        self._waiting.fetched(self._stored, opened=self.message is not None and self.message.offset >= 0)
        for waiter in self.waiters:
            waiter.ready(b"")


class Waiting:
    """The process's waits."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._entries = process.table.entries
        self._here: set[str] = set()
        self._fetching: dict[str, _Fetch] = {}

    def wait(
        self, refs: Sequence[Any], num_returns: int, timeout: float | None, *, fetch_local: bool
    ) -> tuple[list[Any], list[Any]]:
        """(ready, not ready) in the order given; at most num_returns are ready."""
        process = self._process
        found = self._first_ready(refs, num_returns, fetch_local)
        if len(found) < num_returns:
            deadline = None if timeout is None else time.monotonic() + timeout
            self._await(refs, num_returns, deadline, fetch_local)
            found = self._first_ready(refs, num_returns, fetch_local)
        rest = list(refs)
        for index in reversed(found):
            del rest[index]
        process.check_interrupt()
        return [refs[index] for index in found], rest

    def _first_ready(self, refs: Sequence[Any], count: int, fetch_local: bool) -> list[int]:
        """Where in the list the first count refs stand that are ready."""
        entries = self._entries
        found: list[int] = []
        for index, ref in enumerate(refs):
            if type(ref) is ObjectRefGenerator:
                if not ref.has_next():
                    continue
            else:
                value = entries[ref.key].value
                if value is None or (fetch_local and type(value) is Stored and self.is_far(value)):
                    continue
            found.append(index)
            if len(found) == count:
                break
        return found

    def _await(self, refs: Sequence[Any], num_returns: int, deadline: float | None, fetch_local: bool) -> None:
        process = self._process
        with process.lock:
            waiter = GetWaiter(num_returns, fail_fast=False)
            watcher = _Arrival(self, waiter) if fetch_local else waiter
            pending: list[tuple[Key, Entry]] = []
            items: list[tuple[ObjectRefGenerator, _NextItem]] = []
            for ref in refs:
                if type(ref) is ObjectRefGenerator:
                    if ref.has_next():
                        waiter.ready(b"")
                    else:
                        items.append((ref, _NextItem(waiter)))
                    continue
                entry = self._entries[ref.key]
                if entry.value is None:
                    pending.append((ref.key, entry))
                else:
                    watcher.ready(entry.value)
            if num_returns == len(refs) and not items:
                # All of them are needed, as in get(): a circle among them would never end.
                waiter.pending = pending
            if not waiter.done:
                for key, entry in pending:
                    process.objects.watch(key, entry, watcher)
                for generator, item in items:
                    generator.watch(item)
        try:
            process.wait(waiter, deadline)
        finally:
            process.objects.unwatch(pending, watcher)
            with process.lock:
                for generator, item in items:
                    generator.unwatch(item)

    # bytes

    def is_far(self, value: Value) -> bool:
        """True for an object whose bytes are not on this node, as far as this process knows."""
        return isinstance(value, Stored) and value.node != self._process.node and value.name not in self._here

    def fetch(self, stored: Stored, waiter: GetWaiter) -> None:
        """Waiter hears when the object's bytes are on this node. Under the lock."""
        fetch = self._fetching.get(stored.name)
        if fetch is not None:
            fetch.waiters.append(waiter)
            return
        fetch = self._fetching[stored.name] = _Fetch(self, stored, waiter)
        self._process.questions.ask_node_later(lambda request: control.Open(request, stored), fetch)

    def fetched(self, stored: Stored, *, opened: bool) -> None:
        """The object is here, or cannot be had. Under the lock."""
        self._fetching.pop(stored.name, None)
        self._here.add(stored.name)
        if opened:
            self._process.tell_node(control.Close(stored.name))

    def forget(self, name: str) -> None:
        """Nobody here needs the object any more. Under the lock."""
        self._here.discard(name)

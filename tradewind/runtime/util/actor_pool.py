"""A fixed set of actors that share out calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tradewind.runtime import api
from tradewind.runtime.exceptions import ActorDiedError
from tradewind.runtime.object_ref import ObjectRef

Submit = Callable[[Any, Any], ObjectRef]


class ActorPool:
    """Each value goes to the next actor that is free; results come in order, or as they are done."""

    def __init__(self, actors: Iterable[Any]) -> None:
        """A pool of these actors, all taken to be free."""
        self._idle: deque[Any] = deque(actors)
        self._waiting: deque[tuple[Submit, Any]] = deque()
        self._running: dict[ObjectRef, tuple[int, Any]] = {}
        self._by_number: dict[int, ObjectRef] = {}
        self._submitted = 0
        self._next = 0

    def submit(self, fn: Submit, value: Any) -> None:
        """fn(actor, value), which must return a ref, is called with the next free actor."""
        if self._idle:
            actor = self._idle.popleft()
            ref = fn(actor, value)
            self._running[ref] = (self._submitted, actor)
            self._by_number[self._submitted] = ref
            self._submitted += 1
        else:
            self._waiting.append((fn, value))

    def has_next(self) -> bool:
        """True when a result is still to be fetched."""
        return bool(self._running)

    def has_free(self) -> bool:
        """True when an actor has nothing to do."""
        return bool(self._idle) and not self._waiting

    def get_next(self, timeout: float | None = None, ignore_if_timedout: bool = False) -> Any:
        """The next result in the order of submission.

        Raises StopIteration when there is none, and TimeoutError when it is not there in time: with ignore_if_timedout it is given up.
        """
        if not self.has_next():
            raise StopIteration("No results are left in the pool.")
        while self._next not in self._by_number:
            self._next += 1  # fetched out of order before
        ref = self._by_number[self._next]
        if timeout is not None and not api.wait([ref], timeout=timeout)[0]:
            raise self._too_late([ref], timeout, ignore_if_timedout)
        return self._finish(ref)

    def get_next_unordered(self, timeout: float | None = None, ignore_if_timedout: bool = False) -> Any:
        """Any result that is done. Raises StopIteration when there is none, TimeoutError as get_next does."""
        if not self.has_next():
            raise StopIteration("No results are left in the pool.")
        ready, waiting = api.wait(list(self._running), timeout=timeout)
        if not ready:
            assert timeout is not None
            raise self._too_late(waiting, timeout, ignore_if_timedout)
        return self._finish(ready[0])

    def _too_late(self, refs: list[ObjectRef], timeout: float, give_up: bool) -> TimeoutError:
        text = f"No result was there within {timeout:g} s"
        if not give_up:
            return TimeoutError(f"{text}; a later call may have it.")
        # The actor gets its next value behind the one that is given up.
        self._push_back(self._forget(refs[0]))
        return TimeoutError(f"{text}, and it was given up.")

    def _forget(self, ref: ObjectRef) -> Any:
        number, actor = self._running.pop(ref)
        del self._by_number[number]
        return actor

    def _finish(self, ref: ObjectRef) -> Any:
        actor = self._forget(ref)
        try:
            value = api.get(ref)
        except ActorDiedError:
            # A dead actor would take every value that waits.
            self._start_next()
            raise
        except BaseException:
            self._push_back(actor)
            raise
        self._push_back(actor)
        return value

    def push(self, actor: Any) -> None:
        """The actor joins the pool, and gets a value that waits. Raises ValueError for one that is in the pool."""
        if actor in self._idle or any(actor == busy for _, busy in self._running.values()):
            raise ValueError(f"{actor} is in the pool already.")
        self._push_back(actor)

    def _push_back(self, actor: Any) -> None:
        self._idle.append(actor)
        self._start_next()

    def _start_next(self) -> None:
        if self._waiting and self._idle:
            self.submit(*self._waiting.popleft())

    def pop_idle(self) -> Any | None:
        """A free actor, which is no longer in the pool; None when all are busy."""
        return self._idle.popleft() if self.has_free() else None

    def map(self, fn: Submit, values: Iterable[Any]) -> Iterator[Any]:
        """The results in the order of values."""
        for value in values:
            self.submit(fn, value)
        while self.has_next():
            yield self.get_next()

    def map_unordered(self, fn: Submit, values: Iterable[Any]) -> Iterator[Any]:
        """The results as they are done."""
        for value in values:
            self.submit(fn, value)
        while self.has_next():
            yield self.get_next_unordered()

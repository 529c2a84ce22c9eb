"""A small event loop for the daemons: descriptors, timers, calls from other threads. asyncio would double their start-up time."""

from __future__ import annotations

import heapq
import itertools
import os
import select
import time
from collections import deque
from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT


class Timer:
    """A call that will be made, unless cancelled."""

    __slots__ = ("callback", "due")

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """The call is not made."""
        self.callback = None


class Loop:
    """Runs callbacks in one thread until `stop`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._soon: deque[Callable[[], None]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, READ)
        self._running = False

    def now(self) -> float:
        """The loop's clock, in seconds."""
        return time.monotonic()

    def watch(self, fd: int, callback: Callable[[int], None], events: int = READ) -> None:
        """callback(events) runs whenever fd is ready."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Fd is watched for other events from now on."""
        self._epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Fd is no longer watched; to be called before it is closed."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Callback runs once, seconds from now."""
        timer = Timer(self.now() + seconds, callback)
        heapq.heappush(self._timers, (timer.due, next(self._order), timer))
        return timer

    def soon(self, callback: Callable[[], None]) -> None:
        """Callback runs in the loop's thread after the current events."""
        self._soon.append(callback)

    def from_thread(self, callback: Callable[[], None]) -> None:
        """As soon, from any thread."""
        self._soon.append(callback)
        os.eventfd_write(self._wake, 1)

    def run(self, before_wait: Callable[[], None]) -> None:
        """Callbacks are served until `stop`; before_wait runs before each wait for new events."""
        self._running = True
        while self._running:
            while self._soon:
                self._soon.popleft()()
            before_wait()
            if not self._running:
                break
            timeout = -1.0 if not self._timers else max(0.0, self._timers[0][0] - time.monotonic())
            for fd, events in self._epoll.poll(0.0 if self._soon else timeout):
                if fd == self._wake:
                    os.eventfd_read(self._wake)
                    continue
                callback = self._callbacks.get(fd)
                if callback is not None:
                    callback(events)
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                due = heapq.heappop(self._timers)[2].callback
                if due is not None:
                    due()

    def stop(self) -> None:
        """`run` returns after the current callback, or from its wait: a signal handler may call this, and does not end a wait by itself."""
        self._running = False
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """The loop's own descriptors are closed."""
        self._epoll.close()
        os.close(self._wake)

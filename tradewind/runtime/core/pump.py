"""Who moves a process's messages: one thread at a time, preferably the one that waits for them.

The role of the pump is a lock. A thread that blocks in `get` takes it, polls the sockets itself and reads its own reply, so a call made
synchronously costs no switch between threads. When nobody waits, the I/O thread has the role. It keeps away while user threads take the role
again and again (it looks every few milliseconds), since waking it up costs more than a whole call.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

_TICK_S = 0.003
# Room for so many is made anew each time; what does not fit comes with the next look.
_EVENTS = 64
# After this many ticks in which one user thread kept the role, the I/O thread sleeps until the role is given up.
_TICKS_UNTIL_PARKED = 20


class Waiter:
    """Something a thread can wait for. `done` is set by whoever handles the message that brings it."""

    __slots__ = ("done", "gate", "pending")

    def __init__(self) -> None:
        self.done = False
        # What must all be there before it is done, when that is known.
        self.pending: Any = None
        self.gate: threading.Event | None = None

    def finish(self) -> None:
        """The waiting thread goes on."""
        self.done = True
        gate = self.gate
        if gate is not None:
            gate.set()


class Handler(Protocol):
    """What the pump drives."""

    def on_ready(self, fd: int, events: int) -> None: ...
    def before_poll(self) -> None: ...
    def timeout(self) -> float | None: ...
    def tick(self, now: float) -> None: ...


class Pump:
    """Polls descriptors for a Handler from whichever thread has the role."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._epoll = select.epoll()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake_fd, select.EPOLLIN)
        self._role = threading.Lock()
        self._parked: deque[Waiter] = deque()
        self._io_event = threading.Event()
        self._io_has_role = False
        self._io_should_yield = False
        self._io_parked = False
        self._epoch = 0
        self._closing = False
        self.sleeping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """The I/O thread runs from now on."""
        self._thread = threading.Thread(target=self._run_io, name="tradewind-io", daemon=True)
        self._thread.start()

    def register(self, fd: int) -> None:
        """Fd is read by the handler when ready. Safe from any thread, also while another one polls."""
        self._epoll.register(fd, select.EPOLLIN)

    def want_write(self, fd: int, wants: bool) -> None:
        """The handler hears of fd's writability, or not."""
        self._epoll.modify(fd, select.EPOLLIN | select.EPOLLOUT if wants else select.EPOLLIN)

    def unregister(self, fd: int) -> None:
        """Fd is no longer polled; to be called before it is closed."""
        self._epoll.unregister(fd)

    def wake(self) -> None:
        """A thread that sleeps in poll looks around; takes no lock, so it may be called from a finalizer."""
        self.sleeping = False
        os.eventfd_write(self._wake_fd, 1)

    def wait(self, waiter: Waiter, deadline: float | None = None) -> bool:
        """True once waiter is done; False when the deadline (time.monotonic) passes first."""
        self._epoch += 1
        if waiter.done:
            return True
        while not waiter.done:
            if self._role.acquire(blocking=False):
                try:
                    while not waiter.done:
                        timeout = None if deadline is None else deadline - time.monotonic()
                        if timeout is not None and timeout < 0:
                            # One look without sleeping, so that a timeout of zero polls.
                            self._step(0.0)
                            return waiter.done
                        self._step(timeout)
                finally:
                    self._give_up_role()
                return True
            if not self._park(waiter, deadline):
                break
        # The role may have been passed to this thread while somebody else brought what it waited for: the next one is told, or nobody is.
        if not self._role.locked():
            self._pass_on()
        return waiter.done

    def _park(self, waiter: Waiter, deadline: float | None) -> bool:
        """Sleeps until the waiter is done or the role may be free; False when the deadline has passed."""
        gate = waiter.gate
        if gate is None:
            gate = waiter.gate = threading.Event()
        self._parked.append(waiter)
        if self._io_has_role:
            self._io_should_yield = True
            os.eventfd_write(self._wake_fd, 1)
        if waiter.done or not self._role.locked():
            self._unpark(waiter)
            return True
        try:
            in_time = gate.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except BaseException:  # Ctrl-C: who has left is passed nothing, and passes on what it may have been passed
            self._unpark(waiter)
            self._pass_on()
            raise
        gate.clear()
        self._unpark(waiter)
        return in_time

    def _unpark(self, waiter: Waiter) -> None:
        try:
            self._parked.remove(waiter)
        except ValueError:
            pass

    def _give_up_role(self) -> None:
        self._role.release()
        self._pass_on()

    def _pass_on(self) -> None:
        """Somebody who waits for the role is woken: first a user thread, else the I/O thread if it sleeps for good."""
        try:
            waiter = self._parked[0]
        except IndexError:
            if self._io_parked:
                self._io_event.set()
            return
        gate = waiter.gate
        if gate is not None:
            gate.set()

    def _step(self, timeout: float | None) -> None:
        handler = self._handler
        handler.before_poll()
        limit = handler.timeout()
        if limit is not None and (timeout is None or limit < timeout):
            timeout = limit
        self.sleeping = True
        handler.before_poll()
        events = self._epoll.poll(timeout, _EVENTS)
        self.sleeping = False
        for fd, event in events:
            if fd == self._wake_fd:
                try:
                    os.eventfd_read(self._wake_fd)
                except BlockingIOError:
                    pass
            else:
                handler.on_ready(fd, event)
        if limit is not None:
            handler.tick(time.monotonic())

    def _run_io(self) -> None:
        seen = -1
        quiet = 0
        while not self._closing:
            epoch = self._epoch
            if epoch != seen:
                seen = epoch
                quiet = 0
                self._io_event.wait(_TICK_S)
            elif self._parked or not self._role.acquire(blocking=False):
                quiet += 1
                if quiet < _TICKS_UNTIL_PARKED:
                    self._io_event.wait(_TICK_S)
                else:
                    self._io_parked = True
                    if self._role.locked():
                        self._io_event.wait(1.0)
                    self._io_parked = False
                    self._io_event.clear()
            else:
                quiet = 0
                self._io_has_role = True
                try:
                    while not self._io_should_yield and not self._closing:
                        self._step(None)
                finally:
                    self._io_has_role = False
                    self._io_should_yield = False
                    self._give_up_role()

    def close(self) -> None:
        """The I/O thread has ended and the pump's descriptors are closed."""
        self._closing = True
        os.eventfd_write(self._wake_fd, 1)
        self._io_event.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(5)
        self._epoll.close()
        os.close(self._wake_fd)
        self._closed_fds()

    def _closed_fds(self) -> None:
        self._wake_fd = -1


class Callback(Waiter):
    """A waiter that calls instead of waking."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], None]) -> None:
        super().__init__()
        self._function = function

    def finish(self) -> None:
        """The function has run."""
        if not self.done:
            self.done = True
            self._function()

"""The worker's side: tasks and actor methods run here, in the main thread unless the actor is async or threaded."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from tradewind.runtime import exceptions, serialization
from tradewind.runtime.core.concurrent_calls import ConcurrentCalls, concurrent_calls
from tradewind.runtime.core.failures import dump_error
from tradewind.runtime.core.functions import CoroutineCurrent, Current, Functions
from tradewind.runtime.core.producing import Producing
from tradewind.runtime.core.pump import Waiter
from tradewind.runtime.core.replies import Replies
from tradewind.runtime.core.wait_cycles import SUSPICIOUS_S
from tradewind.runtime.messages import control, peer
from tradewind.runtime.messages.values import Failed

if TYPE_CHECKING:
    from tradewind.runtime.core.peers import Peer
    from tradewind.runtime.core.process import Process

# A task that has run this long hands the ones behind it back; a wait shorter than the second figure is not worth telling anybody.
_LONG_TASK_S = 0.010
_SHORT_WAIT_S = 0.002
_RECHECK_S = 0.5
_KEPT_HISTORY = 20_000


class Executor:
    """Runs what callers send to this worker."""

    def __init__(self, process: Process) -> None:
        self._process = process
        process.executor = self
        self._queue: deque[tuple[Peer, peer.Task]] = deque()
        self._idle: Waiter | None = None
        self._started = 0.0
        self._running: peer.Task | None = None
        self.current_sender: Peer | None = None
        self._main = threading.get_ident()
        self._blocked = False
        self._waiter: Waiter | None = None
        self._interrupted: peer.Task | None = None
        self._exit_reason = ""
        self._exit_unneeded = False
        self._calls_of: dict[bytes, int] = {}
        self._retiring = ""
        self._leaving = False
        self._cancelled: set[tuple[str, int]] = set()
        # Calls whose callers have been told that they were cancelled, and that run on.
        self.answered: set[tuple[str, int]] = set()
        self.current: Current | CoroutineCurrent = Current()
        self.functions = Functions(process, self)
        self.replies = Replies(process, self)
        self.producing = Producing(process, self)
        # What has run here and when, (name, begin, end) by time.perf_counter, for timelines.
        self.history: deque[tuple[str, float, float]] = deque(maxlen=_KEPT_HISTORY)
        # Why the environment that was asked for is not there.
        self.setup_error = ""
        self.actor: control.BecomeActor | None = None
        self.actor_since = 0.0
        self._concurrent: ConcurrentCalls | None = None
        self._active = 0
        signal.signal(signal.SIGINT, self._on_interrupt)

    def current_name(self) -> str:
        """The function or actor that this worker is busy with, "" for none."""
        if self.actor is not None:
            return self.actor.name
        running, sender = self._running, self.current_sender
        if running is None or sender is None:
            return ""
        define = sender.functions.get(running.fn)  # type: ignore[arg-type]
        return define.name if define is not None else ""

    # the main loop

    def run(self) -> None:
        """Tasks are run until the worker is told to end."""
        process = self._process
        queue = self._queue
        while True:
            if not queue:
                with process.lock:
                    if not queue:
                        if (
                            self._exit_reason
                            and not self._active
                            and not (self._exit_unneeded and process.table.entries)
                        ):
                            if self._retiring:
                                process.tell_node(control.ExitIntended(self._retiring))
                            return
                        idle = self._idle = Waiter()
                    else:
                        continue
                process.pump.wait(idle, time.monotonic() + _RECHECK_S if self._exit_unneeded else None)
                self._idle = None
                continue
            try:
                sender, task = queue.popleft()
            except IndexError:
                continue
            if self._leaving:
                continue  # the caller learns from the actor's end that it came too late
            self._started = time.monotonic()
            self._running = task
            self.current_sender = sender
            if sender is _NOBODY:
                self._construct()
            elif self._concurrent is not None:
                self._active += 1
                self._concurrent.start(sender, task)
            else:
                self.run_here(sender, task)
            self._running = None
            # A result is on its way before the next call begins: a crash costs the call that crashed, never one that was done.
            with process.lock:
                process.flush_all()

    def on_task(self, sender: Peer, task: peer.Task) -> None:
        """A call has arrived. Under the lock."""
        if self._blocked and self.actor is None:
            self._process.post(sender, peer.HandBack([task.id], 0, blocked=True))
            return
        self._queue.append((sender, task))
        idle = self._idle
        if idle is not None:
            idle.finish()

    def run_here(self, sender: Peer, task: peer.Task) -> None:
        """The call has run in this thread and its reply is posted."""
        begin = time.perf_counter()
        current = self.current
        current.task = task
        current.sender = sender
        try:
            function = self.functions.function_of(sender, task)
            if task.accelerators is not None:
                os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(task.accelerators)
            if task.args or task.slots:
                args, kwargs = self.functions.arguments_of(sender, task)
                result = function(*args, **kwargs)
                del args, kwargs
            else:
                result = function()
            if task.ahead >= 0:
                self.producing.stream(sender, task, result)
                result = None
        except BaseException as error:  # whatever user code raises is its result
            self.replies.reply_error(sender, task, error, begin)
        else:
            self.replies.reply(sender, task, result, begin)
        self.history.append((current.name, begin, time.perf_counter()))

    def take_up(self, sender: Peer, task: peer.Task) -> None:
        """This coroutine runs the call, beside others in its thread."""
        current = self.current
        current.sender = sender
        current.task = task
        current.name = str(task.fn)

    # waiting inside a task

    def count(self, define: peer.Define) -> None:
        """With the last call that a worker may make of a function, what stands behind it goes elsewhere and the worker ends."""
        made = self._calls_of[define.digest] = self._calls_of.get(define.digest, 0) + 1
        if made >= define.max_calls and not self._retiring:
            with self._process.lock:
                self._retiring = f"it had run {define.name}() {made} times, which is its max_calls"
                self._blocked = True
                self._hand_back(blocked=True)
                self._process.flush_all()
                self.on_exit(self._retiring, when_unneeded=True)

    def wait(self, waiter: Waiter, deadline: float | None) -> bool:
        """As Pump.wait, for a thread that runs user code here."""
        pump = self._process.pump
        if threading.get_ident() != self._main or (self.actor is not None and self._running is None):
            return pump.wait(waiter, deadline)
        self._waiter = waiter
        try:
            if not self._queue or self.actor is not None:
                short = time.monotonic() + _SHORT_WAIT_S
                if pump.wait(waiter, short if deadline is None or deadline > short else deadline):
                    return self._checked(waiter)
                if deadline is not None and time.monotonic() >= deadline:
                    return waiter.done
            self._block()
            try:
                if deadline is None and waiter.pending is not None and self._concurrent is None:
                    return self._wait_warily(waiter)
                return pump.wait(waiter, deadline) and self._checked(waiter)
            finally:
                self._unblock()
        finally:
            self._waiter = None

    def _wait_warily(self, waiter: Waiter) -> bool:
        """As Pump.wait without a deadline. Raises WaitCycleError when what is waited for waits for this task."""
        process = self._process
        cycles = process.cycles
        with process.lock:
            cycles.begin(waiter, [key for key, _ in waiter.pending])
        try:
            while not process.pump.wait(waiter, time.monotonic() + SUSPICIOUS_S):
                with process.lock:
                    cycles.suspect()
            if cycles.found:
                circle = "\n  ".join(cycles.found)
                raise exceptions.WaitCycleError(
                    f"This wait would never end, because these wait for each other:\n  {circle}\n"
                    "Make one of the calls without waiting for it, or make an actor in the circle async or give it max_concurrency."
                )
            return self._checked(waiter)
        finally:
            with process.lock:
                cycles.end()

    def holds_up(self, sender: Peer, number: int) -> bool:
        """True when that call runs here or stands behind the one that does, so that it cannot end before it. Under the lock."""
        if self._concurrent is not None:
            return False
        if self._running is not None and self._running.id == number and self.current_sender is sender:
            return True
        return any(item[0] is sender and item[1].id == number for item in self._queue)

    def _checked(self, waiter: Waiter) -> bool:
        if self._interrupted is not None and self._interrupted is self._running:
            self._interrupted = None
            raise KeyboardInterrupt
        return waiter.done

    def _block(self) -> None:
        process = self._process
        with process.lock:
            self._blocked = True
            process.tell_node(control.Blocked())
            if self.actor is None:
                self._hand_back(blocked=True)
            process.flush_all()

    def _hand_back(self, *, blocked: bool) -> None:
        """Unstarted tasks go back to their callers. Under the lock."""
        running = self._running.id if self._running is not None else 0
        by_sender: dict[str, tuple[Peer, list[int]]] = {}
        while self._queue:
            sender, task = self._queue.popleft()
            by_sender.setdefault(sender.address, (sender, []))[1].append(task.id)
        current = self.current.sender
        if blocked and current is not None:
            by_sender.setdefault(current.address, (current, []))
        for sender, ids in by_sender.values():
            self._process.post(sender, peer.HandBack(ids, running, blocked=blocked))

    def _unblock(self) -> None:
        process = self._process
        with process.lock:
            self._blocked = bool(self._retiring)
            process.tell_node(control.Unblocked())
            if self.actor is None and self.current.sender is not None and not self._retiring:
                process.post(self.current.sender, peer.Resume())

    def timeout(self) -> float | None:
        """How long the pump may sleep, in seconds."""
        if self._queue and self._running is not None and self.actor is None:
            return _LONG_TASK_S
        return 0.15 if self._process.leasing.has_idle else None

    def tick(self, now: float) -> None:
        """A task that runs long hands back those behind it. Under the lock."""
        if self._queue and self._running is not None and self.actor is None and now - self._started > _LONG_TASK_S:
            self._hand_back(blocked=False)

    # cancelling and ending

    def on_cancel(self, sender: Peer, message: peer.Cancel) -> None:
        """A caller no longer wants a call. Under the lock."""
        for item in self._queue:
            if item[0] is sender and item[1].id == message.id:
                self._queue.remove(item)
                self.answer_cancelled(sender, message.id, "before it began")
                return
        if self._concurrent is not None:
            # Known before the coroutine hears of it, which may be at once.
            self._cancelled.add((sender.address, message.id))
            if self._concurrent.cancel(sender, message.id):
                return
            self._cancelled.discard((sender.address, message.id))
        running = self._running
        if running is None or running.id != message.id or self.current_sender is not sender:
            return
        self._cancelled.add((sender.address, message.id))
        if self.actor is not None:
            # A method that runs is not interrupted, for its actor's state; nobody waits for it any more.
            self.answered.add((sender.address, message.id))
            self.producing.give_up((sender.address, message.id))
            self.answer_cancelled(sender, message.id, "while it ran; its actor runs on")
            return
        if message.recursive:
            for number in list(self._process.calls.open):
                self._process.calls.cancel_own(number, force=False, recursive=True)
        waiter = self._waiter
        if waiter is not None:
            self._interrupted = running
            waiter.finish()
        else:
            self._interrupted = running
            signal.pthread_kill(self._main, signal.SIGINT)

    def _on_interrupt(self, _number: int, _frame: Any) -> None:
        if self._interrupted is not None and self._interrupted is self._running and self._waiter is None:
            self._interrupted = None
            raise KeyboardInterrupt

    def answer_cancelled(self, sender: Peer, number: int, when: str) -> None:
        """The caller hears that its call was cancelled, and that it does not begin from now on. Under the lock."""
        error = exceptions.TaskCancelledError(f"The call was cancelled {when}.")
        self._process.post(sender, peer.Done(number, 0, Failed(dump_error(error))))

    def take_cancelled(self, number: int) -> bool:
        """True, once, when the caller of this thread's call has cancelled it."""
        sender = self.current.sender
        key = (sender.address if sender is not None else "", number)
        found = key in self._cancelled
        self._cancelled.discard(key)
        return found

    def leave(self) -> None:
        """Nothing is begun here any more; callers learn from the actor's end that they came too late."""
        self._leaving = True

    def is_cancelled(self, number: int) -> bool:
        """True when the running call's caller no longer wants it."""
        sender = self.current.sender
        return sender is not None and (sender.address, number) in self._cancelled

    def lose_peer(self, target: Peer) -> None:
        """A caller has ended: what it asked for is not begun. Under the lock."""
        self.producing.lose_reader()
        kept = [item for item in self._queue if item[0] is not target]
        self._queue.clear()
        self._queue.extend(kept)

    def on_exit(self, reason: str, *, when_unneeded: bool = False) -> None:
        """The worker ends when what was sent before is done. Under the lock."""
        self._exit_unneeded = when_unneeded
        self._exit_reason = reason or "asked to end"
        self._rouse()

    # actors

    def become_actor(self, message: control.BecomeActor) -> None:
        """The constructor is the next thing to run. Under the lock."""
        self.actor = message
        self.actor_since = time.perf_counter()
        self._queue.appendleft((_NOBODY, peer.Task(0, "__init__", b"")))
        if self._idle is not None:
            self._idle.finish()

    def _construct(self) -> None:
        actor = self.actor
        assert actor is not None
        process = self._process
        current = self.current
        current.name = f"{actor.name}.__init__"
        current.resources = actor.resources
        self.functions.enter(actor.group)
        process.job, process.namespace = actor.job, actor.namespace
        current.sender = None
        error = b""
        try:
            if actor.accelerators is not None:
                os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(actor.accelerators)
            if self.setup_error:
                raise exceptions.RuntimeEnvSetupError(self.setup_error)
            kind = serialization.deserialize(actor.code)
            args, kwargs = self.functions.arguments(actor.args, actor.slots)
            self.functions.instance = kind(*args, **kwargs)
            self._concurrent = concurrent_calls(self, actor, kind)
        except BaseException as problem:  # it becomes the error of every call
            error = self.replies.failure(problem, None)
        with process.lock:
            process.tell_node(control.ActorReady(actor.actor, error))
            process.flush_all()
            if error:
                self.on_exit("the constructor raised")

    def call_ended(self) -> None:
        """One of the calls that run beside each other is done."""
        process = self._process
        with process.lock:
            self._active -= 1
            if not self._active and self._exit_reason:
                self._rouse()

    def _rouse(self) -> None:
        """The main loop looks around, also when it sleeps in poll and another thread has brought what it waits for. Under the lock."""
        if self._idle is not None:
            self._idle.finish()
            self._process.pump.wake()


class _Nobody:
    """The sender of an actor's construction."""

    address = ""


_NOBODY: Any = _Nobody()

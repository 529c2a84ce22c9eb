"""What a caller hears when its call has ended here: the result, or the error as the caller will see it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

from tradewind.runtime import exceptions, serialization
from tradewind.runtime.core.failures import dump_error
from tradewind.runtime.core.pump import Waiter
from tradewind.runtime.messages import control, peer
from tradewind.runtime.messages.values import Failed, Stored, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.runtime.core.execution import Executor
    from tradewind.runtime.core.peers import Peer
    from tradewind.runtime.core.process import Process

# Frames of these files say nothing to the user whose code raised.
_OURS = frozenset(
    {
        __file__.replace("replies.py", name)
        for name in ("execution.py", "functions.py", "concurrent_calls.py", "producing.py", "replies.py")
    }
)


class ActorExit(BaseException):
    """Raised by exit_actor(): the actor ends after this call, without a restart."""


class ArgumentLostError(exceptions.ObjectLostError):
    """An argument's bytes are gone; its owner may make them again."""

    def __init__(self, reason: str, name: str) -> None:
        super().__init__(reason)
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return exceptions.ObjectLostError, (str(self),)


class Replies:
    """Results and errors on their way to the callers."""

    def __init__(self, process: Process, executor: Executor) -> None:
        self._process = process
        self._executor = executor
        self._unacknowledged = 0

    def expect_acknowledgement(self, owner: str) -> Callable[[], None] | None:
        """A ref of owner was unpickled here: a third party must enter it before the caller, who holds it now, hears that we are done."""
        sender = self._executor.current.sender
        if sender is None or owner in (self._process.address, sender.address):
            return None
        self._unacknowledged += 1

        def acknowledged() -> None:
            self._unacknowledged -= 1

        return acknowledged

    def reply(self, sender: Peer, task: peer.Task, result: Any, begin: float) -> None:
        """The caller gets the result."""
        process = self._process
        if self._executor.answered and self._was_answered(sender, task):
            return
        if result is None and task.returns == 1 and not self._unacknowledged:
            done: Any = peer.Done(task.id, int((time.perf_counter() - begin) * 1e6), b"")
        else:
            try:
                done = self._pack(sender, task, result, begin)
            except BaseException as error:  # a result that cannot be sent is an error of the task
                self.reply_error(sender, task, error, begin)
                return
            self._await_acknowledgements()
        with process.lock:
            process.post(sender, done)

    def _was_answered(self, sender: Peer, task: peer.Task) -> bool:
        """True, once, when the caller has had its answer already: the call was cancelled while it ran."""
        key = (sender.address, task.id)
        if key not in self._executor.answered:
            return False
        self._executor.answered.discard(key)
        self._executor.take_cancelled(task.id)
        return True

    def _pack(self, sender: Peer, task: peer.Task, result: Any, begin: float) -> Any:
        if task.returns == 1:
            results = [result]
        else:
            results = [] if task.returns == 0 else list(result)
            if len(results) != task.returns:
                raise ValueError(
                    f"{self._executor.current.name}() returned {len(results)} values, and its num_returns is {task.returns}."
                )
        process = self._process
        values: list[Value] = []
        refs: list[Any] = []
        worker = process.address.rpartition("/")[2]
        for index, value in enumerate(results):
            serialized = serialization.serialize(value)
            refs += serialized.refs
            values.append(process.objects.store(serialized, f"{sender.address}:{task.id + index}@{worker}"))
        named = process.objects.keep_for(sender.address, task.id, refs) if refs else None
        micros = int((time.perf_counter() - begin) * 1e6)
        if any(isinstance(value, Stored) for value in values):
            # The daemon must know the object before its owner can ask for it or let it go.
            with process.lock:
                process.flush_all()
        if task.returns == 1:
            return peer.Done(task.id, micros, values[0], named)
        return peer.DoneMany(task.id, micros, values, named)

    def reply_error(self, sender: Peer, task: peer.Task, error: BaseException, begin: float) -> None:
        """The caller gets the error."""
        process = self._process
        if self._executor.answered and not isinstance(error, ActorExit) and self._was_answered(sender, task):
            return
        if isinstance(error, ArgumentLostError):
            with process.lock:
                process.post(sender, peer.ArgumentLost(task.id, error.name, str(error)))
            return
        if isinstance(error, ActorExit):
            self._leave("exit_actor() was called")
            return
        if isinstance(error, SystemExit) and self._executor.actor is not None:
            self._exit(error)
            return
        failed = Failed(self.failure(error, task))
        micros = int((time.perf_counter() - begin) * 1e6)
        self._await_acknowledgements()
        with process.lock:
            if task.returns == 1:
                process.post(sender, peer.Done(task.id, micros, failed))
            else:
                process.post(sender, peer.DoneMany(task.id, micros, [failed] * max(task.returns, 1)))

    def _leave(self, said: str) -> None:
        """The actor ends for good once the calls that run beside this one are done. Its call gets no answer: its caller learns of the end."""
        with self._process.lock:
            self._executor.leave()
            self._process.tell_node(control.ExitIntended(said))
            self._executor.on_exit(said)

    def _exit(self, error: SystemExit) -> None:
        """sys.exit() in a method ends the actor: on purpose with status 0, else as a crash would. Its call gets no answer."""
        said = f"{self._executor.current.name}() called sys.exit({'' if error.code is None else repr(error.code)})"
        if error.code in {None, 0}:
            self._leave(said)
            return
        print(error.code if isinstance(error.code, str) else said, file=sys.stderr, flush=True)
        sys.stdout.flush()
        with self._process.lock:
            self._process.flush_all()
        os._exit(error.code if isinstance(error.code, int) else 1)

    def failure(self, error: BaseException, task: peer.Task | None) -> bytes:
        """The error as the caller will see it, serialized."""
        name = self._executor.current.name or "the constructor"
        where = exceptions.describe_here(os.getpid(), self._process.node)
        if (
            task is not None
            and isinstance(error, (KeyboardInterrupt, asyncio.CancelledError))
            and self._executor.take_cancelled(task.id)
        ):
            return dump_error(exceptions.TaskCancelledError(f"{name}() was cancelled while it ran."))
        if isinstance(error, SystemExit):
            return dump_error(
                exceptions.WorkerCrashedError(f"{name}() ended its worker with sys.exit({error.code!r}) in {where}.")
            )
        if isinstance(error, (exceptions.ObjectLostError, exceptions.RaySystemError, exceptions.ObjectStoreFullError)):
            return dump_error(error)
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename in _OURS:
            trace = trace.tb_next
        text = "".join(traceback.format_exception(type(error), error, trace))
        # The error of a task inside this one keeps its class and its cause; the text shows the whole chain.
        cause = error.cause if isinstance(error, exceptions.RayTaskError) else error
        return dump_error(exceptions.RayTaskError(name, text, cause, where))

    def _await_acknowledgements(self) -> None:
        while self._unacknowledged:
            waiter = Waiter()
            self._process.pump.wait(waiter, time.monotonic() + 0.001)

"""A simulated worker's side: one call at a time, each a small program, with its arguments read from the real arena."""

from __future__ import annotations

import functools
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from tradewind.runtime import exceptions, serialization
from tradewind.runtime.core.failures import dump_error
from tradewind.runtime.messages import control, peer
from tradewind.runtime.messages.values import Failed, Stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from tradewind.runtime.core.peers import Peer
    from tradewind.runtime.simulated_process import SimulatedProcess

# What a task or method can be told to do, by its first argument.
PROGRAMS = ("nothing", "give back", "put", "large", "child", "keep", "drop", "fail")
_LARGE_BYTES = 200_000


def content(name: str) -> bytes:
    """What is written under a name: large, and like nothing else's."""
    return (name.encode() + b"|") * (_LARGE_BYTES // (len(name) + 1))


class _Acknowledging:
    """The part of Replies that refs which are unpickled here ask."""

    def __init__(self, executor: SimulatedExecutor) -> None:
        self._executor = executor

    def expect_acknowledgement(self, owner: str) -> Callable[[], None] | None:
        """As Replies'."""
        executor = self._executor
        if executor.sender is None or owner in (executor.process.address, executor.sender.address):
            return None
        executor.unacknowledged += 1
        return executor.acknowledged


class _Reading:
    """The stored arguments of a call that has come: those that still have to be brought, and those that are read in place."""

    def __init__(self) -> None:
        self.pending = 0
        self.open: list[str] = []
        self.failed: tuple[str, control.Opened] | None = None


class SimulatedExecutor:
    """Stands for Executor: one call at a time, each a small program."""

    def __init__(self, process: SimulatedProcess) -> None:
        self.process = process
        self.queue: deque[tuple[Peer | None, Any]] = deque()
        self.replies = _Acknowledging(self)
        self.producing = self
        self.unacknowledged = 0
        self.sender: Peer | None = None
        self.actor: control.BecomeActor | None = None
        self.kept: list[Any] = []
        self.history: list[Any] = []
        self.current = threading.local()
        self._held: list[tuple[Peer, Any]] = []
        self._readings: dict[int, _Reading] = {}
        self._writing = False
        self._exit = ""
        self._exit_unneeded = False

    def on_task(self, sender: Peer, task: peer.Task) -> None:
        """A call has come."""
        self.queue.append((sender, task))
        reading = self._readings[id(task)] = _Reading()
        for _, value in task.slots or ():
            if isinstance(value, Stored):
                reading.pending += 1
                self.process.bytes.read(value, functools.partial(self._read, task, reading, value))

    def _read(self, task: peer.Task, reading: _Reading, stored: Stored, opened: control.Opened) -> None:
        reading.pending -= 1
        if opened.offset < 0:
            reading.failed = (stored.name, opened)
        elif self._readings.get(id(task)) is reading:
            reading.open.append(stored.name)
        else:
            self.process.tell_node(control.Close(stored.name))  # the call was cancelled

    def _forget(self, task: peer.Task) -> None:
        for name in self._readings.pop(id(task)).open:
            self.process.tell_node(control.Close(name))

    @property
    def can_run(self) -> bool:
        """True when the next call has its arguments."""
        if not self.queue or self._writing:
            return False
        reading = self._readings.get(id(self.queue[0][1]))
        return reading is None or not reading.pending

    def become_actor(self, message: control.BecomeActor) -> None:
        """The constructor is next."""
        self.actor = message
        self.queue.appendleft((None, message))

    def on_cancel(self, sender: Peer, message: peer.Cancel) -> None:
        """A call that has not begun does not begin."""
        for item in self.queue:
            if item[0] is sender and item[1].id == message.id:
                self.queue.remove(item)
                self._forget(item[1])
                error = exceptions.TaskCancelledError("cancelled")
                self.process.post(sender, peer.Done(message.id, 0, Failed(dump_error(error))))
                return

    def on_exit(self, reason: str, *, when_unneeded: bool = False) -> None:
        """The worker ends when its calls are done."""
        self._exit, self._exit_unneeded = reason, when_unneeded
        self._end_if_done()

    def lose_peer(self, target: Peer) -> None:
        """A caller has ended: what it asked for is not begun."""
        for item in self.queue:
            if item[0] is target:
                self._forget(item[1])
        self.queue = deque(item for item in self.queue if item[0] is not target)
        self._held = [item for item in self._held if item[0] is not target]

    def acknowledged(self) -> None:
        """An owner has entered a ref of ours: results that waited for that go."""
        self.unacknowledged -= 1
        if not self.unacknowledged:
            held, self._held = self._held, []
            for sender, done in held:
                self.process.post(sender, done)
            self._end_if_done()

    def run(self) -> None:
        """The next call has run."""
        sender, task = self.queue.popleft()
        if isinstance(task, control.BecomeActor):
            self.process.tell_node(control.ActorReady(task.actor))
            return
        assert sender is not None
        if (sender.address, task.id) in self.process.simulation.cancelled:
            self.process.simulation.begun_after_cancel.append((sender.address, task.id))
        failed = self._readings[id(task)].failed
        if failed is not None and not failed[1].full:
            self.process.post(sender, peer.ArgumentLost(task.id, failed[0], failed[1].reason))
        elif failed is not None:
            error = exceptions.ObjectStoreFullError(failed[1].reason)
            self.process.post(sender, peer.Done(task.id, 1, Failed(dump_error(error))))
        else:
            self.sender = sender
            try:
                done = self._done(sender, task)
            finally:
                self.sender = None
            if done is not None:
                self._reply(sender, done)
        self._forget(task)
        self._end_if_done()

    def _reply(self, sender: Peer, done: Any) -> None:
        if self.unacknowledged:
            self._held.append((sender, done))
        else:
            self.process.post(sender, done)

    def _done(self, sender: Peer, task: peer.Task) -> Any:
        process = self.process
        args, _ = serialization.deserialize(task.args) if task.args else ((), {})  # type: ignore[arg-type]
        arguments = list(args)
        for position, value in task.slots or ():
            if isinstance(value, Failed):
                return peer.Done(task.id, 1, value)
            arguments[position] = f"{len(value)} bytes" if isinstance(value, bytes) else value.name  # type: ignore[index]
        program = task.fn if isinstance(task.fn, str) else serialization.deserialize(sender.functions[task.fn].code)
        try:
            result = self._program(program, arguments)
        except ValueError as error:
            return peer.Done(task.id, 1, Failed(dump_error(error)))
        if result == "large":
            worker = process.address.rpartition("/")[2]
            name = f"{sender.address}:{task.id}@{worker}"

            def then(stored: Stored | None) -> None:
                self._writing = False
                error = exceptions.ObjectStoreFullError("as told by the node daemon")
                self._reply(sender, peer.Done(task.id, 1, stored or Failed(dump_error(error))))
                self._end_if_done()

            self._writing = True
            process.bytes.write(content(name), name, then)
            return None
        serialized = serialization.serialize(result)
        refs = process.objects.keep_for(sender.address, task.id, serialized.refs) if serialized.refs else None
        return peer.Done(task.id, 1, serialized.to_bytes(), refs)

    def _program(self, program: str, arguments: list[Any]) -> Any:
        process = self.process
        if program == "fail":
            raise ValueError("as told")
        if program == "put":
            return [process.objects.put("small")]
        if program == "child":
            return [process.call("nothing", *arguments)]
        if program == "keep":
            self.kept.append(arguments)
            return None
        if program == "drop":
            self.kept.clear()
            return None
        return {"nothing": None, "large": "large"}.get(program, arguments)

    def _end_if_done(self) -> None:
        if not self._exit or self.queue or self._held or self._writing:
            return
        self.kept.clear()
        self.process.drain()
        if not (self._exit_unneeded and self.process.table.entries):
            self.process.flush_all()
            self.process.simulation.kill_process(self.process.address)

    def timeout(self) -> None:
        """Nobody sleeps."""

    def tick(self, _now: float) -> None:
        """Nothing runs long."""

    def on_consumed(self, _sender: Peer, _message: Any) -> None:
        """No program streams."""

"""Submitting tasks: arguments, leases, results, retries. The shell around dispatch's decisions."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import msgspec

from tradewind.runtime import exceptions, serialization
from tradewind.runtime.core.dispatch import Call, Function, Group, Lease
from tradewind.runtime.core.failures import dump_error, load_error, passed_on
from tradewind.runtime.core.streams import ObjectRefGenerator
from tradewind.runtime.messages import control, peer
from tradewind.runtime.messages.values import Failed, Stored
from tradewind.runtime.object_ref import ObjectRef

if TYPE_CHECKING:
    from tradewind.runtime.core.peers import Peer
    from tradewind.runtime.core.process import Process


class CallOptions(msgspec.Struct, frozen=True):
    """How one remote function is to be called; made once per function and `.options()`."""

    group: Any
    function: Any
    name: str
    returns: int
    retries: int
    retry_exceptions: Any
    ahead: int = -1
    # One ref to a list of the items' refs, once the generator has ended.
    dynamic: bool = False


class Calls:
    """The calls that this process has submitted and that have no final result yet."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.open: dict[int, Call] = {}
        self._functions: dict[bytes, Function] = {}

    # functions and shapes

    def function(
        self, target: Any, name: str, resources: dict[str, float], max_calls: int = 0, group: str = ""
    ) -> Function:
        """The function as workers will get it. Raises TypeError naming what in it cannot be pickled."""
        if self._process.by_value:
            serialization.carry_modules_by_value()
        serialized = serialization.serialize(target)
        if serialized.refs:
            # Refs that a closure holds live as long as the function can be called.
            self._process.forever.extend(serialized.refs)
        code = serialized.to_bytes()
        digest = hashlib.blake2b(
            code + repr((name, sorted(resources.items()), max_calls, group)).encode(), digest_size=16
        ).digest()
        with self._process.lock:
            found = self._functions.get(digest)
            if found is None:
                number = len(self._functions) + 1
                found = self._functions[digest] = Function(number, name, digest, code, resources, max_calls, group)
        return found

    # submitting

    def submit(
        self, options: CallOptions, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> ObjectRef | list[ObjectRef] | ObjectRefGenerator | None:
        """The ref, or refs, of a call that has been sent or queued; None for num_returns=0."""
        process = self._process
        returns = options.returns
        call = Call(0, options.function, b"", returns)
        call.name = options.name
        if args or kwargs:
            self._process.arguments.prepare(call, args, kwargs)
        call.retries = options.retries
        call.retry_exceptions = options.retry_exceptions
        call.where = options.group
        with process.lock:
            if process.released:
                process.drain()
            table = process.table
            call.id = table.create(returns) if returns else table.create()
            if returns == 1:
                table.entries[call.id].lineage = call
            self.open[call.id] = call
            stream = None
            if options.ahead >= 0:
                call.ahead = options.ahead
                stream = process.streams.begin(call)
            if call.slots is None or not self._process.arguments.await_slots(call, self.enqueue):
                self.enqueue(call)
        if stream is not None and options.dynamic:
            return process.streams.collect(stream, ObjectRef(call.id, process.release))
        if stream is not None:
            return ObjectRefGenerator(process, stream, ObjectRef(call.id, process.release))
        if returns == 1:
            return ObjectRef(call.id, process.release)
        refs = [ObjectRef(call.id + index, process.release) for index in range(max(returns, 1))]
        return refs if returns else None

    def enqueue(self, call: Call) -> None:
        """The call, whose arguments are there, is sent or queued. Under the lock."""
        if call.cancelled:
            return
        if call.slots is not None:
            if not self._sendable(call):
                return
            call.where = self._process.leasing.near(call)
        group: Group = call.where
        if not group.queue:
            lease = group.choose()
            if lease is not None:
                self._push(group, lease, call)
                return
        group.queue.append(call)
        self._process.leasing.ask(group)

    def _sendable(self, call: Call) -> bool:
        """True when every argument is there. One that was lost since is waited for again; one that failed is the call's result. Under the lock."""
        if self._process.arguments.await_slots(call, self.enqueue):
            return False
        slots = self._process.arguments.resolved_slots(call)
        if type(slots) is Failed:
            self.settle_failed(call, passed_on(slots, call.name))
            return False
        return True

    def _push(self, group: Group, lease: Lease, call: Call) -> None:
        process = self._process
        function: Function = call.function
        target: Peer = lease.peer
        idle = not lease.running
        group.send(lease, call)
        if function.number not in target.defined:
            target.defined.add(function.number)
            process.post(
                target,
                peer.Define(
                    function.number,
                    function.name,
                    function.digest,
                    function.code,
                    function.resources,
                    function.max_calls,
                    function.group,
                    process.job,
                    process.namespace,
                ),
            )
        if call.slots is None and lease.accelerators is None and call.ahead < 0:
            process.post(target, peer.Task(call.id, function.number, call.args, call.returns))
        else:
            slots = self._process.arguments.resolved_slots(call) if call.slots is not None else None
            assert not isinstance(slots, Failed)
            process.post(
                target,
                peer.Task(call.id, function.number, call.args, call.returns, slots, lease.accelerators, call.ahead),
            )
        if idle:
            # A worker with nothing to do gets its work now; one that has some gets the rest in batches.
            process.flush(target)

    def refill(self, group: Group, lease: Lease) -> None:
        """The worker gets what it should have next, or is idle. Under the lock."""
        queue = group.queue
        while queue:
            best = group.choose() if lease.blocked or lease.load or lease.yielding else lease
            if best is None:
                break
            call = queue.popleft()
            if call.cancelled:
                # It was cancelled while it was on its way back from a worker.
                self.fail(call, exceptions.TaskCancelledError(f"{call.name}() was cancelled before it began."))
            elif call.slots is None or self._sendable(call):
                self._push(group, best, call)
        if lease.yielding and not lease.running:
            self._process.leasing.give_up(lease)
            return
        if not queue:
            if group.wanted:
                self._process.leasing.ask(group)
            if not lease.running:
                lease.idle_since = time.monotonic()
                self._process.leasing.has_idle = True

    # results

    def on_done(self, _sender: Peer, message: peer.Done) -> None:
        call = self.open.pop(message.id, None)
        if call is None:
            return
        if type(message.value) is Failed and self._retry_exception(call, message.value):
            return
        if call.returns != 1:
            # Cancelled before it began: no result of several came to be.
            assert type(message.value) is Failed
            self.settle_failed(call, message.value)
            self._finished(call, message.micros)
            return
        if message.refs:
            self._process.objects.take_inner(_sender, message.id, message.id, message.refs)
        entry = self._process.table.entries.get(message.id)
        value = message.value
        if entry is None:
            if isinstance(value, Stored):
                self._process.tell_node(control.Free(value))
        else:
            entry.value = value
            if entry.waiters is not None:
                self._process.objects.resolve(message.id, value)
            if type(value) is not Stored:
                entry.lineage = None
        if type(value) is not Stored or call.method is not None:
            call.holds = None
            call.slots = None
        self._finished(call, message.micros)

    def on_done_many(self, sender: Peer, message: peer.DoneMany) -> None:
        call = self.open.pop(message.id, None)
        if call is None:
            return
        first = message.values[0] if message.values else b""
        if type(first) is Failed and self._retry_exception(call, first):
            return
        process = self._process
        if message.refs:
            process.objects.take_inner(sender, message.id, message.id, message.refs)
        for index, value in enumerate(message.values or [b""]):
            if not process.objects.resolve(message.id + index, value) and isinstance(value, Stored):
                process.tell_node(control.Free(value))
        if call.returns == 0:
            process.table.release(call.id)
        call.holds = None
        call.slots = None
        self._finished(call, message.micros)

    def _finished(self, call: Call, micros: int) -> None:
        target = call.target
        if type(target) is Lease:
            call.function.observe(micros)
            group = target.group
            group.finish(target, call)
            if group.queue or not target.running:
                self.refill(group, target)
        elif target is not None:
            target.finished(call)

    def _retry_exception(self, call: Call, failed: Failed) -> bool:
        """Runs the call again when its options say that this exception is worth it."""
        wanted = call.retry_exceptions
        if not wanted or call.retries == 0 or call.cancelled:
            return False
        error = load_error(failed)
        if not isinstance(error, exceptions.RayTaskError):
            return False
        if wanted is not True and not isinstance(error.cause, tuple(wanted)):
            return False
        call.retries -= 1
        self.open[call.id] = call
        target = call.target
        if type(target) is Lease:
            target.group.finish(target, call)
            call.where.queue.append(call)
            self.refill(target.group, target)
            self._process.leasing.ask(call.where)
            return True
        if target is not None:
            target.again(call)
            return True
        return False

    def on_argument_lost(self, _sender: Peer, message: peer.ArgumentLost) -> None:
        """A call did not begin for want of an argument, which is made again if that is possible. Under the lock."""
        call = self.open.get(message.id)
        if call is None:
            return
        objects = self._process.objects
        found = False
        for _, ref in call.slots or ():
            entry = objects.entries[ref.key]
            if isinstance(entry.value, Stored) and entry.value.name == message.name:
                objects.lost(ref.key, entry, message.reason)
                found = True
            found = found or entry.value is None
        target = call.target
        if type(target) is Lease:
            target.group.finish(target, call)
            self.refill(target.group, target)
        elif target is not None:
            target.finished(call)
        if not found and isinstance(call.args, Stored) and call.args.name == message.name:
            # Arguments by value, put into a node's arena that is gone, cannot be made again. A ref's value can, or has been since.
            self.fail(call, exceptions.ObjectLostError(f"The arguments of {call.name}() are lost: {message.reason}"))
        elif type(target) is Lease:
            if not self._process.arguments.await_slots(call, self.enqueue):
                self.enqueue(call)
        elif target is not None:
            self._process.arguments.await_slots(call, target.ready)
            target.submit(call)

    def settle_failed(self, call: Call, failed: Failed) -> None:
        """Every ref of the call has this failure. Under the lock."""
        self.open.pop(call.id, None)
        call.holds = None
        call.slots = None
        objects = self._process.objects
        for index in range(max(call.returns, 1)):
            entry = objects.entries.get(call.id + index)
            if entry is not None:
                entry.lineage = None
            objects.resolve(call.id + index, failed)
        if call.returns == 0:
            self._process.table.release(call.id)

    def fail(self, call: Call, error: BaseException) -> None:
        """As settle_failed, with an exception."""
        self.settle_failed(call, Failed(dump_error(error)))

    def rebuild(self, call: Call) -> bool:
        """Runs a finished call again because its stored result is lost. False when it may not. Under the lock."""
        entry = self._process.table.entries.get(call.id)
        if entry is None or call.where is None or call.method is not None or call.retries == 0 or call.id in self.open:
            return call.id in self.open
        call.retries -= 1
        # A cancel that came too late for the first run does not count for this one.
        call.cancelled = False
        entry.value = None
        self.open[call.id] = call
        if call.slots is None or not self._process.arguments.await_slots(call, self.enqueue):
            self.enqueue(call)
        return True

    # workers

    def on_hand_back(self, sender: Peer, message: peer.HandBack) -> None:
        for lease in sender.leases:
            running = lease.running.get(message.running)
            if running is not None and not message.blocked:
                running.function.cost = max(running.function.cost, 10_000)
            lease.blocked = message.blocked
            if lease.group.take_back(lease, message.ids) or lease.group.queue:
                self.refill(lease.group, lease)
                self._process.leasing.ask(lease.group)

    def on_resume(self, sender: Peer, _message: peer.Resume) -> None:
        for lease in sender.leases:
            lease.blocked = False
            self.refill(lease.group, lease)

    # cancelling

    def cancel(self, ref: ObjectRef, *, force: bool, recursive: bool) -> None:
        """The call's result is TaskCancelledError, unless it has one already."""
        process = self._process
        with process.lock:
            key = ref.key
            if isinstance(key, tuple):
                process.post(process.peers.get(key[0]), peer.Cancel(key[1], recursive))
                process.flush_all()
                return
            self.cancel_own(key, force=force, recursive=recursive)
            process.flush_all()

    def cancel_own(self, number: int, *, force: bool, recursive: bool) -> bool:
        """As cancel, for a call that this process submitted. False when there is no such open call. Under the lock."""
        call = self.open.get(number)
        if call is None:
            return False
        if force and call.method is not None:
            raise ValueError(
                "cancel(force=True) would kill the whole actor; use kill() for that, or cancel without force."
            )
        call.cancelled = True
        target = call.target
        if target is None:
            if call.where is not None and call in getattr(call.where, "queue", ()):
                call.where.queue.remove(call)
            self.fail(call, exceptions.TaskCancelledError(f"{call.name}() was cancelled."))
            if call.method is not None:
                self._process.actors.withdrawn(call)
            return True
        if force and type(target) is Lease:
            self._process.tell_node(control.KillProcess(target.peer.address, "cancelled with force"))
        else:
            self._process.post(target.peer, peer.Cancel(call.id, recursive))
        return True

"""put, get, wait and the protocol of borrowing, for one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tradewind.runtime import exceptions, serialization
from tradewind.runtime.core.arena import INLINE_BYTES
from tradewind.runtime.core.failures import dump_error, load_error
from tradewind.runtime.core.ownership import Entry, Key
from tradewind.runtime.core.pump import Waiter
from tradewind.runtime.messages import control, peer
from tradewind.runtime.messages.values import Failed, Ref, Stored, Value
from tradewind.runtime.object_ref import ObjectRef

if TYPE_CHECKING:
    from tradewind.runtime.core.peers import Peer
    from tradewind.runtime.core.process import Process


# How often a reader may miss an object that lies on its owner's own node before its owner believes that it is lost.
_DOUBTS = 3


class Watcher(Protocol):
    """Hears, under the process's lock, when an object is there."""

    def ready(self, value: Value) -> None: ...


class GetWaiter(Waiter):
    """Done when enough of the awaited objects are there, or one of them failed and that is enough."""

    __slots__ = ("fail_fast", "left")

    def __init__(self, left: int, *, fail_fast: bool) -> None:
        super().__init__()
        self.left = left
        self.fail_fast = fail_fast

    def ready(self, value: Value) -> None:
        """One of them is there."""
        self.left -= 1
        if self.left <= 0 or (self.fail_fast and type(value) is Failed):
            self.finish()


class WhenReady:
    """Calls a function, under the process's lock, when an object is there."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[Value], None]) -> None:
        self._function = function

    def ready(self, value: Value) -> None:
        """The object is there."""
        self._function(value)


class Objects:
    """The objects that a process owns, has borrowed, and waits for."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.table = process.table
        self.entries = process.table.entries
        # Values in flight: the refs inside them are kept until the receiver has taken them.
        self._doubts: dict[Key, int] = {}
        self._escrow: dict[tuple[str, int], list[ObjectRef]] = {}
        self._acknowledged: dict[int, Callable[[], None]] = {}
        self._last_reply = 0

    # putting

    def put(self, value: Any) -> ObjectRef:
        """A ref to the value, which is immutable from now on."""
        process = self._process
        if isinstance(value, ObjectRef):
            raise TypeError("put() was given an ObjectRef, which is a ref already; pass it on as it is, or put([ref]).")
        serialized = serialization.serialize(value)
        with process.lock:
            process.drain()
            key = self.table.create()
        ref = ObjectRef(key, process.release)
        stored = self.store(serialized, f"{process.address}:{key}")
        entry = self.entries[key]
        entry.inner = serialized.refs or None
        entry.value = stored
        return ref

    def store(self, serialized: serialization.Serialized, name: str) -> Value:
        """The value as messages carry it: in place when small, else in the arena."""
        if serialized.size <= INLINE_BYTES:
            return serialized.to_bytes()
        return self._process.arena.write(serialized, name)

    # getting

    def get(self, refs: Sequence[ObjectRef], timeout: float | None) -> list[Any]:
        """The values; raises what the first failed one raises, as soon as it has failed."""
        process = self._process
        entries = self.entries
        owned: list[tuple[Key, Entry]] = []
        missing = False
        for ref in refs:
            key = ref.key
            entry = entries[key]
            owned.append((key, entry))
            if entry.value is None:
                missing = True
        if missing:
            self._await(owned, timeout)
        values: list[Any] = []
        for key, entry in owned:
            value = entry.value
            if value is None or type(value) is Failed:
                self._raise_first(owned)
            values.append(self._load(key, entry, deadline=None if timeout is None else time.monotonic() + timeout))
        process.check_interrupt()
        return values

    def _await(self, owned: list[tuple[Key, Entry]], timeout: float | None) -> None:
        process = self._process
        with process.lock:
            pending: list[tuple[Key, Entry]] = []
            for one in owned:
                value = one[1].value
                if value is None:
                    pending.append(one)
                elif type(value) is Failed:
                    return
            if not pending:
                return
            waiter = GetWaiter(len(pending), fail_fast=True)
            waiter.pending = pending
            for key, entry in pending:
                self.watch(key, entry, waiter)
        deadline = None if timeout is None else time.monotonic() + timeout
        if not process.wait(waiter, deadline):
            self.unwatch(pending, waiter)
            count = sum(entry.value is None for _, entry in owned)
            raise exceptions.GetTimeoutError(
                f"get() waited {timeout:g} s and {count} of {len(owned)} values were not there; the work goes on, and a later get() may have them."
            )
        if waiter.left > 0:
            self.unwatch(pending, waiter)

    def _raise_first(self, owned: list[tuple[Key, Entry]]) -> None:
        for _, entry in owned:
            if type(entry.value) is Failed:
                raise load_error(entry.value)

    def _load(self, key: Key, entry: Entry, deadline: float | None) -> Any:
        value = entry.value
        if type(value) is bytes:
            return serialization.deserialize(value) if value else None
        attempts = 0
        while isinstance(value, Stored):
            try:
                return self._process.arena.read(value, owned=not isinstance(key, tuple))
            except exceptions.ObjectLostError as error:
                attempts += 1
                if attempts > 4:
                    raise
                with self._process.lock:
                    if entry.value is value:
                        self.lost(key, entry, str(error))
                    waiter = GetWaiter(1, fail_fast=True)
                    if entry.value is None:
                        self.watch(key, entry, waiter)
                    else:
                        waiter.finish()
                if not self._process.wait(waiter, deadline):
                    raise exceptions.GetTimeoutError(
                        "get() ran out of time while a lost object was being made again."
                    ) from error
                value = entry.value
        if type(value) is Failed:
            raise load_error(value)
        return serialization.deserialize(value) if value else None  # type: ignore[arg-type]

    def watch(self, key: Key, entry: Entry, waiter: Watcher) -> None:
        """Waiter hears when the entry has a value. Under the lock; the entry must be pending."""
        if entry.waiters is None:
            entry.waiters = [waiter]
        else:
            entry.waiters.append(waiter)
        if isinstance(key, tuple) and not entry.fetching:
            entry.fetching = True
            self._process.post(self._process.peers.get(key[0]), peer.Fetch(key[1]))

    def unwatch(self, pending: list[tuple[Key, Entry]], waiter: Watcher) -> None:
        """Waiter hears no more of these."""
        with self._process.lock:
            for _, entry in pending:
                if entry.waiters and waiter in entry.waiters:
                    entry.waiters.remove(waiter)

    # values arriving

    def resolve(self, key: Key, value: Value) -> bool:
        """The object has this value. False when nobody holds it any more. Under the lock."""
        entry = self.entries.get(key)
        if entry is None:
            return False
        entry.value = value
        waiters = entry.waiters
        if waiters is not None:
            entry.waiters = None
            for waiter in waiters:
                waiter.ready(value)
        return True

    def take_inner(self, sender: Peer, number: int, key: Key, refs: list[Ref]) -> None:
        """The refs inside a value that arrived are held here; the sender may then let go of its own. Under the lock."""
        entry = self.entries.get(key)
        left = 1

        def acknowledged() -> None:
            nonlocal left
            left -= 1
            if not left:
                self._process.post(sender, peer.Taken(number))
                if isinstance(key, tuple):
                    self.table.release(key)

        if isinstance(key, tuple) and entry is not None:
            entry.local += 1  # so that the owner keeps the inner refs until ours are entered
        held: list[ObjectRef] = []
        for ref in refs:
            foreign = ref.owner not in (self._process.address, sender.address)
            if foreign:
                left += 1
            held.append(self.receive(ref.owner, ref.id, acknowledged if foreign else None))
        if entry is not None:
            entry.inner = held
        acknowledged()

    def receive(self, owner: str, number: int, acknowledged: Callable[[], None] | None = None) -> ObjectRef:
        """A counted ref to an object named by another process. Under the lock."""
        process = self._process
        key: Key = number if owner == process.address else (owner, number)
        if isinstance(key, int) and key not in self.entries:
            self.table.hold(key)
            self.resolve(
                key,
                Failed(
                    dump_error(
                        exceptions.ReferenceCountingAssertionError(
                            "The object had been let go of by its owner before this ref arrived."
                        )
                    )
                ),
            )
        elif self.table.hold(key):
            reply = 0
            if acknowledged is not None:
                self._last_reply += 1
                reply = self._last_reply
                self._acknowledged[reply] = acknowledged
                acknowledged = None
            process.post(process.peers.get(owner), peer.Borrow(number, reply))
        if acknowledged is not None:
            acknowledged()
        return ObjectRef(key, process.release)

    def keep_for(self, receiver: str, number: int, refs: list[ObjectRef]) -> list[Ref]:
        """The refs as a message names them; they stay until the receiver has taken them."""
        self._escrow[receiver, number] = refs
        return [Ref(*ref.named()) for ref in refs]

    @property
    def in_escrow(self) -> int:
        """How many values that were sent have refs inside which their receivers have not taken."""
        return len(self._escrow)

    # messages

    def on_taken(self, sender: Peer, message: peer.Taken) -> None:
        self._escrow.pop((sender.address, message.id), None)

    def on_borrow(self, sender: Peer, message: peer.Borrow) -> None:
        self.table.lend(message.id, sender.address)
        if message.reply:
            self._process.post(sender, peer.Acknowledge(message.reply))

    def on_unborrow(self, sender: Peer, message: peer.Unborrow) -> None:
        self.table.unlend(message.id, sender.address)

    def on_acknowledge(self, _sender: Peer, message: peer.Acknowledge) -> None:
        function = self._acknowledged.pop(message.reply, None)
        if function is not None:
            function()

    def on_fetch(self, sender: Peer, message: peer.Fetch) -> None:
        entry = self.entries.get(message.id)
        process = self._process
        if entry is None:
            error = exceptions.ReferenceCountingAssertionError(
                "The owner had already let go of the object when it was asked for."
            )
            process.post(sender, peer.Resolved(message.id, Failed(dump_error(error))))
            return
        if message.lost and isinstance(entry.value, Stored) and entry.value.name == message.lost:
            self.lost(message.id, entry, "a reader found its bytes gone")

        def answer(value: Value) -> None:
            inner = self.entries[message.id].inner if message.id in self.entries else None
            refs = [Ref(*ref.named()) for ref in inner] if inner else None
            process.post(sender, peer.Resolved(message.id, value, refs))

        if entry.value is not None:
            answer(entry.value)
        else:
            self.watch(message.id, entry, WhenReady(answer))

    def on_resolved(self, sender: Peer, message: peer.Resolved) -> None:
        key = (sender.address, message.id)
        entry = self.entries.get(key)
        if entry is None:
            return
        entry.fetching = False
        if message.refs:
            self.take_inner(sender, message.id, key, message.refs)
        self.resolve(key, message.value)

    # loss

    def lost(self, key: Key, entry: Entry, reason: str) -> None:
        """The stored bytes are gone: the object is made again where that is possible, else it is an error. Under the lock."""
        stored = entry.value
        assert isinstance(stored, Stored)
        if not isinstance(key, tuple) and stored.node == self._process.node and self._doubt(key):
            return
        if isinstance(key, tuple):
            entry.value = None
            entry.fetching = True
            self._process.post(self._process.peers.get(key[0]), peer.Fetch(key[1], stored.name))
            return
        call = entry.lineage
        if call is not None and self._process.calls.rebuild(call):
            return
        why = (
            "it was made by put(), so there is no call to run again"
            if call is None
            else "its call may not be run again (max_retries)"
        )
        error = exceptions.ObjectLostError(f"The object {self._process.address}:{key} is lost: {reason}; {why}.")
        self.resolve(key, Failed(dump_error(error)))

    def _doubt(self, key: int) -> bool:
        """True when whoever could not read an own object of this node may try again: more likely it could not reach this node for a moment."""
        self._doubts[key] = self._doubts.get(key, 0) + 1
        return self._doubts[key] <= _DOUBTS

    def lose_node(self, node: str, reason: str) -> None:
        """Own objects that lay on the node are made again or fail. Under the lock."""
        for key, entry in list(self.entries.items()):
            value = entry.value
            if isinstance(value, Stored) and value.node == node and not isinstance(key, tuple):
                self.lost(key, entry, f"node {node[:8]} is gone ({reason})")

    def lose_peer(self, address: str, reason: str) -> None:
        """A process has ended: its borrows are given back, and what it owned is an error. Under the lock."""
        self.table.lose_borrower(address)
        for receiver, number in [key for key in self._escrow if key[0] == address]:
            del self._escrow[receiver, number]
        for key, entry in list(self.entries.items()):
            if (
                isinstance(key, tuple)
                and key[0] == address
                and (entry.value is None or isinstance(entry.value, Stored))
            ):
                error = exceptions.OwnerDiedError(
                    f"The object {address}:{key[1]} is gone with the process that owned it: {reason}"
                )
                self.resolve(key, Failed(dump_error(error)))

    def free(self, key: Key, entry: Entry) -> None:
        """The last ref is gone. Under the lock."""
        if isinstance(entry.value, Stored):
            self._process.waiting.forget(entry.value.name)
        if isinstance(key, tuple):
            owner = self._process.peers.known(key[0])
            if owner is not None and not owner.lost:
                self._process.post(owner, peer.Unborrow(key[1]))
            return
        if isinstance(entry.value, Stored):
            self._doubts.pop(key, None)
            self._process.arena.free(entry.value)
        if entry.on_free is not None:
            entry.on_free()


def tell_killed(process: Process, address: str, reason: str) -> None:
    """The node daemon ends the process."""
    process.tell_node(control.KillProcess(address, reason))

"""Streaming generators: items of a running call become objects one by one, each with a ref of its own.

The call itself has one result, its completion: None when the generator ended, or the error that ended it, which then is the last item.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tradewind.runtime import serialization
from tradewind.runtime.core.objects import GetWaiter, WhenReady
from tradewind.runtime.core.ownership import Key
from tradewind.runtime.messages import control, peer
from tradewind.runtime.messages.values import Failed, Stored, Value
from tradewind.runtime.object_ref import ObjectRef

if TYPE_CHECKING:
    import concurrent.futures

    from tradewind.runtime.core.dispatch import Call
    from tradewind.runtime.core.peers import Peer
    from tradewind.runtime.core.process import Process

# Where a stream's items have their place among the numbers under which refs inside values are kept until taken.
_ITEM_SHIFT = 32


class Stream:
    """What has arrived of one generator and has not been asked for."""

    __slots__ = ("call", "given_error", "items", "received", "taken", "waiter")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.items: deque[Key] = deque()
        self.received = 0
        self.taken = 0
        self.waiter: Any = None
        self.given_error = False


def escrow_number(call_id: int, index: int) -> int:
    """Under which number the refs inside an item are kept by its sender; no call has it."""
    return -((call_id << _ITEM_SHIFT) + index)


class _Come:
    """A future that is done when a stream has its next item, or has ended."""

    def __init__(self) -> None:
        import concurrent.futures

        self.future: concurrent.futures.Future[None] = concurrent.futures.Future()

    def finish(self) -> None:
        """An item is there."""
        if not self.future.done():
            self.future.set_result(None)

    def ready(self, _value: Value) -> None:
        """The call has ended."""
        self.finish()


class Streams:
    """The generators that this process reads."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._open: dict[int, Stream] = {}
        # Generators dropped before their end; from finalizers, which take no lock.
        self.abandoned: deque[int] = deque()

    def begin(self, call: Call) -> Stream:
        """The call's items are collected from now on. Under the lock."""
        stream = self._open[call.id] = Stream(call)
        return stream

    def on_item(self, sender: Peer, message: peer.Item) -> None:
        """An item has arrived. Under the lock."""
        process = self.process
        stream = self._open.get(message.id)
        if stream is None or message.index < stream.received:
            # Nobody wants it, or the call runs again and this one was had before.
            if isinstance(message.value, Stored):
                process.tell_node(control.Free(message.value))
            return
        stream.received += 1
        key = process.table.create()
        entry = process.table.entries[key]
        entry.value = message.value
        if message.refs:
            process.objects.take_inner(sender, escrow_number(message.id, message.index), key, message.refs)
        stream.items.append(key)
        if stream.waiter is not None:
            stream.waiter.finish()

    def take(self, stream: Stream, completion: ObjectRef) -> ObjectRef | None:
        """The next item's ref, waiting for it; None at the end."""
        process = self.process
        while True:
            with process.lock:
                if stream.items:
                    return self._hand_out(stream)
                entry = process.table.entries[completion.key]
                value = entry.value
                if value is not None:
                    self._open.pop(stream.call.id, None)
                    if type(value) is Failed and not stream.given_error:
                        stream.given_error = True
                        key = process.table.create()
                        process.table.entries[key].value = value
                        return ObjectRef(key, process.release)
                    return None
                waiter = stream.waiter = GetWaiter(1, fail_fast=True)
                process.objects.watch(completion.key, entry, waiter)
            process.wait(waiter, None)
            with process.lock:
                stream.waiter = None
                if entry.waiters and waiter in entry.waiters:
                    entry.waiters.remove(waiter)

    def ended(self, completion: ObjectRef) -> bool:
        """True when the call has its result: no item follows those that are there."""
        return self.process.table.entries[completion.key].value is not None

    def ends_in_error(self, stream: Stream, completion: ObjectRef) -> bool:
        """True when an error ended the call and has not been handed out as its last item."""
        return type(self.process.table.entries[completion.key].value) is Failed and not stream.given_error

    def watch_end(self, completion: ObjectRef, watcher: Any) -> None:
        """Watcher's ready() runs when the call has its result. Under the lock."""
        self.process.objects.watch(completion.key, self.process.table.entries[completion.key], watcher)

    def unwatch_end(self, completion: ObjectRef, watcher: Any) -> None:
        """Watcher hears no more. Under the lock."""
        waiters = self.process.table.entries[completion.key].waiters
        if waiters and watcher in waiters:
            waiters.remove(watcher)

    def collect(self, stream: Stream, completion: ObjectRef) -> ObjectRef:
        """A ref whose value is all the items' refs, or what ended their generator."""
        process = self.process

        def ended(value: Value) -> None:
            self._open.pop(stream.call.id, None)
            refs = [ObjectRef(key, process.release) for key in stream.items]
            stream.items.clear()
            if type(value) is Failed:
                process.objects.resolve(key, value)
                return
            serialized = serialization.serialize(DynamicObjectRefGenerator(refs))
            entry = process.table.entries.get(key)
            if entry is not None:
                # The completion is held so that the call can be looked up, and cancelled, as long as the list is wanted.
                entry.inner = [*serialized.refs, completion]
                process.objects.resolve(key, serialized.to_bytes())

        with process.lock:
            key = process.table.create()
            entry = process.table.entries[completion.key]
            if entry.value is None:
                process.objects.watch(completion.key, entry, WhenReady(ended))
            else:
                ended(entry.value)
        return ObjectRef(key, process.release)

    def _hand_out(self, stream: Stream) -> ObjectRef:
        process = self.process
        stream.taken += 1
        call = stream.call
        if call.ahead and call.target is not None:
            process.post(call.target.peer, peer.Consumed(call.id, stream.taken))
        return ObjectRef(stream.items.popleft(), process.release)

    def drain(self) -> None:
        """Dropped generators are ended and their unread items freed. Under the lock."""
        while self.abandoned:
            stream = self._open.pop(self.abandoned.popleft(), None)
            if stream is None:
                continue
            for key in stream.items:
                self.process.table.release(key)
            stream.items.clear()
            self.process.calls.cancel_own(stream.call.id, force=False, recursive=True)


class ObjectRefGenerator:
    """Iterates over the refs of a streaming call's items, as they are made. Belongs to its process: it cannot be passed on."""

    def __init__(self, process: Process, stream: Stream, completion: ObjectRef) -> None:
        """Made by the runtime only."""
        self._streams = process.streams
        self._stream = stream
        self._completion = completion

    def __iter__(self) -> ObjectRefGenerator:
        return self

    def __next__(self) -> ObjectRef:
        ref = self._streams.take(self._stream, self._completion)
        if ref is None:
            raise StopIteration
        return ref

    def __aiter__(self) -> ObjectRefGenerator:
        return self

    async def __anext__(self) -> ObjectRef:
        import asyncio

        process = self._streams.process
        while not self.has_next():
            come = _Come()
            with process.lock:
                if self.has_next():
                    break
                self.watch(come)
                process.flush_all()
            try:
                await asyncio.wrap_future(come.future)
            finally:
                with process.lock:
                    self.unwatch(come)
        ref = self._streams.take(self._stream, self._completion)
        if ref is None:
            raise StopAsyncIteration
        return ref

    def has_next(self) -> bool:
        """True when next() would not wait: an item is there, or the end."""
        return bool(self._stream.items) or self._streams.ended(self._completion)

    def watch(self, watcher: Any) -> None:
        """Watcher's finish() runs with the next item, its ready() at the end. Under the lock."""
        self._stream.waiter = watcher
        self._streams.watch_end(self._completion, watcher)

    def unwatch(self, watcher: Any) -> None:
        """Watcher hears no more. Under the lock."""
        if self._stream.waiter is watcher:
            self._stream.waiter = None
        self._streams.unwatch_end(self._completion, watcher)

    def is_finished(self) -> bool:
        """True when the generator has ended and every item was taken, the error that ended it too."""
        return self._streams.ended(self._completion) and not self.next_ready()

    def next_ready(self) -> bool:
        """True when next() gives a ref at once; False when it would wait, and at the end."""
        return bool(self._stream.items) or self._streams.ends_in_error(self._stream, self._completion)

    def completed(self) -> ObjectRef:
        """A ref that is ready when the generator has ended, and raises what ended it."""
        return self._completion

    def __del__(self) -> None:
        self._streams.abandoned.append(self._stream.call.id)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            "A generator of refs belongs to the process that made the call; pass the refs it gives, or a list of them."
        )


class DynamicObjectRefGenerator:
    """The refs of a generator's items, all made; what a call with num_returns="dynamic" results in. May be passed on."""

    def __init__(self, refs: Sequence[ObjectRef]) -> None:
        """Made by the runtime only."""
        self._refs = list(refs)

    def __iter__(self) -> Iterator[ObjectRef]:
        return iter(self._refs)

    def __len__(self) -> int:
        return len(self._refs)

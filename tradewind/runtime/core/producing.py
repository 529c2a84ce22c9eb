"""The producer's side of streaming generators: items are sent as they are made, no further ahead of the reader than was asked."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from tradewind.runtime import serialization
from tradewind.runtime.core.pump import Waiter
from tradewind.runtime.core.streams import escrow_number
from tradewind.runtime.messages import peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tradewind.runtime.core.execution import Executor
    from tradewind.runtime.core.peers import Peer
    from tradewind.runtime.core.process import Process

_TOGETHER_S = 0.001


class Producing:
    """The generators that run in this worker."""

    def __init__(self, process: Process, executor: Executor) -> None:
        self._process = process
        self._executor = executor
        self._consumed: dict[tuple[str, int], int] = {}
        self._readers: dict[tuple[str, int], Callable[[], object]] = {}
        self._flushed = 0.0

    def stream(self, sender: Peer, task: peer.Task, items: Any) -> None:
        """Every item is sent as soon as it is made, and no further ahead of the reader than was asked."""
        process = self._process
        waiter = Waiter()
        unwanted = self._executor.answered
        key = (sender.address, task.id)
        with self.reading(
            sender,
            task,
            lambda: waiter.finish(),  # noqa: PLW0108  another waiter each time
        ) as taken:
            for index, item in enumerate(items):
                if unwanted and key in unwanted:
                    # An actor's method is not interrupted, for its state's sake; a generator may end where it yields.
                    if hasattr(items, "close"):
                        items.close()
                    return
                self.send_item(sender, task, index, item)
                while task.ahead and index + 1 - taken() >= task.ahead:
                    with process.lock:
                        waiter = Waiter()
                        if index + 1 - taken() < task.ahead or key in unwanted:
                            break
                    self._executor.wait(waiter, None)
                    if sender.lost:
                        return
                    if key in unwanted:
                        break

    def send_item(self, sender: Peer, task: peer.Task, index: int, item: Any) -> None:
        """The stream's reader gets its next item."""
        process = self._process
        worker = process.address.rpartition("/")[2]
        serialized = serialization.serialize(item)
        value = process.objects.store(serialized, f"{sender.address}:{task.id}.{index}@{worker}")
        number = escrow_number(task.id, index)
        refs = process.objects.keep_for(sender.address, number, serialized.refs) if serialized.refs else None
        with process.lock:
            process.post(sender, peer.Item(task.id, index, value, refs))
            # Items that come thick and fast travel together, a full batch at once and the rest within a moment.
            now = time.monotonic()
            if now - self._flushed > _TOGETHER_S:
                self._flushed = now
                process.flush_all()

    @contextlib.contextmanager
    def reading(self, sender: Peer, task: peer.Task, more: Callable[[], object]) -> Iterator[Callable[[], int]]:
        """How many items the reader of the call's stream has taken; `more` is called, under the lock, when it takes some or is lost."""
        key = (sender.address, task.id)
        self._consumed[key] = 0
        self._readers[key] = more
        try:
            yield lambda: self._consumed[key]
        finally:
            del self._readers[key], self._consumed[key]

    def on_consumed(self, sender: Peer, message: peer.Consumed) -> None:
        """The reader of a stream has taken items. Under the lock."""
        key = (sender.address, message.id)
        if key in self._consumed:
            self._consumed[key] = message.count
            self._readers[key]()

    def give_up(self, key: tuple[str, int]) -> None:
        """The call's caller wants no more items: its producer looks again, if it waits. Under the lock."""
        more = self._readers.get(key)
        if more is not None:
            more()

    def lose_reader(self) -> None:
        """A caller has ended: producers that wait for their readers look again. Under the lock."""
        for more in list(self._readers.values()):
            more()

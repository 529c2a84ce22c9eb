"""The node's object store: the shell around ArenaBook. It answers processes and fetches objects from other nodes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tradewind.runtime.messages import cluster, control
from tradewind.runtime.messages.values import Stored
from tradewind.runtime.node.arena import ArenaBook, make_arena
from tradewind.runtime.node.workers import Driver, Worker

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon

# How long a reader waits for the word of an object's maker, which comes over another link than the reader's question.
_SEAL_S = 2.0


class ObjectStore:
    """The arena of one node and everybody's business with it."""

    def __init__(self, daemon: NodeDaemon, capacity: int) -> None:
        self._daemon = daemon
        self.descriptor, self.memory = make_arena(capacity)
        self.book = ArenaBook(daemon.node, capacity)
        self._early_free: set[str] = set()
        self._waiting_opens: dict[str, list[tuple[str, int, Stored]]] = {}

    def on_take_extent(self, who: Driver | Worker, message: control.TakeExtent) -> None:
        """A process wants room."""
        offset = self.book.take(who.address, message.size)
        if offset is None:
            self._daemon.post(who.link, control.Extent(message.request, -1, 0, self.book.full(message.size)))
        else:
            self._daemon.post(who.link, control.Extent(message.request, offset, message.size))

    def on_seal(self, who: Driver | Worker, message: control.Seal) -> None:
        """A process has written an object; those who wait for it have it."""
        stored = message.stored
        self.book.seal(who.address, stored)
        for process, request, wanted in self._waiting_opens.pop(stored.name, ()):
            self._daemon.tell(process, control.Opened(request, self.book.open(process, wanted.name) or 0))
        if stored.name in self._early_free:
            self._early_free.discard(stored.name)
            self.book.free(stored)

    def free(self, stored: Stored) -> None:
        """The owner holds the object no longer."""
        if stored.node != self._daemon.node:
            if self._daemon.neighbours is not None:
                self._daemon.neighbours.send(stored.node, cluster.FreeThere(stored))
        elif self.book.find(stored.name) is None:
            # Its maker's word that it exists is still on its way, over another link than this one.
            self._early_free.add(stored.name)
        else:
            self.book.free(stored)

    def on_open(self, who: Driver | Worker, message: control.Open) -> None:
        """A process wants to read an object, which is fetched when it lies elsewhere."""
        stored = message.stored
        offset = self.book.open(who.address, stored.name)
        if offset is not None:
            self._daemon.post(who.link, control.Opened(message.request, offset))
            return
        opens = self._waiting_opens.setdefault(stored.name, [])
        opens.append((who.address, message.request, stored))
        if stored.node == self._daemon.node:
            self._daemon.loop.after(
                2.0,
                lambda: self._fail_opens(
                    stored.name,
                    f"the object {stored.name} is not in the object store of node {self._daemon.node[:8]} any more",
                ),
            )
        elif len(opens) == 1:
            self._pull(stored)

    def _pull(self, stored: Stored) -> None:
        if self._daemon.neighbours is None:
            self._fail_opens(
                stored.name,
                f"node {stored.node[:8]}, which holds the object {stored.name}, is not part of this cluster any more",
            )
            return
        me = f"{self._daemon.node}/pull"
        offset = self.book.take(me, stored.size)
        if offset is None:
            self._fail_opens(stored.name, self.book.full(stored.size))
            return

        def done(error: str) -> None:
            if error:
                self.book.give(me, offset, stored.size)
                self._fail_opens(stored.name, error)
                return
            self.book.seal(me, Stored(self._daemon.node, offset, stored.size, stored.name), copy=True)
            for process, request, _ in self._waiting_opens.pop(stored.name, ()):
                self._daemon.tell(process, control.Opened(request, self.book.open(process, stored.name) or 0))

        self._daemon.neighbours.pull(stored, offset, done)

    def _fail_opens(self, name: str, reason: str) -> None:
        for process, request, _ in self._waiting_opens.pop(name, ()):
            self._daemon.tell(process, control.Opened(request, -1, reason))

    def close(self) -> None:
        """The memory goes with the last process that holds it."""
        os.close(self.descriptor)

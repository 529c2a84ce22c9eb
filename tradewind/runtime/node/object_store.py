"""The node's object store: the shell around ArenaBook. It answers processes, fetches objects from other nodes, and spills cold ones to disk."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradewind.runtime.messages import cluster, control
from tradewind.runtime.messages.values import Stored
from tradewind.runtime.node.arena import ArenaBook, make_arena
from tradewind.runtime.node.prefault import Prefault
from tradewind.runtime.node.spilling import SpillFiles
from tradewind.runtime.node.workers import Driver, Worker

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon

# How long a reader waits for the word of an object's maker, which comes over another link than the reader's question.
_SEAL_S = 2.0
# How long somebody who wants room waits while objects are being spilled, read to their end or let go of.
_ROOM_S = 2.0
_LOOK_S = 0.01
# An owner that has not answered by then is not waited for: it may be stopped, or busy in C.
_EVICT_S = 0.5
# Start-up comes first.
_FIRST_PAGES_S = 0.3


@dataclass(slots=True, eq=False)
class _Wanting:
    """Somebody who wants room in a full arena."""

    process: str
    size: int
    until: float
    then: Callable[[int | None], None]


class ObjectStore:
    """The arena of one node and everybody's business with it."""

    def __init__(self, daemon: NodeDaemon, capacity: int, spill_directory: str = "") -> None:
        self._daemon = daemon
        self.descriptor, self.memory = make_arena(capacity)
        self._prefault = Prefault(self.descriptor, capacity)
        daemon.loop.after(_FIRST_PAGES_S, lambda: self._prefault.given(0))
        self.files = SpillFiles(spill_directory)
        self.book = ArenaBook(daemon.node, capacity, self._gone)
        # Which nodes have copies of objects from here, and from which nodes the copies here are.
        self._copies: dict[str, set[str]] = {}
        self._copied_from: dict[str, str] = {}
        self._me = f"{daemon.node}/pull"
        self._early_free: set[str] = set()
        self._waiting_opens: dict[str, list[tuple[str, int, Stored]]] = {}
        self._wanting: deque[_Wanting] = deque()
        self._evicting: dict[str, float] = {}
        self._looking = False

    # room

    def on_take_extent(self, who: Driver | Worker, message: control.TakeExtent) -> None:
        """A process wants room."""

        def then(offset: int | None) -> None:
            if offset is None:
                self._daemon.tell(who.address, control.Extent(message.request, -1, 0, self._full(message.size)))
            elif self._daemon.processes.get(who.address) is not who:
                self.book.give(who.address, offset, message.size)
            else:
                self._prefault.given(offset + message.size)
                self._daemon.guard.took(who.pid, message.size)
                self._daemon.tell(who.address, control.Extent(message.request, offset, message.size))

        self._with_room(who.address, message.size, then)

    def _full(self, size: int) -> str:
        reason = self.book.full(size)
        return f"{reason} (nothing can be spilled to {self.files.failure})" if self.files.failure else reason

    def _with_room(self, process: str, size: int, then: Callable[[int | None], None]) -> None:
        """Then gets the offset of an extent, after others have been spilled if need be, or None."""
        offset = self.book.take(process, size) if not self._wanting else None
        if offset is not None or size > self.book.capacity:
            then(offset)
            return
        self._wanting.append(_Wanting(process, size, self._daemon.loop.now() + _ROOM_S, then))
        self._look_for_room()

    def _look_for_room(self) -> None:
        now = self._daemon.loop.now()
        while self._wanting:
            first = self._wanting[0]
            offset = self.book.take(first.process, first.size)
            if offset is None:
                if self._evict(first.size, now):
                    continue
                if now < first.until:
                    break
            self._wanting.popleft()
            first.then(offset)
        if self._wanting and not self._looking:
            self._looking = True
            self._daemon.loop.after(_LOOK_S, self._look_again)

    def _look_again(self) -> None:
        self._looking = False
        self._look_for_room()

    def _evict(self, size: int, now: float) -> bool:
        """Cold objects are spilled, or their owners asked whether they may be. True when something was spilled now."""
        self._evicting = {name: until for name, until in self._evicting.items() if until > now}
        spilled = False
        for stored in self.book.coldest(size):
            owner = stored.name.rpartition(":")[0]
            if owner not in self._daemon.processes:
                spilled = self._spill(stored) or spilled
            elif stored.name not in self._evicting:
                # An owner on this node reads its objects in place without a question; so it is asked.
                self._evicting[stored.name] = now + _EVICT_S
                self._daemon.tell(owner, control.Evict(stored.name))
        return spilled

    def on_evicted(self, _who: Driver | Worker, message: control.Evicted) -> None:
        """An owner has said whether its object may leave memory."""
        self._evicting.pop(message.name, None)
        stored = self.book.cold(message.name)
        if not message.granted:
            self.book.touch(message.name)
        elif stored is not None and self._wanting:
            self._spill(stored)
            self._look_for_room()

    def _spill(self, stored: Stored) -> bool:
        if not self.files.write(stored.name, self.memory, stored.offset, stored.size):
            return False
        self.book.spilled(stored.name)
        return True

    def _restore(self, stored: Stored) -> None:
        """The object is being read back from its file for those who want to open it."""

        def then(offset: int | None) -> None:
            if offset is None:
                self._fail_opens(stored.name, self._full(stored.size))
                return
            if stored.name not in self.files:
                self.book.give(self._me, offset, stored.size)
                self._fail_opens(stored.name, f"the object {stored.name} was let go of while it was read back")
                return
            try:
                self.files.read(stored.name, self.memory, offset, stored.size)
            except OSError as error:
                self.book.give(self._me, offset, stored.size)
                self._fail_opens(stored.name, f"the object {stored.name} could not be read back from disk: {error}")
                return
            self.book.restored(self._me, stored.name, offset)
            self.files.forget(stored.name)
            self._answer_opens(stored.name)

        self._with_room(self._me, stored.size, then)

    # objects

    def on_seal(self, who: Driver | Worker, message: control.Seal) -> None:
        """A process has written an object; those who wait for it have it."""
        stored = message.stored
        self.book.seal(who.address, stored)
        self._answer_opens(stored.name)
        if stored.name in self._early_free:
            self._early_free.discard(stored.name)
            self.book.free(stored)

    def _answer_opens(self, name: str) -> None:
        for process, request, _ in self._waiting_opens.pop(name, ()):
            if process in self._daemon.processes:
                self._daemon.tell(process, control.Opened(request, self.book.open(process, name) or 0))

    def free(self, stored: Stored) -> None:
        """The owner holds the object no longer."""
        if stored.node != self._daemon.node:
            if self._daemon.neighbours is not None:
                self._daemon.neighbours.send(stored.node, cluster.FreeThere(stored))
        elif not self.book.knows(stored.name):
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
        if stored.name in self.files:
            if len(opens) == 1:
                self._restore(stored)
        elif stored.node == self._daemon.node:
            self._daemon.loop.after(
                _SEAL_S,
                lambda: self._fail_opens(
                    stored.name,
                    f"the object {stored.name} is not in the object store of node {self._daemon.node[:8]} any more",
                ),
            )
        elif len(opens) == 1:
            self._pull(stored)

    def _gone(self, name: str) -> None:
        """The object is no more here: its file and its copies elsewhere go too."""
        self.files.forget(name)
        self._copied_from.pop(name, None)
        for node in self._copies.pop(name, ()):
            if self._daemon.neighbours is not None:
                self._daemon.neighbours.send(node, cluster.DropCopy(name))

    def copied(self, name: str, node: str) -> None:
        """The node is making a copy of an object from here."""
        self._copies.setdefault(name, set()).add(node)

    def drop_copy(self, name: str) -> None:
        """The object is no more where it was copied from."""
        if self._copied_from.pop(name, None) is not None:
            self.book.free_copy(name)

    def lose_node(self, node: str) -> None:
        """Copies of objects from the node are of no use: whoever makes those again makes others."""
        for name in [name for name, source in self._copied_from.items() if source == node]:
            self.drop_copy(name)

    def part(self, stored: Stored, start: int, length: int) -> bytes | None:
        """Some of an object's bytes, from memory or disk; None when it is not here."""
        offset = self.book.find(stored.name)
        if offset is not None:
            return self.memory[offset + start : offset + start + length]
        return self.files.part(stored.name, start, length)

    def _pull(self, stored: Stored) -> None:
        if self._daemon.neighbours is None:
            self._fail_opens(
                stored.name,
                f"node {stored.node[:8]}, which holds the object {stored.name}, is not part of this cluster any more",
            )
            return

        def then(offset: int | None) -> None:
            if offset is None or self._daemon.neighbours is None:
                self._fail_opens(stored.name, self._full(stored.size))
                return

            self._copied_from[stored.name] = stored.node

            def done(error: str) -> None:
                if error:
                    self._copied_from.pop(stored.name, None)
                    self.book.give(self._me, offset, stored.size)
                    self._fail_opens(stored.name, error)
                    return
                self.book.seal(self._me, Stored(self._daemon.node, offset, stored.size, stored.name), copy=True)
                self._answer_opens(stored.name)
                if stored.name not in self._copied_from:
                    self.book.free_copy(stored.name)  # the object went while it was copied

            self._daemon.neighbours.pull(stored, offset, done)

        self._with_room(self._me, stored.size, then)

    def _fail_opens(self, name: str, reason: str) -> None:
        for process, request, _ in self._waiting_opens.pop(name, ()):
            self._daemon.tell(process, control.Opened(request, -1, reason))

    def close(self) -> None:
        """The memory goes with the last process that holds it, the files at once."""
        self._prefault.close()
        self.files.close()
        os.close(self.descriptor)

"""The node's object store: the shell around ArenaBook. It answers processes and fetches objects from other nodes; Room finds the place for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tradewind.runtime.messages import control, neighbour
from tradewind.runtime.messages.values import Stored
from tradewind.runtime.node.arena import ArenaBook, make_arena
from tradewind.runtime.node.prefault import Prefault
from tradewind.runtime.node.room import Room
from tradewind.runtime.node.spilling import SpillFiles
from tradewind.runtime.node.workers import Driver, Worker

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon

# How long a reader waits for the word of an object's maker, which comes over another link than the reader's question.
_SEAL_S = 2.0
# Start-up comes first.
_FIRST_PAGES_S = 0.3


class ObjectStore:
    """The arena of one node and everybody's business with it."""

    def __init__(self, daemon: NodeDaemon, capacity: int, spill_directory: str = "") -> None:
        self._daemon = daemon
        self.descriptor, self.memory = make_arena(capacity)
        self._prefault = Prefault(self.descriptor, capacity)
        daemon.loop.after(_FIRST_PAGES_S, lambda: self._prefault.given(0))
        self.book = ArenaBook(daemon.node, capacity, self._gone)
        self.use_files(SpillFiles(spill_directory, daemon.loop.from_thread))
        # Which nodes have copies of objects from here, and from which nodes the copies here are.
        self._copies: dict[str, set[str]] = {}
        self._copied_from: dict[str, str] = {}
        self._me = f"{daemon.node}/pull"
        self._early_free: set[str] = set()
        self._waiting_opens: dict[str, list[tuple[str, int, Stored]]] = {}

    def use_files(self, files: SpillFiles) -> None:
        """Objects go to these files when there is no room for them; to be called before there are any."""
        self.files = files
        self.room = Room(self._daemon, self.book, files, self.memory)

    def on_take_extent(self, who: Driver | Worker, message: control.TakeExtent) -> None:
        """A process wants room."""

        def then(offset: int | None) -> None:
            if offset is None:
                self._daemon.tell(who.address, control.Extent(message.request, -1, 0, self.room.full(message.size)))
            elif self._daemon.processes.get(who.address) is not who:
                self.book.give(who.address, offset, message.size)
            else:
                self._prefault.given(offset + message.size)
                self._daemon.guard.took(who.pid, message.size)
                self._daemon.tell(who.address, control.Extent(message.request, offset, message.size))

        self.room.want(who.address, message.size, then)

    def _restore(self, stored: Stored) -> None:
        """The object is being read back from its file for those who want to open it."""

        def then(offset: int | None) -> None:
            if offset is None:
                self._fail_opens(stored.name, self.room.full(stored.size), full=True)
            elif stored.name not in self.files:
                self.book.give(self._me, offset, stored.size)
                self._fail_opens(stored.name, f"the object {stored.name} was let go of while it was read back")
            else:
                self.files.read(stored.name, self.memory, offset, stored.size, lambda error: done(offset, error))

        def done(offset: int, error: str) -> None:
            if error:
                self.book.give(self._me, offset, stored.size)
                self._fail_opens(stored.name, f"the object {stored.name} could not be read back from disk: {error}")
                return
            self.book.restored(self._me, stored.name, offset)
            self.files.forget(stored.name)
            self._answer_opens(stored.name)

        self.room.want(self._me, stored.size, then)

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
                self._daemon.neighbours.send(stored.node, neighbour.FreeThere(stored))
        elif not self.book.knows(stored.name):
            _, made, worker = stored.name.rpartition("@")
            if made and f"{self._daemon.node}/{worker}" not in self._daemon.processes:
                return  # its maker is gone, and has made no such thing
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
        self.room.gone(name)
        self.files.forget(name)
        self._copied_from.pop(name, None)
        for node in self._copies.pop(name, ()):
            if self._daemon.neighbours is not None:
                self._daemon.neighbours.send(node, neighbour.DropCopy(name))

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
                self._fail_opens(stored.name, self.room.full(stored.size), full=True)
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

        self.room.want(self._me, stored.size, then)

    def _fail_opens(self, name: str, reason: str, *, full: bool = False) -> None:
        for process, request, _ in self._waiting_opens.pop(name, ()):
            self._daemon.tell(process, control.Opened(request, -1, reason, full))

    def close(self) -> None:
        """The memory goes with the last process that holds it, the files at once."""
        self._prefault.close()
        self.files.close()
        os.close(self.descriptor)

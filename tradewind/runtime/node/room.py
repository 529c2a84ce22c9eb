"""Room in a full arena: who wants some, and which cold objects go to disk for it, while everybody else goes on."""

from __future__ import annotations

import mmap
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradewind.runtime.messages import control
from tradewind.runtime.messages.values import Stored
from tradewind.runtime.node.arena import ArenaBook
from tradewind.runtime.node.spilling import SpillFiles

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon

# How long somebody who wants room waits while objects are read to their end or let go of; while some are on their way to disk, longer.
_ROOM_S = 2.0
# A disk that has not taken one object by then is not waited for any more.
_DISK_S = 60.0
_LOOK_S = 0.01
# An owner that has not answered by then is not waited for: it may be stopped, or busy in C.
_EVICT_S = 0.5
# A disk that has refused an object is asked again after this long.
_REFUSED_S = 0.25
# Until somebody has waited this long, others whose wish fits into what is free go ahead.
_PATIENCE_S = 0.5


@dataclass(slots=True, eq=False)
class _Wish:
    """Somebody who wants room in a full arena."""

    process: str
    size: int
    since: float
    until: float
    then: Callable[[int | None], None]


class Room:
    """The arena's room. Cold objects leave memory when somebody wants more than there is."""

    def __init__(self, daemon: NodeDaemon, book: ArenaBook, files: SpillFiles, memory: mmap.mmap) -> None:
        self._daemon = daemon
        self._book = book
        self._files = files
        self._memory = memory
        self._wishes: deque[_Wish] = deque()
        # Owners that were asked whether their object may leave memory, and until when they may take to answer.
        self._asked: dict[str, float] = {}
        # Objects on their way to disk, and since when; their bytes are still where they were.
        self._leaving: dict[str, tuple[Stored, float]] = {}
        self._refused = 0.0
        self._looking = False

    def want(self, process: str, size: int, then: Callable[[int | None], None]) -> None:
        """Then gets the offset of an extent that is the process's, after others have been spilled if need be, or None."""
        offset = self._book.take(process, size) if not self._wishes else None
        if offset is not None or size > self._book.capacity:
            then(offset)
            return
        now = self._daemon.loop.now()
        self._wishes.append(_Wish(process, size, now, now + _ROOM_S, then))
        self.look()

    def full(self, size: int) -> str:
        """Why size bytes cannot be had, in a sentence."""
        reason = self._book.full(size)
        if self._leaving:
            return f"{reason} (the disk under {self._files.directory} has not taken an object for {_DISK_S:g} s)"
        return f"{reason} (nothing can be spilled to {self._files.failure})" if self._files.failure else reason

    def look(self) -> None:
        """Who can have room has it; for the first of those who cannot, cold objects are on their way to disk."""
        now = self._daemon.loop.now()
        while self._wishes:
            first = self._wishes[0]
            offset = self._book.take(first.process, first.size)
            if offset is None:
                self._evict(first.size, now)
                if now < first.until or any(now < since + _DISK_S for _, since in self._leaving.values()):
                    break
            self._wishes.popleft()
            first.then(offset)
        if self._wishes and now < self._wishes[0].since + _PATIENCE_S:
            self._let_pass()
        if self._wishes and not self._looking:
            self._looking = True
            self._daemon.loop.after(_LOOK_S, self._look_again)

    def _let_pass(self) -> None:
        for wish in list(self._wishes)[1:]:
            offset = self._book.take(wish.process, wish.size)
            if offset is not None:
                self._wishes.remove(wish)
                wish.then(offset)

    def _look_again(self) -> None:
        self._looking = False
        self.look()

    def _evict(self, size: int, now: float) -> None:
        """Cold objects of so many bytes in all are leaving memory, or their owners are asked whether they may."""
        self._asked = {name: until for name, until in self._asked.items() if until > now}
        size -= sum(stored.size for stored, _ in self._leaving.values())
        if size <= 0 or now < self._refused + _REFUSED_S:
            return
        for stored in self._book.coldest(size, self._leaving):
            owner = stored.name.rpartition(":")[0]
            if owner not in self._daemon.processes:
                self._spill(stored)
            elif stored.name not in self._asked:
                # An owner on this node reads its objects in place without a question; so it is asked.
                self._asked[stored.name] = now + _EVICT_S
                self._daemon.tell(owner, control.Evict(stored.name))

    def on_evicted(self, message: control.Evicted) -> None:
        """An owner has said whether its object may leave memory."""
        self._asked.pop(message.name, None)
        stored = self._book.cold(message.name)
        if not message.granted:
            self._book.touch(message.name)
        elif stored is not None and self._wishes and message.name not in self._leaving:
            self._spill(stored)

    def _spill(self, stored: Stored) -> None:
        began = self._daemon.loop.now()
        self._leaving[stored.name] = (stored, began)
        self._files.write(
            stored.name, self._memory, stored.offset, stored.size, lambda error: self._spilled(stored, error)
        )

    def _spilled(self, stored: Stored, error: str) -> None:
        self._leaving.pop(stored.name, None)
        if error:
            self._refused = self._daemon.loop.now()
        elif self._book.cold(stored.name) is None:
            self._files.forget(stored.name)  # somebody reads it since
        else:
            self._book.spilled(stored.name)
        self.look()

    def gone(self, name: str) -> None:
        """The object is no more: it does not leave either."""
        self._leaving.pop(name, None)

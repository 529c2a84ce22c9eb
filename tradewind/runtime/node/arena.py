"""The arena's book: which objects lie where, who reads them, and whose extents the rest belongs to. Pure but for the memory itself."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from tradewind.runtime.messages.values import Stored
from tradewind.runtime.node.allocator import Allocator, aligned


@dataclass(slots=True)
class _Held:
    """An object in the arena: the primary copy, or a copy of one that lies on another node."""

    stored: Stored
    offset: int
    readers: dict[str, int] = field(default_factory=dict)
    freed: bool = False
    copy: bool = False

    @property
    def out(self) -> bool:
        """True while it is on disk."""
        return self.offset < 0


class ArenaBook:
    """Extents belong to processes until sealed into objects; objects stay while they have an owner or a reader."""

    def __init__(self, node: str, capacity: int, on_gone: Callable[[str], None] = lambda _name: None) -> None:
        """An empty arena; on_gone hears of every object that is no more."""
        self._on_gone = on_gone
        self.node = node
        self._space = Allocator(capacity)
        self._extents: dict[str, dict[int, int]] = {}
        self._objects: dict[str, _Held] = {}

    @property
    def capacity(self) -> int:
        """Bytes in all."""
        return self._space.capacity

    @property
    def used_bytes(self) -> int:
        """Bytes taken by extents and objects."""
        return self._space.capacity - self._space.free_bytes

    def take(self, process: str, size: int) -> int | None:
        """The offset of an extent that now belongs to process; copies that nobody reads make room. None when the arena is full."""
        offset = self._space.take(size)
        if offset is None:
            for name in [name for name, held in self._objects.items() if held.copy and not held.readers]:
                self._remove(name)
            offset = self._space.take(size)
        if offset is not None:
            self._extents.setdefault(process, {})[offset] = aligned(size)
        return offset

    def full(self, size: int) -> str:
        """Why size bytes cannot be had, in a sentence."""
        return (
            f"The object store of node {self.node[:8]} cannot hold {size:,} more bytes: {self.used_bytes:,} of {self.capacity:,} are taken by "
            f"{len(self._objects)} objects and the longest free range is {self._space.largest_free:,}; "
            "drop refs that are no longer needed, or start with a larger object_store_memory"
        )

    def give(self, process: str, offset: int, size: int) -> None:
        """A range of the process's extent is free again."""
        if self._cut(process, offset, aligned(size)):
            self._space.give(offset, size)

    def _cut(self, process: str, offset: int, size: int) -> bool:
        """Takes [offset, offset + size) out of the process's extents; False when it does not lie in one."""
        extents = self._extents.get(process, {})
        for start, length in extents.items():
            if start <= offset and offset + size <= start + length:
                del extents[start]
                if offset > start:
                    extents[start] = offset - start
                if offset + size < start + length:
                    extents[offset + size] = start + length - offset - size
                return True
        return False

    def seal(self, process: str, stored: Stored, *, copy: bool = False) -> None:
        """A range of the process's extent is now this object."""
        if self._cut(process, stored.offset, aligned(stored.size)):
            self._objects[stored.name] = _Held(stored, stored.offset, copy=copy)

    def free(self, stored: Stored) -> None:
        """The owner holds the object no longer; its bytes go with the last reader."""
        held = self._objects.get(stored.name)
        if held is not None:
            held.freed = True
            if not held.readers:
                self._remove(stored.name)

    def free_copy(self, name: str) -> None:
        """The copy goes with its last reader."""
        held = self._objects.get(name)
        if held is not None and held.copy:
            self.free(held.stored)

    def open(self, process: str, name: str) -> int | None:
        """The object's offset, and it stays while process has it open; None when it is not here."""
        held = self._objects.get(name)
        if held is None or held.freed or held.out:
            return None
        held.readers[process] = held.readers.get(process, 0) + 1
        return held.offset

    def find(self, name: str) -> int | None:
        """The object's offset, or None when it is not here."""
        held = self._objects.get(name)
        return None if held is None or held.out else held.offset

    def knows(self, name: str) -> bool:
        """True when the object is here, in memory or on disk."""
        return name in self._objects

    def close(self, process: str, name: str) -> None:
        """One reading of the object has ended."""
        held = self._objects.get(name)
        if held is None or process not in held.readers:
            return
        held.readers[process] -= 1
        if not held.readers[process]:
            del held.readers[process]
            if held.freed and not held.readers:
                self._remove(name)

    def drop_process(self, process: str) -> None:
        """What the process had open is closed, its unsealed extents are free, and so are the objects that it owned."""
        owned = process + ":"
        for name in [name for name, held in self._objects.items() if process in held.readers or name.startswith(owned)]:
            held = self._objects[name]
            held.readers.pop(process, None)
            if name.startswith(owned) and not held.copy:
                held.freed = True
            if held.freed and not held.readers:
                self._remove(name)
        for offset, size in self._extents.pop(process, {}).items():
            self._space.give(offset, size)

    def drop_owner(self, process: str) -> None:
        """Objects owned by a process of another node that has ended go when nobody reads them."""
        self.drop_process(process)

    def drop_foreign(self) -> None:
        """Objects whose owners are on other nodes go when nobody here reads them."""
        for name in [name for name in self._objects if not name.startswith(self.node + "/")]:
            self._objects[name].freed = True
            if not self._objects[name].readers:
                self._remove(name)

    def _remove(self, name: str) -> None:
        held = self._objects.pop(name)
        if not held.out:
            self._space.give(held.offset, held.stored.size)
        self._on_gone(name)

    # spilling

    def cold(self, name: str) -> Stored | None:
        """Where the object lies, when it is a primary copy in memory that nobody has open."""
        held = self._objects.get(name)
        if held is None or held.readers or held.freed or held.copy or held.out:
            return None
        return Stored(held.stored.node, held.offset, held.stored.size, name)

    def coldest(self, size: int, but: Container[str] = ()) -> list[Stored]:
        """Objects that may leave memory, those longest unread first and none of those in `but`, until size bytes are together."""
        out: list[Stored] = []
        for name in self._objects:
            stored = self.cold(name)
            if stored is not None and name not in but:
                out.append(stored)
                size -= aligned(stored.size)
                if size <= 0:
                    break
        return out

    def touch(self, name: str) -> None:
        """The object is the last to leave memory."""
        held = self._objects.pop(name, None)
        if held is not None:
            self._objects[name] = held

    def spilled(self, name: str) -> None:
        """The object's bytes are on disk and its range is free."""
        held = self._objects[name]
        self._space.give(held.offset, held.stored.size)
        held.offset = -1

    def restored(self, process: str, name: str, offset: int) -> None:
        """The object's bytes stand at offset, in an extent of process, which is now the object's."""
        held = self._objects[name]
        if held.out and self._cut(process, offset, aligned(held.stored.size)):
            held.offset = offset
            self.touch(name)

    @property
    def spilled_objects(self) -> int:
        """How many objects are on disk."""
        return sum(held.out for held in self._objects.values())

    @property
    def objects(self) -> int:
        """How many objects lie here."""
        return len(self._objects)

    def validate(self) -> None:
        """Raises AssertionError unless extents, objects and free ranges fill the arena exactly once."""
        self._space.validate()
        ranges = [(held.offset, aligned(held.stored.size)) for held in self._objects.values() if not held.out]
        ranges += [(start, size) for extents in self._extents.values() for start, size in extents.items()]
        ranges.sort()
        end = 0
        for start, size in ranges:
            assert start >= end, "objects or extents overlap"
            end = start + size
        assert sum(size for _, size in ranges) == self.used_bytes
        assert all(not held.freed or held.readers for held in self._objects.values())


def make_arena(capacity: int) -> tuple[int, mmap.mmap]:
    """A memfd of capacity bytes and its mapping: nothing on any file system, gone with the last process that holds it."""
    descriptor = os.memfd_create("tradewind-arena", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, capacity)
    return descriptor, mmap.mmap(descriptor, capacity)

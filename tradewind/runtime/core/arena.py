"""This process's side of the arena: extents that it fills, and objects that it reads in place."""

from __future__ import annotations

import mmap
import os
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from tradewind.runtime import exceptions, serialization
from tradewind.runtime.messages import control
from tradewind.runtime.messages.values import Stored
from tradewind.runtime.node.allocator import aligned

if TYPE_CHECKING:
    from tradewind.runtime.core.process import Process

# Values up to this size travel inside messages and stay in the owner's memory (Ray's limit is the same).
INLINE_BYTES = 100 * 1024
# What is asked for at once for middling objects, so that one question serves many.
_EXTENT_BYTES = 8 << 20


class ArenaClient:
    """Writes objects into extents of the node's arena and reads objects from it, without a question a put."""

    def __init__(self, process: Process, descriptor: int, capacity: int) -> None:
        self._process = process
        self._descriptor = descriptor
        self._capacity = capacity
        self._writable: mmap.mmap | None = None
        self._readable: mmap.mmap | None = None
        self._write_lock = threading.Lock()
        self._extent = (0, 0)
        # Pages below this were written by this process before: they are mapped.
        self._touched = 0
        # Readings that have ended, from finalizers, which may take no lock.
        self.ended: deque[tuple[str, bool]] = deque()
        self._views: dict[str, int] = {}
        self._free_later: dict[str, Stored] = {}
        # Own objects that may have left memory: they are read through the daemon.
        self._evicted: set[str] = set()

    def write(self, value: serialization.Serialized, name: str) -> Stored:
        """The value is in this node's arena under name. Raises ObjectStoreFullError."""
        size = value.size
        with self._write_lock:
            offset = self._reserve(size)
        writable = self._writable
        if writable is None:
            writable = self._writable = mmap.mmap(self._descriptor, self._capacity)
        with memoryview(writable) as view, view[offset : offset + size] as place:
            value.write_to(place, new_pages=offset + size > self._touched)
        self._touched = max(self._touched, offset + size)
        stored = Stored(self._process.node, offset, size, name)
        process = self._process
        with process.lock:
            process.tell_node(control.Seal(stored))
            process.flush_node()
        return stored

    def _reserve(self, size: int) -> int:
        need = aligned(size)
        start, end = self._extent
        if end - start >= need:
            self._extent = (start + need, end)
            return start
        if need > _EXTENT_BYTES // 2:
            return self._ask(need, size)
        if end > start:
            self._process.tell_node(control.GiveExtent(start, end - start))
            self._extent = (0, 0)
        try:
            start = self._ask(_EXTENT_BYTES, size)
        except exceptions.ObjectStoreFullError:
            return self._ask(need, size)
        self._extent = (start + need, start + _EXTENT_BYTES)
        return start

    def _ask(self, length: int, size: int) -> int:
        reply = self._process.ask_node(lambda request: control.TakeExtent(request, length))
        assert isinstance(reply, control.Extent)
        if reply.offset < 0:
            raise exceptions.ObjectStoreFullError(f"A value of {size:,} bytes was not stored. {reply.reason}.")
        return reply.offset

    def read(self, stored: Stored, *, owned: bool) -> Any:
        """The value, its buffers read in place.

        Raises ObjectLostError when its bytes are gone, and ObjectStoreFullError when there is no room to bring them into.
        """
        process = self._process
        local = owned and stored.node == process.node
        if local:
            offset = stored.offset
            with process.lock:
                local = stored.name not in self._evicted
                if local:
                    self._views[stored.name] = self._views.get(stored.name, 0) + 1
        if not local:
            reply = process.ask_node(lambda request: control.Open(request, stored))
            assert isinstance(reply, control.Opened)
            if reply.full:
                raise exceptions.ObjectStoreFullError(
                    f"An object of {stored.size:,} bytes was not read. {reply.reason}."
                )
            if reply.offset < 0:
                raise exceptions.ObjectLostError(reply.reason)
            offset = reply.offset
        readable = self._readable
        if readable is None:
            readable = self._readable = mmap.mmap(self._descriptor, self._capacity, prot=mmap.PROT_READ)
        view = memoryview(readable)[offset : offset + stored.size]
        in_place = False
        try:
            if not serialization.has_buffers(view):
                return serialization.deserialize(view)
            base = self._counted(readable, offset, stored.size, stored.name, local)
            if base is None:
                return serialization.deserialize(bytes(view))
            in_place = True
            return serialization.deserialize(memoryview(base))
        finally:
            view.release()
            if not in_place:
                self.ended.append((stored.name, local))

    def _counted(self, readable: mmap.mmap, offset: int, size: int, name: str, local: bool) -> Any:
        """An exporter of the bytes that says when the last view of it is gone; None when there is none to be had."""
        try:
            import numpy as np
        except ImportError:
            return None
        import weakref

        base = np.frombuffer(readable, dtype=np.uint8, count=size, offset=offset)
        ended = self.ended
        finalizer = weakref.finalize(base, ended.append, (name, local))
        finalizer.atexit = False
        return base

    def drain(self) -> None:
        """Readings that have ended are told to the daemon, or let a postponed free go. Under the process's lock."""
        while self.ended:
            name, local = self.ended.popleft()
            if not local:
                self._process.tell_node(control.Close(name))
                continue
            left = self._views.get(name, 1) - 1
            if left:
                self._views[name] = left
                continue
            self._views.pop(name, None)
            stored = self._free_later.pop(name, None)
            if stored is not None:
                self._process.tell_node(control.Free(stored))

    def free(self, stored: Stored) -> None:
        """The owned object's bytes go, now or when this process no longer reads them. Under the process's lock."""
        self._evicted.discard(stored.name)
        if stored.name in self._views:
            self._free_later[stored.name] = stored
        else:
            self._process.tell_node(control.Free(stored))

    def on_evict(self, name: str) -> None:
        """The daemon asks whether an own object may leave memory: not while it is read in place. Under the process's lock."""
        granted = name not in self._views and name not in self._free_later
        if granted:
            self._evicted.add(name)
        self._process.tell_node(control.Evicted(name, granted))

    def close(self) -> None:
        """The descriptor is closed; mappings go with the last value that is read in place."""
        os.close(self._descriptor)
        self._writable = None
        self._readable = None

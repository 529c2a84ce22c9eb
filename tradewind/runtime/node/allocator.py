"""Places in the arena: which bytes are free. Pure; lowest fitting place first, so that pages already touched are used again."""

from __future__ import annotations

import bisect

ALIGNMENT = 4096


def aligned(size: int) -> int:
    """Size rounded up to whole pages, at least one."""
    return max(ALIGNMENT, (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT)


class Allocator:
    """Free ranges of [0, capacity), kept sorted and merged."""

    def __init__(self, capacity: int) -> None:
        """Everything is free; capacity is rounded down to whole pages."""
        self.capacity = capacity // ALIGNMENT * ALIGNMENT
        self._starts: list[int] = [0] if self.capacity else []
        self._ends: dict[int, int] = {0: self.capacity} if self.capacity else {}
        self.free_bytes = self.capacity

    def take(self, size: int) -> int | None:
        """The offset of aligned(size) bytes that are now taken, or None when no free range is that long."""
        need = aligned(size)
        for index, start in enumerate(self._starts):
            end = self._ends[start]
            if end - start >= need:
                del self._ends[start]
                if end - start == need:
                    del self._starts[index]
                else:
                    self._starts[index] = start + need
                    self._ends[start + need] = end
                self.free_bytes -= need
                return start
        return None

    def give(self, offset: int, size: int) -> None:
        """The aligned range is free again. Raises ValueError when part of it was free already, or lies outside."""
        start, end = offset, offset + aligned(size)
        if offset % ALIGNMENT or start < 0 or end > self.capacity:
            raise ValueError(f"The range {start}..{end} is not one of this arena of {self.capacity} bytes.")
        index = bisect.bisect_left(self._starts, start)
        before = self._starts[index - 1] if index else None
        after = self._starts[index] if index < len(self._starts) else None
        if (before is not None and self._ends[before] > start) or (after is not None and after < end):
            raise ValueError(f"The range {start}..{end} was given back twice.")
        self.free_bytes += end - start
        if after == end:
            end = self._ends.pop(end)
            del self._starts[index]
        if before is not None and self._ends[before] == start:
            self._ends[before] = end
        else:
            self._starts.insert(index, start)
            self._ends[start] = end

    @property
    def largest_free(self) -> int:
        """Bytes of the longest free range."""
        return max((self._ends[start] - start for start in self._starts), default=0)

    def validate(self) -> None:
        """Raises AssertionError unless the free ranges are sorted, disjoint, merged and add up."""
        total = 0
        last_end = -1
        for start in self._starts:
            end = self._ends[start]
            assert last_end < start < end <= self.capacity
            last_end = end
            total += end - start
        assert total == self.free_bytes
        assert len(self._ends) == len(self._starts)

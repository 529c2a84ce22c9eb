"""How far the copying of a task's files is, while it goes on: told to whoever asks now, and kept nowhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from tradewind.broker.provider import Told


class _OneNode:
    """Bytes of one node's copy: those that are known to come, and those that have gone."""

    __slots__ = ("sent", "total")

    def __init__(self) -> None:
        self.sent = self.total = 0

    def told(self, to_come: int, sent: int) -> None:
        """So many bytes more are to come, and so many have gone. Threads may call it: one at a time for each node."""
        self.total += to_come
        self.sent += sent


class CopyBoard:
    """The copies that go on now, by cluster."""

    def __init__(self) -> None:
        self._now: dict[int, list[_OneNode]] = defaultdict(list)

    @contextmanager
    def of(self, cluster_id: int) -> Iterator[Told]:
        """While the block copies to one of the cluster's nodes, it is counted; it tells by what it is given."""
        one = _OneNode()
        self._now[cluster_id].append(one)
        try:
            yield one.told
        finally:
            self._now[cluster_id].remove(one)
            if not self._now[cluster_id]:
                del self._now[cluster_id]

    def said(self, cluster_id: int) -> str:
        """What a cluster waits for, as in: its files: 12.0 of 480.0 MB are there (on all nodes together); "" while nothing of note is copied."""
        copies = self._now.get(cluster_id, ())
        sent = sum(one.sent for one in copies)
        total = sum(max(one.total, one.sent) for one in copies)
        if not total:
            return ""
        known = all(one.total for one in copies)
        whole = f" of {total / 1e6:,.1f} MB are" if known else " MB are"
        return f"its files: {sent / 1e6:,.1f}{whole} there"

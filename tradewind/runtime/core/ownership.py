"""Who holds what: the objects that this process owns, and those it has borrowed. Pure: events in, freed keys out.

An owned object lives while this process holds a ref, or a borrower does. A borrowed one is held at its owner by one Borrow per process,
given back with the last local ref. An int key is an own object; (owner, number) is somebody else's.
"""

from __future__ import annotations

from typing import Any

from tradewind.runtime.messages.values import Value

Key = int | tuple[str, int]


class Entry:
    """One object as this process knows it. value None: not there yet."""

    __slots__ = ("borrowers", "fetching", "inner", "lineage", "local", "on_free", "value", "waiters")

    def __init__(self, local: int = 1, value: Value | None = None) -> None:
        self.local = local
        self.value = value
        self.borrowers: dict[str, int] | None = None
        # Refs inside the value: alive as long as the value is.
        self.inner: list[Any] | None = None
        self.waiters: list[Any] | None = None
        # The call that makes the value, while it runs and as long as it could be run again.
        self.lineage: Any = None
        self.on_free: Any = None
        self.fetching = False


class ReferenceTable:
    """Counts refs; `freed` collects the entries whose last ref went."""

    __slots__ = ("entries", "freed", "next_id")

    def __init__(self) -> None:
        self.entries: dict[Key, Entry] = {}
        self.next_id = 1
        self.freed: list[tuple[Key, Entry]] = []

    def create(self, count: int = 1) -> int:
        """The number of the first of count new owned objects, each with one local ref."""
        first = self.next_id
        self.next_id = first + count
        for key in range(first, self.next_id):
            self.entries[key] = Entry()
        return first

    def hold(self, key: Key) -> bool:
        """One more local ref; True when this is the first of an object of somebody else, who must be told."""
        entry = self.entries.get(key)
        if entry is not None:
            entry.local += 1
            return False
        self.entries[key] = Entry()
        return True

    def release(self, key: Key) -> None:
        """One local ref less."""
        entry = self.entries.get(key)
        if entry is None:
            return
        entry.local -= 1
        if entry.local <= 0 and not entry.borrowers:
            del self.entries[key]
            self.freed.append((key, entry))

    def lend(self, key: int, borrower: str) -> bool:
        """Borrower holds the object from now on; False when it is gone already."""
        entry = self.entries.get(key)
        if entry is None:
            return False
        if entry.borrowers is None:
            entry.borrowers = {}
        entry.borrowers[borrower] = entry.borrowers.get(borrower, 0) + 1
        return True

    def unlend(self, key: int, borrower: str) -> None:
        """Borrower gave one of its holds back."""
        entry = self.entries.get(key)
        if entry is None or not entry.borrowers or borrower not in entry.borrowers:
            return
        entry.borrowers[borrower] -= 1
        if not entry.borrowers[borrower]:
            del entry.borrowers[borrower]
            if entry.local <= 0 and not entry.borrowers:
                del self.entries[key]
                self.freed.append((key, entry))

    def lose_borrower(self, borrower: str) -> None:
        """The process has ended; whatever it had borrowed, it holds no longer."""
        for key, entry in list(self.entries.items()):
            if entry.borrowers and borrower in entry.borrowers:
                entry.borrowers[borrower] = 1
                assert isinstance(key, int)
                self.unlend(key, borrower)

    def validate(self) -> None:
        """Raises AssertionError when an entry is held by nobody, or somebody else's object is lent on."""
        for key, entry in self.entries.items():
            assert entry.local > 0 or entry.borrowers, f"{key} is held by nobody"
            if isinstance(key, tuple):
                assert not entry.borrowers, f"{key} is not ours to lend"

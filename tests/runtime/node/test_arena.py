from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tradewind.runtime.messages.values import Stored
from tradewind.runtime.node.allocator import ALIGNMENT
from tradewind.runtime.node.arena import ArenaBook, make_arena

PROCESSES = ("n/1", "n/2", "n/3")


class ArenaMachine(RuleBasedStateMachine):
    """Processes take extents, seal objects, open, close, free, and die. A model says which objects must still be readable."""

    def __init__(self) -> None:
        super().__init__()
        self.book = ArenaBook("n", 64 * ALIGNMENT)
        self.extents: dict[str, list[tuple[int, int]]] = {process: [] for process in PROCESSES}
        self.objects: dict[str, Stored] = {}
        self.owner: dict[str, str] = {}
        self.readers: dict[str, list[str]] = {}
        self.freed: set[str] = set()
        self.count = 0

    @rule(process=st.sampled_from(PROCESSES), pages=st.integers(1, 8))
    def take(self, process: str, pages: int) -> None:
        offset = self.book.take(process, pages * ALIGNMENT)
        if offset is not None:
            self.extents[process].append((offset, pages))

    @rule(process=st.sampled_from(PROCESSES), owner=st.sampled_from(PROCESSES), data=st.data())
    def seal(self, process: str, owner: str, data: st.DataObject) -> None:
        if self.extents[process]:
            offset, pages = self.extents[process].pop(0)
            used = data.draw(st.integers(1, pages))
            self.count += 1
            stored = Stored("n", offset, used * ALIGNMENT - 7, f"{owner}:{self.count}")
            self.book.seal(process, stored)
            if used < pages:
                self.extents[process].append((offset + used * ALIGNMENT, pages - used))
            self.objects[stored.name] = stored
            self.owner[stored.name] = owner
            self.readers[stored.name] = []

    @precondition(lambda self: self.objects)
    @rule(process=st.sampled_from(PROCESSES), data=st.data())
    def open(self, process: str, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.objects)))
        offset = self.book.open(process, name)
        if name in self.freed:
            assert offset is None
        else:
            assert offset == self.objects[name].offset
            self.readers[name].append(process)

    @precondition(lambda self: any(self.readers.values()))
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(name for name, readers in self.readers.items() if readers)))
        process = self.readers[name].pop()
        self.book.close(process, name)
        self.forget_unread()

    @precondition(lambda self: self.objects)
    @rule(data=st.data())
    def free(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.objects)))
        self.book.free(self.objects[name])
        self.freed.add(name)
        self.forget_unread()

    @rule(process=st.sampled_from(PROCESSES))
    def die(self, process: str) -> None:
        self.book.drop_process(process)
        self.extents[process].clear()
        for name in self.objects:
            self.readers[name] = [reader for reader in self.readers[name] if reader != process]
            if self.owner[name] == process:
                self.freed.add(name)
        self.forget_unread()

    def forget_unread(self) -> None:
        for name in [name for name in self.objects if name in self.freed and not self.readers[name]]:
            del self.objects[name]
            del self.readers[name]

    @invariant()
    def what_is_owned_or_read_is_there_and_nothing_else_is(self) -> None:
        self.book.validate()
        assert self.book.objects == len(self.objects)
        assert all(self.book.find(name) == stored.offset for name, stored in self.objects.items())

    def teardown(self) -> None:
        for process in PROCESSES:
            self.book.drop_process(process)
        assert self.book.used_bytes == 0


TestArena = ArenaMachine.TestCase


def test_copies_that_nobody_reads_make_room() -> None:
    book = ArenaBook("n", 8 * ALIGNMENT)
    offset = book.take("n/pull", 8 * ALIGNMENT)
    assert offset == 0
    book.seal("n/pull", Stored("n", 0, 8 * ALIGNMENT, "other/1:5"), copy=True)
    assert book.open("n/1", "other/1:5") == 0
    assert book.take("n/1", ALIGNMENT) is None
    book.close("n/1", "other/1:5")
    assert book.take("n/1", ALIGNMENT) == 0


def test_the_arena_is_memory_without_a_name_on_any_file_system() -> None:
    descriptor, memory = make_arena(1 << 20)
    import os

    try:
        assert os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:")
        memory[:4] = b"abcd"
        assert os.pread(descriptor, 4, 0) == b"abcd"
    finally:
        memory.close()
        os.close(descriptor)

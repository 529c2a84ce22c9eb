from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tradewind.runtime.node.allocator import ALIGNMENT, Allocator, aligned

CAPACITY = 64 * ALIGNMENT


class AllocatorMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.allocator = Allocator(CAPACITY)
        self.taken: dict[int, int] = {}

    @rule(size=st.integers(1, 20 * ALIGNMENT))
    def take(self, size: int) -> None:
        largest = self.allocator.largest_free
        offset = self.allocator.take(size)
        assert (offset is None) == (aligned(size) > largest)
        if offset is not None:
            end = offset + aligned(size)
            assert end <= CAPACITY
            assert all(end <= other or offset >= other + aligned(length) for other, length in self.taken.items()), (
                "overlap"
            )
            self.taken[offset] = size

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def give(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.taken)))
        self.allocator.give(offset, self.taken.pop(offset))

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def give_a_part(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(sorted(self.taken)))
        pages = aligned(self.taken[offset]) // ALIGNMENT
        if pages > 1:
            self.allocator.give(offset + (pages - 1) * ALIGNMENT, ALIGNMENT)
            self.taken[offset] = (pages - 1) * ALIGNMENT

    @invariant()
    def books_balance(self) -> None:
        self.allocator.validate()
        assert self.allocator.free_bytes == CAPACITY - sum(aligned(size) for size in self.taken.values())

    def teardown(self) -> None:
        for offset, size in self.taken.items():
            self.allocator.give(offset, size)
        assert self.allocator.largest_free == CAPACITY


TestAllocator = AllocatorMachine.TestCase


@given(st.integers(0, 63))
def test_giving_twice_is_an_error_and_changes_nothing(page: int) -> None:
    allocator = Allocator(CAPACITY)
    with pytest.raises(ValueError, match="twice"):
        allocator.give(page * ALIGNMENT, 1)
    allocator.validate()
    assert allocator.free_bytes == CAPACITY


def test_the_lowest_place_is_used_again() -> None:
    allocator = Allocator(CAPACITY)
    first = allocator.take(ALIGNMENT)
    allocator.take(ALIGNMENT)
    assert first is not None
    allocator.give(first, ALIGNMENT)
    assert allocator.take(10) == first

"""What two threads copy is what one would have copied."""

import mmap

import pytest

from tradewind.runtime import copying

AROUND = 4096 + 17  # not a page's start


@pytest.mark.parametrize("size", [0, 1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, (20 << 20) + 12_345])
@pytest.mark.parametrize("new_pages", [False, True])
def test_every_byte_is_copied_and_no_other_is_touched(size: int, new_pages: bool) -> None:
    source = bytes(range(1, 252)) * (size // 251 + 1)
    with mmap.mmap(-1, size + 2 * AROUND) as memory:
        with memoryview(memory) as whole, whole[AROUND : AROUND + size] as out:
            copying.copy(out, memoryview(source)[:size], new_pages=new_pages)
            assert out == memoryview(source)[:size]
        assert memory[:AROUND] == bytes(AROUND)
        assert memory[AROUND + size :] == bytes(AROUND)

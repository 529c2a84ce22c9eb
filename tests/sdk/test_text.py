"""Streams cut into lines."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradewind.sdk.text import LONGEST_LINE, Lines


def _cut(pieces: list[bytes]) -> list[str]:
    cut = Lines()
    return [line for piece in pieces for line in cut.feed(piece)] + list(cut.feed(b"", last=True))


@given(st.text(st.sampled_from("a\n\ré😀")), st.lists(st.integers(0, 40)))
def test_lines_are_the_same_however_the_bytes_come(text: str, cuts: list[int]) -> None:
    data = text.encode()
    ends = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in zip(ends, ends[1:], strict=False)]
    lines = _cut(pieces)
    assert "".join(lines) == text
    assert all(line.endswith("\n") for line in lines[:-1])
    assert all("\n" not in line[:-1] for line in lines)


def test_binary_output_is_shown_as_far_as_it_can_be() -> None:
    assert _cut([b"a\xff", b"\xc3"]) == ["a\ufffd\ufffd"]


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    cut = Lines()
    shown = [len(line) for _ in range(5) for line in cut.feed(b"x" * LONGEST_LINE)]
    assert shown == [LONGEST_LINE] * 4
    assert [len(line) for line in cut.feed(b"xx\n")] == [LONGEST_LINE + 3]

"""Tables, money and durations as a person reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.cli import terminal
from tradewind.cli.terminal import Column

CELL = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=8))
def test_a_table_fits_80_columns_when_a_column_may_shrink(rows: list[tuple[str, str, str]]) -> None:
    columns = [Column("NAME", shrink=True), Column("WHERE", shrink=True), Column("WHY", shrink=True)]
    lines = terminal.table(columns, rows, limit=80).split("\n")
    assert len(lines) == len(rows) + 1
    assert max(map(len, lines)) <= 80


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8))
def test_nothing_is_cut_in_a_pipe(rows: list[tuple[str, str]]) -> None:
    lines = terminal.table([Column("A", shrink=True), Column("B", "right")], rows).split("\n")[1:]
    for line, row in zip(lines, rows, strict=True):
        assert all(cell.strip() in line for cell in row)


def test_a_right_aligned_column_lines_up() -> None:
    text = terminal.table([Column("N"), Column("USD", "right")], [["a", "1.5"], ["b", "10.25"]])
    assert text == "N    USD\na    1.5\nb  10.25"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "-"),
        (0.0, "0.00"),
        (0.0066, "0.0066"),
        (0.01, "0.01"),
        (1.5, "1.50"),
        (32.7726, "32.7726"),
        (12345.678, "12,345.68"),
    ],
)
def test_money_keeps_the_digits_that_matter(amount: float | None, text: str) -> None:
    assert terminal.usd(amount) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.99, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert terminal.duration(seconds) == text


def test_colour_is_off_in_a_pipe_and_by_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal.colourful(Terminal())  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal.colourful(Terminal())  # type: ignore[arg-type]
    assert terminal.styled("x", "bold", colour=False) == "x"

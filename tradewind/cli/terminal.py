"""What a person sees: tables that fit 80 columns, money, durations, colour. Pure but for asking what the terminal is."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TextIO

Align = Literal["left", "right"]

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Column(NamedTuple):
    """A table's column; `shrink` ones give up width first when the terminal is too narrow."""

    title: str
    align: Align = "left"
    shrink: bool = False


def colourful(stream: TextIO | None = None) -> bool:
    """Whether to colour: a terminal, not TERM=dumb, and NO_COLOR unset (no-color.org)."""
    stream = sys.stdout if stream is None else stream
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def styled(text: str, style: str, *, colour: bool) -> str:
    """The text in one of the named styles, or as it is when `colour` is False."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if colour and text else text


def width(stream: TextIO | None = None) -> int | None:
    """The terminal's columns; None in a pipe, where nothing is cut."""
    stream = sys.stdout if stream is None else stream
    return shutil.get_terminal_size((80, 24)).columns if stream.isatty() else None


def cut(text: str, columns: int) -> str:
    """The text in at most this many columns, three dots where something is missing."""
    if len(text) <= columns:
        return text
    return text[: columns - 3] + "..." if columns > 3 else text[:columns]


def _fitted(columns: Sequence[Column], widths: list[int], limit: int, indent: int) -> list[int]:
    """Widths that fit the limit if they can: the widest column that may shrink gives way, down to its title or eight columns."""
    widths = list(widths)
    over = indent + sum(widths) + 2 * (len(widths) - 1) - limit
    while over > 0:
        able = [i for i, c in enumerate(columns) if c.shrink and widths[i] > max(8, len(c.title))]
        if not able:
            break
        widest = max(able, key=lambda i: widths[i])
        widths[widest] -= 1
        over -= 1
    return widths


def _wrapped_rows(cells: Sequence[Sequence[str]], room: int) -> Iterator[list[str]]:
    """The rows, with further rows, blank but for their last cell, where that one has more than `room` columns."""
    import textwrap

    for *first, last in cells:
        pieces = textwrap.wrap(last, room) or [""]
        yield [*first, pieces[0]]
        yield from ([""] * len(first) + [piece] for piece in pieces[1:])


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    limit: int | None = None,
    indent: int = 0,
    colour: bool = False,
    wrap_last: bool = False,
) -> str:
    """Lines under a line of titles; cells are cut only when `limit` columns would be exceeded, the last column's wrapped if `wrap_last`."""
    cells = [[cell.replace("\n", " ") for cell in row] for row in rows]
    widths = [max([len(c.title), *(len(row[i]) for row in cells)]) for i, c in enumerate(columns)]
    if wrap_last and limit is not None:
        room = max(limit - indent - sum(widths[:-1]) - 2 * (len(widths) - 1), 16)
        cells = list(_wrapped_rows(cells, room))
        widths[-1] = max(len(row[-1]) for row in [[columns[-1].title], *cells])
    if limit is not None:
        widths = _fitted(columns, widths, limit, indent)

    def line(row: Sequence[str]) -> str:
        parts = [
            cut(cell, w).rjust(w) if c.align == "right" else cut(cell, w).ljust(w)
            for cell, w, c in zip(row, widths, columns, strict=True)
        ]
        return (" " * indent + "  ".join(parts)).rstrip()

    title = styled(line([c.title for c in columns]), "dim", colour=colour)
    return "\n".join([title, *(line(row) for row in cells)])


def usd(amount: float | None) -> str:
    """Dollars with the digits that matter: two to four decimals, two from a thousand on; "-" when unknown."""
    if amount is None:
        return "-"
    if abs(amount) >= 1000:
        return f"{amount:,.2f}"
    whole, _, decimals = f"{amount:.4f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def count(value: float | None) -> str:
    """A number without needless decimals; "-" when unknown."""
    return "-" if value is None else f"{value:g}"


def short_place(text: str) -> str:
    """Places in the text without a region that their zone names: `gcp/us-west4/us-west4-b` is `gcp/us-west4-b`."""
    return re.sub(r"\b([a-z]+)/([\w-]+)/(?=\2)", r"\1/", text)


def duration(seconds: float) -> str:
    """As people say it: 4.2 s, 3 min 05 s, 2 h 10 min, 3 d 4 h."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def wrapped(text: str, *, indent: int = 0, limit: int | None = 80) -> str:
    """The text broken at spaces so that lines fit, following lines indented too; untouched in a pipe (limit None)."""
    prefix = " " * indent
    if limit is None:
        return prefix + text
    import textwrap

    return textwrap.fill(
        text, max(limit, 40), initial_indent=prefix, subsequent_indent=prefix + "  ", break_long_words=False
    )

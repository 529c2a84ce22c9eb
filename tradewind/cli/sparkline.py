"""A few numbers as one line of bars. Pure."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.-=+*#@"  # for terminals that cannot show the others


def sparkline(values: Sequence[float | None], *, ascii_only: bool = False) -> str:
    """One letter a value, the lowest at the bottom and the highest at the top; a value that is not known is a blank, equal ones are level."""
    bars = ASCII_BARS if ascii_only else BARS
    known = [value for value in values if value is not None]
    if not known:
        return " " * len(values)
    low, high = min(known), max(known)

    def bar(value: float) -> str:
        return bars[round((value - low) / (high - low) * (len(bars) - 1))] if high > low else bars[len(bars) // 2]

    return "".join(" " if value is None else bar(value) for value in values)


def can_show(encoding: str | None) -> bool:
    """Whether a stream of this encoding can show the bars."""
    try:
        BARS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True

"""Remarks beside a result: on stderr, so that what is piped stays clean."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tradewind.cli import terminal

if TYPE_CHECKING:
    import datetime as dt

    from tradewind.catalog import Catalog


def remark(sentences: Iterable[str]) -> None:
    """Print each as a note on stderr."""
    for sentence in sentences:
        print(terminal.wrapped(f"note: {sentence}.", limit=terminal.width(sys.stderr)), file=sys.stderr)


def of_catalog(catalog: Catalog, today: dt.date) -> list[str]:
    """What a person should know of the prices before trusting them: their age, where it is great."""
    from tradewind.catalog.age import age_note

    note = age_note(catalog.date, today)
    return [note] if note else []


def of_shipped(today: dt.date) -> list[str]:
    """The same of the shipped snapshot, without opening it."""
    from tradewind.catalog.age import age_note
    from tradewind.catalog.snapshot import read_manifest

    note = age_note(read_manifest().date, today)
    return [note] if note else []


def today() -> dt.date:
    """This day, UTC."""
    from tradewind.catalog import upkeep

    return upkeep.today()

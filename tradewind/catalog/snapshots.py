"""Snapshots kept on this machine, one CSV a day of prices, so that prices can be compared over time.

`<data directory>/catalog/snapshots/YYYY-MM-DD.csv.gz`, in the offer schema: each is also a catalog for --catalog.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import os
from collections.abc import Iterable

import msgspec

from tradewind.catalog.errors import CatalogError
from tradewind.catalog.imports import data_directory, own_directory, read_imports
from tradewind.catalog.offer import Offer

_SUFFIX = ".csv.gz"
SHIPPED, CURRENT = "shipped", "current"


class Kept(msgspec.Struct, frozen=True, order=True):
    """A kept snapshot: the day of its prices (YYYY-MM-DD) and its file."""

    date: str
    path: str


def snapshots_directory() -> str:
    """Where snapshots are kept; it need not exist. "" where there is no home."""
    base = data_directory()
    return os.path.join(base, "catalog", "snapshots") if base else ""


def kept_snapshots(directory: str) -> list[Kept]:
    """The snapshots kept there, the oldest first."""
    try:
        names = os.listdir(directory) if directory else []
    except OSError:
        return []
    dated = ((name.removesuffix(_SUFFIX), name) for name in names if name.endswith(_SUFFIX))
    return sorted(Kept(date, os.path.join(directory, name)) for date, name in dated if _is_date(date))


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def keep_snapshot(offers: Iterable[Offer], date: str, directory: str) -> Kept:
    """Keep the offers as the snapshot of `date` (YYYY-MM-DD), in place of one of the same day.

    Raises CatalogError when the date is none or the directory cannot be written.
    """
    from tradewind.catalog.snapshot import encode_csv
    from tradewind.catalog.usercsv import COLUMNS

    if not _is_date(date):
        raise CatalogError(f"'{date[:40]}' is no date; write the day of the prices as 2026-05-20 (--date)")
    if not directory:
        raise CatalogError("there is no home to keep snapshots in; set TRADEWIND_DATA_DIR to a directory of your own")
    rows = (tuple(getattr(offer, column) for column in COLUMNS) for offer in offers)
    content = gzip.compress(encode_csv(COLUMNS, rows), 6, mtime=0)
    path = os.path.join(directory, date + _SUFFIX)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError as error:
        raise CatalogError(
            f"{path}: the snapshot cannot be kept: {(error.strerror or str(error)).lower()}; set TRADEWIND_DATA_DIR to a writable place"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    return Kept(date, path)


def load_offers(reference: str) -> list[Offer]:
    """Every offer of what `reference` names: "shipped", "current" (with your own offers), a kept day, a CSV (also .gz), or a directory that
    holds a built snapshot. Raises CatalogError when it is none of these, or cannot be used.
    """
    from tradewind.catalog.merging import merge
    from tradewind.catalog.snapshot import read_offers
    from tradewind.catalog.usercsv import parse_offers, read_bytes

    if reference == SHIPPED:
        return read_offers()
    if reference == CURRENT:
        from tradewind.catalog.imports import read_own_offers

        own = [offer for entry in read_imports(own_directory()) for offer in read_own_offers(entry)]
        return merge(read_offers(), own)
    if os.path.isdir(reference):
        return read_offers(reference)
    days = {kept.date: kept.path for kept in kept_snapshots(snapshots_directory())}
    path = days.get(reference, reference)
    if not os.path.exists(path):
        there = f"; kept are {', '.join(days)}" if days else ""
        raise CatalogError(
            f"'{reference}' is neither a file nor a kept snapshot{there}; name a CSV, `shipped`, `current` or a day"
        )
    return parse_offers(read_bytes(path), path)

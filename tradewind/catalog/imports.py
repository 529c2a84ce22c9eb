"""A person's own offers - a private cluster, a negotiated price - kept in the data directory and merged into every plan.

One CSV a name, `<data directory>/catalog/imports/NAME.csv`, closed to others; its modification time is the day its prices are from.
"""

from __future__ import annotations

import contextlib
import os
import re
import time

import msgspec

from tradewind.catalog.errors import CatalogError
from tradewind.catalog.offer import Offer

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_SUFFIX = ".csv"


class Import(msgspec.Struct, frozen=True):
    """Own offers under a name: the file that holds them, the day of their prices (YYYY-MM-DD), and what the file holds."""

    name: str
    path: str
    date: str
    digest: str
    data: bytes


def data_directory() -> str:
    """The data directory that the environment names: TRADEWIND_DATA_DIR, else ~/.tradewind; "" where there is no home."""
    path = os.path.expanduser(os.environ.get("TRADEWIND_DATA_DIR") or "~/.tradewind")
    return "" if path.startswith("~") else os.path.abspath(path)


def own_directory() -> str:
    """Where imported offers lie; it need not exist. "" where there is no home."""
    base = data_directory()
    return os.path.join(base, "catalog", "imports") if base else ""


def read_imports(directory: str) -> list[Import]:
    """What is imported there, by name. Raises CatalogError when an import is there and cannot be read: its prices must not vanish silently."""
    try:
        names = sorted(entry for entry in os.listdir(directory) if entry.endswith(_SUFFIX)) if directory else []
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CatalogError(
            f"{directory}: your own offers cannot be read: {(error.strerror or str(error)).lower()}"
        ) from error
    return [_read(os.path.join(directory, name)) for name in names]


def _read(path: str) -> Import:
    import hashlib

    from tradewind.catalog.usercsv import read_bytes

    name = os.path.basename(path).removesuffix(_SUFFIX)
    data = read_bytes(path)
    date = time.strftime("%Y-%m-%d", time.gmtime(os.stat(path).st_mtime))
    return Import(name, path, date, hashlib.sha256(data).hexdigest(), data)


def read_own_offers(entry: Import) -> list[Offer]:
    """The offers of an import, as written: blanks are filled when they are merged. Raises CatalogError for rows that cannot be used."""
    from tradewind.catalog.usercsv import parse_own_offers

    try:
        offers = parse_own_offers(entry.data, entry.path)
    except CatalogError as error:
        raise CatalogError(f"{error}; mend it, or remove it with `tradewind catalog remove {entry.name}`") from error
    return [
        msgspec.structs.replace(
            offer, date=entry.date, spot_date=entry.date if offer.price_spot_usd_h is not None else ""
        )
        for offer in offers
    ]


def add_import(path: str, directory: str, name: str = "") -> tuple[Import, bool]:
    """Keep the offers of the CSV at `path` (also .gz) under `name` (by default the file's), and say whether that name was replaced.

    Raises CatalogError when the file has rows that cannot be used, an offer that another import has, or the directory cannot be written.
    """
    from tradewind.catalog.usercsv import parse_own_offers, read_bytes

    if not directory:
        raise CatalogError("there is no home to keep your offers in; set TRADEWIND_DATA_DIR to a directory of your own")
    name = name or os.path.basename(path).removesuffix(".gz").removesuffix(_SUFFIX)
    if not _NAME.fullmatch(name):
        raise CatalogError(
            f"'{name}' is no name for an import: letters, digits and . _ - only, at most 63; choose one with --name"
        )
    data = read_bytes(path)
    offers = parse_own_offers(data, path)
    others = [entry for entry in read_imports(directory) if entry.name != name]
    _refuse_twice(offers, others)
    target = os.path.join(directory, name + _SUFFIX)
    replaced = os.path.exists(target)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        _write(target, data)
    except OSError as error:
        raise CatalogError(
            f"{target}: your offers cannot be kept: {(error.strerror or str(error)).lower()}; set TRADEWIND_DATA_DIR to a writable place"
        ) from error
    return _read(target), replaced


def _refuse_twice(offers: list[Offer], others: list[Import]) -> None:
    mine = {_key(offer) for offer in offers}
    for entry in others:
        for offer in read_own_offers(entry):
            if _key(offer) in mine:
                place = "/".join(part for part in (offer.cloud, offer.region, offer.zone) if part)
                raise CatalogError(
                    f"{offer.instance_type} in {place} is already imported as '{entry.name}'; remove one of the two: "
                    f"`tradewind catalog remove {entry.name}`"
                )


def _key(offer: Offer) -> tuple[str, str, str, str]:
    return offer.cloud, offer.region, offer.zone, offer.instance_type


def _write(target: str, data: bytes) -> None:
    temporary = f"{target}.{os.getpid()}.tmp"
    descriptor = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def remove_import(name: str, directory: str) -> None:
    """No plan counts on the import any more. Raises CatalogError when there is none of that name."""
    names = [entry.name for entry in read_imports(directory)]
    if name not in names:
        from difflib import get_close_matches

        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(names)}" if names else ""
        raise CatalogError(f"nothing is imported under the name '{name}'{hint}")
    try:
        os.unlink(os.path.join(directory, name + _SUFFIX))
    except OSError as error:
        raise CatalogError(
            f"the import '{name}' cannot be removed: {(error.strerror or str(error)).lower()}"
        ) from error

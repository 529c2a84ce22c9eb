"""Opening a catalog: the shipped snapshot with the person's imported offers in it, or one CSV alone."""

from __future__ import annotations

import os

from tradewind.catalog.catalog import Catalog
from tradewind.catalog.imports import Import, own_directory, read_imports
from tradewind.catalog.snapshot import read_manifest, read_tables
from tradewind.catalog.tables import Tables


def open_catalog(path: str | None = None, *, own: str | None = None) -> Catalog:
    """The shipped snapshot with the offers imported into directory `own` (None: the data directory's) merged in, or the CSV at `path` alone.

    The first use of a catalog builds its index. Raises CatalogError when a file cannot be read or has rows that cannot be used.
    """
    if path is not None:
        return _alone(path)
    manifest = read_manifest()
    imports = read_imports(own_directory() if own is None else own)
    if not imports:
        return Catalog(manifest.digest, read_tables, source="shipped", date=manifest.date)
    import hashlib  # own offers are the rare case

    digest = hashlib.sha256(f"shipped {manifest.digest}\0".encode())
    for each in imports:
        digest.update(f"{each.name}\0{each.date}\0{each.digest}\0".encode())
    return Catalog(
        digest.hexdigest(), lambda: _merged(imports), source="shipped", date=manifest.date, imports=tuple(imports)
    )


def _merged(imports: list[Import]) -> Tables:
    from tradewind.catalog.imports import read_own_offers
    from tradewind.catalog.merging import merge
    from tradewind.catalog.snapshot import read_offers
    from tradewind.catalog.tables import split

    return split(merge(read_offers(), [offer for each in imports for offer in read_own_offers(each)]))


def _alone(path: str) -> Catalog:
    import hashlib

    from tradewind.catalog.tables import split
    from tradewind.catalog.usercsv import parse_offers, read_bytes

    data = read_bytes(path)
    digest = hashlib.sha256(b"user catalog\0" + data).hexdigest()
    return Catalog(digest, lambda: split(parse_offers(data, path)), source=path, date="")


def fingerprint(path: str | None = None, *, own: str | None = None) -> str:
    """A text that changes when `open_catalog(path)` would open something else: for those that keep catalogs open. Reads no prices."""
    if path is not None:
        try:
            found = os.stat(path)
        except OSError:
            return f"{path} is missing"
        return f"{path} {found.st_size} {found.st_mtime_ns} {found.st_ino}"
    directory = own_directory() if own is None else own
    try:
        entries = sorted((e.name, e.stat().st_size, e.stat().st_mtime_ns) for e in os.scandir(directory))
    except OSError:
        return "shipped"
    return f"shipped {entries}"

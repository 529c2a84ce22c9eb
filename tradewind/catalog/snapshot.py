"""The shipped snapshot: its files under tradewind/catalog/data, written reproducibly by the build and read at run time.

Tables are CSV, the large ones compressed with xz under a fixed filter chain: the same facts give the same bytes on every machine.
"""

from __future__ import annotations

import csv
import io
import lzma
import os
from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec

from tradewind.catalog.errors import CatalogError
from tradewind.catalog.offer import Basis, DiskKind, Offer, features_of
from tradewind.catalog.tables import PLACE_COLUMNS, PRICE_COLUMNS, PROVENANCE_COLUMNS, TYPE_COLUMNS, Row, Tables

DATA_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
# Every parameter is named, so that no preset of another liblzma changes the bytes.
_FILTERS: list[dict[str, int]] = [
    {
        "id": lzma.FILTER_LZMA2,
        "dict_size": 1 << 23,
        "lc": 3,
        "lp": 0,
        "pb": 0,
        "mode": lzma.MODE_NORMAL,
        "nice_len": 273,
        "mf": lzma.MF_BT4,
        "depth": 512,
    }
]
TABLES = {
    "types.csv.xz": TYPE_COLUMNS,
    "places.csv": PLACE_COLUMNS,
    "provenances.csv": PROVENANCE_COLUMNS,
    "prices.csv.xz": PRICE_COLUMNS,
}


class Manifest(msgspec.Struct, frozen=True):
    """What the snapshot holds. `date` is the newest day of its prices; `digest` names its offers (SHA-256 over their tables)."""

    format: int
    date: str
    digest: str
    offers: int
    quarantined: int
    clouds: tuple[str, ...]


def encode_csv(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> bytes:
    """The rows under their header; None is an empty cell, floats are written so that they read back equal, whole ones without a point."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(list(columns))
    writer.writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue().encode()


def _cell(value: object) -> object:
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return "" if value is None else value


def write_file(directory: str, name: str, content: bytes) -> None:
    """Write one file of the snapshot, compressed if its name ends in .xz."""
    if name.endswith(".xz"):
        content = lzma.compress(content, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, filters=_FILTERS)
    with open(os.path.join(directory, name), "wb") as file:
        file.write(content)


def read_file(name: str, directory: str = DATA_DIRECTORY) -> str:
    """The text of one file of the snapshot. Raises CatalogError when it is missing or damaged."""
    path = os.path.join(directory, name)
    try:
        with open(path, "rb") as file:
            data = file.read()
        return (lzma.decompress(data) if name.endswith(".xz") else data).decode("utf-8")
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise CatalogError(f"the shipped catalog's {path} cannot be read ({error}); install tradewind again") from error


def read_rows(name: str, directory: str = DATA_DIRECTORY) -> Iterator[list[str]]:
    """The rows below the header of one CSV file of the snapshot."""
    rows = csv.reader(io.StringIO(read_file(name, directory)))
    next(rows, None)
    return rows


def read_tables(directory: str = DATA_DIRECTORY) -> Tables:
    """The tables of the snapshot's offers; cells are text, empty where unknown."""
    types, places, provenances, prices = (read_rows(name, directory) for name in TABLES)
    return Tables(types, places, provenances, prices)


def read_offers(directory: str = DATA_DIRECTORY) -> list[Offer]:
    """Every offer of the snapshot, whole: for merging and comparing; queries go through the index."""
    tables = read_tables(directory)

    def amount(text: str) -> float | None:
        return float(text) if text else None

    types = {row[0]: row for row in tables.types}
    places = {row[0]: row for row in tables.places}
    provenances = {row[0]: row for row in tables.provenances}
    offers = []
    for type_, place, ondemand, spot, provenance, risk in cast("Iterable[list[str]]", tables.prices):
        _, cloud, name, arch, vcpus, memory, accelerator, count, device_gib, burstable, *equipment = cast(
            "list[str]", types[type_]
        )
        disk, kind, network, features = equipment
        _, _, region, zone, restricted = cast("list[str]", places[place])
        _, basis, spot_basis, date, spot_date = cast("list[str]", provenances[provenance])
        offers.append(
            Offer(
                cloud, region, zone, name, arch, amount(vcpus), amount(memory), accelerator, float(count), amount(device_gib),
                amount(ondemand), amount(spot), cast("Basis", basis), cast("Basis", spot_basis), date, restricted == "1",
                burstable == "1", amount(risk), spot_date, amount(disk), cast("DiskKind", kind), amount(network), features_of(features),
            )
        )  # fmt: skip
    return offers


def read_manifest(directory: str = DATA_DIRECTORY) -> Manifest:
    """What the snapshot holds."""
    try:
        return msgspec.json.decode(read_file("manifest.json", directory), type=Manifest)
    except msgspec.DecodeError as error:
        raise CatalogError(f"the shipped catalog's manifest is damaged ({error}); install tradewind again") from error


def digest_of(contents: Iterable[bytes]) -> str:
    """SHA-256 over the contents, each with its length so that a boundary cannot move unseen."""
    import hashlib  # the build alone needs it

    digest = hashlib.sha256()
    for content in contents:
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()


def encode_tables(tables: Tables) -> dict[str, bytes]:
    """The tables as the snapshot's files, before compression."""
    named: Iterable[tuple[str, tuple[str, ...], Iterable[Row]]] = zip(TABLES, TABLES.values(), tables, strict=True)
    return {name: encode_csv(columns, rows) for name, columns, rows in named}

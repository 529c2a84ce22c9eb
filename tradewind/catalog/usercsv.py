"""Offers that a person supplies: a CSV (also .gz) in the facts' offer schema. Its prices are taken at their word, never quarantined."""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import zlib
from collections.abc import Collection
from typing import cast

from tradewind.catalog.access import is_burstable, is_restricted
from tradewind.catalog.equipment import check_equipment
from tradewind.catalog.errors import CatalogError
from tradewind.catalog.offer import DiskKind, Offer, features_of

COLUMNS = (
    "cloud", "instance_type", "arch", "vcpus", "memory_gib", "accelerator", "accelerator_count", "accelerator_memory_gib", "region", "zone",
    "price_ondemand_usd_h", "price_spot_usd_h",
)  # fmt: skip
EXTRA_COLUMNS = ("local_disk_gb", "local_disk_kind", "network_gbps", "features")  # may be left out anywhere
_ALL = (*COLUMNS, *EXTRA_COLUMNS)
_NEEDED_OF_OWN = frozenset({"cloud", "instance_type", "region"})
_OPTIONAL = frozenset({"accelerator", "accelerator_count", "accelerator_memory_gib", "zone", "price_spot_usd_h"})
_MAX_BYTES = 512_000_000
_SHOWN = 3
_LONGEST = 200
_MOST = 1e12  # beyond any machine or price; keeps arithmetic on typos finite
_BARRED = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]"
)  # would move a terminal's cursor or hide in its text


def read_bytes(path: str) -> bytes:
    """The file's contents, unpacked if gzipped. Raises CatalogError when they cannot be read."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if data[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as unpacked:
                data = unpacked.read(_MAX_BYTES + 1)
    except OSError as error:
        what = error.strerror or str(error)
        raise CatalogError(f"{path}: the catalog cannot be read: {what.lower()}") from error
    except (EOFError, zlib.error) as error:
        raise CatalogError(f"{path}: the catalog's compression is damaged ({error}); pack it again") from error
    if len(data) > _MAX_BYTES:
        raise CatalogError(f"{path}: the catalog is larger than {_MAX_BYTES // 1_000_000} MB; split it")
    return data


def parse_offers(data: bytes, path: str) -> list[Offer]:
    """The offers in the CSV text `data`. Raises CatalogError naming the lines that cannot be used; `path` names the file in it."""
    return _parse(data, path, frozenset(COLUMNS) - _OPTIONAL, "x86_64")


def parse_own_offers(data: bytes, path: str) -> list[Offer]:
    """As `parse_offers`, of a file that may leave out all but cloud, region, type and a price; a blank architecture stays "", unknown."""
    return _parse(data, path, _NEEDED_OF_OWN, "")


def _parse(data: bytes, path: str, needed: Collection[str], arch: str) -> list[Offer]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise CatalogError(f"{path}:{line}: the catalog is not UTF-8; save it as UTF-8") from error
    rows = csv.reader(io.StringIO(text, newline=""))
    offers: list[Offer] = []
    problems: list[str] = []
    lines: dict[tuple[str, str, str, str], int] = {}
    try:
        header = [name.strip() for name in next(rows, [])]
        _check_header(header, path, needed)
        for row in rows:
            if not row:
                continue
            try:
                offers.append(_offer(row, header, lines, rows.line_num, arch))
            except ValueError as error:
                problems.append(f"line {rows.line_num}: {error}")
    except csv.Error as error:
        problems.append(f"line {rows.line_num}: {error}")
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        what = "1 row cannot" if len(problems) == 1 else f"{len(problems)} rows cannot"
        raise CatalogError(f"{path}: {what} be used: {'; '.join(problems[:_SHOWN])}{more}")
    if not offers:
        raise CatalogError(f"{path}: the catalog holds no offers")
    return offers


def _check_header(header: list[str], path: str, needed: Collection[str]) -> None:
    missing = [name for name in COLUMNS if name not in header and name in needed]
    if missing:
        raise CatalogError(
            f"{path}:1: the catalog lacks the column {', '.join(missing)}; its first line must be {','.join(COLUMNS)}"
        )
    unknown = [name for name in header if name not in _ALL]
    if unknown:
        raise CatalogError(
            f"{path}:1: the catalog has the unknown column {', '.join(map(_shown, unknown))}; the columns are {','.join(_ALL)}"
        )
    if len(set(header)) != len(header):
        raise CatalogError(f"{path}:1: the catalog has a column twice")


def _offer(
    row: list[str], header: list[str], lines: dict[tuple[str, str, str, str], int], line: int, default_arch: str
) -> Offer:
    if len(row) != len(header):
        raise ValueError(f"{len(row)} cells where the header has {len(header)}")
    cells = dict.fromkeys(_ALL, "") | {name: cell.strip() for name, cell in zip(header, row, strict=True)}
    for name in ("cloud", "region", "instance_type"):
        if not cells[name]:
            raise ValueError(f"{name} is empty")
    if len(whole := "".join(row)) > _LONGEST or _BARRED.search(whole):
        _check_text(cells)
    arch = cells["arch"] or default_arch
    if arch not in {"x86_64", "arm64", default_arch}:
        raise ValueError(f"arch {_shown(arch)} is neither x86_64 nor arm64")
    count = _amount(cells, "accelerator_count")
    if (count or 0) > 0 and not cells["accelerator"]:
        raise ValueError("accelerator_count without an accelerator")
    ondemand, spot = _amount(cells, "price_ondemand_usd_h"), _amount(cells, "price_spot_usd_h")
    if ondemand is None and spot is None:
        raise ValueError("no price")
    features = features_of(";".join(sorted(filter(None, re.split(r"[;,\s]+", cells["features"])))))
    check_equipment(cells["local_disk_kind"], features)
    cloud = cells["cloud"].lower()
    key = (cloud, cells["region"], cells["zone"], cells["instance_type"])
    first = lines.setdefault(key, line)
    if first != line:
        raise ValueError(f"the same offer as line {first}")
    return Offer(
        cloud=cloud,
        region=cells["region"],
        zone=cells["zone"],
        instance_type=cells["instance_type"],
        arch=arch,
        vcpus=_amount(cells, "vcpus"),
        memory_gib=_amount(cells, "memory_gib"),
        accelerator=cells["accelerator"],
        accelerator_count=(1.0 if count is None else count) if cells["accelerator"] else 0.0,
        accelerator_memory_gib=_amount(cells, "accelerator_memory_gib"),
        price_ondemand_usd_h=ondemand,
        price_spot_usd_h=spot,
        restricted=is_restricted(cloud, cells["region"]),
        burstable=is_burstable(cloud, cells["instance_type"]),
        basis="own",
        spot_basis="own",
        local_disk_gb=_amount(cells, "local_disk_gb"),
        local_disk_kind=cast("DiskKind", cells["local_disk_kind"]),
        network_gbps=_amount(cells, "network_gbps"),
        features=features,
    )


def _check_text(cells: dict[str, str]) -> None:
    """Raises ValueError for a cell that could not be shown as it is."""
    for name, cell in cells.items():
        if len(cell) > _LONGEST:
            raise ValueError(f"{name} is {len(cell)} letters long; {_LONGEST} are allowed")
        if _BARRED.search(cell):
            raise ValueError(f"{name} holds a control character")


def _amount(cells: dict[str, str], name: str) -> float | None:
    text = cells[name]
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= _MOST:
        raise ValueError(f"{name} {_shown(text)} is no amount")
    return value


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")

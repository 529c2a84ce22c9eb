"""Offers as the tables of other libraries, where those are installed. Columns are the fields of Offer, in order; None stays a null."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tradewind.catalog.errors import CatalogError
from tradewind.catalog.offer import Offer

if TYPE_CHECKING:
    from types import ModuleType

# One kind a column whatever the rows hold, so that an empty or all-blank column has the type of a full one.
_TEXT, _NUMBER, _FLAG, _NAMES = "text", "number", "flag", "names"
COLUMNS: dict[str, str] = {
    name: _TEXT if name in {"cloud", "region", "zone", "instance_type", "arch", "accelerator", "basis", "spot_basis", "date", "spot_date", "local_disk_kind"}
    else _FLAG if name in {"restricted", "burstable"}
    else _NAMES if name == "features"
    else _NUMBER
    for name in Offer.__struct_fields__
}  # fmt: skip


class MissingLibraryError(CatalogError, ImportError):
    """A library that only this needs is not installed; the message names the line that installs it."""


def _library(name: str, wanted: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingLibraryError(
            f"{wanted} needs {name}, which is not installed; install it with `pip install {name}`"
        ) from error


def _columns(rows: Sequence[Offer]) -> dict[str, list[Any]]:
    return {
        name: [list(value) if kind == _NAMES else value for value in (getattr(offer, name) for offer in rows)]
        for name, kind in COLUMNS.items()
    }


def to_arrow(rows: Sequence[Offer]) -> Any:
    """A pyarrow.Table. Raises MissingLibraryError without pyarrow."""
    arrow = _library("pyarrow", "to_arrow")
    types = {_TEXT: arrow.string(), _NUMBER: arrow.float64(), _FLAG: arrow.bool_(), _NAMES: arrow.list_(arrow.string())}
    schema = arrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    return arrow.table(_columns(rows), schema=schema)


def to_pandas(rows: Sequence[Offer]) -> Any:
    """A pandas.DataFrame; unknown numbers are NaN. Raises MissingLibraryError without pandas."""
    pandas = _library("pandas", "to_pandas")
    types = {_TEXT: "object", _NUMBER: "float64", _FLAG: "bool", _NAMES: "object"}
    return pandas.DataFrame(
        {name: pandas.Series(values, dtype=types[COLUMNS[name]]) for name, values in _columns(rows).items()}
    )


def to_polars(rows: Sequence[Offer]) -> Any:
    """A polars.DataFrame. Raises MissingLibraryError without polars."""
    polars = _library("polars", "to_polars")
    types = {_TEXT: polars.String, _NUMBER: polars.Float64, _FLAG: polars.Boolean, _NAMES: polars.List(polars.String)}
    return polars.DataFrame(_columns(rows), schema={name: types[kind] for name, kind in COLUMNS.items()})

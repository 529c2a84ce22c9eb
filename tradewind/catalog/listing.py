"""`tradewind.catalog.offers(...)`: typed rows of what the clouds sell, in one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args, overload

import msgspec

from tradewind.catalog.asking import Wish, filter_of
from tradewind.catalog.catalog import Each, Order
from tradewind.catalog.errors import CatalogError
from tradewind.catalog.offer import Offer
from tradewind.catalog.opening import open_catalog
from tradewind.catalog.query import Ratio


class Offers(Sequence[Offer]):
    """Offers in order. `notes` are sentences on what was left out because it is not known; `date` is the newest day of the prices."""

    def __init__(self, rows: Sequence[Offer], *, notes: tuple[str, ...] = (), date: str = "") -> None:
        self.rows = tuple(rows)
        self.notes = notes
        self.date = date

    @overload
    def __getitem__(self, index: int) -> Offer: ...

    @overload
    def __getitem__(self, index: slice) -> Offers: ...

    def __getitem__(self, index: int | slice) -> Offer | Offers:
        if isinstance(index, slice):
            return Offers(self.rows[index], notes=self.notes, date=self.date)
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Offer]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return f"<{len(self.rows)} offers>"

    def to_dicts(self) -> list[dict[str, Any]]:
        """Plain dicts, one an offer."""
        return [msgspec.structs.asdict(offer) for offer in self.rows]

    def to_arrow(self) -> Any:
        """A pyarrow.Table. Raises MissingLibraryError without pyarrow."""
        from tradewind.catalog.frames import to_arrow

        return to_arrow(self.rows)

    def to_pandas(self) -> Any:
        """A pandas.DataFrame; unknown numbers are NaN. Raises MissingLibraryError without pandas."""
        from tradewind.catalog.frames import to_pandas

        return to_pandas(self.rows)

    def to_polars(self) -> Any:
        """A polars.DataFrame. Raises MissingLibraryError without polars."""
        from tradewind.catalog.frames import to_polars

        return to_polars(self.rows)


def offers(
    gpu: str | None = None,
    *,
    limit: int | None = None,
    sort: Order = "price",
    one_per: Each | None = None,
    catalog: str | None = None,
    **wish: Any,
) -> Offers:
    """What the clouds sell that fits, the cheapest first unless `sort` says otherwise; further keywords are the fields of `Wish`.

    >>> from tradewind.catalog import offers
    >>> cheapest = offers("H100:8", spot=True, limit=1)[0]
    >>> cheapest.accelerator, cheapest.accelerator_count
    ('H100', 8.0)

    `cpus` and `memory` may be numbers, single names stand for a tuple of one. `catalog` is a CSV to ask instead of the shipped snapshot.
    Raises CatalogError for an amount or an order that is none or a catalog that cannot be used, UnknownNameError with the nearest for an unknown name,
    TypeError for a keyword that is no field.
    """
    _refuse_unknown("sort", sort, ("price", "name", *get_args(Ratio)))
    if one_per is not None:
        _refuse_unknown("one_per", one_per, get_args(Each))
    typed = {name: _as_typed(name, value) for name, value in wish.items()}
    with open_catalog(catalog) as shelf:
        wanted = filter_of(Wish(gpu=gpu, **typed), shelf)
        rows = shelf.offers(wanted, limit=limit, order=sort, one_per=one_per)
        notes = (*left_out(shelf.unknown_figures(wanted)), *equipment_left_out(shelf.unknown_equipment(wanted)))
        return Offers(rows, notes=notes, date=shelf.date)


def _refuse_unknown(name: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise CatalogError(f"{name}={given!r} is unknown; write {', '.join(known[:-1])} or {known[-1]}")


_PLURAL = frozenset({"bases", "clouds", "continents", "countries", "exclude", "features", "generations", "vendors"})
_TEXTS = frozenset({"cpus", "gpu_memory", "memory"})


def _as_typed(name: str, value: Any) -> Any:
    if name in _PLURAL:
        return (value,) if isinstance(value, str) else tuple(value)
    if name in _TEXTS and isinstance(value, int | float):
        return f"{value:g}"
    return value


def equipment_left_out(unknown: dict[str, dict[str, int]]) -> tuple[str, ...]:
    """A sentence for each limit on equipment that left types out because no source tells theirs."""
    return tuple(
        f"left out, because no source tells it ({figure}): "
        + ", ".join(f"{count:,} type{'s' if count > 1 else ''} on {cloud}" for cloud, count in sorted(clouds.items()))
        for figure, clouds in unknown.items()
    )


def left_out(unknown: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """A sentence for each figure whose being unknown left accelerators out."""
    by_figure: dict[str, list[str]] = {}
    for name, figures in unknown.items():
        for figure in figures:
            by_figure.setdefault(figure, []).append(name)
    return tuple(
        f"left out, because the figure is not known ({figure}): {', '.join(names)}"
        for figure, names in by_figure.items()
    )

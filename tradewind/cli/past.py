"""Prices over the snapshots kept on this machine, as the command line shows them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tradewind.cli import exits
from tradewind.cli.errors import CliError
from tradewind.cli.sparkline import can_show, sparkline

if TYPE_CHECKING:
    from tradewind.catalog import Catalog
    from tradewind.catalog.history import PricePoint
    from tradewind.catalog.snapshots import Kept


def other_snapshots(shelf: Catalog) -> list[Kept]:
    """The kept snapshots of other days than the open catalog's: with one snapshot alone there is nothing to draw.

    Raises:
        CliError: there is none.
    """
    from tradewind.catalog.snapshots import kept_snapshots, snapshots_directory

    others = [kept for kept in kept_snapshots(snapshots_directory()) if kept.date != shelf.date]
    if not others:
        raise CliError(
            f"only one snapshot is there ({shelf.date or 'undated'}); `tradewind catalog keep` keeps it, so that later ones have a past",
            exits.FAILED,
        )
    return others


def prices(points: Sequence[PricePoint], *, use_spot: bool | None) -> list[tuple[str, float]]:
    """The days that have a price in the market, with it; in either market those on demand."""
    pairs = ((p.date, p.price_spot_usd_h if use_spot else p.price_ondemand_usd_h) for p in points)
    return [(date, price) for date, price in pairs if price is not None]


def drawn(points: Sequence[PricePoint], *, use_spot: bool | None) -> str:
    """The prices as one line, in letters that stdout can show."""
    values = [price for _, price in prices(points, use_spot=use_spot)]
    return sparkline(values, ascii_only=not can_show(sys.stdout.encoding))

"""catalog: what the world sells. Offers with price, spot price, risk, basis and date, asked by index. Imports spec alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tradewind.catalog.accelerators import AcceleratorFacts, accelerator_facts
    from tradewind.catalog.catalog import Catalog
    from tradewind.catalog.egress import egress_prices
    from tradewind.catalog.errors import CatalogError, UnknownNameError
    from tradewind.catalog.filter import AcceleratorLimits, OfferFilter, PlacePattern
    from tradewind.catalog.offer import Offer
    from tradewind.catalog.opening import open_catalog
    from tradewind.catalog.quarantine import Quarantined
    from tradewind.catalog.region import Region
    from tradewind.catalog.traces import SpotSeries, hold_times_s, spot_traces

_HOMES = {
    "AcceleratorFacts": "accelerators",
    "AcceleratorLimits": "filter",
    "Catalog": "catalog",
    "CatalogError": "errors",
    "Offer": "offer",
    "OfferFilter": "filter",
    "PlacePattern": "filter",
    "Quarantined": "quarantine",
    "Region": "region",
    "SpotSeries": "traces",
    "UnknownNameError": "errors",
    "accelerator_facts": "accelerators",
    "egress_prices": "egress",
    "hold_times_s": "traces",
    "open_catalog": "opening",
    "spot_traces": "traces",
}

__all__ = [
    "AcceleratorFacts",
    "AcceleratorLimits",
    "Catalog",
    "CatalogError",
    "Offer",
    "OfferFilter",
    "PlacePattern",
    "Quarantined",
    "Region",
    "SpotSeries",
    "UnknownNameError",
    "accelerator_facts",
    "egress_prices",
    "hold_times_s",
    "open_catalog",
    "spot_traces",
]


def __getattr__(name: str) -> object:
    """Hand on a public name; sqlite3 is loaded only by those that open a catalog."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)

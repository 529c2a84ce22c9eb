"""catalog: what the world sells. Offers with price, spot price, risk, basis and date, asked by index. Imports spec alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tradewind.catalog.accelerators import AcceleratorFacts, accelerator_facts
    from tradewind.catalog.age import age_note, days_old
    from tradewind.catalog.asking import Wish, filter_of
    from tradewind.catalog.catalog import Catalog
    from tradewind.catalog.comparing import Comparison, compare
    from tradewind.catalog.egress import egress_prices
    from tradewind.catalog.errors import CatalogError, UnknownNameError
    from tradewind.catalog.filter import AcceleratorLimits, OfferFilter, PlacePattern
    from tradewind.catalog.frames import MissingLibraryError
    from tradewind.catalog.history import PricePoint
    from tradewind.catalog.listing import Offers, offers
    from tradewind.catalog.offer import Offer
    from tradewind.catalog.opening import fingerprint, open_catalog
    from tradewind.catalog.quarantine import Quarantined
    from tradewind.catalog.region import Region
    from tradewind.catalog.traces import SpotSeries, hold_times_s, spot_traces
    from tradewind.catalog.upkeep import Added, Info, diff, doctor, import_offers, info, keep, remove_offers

_HOMES = {
    "AcceleratorFacts": "accelerators",
    "AcceleratorLimits": "filter",
    "Added": "upkeep",
    "Catalog": "catalog",
    "CatalogError": "errors",
    "Comparison": "comparing",
    "Info": "upkeep",
    "MissingLibraryError": "frames",
    "Offer": "offer",
    "OfferFilter": "filter",
    "Offers": "listing",
    "PlacePattern": "filter",
    "PricePoint": "history",
    "Quarantined": "quarantine",
    "Region": "region",
    "SpotSeries": "traces",
    "UnknownNameError": "errors",
    "Wish": "asking",
    "accelerator_facts": "accelerators",
    "age_note": "age",
    "compare": "comparing",
    "days_old": "age",
    "diff": "upkeep",
    "doctor": "upkeep",
    "egress_prices": "egress",
    "filter_of": "asking",
    "fingerprint": "opening",
    "hold_times_s": "traces",
    "import_offers": "upkeep",
    "info": "upkeep",
    "keep": "upkeep",
    "offers": "listing",
    "open_catalog": "opening",
    "remove_offers": "upkeep",
    "spot_traces": "traces",
}

__all__ = [
    "AcceleratorFacts",
    "AcceleratorLimits",
    "Added",
    "Catalog",
    "CatalogError",
    "Comparison",
    "Info",
    "MissingLibraryError",
    "Offer",
    "OfferFilter",
    "Offers",
    "PlacePattern",
    "PricePoint",
    "Quarantined",
    "Region",
    "SpotSeries",
    "UnknownNameError",
    "Wish",
    "accelerator_facts",
    "age_note",
    "compare",
    "days_old",
    "diff",
    "doctor",
    "egress_prices",
    "filter_of",
    "fingerprint",
    "hold_times_s",
    "import_offers",
    "info",
    "keep",
    "offers",
    "open_catalog",
    "remove_offers",
    "spot_traces",
]


def __getattr__(name: str) -> object:
    """Hand on a public name; sqlite3 is loaded only by those that open a catalog."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)

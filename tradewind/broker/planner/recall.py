"""Answers of the catalog that were asked for before. A catalog never changes under its digest, so an answer stays true.

A plan after a lost place, the next task of the same shape and a what-if ask the same questions again; counting is the dearest of them (13 ms
when most rows match). Bounded, so that a daemon does not grow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tradewind.catalog.catalog import Catalog
from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.offer import Offer

T = TypeVar("T")
Known = dict[tuple[str, OfferFilter], T]

MOST_COUNTS = 1024
MOST_LISTS = 64  # of some 300 offers each: 10 MB at most

_counts: Known[int] = {}
_lists: Known[tuple[Offer, ...]] = {}


def count(catalog: Catalog, asked: OfferFilter) -> int:
    """How many offers match."""
    return _recalled(_counts, MOST_COUNTS, catalog, asked, lambda: catalog.count(asked))


def cheapest_per_place(catalog: Catalog, asked: OfferFilter) -> tuple[Offer, ...]:
    """Each place's cheapest offer that matches."""
    return _recalled(_lists, MOST_LISTS, catalog, asked, lambda: tuple(catalog.cheapest_per_place(asked)))


def forget() -> None:
    """Nothing is remembered, as in a new process."""
    _counts.clear()
    _lists.clear()


def _recalled(known: Known[T], most: int, catalog: Catalog, asked: OfferFilter, ask: Callable[[], T]) -> T:
    key = (catalog.digest, asked)
    answer = known.get(key)
    if answer is None:
        answer = ask()
        if len(known) >= most:
            known.clear()  # as a whole: other threads read meanwhile, and what is needed is soon asked again
        known[key] = answer
    return answer

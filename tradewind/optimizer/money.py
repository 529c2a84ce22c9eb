"""Money in whole billionths of a dollar, so that sums, caps and ties are exact.

Catalog prices have at most seven decimals; as floats 0.1 + 0.2 exceeds a cap of 0.3, in nano-dollars it does not.
"""

from __future__ import annotations

NANO_PER_USD = 1_000_000_000
# What costs more than this a node and hour is a broken figure. It keeps sums within what the solver's floats can hold.
LARGEST_PRICE_USD = 1e12


def nano_usd(usd: float) -> int:
    """The nearest whole number of nano-dollars; raises ValueError or OverflowError for what is not a finite number."""
    # Above 2**53 nano-dollars a float has no cents left to round, and far above the product would overflow.
    return round(usd * NANO_PER_USD) if abs(usd) < 1e6 else int(usd) * NANO_PER_USD


def usd(nano: int) -> float:
    """Dollars, rounded once."""
    return nano / NANO_PER_USD


def is_price(value: float | None) -> bool:
    """Whether the value can be paid: a number above zero. A price of zero in a catalog is a hole in the source, not a gift."""
    return value is not None and 0 < value <= LARGEST_PRICE_USD


def is_charge(value: float) -> bool:
    """Whether the value can be charged once: a number, zero or more."""
    return 0 <= value <= LARGEST_PRICE_USD

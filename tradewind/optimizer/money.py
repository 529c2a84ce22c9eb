"""Money in whole billionths of a dollar, so that sums, caps and ties are exact.

Catalog prices have at most seven decimals; as floats 0.1 + 0.2 exceeds a cap of 0.3, in nano-dollars it does not.
"""

from __future__ import annotations

import math

NANO_PER_USD = 1_000_000_000


def nano_usd(usd: float) -> int:
    """The nearest whole number of nano-dollars; raises ValueError or OverflowError for what is not a finite number."""
    return round(usd * NANO_PER_USD)


def usd(nano: int) -> float:
    """Dollars, rounded once."""
    return nano / NANO_PER_USD


def is_price(value: float | None) -> bool:
    """Whether the value can be paid: a finite number above zero. A price of zero in a catalog is a hole in the source, not a gift."""
    return value is not None and math.isfinite(value) and value > 0

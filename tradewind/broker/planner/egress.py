"""What moving data costs and takes, from the catalog's facts."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from tradewind.catalog.egress import egress_prices
from tradewind.optimizer.egress import Egress, egress_of

# The median speed between two regions that Skyplane measured (data/facts/throughput.csv.gz: 8,820 pairs of regions, 64 connections).
GIGABITS_PER_S = 5.86


@lru_cache(maxsize=1)
def egress() -> Egress:
    """The catalog's prices of moving data, and the speed that is assumed between regions."""
    prices = egress_of((*pair, usd) for pair, usd in egress_prices().items())
    return msgspec.structs.replace(prices, gigabits_per_s=GIGABITS_PER_S)

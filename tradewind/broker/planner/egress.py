"""What moving data costs, takes and emits, from the catalog's facts."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from tradewind.broker.planner.carbon import moving_kg_per_gb
from tradewind.catalog.egress import egress_prices, network_speeds
from tradewind.catalog.regions import read_regions
from tradewind.optimizer.egress import Egress, egress_of

# The median speed between two regions that Skyplane measured (data/facts/throughput.csv.gz: 8,820 pairs of regions, 64 connections).
GIGABITS_PER_S = 5.86


@lru_cache(maxsize=1)
def egress() -> Egress:
    """The catalog's prices of moving data; the speeds between a cloud's continents, medians of what was measured; and what moving emits.

    Where nothing was measured the median of all is taken.
    """
    prices = egress_of((*pair, usd) for pair, usd in egress_prices().items())
    regions = {f"{region.cloud}/{region.name}": region for region in read_regions()}
    emitted = {site: moving_kg_per_gb(region) for site, region in regions.items()}
    return msgspec.structs.replace(
        prices,
        gigabits_per_s=GIGABITS_PER_S,
        area={site: f"{region.cloud}/{region.continent}" for site, region in regions.items() if region.continent},
        gigabits_between={f"{a}>{b}": speed for (a, b), speed in network_speeds().items()},
        kg_per_gb={site: kg for site, kg in emitted.items() if kg is not None},
    )

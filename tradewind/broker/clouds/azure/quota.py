"""Azure's quotas by amount: vCPUs of the region, of the size's family, and of all spot machines together."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.broker.clouds.azure.session import Session
from tradewind.broker.clouds.azure.skus import Skus
from tradewind.catalog.offer import Offer

# learn.microsoft.com/azure/virtual-machines/quotas: on-demand counts against the region and the family, spot against one of its own.
REGION, SPOT = "cores", "lowprioritycores"


def fits(vcpus: float, family: str, free: Mapping[str, float], *, use_spot: bool) -> int | None:
    """How many machines of so many vCPUs fit into what is free, by lower-case name of the quota; None when none applies."""
    names = (SPOT,) if use_spot else (REGION, family.lower())
    bounds = [int(max(0.0, free[name]) // vcpus) for name in names if name in free and vcpus > 0]
    return min(bounds) if bounds else None


async def headroom(session: Session, skus: Skus, offers: Sequence[Offer], *, use_spot: bool) -> list[int | None]:
    """How many machines of each offer still fit, by its region's quotas; 0 where the size is closed to the subscription. Raises ProviderError."""
    regions = sorted({offer.region for offer in offers})

    def usage(region: str) -> list[Any]:
        return list(session.compute().usage.list(region))

    async def one(region: str) -> tuple[dict[str, float], dict[str, Any]]:
        rows, sizes = await asyncio.gather(session.call(functools.partial(usage, region)), skus.region(region))
        return {row.name.value.lower(): row.limit - row.current_value for row in rows}, sizes

    found = dict(zip(regions, await asyncio.gather(*(one(region) for region in regions)), strict=True))
    result: list[int | None] = []
    for offer in offers:
        free, sizes = found[offer.region]
        sku = sizes.get(offer.instance_type.lower())
        if sku is None or sku.restricted:
            result.append(0)
        else:
            result.append(fits(float(offer.vcpus or 0), sku.family, free, use_spot=use_spot))
    return result

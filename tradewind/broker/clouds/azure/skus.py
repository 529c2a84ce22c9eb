"""What Azure says of its machine sizes for this subscription: zones, restrictions, what they can boot. Read once an hour a region."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from tradewind.broker.clouds.azure import naming
from tradewind.broker.clouds.azure.session import Session
from tradewind.catalog.offer import Offer

FRESH_S = 3600.0


class Sku(msgspec.Struct, frozen=True):
    """One size in one region. `zones` are those that this subscription may use; `restricted` means the whole region is closed to it."""

    name: str
    family: str
    zones: tuple[str, ...] = ()
    restricted: bool = False
    why: str = ""
    gen2: bool = True
    nvme_only: bool = False
    arm64: bool = False
    premium: bool = True


class Skus:
    """The sizes of each region, asked for when first needed (some seconds, some MB)."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, tuple[float, dict[str, Sku]]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def of(self, offer: Offer) -> Sku | None:
        """The offer's size as this subscription may use it in the offer's region; None if it is not sold there. Raises ProviderError."""
        return (await self.region(offer.region)).get(offer.instance_type.lower())

    async def region(self, region: str) -> dict[str, Sku]:
        """Every size of the region by lower-case name. Raises ProviderError."""
        async with self._locks.setdefault(region, asyncio.Lock()):
            read_at, found = self._known.get(region, (float("-inf"), {}))
            if time.monotonic() - read_at > FRESH_S:
                rows = await self._session.call(
                    lambda: list(self._session.compute().resource_skus.list(filter=f"location eq '{region}'"))
                )
                found = {sku.name.lower(): sku for row in rows if (sku := read(row, region)) is not None}
                self._known[region] = (time.monotonic(), found)
            return found


def read(row: Any, region: str) -> Sku | None:
    """A row of the SKU list as ours; None for what is no machine size."""
    if row.resource_type != "virtualMachines":
        return None
    able = {c.name: c.value for c in row.capabilities or ()}
    zones = {z for info in row.location_info or () if info.location.lower() == region for z in info.zones or ()}
    closed, why = False, ""
    for restriction in row.restrictions or ():
        why = str(getattr(restriction.reason_code, "value", restriction.reason_code) or "")
        if getattr(restriction.type, "value", restriction.type) == "Location":
            closed = True
        elif restriction.restriction_info is not None:
            zones -= set(restriction.restriction_info.zones or ())
    return Sku(
        name=row.name,
        family=row.family or "",
        zones=tuple(sorted(zones)),
        restricted=closed,
        why=why,
        gen2="V2" in able.get("HyperVGenerations", "V1,V2"),
        nvme_only=able.get("DiskControllerTypes", "SCSI") == "NVMe",
        arm64=able.get("CpuArchitectureType", "x64") == "Arm64",
        premium=able.get("PremiumIO", "True") == "True",
    )


def usable_zones(sku: Sku, offer: Offer) -> list[str]:
    """The zones to try: the offer's own, or all that the subscription may use."""
    return [naming.zone_number(offer.zone)] if offer.zone else list(sku.zones)

"""What a query asks of the catalog: a conjunction of limits, each of which may be left open."""

from __future__ import annotations

import msgspec


class PlacePattern(msgspec.Struct, frozen=True, order=True):
    """A pattern over places and types; "" matches anything. A zone never matches a regional offer: it is narrower than that."""

    cloud: str = ""
    region: str = ""
    zone: str = ""
    instance_type: str = ""


class OfferFilter(msgspec.Struct, frozen=True):
    """Offers that satisfy every field that is given. An unknown figure (None in the offer) satisfies no limit on it.

    `use_spot` chooses the market: False needs an on-demand price, True a spot price (USD/hour), None neither; `max_price_usd_h` and the
    order by price are in that market. A `zone` also matches a regional offer whose region has that zone. `accelerator` is a canonical
    name (`Catalog.resolve_accelerators`); with an `instance_type` beside it the machine may have it built in or attached ("n1-standard-8+T4:2"); `accelerator_count` is exact; `no_accelerator` takes machines without one only. `min_...` and
    `max_...` are inclusive, so equal ones ask for an exact figure; vCPUs and GiB for the whole machine. Restricted regions and burstable
    types are left out unless `restricted` / `burstable` is True.
    """

    clouds: tuple[str, ...] = ()
    region: str | None = None
    zone: str | None = None
    instance_type: str | None = None
    archs: tuple[str, ...] = ()
    min_vcpus: float | None = None
    max_vcpus: float | None = None
    min_memory_gib: float | None = None
    max_memory_gib: float | None = None
    min_memory_gib_per_vcpu: float | None = None
    accelerator: str | None = None
    accelerator_count: float | None = None
    no_accelerator: bool = False
    use_spot: bool | None = False
    max_price_usd_h: float | None = None
    restricted: bool = False
    burstable: bool = False
    excluded: tuple[PlacePattern, ...] = ()

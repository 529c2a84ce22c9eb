"""What a query asks of the catalog: a conjunction of limits, each of which may be left open."""

from __future__ import annotations

import msgspec

from tradewind.catalog.offer import Basis, DiskKind, Feature


class PlacePattern(msgspec.Struct, frozen=True, order=True):
    """A pattern over places and types; "" and "*" match anything, `*` and `?` within a name stand for any letters and any one.

    A zone never matches a regional offer: it is narrower than that.
    """

    cloud: str = ""
    region: str = ""
    zone: str = ""
    instance_type: str = ""


class AcceleratorLimits(msgspec.Struct, frozen=True):
    """The least that each device must have, dense figures per device (TPU: per chip), and who made it when. None and () set no limit.

    A figure that the datasheets leave blank is unknown and keeps no limit on it. Vendors and generations are compared without case.
    """

    min_memory_gib: float | None = None
    min_memory_bandwidth_gb_s: float | None = None
    min_tflops_bf16: float | None = None
    min_tflops_fp32: float | None = None
    min_tops_int8: float | None = None
    min_tflops_fp8: float | None = None
    min_interconnect_gb_s: float | None = None
    min_year: int | None = None
    vendors: tuple[str, ...] = ()
    generations: tuple[str, ...] = ()


class OfferFilter(msgspec.Struct, frozen=True):
    """Offers that satisfy every field that is given. An unknown figure (None in the offer) satisfies no limit on it.

    `use_spot` chooses the market: False needs an on-demand price, True a spot price (USD/hour), None neither; `max_price_usd_h` and the
    order by price are in that market, `bases` are that market's (either's for None). `region`, `zone` and `instance_type` are compared
    without case, and may hold `*` and `?`. A `zone` also matches a regional offer whose region has that zone. `continents`, `countries`
    (ISO) and `max_gco2eq_per_kwh` judge the region. `accelerator` is a canonical name (`Catalog.resolve_accelerators`); with an
    `instance_type` beside it the machine may have it built in or attached ("n1-standard-8+T4:2"); `accelerator_count` is exact,
    `min_accelerator_count` the least; `accelerator_limits` judge each device by the datasheets; `no_accelerator` takes machines without
    one only, `any_accelerator` those with some. `min_...` and `max_...` are inclusive, so equal ones ask for an exact figure; vCPUs and GiB
    for the whole machine, risk in interruptions/hour. `local_disk_kinds` and `min_local_disk_gb` ask for instance storage, of one of the kinds
    and of that size; `min_network_gbps` is Gbit/s as an offer counts them, `features` must all be there. Restricted regions and burstable types are left out unless `restricted` / `burstable` is True.
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
    any_accelerator: bool = False
    min_accelerator_count: float | None = None
    accelerator_limits: AcceleratorLimits | None = None
    continents: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    max_gco2eq_per_kwh: float | None = None
    max_spot_risk_per_h: float | None = None
    bases: tuple[Basis, ...] = ()
    min_local_disk_gb: float | None = None
    max_local_disk_gb: float | None = None
    local_disk_kinds: tuple[DiskKind, ...] = ()
    min_network_gbps: float | None = None
    features: tuple[Feature, ...] = ()

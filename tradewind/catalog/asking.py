"""A query as a person writes it - "4+", "A100:8", "aws/us-*" - as an OfferFilter over a catalog. Shared by the command line and Python."""

from __future__ import annotations

import math

import msgspec

from tradewind.catalog.accelerators import names_a_slice
from tradewind.catalog.catalog import Catalog
from tradewind.catalog.equipment import FEATURES, with_local_disk
from tradewind.catalog.errors import CatalogError
from tradewind.catalog.filter import AcceleratorLimits, OfferFilter, PlacePattern
from tradewind.catalog.names import matching
from tradewind.catalog.offer import Basis, Feature
from tradewind.spec.machine import LocalDisk
from tradewind.spec.quantities import parse_local_disk

CONTINENTS = ("Africa", "Asia", "Europe", "North America", "Oceania", "South America")


class Wish(msgspec.Struct, frozen=True):
    """What is asked for, as typed; None, "" and () ask for nothing.

    `gpu` is "A100", "A100:8" or "A100:4+", "any" or "none", or a TPU slice ("v5litepod-8"). `cpus`, `memory` (GiB), `gpu_memory` (GiB a
    device): "4" exactly, "4+" at least (of a device's memory always at least); `memory` also "4x" for each vCPU. `infra` is cloud/region/zone
    with `*` for any. `local_disk` is written as in a task file ("nvme:500+", GB), `min_network` Gbit/s, `features` what the machine must
    have. `exclude` are cloud/region/zone/instance_type. `spot` None means either market. Prices USD/hour, carbon gCO2eq/kWh,
    risk in interruptions/hour.
    """

    clouds: tuple[str, ...] = ()
    region: str | None = None
    zone: str | None = None
    infra: str | None = None
    instance_type: str | None = None
    gpu: str | None = None
    gpu_memory: str | None = None
    cpus: str | None = None
    memory: str | None = None
    arch: str | None = None
    spot: bool | None = False
    max_price: float | None = None
    continents: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    max_carbon: float | None = None
    max_risk: float | None = None
    min_tflops: float | None = None
    min_bandwidth: float | None = None
    vendors: tuple[str, ...] = ()
    generations: tuple[str, ...] = ()
    bases: tuple[Basis, ...] = ()
    exclude: tuple[str, ...] = ()
    everything: bool = False
    local_disk: str | None = None
    min_network: float | None = None
    features: tuple[str, ...] = ()


def filter_of(wish: Wish, catalog: Catalog) -> OfferFilter:
    """The query. Naming a type, region or zone counts as asking for it, restricted and burstable ones too.

    Raises CatalogError for an amount that is none, UnknownNameError with the nearest for a name that the catalog does not have.
    """
    clouds, region, zone = _place(wish, catalog)
    least_cpus, most_cpus = bounds(wish.cpus, "cpus")
    per_vcpu = wish.memory is not None and wish.memory.strip().lower().endswith("x")
    least_memory, most_memory = bounds(wish.memory.strip()[:-1] if per_vcpu and wish.memory else wish.memory, "memory")
    name, count, least_count = accelerator(wish.gpu, catalog)
    catalog.check_names(instance_type=wish.instance_type)
    asked = OfferFilter(
        clouds=clouds,
        region=region,
        zone=zone,
        instance_type=wish.instance_type,
        archs=() if wish.arch in {None, "any"} else (str(wish.arch),),
        min_vcpus=least_cpus,
        max_vcpus=most_cpus,
        min_memory_gib=None if per_vcpu else least_memory,
        max_memory_gib=None if per_vcpu else most_memory,
        min_memory_gib_per_vcpu=least_memory if per_vcpu else None,
        accelerator=name if name not in {"any", "none"} else None,
        accelerator_count=count,
        min_accelerator_count=least_count,
        any_accelerator=name == "any",
        no_accelerator=name == "none",
        accelerator_limits=_limits(wish),
        use_spot=wish.spot,
        max_price_usd_h=wish.max_price,
        continents=tuple(_continent(each) for each in wish.continents),
        countries=wish.countries,
        max_gco2eq_per_kwh=wish.max_carbon,
        max_spot_risk_per_h=wish.max_risk,
        bases=wish.bases,
        excluded=tuple(_pattern(each) for each in wish.exclude),
        restricted=wish.everything or region is not None or zone is not None,
        burstable=wish.everything or wish.instance_type is not None,
        min_network_gbps=wish.min_network,
        features=tuple(_feature(each) for each in wish.features),
    )
    return with_local_disk(asked, _local_disk(wish.local_disk))


def bounds(text: str | None, what: str) -> tuple[float | None, float | None]:
    """The inclusive limits that "4" or "4+" set; both None when nothing was given. Raises CatalogError when it is neither."""
    if text is None:
        return None, None
    typed = text.strip()
    try:
        value = float(typed.removesuffix("+"))
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise CatalogError(f"{what}: {_shown(text)} is no amount; write 4 for exactly, 4+ for at least")
    return value, None if typed.endswith("+") else value


def accelerator(text: str | None, catalog: Catalog) -> tuple[str | None, float | None, float | None]:
    """The canonical name, the exact count and the least count of "A100:8" or "A100:4+"; any count when none is given.

    "any" and "none" stay as they are. Raises CatalogError when the count is none, UnknownNameError when nobody sells it.
    """
    if text is None:
        return None, None, None
    name, colon, count = text.partition(":")
    if name.strip().lower() in {"any", "none"} and not colon:
        return name.strip().lower(), None, None
    least, most = bounds(count, "gpu") if colon else (None, None)
    canonical, number = catalog.resolve_accelerators(name.strip(), 1.0 if least is None else least)
    if not colon:
        whole = names_a_slice(name.strip(), catalog.accelerator_names())  # a TPU slice's name holds its count
        return canonical, number if whole else None, None
    return canonical, number if most is not None else None, number if most is None else None


def _place(wish: Wish, catalog: Catalog) -> tuple[tuple[str, ...], str | None, str | None]:
    clouds, region, zone = wish.clouds, wish.region, wish.zone
    if wish.infra is not None:
        parts = [part.strip() for part in wish.infra.split("/")]
        if len(parts) > 3 or not all(parts):
            raise CatalogError(
                f"infra: {_shown(wish.infra)} is no place; write cloud, cloud/region or cloud/region/zone, with * for any"
            )
        if clouds or region is not None or zone is not None:
            raise CatalogError("infra already says where; give it, or cloud, region and zone")
        cloud, region, zone = (None if part == "*" else part for part in (*parts, *("*",) * (3 - len(parts))))
        clouds = () if cloud is None else (cloud,)
    known = catalog.clouds()
    named: list[str] = []
    for cloud in clouds:
        catalog.check_names(cloud=cloud)
        named += matching(cloud, known)
    within = named[0] if len(named) == 1 else None
    catalog.check_names(cloud=within, region=region, zone=zone)
    return tuple(dict.fromkeys(named)), region, zone


def _limits(wish: Wish) -> AcceleratorLimits | None:
    least_memory, _ = bounds(wish.gpu_memory, "gpu-memory")
    limits = AcceleratorLimits(
        min_memory_gib=least_memory,
        min_memory_bandwidth_gb_s=wish.min_bandwidth,
        min_tflops_bf16=wish.min_tflops,
        vendors=wish.vendors,
        generations=wish.generations,
    )
    return None if limits == AcceleratorLimits() else limits


def _continent(typed: str) -> str:
    """The continent as the facts name it, from any case, "-" or "_" for a space, or the start of its name."""
    folded = typed.lower().replace("-", " ").replace("_", " ")
    found = [each for each in CONTINENTS if each.lower().startswith(folded)] if folded else []
    if len(found) != 1:
        raise CatalogError(f"continent: {_shown(typed)} is none of {', '.join(CONTINENTS)}")
    return found[0]


def _local_disk(typed: str | None) -> LocalDisk | None:
    try:
        return None if typed is None else parse_local_disk(typed)
    except ValueError as error:
        raise CatalogError(f"local-disk: {error}") from error


def _feature(typed: str) -> Feature:
    folded = typed.strip().lower().replace("-", "_")
    for feature in FEATURES:
        if feature == folded:
            return feature
    raise CatalogError(f"feature: {_shown(typed)} is none of {', '.join(FEATURES)}")


def _pattern(typed: str) -> PlacePattern:
    parts = [part.strip() for part in typed.split("/")]
    if len(parts) > 4 or not all(parts):
        raise CatalogError(
            f"exclude: {_shown(typed)} is no place; write cloud/region/zone/instance_type, the last ones may be left out, * for any"
        )
    return PlacePattern(*("" if part == "*" else part for part in parts))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")

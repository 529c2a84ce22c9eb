"""What one task asks of the catalog, with every default that was applied said in a sentence."""

from __future__ import annotations

import msgspec

from tradewind.broker.planner.equipment import clouds_for, features_of, regions_for, with_memory
from tradewind.broker.planner.errors import PlanError
from tradewind.catalog.catalog import Catalog
from tradewind.catalog.equipment import with_local_disk
from tradewind.catalog.errors import CatalogError
from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.listing import equipment_left_out
from tradewind.spec.task import AcceleratorRequest, Quantity, Resources, Task

DEFAULT_VCPUS = 2.0
DEFAULT_MEMORY_GIB = 4.0
ANY = "any"  # as an accelerator's name: whichever is cheapest


class Need(msgspec.Struct, frozen=True):
    """One way to serve a task: a catalog query in one market, the entry of any_of it is for, and the most that a node may cost (USD/hour)."""

    filter: OfferFilter
    alternative: int
    max_node_usd_h: float | None

    @property
    def use_spot(self) -> bool:
        """The market that the need buys in."""
        return bool(self.filter.use_spot)


def needs_of(task: Task, catalog: Catalog) -> tuple[tuple[Need, ...], tuple[str, ...]]:
    """Every way to serve the task, and the defaults that were applied. Raises PlanError for a name that nobody sells."""
    needs: list[Need] = []
    defaults: list[str] = []
    for index, resources in enumerate(task.resources):
        where = "resources" if len(task.resources) == 1 else f"resources.any_of[{index}]"
        base = _filter(resources, catalog, where)
        first = len(needs)
        for region in regions_for(resources, where):
            placed = msgspec.structs.replace(base, region=region, restricted=region is not None)
            needs += (
                Need(_with_accelerator(placed, accelerator, catalog, where), index, resources.max_hourly_cost)
                for accelerator in _accelerators(resources, catalog, where)
            )
        defaults += _defaults(resources)
        for need in needs[first:]:
            defaults += equipment_left_out(catalog.unknown_equipment(need.filter))
    if not any(resources.use_spot for resources in task.resources):
        defaults.append("on demand (use_spot: true buys spot)")
    return tuple(needs), tuple(dict.fromkeys(defaults))


def names_no_size(resources: Resources) -> bool:
    """Whether nothing tells how large the machine should be."""
    return not (resources.cpus or resources.memory or resources.accelerators or resources.instance_type)


def picks_machine(resources: Resources) -> bool:
    """Whether a type or an accelerator is named, which settles architecture and kind of machine."""
    return bool(resources.instance_type or resources.accelerators)


def _filter(resources: Resources, catalog: Catalog, where: str) -> OfferFilter:
    infra = resources.infra
    clouds = clouds_for(resources, where)
    cloud = _known_cloud(resources, catalog, where)
    cpus, memory = resources.cpus, resources.memory
    if names_no_size(resources):
        cpus, memory = Quantity(DEFAULT_VCPUS, at_least=True), Quantity(DEFAULT_MEMORY_GIB, at_least=True)
    arch = resources.arch or ("any" if picks_machine(resources) else "x86_64")
    per_vcpu = memory is not None and memory.per_vcpu
    asked = OfferFilter(
        clouds=(cloud,) if cloud else clouds,
        region=infra.region,
        zone=infra.zone,
        instance_type=resources.instance_type,
        archs=() if arch == "any" else (arch,),
        min_vcpus=cpus.value if cpus else None,
        max_vcpus=cpus.value if cpus and not cpus.at_least else None,
        min_memory_gib=memory.value if memory and not per_vcpu else None,
        max_memory_gib=memory.value if memory and not per_vcpu and not memory.at_least else None,
        min_memory_gib_per_vcpu=memory.value if memory and per_vcpu else None,
        no_accelerator=not picks_machine(resources),
        use_spot=resources.use_spot,
        restricted=infra.region is not None,
        burstable=bool(resources.burstable or resources.instance_type),
        min_network_gbps=resources.network_gbps,
        features=features_of(resources),
    )
    return with_local_disk(asked, resources.local_disk)


def _accelerators(resources: Resources, catalog: Catalog, where: str) -> tuple[AcceleratorRequest | None, ...]:
    """The alternatives, those asked for by memory as the ones on offer that have it; one None where none is asked for."""
    names = set(catalog.accelerator_names()) if any(one.memory for one in resources.accelerators) else set()
    facts = [each for each in catalog.accelerator_facts.values() if each.name in names] if names else []
    found = [one for asked in resources.accelerators for one in with_memory(asked, facts, where)]
    return tuple(dict.fromkeys(found)) or (None,)


def _with_accelerator(
    base: OfferFilter, accelerator: AcceleratorRequest | None, catalog: Catalog, where: str
) -> OfferFilter:
    if accelerator is None:
        return base
    if accelerator.name.lower() == ANY:
        return msgspec.structs.replace(base, any_accelerator=True, accelerator_count=accelerator.count)
    try:
        name, count = catalog.resolve_accelerators(accelerator.name, accelerator.count)
    except CatalogError as err:
        raise PlanError(f"{where}.accelerators", *_told(err)) from err
    return msgspec.structs.replace(base, accelerator=name, accelerator_count=count)


def _known_cloud(resources: Resources, catalog: Catalog, where: str) -> str | None:
    """The cloud as the catalog spells it; raises PlanError for any name of the resources that the catalog does not have."""
    infra = resources.infra
    cloud = infra.cloud
    if cloud is not None:
        lowered = cloud.lower()
        cloud = next((known for known in catalog.clouds() if known.lower() == lowered), cloud)
    try:
        catalog.check_names(cloud=cloud, region=infra.region, zone=infra.zone, instance_type=resources.instance_type)
    except CatalogError as err:
        field = "instance_type" if getattr(err, "kind", "") == "instance type" else "infra"
        raise PlanError(f"{where}.{field}", *_told(err)) from err
    return cloud


def _told(err: CatalogError) -> tuple[str, str]:
    """The sentence without its hint, and the hint."""
    suggestion = getattr(err, "suggestion", "")
    return str(err).removesuffix(f"; did you mean '{suggestion}'?"), suggestion


def _defaults(resources: Resources) -> list[str]:
    said = []
    if names_no_size(resources):
        said.append(f"cpus: {DEFAULT_VCPUS:g}+ and memory: {DEFAULT_MEMORY_GIB:g}+, because no size is named")
    if resources.arch is None and not picks_machine(resources):
        said.append("arch: x86_64 (arch: arm64 or any admits others)")
    if not picks_machine(resources):
        said.append("no machines with accelerators")
    if not resources.burstable and not resources.instance_type:
        said.append("no burstable machines (burstable: true admits them)")
    if not resources.infra.region:
        said.append("no regions with restricted access (naming a region admits it)")
    return said

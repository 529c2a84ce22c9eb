"""Which clouds can give a node what it asks for beside its size, so that no plan names one that would refuse. Pure.

A disk and an image of one's own need a cloud that makes the machine for us. Accelerators asked for by their memory become those of that memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tradewind.broker.planner.errors import PlanError
from tradewind.catalog.accelerators import AcceleratorFacts
from tradewind.catalog.offer import Feature
from tradewind.spec.task import AcceleratorRequest, Resources

MADE_FOR_US = ("aws", "azure", "gcp")
# io2 can be a root volume (docs.aws.amazon.com/ebs, "io2 Block Express volumes"); Google's and Azure's fastest disks cannot be booted from by
# every machine (cloud.google.com/compute/docs/disks/extreme-persistent-disk; learn.microsoft.com/azure/virtual-machines/disks-types, "Ultra disk").
WITH_ULTRA = ("aws",)
# Google's Tier_1 costs by the hour beside the machine, which no source here tells; InfiniBand between Azure's machines needs them in one scale
# set or availability set, which are not made here (learn.microsoft.com/azure/virtual-machines/setup-infiniband).
WITH_EFA = ("aws",)
RESERVED = ("aws:", "tradewind-")
# The least that AWS (docs.aws.amazon.com/tag-editor, "Tag naming limits") and Azure (learn.microsoft.com/azure/azure-resource-manager/management/
# tag-resources, "Limitations") take; Google's own form is made from any text.
_LONGEST_NAME, _LONGEST_VALUE = 128, 256
_NOT_ON_AZURE = frozenset("<>%&\\?/")
_NEAR_GIB = 0.5  # datasheets round: an "80 GB" device may be listed with 79.6 GiB


def clouds_for(resources: Resources, where: str) -> tuple[str, ...]:
    """The clouds that may be planned over; () where nothing narrows them.

    Raises:
        PlanError: the one that is named cannot give it.
    """
    _check_labels(resources, where)
    cloud = resources.infra.cloud
    able: tuple[str, ...] = ()
    for field, clouds in _limits(resources):
        if cloud is not None and cloud not in clouds:
            said = "this machine" if cloud == "local" else cloud
            raise PlanError(f"{where}.{field}", f"cannot be chosen on {said}, only on {', '.join(clouds)}; remove it")
        able = clouds if not able else tuple(name for name in able if name in clouds)
    return (cloud,) if cloud is not None else able


def _limits(resources: Resources) -> Iterator[tuple[str, tuple[str, ...]]]:
    if resources.disk_size is not None:
        yield "disk_size", MADE_FOR_US
    if resources.disk_tier is not None:
        yield "disk_tier", WITH_ULTRA if resources.disk_tier == "ultra" else MADE_FOR_US
    if resources.network_tier == "best":
        yield "network_tier", WITH_EFA
    if resources.image is not None:
        yield "image_id", MADE_FOR_US
    if any(_NOT_ON_AZURE & set(name) for name, _ in resources.labels):
        yield "labels", ("aws", "gcp", "local", "ssh")


def features_of(resources: Resources) -> tuple[Feature, ...]:
    """What the machine must have: what is asked by name, and what the best network is."""
    efa: tuple[Feature, ...] = ("efa",) if resources.network_tier == "best" else ()
    return tuple(sorted({*resources.features, *efa}))


def _check_labels(resources: Resources, where: str) -> None:
    """Refuse labels that no cloud takes, or that are ours. Raises PlanError."""
    for name, value in resources.labels:
        if name.lower().startswith(RESERVED):
            raise PlanError(
                f"{where}.labels.{name}", f"begins with {' or '.join(RESERVED)}, which labels of yours may not"
            )
        if not 0 < len(name) <= _LONGEST_NAME or len(value) > _LONGEST_VALUE:
            raise PlanError(
                f"{where}.labels.{name[:40]}",
                f"is too long: names have 1 to {_LONGEST_NAME} characters, values up to {_LONGEST_VALUE}",
            )


def regions_for(resources: Resources, where: str) -> tuple[str | None, ...]:
    """The regions that may be planned over, None for any: an image is one cloud's, and on AWS one region's.

    Raises:
        PlanError: the image is of no place that is named.
    """
    region, image = resources.infra.region, resources.image
    if image is None:
        return (region,)
    if image.by_region:
        known = tuple(name for name, _ in image.by_region)
        if region is not None and region not in known:
            raise PlanError(f"{where}.image_id", f"names no image for {region}, only for {', '.join(known)}")
        return (region,) if region is not None else known
    if resources.infra.cloud is None:
        raise PlanError(f"{where}.image_id", "is one cloud's; name the cloud with infra")
    if resources.infra.cloud == "aws" and region is None:
        raise PlanError(
            f"{where}.image_id", "is one region's on AWS; name the region with infra, or an image for each region"
        )
    return (region,)


def with_memory(
    request: AcceleratorRequest, facts: Iterable[AcceleratorFacts], where: str
) -> tuple[AcceleratorRequest, ...]:
    """The accelerators of that memory (GiB of one device) and, where one is named, that maker. Raises PlanError when there is none."""
    memory = request.memory
    if memory is None:
        return (request,)
    found = tuple(
        AcceleratorRequest(each.name, request.count)
        for each in facts
        if (not request.name or each.vendor.lower() == request.name.lower())
        and each.memory_gib >= memory.value - _NEAR_GIB
        and (memory.at_least or each.memory_gib <= memory.value + _NEAR_GIB)
    )
    if not found:
        maker = f" by {request.name}" if request.name else ""
        more = " or more" if memory.at_least else ""
        raise PlanError(f"{where}.accelerators", f"no accelerator{maker} with {memory.value:g} GB{more} is known")
    return found

"""Google's N1 machines with attached accelerators: each lawful pairing of a machine and a count becomes an offer of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from tradewind.catalog.offer import Offer
from tradewind.catalog.provenance import Provenance

_FAMILIES = ("n1-standard-", "n1-highmem-", "n1-highcpu-")  # N1's memory-optimized types take no accelerators


class AddOn(msgspec.Struct, frozen=True):
    """Attaching `count` devices in a zone, USD/hour on top of the machine."""

    zone: str
    accelerator: str
    count: float
    memory_gib: float
    price_ondemand_usd_h: float
    price_spot_usd_h: float | None


class Limit(msgspec.Struct, frozen=True):
    """The most vCPUs and GiB that a machine with a given accelerator and count may have (Compute Engine's documentation)."""

    max_vcpus: float
    max_memory_gib: float


def attached_name(instance_type: str, accelerator: str, count: float) -> str:
    """The name of such an offer's type: "n1-standard-8+T4:2". What stands before the plus is the cloud's machine type."""
    return f"{instance_type}+{accelerator}:{count:g}"


def with_attached(
    machines: Iterable[Offer], add_ons: Sequence[AddOn], limits: Mapping[tuple[str, float], Limit], made: Provenance
) -> list[Offer]:
    """An offer for each N1 machine and add-on that share a zone and keep the limits; the price of each market is the sum of both parts'."""
    by_zone: defaultdict[str, list[AddOn]] = defaultdict(list)
    for add_on in add_ons:
        by_zone[add_on.zone].append(add_on)
    found: list[Offer] = []
    for machine in machines:
        if machine.cloud != "gcp" or not machine.instance_type.startswith(_FAMILIES):
            continue
        for add_on in by_zone.get(machine.zone, ()):
            limit = limits.get((add_on.accelerator, add_on.count))
            vcpus, memory = machine.vcpus, machine.memory_gib
            if (
                limit is None
                or vcpus is None
                or memory is None
                or vcpus > limit.max_vcpus
                or memory > limit.max_memory_gib
            ):
                continue
            found.append(
                msgspec.structs.replace(
                    machine,
                    instance_type=attached_name(machine.instance_type, add_on.accelerator, add_on.count),
                    accelerator=add_on.accelerator,
                    accelerator_count=add_on.count,
                    accelerator_memory_gib=add_on.memory_gib,
                    price_ondemand_usd_h=_sum(machine.price_ondemand_usd_h, add_on.price_ondemand_usd_h),
                    price_spot_usd_h=_sum(machine.price_spot_usd_h, add_on.price_spot_usd_h),
                    basis=made.basis,
                    spot_basis=made.spot_basis,
                    date=made.date,
                    spot_date=made.spot_date,
                )
            )
    return found


def _sum(machine: float | None, add_on: float | None) -> float | None:
    return None if machine is None or add_on is None else round(machine + add_on, 6)

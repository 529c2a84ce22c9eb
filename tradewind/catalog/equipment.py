"""What comes with a machine beside its processors and memory: local disks, the speed of its network, and what it is able to do.

One row a type of `machines.csv.gz`, with the source of each (data/facts/SOURCES.md). A type without a row, and a blank, are unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast, get_args

import msgspec

from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.offer import DiskKind, Feature, Offer, features_of
from tradewind.spec.machine import LocalDisk

DISK_KINDS: tuple[DiskKind, ...] = get_args(DiskKind)
FEATURES: tuple[Feature, ...] = get_args(Feature)


class Equipment(msgspec.Struct, frozen=True):
    """A type's equipment, as `Offer` has it."""

    local_disk_gb: float | None
    local_disk_kind: DiskKind
    network_gbps: float | None
    features: tuple[Feature, ...]


def read_equipment(rows: Iterable[Mapping[str, str]]) -> dict[tuple[str, str], Equipment]:
    """By (cloud, instance type). Raises ValueError for a kind or a feature that is none."""
    return {(row["cloud"], row["instance_type"]): _equipment(row) for row in rows}


def _equipment(row: Mapping[str, str]) -> Equipment:
    disk, network, features = row["local_disk_gb"], row["network_gbps"], features_of(row["features"])
    check_equipment(row["local_disk_kind"], features)
    return Equipment(
        float(disk) if disk else None,
        cast("DiskKind", row["local_disk_kind"]),
        float(network) if network else None,
        features,
    )


def check_equipment(kind: str, features: Iterable[str]) -> None:
    """Raises ValueError, with the sentence to show, for a kind of disk or a feature that nobody knows."""
    if kind not in DISK_KINDS:
        raise ValueError(f"local_disk_kind {kind!r} is none of {', '.join(filter(None, DISK_KINDS))}")
    for feature in features:
        if feature not in FEATURES:
            raise ValueError(f"feature {feature!r} is none of {', '.join(FEATURES)}")


def with_local_disk(wanted: OfferFilter, disk: LocalDisk | None) -> OfferFilter:
    """The filter with what is asked of instance storage; an NVMe drive is an SSD too."""
    if disk is None:
        return wanted
    kinds: tuple[DiskKind, ...] = {None: (), "nvme": ("nvme",), "ssd": ("nvme", "ssd")}[disk.kind]
    most = None if disk.at_least else disk.size_gb
    return msgspec.structs.replace(
        wanted, local_disk_kinds=kinds, min_local_disk_gb=disk.size_gb, max_local_disk_gb=most
    )


def equipped(offer: Offer, machines: Mapping[tuple[str, str], Equipment]) -> Offer:
    """The offer with what is known of its type."""
    known = machines.get((offer.cloud, offer.instance_type))
    return offer if known is None else msgspec.structs.replace(offer, **msgspec.structs.asdict(known))

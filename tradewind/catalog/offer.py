"""An offer: one thing the world sells, where, and for how much."""

from __future__ import annotations

from typing import Literal, cast

import msgspec

from tradewind.spec.machine import MachineFeature

Basis = Literal["exact", "list", "derived", "own"]
DiskKind = Literal["", "nvme", "ssd", "hdd"]
Feature = MachineFeature


class Offer(msgspec.Struct, frozen=True):
    """One instance type in one zone (or region: `zone` "") of one cloud.

    Google's N1 machines with attached accelerators are types of their own, "n1-standard-8+T4:2": before the plus the machine type.

    Prices are USD/hour for the whole machine, Linux, no commitment; None means unknown or not sold that way. `memory_gib` and
    `accelerator_memory_gib` (per device) are GiB; None means unknown. `spot_risk_per_h` is expected interruptions/hour, None when no source
    says. `basis` tells how the on-demand price was made, `spot_basis` how the spot price: `exact` was read from the cloud's own price feed for
    this very place and type, `list` from a published table that repeats its list prices, `derived` computed from other figures, `own` is the word of the person who supplied the offer. `date` and
    `spot_date` are the days the figures are from (YYYY-MM-DD, "" unknown; for computed figures the day of the oldest part).

    `local_disk_gb` is the instance storage that comes with the machine at that price, all disks together, in GB as the cloud counts them
    (AWS 10^9 bytes, Google and Azure 2^30); 0 is none, None unknown, and so is a `local_disk_kind` of "". `network_gbps` is Gbit/s that the
    machine can count on: on AWS the baseline, elsewhere the cloud's published most. `features` are what a source says the machine has.
    """

    cloud: str
    region: str
    zone: str
    instance_type: str
    arch: str
    vcpus: float | None
    memory_gib: float | None
    accelerator: str
    accelerator_count: float
    accelerator_memory_gib: float | None
    price_ondemand_usd_h: float | None
    price_spot_usd_h: float | None
    basis: Basis = "list"
    spot_basis: Basis = "list"
    date: str = ""
    restricted: bool = False
    burstable: bool = False
    spot_risk_per_h: float | None = None
    spot_date: str = ""
    local_disk_gb: float | None = None
    local_disk_kind: DiskKind = ""
    network_gbps: float | None = None
    features: tuple[Feature, ...] = ()


def features_of(text: str) -> tuple[Feature, ...]:
    """The features of a table's cell: their names joined by semicolons, in the order of the alphabet."""
    return cast("tuple[Feature, ...]", tuple(text.split(";"))) if text else ()

"""This machine as an offer: what `infra: local` runs on, free of charge."""

from __future__ import annotations

import os
import platform

from tradewind.broker.clouds.local.errors import CLOUD
from tradewind.catalog.offer import Offer

_ARCH = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
THIS_MACHINE = "this-machine"  # as an instance type
_CGROUP_MEMORY = "/sys/fs/cgroup/memory.max"


def this_machine() -> Offer:
    """What this machine has that a job may use: the processors this process may run on, and memory under the cgroup's limit (GiB)."""
    return Offer(
        cloud=CLOUD,
        region=CLOUD,
        zone=CLOUD,
        instance_type=THIS_MACHINE,
        arch=_ARCH.get(platform.machine().lower(), platform.machine()),
        vcpus=float(_processors()),
        memory_gib=round(_memory_bytes() / (1 << 30), 2),
        accelerator="",
        accelerator_count=0,
        accelerator_memory_gib=None,
        price_ondemand_usd_h=0.0,
        price_spot_usd_h=0.0,
        basis="exact",
        spot_basis="exact",
    )


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    real = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open(_CGROUP_MEMORY, encoding="ascii") as file:
            limit = file.read().strip()
    except OSError:
        return real
    return min(real, int(limit)) if limit.isdigit() else real

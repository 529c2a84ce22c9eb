"""Google Cloud's quotas by amount: what an instance uses of each metric, and how many more fit. The reading is a shell of a few lines."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.broker.clouds.gcp import images
from tradewind.broker.clouds.gcp.session import Session
from tradewind.catalog.offer import Offer

# GPU metrics as regions.get names them (compute v1 description, Quota.metric; cloud.google.com/compute/resource-usage#gpu_quota).
GPU_METRICS = {
    "A100": "NVIDIA_A100_GPUS",
    "A100-80GB": "NVIDIA_A100_80GB_GPUS",
    "H100": "NVIDIA_H100_GPUS",
    "L4": "NVIDIA_L4_GPUS",
    "T4": "NVIDIA_T4_GPUS",
    "P4": "NVIDIA_P4_GPUS",
    "P100": "NVIDIA_P100_GPUS",
    "V100": "NVIDIA_V100_GPUS",
    "K80": "NVIDIA_K80_GPUS",
}
# Families whose vCPUs count against the plain CPUS metric; all others have <FAMILY>_CPUS.
_PLAIN_FAMILIES = {"n1", "e2", "f1", "g1"}
PREEMPTIBLE = "PREEMPTIBLE_"


def need(offer: Offer, *, use_spot: bool) -> dict[str, float]:
    """What one instance uses of each metric, in the metric's unit (vCPUs, GPUs, addresses)."""
    if images.is_tpu(offer):
        return {}
    family = images.machine_type(offer).partition("-")[0]
    vcpus = float(offer.vcpus or 0)
    used = {
        "CPUS" if family in _PLAIN_FAMILIES else f"{family.upper()}_CPUS": vcpus,
        "CPUS_ALL_REGIONS": vcpus,
        "IN_USE_ADDRESSES": 1.0,
    }
    if metric := GPU_METRICS.get(offer.accelerator):
        used[metric] = float(offer.accelerator_count)
        if not use_spot:
            used["GPUS_ALL_REGIONS"] = float(offer.accelerator_count)
    return used


def fits(used: Mapping[str, float], free: Mapping[str, float], *, use_spot: bool) -> int | None:
    """How many instances that use so much fit into what is free; None when no metric applies.

    Spot takes the preemptible metric where the project has one above 0, else the plain one
    (cloud.google.com/compute/docs/instances/spot, "Quotas for Spot VMs").
    """
    bounds = []
    for metric, amount in used.items():
        name = metric
        if use_spot and free.get(PREEMPTIBLE + metric, 0) > 0:
            name = PREEMPTIBLE + metric
        elif use_spot and metric.startswith("NVIDIA_") and PREEMPTIBLE + metric in free:
            name = (
                PREEMPTIBLE + metric
            )  # GPUs on spot never fall back to the plain metric once a preemptible one is set
        if name in free and amount > 0:
            bounds.append(max(0, int(free[name] // amount)))
    return min(bounds) if bounds else None


async def headroom(session: Session, offers: Sequence[Offer], *, use_spot: bool) -> list[int | None]:
    """How many instances of each offer still fit, by the region's and the project's quotas. Raises ProviderError."""
    regions = sorted({offer.region for offer in offers})
    if not regions:
        return []
    shared = free(await session.call(lambda: session.read("")))
    found = await asyncio.gather(
        *(session.call(functools.partial(session.read, f"/regions/{region}")) for region in regions)
    )
    by_region = {region: {**shared, **free(seen)} for region, seen in zip(regions, found, strict=True)}
    return [fits(need(offer, use_spot=use_spot), by_region[offer.region], use_spot=use_spot) for offer in offers]


def free(seen: Mapping[str, Any]) -> dict[str, float]:
    """What is left of each metric of a region or project, as Compute Engine describes it."""
    return {quota["metric"]: quota.get("limit", 0.0) - quota.get("usage", 0.0) for quota in seen.get("quotas", ())}

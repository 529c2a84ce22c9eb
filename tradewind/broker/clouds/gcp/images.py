"""What an instance boots from, as data: image by architecture and accelerator, disk by machine family, TPU software by generation. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tradewind.catalog.offer import Offer
from tradewind.spec.machine import DiskTier


class BootDisk(msgspec.Struct, frozen=True):
    """An image family, the least disk it needs (GiB), and the disk type that the machine accepts."""

    project: str
    family: str
    min_gib: int
    disk_type: str

    @property
    def source(self) -> str:
        """The image family's resource path; Compute Engine takes the newest image in it."""
        return f"projects/{self.project}/global/images/family/{self.family}"


DEFAULT_GIB = 50

# Ubuntu LTS: documentation.ubuntu.com/gcp (project ubuntu-os-cloud). 24.04 has Python 3.12.
_UBUNTU = {"x86_64": "ubuntu-2404-lts-amd64", "arm64": "ubuntu-2404-lts-arm64"}
# Ubuntu with NVIDIA's driver: cloud.google.com/compute/docs/images/os-details, "Ubuntu accelerator optimized".
_ACCELERATOR_PROJECT = "ubuntu-os-accelerator-images"
_ACCELERATOR = {
    "x86_64": "ubuntu-accelerator-2404-amd64-with-nvidia-580",
    "arm64": "ubuntu-accelerator-2404-arm64-with-nvidia-580",
}
# The open kernel modules of the image above begin with Turing (NVIDIA/open-gpu-kernel-modules, README, "Compatible GPUs"); older cards take
# the Deep Learning VM image and its proprietary driver (cloud.google.com/deep-learning-vm/docs/images).
_OLDER = {"K80", "P4", "P100", "V100"}
_OLDER_PROJECT, _OLDER_FAMILY = "deeplearning-platform-release", "common-cu128-ubuntu-2404-nvidia-570"

# Families that take no Persistent Disk (cloud.google.com/compute/docs/disks/hyperdisks, "Machine type support").
_HYPERDISK_ONLY = re.compile(r"(c4|c4a|c4d|n4|n4a|n4d|m4|x4|a4|a4x|g4|h4d|z4)-|a3-ultragpu-")

# GPUs that are attached to N1 machines (cloud.google.com/compute/docs/gpus, "NVIDIA ... GPUs", accelerator types).
ATTACHED = {
    "T4": "nvidia-tesla-t4",
    "P4": "nvidia-tesla-p4",
    "V100": "nvidia-tesla-v100",
    "P100": "nvidia-tesla-p100",
    "K80": "nvidia-tesla-k80",
}

# TPU software by generation as in the accelerator type's name (cloud.google.com/tpu/docs/runtimes, "PyTorch and JAX").
TPU_RUNTIMES = {
    "v2": "tpu-ubuntu2204-base",
    "v3": "tpu-ubuntu2204-base",
    "v4": "tpu-ubuntu2204-base",
    "v5litepod": "v2-alpha-tpuv5-lite",
    "v5p": "v2-alpha-tpuv5",
    "v6e": "v2-alpha-tpuv6e",
}
# The largest slice of one host, in the name's unit: cores for v2 to v4 and v5p, chips for v5e and v6e (cloud.google.com/tpu/docs/system-architecture-tpu-vm).
_TPU_SINGLE_HOST = {"v2": 8, "v3": 8, "v4": 8, "v5litepod": 8, "v5p": 8, "v6e": 8}


class TpuNode(msgspec.Struct, frozen=True):
    """A TPU slice on one host: the API's accelerator type, and the software version it boots."""

    accelerator_type: str
    runtime_version: str


def machine_type(offer: Offer) -> str:
    """Compute Engine's name of the offer's machine: what stands before a "+" where GPUs are attached."""
    return offer.instance_type.partition("+")[0]


def attached_gpu(offer: Offer) -> tuple[str, int] | None:
    """The accelerator type and count to attach; None for machines with their GPUs built in, or none."""
    if not machine_type(offer).startswith("n1-") or not offer.accelerator:
        return None
    name = offer.accelerator.partition("-")[0]
    return (ATTACHED[name], int(offer.accelerator_count)) if name in ATTACHED else None


def is_tpu(offer: Offer) -> bool:
    """Whether the offer is a TPU slice."""
    return offer.accelerator.startswith("tpu-") or offer.instance_type.startswith("tpu-")


def tpu_node(offer: Offer) -> TpuNode | str:
    """What to ask Cloud TPU for, or one sentence why this slice cannot be had yet."""
    accelerator_type = offer.instance_type.removeprefix("tpu-")
    generation, _, size = accelerator_type.rpartition("-")
    if generation not in TPU_RUNTIMES or not size.isdigit():
        known = ", ".join(sorted(TPU_RUNTIMES))
        return f"{offer.instance_type} is no TPU slice that Cloud TPU can be asked for; generations known here: {known}"
    if int(size) > _TPU_SINGLE_HOST[generation]:
        limit = _TPU_SINGLE_HOST[generation]
        return f"{offer.instance_type} spans several hosts, and only slices of one host can be launched: {generation}-{limit} is the largest"
    return TpuNode(accelerator_type, TPU_RUNTIMES[generation])


def boot_disk(offer: Offer) -> BootDisk:
    """The image and disk for the offer's machine."""
    disk_type = "hyperdisk-balanced" if _HYPERDISK_ONLY.match(machine_type(offer)) else "pd-balanced"
    arch = offer.arch if offer.arch in _UBUNTU else "x86_64"
    if not offer.accelerator:
        return BootDisk("ubuntu-os-cloud", _UBUNTU[arch], 10, disk_type)
    if offer.accelerator.partition("-")[0] in _OLDER:
        return BootDisk(_OLDER_PROJECT, _OLDER_FAMILY, 50, disk_type)
    return BootDisk(_ACCELERATOR_PROJECT, _ACCELERATOR[arch], 20, disk_type)


# By tier, as SkyPilot's users know them (cloud.google.com/compute/docs/disks, "Choose a disk type"). Hyperdisk is bought by its figures: 3,000 IOPS
# and 140 MiB/s unless more is asked for (.../disks/hyperdisks, "Hyperdisk Balanced").
_PERSISTENT: dict[DiskTier, str] = {"low": "pd-standard", "medium": "pd-balanced", "high": "pd-ssd", "best": "pd-ssd"}
# The families that take the slowest disks (".../disks/persistent-disks", "Machine series support"); others' slowest is balanced.
_WITH_STANDARD = re.compile(r"(e2|n1|n2|n2d|t2d|c2|c2d|m1)-")
_FAST_IOPS, _FAST_MIB_S = 10_000, 600


def disk_type(offer: Offer, disk: BootDisk, tier: DiskTier | None) -> dict[str, Any] | str:
    """The disk's type and bought figures (`disk_type` without its zone), or one sentence why there is none of that tier."""
    if tier is None:
        return {"disk_type": disk.disk_type}
    if tier == "ultra":
        return "Compute Engine boots from no disk of the tier ultra; ask for best"
    if disk.disk_type == "pd-balanced":
        slow = tier == "low" and _WITH_STANDARD.match(machine_type(offer))
        return {"disk_type": _PERSISTENT["medium" if tier == "low" and not slow else tier]}
    fast = {"provisioned_iops": _FAST_IOPS, "provisioned_throughput": _FAST_MIB_S} if tier in {"high", "best"} else {}
    return {"disk_type": disk.disk_type, **fast}


def disk_gib(disk: BootDisk, asked_gib: int) -> int:
    """The boot disk's size: what was asked for, at least what the image needs; GPU machines hold larger libraries."""
    return max(disk.min_gib, asked_gib or (DEFAULT_GIB if disk.project == "ubuntu-os-cloud" else 2 * DEFAULT_GIB))

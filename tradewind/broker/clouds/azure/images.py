"""What a machine boots from, as data: Ubuntu LTS by architecture and generation; images or extensions with drivers by accelerator. Pure."""

from __future__ import annotations

import msgspec

from tradewind.broker.clouds.azure.skus import Sku
from tradewind.catalog.offer import Offer
from tradewind.spec.machine import DiskTier


class Image(msgspec.Struct, frozen=True):
    """A marketplace image without a plan, the least disk it needs (GiB), and the extension that installs drivers on it ("" for none)."""

    publisher: str
    offer: str
    sku: str
    min_gib: int
    driver: str = ""


DEFAULT_GIB = 64
EXTENSION_PUBLISHER, EXTENSION_VERSION = "Microsoft.HpcCompute", "1.9"

# documentation.ubuntu.com/azure, "Find Ubuntu images": Ubuntu 24.04 has Python 3.12.
_UBUNTU_ARM64 = Image("Canonical", "ubuntu-24_04-lts", "server-arm64", 30)
_UBUNTU = Image("Canonical", "ubuntu-24_04-lts", "server", 30)
_UBUNTU_GEN1 = Image("Canonical", "ubuntu-24_04-lts", "server-gen1", 30)
# github.com/Azure/azhpc-images: NVIDIA's data-centre driver, CUDA and NCCL; ROCm for MI300X.
_HPC = Image("microsoft-dsvm", "ubuntu-hpc", "2404", 64)
_HPC_ROCM = Image("microsoft-dsvm", "ubuntu-hpc", "2204-rocm", 64)

OWN = Image("", "", "", 30)  # a person's: what it needs is theirs to know

_HPC_ACCELERATORS = {"T4", "V100", "A100", "H100", "H200", "B200"}
# Shared GPUs need the vendor's virtual-GPU driver, which Azure licenses through its extension
# (learn.microsoft.com/azure/virtual-machines/extensions/hpccompute-gpu-linux, -amd-gpu-linux).
_BY_EXTENSION = {"A10": "NvidiaGpuDriverLinux", "M60": "NvidiaGpuDriverLinux", "V710": "AmdGpuDriverLinux"}
_NONE_FOR = {
    "MI25": "Azure supports its MI25 sizes with Windows only",
    "GB200": "no public image for GB200 sizes is known to tradewind",
    "RTX-PRO-6000": "no public image with drivers for it is known to tradewind",
}
_CONFIDENTIAL = "Standard_NCC"


def image(offer: Offer, sku: Sku) -> Image | str:
    """The image for the offer's machine, or one sentence why there is none."""
    if offer.instance_type.startswith(_CONFIDENTIAL):
        return f"{offer.instance_type} is a confidential machine, which tradewind does not launch"
    if sku.arm64:
        return (
            _UBUNTU_ARM64
            if not offer.accelerator
            else f"no image with drivers is known for {offer.accelerator} on arm64"
        )
    plain = _UBUNTU if sku.gen2 else _UBUNTU_GEN1
    if not offer.accelerator:
        return plain
    name = offer.accelerator.partition("-")[0]
    if name == "MI300X":
        return _HPC_ROCM
    if name in _HPC_ACCELERATORS:
        return _HPC if sku.gen2 else f"{offer.instance_type} cannot boot the generation 2 image with drivers"
    if name in _BY_EXTENSION:
        return msgspec.structs.replace(plain, driver=_BY_EXTENSION[name])
    return _NONE_FOR.get(offer.accelerator, f"no image with drivers for {offer.accelerator} is known to tradewind")


# By tier, as SkyPilot's users know them. Ultra and Premium v2 disks cannot be booted from (learn.microsoft.com/azure/virtual-machines/disks-types).
DISKS: dict[DiskTier, str] = {
    "low": "Standard_LRS",
    "medium": "StandardSSD_LRS",
    "high": "Premium_LRS",
    "best": "Premium_LRS",
}


def disk_type(sku: Sku, tier: DiskTier | None) -> str | None:
    """The storage of the boot disk; None when the size has no disk of that tier. The best of a size without premium disks is a standard SSD."""
    kind = DISKS.get(tier or "medium")
    if kind == "Premium_LRS" and not sku.premium:
        return DISKS["medium"] if tier == "best" else None
    return kind


def own_reference(name: str) -> dict[str, str] | None:
    """What Azure boots of the image that a person names: publisher:offer:sku:version, or a resource's id; None for neither."""
    if name.startswith("/"):
        return {"communityGalleryImageId" if name.startswith("/CommunityGalleries/") else "id": name}
    parts = name.split(":")
    if len(parts) != 4 or not all(parts):
        return None
    return dict(zip(("publisher", "offer", "sku", "version"), parts, strict=True))


def disk_gib(image: Image, asked_gib: int) -> int:
    """The boot disk's size: what was asked for, at least what the image needs; GPU machines hold larger libraries."""
    usual = DEFAULT_GIB if image.publisher == "Canonical" and not image.driver else 2 * DEFAULT_GIB
    return max(image.min_gib, asked_gib or usual)

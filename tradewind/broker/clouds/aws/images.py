"""Which image an instance boots, as data: AWS's and Canonical's public SSM parameters always name the newest build in the region.

Ubuntu 24.04 LTS carries Python 3.12. Where accelerators are asked for, AWS's Deep Learning Base image of the same Ubuntu carries NVIDIA's open
drivers, and the Neuron one those of Inferentia and Trainium; both are free of charge.
Sources: documentation.ubuntu.com/aws (finding images with SSM); docs.aws.amazon.com/dlami (release notes, "query the AMI-ID with the SSM parameter",
and their lists of supported instances); awsdocs-neuron.readthedocs-hosted.com (Neuron DLAMI, SSM parameters).
"""

from __future__ import annotations

from typing import Any

import msgspec

from tradewind.broker.clouds.aws.errors import refusal
from tradewind.broker.clouds.aws.session import AwsSession
from tradewind.broker.provider import ProviderError
from tradewind.catalog.offer import Offer

_UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/{arch}/hvm/ebs-gp3/ami-id"
_NVIDIA = "/aws/service/deeplearning/ami/{arch}/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
_NEURON = "/aws/service/neuron/dlami/base/ubuntu-24.04/latest/image_id"
_UBUNTU_ARCH = {"x86_64": "amd64", "arm64": "arm64"}
_NEURON_FAMILIES = ("inf", "trn")
# NVIDIA's open kernel modules need Turing or newer (K80, M60 and V100 are not), and AWS publishes no image of a supported Ubuntu with the
# closed ones; the Neuron images leave out Inf1 since 2.26.1 (Neuron DLAMI user guide); AMD's, Habana's and Xilinx' devices have no image in
# these series at all.
_NO_DRIVER_IMAGE = ("p2.", "p3.", "p3dn.", "g3.", "g3s.", "g4ad.", "dl1.", "dl2q.", "f1.", "f2.", "vt1.", "inf1.")
MIN_DISK_GIB, GPU_DISK_GIB = (
    40,
    150,
)  # a Python environment with a framework takes 10 GiB; the driver images alone take 60 to 75


class Image(msgspec.Struct, frozen=True):
    """An image in one region: its id, the name of its root device, and the size (GiB) below which it does not fit."""

    image_id: str
    root_device: str
    min_disk_gib: int


def image_parameter(offer: Offer) -> str:
    """The SSM parameter that names the offer's image.

    Raises:
        ProviderError: no image is known for the architecture, or none with drivers for the accelerator.
    """
    if offer.arch not in _UBUNTU_ARCH:
        raise refusal(
            "InvalidAMIID.NotFound", f"no image is known for {offer.arch} machines such as {offer.instance_type}"
        )
    if not offer.accelerator or offer.accelerator_count <= 0:
        return _UBUNTU.format(arch=_UBUNTU_ARCH[offer.arch])
    if offer.instance_type.startswith(_NO_DRIVER_IMAGE):
        raise refusal(
            "NoDriverImage",
            f"AWS publishes no current Ubuntu image with drivers for {offer.accelerator} ({offer.instance_type})",
        )
    if offer.instance_type.startswith(_NEURON_FAMILIES):
        return _NEURON
    return _NVIDIA.format(arch=offer.arch)


def disk_gib(offer: Offer, asked_gib: int, image: Image) -> int:
    """The root disk's size in GiB: what was asked for, but never less than the image needs."""
    usual = GPU_DISK_GIB if offer.accelerator else MIN_DISK_GIB
    return max(asked_gib or usual, image.min_disk_gib)


async def find_image(session: AwsSession, offer: Offer) -> Image:
    """The offer's image in its region. Raises ProviderError."""
    answer = await session.call(offer.region, "ssm", "get_parameter", Name=image_parameter(offer))
    return await describe_image(session, offer.region, answer["Parameter"]["Value"])


async def find_own_image(session: AwsSession, region: str, image_id: str) -> Image:
    """The image that the person names. Raises ProviderError: what is wrong with it says nothing about the place."""
    try:
        return await describe_image(session, region, image_id)
    except ProviderError as error:
        if not error.code.startswith("InvalidAMI"):
            raise
        raise refusal("NotAsAsked", f"image_id {image_id} cannot be booted in {region}: {error.message}") from error


async def describe_image(session: AwsSession, region: str, image_id: str) -> Image:
    """The image as the region knows it. Raises ProviderError."""
    found: list[dict[str, Any]] = (await session.call(region, "ec2", "describe_images", ImageIds=[image_id]))["Images"]
    if not found:
        raise refusal("InvalidAMIID.NotFound", f"the image {image_id} is not to be had in {region}")
    root = found[0].get("RootDeviceName") or "/dev/sda1"
    sizes = [
        mapping["Ebs"].get("VolumeSize", 0)
        for mapping in found[0].get("BlockDeviceMappings", [])
        if mapping.get("DeviceName") == root and "Ebs" in mapping
    ]
    return Image(image_id=image_id, root_device=root, min_disk_gib=max(sizes, default=0))

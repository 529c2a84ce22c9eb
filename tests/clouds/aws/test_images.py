"""Which image a purchase boots, as EC2 is asked for it: the newest of the right series, for the right processor, with drivers where there are devices."""

from __future__ import annotations

import pytest

from clouds.conformance import refused, run
from clouds.fakes.aws import rules
from clouds.fakes.aws.world import AwsWorld, offer
from tradewind.broker.clouds.aws.images import GPU_DISK_GIB, MIN_DISK_GIB

UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current"
LEARNING = "/aws/service/deeplearning/ami"


@pytest.mark.parametrize(
    ("instance_type", "more", "parameter", "arch", "disk_gib"),
    [
        ("c5.large", {}, f"{UBUNTU}/amd64/hvm/ebs-gp3/ami-id", "x86_64", MIN_DISK_GIB),
        ("m7g.large", {"arch": "arm64"}, f"{UBUNTU}/arm64/hvm/ebs-gp3/ami-id", "arm64", MIN_DISK_GIB),
        (
            "g5.xlarge",
            {"accelerator": "A10G", "accelerator_count": 1.0},
            f"{LEARNING}/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
            "x86_64",
            GPU_DISK_GIB,
        ),
        (
            "g5g.xlarge",
            {"arch": "arm64", "accelerator": "T4G", "accelerator_count": 1.0},
            f"{LEARNING}/arm64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
            "arm64",
            GPU_DISK_GIB,
        ),
        (
            "inf2.xlarge",
            {"accelerator": "Inferentia2", "accelerator_count": 1.0},
            "/aws/service/neuron/dlami/base/ubuntu-24.04/latest/image_id",
            "x86_64",
            GPU_DISK_GIB,
        ),
    ],
)
def test_the_image_that_is_booted(
    world: AwsWorld, instance_type: str, more: dict[str, object], parameter: str, arch: str, disk_gib: int
) -> None:
    async def scenario() -> None:
        provider = world.provider()
        bought = world.request(offer=offer(instance_type=instance_type, **more))
        made = await provider.launch(bought, "token-1")
        (sent,) = world.account.launches
        assert {name: image for (_, name), image in world.account.images.items()} == {parameter: sent["ImageId"]}
        (image,) = rules.backend("us-east-1").describe_images(ami_ids=[sent["ImageId"]])
        assert image.architecture == arch
        assert int(sent["BlockDeviceMapping.1.Ebs.VolumeSize"]) == disk_gib
        await provider.terminate(made.provider_id)

    run(scenario())


@pytest.mark.parametrize(
    ("instance_type", "accelerator"),
    [("p3.2xlarge", "V100"), ("p2.xlarge", "K80"), ("g3s.xlarge", "M60"), ("inf1.xlarge", "Inferentia")],
)
def test_devices_without_an_image_are_refused_before_anything_is_made(
    world: AwsWorld, instance_type: str, accelerator: str
) -> None:
    async def scenario() -> None:
        provider = world.provider()
        wanted = offer(instance_type=instance_type, accelerator=accelerator, accelerator_count=1.0)
        refusal = await refused(provider.launch(world.request(offer=wanted), "token-1"))
        assert refusal.code == "NoDriverImage"
        assert accelerator in refusal.message
        assert provider.classify(refusal).kind == "image"
        assert world.held() == []

    run(scenario())

from __future__ import annotations

import pytest

from clouds.gcp.world import offer
from tradewind.broker.clouds.gcp import images
from tradewind.broker.clouds.gcp.images import BootDisk, TpuNode


@pytest.mark.parametrize(
    ("instance_type", "accelerator", "arch", "family", "disk_type"),
    [
        ("n2-standard-8", "", "x86_64", "ubuntu-2404-lts-amd64", "pd-balanced"),
        ("c4a-standard-4", "", "arm64", "ubuntu-2404-lts-arm64", "hyperdisk-balanced"),
        ("c4-standard-8", "", "x86_64", "ubuntu-2404-lts-amd64", "hyperdisk-balanced"),
        ("a2-ultragpu-1g", "A100-80GB", "x86_64", "ubuntu-accelerator-2404-amd64-with-nvidia-580", "pd-balanced"),
        ("a3-ultragpu-8g", "H200", "x86_64", "ubuntu-accelerator-2404-amd64-with-nvidia-580", "hyperdisk-balanced"),
        ("n1-standard-8", "V100", "x86_64", "common-cu128-ubuntu-2404-nvidia-570", "pd-balanced"),
        ("n1-standard-8+T4:2", "T4", "x86_64", "ubuntu-accelerator-2404-amd64-with-nvidia-580", "pd-balanced"),
    ],
)
def test_boot_disk(instance_type, accelerator, arch, family, disk_type) -> None:
    disk = images.boot_disk(
        offer(instance_type, accelerator=accelerator, arch=arch, accelerator_count=float(bool(accelerator)))
    )
    assert (disk.family, disk.disk_type) == (family, disk_type)


def test_disk_size() -> None:
    disk = BootDisk("ubuntu-os-cloud", "f", 10, "pd-balanced")
    assert [images.disk_gib(disk, asked) for asked in (0, 5, 200)] == [50, 10, 200]


def test_gpus_are_attached_to_n1_only() -> None:
    assert images.attached_gpu(offer("n1-standard-8", accelerator="V100", accelerator_count=2.0)) == (
        "nvidia-tesla-v100",
        2,
    )
    assert images.attached_gpu(offer("a2-highgpu-1g", accelerator="A100", accelerator_count=1.0)) is None
    assert images.attached_gpu(offer("n1-standard-8")) is None
    assert images.machine_type(offer("n1-standard-8+T4:2")) == "n1-standard-8"


@pytest.mark.parametrize(
    ("instance_type", "expected"),
    [
        ("tpu-v2-8", TpuNode("v2-8", "tpu-ubuntu2204-base")),
        ("tpu-v3-8", TpuNode("v3-8", "tpu-ubuntu2204-base")),
        ("tpu-v4-8", TpuNode("v4-8", "tpu-ubuntu2204-base")),
        ("tpu-v5litepod-1", TpuNode("v5litepod-1", "v2-alpha-tpuv5-lite")),
        ("tpu-v5litepod-8", TpuNode("v5litepod-8", "v2-alpha-tpuv5-lite")),
        ("tpu-v5p-8", TpuNode("v5p-8", "v2-alpha-tpuv5")),
        ("tpu-v6e-4", TpuNode("v6e-4", "v2-alpha-tpuv6e")),
    ],
)
def test_single_host_slices(instance_type, expected) -> None:
    assert images.tpu_node(offer(instance_type, accelerator="tpu")) == expected


@pytest.mark.parametrize(
    "instance_type", ["tpu-v2-16", "tpu-v4-16", "tpu-v5litepod-16", "tpu-v6e-16", "tpu-v9-8", "tpu-v7x"]
)
def test_other_slices_are_refused_in_a_sentence(instance_type) -> None:
    why = images.tpu_node(offer(instance_type, accelerator="tpu"))
    assert isinstance(why, str)
    assert instance_type in why

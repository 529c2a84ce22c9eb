from __future__ import annotations

import pytest

from clouds.azure.world import offer
from tradewind.broker.clouds.azure import images
from tradewind.broker.clouds.azure.skus import Sku


def sku(**changes) -> Sku:
    return Sku("Standard_X", "family", **changes)


@pytest.mark.parametrize(
    ("accelerator", "able", "publisher", "image_sku", "driver"),
    [
        ("", {}, "Canonical", "server", ""),
        ("", {"gen2": False}, "Canonical", "server-gen1", ""),
        ("", {"arm64": True}, "Canonical", "server-arm64", ""),
        ("A100-80GB", {}, "microsoft-dsvm", "2404", ""),
        ("H200", {}, "microsoft-dsvm", "2404", ""),
        ("MI300X", {}, "microsoft-dsvm", "2204-rocm", ""),
        ("A10", {}, "Canonical", "server", "NvidiaGpuDriverLinux"),
        ("V710", {}, "Canonical", "server", "AmdGpuDriverLinux"),
    ],
)
def test_image(accelerator, able, publisher, image_sku, driver) -> None:
    image = images.image(offer(accelerator=accelerator), sku(**able))
    assert not isinstance(image, str), image
    assert (image.publisher, image.sku, image.driver) == (publisher, image_sku, driver)


@pytest.mark.parametrize(
    ("instance_type", "accelerator", "able"),
    [
        ("Standard_NV32as_v4", "MI25", {}),
        ("Standard_ND128isr_NDR_GB200_v6", "GB200", {"arm64": True}),
        ("Standard_NCC40ads_H100_v5", "H100", {}),
        ("Standard_NC6s_v3", "V100", {"gen2": False}),
        ("Standard_X", "NewThing", {}),
    ],
)
def test_where_there_is_none_one_sentence_says_so(instance_type, accelerator, able) -> None:
    why = images.image(offer(instance_type, accelerator=accelerator), sku(**able))
    assert isinstance(why, str)


def test_disk_size() -> None:
    plain, hpc = images.image(offer(), sku()), images.image(offer(accelerator="A100"), sku())
    assert [images.disk_gib(plain, asked) for asked in (0, 5, 200)] == [64, 30, 200]
    assert images.disk_gib(hpc, 0) == 128

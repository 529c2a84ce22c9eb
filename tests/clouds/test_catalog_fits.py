"""Every offer that the shipped catalog lists for a cloud is one that its provider can ask for, or refuses in a sentence before any call."""

from __future__ import annotations

import pytest

from tradewind.broker.clouds.azure import images as azure_images
from tradewind.broker.clouds.azure.skus import Sku
from tradewind.broker.clouds.gcp import images as gcp_images
from tradewind.broker.clouds.gcp import quota as gcp_quota
from tradewind.catalog import open_catalog
from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.offer import Offer


@pytest.fixture(scope="module")
def offers() -> dict[str, dict[str, Offer]]:
    """One offer of every type, by cloud and type."""
    found: dict[str, dict[str, Offer]] = {"gcp": {}, "azure": {}}
    with open_catalog() as catalog:
        for cloud, types in found.items():
            for row in catalog.offers(OfferFilter(clouds=(cloud,), restricted=True, burstable=True), limit=None):
                types.setdefault(row.instance_type, row)
    return found


def test_google(offers) -> None:
    attached = {"T4", "P4", "V100", "P100"}
    slices = 0
    for name, offer in offers["gcp"].items():
        if gcp_images.is_tpu(offer):
            node = gcp_images.tpu_node(offer)
            slices += not isinstance(node, str)
            continue
        disk = gcp_images.boot_disk(offer)
        assert ("nvidia" in disk.family) == bool(offer.accelerator), name
        assert ("arm64" in disk.family) == (offer.arch == "arm64"), name
        gpu = gcp_images.attached_gpu(offer)
        assert (gpu is not None) == (offer.accelerator in attached), name
        if gpu is not None:
            assert gpu[1] == offer.accelerator_count
            assert "+" not in gcp_images.machine_type(offer)
        assert all(amount >= 0 for amount in gcp_quota.need(offer, use_spot=True).values())
    assert slices >= 10


def test_azure(offers) -> None:
    refused: set[str] = set()
    for name, offer in offers["azure"].items():
        image = azure_images.image(offer, Sku(name, "family", arm64=offer.arch == "arm64"))
        if isinstance(image, str):
            refused.add(offer.accelerator)
        else:
            assert ("arm64" in image.sku) == (offer.arch == "arm64"), name
    assert refused == {"MI25", "GB200", "H100"}, "of the H100 sizes only the confidential ones"

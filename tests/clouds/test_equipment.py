"""Disk, image and labels of a task as each cloud is asked for them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clouds.launching import a_request, an_offer
from tradewind.broker.clouds.aws.images import Image as AwsImage
from tradewind.broker.clouds.aws.network import open_rules
from tradewind.broker.clouds.aws.purchase import run_instances
from tradewind.broker.clouds.azure import images as azure_images
from tradewind.broker.clouds.azure import machine as azure_machine
from tradewind.broker.clouds.azure.skus import Sku
from tradewind.broker.clouds.gcp import machine as gcp_machine
from tradewind.broker.clouds.gcp.session import Settings
from tradewind.broker.provider import LaunchRequest, ProviderError

LABELS = {"team": "weather", "tradewind-owner": "somebody else"}


def request(cloud: str, instance_type: str, **fields: Any) -> LaunchRequest:
    return a_request(
        an_offer(cloud, "r1", "r1-a", instance_type), "i-1", cluster="c1", rank=0, use_spot=False, max_hourly_usd=1.0,
        ssh_public_key="ssh-ed25519 AAAA me", **fields,
    )  # fmt: skip


def aws(**fields: Any) -> dict[str, Any]:
    return run_instances(
        request("aws", "m5.large", **fields), "t", image=AwsImage("ami-9", "/dev/xvda", 8), group="sg", subnet=None
    )


def gcp(instance_type: str = "n2-standard-2", **fields: Any) -> dict[str, Any]:
    return gcp_machine.instance_resource(
        request("gcp", instance_type, **fields), "t", "tw-x", "r1-a", Settings(project="p"), 0.0
    )


def azure(*, premium: bool = True, **fields: Any) -> dict[str, Any]:
    sku = Sku("Standard_D2s_v5", "f", premium=premium)
    image = azure_images.Image("Canonical", "ubuntu", "server", 30)
    return azure_machine.resource(
        request("azure", "Standard_D2s_v5", **fields), "t", "m", "/g", image, sku, zone="", identity=False
    )


def test_amazon() -> None:
    ebs = aws(disk_gib=300, disk_tier="high")["BlockDeviceMappings"][0]["Ebs"]
    assert ebs == {"VolumeSize": 300, "VolumeType": "gp3", "Iops": 7000, "Throughput": 437, "DeleteOnTermination": True}
    assert aws()["BlockDeviceMappings"][0]["Ebs"]["VolumeType"] == "gp3"
    assert aws(disk_tier="ultra")["BlockDeviceMappings"][0]["Ebs"]["VolumeType"] == "io2"
    for kind in aws(labels=LABELS)["TagSpecifications"]:
        tags = {tag["Key"]: tag["Value"] for tag in kind["Tags"]}
        assert (tags["team"], tags["tradewind-owner"]) == (
            "weather",
            "owner-1" if tags["tradewind-owner"] == "owner-1" else tags["tradewind-owner"],
        )
        assert tags["tradewind-owner"] != "somebody else"


def test_amazons_best_network_is_one_interface_with_an_address() -> None:
    (interface,) = aws(network_tier="best")["NetworkInterfaces"]
    assert (interface["InterfaceType"], interface["AssociatePublicIpAddress"]) == ("efa", True)
    assert "SecurityGroupIds" not in aws(network_tier="best")
    assert "NetworkInterfaces" not in aws(network_tier="standard")


def test_a_run_of_ports_is_one_rule() -> None:
    assert [(rule["FromPort"], rule["ToPort"]) for rule in open_rules([8001, 80, 8000, 8002])] == [
        (80, 80),
        (8000, 8002),
    ]


def test_google() -> None:
    disk = gcp(disk_gib=300, disk_tier="high", image="projects/x/global/images/y")["disks"][0]["initialize_params"]
    assert disk["disk_type"].endswith("diskTypes/pd-ssd")
    assert (disk["disk_size_gb"], disk["source_image"]) == (300, "projects/x/global/images/y")
    fast = gcp("c4-standard-2", disk_tier="best")["disks"][0]["initialize_params"]
    assert (fast["disk_type"].rpartition("/")[2], fast["provisioned_iops"]) == ("hyperdisk-balanced", 10_000)
    labels = gcp(labels=LABELS)["labels"]
    assert labels["team"] == "weather"
    assert labels["tradewind-owner"] != "somebody-else"
    with pytest.raises(ProviderError, match="ultra"):
        gcp(disk_tier="ultra")


def test_azure() -> None:
    storage = azure(disk_gib=300, disk_tier="high", image="Canonical:ubuntu-24_04-lts:server:latest")["properties"][
        "storageProfile"
    ]
    assert storage["osDisk"]["diskSizeGB"] == 300
    assert storage["osDisk"]["managedDisk"] == {"storageAccountType": "Premium_LRS"}
    assert storage["imageReference"] == {
        "publisher": "Canonical",
        "offer": "ubuntu-24_04-lts",
        "sku": "server",
        "version": "latest",
    }
    own = azure(image="/subscriptions/s/x")["properties"]["storageProfile"]["imageReference"]
    assert own == {"id": "/subscriptions/s/x"}
    assert azure(labels=LABELS)["tags"]["team"] == "weather"
    assert azure(labels=LABELS)["tags"]["tradewind-owner"] != "somebody else"
    assert (
        azure(premium=False, disk_tier="best")["properties"]["storageProfile"]["osDisk"]["managedDisk"][
            "storageAccountType"
        ]
        == "StandardSSD_LRS"
    )
    for wrong in ({"disk_tier": "high", "premium": False}, {"disk_tier": "ultra"}, {"image": "ami-1"}):
        with pytest.raises(ProviderError) as caught:
            azure(**wrong)
        assert caught.value.code == "NOT_AS_ASKED"

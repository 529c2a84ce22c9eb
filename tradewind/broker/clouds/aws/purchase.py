"""The one call that buys: a LaunchRequest as the arguments of RunInstances. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

from tradewind.broker.clouds.aws.images import Image, disk_gib
from tradewind.broker.clouds.aws.network import tag_list
from tradewind.broker.provider import LaunchRequest
from tradewind.spec.machine import DiskTier

TOKEN_LIMIT = 64  # characters of a ClientToken (EC2 API reference, RunInstances)
# By tier, as SkyPilot's users know them (docs.aws.amazon.com/ebs, "Amazon EBS volume types": gp3 has 3,000 IOPS and 125 MiB/s unless more is
# bought, io2 at most 500 IOPS a GiB, which the smallest disk here allows). "best" is the fastest.
_IO2: dict[str, Any] = {"VolumeType": "io2", "Iops": 20_000}
VOLUMES: dict[DiskTier, dict[str, Any]] = {
    "low": {"VolumeType": "standard"},
    "medium": {"VolumeType": "gp3"},
    "high": {"VolumeType": "gp3", "Iops": 7_000, "Throughput": 437},
    "ultra": _IO2,
    "best": _IO2,
}
TAGGED = ("instance", "volume", "network-interface")


def client_token(token: str) -> str:
    """The token as EC2 takes it: at most 64 characters."""
    return token if 0 < len(token) <= TOKEN_LIMIT else hashlib.sha256(token.encode()).hexdigest()


def run_instances(
    request: LaunchRequest, token: str, *, image: Image, group: str, subnet: str | None
) -> dict[str, Any]:
    """The arguments of RunInstances.

    An instance that shuts itself down is gone for good (that is how a lease ends it), as are its disk and its interface. Metadata answers
    IMDSv2 only, at two hops so that containers reach it. Without a subnet AWS picks the zone within the default VPC.
    """
    arguments: dict[str, Any] = {
        "ClientToken": client_token(token),
        "MinCount": 1,
        "MaxCount": 1,
        "ImageId": image.image_id,
        "InstanceType": request.offer.instance_type,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled", "HttpPutResponseHopLimit": 2},
        "BlockDeviceMappings": [
            {
                "DeviceName": image.root_device,
                "Ebs": {
                    "VolumeSize": disk_gib(request.offer, request.disk_gib, image),
                    **VOLUMES[request.disk_tier or "medium"],
                    "DeleteOnTermination": True,
                },
            }
        ],
        "TagSpecifications": [{"ResourceType": kind, "Tags": tag_list(_named(request))} for kind in TAGGED],
    }
    # One interface: AWS gives a public address to no instance that is bought with more, however many network cards it has.
    efa = {"InterfaceType": "efa"} if request.network_tier == "best" else {}
    if subnet is None and not efa:
        arguments["SecurityGroupIds"] = [group]
    else:
        arguments["NetworkInterfaces"] = [
            {
                "DeviceIndex": 0,
                **({} if subnet is None else {"SubnetId": subnet}),
                **efa,
                "Groups": [group],
                "AssociatePublicIpAddress": True,
                "DeleteOnTermination": True,
            }
        ]
    if request.user_data:
        arguments["UserData"] = request.user_data
    if request.use_spot:
        arguments["TagSpecifications"].append(
            {"ResourceType": "spot-instances-request", "Tags": tag_list(_named(request))}
        )
        arguments["InstanceMarketOptions"] = {
            "MarketType": "spot",
            "SpotOptions": {
                "SpotInstanceType": "one-time",
                "InstanceInterruptionBehavior": "terminate",
                "MaxPrice": f"{request.max_hourly_usd:.6f}",
            },
        }
    return arguments


def _named(request: LaunchRequest) -> dict[str, str]:
    return {"Name": f"tradewind {request.cluster} {request.rank}", **request.labels, **request.tags}

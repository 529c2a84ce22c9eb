"""Where instances stand: a VPC's subnets by zone, and one security group for each cluster.

The group lets SSH in from the given networks, every TCP port from the group itself (the nodes of the cluster), and nothing else. It is made
with the cluster's tags, found again by its name, and removed with the cluster's last instance.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tradewind.broker.clouds.aws.errors import refusal
from tradewind.broker.clouds.aws.session import AwsSession
from tradewind.broker.provider import LaunchRequest, ProviderError

SSH_PORT = 22
LIVE_STATES = ["pending", "running", "stopping", "stopped"]


class Network(msgspec.Struct, frozen=True):
    """A VPC of one region: its id, and each zone's subnet, by the zone's id ("use1-az1") and by its name ("us-east-1a")."""

    region: str
    vpc_id: str
    subnets: Mapping[str, str]
    zone_ids: tuple[str, ...]

    def subnet(self, zone: str) -> str:
        """The subnet in that zone (id or name). Raises ProviderError."""
        if zone not in self.subnets:
            raise refusal("NoSubnet", f"the VPC {self.vpc_id} in {self.region} has no subnet in {zone}")
        return self.subnets[zone]


async def find_network(session: AwsSession, region: str, vpc_id: str | None = None) -> Network:
    """The named VPC, else the region's default one, with one subnet a zone. Raises ProviderError."""
    if vpc_id is None:
        vpcs = await session.pages(region, "ec2", "describe_vpcs", "Vpcs", Filters=_filters({"is-default": "true"}))
        if not vpcs:
            raise refusal("NoDefaultVpc", f"this account has no default VPC in {region}")
        vpc_id = str(vpcs[0]["VpcId"])
    subnets = await session.pages(region, "ec2", "describe_subnets", "Subnets", Filters=_filters({"vpc-id": vpc_id}))
    # Default subnets first, then those that hand out public addresses: an instance without a way in cannot be set up.
    subnets.sort(key=lambda s: (not s.get("DefaultForAz"), not s.get("MapPublicIpOnLaunch"), s["SubnetId"]))
    by_zone: dict[str, str] = {}
    for subnet in subnets:
        for zone in (subnet.get("AvailabilityZoneId"), subnet["AvailabilityZone"]):
            if zone:
                by_zone.setdefault(zone, subnet["SubnetId"])
    ids = tuple(sorted({s.get("AvailabilityZoneId") or s["AvailabilityZone"] for s in subnets}))
    return Network(region=region, vpc_id=vpc_id, subnets=by_zone, zone_ids=ids)


def group_name(tags: Mapping[str, str], cluster: str) -> str:
    """The cluster's group in any VPC: two owners' clusters of one name have two groups."""
    whose = hashlib.sha256(repr(sorted(tags.items())).encode()).hexdigest()[:10]
    return f"tradewind-{cluster}"[:200] + f"-{whose}"


def cluster_tags(request: LaunchRequest) -> dict[str, str]:
    """The request's tags but for those that name its instance."""
    return {key: value for key, value in request.tags.items() if value != request.instance_id}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the API's form."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """The tags of anything the API lists; interfaces have theirs under a name of its own."""
    return {tag["Key"]: tag["Value"] for tag in entry.get("Tags") or entry.get("TagSet") or ()}


async def ensure_group(session: AwsSession, network: Network, request: LaunchRequest) -> str:
    """The id of the cluster's group, with its rules in place. Raises ProviderError."""
    tags = cluster_tags(request)
    name = group_name(tags, request.cluster)
    group = await _find_group(session, network, name)
    if group is None:
        try:
            made = await session.call(
                network.region,
                "ec2",
                "create_security_group",
                GroupName=name,
                Description="one tradewind cluster: SSH, and everything among its own nodes",
                VpcId=network.vpc_id,
                TagSpecifications=[{"ResourceType": "security-group", "Tags": tag_list(tags)}],
            )
            group = str(made["GroupId"])
        except ProviderError as error:
            if error.code != "InvalidGroup.Duplicate":
                raise
            group = await _find_group(session, network, name)
            if group is None:  # made a moment ago by another call, and not listed yet
                raise refusal(
                    "InvalidGroup.NotFound", f"the security group {name} is not listed in {network.region} yet"
                ) from error
    inside: dict[str, Any] = {
        "IpProtocol": "tcp",
        "FromPort": 0,
        "ToPort": 65535,
        "UserIdGroupPairs": [{"GroupId": group}],
    }
    if request.network_tier == "best":
        # An EFA works only in a group that lets everything in from itself and out to itself; "out to anywhere" is not enough
        # (docs.aws.amazon.com/AWSEC2/latest/UserGuide/efa-start.html, "Prepare an EFA-enabled security group").
        inside = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
        await allow(session, network.region, group, [inside], outwards=True)
    await allow(session, network.region, group, [inside, *(_tcp(SSH_PORT, cidr) for cidr in request.ssh_cidrs)])
    return group


async def allow(
    session: AwsSession, region: str, group: str, rules: Sequence[Mapping[str, Any]], *, outwards: bool = False
) -> None:
    """Each of these rules is in the group, for what comes in or goes out. Raises ProviderError."""
    call = f"authorize_security_group_{'egress' if outwards else 'ingress'}"
    pending = [list(rules)]
    while pending:
        batch = pending.pop()
        try:
            await session.call(region, "ec2", call, GroupId=group, IpPermissions=batch)
        except ProviderError as error:
            if error.code != "InvalidPermission.Duplicate":
                raise
            if len(batch) > 1:  # one of them was there already, and so none was added: each for itself
                pending += [[rule] for rule in batch]


def open_rules(ports: Sequence[int]) -> list[dict[str, Any]]:
    """Rules that let the world reach these TCP ports: one for each run of them, since a group holds 60 rules unless its quota was raised."""
    runs: list[tuple[int, int]] = []
    for port in sorted(set(ports)):
        if runs and runs[-1][1] == port - 1:
            runs[-1] = (runs[-1][0], port)
        else:
            runs.append((port, port))
    return [{**_tcp(first, "0.0.0.0/0"), "ToPort": last} for first, last in runs]


async def remove_group(
    session: AwsSession, region: str, group: str, *, pause_s: float, deadline_s: float = 120
) -> bool:
    """Whether the group is gone: not when an instance that is not being terminated still uses it. Raises ProviderError.

    A group stays "in use" for some seconds after its last instance was terminated; until then its deletion is tried again. EC2 deletes none that
    an instance uses, so that it need be asked who does only once it has refused.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_s
    while True:
        try:
            await session.call(region, "ec2", "delete_security_group", GroupId=group)
        except ProviderError as error:
            if error.code == "InvalidGroup.NotFound":
                return True
            if error.code != "DependencyViolation":
                raise
            if await _in_use(session, region, group):
                return False
            if loop.time() > deadline:
                raise
            await asyncio.sleep(pause_s)
        else:
            return True


async def _in_use(session: AwsSession, region: str, group: str) -> bool:
    filters = _filters({"instance.group-id": group, "instance-state-name": LIVE_STATES})
    return bool(await session.pages(region, "ec2", "describe_instances", "Reservations", Filters=filters))


async def _find_group(session: AwsSession, network: Network, name: str) -> str | None:
    filters = _filters({"group-name": name, "vpc-id": network.vpc_id})
    groups = await session.pages(network.region, "ec2", "describe_security_groups", "SecurityGroups", Filters=filters)
    return str(groups[0]["GroupId"]) if groups else None


def _tcp(port: int, cidr: str) -> dict[str, Any]:
    ranges = {"Ipv6Ranges": [{"CidrIpv6": cidr}]} if ":" in cidr else {"IpRanges": [{"CidrIp": cidr}]}
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **ranges}


def _filters(wanted: Mapping[str, str | list[str]]) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": value if isinstance(value, list) else [value]} for name, value in wanted.items()]


def tag_filters(tags: Mapping[str, str], **more: str | list[str]) -> list[dict[str, Any]]:
    """Filters for all of these tags, and for more (underscores become dashes)."""
    return _filters({**{f"tag:{k}": v for k, v in tags.items()}, **{k.replace("_", "-"): v for k, v in more.items()}})

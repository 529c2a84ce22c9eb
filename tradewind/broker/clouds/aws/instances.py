"""EC2's description of an instance as ours. Pure."""

from __future__ import annotations

from typing import Any

from tradewind.broker.provider import Instance, InstanceState

# EC2 API reference, InstanceState
STATES: dict[str, InstanceState] = {
    "pending": "PENDING",
    "running": "RUNNING",
    "stopping": "STOPPED",
    "stopped": "STOPPED",
    "shutting-down": "TERMINATED",
    "terminated": "TERMINATED",
}
# EC2 API reference, StateReason
REASONS = {
    "Server.SpotInstanceTermination": "spot reclaim: AWS took the instance back",
    "Server.SpotInstanceShutdown": "spot reclaim: AWS took the instance back",
    "Client.UserInitiatedShutdown": "ended on request",
    "Client.InstanceInitiatedShutdown": "the instance shut itself down",
}
INSTANCE_TAG = "tradewind-instance"
OUR_TAGS = "tradewind-"  # what every tag of ours begins with


def split_id(provider_id: str) -> tuple[str, str]:
    """("us-east-1", "i-0abc") from "us-east-1/i-0abc"."""
    region, _, instance_id = provider_id.partition("/")
    return region, instance_id


def read_instance(region: str, described: dict[str, Any]) -> Instance:
    """One entry of DescribeInstances or RunInstances."""
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
    state = STATES.get(described["State"]["Name"], "PENDING")
    placement = described.get("Placement", {})
    return Instance(
        instance_id=tags.get(INSTANCE_TAG, ""),
        provider_id=f"{region}/{described['InstanceId']}",
        state=state,
        address=described.get("PrivateIpAddress") or "",
        tags=tags,
        reason=_reason(described) if state in {"TERMINATED", "STOPPED"} else "",
        public_address=described.get("PublicIpAddress") or "",
        zone=placement.get("AvailabilityZoneId") or placement.get("AvailabilityZone") or "",
    )


def cluster_tags_of(described: dict[str, Any]) -> dict[str, str]:
    """The tags that an instance of ours shares with its cluster's other resources; {} for one that is not ours.

    A person's own labels are on what is bought alone: on machines, their disks and interfaces.
    """
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
    own = tags.get(INSTANCE_TAG)
    return {key: value for key, value in tags.items() if key.startswith(OUR_TAGS) and value != own} if own else {}


def reason_code(described: dict[str, Any]) -> str:
    """The state reason's code ("Server.SpotInstanceTermination"), "" without one."""
    return str(described.get("StateReason", {}).get("Code") or "")


def _reason(described: dict[str, Any]) -> str:
    code = reason_code(described)
    if code in REASONS:
        return REASONS[code]
    message = described.get("StateReason", {}).get("Message") or described.get("StateTransitionReason") or ""
    return str(message)

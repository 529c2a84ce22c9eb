"""What AWS documents and moto leaves out, one rule a method: each looks at a request and refuses it, or lets it pass.

Sources: the EC2 API reference (error codes, RunInstances, idempotency, eventual consistency), the Service Quotas and Spot user guides.
"""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Collection
from typing import Any

from clouds.conformance import Faults
from clouds.fakes.aws.query import fingerprint, numbered

ACCOUNT = "123456789012"
USER_DATA_LIMIT = 16 * 1024
# quota code -> (is it spot, first letters of the families it covers)
QUOTA_CODES = {
    "L-1216C47A": (False, "acdhimrtz"),
    "L-34B43A08": (True, "acdhimrtz"),
    "L-DB2E81BA": (False, "g"),
    "L-3819A6DF": (True, "g"),
}


class Refusal(Exception):
    """An answer in place of moto's: HTTP status, AWS code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


@dataclasses.dataclass
class Bought:
    """A RunInstances that took effect: what was asked, the answer, and how many more reads will not list it."""

    fingerprint: str
    answer: tuple[int, list[tuple[str, str]], bytes]
    instance_id: str


@dataclasses.dataclass
class Account:
    """The state beside moto's own: faults, tokens seen, denied actions, quotas in vCPUs, and what is still being ended."""

    faults: Faults = dataclasses.field(default_factory=Faults)
    denied: set[str] = dataclasses.field(default_factory=set)
    disabled_regions: set[str] = dataclasses.field(default_factory=set)
    vcpu_quotas: dict[str, float] = dataclasses.field(default_factory=dict)
    not_offered: set[tuple[str, str]] = dataclasses.field(default_factory=set)  # (zone, type)
    capacity: dict[tuple[str, str, bool], int] = dataclasses.field(
        default_factory=dict
    )  # (zone, type, spot) -> machines
    late_failures: list[str] = dataclasses.field(default_factory=list)  # state reason codes of the next launches
    tokens: dict[tuple[str, str], Bought] = dataclasses.field(default_factory=dict)
    hidden: dict[str, int] = dataclasses.field(default_factory=dict)  # instance id -> reads that still miss it
    shutting_down: dict[str, int] = dataclasses.field(
        default_factory=dict
    )  # instance id -> reads that still see it going
    terminations: dict[tuple[str, ...], Any] = dataclasses.field(default_factory=dict)
    shutdown_reads: int = 1
    group_holds: int = 1  # deletions of a group that are refused after its last instance ended
    held_groups: dict[str, int] = dataclasses.field(default_factory=dict)
    images: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    launches: list[dict[str, str]] = dataclasses.field(default_factory=list)
    clock_skewed: bool = False
    weather: Callable[[str], None] | None = None  # sees each action and may raise a Refusal
    crash_in: int | None = None  # calls that still arrive before the daemon dies
    crash_took_effect: bool = False
    crashed: bool = False
    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)
    buying: dict[tuple[str, str], threading.Lock] = dataclasses.field(default_factory=dict)


def backend(region: str) -> Any:
    from moto.ec2.models import ec2_backends

    return ec2_backends[ACCOUNT][region]


def backends() -> dict[str, Any]:
    """By region, those that were used."""
    from moto.ec2.models import ec2_backends

    return dict(ec2_backends[ACCOUNT])


def all_instances(region: str) -> list[Any]:
    return [
        instance for reservation in list(backend(region).reservations.values()) for instance in reservation.instances
    ]


def is_spot(form: dict[str, str]) -> bool:
    return form.get("InstanceMarketOptions.MarketType") == "spot"


def vcpus_of(instance_type: str) -> float:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    return float(INSTANCE_TYPES[instance_type]["VCpuInfo"]["DefaultVCpus"])


def zone_of(region: str, form: dict[str, str]) -> str:
    """The zone a RunInstances names through its subnet or placement; "" when it leaves it to AWS."""
    subnet = form.get("SubnetId") or form.get("NetworkInterface.1.SubnetId")
    if subnet:
        return backend(region).get_subnet(subnet).availability_zone
    return form.get("Placement.AvailabilityZone", "")


def check_account(account: Account, service: str, region: str, action: str) -> None:
    """Credentials, regions and permissions, before anything else is looked at."""
    if account.clock_skewed:
        raise Refusal(400, "RequestExpired", "Request has expired.")
    if account.faults.forbidden:
        if service == "ec2":
            raise Refusal(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        if service == "sts":
            raise Refusal(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
        raise Refusal(400, "UnrecognizedClientException", "The security token included in the request is invalid.")
    if region in account.disabled_regions:
        raise Refusal(
            401,
            "OptInRequired",
            "You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe.",
        )
    if f"{service}:{action}" in account.denied:
        message = f"User: arn:aws:iam::{ACCOUNT}:user/tester is not authorized to perform: {service}:{action}"
        raise (
            Refusal(403, "UnauthorizedOperation", message)
            if service == "ec2"
            else Refusal(400, "AccessDeniedException", message)
        )


def check_throttle(account: Account, action: str) -> None:
    with account.lock:
        if account.weather is not None:
            account.weather(action)
        if action.startswith("Describe") and account.faults.throttled > 0:
            account.faults.throttled -= 1
            raise Refusal(503, "RequestLimitExceeded", "Request limit exceeded.")


def forget_groups(names: Collection[str]) -> None:
    """An instance that has ended is told without its security groups."""
    for region in list(backends()):
        for instance in all_instances(region):
            if instance.id in names:
                instance.security_groups = []


def check_stop(region: str, form: dict[str, str]) -> None:
    """EC2 user guide, "Stop a Spot Instance": not one of a one-time request."""
    asked = set(named_instances(form))
    for instance in all_instances(region):
        if instance.id in asked and instance.lifecycle == "spot":
            raise Refusal(
                400,
                "UnsupportedOperation",
                f"You can't stop the Spot Instance '{instance.id}' because it is associated with a one-time Spot Instance request.",
            )


def check_purchase(account: Account, region: str, form: dict[str, str]) -> None:
    """The refusals of RunInstances, in the order in which EC2 gives them: request, permission to spend, price, capacity."""
    instance_type, spot = form["InstanceType"], is_spot(form)
    zone = zone_of(region, form)
    if len(form.get("UserData", "")) * 3 // 4 > USER_DATA_LIMIT:
        raise Refusal(400, "InvalidParameterValue", "User data is limited to 16384 bytes")
    if (zone, instance_type) in account.not_offered:
        raise Refusal(
            400,
            "Unsupported",
            f"Your requested instance type ({instance_type}) is not supported in your requested Availability Zone ({zone}).",
        )
    over_quota(account, region, instance_type, spot=spot)
    if spot and account.faults.underpriced:
        raise Refusal(
            400,
            "SpotMaxPriceTooLow",
            "Your Spot request price of 0.01 is lower than the minimum required Spot request fulfillment price of 99.",
        )
    exhausted = account.faults.exhausted
    key = (zone, instance_type, spot)
    taken = sum(
        (i._placement.zone, i.instance_type, i.lifecycle == "spot") == key
        for i in all_instances(region)
        if i._state.name in {"pending", "running"}
    )
    is_full = taken >= account.capacity.get(key, taken + 1)
    if is_full or key in exhausted or ("", instance_type, spot) in exhausted:
        raise Refusal(
            500,
            "InsufficientInstanceCapacity",
            f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested ({zone}).",
        )


def over_quota(account: Account, region: str, instance_type: str, *, spot: bool) -> None:
    live = [i for i in all_instances(region) if i._state.name not in {"terminated", "shutting-down", "stopped"}]
    same_market = [i for i in live if (i.lifecycle == "spot") == spot]
    used = sum(vcpus_of(i.instance_type) for i in same_market if i.instance_type[0] == instance_type[0])
    limit = account.vcpu_quotas.get(instance_type[0] + ("/spot" if spot else ""))
    if account.faults.quota is not None and len(same_market) >= account.faults.quota:
        limit = used
    if limit is None or used + vcpus_of(instance_type) <= limit:
        return
    if spot:
        raise Refusal(400, "MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    raise Refusal(
        400,
        "VcpuLimitExceeded",
        f"You have requested more vCPU capacity than your current vCPU limit of {limit:.0f} allows.",
    )


def replay(account: Account, region: str, form: dict[str, str]) -> Bought | None:
    """The earlier purchase under this ClientToken."""
    bought = account.tokens.get((region, form.get("ClientToken", "")))
    if bought is not None and bought.fingerprint != fingerprint(form):
        raise Refusal(
            400,
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        )
    return bought


def check_termination(region: str, form: dict[str, str]) -> None:
    """None of a call's instances ends where one of them is protected. Source: EC2 API reference, TerminateInstances (of one zone's instances)."""
    names = named_instances(form)
    for instance in all_instances(region):
        if instance.id in names and instance.disable_api_termination is True:
            told = f"The instance '{instance.id}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again."
            raise Refusal(400, "OperationNotPermitted", told)


def check_group_removal(account: Account, region: str, form: dict[str, str]) -> None:
    """A group in use cannot be deleted, and stays in use for a while after its last instance was terminated."""
    group = form.get("GroupId", "")
    users = [i for i in all_instances(region) if any(g.id == group for g in i.security_groups)]
    if any(i._state.name != "terminated" or account.shutting_down.get(i.id, 0) > 0 for i in users):
        raise Refusal(400, "DependencyViolation", f"resource {group} has a dependent object")
    with account.lock:
        left = account.held_groups.setdefault(group, account.group_holds if users else 0)
        if left > 0:
            account.held_groups[group] = left - 1
            raise Refusal(400, "DependencyViolation", f"resource {group} has a dependent object")


def quota_answer(account: Account, body: dict[str, Any]) -> bytes:
    """GetServiceQuota of Service Quotas."""
    code = body["QuotaCode"]
    if code not in QUOTA_CODES:
        raise Refusal(
            400,
            "NoSuchResourceException",
            f"The request failed because the specified service quota {code} does not exist.",
        )
    spot, letters = QUOTA_CODES[code]
    value = account.vcpu_quotas.get(letters[0] if len(letters) == 1 else "m", 256.0)
    if spot:
        value = account.vcpu_quotas.get((letters if len(letters) == 1 else "m") + "/spot", 256.0)
    return json.dumps(
        {"Quota": {"ServiceCode": "ec2", "QuotaCode": code, "Value": value, "Unit": "None", "Adjustable": True}}
    ).encode()


def image_answer(account: Account, region: str, body: dict[str, Any]) -> bytes:
    """GetParameter of SSM for the vendors' public image parameters; the image then exists in the region."""
    name = body["Name"]
    series = {
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/": "/ami-id",
        "/aws/service/deeplearning/ami/": "/ami-id",
        "/aws/service/neuron/dlami/base/": "/image_id",
    }
    if not any(name.startswith(begins) and name.endswith(ends) for begins, ends in series.items()):
        raise Refusal(400, "ParameterNotFound", "")
    with account.lock:
        image_id = account.images.get((region, name))
        if image_id is None:
            image = backend(region).register_image(name=name, description=name)
            image.architecture = "arm64" if "arm64" in name else "x86_64"
            image_id = account.images[region, name] = image.id
    parameter = {"Name": name, "Type": "String", "Value": image_id, "Version": 1, "DataType": "aws:ec2:image"}
    return json.dumps({"Parameter": parameter}).encode()


def named_instances(form: dict[str, str]) -> list[str]:
    return numbered(form, "InstanceId")

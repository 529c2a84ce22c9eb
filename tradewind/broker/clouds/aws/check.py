"""What works on this account and what is missing, by the permission's name and with the command that mends it.

Permissions that cost or change something are asked for by DryRun, which EC2 answers with DryRunOperation when the real call would be allowed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from tradewind.broker.capabilities import Finding
from tradewind.broker.clouds.aws.errors import classify, meaning, refusal
from tradewind.broker.clouds.aws.session import AwsSession
from tradewind.broker.provider import ProviderError

POLICY_NAME = "tradewind"
# Every IAM action that this provider's calls need; docs/clouds/aws.md holds the same list as a policy.
ACTIONS = (
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteVolume",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstances",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeRegions",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVolumes",
    "ec2:DescribeVpcs",
    "ec2:GetConsoleOutput",
    "ec2:RunInstances",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
    "servicequotas:GetServiceQuota",
    "ssm:GetParameter",
    "sts:GetCallerIdentity",
)


class Probe(msgspec.Struct, frozen=True):
    """One call whose refusal tells of a missing permission; `optional` ones only make tradewind less careful."""

    action: str
    what: str
    service: str
    operation: str
    arguments: Mapping[str, Any]
    optional: bool = False


_DRY = {"DryRun": True}
PROBES = (
    Probe("ec2:DescribeRegions", "list the enabled regions", "ec2", "describe_regions", _DRY),
    Probe("ec2:DescribeInstances", "list instances", "ec2", "describe_instances", _DRY),
    Probe("ec2:DescribeVpcs", "find the VPC", "ec2", "describe_vpcs", _DRY),
    Probe("ec2:DescribeSubnets", "find its subnets", "ec2", "describe_subnets", _DRY),
    Probe("ec2:DescribeSecurityGroups", "find security groups", "ec2", "describe_security_groups", _DRY),
    Probe("ec2:DescribeImages", "look images up", "ec2", "describe_images", {**_DRY, "Owners": ["self"]}),
    Probe(
        "ec2:CreateSecurityGroup",
        "make a cluster's security group",
        "ec2",
        "create_security_group",
        {**_DRY, "GroupName": "tradewind-check", "Description": "never made"},
    ),
    Probe(
        "ssm:GetParameter",
        "find the newest Ubuntu image",
        "ssm",
        "get_parameter",
        {"Name": "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"},
    ),
    Probe(
        "servicequotas:GetServiceQuota",
        "ask for quotas before buying",
        "service-quotas",
        "get_service_quota",
        {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"},
        optional=True,
    ),
)
_REFUSED = frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException"})


def grant(who: str) -> str:
    """The command that gives this identity (an ARN) the policy of docs/clouds/aws.md. A session of a role gets it by its role."""
    kind, _, name = who.rpartition(":")[2].partition("/")
    to = f"put-role-policy --role-name {name.partition('/')[0]}" if kind == "assumed-role" else ""
    to = to or f"put-user-policy --user-name {name.rpartition('/')[2] if kind == 'user' else 'USER'}"
    return f"aws iam {to} --policy-name {POLICY_NAME} --policy-document file://tradewind-aws-policy.json"


async def sentence(session: AwsSession, region: str) -> str:
    """What works, in one sentence. Raises ProviderError when nothing would, naming the missing permissions."""
    who = await _identity(session, region)
    findings = await _probe_all(session, region, who)
    missing = [f for f in findings if not f.ok and not _is_optional(f)]
    if missing:
        names = ", ".join(f.permission or f.what for f in missing)
        raise refusal(
            "UnauthorizedOperation",
            f"{who} may not: {names}; attach the policy in docs/clouds/aws.md with: {grant(who)}",
        )
    short = [f.permission for f in findings if not f.ok]
    return f"AWS works as {who}" + (
        f"; without {', '.join(short)}, quotas are not asked before buying" if short else ""
    )


async def report(session: AwsSession, region: str) -> tuple[Finding, ...]:
    """Everything that was looked at, good or bad."""
    try:
        who = await _identity(session, region)
    except ProviderError as error:
        known = meaning(error.code)
        return (
            Finding(what="log in", ok=False, why=classify(error).why, mend=known.mend if known else "aws configure"),
        )
    return (Finding(what="log in", ok=True, why=who), *await _probe_all(session, region, who))


async def _identity(session: AwsSession, region: str) -> str:
    return str((await session.call(region, "sts", "get_caller_identity"))["Arn"])


async def _probe_all(session: AwsSession, region: str, who: str) -> list[Finding]:
    probes = (*PROBES, *await _purchase_probe(session, region))
    return list(await asyncio.gather(*(_probe(session, region, probe, who) for probe in probes)))


async def _purchase_probe(session: AwsSession, region: str) -> list[Probe]:
    """RunInstances asks for a real image even in a DryRun; without one the permission shows itself at the first launch."""
    try:
        named = await session.call(region, "ssm", "get_parameter", **PROBES[-2].arguments)
    except ProviderError:
        return []
    arguments = {
        **_DRY,
        "MinCount": 1,
        "MaxCount": 1,
        "InstanceType": "t3.micro",
        "ImageId": named["Parameter"]["Value"],
    }
    return [Probe("ec2:RunInstances", "buy an instance", "ec2", "run_instances", arguments)]


async def _probe(session: AwsSession, region: str, probe: Probe, who: str) -> Finding:
    try:
        await session.call(region, probe.service, probe.operation, **probe.arguments)
    except ProviderError as error:
        if error.code == "DryRunOperation":
            return Finding(what=probe.what, ok=True)
        if error.code in _REFUSED:
            return Finding(what=probe.what, ok=False, why=error.message, permission=probe.action, mend=grant(who))
        return Finding(what=probe.what, ok=False, why=classify(error).why)
    return Finding(what=probe.what, ok=True)


def _is_optional(finding: Finding) -> bool:
    return any(probe.optional and probe.what == finding.what for probe in PROBES)

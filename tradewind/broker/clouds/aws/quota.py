"""EC2's quotas, by amount: each is a number of vCPUs for a group of families in one market and region.

Source: the Service Quotas console's list for EC2 ("Running On-Demand ... instances", "All ... Spot Instance Requests"); a family that is in none
of the groups below has no quota that we know.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from tradewind.broker.clouds.aws.network import tag_filters
from tradewind.broker.clouds.aws.session import AwsSession
from tradewind.broker.provider import ProviderError
from tradewind.catalog.offer import Offer


class Group(msgspec.Struct, frozen=True):
    """Families under one quota: a pattern over instance types, and the quota's code on demand and on spot ("" where there is none)."""

    pattern: str
    on_demand: str
    spot: str


# The first that matches counts.
GROUPS = (
    Group(r"(inf)\d", "L-1945791B", "L-B5D1601B"),
    Group(r"(trn)\d", "L-2C3B7624", "L-6B0D517C"),
    Group(r"(dl)\d", "L-6E869C2A", "L-85EED4F7"),
    Group(r"(hpc)\d", "L-F7808C92", ""),
    Group(r"(u)\d?-|u7", "L-43DA4232", ""),
    Group(r"(mac)\d", "", ""),
    Group(r"(g|gr|vt)\d", "L-DB2E81BA", "L-3819A6DF"),
    Group(r"p5", "L-417A185B", "L-C4BD4855"),
    Group(r"p[234]", "L-417A185B", "L-7212CCBC"),
    Group(r"p\d", "L-417A185B", ""),
    Group(r"f\d", "L-74FC7D96", "L-88CF9481"),
    Group(r"x\d", "L-7295265B", "L-E3A00192"),
    Group(r"(a|c|d|h|i|im|is|m|r|t|z)\d", "L-1216C47A", "L-34B43A08"),
)
LIVE = ["pending", "running"]


def quota_code(instance_type: str, *, use_spot: bool) -> str:
    """The code of the quota that a type falls under; "" when none is known."""
    for group in GROUPS:
        if re.match(group.pattern, instance_type):
            return group.spot if use_spot else group.on_demand
    return ""


def allowed(limit_vcpus: float, used_vcpus: float, vcpus: float) -> int:
    """How many instances of `vcpus` fit into what is left."""
    return max(0, int((limit_vcpus - used_vcpus) // vcpus)) if vcpus > 0 else 0


async def headroom(session: AwsSession, offers: Sequence[Offer], *, use_spot: bool) -> list[int | None]:
    """How many instances of each offer its quota still allows; None where no quota is known, or AWS would not tell it."""
    codes = [quota_code(offer.instance_type, use_spot=use_spot) for offer in offers]
    wanted = sorted({(offer.region, code) for offer, code in zip(offers, codes, strict=True) if code})
    limits = dict(
        zip(wanted, await asyncio.gather(*(_limit(session, region, code) for region, code in wanted)), strict=True)
    )
    regions = sorted({region for (region, _), limit in limits.items() if limit is not None})
    usages = await asyncio.gather(*(_usage(session, region, use_spot=use_spot) for region in regions))
    used = dict(zip(regions, usages, strict=True))
    answers: list[int | None] = []
    for offer, code in zip(offers, codes, strict=True):
        limit = limits.get((offer.region, code))
        if limit is None or not offer.vcpus:
            answers.append(None)
        else:
            answers.append(allowed(limit, used[offer.region].get(code, 0.0), offer.vcpus))
    return answers


async def _limit(session: AwsSession, region: str, code: str) -> float | None:
    try:
        answer = await session.call(region, "service-quotas", "get_service_quota", ServiceCode="ec2", QuotaCode=code)
    except ProviderError:
        return None  # asking is a courtesy: without the permission the launch itself will tell
    return float(answer["Quota"]["Value"])


async def _usage(session: AwsSession, region: str, *, use_spot: bool) -> dict[str, float]:
    """How many vCPUs are in use, by quota code."""
    filters: list[dict[str, Any]] = tag_filters({}, instance_state_name=LIVE)
    try:
        reservations = await session.pages(region, "ec2", "describe_instances", "Reservations", Filters=filters)
    except ProviderError:
        return {}
    used: dict[str, float] = {}
    for instance in (i for r in reservations for i in r["Instances"]):
        if (instance.get("InstanceLifecycle") == "spot") != use_spot:
            continue
        cpu = instance.get("CpuOptions", {})
        code = quota_code(instance["InstanceType"], use_spot=use_spot)
        used[code] = used.get(code, 0.0) + float(cpu.get("CoreCount", 0) * cpu.get("ThreadsPerCore", 1))
    return used

"""Ending many instances at once: EC2 takes many ids in a call, and tells of many in another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tradewind.broker.clouds.aws import network
from tradewind.broker.clouds.aws.instances import cluster_tags_of
from tradewind.broker.clouds.aws.session import AwsSession
from tradewind.broker.clouds.tags import carries
from tradewind.broker.provider import ProviderError

AT_ONCE = 100  # ids in a call; EC2 takes 1000 to terminate, and 200 as the values of a filter
ENDED = "terminated"


async def end_many(
    session: AwsSession, region: str, names: Sequence[str], *, pause_s: float, deadline_s: float
) -> dict[str, dict[str, str]]:
    """Those of the region's instances that are terminated now, with the tags that each shared with its cluster.

    Not among them, and to be looked at one by one: those that EC2 does not list (yet), those that share a call with one that it refuses to end,
    and those still ending after `deadline_s`. Raises ProviderError when EC2 cannot be asked.
    """
    parts = [names[first : first + AT_ONCE] for first in range(0, len(names), AT_ONCE)]
    ended = [await _end_part(session, region, part, pause_s, deadline_s) for part in parts]
    return {name: tags for part in ended for name, tags in part.items()}


async def _end_part(
    session: AwsSession, region: str, names: Sequence[str], pause_s: float, deadline_s: float
) -> dict[str, dict[str, str]]:
    told = await _listed(session, region, names)
    tags = {name: cluster_tags_of(one) for name, one in told.items()}
    if going := [name for name, one in told.items() if not _is_over(one)]:
        try:
            await session.call(region, "ec2", "terminate_instances", InstanceIds=going)
        except ProviderError:  # for any one of them, and it may not say for which
            return {name: tags[name] for name, one in told.items() if _is_over(one)}
    deadline = asyncio.get_running_loop().time() + deadline_s
    while not all(map(_is_over, told.values())) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(pause_s)
        told = await _listed(session, region, names)
    return {name: tags.get(name) or cluster_tags_of(one) for name, one in told.items() if _is_over(one)}


async def groups_of(session: AwsSession, region: str, clusters: Iterable[Mapping[str, str]]) -> list[str]:
    """The ids of the security groups of the clusters with these tags, by one listing. Raises ProviderError."""
    wanted = [tags for tags in clusters if tags]
    if not wanted:
        return []
    filters = network.tag_filters(dict(set.intersection(*(set(tags.items()) for tags in wanted))))
    listed = await session.pages(region, "ec2", "describe_security_groups", "SecurityGroups", Filters=filters)
    return [str(one["GroupId"]) for one in listed if any(carries(network.tags_of(one), tags) for tags in wanted)]


async def groups_in_use(session: AwsSession, regions: Iterable[str], tags: Mapping[str, str]) -> set[str]:
    """The ids of the security groups of the regions' instances with all of these tags that are not ended. Raises ProviderError."""
    filters = network.tag_filters(tags, instance_state_name=network.LIVE_STATES)
    found = await asyncio.gather(
        *(session.pages(one, "ec2", "describe_instances", "Reservations", Filters=filters) for one in regions)
    )
    living = [instance for some in found for reservation in some for instance in reservation["Instances"]]
    return {str(group["GroupId"]) for instance in living for group in instance.get("SecurityGroups", ())}


async def _listed(session: AwsSession, region: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    filters = [{"Name": "instance-id", "Values": list(names)}]
    found = await session.pages(region, "ec2", "describe_instances", "Reservations", Filters=filters)
    return {one["InstanceId"]: one for reservation in found for one in reservation["Instances"]}


def _is_over(described: Mapping[str, Any]) -> bool:
    return bool(described["State"]["Name"] == ENDED)

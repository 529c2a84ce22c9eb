"""Where the next try of a cluster goes: the best candidate that nothing speaks against, its zone settled and its quota asked before anything is bought."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from tradewind.broker.provider import Blocked, ProviderError
from tradewind.broker.provision.failover import LOSS, as_place, block_for_refusal, next_candidate
from tradewind.broker.provision.patience import patiently
from tradewind.broker.provision.refused import every_place_refused, reasons
from tradewind.broker.provision.services import Services, log
from tradewind.broker.provision.zones import spread_over
from tradewind.broker.store import rows
from tradewind.broker.store.records import BlockRow, ClusterRow
from tradewind.optimizer.plan import RankedCandidate

LOCAL = "local"
QUOTA_BLOCK_S = 900.0  # a quota that somebody raises, or frees, is seen this much later


async def choose(
    services: Services, cluster: ClusterRow, *, nodes: int, standing: Collection[str] = ()
) -> RankedCandidate | None:
    """The candidate to try now, with its zone; None when every one is blocked. What is found to be impossible is blocked on the way.

    `nodes` is how many instances are still to be bought there, `standing` are the zones in which survivors of the gang stand: those come first.
    """
    candidates = services.store.read(lambda c: rows.candidates(c, cluster.id))
    while True:
        active = _blocks(services, cluster)
        index = next_candidate(candidates, active)
        if index is None:
            return None
        candidate = candidates[index]
        if candidate.spread:
            placed = await _over_zones(services, cluster, candidate, active, standing)
        elif cluster.options.rehearse or candidate.cloud == LOCAL:
            return candidate
        else:
            placed = await _in_zone(services, cluster, candidate, active, standing)
        if placed is not None and (cluster.options.rehearse or candidate.cloud == LOCAL):
            return placed
        if placed is not None and await _within_quota(services, cluster, placed, nodes):
            return placed


def why_none(services: Services, cluster: ClusterRow) -> str:
    """Why there is no place, in one sentence."""
    candidates = services.store.read(lambda c: rows.candidates(c, cluster.id))
    return every_place_refused(candidates, _blocks(services, cluster))


def soonest(services: Services, cluster: ClusterRow) -> float | None:
    """The Unix second at which the first of the blocks in force is over; None when there are none."""
    return min((block.until_unix for block in _blocks(services, cluster)), default=None)


def _blocks(services: Services, cluster: ClusterRow) -> list[BlockRow]:
    now = services.now()
    return services.store.read(lambda c: rows.blocks(c, now=now, cluster_id=cluster.block_scope))


async def _in_zone(
    services: Services,
    cluster: ClusterRow,
    candidate: RankedCandidate,
    active: list[BlockRow],
    standing: Collection[str],
) -> RankedCandidate | None:
    """The candidate in the first of its region's zones that no block covers; None, and a block, when there is none."""
    provider: Any = services.providers[candidate.cloud]
    if candidate.offer.zone or not hasattr(provider, "zones"):
        return candidate
    try:
        zones = await _zones_of(provider, candidate)
    except ProviderError as error:
        await _block(services, cluster, candidate, provider.classify(error))
        return None
    if not zones:
        return candidate  # a region without zones, or one that settles it at the launch
    zones = sorted(zones, key=lambda zone: zone not in standing)
    placed = [
        msgspec.structs.replace(candidate, zone=zone, offer=msgspec.structs.replace(candidate.offer, zone=zone))
        for zone in zones
    ]
    index = next_candidate(placed, active)
    if index is not None:
        return placed[index]
    speaking = [block for block in active if block.cloud == candidate.cloud and block.region in {"", candidate.region}]
    until = min((block.until_unix for block in speaking), default=services.now())
    why = reasons(speaking) or f"no zone of {candidate.region} is left"
    await _block(services, cluster, candidate, Blocked(kind="capacity", scope="type", why=why, until_unix=until))
    return None


async def _zones_of(provider: Any, candidate: RankedCandidate) -> list[str]:
    """The zones of the candidate's region that sell it, by its cloud. Raises ProviderError."""
    where = f"zones of {candidate.cloud}/{candidate.region}"
    found: list[str] = await patiently(provider, lambda: provider.zones(candidate.offer), where)
    return found


async def _over_zones(
    services: Services,
    cluster: ClusterRow,
    candidate: RankedCandidate,
    active: list[BlockRow],
    standing: Collection[str],
) -> RankedCandidate | None:
    """The candidate over those of its region's zones that no block covers; None, and a block, when they are too few."""
    provider: Any = services.providers["local" if cluster.options.rehearse else candidate.cloud]
    zones = [share.zone for share in candidate.spread]
    if not cluster.options.rehearse and hasattr(provider, "zones"):
        try:
            zones += [zone for zone in await _zones_of(provider, candidate) if zone not in zones]
        except ProviderError as error:
            await _block(services, cluster, candidate, provider.classify(error))
            return None
    losses_too = [block for block in active if block.kind != LOSS]
    for blocks in (active, losses_too):  # a zone that took a machine back only where the others are too few
        free = [zone for zone in zones if not _covers(blocks, candidate, zone)]
        placed = spread_over(candidate, free, cluster.task.num_nodes, standing)
        if placed is not None:
            return placed
    until = min((block.until_unix for block in active), default=services.now())
    why = reasons(active) or f"too few zones of {candidate.region} for {cluster.name}"
    await _block(services, cluster, candidate, Blocked(kind="capacity", scope="type", why=why, until_unix=until))
    return None


def _covers(blocks: list[BlockRow], candidate: RankedCandidate, zone: str) -> bool:
    offer = msgspec.structs.replace(candidate.offer, zone=zone)
    return any(as_place(block).matches(offer, use_spot=candidate.use_spot) for block in blocks)


async def _within_quota(services: Services, cluster: ClusterRow, candidate: RankedCandidate, nodes: int) -> bool:
    provider: Any = services.providers[candidate.cloud]
    if not hasattr(provider, "headroom") or nodes < 1:
        return True
    try:
        (left,) = await provider.headroom([candidate.offer], use_spot=candidate.use_spot)
    except ProviderError as error:
        log.info("quotas of %s are not known: %s", candidate.cloud, error)  # the launch itself will tell
        return True
    if left is None or left >= nodes:
        return True
    market = "spot" if candidate.use_spot else "on demand"
    why = (
        f"{candidate.cloud}'s quota in {candidate.region} leaves room for {left} of {nodes} {candidate.instance_type} {market}; "
        f"`tradewind check {candidate.cloud}` and the cloud's console say how to raise it"
    )
    until = services.now() + QUOTA_BLOCK_S
    regional = msgspec.structs.replace(candidate, zone="", offer=msgspec.structs.replace(candidate.offer, zone=""))
    await _block(services, cluster, regional, Blocked(kind="quota", scope="type", why=why, until_unix=until))
    return False


async def _block(services: Services, cluster: ClusterRow, candidate: RankedCandidate, refused: Blocked) -> None:
    block = block_for_refusal(
        candidate.offer,
        use_spot=candidate.use_spot,
        refused=refused,
        cluster_id=cluster.block_scope,
        now=services.now(),
    )
    await services.apply(lambda ledger: rows.insert_block(ledger.connection, block))

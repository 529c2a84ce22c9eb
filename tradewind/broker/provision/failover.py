"""Which candidate is next, and what a refusal or a loss blocks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tradewind.broker.clouds.family import family
from tradewind.broker.provider import Blocked
from tradewind.broker.store.records import BlockRow
from tradewind.catalog.offer import Offer
from tradewind.optimizer.plan import RankedCandidate
from tradewind.optimizer.problem import Place

LOSS = "loss"  # the kind of block that a loss leaves behind
LOSS_BLOCK_S = 600.0  # a zone that has just taken an instance back is likely to do it again; then it competes anew
MAX_BLOCK_S = 86400.0  # what looks final (a permission, a region not enabled) is looked at again the next day
MIN_BLOCK_S = 20.0  # so that a refusal "for no time" does not make failover spin on one place


def as_place(block: BlockRow) -> Place:
    """The block as the planner understands it."""
    return Place(
        cloud=block.cloud,
        region=block.region,
        zone=block.zone,
        instance_type=block.instance_type,
        use_spot=block.use_spot,
    )


def next_candidate(candidates: Sequence[RankedCandidate], blocks: Sequence[BlockRow]) -> int | None:
    """The index of the first candidate that no block covers; else of the first that only losses speak against; else None.

    A place that took an instance back may well give one again, a place that refused does not.
    """
    refusals = [as_place(block) for block in blocks if block.kind != LOSS]
    losses = [as_place(block) for block in blocks if block.kind == LOSS]
    lossy: int | None = None
    for index, candidate in enumerate(candidates):
        if _covered(candidate, refusals):
            continue
        if not _covered(candidate, losses):
            return index
        lossy = index if lossy is None else lossy
    return lossy


def _covered(candidate: RankedCandidate, places: Iterable[Place]) -> bool:
    return any(place.matches(candidate.offer, use_spot=candidate.use_spot) for place in places)


def block_for_refusal(
    offer: Offer, *, use_spot: bool, refused: Blocked, cluster_id: int | None, now: float
) -> BlockRow:
    """What a provider's refusal of `offer` rules out, for at least MIN_BLOCK_S seconds.

    Scope "type" means this type in this zone (region, where the offer has no zone) and market, "family" the types of its family in its region and
    market; wider scopes take in every type there.
    """
    zone = offer.zone if refused.scope in {"zone", "type"} else ""
    region = offer.region if refused.scope != "cloud" else ""
    types = {"type": offer.instance_type, "family": family(offer.cloud, offer.instance_type)}
    return BlockRow(
        cluster_id=cluster_id,
        cloud=offer.cloud,
        region=region,
        zone=zone,
        instance_type=types.get(refused.scope, ""),
        use_spot=use_spot if refused.kind in {"capacity", "price", "quota"} else None,
        kind=refused.kind,
        why=refused.why,
        created_unix=now,
        until_unix=min(max(refused.until_unix, now + MIN_BLOCK_S), now + MAX_BLOCK_S),
    )


def block_for_loss(offer: Offer, *, use_spot: bool, why: str, cluster_id: int | None, now: float) -> BlockRow:
    """What the loss of an instance rules out for LOSS_BLOCK_S: its zone, or its region where the offer is regional, in its market."""
    return BlockRow(
        cluster_id=cluster_id,
        cloud=offer.cloud,
        region=offer.region,
        zone=offer.zone,
        instance_type="",
        use_spot=use_spot,
        kind=LOSS,
        why=why,
        created_unix=now,
        until_unix=now + LOSS_BLOCK_S,
    )

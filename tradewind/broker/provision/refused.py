"""What a person reads where every place was refused: one sentence, however many places there were. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from tradewind.broker.provision.failover import LOSS, as_place
from tradewind.broker.store.records import BlockRow
from tradewind.optimizer.plan import RankedCandidate

TOLD = 4  # reasons in one sentence: more are not read


def reasons(blocks: Iterable[BlockRow]) -> str:
    """For each cloud and kind of refusal one reason in full and how many others there were, as a clause; "" without blocks."""
    alike: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for block in blocks:
        alike[block.cloud, block.kind][block.why] = None
    told = [_counted(list(whys)) for whys in alike.values()]
    left = f"; and {len(told) - TOLD} other reasons" if len(told) > TOLD else ""
    return "; ".join(told[:TOLD]) + left


def about(candidates: Sequence[RankedCandidate], blocks: Iterable[BlockRow]) -> list[BlockRow]:
    """Those of the blocks that rule out one of the candidates, or a zone of its region: a candidate may leave the zone open."""
    return [block for block in blocks if _is_about(block, candidates)]


def every_place_refused(candidates: Sequence[RankedCandidate], blocks: Sequence[BlockRow]) -> str:
    """Why none of the candidates can be had, by those of the blocks that are about them."""
    speaking = about(candidates, blocks)
    refusals = [block for block in speaking if block.kind != LOSS]
    return f"every place was refused ({reasons(refusals or speaking) or 'no candidate is left'})"


def _counted(whys: list[str]) -> str:
    return whys[0] if len(whys) == 1 else f"{whys[0]}, and {len(whys) - 1} more like it"


def _is_about(block: BlockRow, candidates: Sequence[RankedCandidate]) -> bool:
    place = as_place(msgspec.structs.replace(block, zone=""))
    return any(place.matches(one.offer, use_spot=one.use_spot) for one in candidates)

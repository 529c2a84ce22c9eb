"""Recovery strategies: where a job that lost its place looks for the next one. Pure.

A strategy turns the blocks in force into the sets of places to leave out, tried in order until a plan exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tradewind.broker.provision.failover import LOSS, as_place
from tradewind.broker.store.records import BlockRow
from tradewind.optimizer.problem import Place

Strategy = Callable[[Sequence[BlockRow]], tuple[tuple[Place, ...], ...]]


def eager(blocks: Sequence[BlockRow]) -> tuple[tuple[Place, ...], ...]:
    """Leave every place that was lost or refused; only where nothing else exists, go back to a lost one."""
    everything = tuple(as_place(block) for block in blocks)
    refusals = tuple(as_place(block) for block in blocks if block.kind != LOSS)
    return (everything,) if refusals == everything else (everything, refusals)


STRATEGIES: Mapping[str, Strategy] = {"eager": eager}

"""Recovery strategies: where a job that lost its place looks for the next one.

A strategy turns the blocks in force into the sets of places to leave out, tried in order until a plan exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tradewind.broker.jobs.plans import Planner, PlanRefused
from tradewind.broker.provision.failover import LOSS, as_place
from tradewind.broker.store.records import BlockRow, Options
from tradewind.optimizer.plan import Plan
from tradewind.optimizer.problem import Place
from tradewind.spec.task import Task

Strategy = Callable[[Sequence[BlockRow]], tuple[tuple[Place, ...], ...]]


def eager(blocks: Sequence[BlockRow]) -> tuple[tuple[Place, ...], ...]:
    """Leave every place that was lost or refused; only where nothing else exists, go back to a lost one."""
    everything = tuple(as_place(block) for block in blocks)
    refusals = tuple(as_place(block) for block in blocks if block.kind != LOSS)
    return (everything,) if refusals == everything else (everything, refusals)


async def plan_around(
    planner: Planner, task: Task, options: Options, blocks: Sequence[BlockRow], strategy: Strategy = eager
) -> Plan:
    """The cheapest plan that leaves as much alone as the strategy asks.

    Raises:
        PlanRefused: there is none, whatever is left out.
    """
    *tries, last = strategy(blocks)
    for places in tries:
        try:
            return await planner.plan(task, options, places)
        except PlanRefused:
            continue
    return await planner.plan(task, options, last)


STRATEGIES: Mapping[str, Strategy] = {"eager": eager}

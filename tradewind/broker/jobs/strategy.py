"""Recovery strategies: where a job that lost its place looks for the next one.

A strategy turns the task, the place that was lost and the blocks in force into tries, in order, until one has a plan. An installed package adds
its own as an entry point of the group `tradewind.strategies`; a task names it in `job_recovery`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec

from tradewind.broker.jobs.plans import Planner, PlanRefused
from tradewind.broker.provision.failover import LOSS, as_place
from tradewind.broker.store.records import BlockRow, Options
from tradewind.optimizer.plan import Plan, RankedCandidate
from tradewind.optimizer.problem import Place
from tradewind.spec.policy import STRATEGY_GROUP
from tradewind.spec.task import Infra, Task


class Try(msgspec.Struct, frozen=True):
    """One question to the planner: this task, without these places."""

    task: Task
    without: tuple[Place, ...]


Strategy = Callable[[Task, RankedCandidate | None, Sequence[BlockRow]], tuple[Try, ...]]


def eager(task: Task, _lost: RankedCandidate | None, blocks: Sequence[BlockRow]) -> tuple[Try, ...]:
    """Leave every place that was lost or refused; only where nothing else exists, go back to a lost one."""
    everything = Try(task, tuple(as_place(block) for block in blocks))
    refusals = Try(task, tuple(as_place(block) for block in blocks if block.kind != LOSS))
    return (everything,) if refusals == everything else (everything, refusals)


def failover(task: Task, lost: RankedCandidate | None, blocks: Sequence[BlockRow]) -> tuple[Try, ...]:
    """First the region that was lost, where data and images are (its zone too, when no other there has room), then anywhere."""
    anywhere = eager(task, lost, blocks)
    if lost is None:
        return anywhere
    near = _only_in(task, lost.cloud, lost.region)
    return (*(Try(near, each.without) for each in anywhere), *anywhere) if near is not None else anywhere


def _only_in(task: Task, cloud: str, region: str) -> Task | None:
    """The task with its alternatives narrowed to one region; None when none of them may go there."""
    kept = []
    for one in task.resources:
        infra = one.infra
        if infra.cloud not in {None, cloud} or infra.region not in {None, region}:
            continue
        kept.append(msgspec.structs.replace(one, infra=Infra(cloud, region or None, infra.zone)))
    return msgspec.structs.replace(task, resources=tuple(kept)) if kept else None


async def plan_around(
    planner: Planner,
    task: Task,
    options: Options,
    blocks: Sequence[BlockRow],
    strategy: Strategy = eager,
    lost: RankedCandidate | None = None,
) -> Plan:
    """The cheapest plan that leaves as much alone as the strategy asks.

    Raises:
        PlanRefused: there is none, whatever is left out.
    """
    *tries, last = strategy(task, lost, blocks)
    for each in tries:
        try:
            return await planner.plan(each.task, options, each.without)
        except PlanRefused:
            continue
    return await planner.plan(last.task, options, last.without)


# Under a deadline the market is chosen by `what_now`; where the task leaves no choice, "deadline" looks elsewhere as "eager" does.
STRATEGIES: Mapping[str, Strategy] = {"eager": eager, "failover": failover, "deadline": eager}


def strategy_named(name: str) -> Strategy:
    """The strategy of this name: one of ours, or one that an installed package brings.

    Raises:
        PlanRefused: there is none, or it cannot be imported.
    """
    if name in STRATEGIES:
        return STRATEGIES[name]
    from importlib.metadata import entry_points  # takes a while, and only a strategy of one's own needs it

    for found in entry_points(group=STRATEGY_GROUP, name=name):
        try:
            return cast("Strategy", found.load())
        except Exception as error:
            raise PlanRefused(
                f"the recovery strategy {name} ({found.value}) cannot be used: {error}", "request"
            ) from error
    raise PlanRefused(f"no installed package brings the recovery strategy {name}", "request")

"""The passes in their order: what can't be paid or bought first, the comparison of rivals last."""

from __future__ import annotations

from tradewind.optimizer.problem import Problem
from tradewind.optimizer.prune.blocks import drop_blocked
from tradewind.optimizer.prune.caps import drop_over_cap
from tradewind.optimizer.prune.carbon import drop_unjudged
from tradewind.optimizer.prune.dead_ends import drop_dead_ends
from tradewind.optimizer.prune.deadlines import drop_late
from tradewind.optimizer.prune.dominance import keep_one_a_signature, keep_undominated
from tradewind.optimizer.prune.pool import Pass, Pool, full_pool
from tradewind.optimizer.prune.prices import drop_unpriced
from tradewind.optimizer.prune.quotas import drop_over_quota
from tradewind.optimizer.prune.together import drop_apart

LIMIT_PASSES: tuple[Pass, ...] = (
    drop_unpriced,
    drop_unjudged,
    drop_blocked,
    drop_late,
    drop_over_quota,
    drop_over_cap,
    drop_apart,
)
RIVAL_PASSES: tuple[Pass, ...] = (keep_undominated, keep_one_a_signature, drop_dead_ends)
PASSES: tuple[Pass, ...] = (*LIMIT_PASSES, *RIVAL_PASSES)


def usable(problem: Problem) -> Pool:
    """The candidates that some limit does not rule out by itself; rivals are not compared yet."""
    pool = full_pool(problem)
    for each in LIMIT_PASSES:
        pool = each(problem, pool)
    return pool


def prune(problem: Problem) -> Pool:
    """The candidates that an optimal plan may hold; the cheapest plan over them is the cheapest plan over all."""
    return compete(problem, usable(problem))


def compete(problem: Problem, pool: Pool) -> Pool:
    """What is left of the usable candidates once rivals are compared."""
    for each in RIVAL_PASSES:
        pool = each(problem, pool)
    return pool

"""Drops candidates at blocked places."""

from __future__ import annotations

from tradewind.optimizer.limits import is_blocked
from tradewind.optimizer.problem import Problem
from tradewind.optimizer.prune.pool import Pool


def drop_blocked(problem: Problem, pool: Pool) -> Pool:
    """No candidate left is covered by a block."""
    if not problem.limits.blocks:
        return pool
    kept = [[c for c in row if not is_blocked(problem.limits, c)] for row in pool.left]
    return pool.keep(problem.requests, kept, "it is blocked")

"""Drops candidates on which the task is expected to end too late."""

from __future__ import annotations

from tradewind.optimizer.limits import is_late
from tradewind.optimizer.problem import Problem
from tradewind.optimizer.prune.pool import Pool


def drop_late(problem: Problem, pool: Pool) -> Pool:
    """Every candidate left is expected to end, and by its request's deadline."""
    if all(request.deadline_h is None and request.recovery is None for request in problem.requests):
        return pool
    kept = [[c for c in row if not is_late(r, c)] for r, row in zip(problem.requests, pool.left, strict=True)]
    return pool.keep(problem.requests, kept, "it is not expected to end by the deadline, if ever")

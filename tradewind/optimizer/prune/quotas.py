"""Drops candidates that alone use more than a quota allows."""

from __future__ import annotations

from tradewind.optimizer.limits import quota_use
from tradewind.optimizer.problem import Problem
from tradewind.optimizer.prune.pool import Pool


def drop_over_quota(problem: Problem, pool: Pool) -> Pool:
    """Every candidate left fits into every quota as long as nothing else uses it."""
    quotas = problem.limits.quotas
    if not quotas:
        return pool
    kept = [
        [
            c
            for c in row
            if all(use <= q.limit for use, q in zip(quota_use(problem.limits, r, c), quotas, strict=True) if use)
        ]
        for r, row in zip(problem.requests, pool.left, strict=True)
    ]
    return pool.keep(problem.requests, kept, "it exceeds a quota by itself")

"""Drops candidates that alone use more than a quota allows."""

from __future__ import annotations

from tradewind.optimizer.limits import quota_sizes, quota_use
from tradewind.optimizer.problem import Problem
from tradewind.optimizer.prune.pool import Pool


def drop_over_quota(problem: Problem, pool: Pool) -> Pool:
    """Every candidate left fits into every quota as long as nothing else uses it."""
    sizes = quota_sizes(problem.limits)
    if not sizes:
        return pool
    kept = [
        [
            c
            for c in row
            if all(use <= size for use, size in zip(quota_use(problem.limits, r, c), sizes, strict=True) if use)
        ]
        for r, row in zip(problem.requests, pool.left, strict=True)
    ]
    return pool.keep(problem.requests, kept, "it exceeds a quota by itself")

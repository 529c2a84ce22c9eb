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
    over: dict[int, int] = {}  # by candidate, the first limit that it exceeds
    for request, row in zip(problem.requests, pool.left, strict=True):
        for candidate in row:
            uses = quota_use(problem.limits, request, candidate)
            exceeded = (i for i, (use, size) in enumerate(zip(uses, sizes, strict=True)) if use > size)
            if (first := next(exceeded, None)) is not None:
                over[id(candidate)] = first
    for number in sorted(set(over.values())):
        kept = [[c for c in row if over.get(id(c)) != number] for row in pool.left]
        quotas = problem.limits.quotas
        why = f"over {quotas[number]}" if number < len(quotas) else "it exceeds a reservation by itself"
        pool = pool.keep(problem.requests, kept, why)
    return pool

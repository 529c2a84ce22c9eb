"""Drops candidates of which no source tells the emissions, where those count."""

from __future__ import annotations

from tradewind.optimizer.problem import Problem
from tradewind.optimizer.prune.pool import Pool


def drop_unjudged(problem: Problem, pool: Pool) -> Pool:
    """Every candidate left has known emissions, if the objective or a cap asks for them: unknown is not none."""
    if not problem.weights.kg and problem.limits.max_carbon_kg is None:
        return pool
    kept = [[c for c in row if c.carbon_kg_h is not None and c.carbon_kg_h >= 0] for row in pool.left]
    return pool.keep(problem.requests, kept, "no source tells what it emits")

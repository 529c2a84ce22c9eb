"""Drops candidates without a price that can be paid."""

from __future__ import annotations

from tradewind.optimizer.cost import is_payable
from tradewind.optimizer.problem import Problem
from tradewind.optimizer.prune.pool import Pool


def drop_unpriced(problem: Problem, pool: Pool) -> Pool:
    """Every candidate left has a finite price above zero, or is a machine of one's own, which costs nothing."""
    kept = [[c for c in row if is_payable(c)] for row in pool.left]
    return pool.keep(problem.requests, kept, "its price is missing, zero or no number")

"""Drops candidates without a price that can be paid."""

from __future__ import annotations

from tradewind.optimizer.money import is_price
from tradewind.optimizer.problem import Candidate, Problem
from tradewind.optimizer.prune.pool import Pool

OWN_MACHINE = "local"


def drop_unpriced(problem: Problem, pool: Pool) -> Pool:
    """Every candidate left has a finite price above zero, or is a machine of one's own, which costs nothing."""
    kept = [[c for c in row if is_price(c.hourly_usd) or _is_own(c)] for row in pool.left]
    return pool.keep(problem.requests, kept, "its price is missing, zero or no number")


def _is_own(candidate: Candidate) -> bool:
    return candidate.offer.cloud == OWN_MACHINE and candidate.hourly_usd == 0

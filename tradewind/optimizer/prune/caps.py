"""Drops candidates that break a spending cap even when every other request takes its cheapest."""

from __future__ import annotations

from collections.abc import Callable

from tradewind.optimizer.cost import carbon_mg, hourly_nano, total_nano
from tradewind.optimizer.limits import carbon_cap_mg
from tradewind.optimizer.money import nano_usd
from tradewind.optimizer.problem import Candidate, Problem, Request
from tradewind.optimizer.prune.pool import Pool


def drop_over_cap(problem: Problem, pool: Pool) -> Pool:
    """Every candidate left is in some choice (quotas aside) that keeps within every cap.

    Exact because costs are not negative: a choice with candidate c costs at least c plus the cheapest of every other request.
    """
    limits = problem.limits
    if limits.max_hourly_usd is not None:
        pool = _drop(problem, pool, hourly_nano, nano_usd(limits.max_hourly_usd), "it is over the price cap")
    if limits.max_total_usd is not None:
        pool = _drop(problem, pool, total_nano, nano_usd(limits.max_total_usd), "it is over the budget")
    if limits.max_carbon_kg is not None:
        why = "it emits more than the cap on carbon, or nobody knows how much"
        pool = _drop(problem, pool, carbon_mg, carbon_cap_mg(limits.max_carbon_kg), why)
    return pool


def _drop(problem: Problem, pool: Pool, cost: Callable[[Request, Candidate], int], cap: int, why: str) -> Pool:
    if not all(pool.left):
        return pool
    pairs = list(zip(problem.requests, pool.left, strict=True))
    cheapest = [min(cost(r, c) for c in row) for r, row in pairs]
    floor = sum(cheapest)
    kept = [
        [c for c in row if floor - least + cost(r, c) <= cap] for (r, row), least in zip(pairs, cheapest, strict=True)
    ]
    return pool.keep(problem.requests, kept, why)

"""Drops candidates on which the task is expected to end too late."""

from __future__ import annotations

from tradewind.optimizer.cost import longest_around, wall_h
from tradewind.optimizer.limits import ON_TIME, is_late
from tradewind.optimizer.problem import Problem
from tradewind.optimizer.prune.pool import Pool


def _drop_late_for_all(problem: Problem, pool: Pool) -> Pool:
    """Every candidate left is in some choice that ends by the problem's deadline: with the quickest of every other task."""
    if problem.deadline_h is None or not all(pool.left):
        return pool
    latest = problem.deadline_h * (1 + ON_TIME)
    walls = [[wall_h(r, c) for c in row] for r, row in zip(problem.requests, pool.left, strict=True)]
    around = longest_around(problem, {r.task: min(row) for r, row in zip(problem.requests, walls, strict=True)})
    kept = [
        [c for c, wall in zip(row, mine, strict=True) if around[r.task] + wall <= latest]
        for r, row, mine in zip(problem.requests, pool.left, walls, strict=True)
    ]
    return pool.keep(problem.requests, kept, "everything could not end by the deadline with it")


def drop_late(problem: Problem, pool: Pool) -> Pool:
    """Every candidate left is expected to end, and by its request's deadline."""
    pool = _drop_late_for_all(problem, pool)
    if all(request.deadline_h is None and request.recovery is None for request in problem.requests):
        return pool
    kept = [[c for c in row if not is_late(r, c)] for r, row in zip(problem.requests, pool.left, strict=True)]
    return pool.keep(problem.requests, kept, "it is not expected to end by the deadline, if ever")

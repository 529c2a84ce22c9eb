"""Drops candidates at places where the tasks that they must stand with cannot be."""

from __future__ import annotations

from tradewind.optimizer.problem import Problem
from tradewind.optimizer.prune.pool import Pool


def drop_apart(problem: Problem, pool: Pool) -> Pool:
    """Every candidate left of a task in a group has one of every other task of the group beside it."""
    if not problem.together:
        return pool
    index = {request.task: i for i, request in enumerate(problem.requests)}
    rows = [list(row) for row in pool.left]
    changed = True
    while changed:  # a task may stand in two groups, so what one drops may matter to the other
        changed = False
        for group in problem.together:
            members = [index[task] for task in group.tasks]
            shared = set.intersection(*({group.where(c.offer) for c in rows[i]} for i in members))
            for i in members:
                kept = [c for c in rows[i] if group.where(c.offer) in shared]
                changed = changed or len(kept) < len(rows[i])
                rows[i] = kept
    return pool.keep(problem.requests, rows, "a task that it must stand with can't be there")

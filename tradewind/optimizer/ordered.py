"""Alternatives in an order of preference: the first with which there is a plan is taken, cheaper ones after it or not."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tradewind.optimizer.problem import Problem
from tradewind.optimizer.prune import Pool, compete
from tradewind.optimizer.search import Found, search
from tradewind.optimizer.solvers import Solver


def search_in_order(problem: Problem, alive: Pool, solvers: Sequence[Solver]) -> Found:
    """The cheapest choice; each ordered request, by name, in the first of its alternatives that leaves a choice to the rest."""
    found = search(problem, compete(problem, alive), solvers)
    if not found.choice or not any(request.ordered for request in problem.requests):
        return found
    pool = alive
    for i, request in enumerate(problem.requests):
        if not request.ordered:
            continue
        for preference in sorted({request.preference(c) for c in pool.left[i]}):
            row = tuple(c for c in pool.left[i] if request.preference(c) == preference)
            only = msgspec.structs.replace(pool, left=(*pool.left[:i], row, *pool.left[i + 1 :]))
            tried = search(problem, compete(problem, only), solvers)
            if tried.choice:
                pool, found = only, tried
                break
    return found

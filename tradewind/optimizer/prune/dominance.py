"""Drops candidates that another one at the same place beats in everything that counts."""

from __future__ import annotations

from tradewind.optimizer.limits import coupled_use
from tradewind.optimizer.order import sorted_candidates
from tradewind.optimizer.problem import Candidate, Problem, Request
from tradewind.optimizer.prune.pool import Pool

Column = tuple[Candidate, tuple[int, ...]]


def keep_undominated(problem: Problem, pool: Pool) -> Pool:
    """Per request and place (cloud, region, zone) only candidates stay that no other beats; what is beaten is not "refused".

    A beats B when it comes no later in the total order (so is no dearer) and uses no more of any quota or of the hourly cap. Exact: in any plan with B, A can
    take its place without breaking a cap or a quota, at no higher cost and no worse a tie.
    """
    rows = [tuple(_undominated(problem, r, row)) for r, row in zip(problem.requests, pool.left, strict=True)]
    return Pool(tuple(rows), pool.refused)


# Up to so many columns every place keeps its own, so that the program shows what was weighed.
FEW_COLUMNS = 5000


def keep_one_a_signature(problem: Problem, pool: Pool) -> Pool:
    """In a large problem places stop mattering: of candidates that use limits alike, wherever they are, only the first in order stays.

    Exact for the same reason as above. With data on edges or tasks to keep together places do matter, and such problems are left alone.
    """
    if problem.edges or problem.together or sum(len(row) for row in pool.left) <= FEW_COLUMNS:
        return pool
    rows = []
    for request, row in zip(problem.requests, pool.left, strict=True):
        first: dict[tuple[int, ...], Candidate] = {}
        for candidate in row:  # in the total order since the pass before
            first.setdefault(coupled_use(problem, request, candidate), candidate)
        rows.append(tuple(first.values()))
    return Pool(tuple(rows), pool.refused)


def _undominated(problem: Problem, request: Request, row: tuple[Candidate, ...]) -> list[Candidate]:
    best_at: dict[tuple[str, str, str], list[tuple[int, ...]]] = {}
    kept: list[Candidate] = []
    for candidate in sorted_candidates(request, row):
        offer = candidate.offer
        use = coupled_use(problem, request, candidate)
        better = best_at.setdefault((offer.cloud, offer.region, offer.zone), [])
        if not any(all(a <= b for a, b in zip(other, use, strict=True)) for other in better):
            better.append(use)
            kept.append(candidate)
    return kept

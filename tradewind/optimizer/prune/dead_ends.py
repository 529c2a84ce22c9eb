"""Drops places of a DAG's tasks that no data on its edges can make worth their price.

Goldstein's criterion for dead-end elimination (Goldstein 1994, Biophys. J. 66:1335), from protein design: place p of a task is out when
another place p' of it is cheaper wherever the task's neighbours are,

    cost(p) - cost(p') + sum over neighbours of min over their places q of (moving(p, q) - moving(p', q)) > 0

and p' uses no more of any quota or cap. Strict, so that whatever the order of elimination a cheapest plan stays; repeated until nothing
more falls. Exact in whole nano-dollars.
"""

from __future__ import annotations

from typing import Any

from tradewind.optimizer.cost import MG_PER_KG, score_nano, site_of
from tradewind.optimizer.limits import coupled_use
from tradewind.optimizer.money import NANO_PER_USD
from tradewind.optimizer.order import sorted_candidates
from tradewind.optimizer.problem import MONEY, Candidate, Problem, Request
from tradewind.optimizer.prune.pool import Pool

# Beyond this a cost does not fit the arrays' 64 bits with room for sums: such problems go to the solver unpruned.
LARGEST_NANO = 2**53


def drop_dead_ends(problem: Problem, pool: Pool) -> Pool:
    """For a DAG only places stay that are cheapest for some whereabouts of the neighbours; other problems are left alone.

    So is a DAG with tasks to keep together: there a dearer place may be the only one that all of them share.
    """
    if not problem.edges or problem.together or not all(pool.left) or _moving_is_a_cost_twice(problem):
        return pool
    rows = [_best_per_site(problem, r, row) for r, row in zip(problem.requests, pool.left, strict=True)]
    search = _Elimination.of(problem, rows)
    if search is not None:
        while search.sweep():
            pass
        rows = search.rows
    return Pool(tuple(tuple(row) for row in rows), pool.refused)


def _moving_is_a_cost_twice(problem: Problem) -> bool:
    """Whether moving data also takes time under a deadline, or counts otherwise against the budget or the cap on carbon than in the objective."""
    late = problem.deadline_h is not None and problem.egress.takes_time
    spent = problem.weights != MONEY and problem.limits.max_total_usd is not None
    return late or spent or (problem.limits.max_carbon_kg is not None and bool(problem.egress.kg_per_gb))


def _best_per_site(problem: Problem, request: Request, row: tuple[Candidate, ...]) -> list[Candidate]:
    """Zones of one region are alike to the data: what another candidate of the region beats is out."""
    best_at: dict[tuple[str, str], list[tuple[int, ...]]] = {}
    kept: list[Candidate] = []
    for candidate in sorted_candidates(request, row):
        use = coupled_use(problem, request, candidate)
        better = best_at.setdefault(site_of(candidate), [])
        if not any(all(a <= b for a, b in zip(other, use, strict=True)) for other in better):
            better.append(use)
            kept.append(candidate)
    return kept


class _Elimination:
    """Sweeps over the tasks with the costs as arrays; `rows` are the candidates that are left."""

    def __init__(self, numpy: Any, problem: Problem, rows: list[list[Candidate]]) -> None:
        self.numpy = numpy
        self.rows = rows
        self.weights = problem.weights
        sites = sorted({site_of(c) for row in rows for c in row})
        number = {site: k for k, site in enumerate(sites)}
        price = problem.egress.price
        self.prices = numpy.array([[price(a, b) for b in sites] for a in sites])
        self.kg = numpy.array([[problem.egress.kg(a, b, 1.0) for b in sites] for a in sites])
        self.sites = [numpy.array([number[site_of(c)] for c in row]) for row in rows]
        requests = problem.requests
        self.costs = [
            numpy.array([score_nano(r, c) for c in row], dtype=numpy.int64)
            for r, row in zip(requests, rows, strict=True)
        ]
        self.uses = [
            numpy.array([coupled_use(problem, r, c) for c in row], dtype=numpy.int64).reshape(len(row), -1)
            for r, row in zip(requests, rows, strict=True)
        ]
        index = {request.task: i for i, request in enumerate(requests)}
        self.edges = [(index[e.source], index[e.target], e.gigabytes) for e in problem.edges]

    @classmethod
    def of(cls, problem: Problem, rows: list[list[Candidate]]) -> _Elimination | None:
        """The arrays; None when numpy is missing or a figure is too large for them."""
        try:
            import numpy as np
        except ImportError:
            return None
        largest = max(
            max((score_nano(r, c), *coupled_use(problem, r, c)))
            for r, row in zip(problem.requests, rows, strict=True)
            for c in row
        )
        dearest = max([problem.egress.unknown_usd_per_gb, *problem.egress.usd_per_gb.values()])
        dirtiest = max(problem.egress.kg_per_gb.values(), default=0.0)
        each = dearest * max(problem.weights.usd, 1.0) + dirtiest * problem.weights.kg
        moved = sum(edge.gigabytes for edge in problem.edges) * each * NANO_PER_USD
        return cls(np, problem, rows) if largest + moved < LARGEST_NANO else None

    def sweep(self) -> bool:
        """Whether another place fell."""
        fell = [self._of_task(i) for i in range(len(self.rows))]
        return any(fell)

    def _of_task(self, i: int) -> bool:
        if len(self.rows[i]) == 1:
            return False
        costs, uses = self.costs[i], self.uses[i]
        worse = costs[:, None] - costs[None, :]
        for source, target, gigabytes in self.edges:
            if i == source:
                worse = worse + self._least_gain(self._moving(source, target, gigabytes))
            elif i == target:
                worse = worse + self._least_gain(self._moving(source, target, gigabytes).T)
        beaten = worse > 0
        if uses.shape[1]:
            beaten &= (uses[None, :, :] <= uses[:, None, :]).all(axis=2)
        keep = ~beaten.any(axis=1)
        if keep.all():
            return False
        self.rows[i] = [c for c, stays in zip(self.rows[i], keep, strict=True) if stays]
        self.costs[i], self.uses[i], self.sites[i] = costs[keep], uses[keep], self.sites[i][keep]
        return True

    def _moving(self, source: int, target: int, gigabytes: float) -> Any:
        """What moving counts in the objective for every pair of places, rounded as `cost.moving_score` rounds."""
        rint, weights = self.numpy.rint, self.weights
        between = self.sites[source][:, None], self.sites[target][None, :]
        score = rint(weights.usd * rint(gigabytes * self.prices[between] * NANO_PER_USD))
        if weights.kg:
            milligrams = rint(gigabytes * self.kg[between] * MG_PER_KG)
            score += rint(weights.kg * milligrams * (NANO_PER_USD // MG_PER_KG))
        return score.astype(self.numpy.int64)

    def _least_gain(self, moving: Any) -> Any:
        """For each pair (p, p') the least over the neighbour's places of moving(p) - moving(p')."""
        return self.numpy.stack([(row[None, :] - moving).min(axis=1) for row in moving])

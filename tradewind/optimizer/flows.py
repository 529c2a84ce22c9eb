"""Data on the edges of a DAG as transport polytopes: exact at whole placements, and tight before they are whole.

For an edge of G gigabytes let W[p, q] be the cost of moving them from region p to region q, and M[p] the dearest target from p. A placement
of the source at p pays M[p] at once; a flow f[p, q] in [0, 1] earns back M[p] - W[p, q], where

    sum over q of f[p, q] <= placement of the source at p          for each region p
    sum over p of f[p, q] <= placement of the target at q          for each region q

With whole placements the one pair (p, q) earns exactly its own saving. The rows are the marginals of a transport problem with what moves at
the dearest price left out; since both placements add up to 1, what is left out always finds its way, so the relaxation is the full
polytope's with a third of its columns: only pairs cheaper than their source's dearest (the same region, the same cloud) need one.
"""

from __future__ import annotations

import msgspec

from tradewind.optimizer.cost import site_of
from tradewind.optimizer.egress import Site
from tradewind.optimizer.money import nano_usd
from tradewind.optimizer.problem import Candidate, Edge, Problem
from tradewind.optimizer.solvers import Row

Columns = tuple[tuple[int, Candidate], ...]


class Flows(msgspec.Struct, frozen=True):
    """What the edges add to a program: `surcharge` on each whole column, `saved` by each flow (nano-dollars), and the rows that bind them."""

    surcharge: tuple[int, ...]
    saved: tuple[int, ...]
    rows: tuple[Row, ...]
    staying: tuple[tuple[int, ...], ...]  # for each edge the flows within one region


def flow_columns(problem: Problem, columns: Columns) -> Flows:
    """The flows of every edge; their columns follow the whole ones in the order of `saved`."""
    surcharge = [0] * len(columns)
    saved: list[int] = []
    rows: list[Row] = []
    index = {request.task: i for i, request in enumerate(problem.requests)}
    staying: list[tuple[int, ...]] = []
    by_site: list[dict[Site, list[int]]] = [{} for _ in problem.requests]
    for j, (i, candidate) in enumerate(columns):
        by_site[i].setdefault(site_of(candidate), []).append(j)
    for edge in problem.edges:
        sources, targets = by_site[index[edge.source]], by_site[index[edge.target]]
        leaving: dict[Site, list[int]] = {}
        arriving: dict[Site, list[int]] = {}
        stay: list[int] = []
        timed = problem.deadline_h is not None and problem.egress.hours_between(edge.gigabytes) > 0
        for source, owners in sources.items():
            costs = _costs(problem, edge, source, targets)
            dearest = max(costs.values())
            for j in owners:
                surcharge[j] += dearest
            for target, cost in costs.items():
                if cost < dearest or (timed and source == target):
                    flow = len(columns) + len(saved)
                    if source == target:
                        stay.append(flow)
                    saved.append(dearest - cost)
                    leaving.setdefault(source, []).append(flow)
                    arriving.setdefault(target, []).append(flow)
        staying.append(tuple(stay))
        rows += (_marginal(flows, sources[site]) for site, flows in leaving.items())
        rows += (_marginal(flows, targets[site]) for site, flows in arriving.items())
    return Flows(tuple(surcharge), tuple(saved), tuple(rows), tuple(staying))


def _costs(problem: Problem, edge: Edge, source: Site, targets: dict[Site, list[int]]) -> dict[Site, int]:
    price = problem.egress.price
    return {target: nano_usd(edge.gigabytes * price(source, target)) for target in targets}


def _marginal(flows: list[int], owners: list[int]) -> Row:
    return Row((*flows, *owners), (1.0,) * len(flows) + (-1.0,) * len(owners), upper=0.0)

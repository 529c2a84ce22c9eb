"""Data on the edges of a DAG as transport polytopes: exact at whole placements, and tight before they are whole.

For an edge of G gigabytes let W[p, q] be the cost of moving them from region p to region q, and M[p] the dearest target from p. A placement
of the source at p pays M[p] at once; a flow f[p, q] in [0, 1] earns back M[p] - W[p, q], where

    sum over q of f[p, q] <= placement of the source at p          for each region p
    sum over p of f[p, q] <= placement of the target at q          for each region q

With whole placements the one pair (p, q) earns exactly its own saving. The rows are the marginals of a transport problem with what moves at
the dearest price left out; since both placements add up to 1, what is left out always finds its way, so the relaxation is the full
polytope's with a third of its columns: only pairs cheaper than their source's dearest (the same region, the same cloud) need one. Where
a budget or a cap on carbon counts otherwise than the objective, W is taken for each of them, on the same flows.

Under a deadline the hours that the data takes are the slowest pair's, less what quicker pairs save. Speeds differ by area, not by region, so
that a flow g[A, B] between areas, under the marginals of their regions, saves the difference for all pairs of regions there; and what stays
within one region saves the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from tradewind.optimizer.cost import moving_mg, moving_nano, moving_score, site_of
from tradewind.optimizer.egress import Site
from tradewind.optimizer.problem import MONEY, Candidate, Edge, Problem
from tradewind.optimizer.solvers import Row

Columns = tuple[tuple[int, Candidate], ...]
Measure = Callable[[Problem, Edge, Site, Site], int]


class Moved(msgspec.Struct):
    """What the edges add to one measure: `surcharge` on each whole column, less what each flow has `saved`."""

    surcharge: list[int]
    saved: list[int]

    @property
    def columns(self) -> list[int]:
        """For each column, the whole ones first."""
        return [*self.surcharge, *(-each for each in self.saved)]


class Wait(msgspec.Struct, frozen=True):
    """How long an edge's target waits for its data: the `slowest` hours, less what each flow in `quicker` saves."""

    slowest: float = 0.0
    quicker: tuple[tuple[int, float], ...] = ()


class Flows(msgspec.Struct, frozen=True):
    """The edges as columns: what they count in the objective, in USD and in emissions (the last two where a cap asks), and the rows that bind them."""

    score: Moved
    money: Moved
    carbon: Moved
    rows: tuple[Row, ...]
    waits: tuple[Wait, ...]


def flow_columns(problem: Problem, columns: Columns) -> Flows:
    """The flows of every edge; their columns follow the whole ones in the order of what they saved."""
    score = Moved([0] * len(columns), [])
    money = score if problem.weights == MONEY else Moved([0] * len(columns), [])
    carbon = Moved([0] * len(columns), [])
    counted: list[tuple[Moved, Measure]] = [(score, moving_score)]
    if problem.limits.max_total_usd is not None and money is not score:
        counted.append((money, moving_nano))
    if problem.limits.max_carbon_kg is not None:
        counted.append((carbon, moving_mg))
    index = {request.task: i for i, request in enumerate(problem.requests)}
    by_site: list[dict[Site, list[int]]] = [{} for _ in problem.requests]
    for j, (i, candidate) in enumerate(columns):
        by_site[i].setdefault(site_of(candidate), []).append(j)
    making = _Making(problem, len(columns), tuple(counted))
    waits = [making.edge(edge, by_site[index[edge.source]], by_site[index[edge.target]]) for edge in problem.edges]
    return Flows(score, money, carbon, tuple(making.rows), tuple(waits))


class _Making:
    """The flows that were made so far."""

    def __init__(self, problem: Problem, first: int, counted: tuple[tuple[Moved, Measure], ...]) -> None:
        self.problem = problem
        self.next = first
        self.counted = counted
        self.rows: list[Row] = []

    def edge(self, edge: Edge, sources: dict[Site, list[int]], targets: dict[Site, list[int]]) -> Wait:
        """The edge's flows and rows, and how long its target waits."""
        hours = self._hours(edge, sources, targets)
        timed = any(hours.values())
        leaving: dict[Site, list[int]] = {}
        arriving: dict[Site, list[int]] = {}
        quicker: list[tuple[int, float]] = []
        area = self.problem.egress.area_of
        for source, owners in sources.items():
            costs = [
                {target: measure(self.problem, edge, source, target) for target in targets}
                for _, measure in self.counted
            ]
            dearest = [max(each.values()) for each in costs]
            for (moved, _), most in zip(self.counted, dearest, strict=True):
                for j in owners:
                    moved.surcharge[j] += most
            for target in targets:
                saved = [most - each[target] for most, each in zip(dearest, costs, strict=True)]
                stays = timed and source == target
                if any(saved) or stays:
                    flow = self._flow(saved)
                    if stays:
                        quicker.append((flow, hours[area(source), area(source)]))
                    leaving.setdefault(source, []).append(flow)
                    arriving.setdefault(target, []).append(flow)
        self.rows += (_marginal(flows, sources[site]) for site, flows in leaving.items())
        self.rows += (_marginal(flows, targets[site]) for site, flows in arriving.items())
        if not timed:
            return Wait()
        slowest = max(hours.values())
        return Wait(slowest, (*quicker, *self._between_areas(hours, slowest, sources, targets)))

    def _hours(
        self, edge: Edge, sources: dict[Site, list[int]], targets: dict[Site, list[int]]
    ) -> dict[tuple[str, str], float]:
        """Hours between each area of the sources and each of the targets; empty where no deadline asks."""
        if self.problem.deadline_h is None or not self.problem.egress.takes_time:
            return {}
        egress = self.problem.egress
        from_, to = (sorted({egress.area_of(site) for site in sites}) for sites in (sources, targets))
        return {(a, b): egress.hours_between(a, b, edge.gigabytes) for a in from_ for b in to}

    def _between_areas(
        self,
        hours: dict[tuple[str, str], float],
        slowest: float,
        sources: dict[Site, list[int]],
        targets: dict[Site, list[int]],
    ) -> Iterator[tuple[int, float]]:
        """A flow for each pair of areas that is quicker than the slowest, and the hours it saves."""
        starting, ending = self._by_area(sources), self._by_area(targets)
        leaving: dict[str, list[int]] = {}
        arriving: dict[str, list[int]] = {}
        for (a, b), each in hours.items():
            if each < slowest and b in ending:
                flow = self._flow([0] * len(self.counted))
                leaving.setdefault(a, []).append(flow)
                arriving.setdefault(b, []).append(flow)
                yield flow, slowest - each
        self.rows += (_marginal(flows, starting[area]) for area, flows in leaving.items())
        self.rows += (_marginal(flows, ending[area]) for area, flows in arriving.items())

    def _by_area(self, sites: dict[Site, list[int]]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for site, owners in sites.items():
            found.setdefault(self.problem.egress.area_of(site), []).extend(owners)
        return found

    def _flow(self, saved: list[int]) -> int:
        for (moved, _), each in zip(self.counted, saved, strict=True):
            moved.saved.append(each)
        self.next += 1
        return self.next - 1


def _marginal(flows: list[int], owners: list[int]) -> Row:
    return Row((*flows, *owners), (1.0,) * len(flows) + (-1.0,) * len(owners), upper=0.0)

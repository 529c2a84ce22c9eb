"""The integer program of a problem: a column for each request and place, a row for each thing that couples them.

    minimise    sum of total_usd(r, c) x[r, c]
    such that   sum over c of x[r, c] = 1                                  each request gets one candidate
                sum of nodes(r) x[r, c] over matching (r, c) <= limit      each quota
                sum of hourly_usd(r, c) x[r, c] <= max_hourly_usd          and likewise for the total

Tasks to keep together have, at every place, as much of the one as of the other. Many requests that differ in name only make one class: its columns count how many of them go to a place, and its row adds up to their number.
A thousand jobs of fifty shapes are then a program of fifty.

Data on the edges of a DAG adds flows between the tasks' regions (`flows.py`). Costs are scaled so that the cheapest conceivable plan costs
1000 and caps so that they read "<= 1": HiGHS compares with absolute tolerances near 1e-9, so prices of a cent and of a thousand dollars are
told apart equally well. Rows that can't bind are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

import msgspec

from tradewind.optimizer.cost import carbon_mg, hourly_nano, score_nano, total_nano
from tradewind.optimizer.flows import Moved, flow_columns
from tradewind.optimizer.limits import carbon_cap_mg, quota_sizes, quota_use
from tradewind.optimizer.money import nano_usd
from tradewind.optimizer.problem import Candidate, Problem, Request
from tradewind.optimizer.prune import Pool
from tradewind.optimizer.solvers import IntegerProgram, Row
from tradewind.optimizer.timing import timing_rows

SCALED_FLOOR = 1000.0


class Model(msgspec.Struct, frozen=True):
    """The program with what its whole columns mean.

    `columns[j]` is (class, candidate) and `members[class]` are the indices of the requests in it, in the problem's order.
    """

    program: IntegerProgram
    columns: tuple[tuple[int, Candidate], ...]
    members: tuple[tuple[int, ...], ...]
    scale: float  # scaled units per nano-dollar

    def choice(self, chosen: tuple[int, ...]) -> tuple[Candidate, ...] | None:
        """The candidate of each request; None when the columns do not give each request one."""
        given: list[list[Candidate]] = [[] for _ in self.members]
        for j in chosen:
            group, candidate = self.columns[j]
            given[group].append(candidate)
        if any(len(some) != len(all_of) for some, all_of in zip(given, self.members, strict=True)):
            return None
        by_request = {
            i: c for all_of, some in zip(self.members, given, strict=True) for i, c in zip(all_of, some, strict=True)
        }
        return tuple(by_request[i] for i in range(len(by_request)))


def build_model(problem: Problem, pool: Pool, *, by_class: bool = False) -> Model:
    """The program over the candidates left in the pool; every request must have at least one. `by_class` counts equal requests together."""
    members = _classes(problem, pool) if by_class else tuple((i,) for i in range(len(problem.requests)))
    requests = [problem.requests[group[0]] for group in members]
    columns = tuple((k, c) for k, group in enumerate(members) for c in pool.left[group[0]])
    costs = [score_nano(requests[k], c) for k, c in columns]
    rows: list[Row] = []
    floor = paid = first = 0
    for group in members:
        span = range(first, first + len(pool.left[group[0]]))
        rows.append(Row(tuple(span), (1.0,) * len(span), float(len(group)), float(len(group))))
        floor += len(group) * min(costs[j] for j in span)
        paid += len(group) * min((costs[j] for j in span if costs[j]), default=0)
        first = span.stop
    sizes = [len(group) for group in members]
    rows += _quota_rows(problem, requests, columns, sizes)
    flows = flow_columns(problem, columns)
    costs = _with_moved(costs, flows.score)
    rows += flows.rows
    ends = timing_rows(problem, requests, columns, flows.waits, len(costs))
    timing = len(requests) if ends else 0
    rows += ends
    costs += [0] * timing
    rows += _together_rows(problem, columns)
    limits = problem.limits
    if limits.max_hourly_usd is not None:
        hourly = [hourly_nano(requests[k], c) for k, c in columns]
        rows += _cap_rows(columns, sizes, hourly, nano_usd(limits.max_hourly_usd))
    if limits.max_total_usd is not None:
        spent = _with_moved([total_nano(requests[k], c) for k, c in columns], flows.money)
        rows += _cap_rows(columns, sizes, spent, nano_usd(limits.max_total_usd))
    if limits.max_carbon_kg is not None:
        emitted = _with_moved([carbon_mg(requests[k], c) for k, c in columns], flows.carbon)
        rows += _cap_rows(columns, sizes, emitted, carbon_cap_mg(limits.max_carbon_kg))
    scale = SCALED_FLOOR / (
        floor or paid or 1
    )  # reservations may pay for all of it: then what the cheapest would cost without
    upper = () if max(sizes) == 1 else tuple(float(sizes[k]) for k, _ in columns)
    return Model(
        IntegerProgram(tuple(c * scale for c in costs), tuple(rows), len(flows.score.saved) + timing, upper, timing),
        columns,
        members,
        scale,
    )


def _with_moved(figures: list[int], moved: Moved) -> list[int]:
    """The figures of the whole columns with what the edges add, and then those of the flows."""
    return [figure + more for figure, more in zip_longest(figures, moved.columns, fillvalue=0)]


def _classes(problem: Problem, pool: Pool) -> tuple[tuple[int, ...], ...]:
    """Indices of the requests that are alike in all but the name; where places matter every request is one of its own."""
    if problem.edges or problem.together or problem.deadline_h is not None:
        return tuple((i,) for i in range(len(problem.requests)))
    groups: dict[object, list[int]] = {}
    for i, (request, row) in enumerate(zip(problem.requests, pool.left, strict=True)):
        alike = (request.num_nodes, request.hours, request.recovery, request.deadline_h, row)
        groups.setdefault(alike, []).append(i)
    return tuple(tuple(group) for group in groups.values())


def _quota_rows(
    problem: Problem, requests: list[Request], columns: tuple[tuple[int, Candidate], ...], sizes: list[int]
) -> Iterator[Row]:
    limits = quota_sizes(problem.limits)
    if not limits:
        return
    uses = [quota_use(problem.limits, requests[k], c) for k, c in columns]
    for q, limit in enumerate(limits):
        counted = [j for j, use in enumerate(uses) if use[q]]
        most: dict[int, int] = {}
        for j in counted:
            k = columns[j][0]
            most[k] = max(most.get(k, 0), uses[j][q] * sizes[k])
        if sum(most.values()) > limit:
            yield Row(tuple(counted), tuple(float(uses[j][q]) for j in counted), upper=float(max(limit, -1)))


def _together_rows(problem: Problem, columns: tuple[tuple[int, Candidate], ...]) -> Iterator[Row]:
    """For each place of a group, its first task is there exactly when each of the others is."""
    index = {request.task: i for i, request in enumerate(problem.requests)}
    for group in problem.together:
        first, *others = [index[task] for task in group.tasks]
        at: dict[tuple[str, ...], dict[int, list[int]]] = {}
        for j, (i, candidate) in enumerate(columns):
            if i == first or i in others:
                at.setdefault(group.where(candidate.offer), {}).setdefault(i, []).append(j)
        for there in at.values():
            ours = there.get(first, [])
            for other in others:
                theirs = there.get(other, [])
                yield Row((*ours, *theirs), (1.0,) * len(ours) + (-1.0,) * len(theirs), 0.0, 0.0)


def _cap_rows(columns: tuple[tuple[int, Candidate], ...], sizes: list[int], nano: list[int], cap: int) -> Iterator[Row]:
    """The cap as a row, unless the dearest choice keeps it; flows beyond the whole columns only lower the cost.

    Half a unit of room: no sum of whole units lies between the cap and it, and one that meets the cap exactly is not lost to rounding.
    """
    dearest: dict[int, int] = {}
    for (k, _), each in zip(columns, nano, strict=False):
        dearest[k] = max(dearest.get(k, 0), each * sizes[k])
    if sum(dearest.values()) > cap:
        unit = max(cap, 1)
        yield Row(tuple(range(len(nano))), tuple(each / unit for each in nano), upper=(cap + 0.5) / unit)

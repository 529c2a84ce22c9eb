"""The integer program of a problem: one 0/1 column for each request and place, one row for each thing that couples them.

    minimise    sum of total_usd(r, c) x[r, c]
    such that   sum over c of x[r, c] = 1                                  each request gets one candidate
                sum of nodes(r) x[r, c] over matching (r, c) <= limit      each quota
                sum of hourly_usd(r, c) x[r, c] <= max_hourly_usd          and likewise for the total

Data on the edges of a DAG adds flows between the tasks' regions (`flows.py`). Costs are scaled so that the cheapest conceivable plan costs 1000 and caps so that they read "<= 1": HiGHS compares with absolute tolerances
near 1e-9, so prices of a cent and of a thousand dollars are told apart equally well. Rows that can't bind are left out.
"""

from __future__ import annotations

import msgspec

from tradewind.optimizer.cost import hourly_nano, total_nano
from tradewind.optimizer.flows import flow_columns
from tradewind.optimizer.limits import quota_use
from tradewind.optimizer.money import nano_usd
from tradewind.optimizer.problem import Candidate, Problem
from tradewind.optimizer.prune import Pool
from tradewind.optimizer.solvers import IntegerProgram, Row

SCALED_FLOOR = 1000.0


class Model(msgspec.Struct, frozen=True):
    """The program with what its whole columns mean: `columns[j]` is (request index, candidate)."""

    program: IntegerProgram
    columns: tuple[tuple[int, Candidate], ...]
    scale: float  # scaled units per nano-dollar


def build_model(problem: Problem, pool: Pool) -> Model:
    """The program over the candidates left in the pool; every request must have at least one."""
    columns = tuple((i, c) for i, row in enumerate(pool.left) for c in row)
    requests = problem.requests
    costs = [total_nano(requests[i], c) for i, c in columns]
    first = 0
    rows: list[Row] = []
    floor = 0
    for row in pool.left:
        span = range(first, first + len(row))
        rows.append(Row(tuple(span), (1.0,) * len(row), 1.0, 1.0))
        floor += min(costs[j] for j in span)
        first += len(row)
    rows += _quota_rows(problem, columns)
    flows = flow_columns(problem, columns)
    costs = [cost + more for cost, more in zip(costs, flows.surcharge, strict=True)] + [-saved for saved in flows.saved]
    rows += flows.rows
    limits = problem.limits
    if limits.max_hourly_usd is not None:
        hourly = [hourly_nano(requests[i], c) for i, c in columns]
        rows += _cap_rows(columns, hourly, nano_usd(limits.max_hourly_usd))
    if limits.max_total_usd is not None:
        rows += _cap_rows(columns, costs, nano_usd(limits.max_total_usd))
    scale = SCALED_FLOOR / max(floor, 1)
    program = IntegerProgram(tuple(c * scale for c in costs), tuple(rows), len(flows.saved))
    return Model(program, columns, scale)


def _quota_rows(problem: Problem, columns: tuple[tuple[int, Candidate], ...]) -> list[Row]:
    if not problem.limits.quotas:
        return []
    uses = [quota_use(problem.limits, problem.requests[i], c) for i, c in columns]
    rows = []
    for k, quota in enumerate(problem.limits.quotas):
        counted = [j for j, use in enumerate(uses) if use[k]]
        most: dict[int, int] = {}
        for j in counted:
            most[columns[j][0]] = max(most.get(columns[j][0], 0), uses[j][k])
        if sum(most.values()) > quota.limit:
            rows.append(Row(tuple(counted), tuple(float(uses[j][k]) for j in counted), upper=float(quota.limit)))
    return rows


def _cap_rows(columns: tuple[tuple[int, Candidate], ...], nano: list[int], cap: int) -> list[Row]:
    """The cap as a row, unless the dearest choice keeps it; flows beyond the whole columns only lower the cost."""
    dearest: dict[int, int] = {}
    for (i, _), each in zip(columns, nano, strict=False):
        dearest[i] = max(dearest.get(i, 0), each)
    if sum(dearest.values()) <= cap:
        return []
    unit = max(cap, 1)
    return [Row(tuple(range(len(nano))), tuple(each / unit for each in nano), upper=cap / unit)]

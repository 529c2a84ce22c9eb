"""When each task of a DAG ends, as columns: the deadline of the whole as rows of the program.

With t[v] the end of task v as a fraction of the deadline, so that it lies between 0 and 1:

    t[v] - t[u] - sum over c of wall_h(v, c) / deadline_h x[v, c] >= 0       for each edge u -> v, and without t[u] where nothing precedes v

Where moving the edge's data takes m hours at most, the right side is m / deadline_h, and each flow that is quicker, or stays within one
region, adds what it saves to the left side (`flows.py`).
"""

from __future__ import annotations

from tradewind.optimizer.cost import wall_h
from tradewind.optimizer.flows import Wait
from tradewind.optimizer.limits import ON_TIME
from tradewind.optimizer.problem import Candidate, Problem, Request
from tradewind.optimizer.solvers import Row

Columns = tuple[tuple[int, Candidate], ...]


def timing_rows(
    problem: Problem, requests: list[Request], columns: Columns, waits: tuple[Wait, ...], first: int
) -> list[Row]:
    """The rows of the deadline; the end of request i is column `first` + i. None without a deadline."""
    if problem.deadline_h is None:
        return []
    latest = problem.deadline_h * (1 + ON_TIME)
    index = {request.task: i for i, request in enumerate(requests)}
    own: list[tuple[list[int], list[float]]] = [([], []) for _ in requests]
    for j, (i, candidate) in enumerate(columns):
        own[i][0].append(j)
        own[i][1].append(-wall_h(requests[i], candidate) / latest)
    before: list[list[tuple[int, Wait]]] = [[] for _ in requests]
    for edge, wait in zip(problem.edges, waits, strict=True):
        before[index[edge.target]].append((index[edge.source], wait))
    rows = []
    for i, (places, shares) in enumerate(own):
        if not before[i]:
            rows.append(Row((*places, first + i), (*shares, 1.0), lower=0.0))
        rows += (
            Row(
                (*places, first + i, first + u, *(flow for flow, _ in wait.quicker)),
                (*shares, 1.0, -1.0, *(hours / latest for _, hours in wait.quicker)),
                lower=wait.slowest / latest,
            )
            for u, wait in before[i]
        )
    return rows

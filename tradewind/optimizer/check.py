"""Refuses problems that no plan can be made of, and puts the rest into the order that decisions are made in."""

from __future__ import annotations

import math
from collections import Counter
from graphlib import CycleError, TopologicalSorter

import msgspec

from tradewind.optimizer.cost import MOST_HOURS
from tradewind.optimizer.errors import InvalidProblem
from tradewind.optimizer.problem import Edge, Limits, Problem, Quota, Request, Reservation, Together, Weights

# Beyond these a figure is a slip; within them every sum stays within what the solver's floats can hold.
MOST_NODES = 1_000_000
MOST_WEIGHT = 1_000_000.0
MOST_GIGABYTES = 1_000_000_000_000


def canonical(problem: Problem) -> Problem:
    """The same problem with requests by task name, edges, blocks and quotas by content; raises InvalidProblem for values without a meaning."""
    names = Counter(request.task for request in problem.requests)
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        raise InvalidProblem(
            f"the task {twice[0]!r} is named {names[twice[0]]} times; give each request a name of its own"
        )
    for request in problem.requests:
        if not 1 <= request.num_nodes <= MOST_NODES:
            raise InvalidProblem(f"{request.task}: num_nodes must be 1 to {MOST_NODES:,}, and is not")
        if not 0 < request.hours <= MOST_HOURS:
            raise InvalidProblem(
                f"{request.task}: hours is {request.hours}; it must be above 0, at most {MOST_HOURS:,}"
            )
        if request.deadline_h is not None and not request.deadline_h > 0:
            raise InvalidProblem(f"{request.task}: the deadline is {request.deadline_h} h; it must be above 0")
    if problem.deadline_h is not None and not problem.deadline_h > 0:
        raise InvalidProblem(f"the deadline is {problem.deadline_h} h; it must be above 0")
    limits = problem.limits
    caps = (
        ("max_hourly_usd", limits.max_hourly_usd),
        ("max_total_usd", limits.max_total_usd),
        ("max_carbon_kg", limits.max_carbon_kg),
    )
    for name, cap in caps:
        if cap is not None and not math.isfinite(cap):
            raise InvalidProblem(f"{name} is {cap}; give a number, or leave it out for no cap")
    _check_weights(problem.weights)
    reservations = _reservations(limits)
    return msgspec.structs.replace(
        problem,
        edges=_edges(problem),
        together=_together(problem),
        requests=tuple(
            _with_reserved(msgspec.structs.replace(r, weights=problem.weights), reservations)
            for r in sorted(problem.requests, key=lambda r: r.task)
        ),
        limits=msgspec.structs.replace(
            limits,
            blocks=tuple(sorted(set(limits.blocks), key=repr)),
            quotas=tuple(sorted({*limits.quotas, *_of_shares(problem)}, key=repr)),
            reservations=reservations,
            shares=(),
        ),
    )


def _check_weights(weights: Weights) -> None:
    parts = (weights.usd, weights.kg, weights.hour)
    if not all(0 <= part <= MOST_WEIGHT for part in parts) or not any(parts):
        raise InvalidProblem(f"the weights are {parts}; give numbers from 0 to {MOST_WEIGHT:,}, one of them above 0")


def _reservations(limits: Limits) -> tuple[Reservation, ...]:
    names = Counter(reservation.name for reservation in limits.reservations)
    for reservation in limits.reservations:
        if not reservation.name or names[reservation.name] > 1:
            raise InvalidProblem(f"a reservation is named {reservation.name!r}; give each a name of its own")
        if not 0 <= reservation.nodes <= MOST_NODES:
            raise InvalidProblem(
                f"the reservation {reservation.name} has {reservation.nodes} nodes; give 0 to {MOST_NODES:,}"
            )
    return tuple(sorted(limits.reservations, key=lambda r: r.name))


def _with_reserved(request: Request, reservations: tuple[Reservation, ...]) -> Request:
    """The request with, beside each candidate on demand, one for every number of its nodes that a reservation could pay.

    Candidates that are spread over zones bring theirs along: which of the zones' nodes are paid already is their maker's choice.
    """
    if not reservations and not any(c.reservation for c in request.candidates):
        return request
    sizes = {r.name: r.nodes for r in reservations}
    bought = [
        c for c in request.candidates if not c.reservation or (c.spread and c.free_nodes <= sizes.get(c.reservation, 0))
    ]
    reserved = [
        msgspec.structs.replace(c, reservation=r.name, free_nodes=free)
        for c in bought
        for r in reservations
        if not c.use_spot and not c.spread and r.place.matches(c.offer, use_spot=False)
        for free in range(1, min(request.num_nodes, r.nodes) + 1)
    ]
    return msgspec.structs.replace(request, candidates=(*bought, *reserved))


def _of_shares(problem: Problem) -> tuple[Quota, ...]:
    nodes = sum(request.num_nodes for request in problem.requests)
    for share in problem.limits.shares:
        if not 0 <= share.fraction <= 1:
            raise InvalidProblem(f"the share at {share.place} is {share.fraction}; give 0 to 1")
    return tuple(Quota(s.place, math.floor(s.fraction * nodes + 1e-9), share=s.fraction) for s in problem.limits.shares)


def _edges(problem: Problem) -> tuple[Edge, ...]:
    """Edges by name, several between the same two tasks added up; raises InvalidProblem for an unknown task, a bad amount or a cycle."""
    tasks = {request.task for request in problem.requests}
    amounts: dict[tuple[str, str], list[float]] = {}
    for edge in problem.edges:
        for name in (edge.source, edge.target):
            if name not in tasks:
                raise InvalidProblem(f"the edge {edge.source} -> {edge.target} names {name!r}, which is no task here")
        if not 0 <= edge.gigabytes <= MOST_GIGABYTES:
            raise InvalidProblem(
                f"the edge {edge.source} -> {edge.target} carries {edge.gigabytes} GB; give 0 to {MOST_GIGABYTES:,}"
            )
        key = (edge.source, edge.target)
        amounts.setdefault(key, []).append(edge.gigabytes)
    try:
        tuple(TopologicalSorter({t: [a for a, b in amounts if b == t] for t in sorted(tasks)}).static_order())
    except CycleError as err:
        raise InvalidProblem(f"the tasks wait for each other in a circle: {' -> '.join(err.args[1])}") from err
    return tuple(Edge(a, b, math.fsum(amounts[a, b])) for a, b in sorted(amounts))


def _together(problem: Problem) -> tuple[Together, ...]:
    """Groups of at least two, by name; raises InvalidProblem for an unknown task."""
    tasks = {request.task for request in problem.requests}
    groups = set()
    for group in problem.together:
        unknown = sorted(set(group.tasks) - tasks)
        if unknown:
            raise InvalidProblem(f"the tasks to keep in one {group.scope} name {unknown[0]!r}, which is no task here")
        if len(set(group.tasks)) > 1:
            groups.add(Together(tuple(sorted(set(group.tasks))), group.scope))
    return tuple(sorted(groups, key=repr))

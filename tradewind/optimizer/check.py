"""Refuses problems that no plan can be made of, and puts the rest into the order that decisions are made in."""

from __future__ import annotations

import math
from collections import Counter

import msgspec

from tradewind.optimizer.errors import InvalidProblem
from tradewind.optimizer.problem import Problem


def canonical(problem: Problem) -> Problem:
    """The same problem with requests by task name, blocks and quotas by content; raises InvalidProblem for values without a meaning."""
    names = Counter(request.task for request in problem.requests)
    twice = sorted(name for name, count in names.items() if count > 1)
    if twice:
        raise InvalidProblem(
            f"the task {twice[0]!r} is named {names[twice[0]]} times; give each request a name of its own"
        )
    for request in problem.requests:
        if request.num_nodes < 1:
            raise InvalidProblem(f"{request.task}: num_nodes is {request.num_nodes}; it must be at least 1")
        if not (math.isfinite(request.hours) and request.hours > 0):
            raise InvalidProblem(f"{request.task}: hours is {request.hours}; it must be a number above 0")
        if request.deadline_h is not None and not request.deadline_h > 0:
            raise InvalidProblem(f"{request.task}: the deadline is {request.deadline_h} h; it must be above 0")
    limits = problem.limits
    for name, cap in (("max_hourly_usd", limits.max_hourly_usd), ("max_total_usd", limits.max_total_usd)):
        if cap is not None and not math.isfinite(cap):
            raise InvalidProblem(f"{name} is {cap}; give USD as a number, or leave it out for no cap")
    return msgspec.structs.replace(
        problem,
        requests=tuple(sorted(problem.requests, key=lambda r: r.task)),
        limits=msgspec.structs.replace(
            limits,
            blocks=tuple(sorted(set(limits.blocks), key=repr)),
            quotas=tuple(sorted(set(limits.quotas), key=repr)),
        ),
    )

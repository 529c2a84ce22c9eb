"""What a candidate uses of each limit, and whether a whole choice keeps within all of them. Exact: whole nano-dollars and whole nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from tradewind.optimizer.cost import hourly_nano, plan_nano, wall_h
from tradewind.optimizer.money import nano_usd
from tradewind.optimizer.problem import Candidate, Limits, Problem, Quota, Request


def quota_use(limits: Limits, request: Request, candidate: Candidate) -> tuple[int, ...]:
    """What counts against each quota (nodes, vCPUs or accelerators), in the order of `limits.quotas`."""
    if not limits.quotas:
        return ()
    offer = candidate.offer
    under = _under(limits.quotas, offer.cloud, offer.region, offer.zone, offer.instance_type, candidate.use_spot)
    return tuple(
        request.num_nodes * quota.each(offer) if counts else 0
        for quota, counts in zip(limits.quotas, under, strict=True)
    )


@lru_cache(maxsize=65536)
def _under(
    quotas: tuple[Quota, ...], cloud: str, region: str, zone: str, instance_type: str, use_spot: bool
) -> tuple[bool, ...]:
    """Which quotas count a purchase; remembered, because thousands of jobs ask it of the same few places."""
    return tuple(q.place.covers(cloud, region, zone, instance_type, use_spot=use_spot) for q in quotas)


def is_blocked(limits: Limits, candidate: Candidate) -> bool:
    """Whether any block covers the candidate."""
    return any(block.matches(candidate.offer, use_spot=candidate.use_spot) for block in limits.blocks)


def is_late(request: Request, candidate: Candidate) -> bool:
    """Whether the request is expected to end on the candidate after its deadline, or never."""
    wall = wall_h(request, candidate)
    return not math.isfinite(wall) or (request.deadline_h is not None and wall > request.deadline_h)


def coupled_use(limits: Limits, request: Request, candidate: Candidate) -> tuple[int, ...]:
    """What the candidate takes of everything that requests share and that its cost alone does not order: quotas, and the hourly cap."""
    quotas = quota_use(limits, request, candidate)
    return quotas if limits.max_hourly_usd is None else (*quotas, hourly_nano(request, candidate))


def keeps_limits(problem: Problem, choice: Sequence[Candidate]) -> bool:
    """Whether the choice, one candidate a request in the problem's order, keeps every cap, quota, block, deadline and what must stand together."""
    limits = problem.limits
    pairs = list(zip(problem.requests, choice, strict=True))
    if limits.max_hourly_usd is not None and sum(hourly_nano(r, c) for r, c in pairs) > nano_usd(limits.max_hourly_usd):
        return False
    if limits.max_total_usd is not None and plan_nano(problem, choice) > nano_usd(limits.max_total_usd):
        return False
    uses = [quota_use(limits, r, c) for r, c in pairs]
    if any(sum(use[i] for use in uses) > quota.limit for i, quota in enumerate(limits.quotas)):
        return False
    if any(is_blocked(limits, c) or is_late(r, c) for r, c in pairs):
        return False
    at = {r.task: c.offer for r, c in pairs} if problem.together else {}
    return all(len({group.where(at[task]) for task in group.tasks}) == 1 for group in problem.together)

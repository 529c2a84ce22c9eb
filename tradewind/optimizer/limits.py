"""What a candidate uses of each limit, and whether a whole choice keeps within all of them. Exact: whole nano-dollars and whole nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from tradewind.optimizer.cost import (
    MG_PER_KG,
    carbon_mg,
    hourly_nano,
    makespan_h,
    plan_mg,
    plan_nano,
    total_nano,
    wall_h,
)
from tradewind.optimizer.money import nano_usd
from tradewind.optimizer.problem import MONEY, Candidate, Limits, Problem, Quota, Request

# A plan may end later than the deadline by this fraction: the rounding of sums of hours, a third of a second in ten years.
ON_TIME = 1e-9


def quota_use(limits: Limits, request: Request, candidate: Candidate) -> tuple[int, ...]:
    """What counts against each quota (nodes, vCPUs or accelerators) and then each reservation, in the order of `quota_sizes`."""
    reserved = tuple(candidate.free_nodes if candidate.reservation == r.name else 0 for r in limits.reservations)
    if not limits.quotas:
        return reserved
    offer = candidate.offer
    under = _under(limits.quotas, offer.cloud, offer.region, offer.zone, offer.instance_type, candidate.use_spot)
    return (
        tuple(
            request.num_nodes * quota.each(offer) if counts else 0
            for quota, counts in zip(limits.quotas, under, strict=True)
        )
        + reserved
    )


def quota_sizes(limits: Limits) -> tuple[int, ...]:
    """How much of each quota, and of each reservation, there is."""
    return (*(quota.limit for quota in limits.quotas), *(r.nodes for r in limits.reservations))


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


def coupled_use(problem: Problem, request: Request, candidate: Candidate) -> tuple[int, ...]:
    """What the candidate takes of all that requests share and that its cost alone does not order: quotas, the hourly cap, the time."""
    use = quota_use(problem.limits, request, candidate)
    if problem.limits.max_hourly_usd is not None:
        use = (*use, hourly_nano(request, candidate))
    if problem.limits.max_total_usd is not None and problem.weights != MONEY:
        use = (*use, total_nano(request, candidate))
    if problem.limits.max_carbon_kg is not None:
        use = (*use, carbon_mg(request, candidate))
    # in microseconds; what rounds alike differs by less than the deadline's own tolerance
    return use if problem.deadline_h is None else (*use, math.ceil(wall_h(request, candidate) * 3.6e9))


def carbon_cap_mg(kg: float) -> int:
    """The cap in whole milligrams."""
    return round(kg * MG_PER_KG)


def keeps_limits(problem: Problem, choice: Sequence[Candidate]) -> bool:
    """Whether the choice, one candidate a request in the problem's order, keeps every cap, quota, block, deadline and what must stand together."""
    limits = problem.limits
    pairs = list(zip(problem.requests, choice, strict=True))
    if limits.max_hourly_usd is not None and sum(hourly_nano(r, c) for r, c in pairs) > nano_usd(limits.max_hourly_usd):
        return False
    if limits.max_total_usd is not None and plan_nano(problem, choice) > nano_usd(limits.max_total_usd):
        return False
    if limits.max_carbon_kg is not None and plan_mg(problem, choice) > carbon_cap_mg(limits.max_carbon_kg):
        return False
    if problem.deadline_h is not None and makespan_h(problem, choice) > problem.deadline_h * (1 + ON_TIME):
        return False
    uses = [quota_use(limits, r, c) for r, c in pairs]
    if any(sum(use[i] for use in uses) > size for i, size in enumerate(quota_sizes(limits))):
        return False
    if any(is_blocked(limits, c) or is_late(r, c) for r, c in pairs):
        return False
    at = {r.task: c.offer for r, c in pairs} if problem.together else {}
    return all(len({group.where(at[task]) for task in group.tasks}) == 1 for group in problem.together)

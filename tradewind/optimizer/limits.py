"""What a candidate uses of each limit, and whether a whole choice keeps within all of them. Exact: whole nano-dollars and whole nodes."""

from __future__ import annotations

from collections.abc import Sequence

from tradewind.optimizer.money import nano_usd
from tradewind.optimizer.problem import Candidate, Limits, Request


def hourly_nano(request: Request, candidate: Candidate) -> int:
    """Nano-dollars an hour for all the request's nodes."""
    return nano_usd(candidate.hourly_usd) * request.num_nodes


def total_nano(request: Request, candidate: Candidate) -> int:
    """Nano-dollars for all the request's nodes over its hours."""
    return round(hourly_nano(request, candidate) * request.hours)


def quota_use(limits: Limits, request: Request, candidate: Candidate) -> tuple[int, ...]:
    """Nodes counted against each quota, in the order of `limits.quotas`."""
    return tuple(
        request.num_nodes if quota.place.matches(candidate.offer, use_spot=candidate.use_spot) else 0
        for quota in limits.quotas
    )


def is_blocked(limits: Limits, candidate: Candidate) -> bool:
    """Whether any block covers the candidate."""
    return any(block.matches(candidate.offer, use_spot=candidate.use_spot) for block in limits.blocks)


def keeps_limits(limits: Limits, requests: Sequence[Request], choice: Sequence[Candidate]) -> bool:
    """Whether the choice, one candidate a request, exceeds no cap and no quota and uses no blocked place."""
    pairs = list(zip(requests, choice, strict=True))
    if limits.max_hourly_usd is not None and sum(hourly_nano(r, c) for r, c in pairs) > nano_usd(limits.max_hourly_usd):
        return False
    if limits.max_total_usd is not None and sum(total_nano(r, c) for r, c in pairs) > nano_usd(limits.max_total_usd):
        return False
    uses = [quota_use(limits, r, c) for r, c in pairs]
    if any(sum(use[i] for use in uses) > quota.limit for i, quota in enumerate(limits.quotas)):
        return False
    return not any(is_blocked(limits, c) for c in choice)

"""Sentences for a problem without a plan: which limit, and what is nearest."""

from __future__ import annotations

from tradewind.optimizer.cost import hourly_nano, is_payable
from tradewind.optimizer.money import usd
from tradewind.optimizer.order import sorted_candidates
from tradewind.optimizer.plan import Conflict
from tradewind.optimizer.problem import Problem, Request
from tradewind.optimizer.prune import Pool
from tradewind.optimizer.search import Found


def why_infeasible(problem: Problem, alive: Pool, found: Found, conflicts: tuple[Conflict, ...]) -> tuple[str, ...]:
    """At least one sentence; each names a task or a limit and, where known, the nearest possibility."""
    if not found.proven_infeasible:
        return (
            f"no plan was found within {problem.time_limit_s:g} seconds, and none was proven impossible; allow the solver more time",
        )
    sentences: list[str] = []
    for request in problem.requests:
        if not request.candidates:
            sentences += request.why_no_candidates or (f"{request.task}: no offer serves the request",)
    sentences += [
        _all_ruled_out(request, alive)
        for request, row in zip(problem.requests, alive.left, strict=True)
        if request.candidates and not row
    ]
    sentences += [_conflict(conflict, len(conflicts)) for conflict in conflicts]
    return tuple(sentences) or ("the limits leave no plan",)


def _all_ruled_out(request: Request, alive: Pool) -> str:
    parts = [f"{len(r.candidates)} because {r.why}" for r in alive.refused if r.task == request.task]
    total = len(request.candidates)
    sentence = f"{request.task}: none of its {total} candidates can be bought: {', '.join(parts)}"
    payable = sorted_candidates(request, (c for c in request.candidates if is_payable(c)))
    if not payable:
        return sentence
    nearest = payable[0]
    offer = nearest.offer
    where = "/".join(part for part in (offer.cloud, offer.region, offer.zone) if part)
    nodes = f" for {request.num_nodes} nodes" if request.num_nodes > 1 else ""
    return f"{sentence}; the cheapest is {offer.instance_type} in {where} at {usd(hourly_nano(request, nearest)):.4g} USD/h{nodes}"


def _conflict(conflict: Conflict, count: int) -> str:
    together = "can't be kept" if count == 1 else "can't be kept together with the others named here"
    if conflict.hourly_usd is None or conflict.total_usd is None:
        return f"{conflict.limit} {together}; lifting it alone is not enough"
    return (
        f"{conflict.limit} {together}; without it the cheapest plan costs {conflict.hourly_usd:.4g} USD/h"
        f" ({conflict.total_usd:.4g} USD in all)"
    )

"""What is shown beside the choice and may not be bought: the other market, clouds left out, and what a limit ruled out."""

from __future__ import annotations

from collections.abc import Sequence

from tradewind.optimizer.cost import is_payable, total_nano
from tradewind.optimizer.order import sorted_candidates
from tradewind.optimizer.plan import RankedCandidate
from tradewind.optimizer.problem import Candidate, Problem, Request
from tradewind.optimizer.prune import Pool
from tradewind.optimizer.rank import as_ranked, difference


def compared(problem: Problem, alive: Pool, choice: Sequence[Candidate]) -> tuple[RankedCandidate, ...]:
    """For each task its references, then per cloud the cheapest offer that a limit ruled out, where it is cheaper than the choice or
    the cloud has no other. `choice` is empty when there is no plan.
    """
    lines: list[RankedCandidate] = []
    for i, request in enumerate(problem.requests):
        chosen = choice[i] if choice else None
        lines += (
            as_ranked(request, ref.candidate, _with_difference(request, chosen, ref.candidate, ref.why))
            for ref in request.references
        )
        lines += _ruled_out(request, chosen, alive, i)
    return tuple(lines)


def _ruled_out(request: Request, chosen: Candidate | None, alive: Pool, i: int) -> list[RankedCandidate]:
    serving = {c.offer.cloud for c in alive.left[i]}
    why = {
        id(c): refusal.why
        for refusal in alive.refused
        if refusal.task == request.task
        for c in refusal.candidates
        if is_payable(c)
    }
    seen: set[str] = set()
    lines = []
    for candidate in sorted_candidates(request, (c for c in request.candidates if id(c) in why)):
        cloud = candidate.offer.cloud
        cheaper = chosen is not None and total_nano(request, candidate) < total_nano(request, chosen)
        if cloud in seen or (cloud in serving and not cheaper):
            continue
        seen.add(cloud)
        lines.append(as_ranked(request, candidate, _with_difference(request, chosen, candidate, why[id(candidate)])))
    return lines


def _with_difference(request: Request, chosen: Candidate | None, candidate: Candidate, why: str) -> str:
    if chosen is None or not is_payable(candidate):
        return why
    return f"{why}; {difference(request, chosen, candidate)}"

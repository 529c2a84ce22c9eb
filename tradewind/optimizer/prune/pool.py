"""The candidates that are still in the race, and why the others are not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tradewind.optimizer.problem import Candidate, Problem, Request


class Refusal(msgspec.Struct, frozen=True):
    """Candidates of one task that a limit rules out, whatever else is chosen: `why` completes "not bought: ..."."""

    task: str
    why: str
    candidates: tuple[Candidate, ...]


class Pool(msgspec.Struct, frozen=True):
    """For each request of the problem, in its order, the candidates left; and what was ruled out by a limit (not by a cheaper rival)."""

    left: tuple[tuple[Candidate, ...], ...]
    refused: tuple[Refusal, ...] = ()

    def keep(self, requests: tuple[Request, ...], kept: list[list[Candidate]], why: str) -> Pool:
        """The pool with `kept` in place of what was left; what is missing is recorded as refused for the reason `why`."""
        refused = list(self.refused)
        for request, before, after in zip(requests, self.left, kept, strict=True):
            if len(after) < len(before):
                alive = {id(c) for c in after}
                refused.append(Refusal(request.task, why, tuple(c for c in before if id(c) not in alive)))
        return Pool(tuple(tuple(row) for row in kept), tuple(refused))


Pass = Callable[[Problem, Pool], Pool]


def full_pool(problem: Problem) -> Pool:
    """Every candidate of every request."""
    return Pool(tuple(request.candidates for request in problem.requests))

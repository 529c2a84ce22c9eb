"""Finds the cheapest choice over a pool, with its proof."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tradewind.optimizer.cost import plan_score, score_nano
from tradewind.optimizer.exact import choice_of, solve_exact
from tradewind.optimizer.limits import keeps_limits
from tradewind.optimizer.model import Model, build_model
from tradewind.optimizer.money import usd
from tradewind.optimizer.order import sorted_candidates
from tradewind.optimizer.problem import Candidate, Problem
from tradewind.optimizer.prune import Pool
from tradewind.optimizer.solvers import Solution, Solver
from tradewind.optimizer.ties import SETTLED_ONE_BY_ONE, contenders, settle_ties

# A relative gap below this counts as 0: it is the rounding of the solver's own sums.
PROVEN_GAP = 1e-9
# What a certificate names where every candidate was compared and no program had to be solved.
COMPARED = "comparison"


class Found(msgspec.Struct, frozen=True):
    """The search's answer: the candidate of each request in the problem's order, and the proof. `choice` is empty when there is none.

    `proven_infeasible` tells "there is no plan" from "none was found in the time".
    """

    choice: tuple[Candidate, ...]
    objective_usd: float
    bound_usd: float
    solver: str
    columns: int
    rows: int
    proven_infeasible: bool = False


def search(problem: Problem, pool: Pool, solvers: Sequence[Solver]) -> Found:
    """The cheapest choice over the pool within every limit; ties by lower risk, then by the content order of each request in turn."""
    if not all(pool.left):
        return Found((), 0.0, 0.0, "pruning", 0, 0, proven_infeasible=True)
    if not problem.requests:
        return Found((), 0.0, 0.0, "pruning", 0, 0)
    alone = _apart(problem, pool)
    if alone is not None:
        return alone
    model, first = _solve(problem, pool, solvers)
    size = (len(model.program.costs), len(model.program.rows))
    if not first.chosen:
        return Found((), 0.0, 0.0, first.solver, *size, proven_infeasible=first.status == "infeasible")
    chosen = first.chosen
    if first.status == "optimal":
        model, chosen = contenders(model, first)
        chosen = settle_ties(problem, model, chosen, solvers)
    choice = choice_of(model, chosen, first.solver)
    objective = plan_score(problem, choice)
    bound = max(first.bound / model.scale, 0.0)
    if bound >= objective * (1 - PROVEN_GAP):
        bound = objective
    return Found(choice, usd(objective), usd(round(bound)), first.solver, *size)


def _apart(problem: Problem, pool: Pool) -> Found | None:
    """The first of each request in the content order where these together keep every limit and no data is paid for between them: nothing can be
    cheaper then, and no solver has to be loaded to know it. None otherwise.
    """
    if len(problem.requests) > SETTLED_ONE_BY_ONE:  # of so many some limit mostly binds
        return None
    choice = tuple(sorted_candidates(r, row)[0] for r, row in zip(problem.requests, pool.left, strict=True))
    score = plan_score(problem, choice)
    if score != sum(score_nano(r, c) for r, c in zip(problem.requests, choice, strict=True)):
        return None
    if not keeps_limits(problem, choice):
        return None
    objective = usd(score)
    return Found(choice, objective, objective, COMPARED, sum(map(len, pool.left)), len(choice))


def _solve(problem: Problem, pool: Pool, solvers: Sequence[Solver]) -> tuple[Model, Solution]:
    """The solution of the problem's program; by classes when the requests are many, one by one where that does not keep the limits exactly."""
    if len(problem.requests) > SETTLED_ONE_BY_ONE and not (
        problem.edges or problem.together or problem.deadline_h is not None
    ):
        model = build_model(problem, pool, by_class=True)
        solution = solve_exact(problem, model, model.program, solvers, problem.time_limit_s)
        if solution is not None:
            return model, solution
    model = build_model(problem, pool)
    solution = solve_exact(problem, model, model.program, solvers, problem.time_limit_s)
    assert solution is not None, "a program of 0/1 columns can always be cut"
    return model, solution

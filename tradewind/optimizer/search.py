"""Finds the cheapest choice and settles ties, with exact arithmetic around a solver that works in floats."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tradewind.optimizer.cost import plan_nano, risk_micro_per_h
from tradewind.optimizer.errors import SolverFailed
from tradewind.optimizer.limits import keeps_limits
from tradewind.optimizer.model import Model, build_model
from tradewind.optimizer.money import usd
from tradewind.optimizer.problem import Candidate, Problem
from tradewind.optimizer.prune import Pool
from tradewind.optimizer.solvers import IntegerProgram, Row, Solution, Solver, solve_with_fallback

# A relative gap below this counts as 0: it is the rounding of the solver's own sums.
PROVEN_GAP = 1e-9
# Up to so many requests ties are settled request by request, which makes the plan unique; beyond, by the sum of ranks in one solve.
SETTLED_ONE_BY_ONE = 12
# A reduced cost below this may be the rounding of 0 (costs are scaled to a sum near 1000).
NO_DEARER = 1e-6
# How often a solution that breaks a limit by less than the solver's tolerance is cut off before we give up on the solver.
CUTS = 50


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
    model = build_model(problem, pool)
    size = (len(model.program.costs), len(model.program.rows))
    first = _solve_exact(problem, model, model.program, solvers, problem.time_limit_s)
    if not first.chosen:
        return Found((), 0.0, 0.0, first.solver, *size, proven_infeasible=first.status == "infeasible")
    chosen = first.chosen
    if first.status == "optimal":
        model, chosen = _contenders(model, first)
        chosen = _settle_ties(problem, model, chosen, solvers)
    choice = _choice(problem, model, chosen, first.solver)
    objective = plan_nano(problem, choice)
    bound = first.bound / model.scale
    if bound >= objective * (1 - PROVEN_GAP):
        bound = objective
    return Found(choice, usd(objective), max(usd(round(bound)), 0.0) if bound > 0 else 0.0, first.solver, *size)


def _solve_exact(
    problem: Problem, model: Model, program: IntegerProgram, solvers: Sequence[Solver], time_limit_s: float
) -> Solution:
    """A solution that keeps every limit in exact arithmetic: one that leans on the solver's tolerance is cut off and solved again."""
    for _ in range(CUTS):
        solution = solve_with_fallback(program, solvers, time_limit_s)
        if not solution.chosen or keeps_limits(problem, _choice(problem, model, solution.chosen, solution.solver)):
            return solution
        count = len(solution.chosen)
        program = program.with_row(Row(solution.chosen, (1.0,) * count, upper=count - 1.0))
    raise SolverFailed(solution.solver, f"{CUTS} solutions in a row broke a limit by less than its tolerance")


def _choice(problem: Problem, model: Model, chosen: tuple[int, ...], solver: str) -> tuple[Candidate, ...]:
    owners = [model.columns[j][0] for j in chosen]
    if owners != list(range(len(problem.requests))):
        raise SolverFailed(solver, "its solution does not give each request one candidate")
    return tuple(model.columns[j][1] for j in chosen)


def _cost(problem: Problem, model: Model, chosen: tuple[int, ...]) -> int:
    return plan_nano(problem, [model.columns[j][1] for j in chosen])


def _contenders(model: Model, solution: Solution) -> tuple[Model, tuple[int, ...]]:
    """The model without the columns that no plan of the same cost can use, and the chosen columns in it.

    By duality a plan with a column of positive reduced cost is dearer by at least that; mostly the chosen plan alone is left.
    """
    if not solution.reduced:
        return model, solution.chosen
    chosen = set(solution.chosen)
    kept = [j for j, dearer in enumerate(solution.reduced) if dearer <= NO_DEARER or j in chosen]
    program = model.program.only(kept)
    whole = kept[: program.binaries]
    number = {j: k for k, j in enumerate(whole)}
    columns = tuple(model.columns[j] for j in whole)
    return Model(program, columns, model.scale), tuple(number[j] for j in solution.chosen)


def _settle_ties(problem: Problem, model: Model, chosen: tuple[int, ...], solvers: Sequence[Solver]) -> tuple[int, ...]:
    """Among the plans of the same cost the one of least risk, then with the earliest candidate of each request in turn.

    Columns stand in the content order, so when no data moves and every request has its first column there is nothing to settle.
    """
    if len(model.columns) == len(chosen):
        return chosen  # nothing else costs as little
    ranks = _ranks(model)
    if not problem.edges and not any(ranks[j] for j in chosen):
        return chosen
    if problem.edges and len(problem.requests) > SETTLED_ONE_BY_ONE:
        return (
            chosen  # a second solve of a large DAG would cost as much as the first; the solver itself is deterministic
        )
    program = model.program.with_row(_at_most(model.program.costs, _cost(problem, model, chosen) * model.scale))
    risks = tuple(float(risk_micro_per_h(c) * problem.requests[i].num_nodes) for i, c in model.columns)
    limit_s = problem.time_limit_s / 4
    best = _better(problem, model, chosen, solvers, program.with_costs(risks), risks, limit_s)
    program = program.with_row(_at_most(risks, sum(risks[j] for j in best)))
    if len(problem.requests) > SETTLED_ONE_BY_ONE:
        return _better(problem, model, best, solvers, program.with_costs(ranks), ranks, limit_s)
    for i in range(len(problem.requests)):
        mine = tuple(rank if model.columns[j][0] == i else 0.0 for j, rank in enumerate(ranks))
        if mine[best[i]]:
            best = _better(problem, model, best, solvers, program.with_costs(mine), mine, limit_s)
        program = program.with_row(Row((best[i],), (1.0,), 1.0, 1.0))
    return best


def _ranks(model: Model) -> tuple[float, ...]:
    ranks: list[float] = []
    seen: dict[int, int] = {}
    for i, _ in model.columns:
        ranks.append(float(seen.get(i, 0)))
        seen[i] = seen.get(i, 0) + 1
    return tuple(ranks)


def _at_most(weights: tuple[float, ...], total: float) -> Row:
    """The row "the columns weigh no more than this", scaled to 1, with room for the rounding of the sum only."""
    unit = total if total > 0 else 1.0
    counted = tuple(j for j, w in enumerate(weights) if w)
    return Row(counted, tuple(weights[j] / unit for j in counted), upper=(total / unit) * (1 + 1e-12))


def _better(
    problem: Problem,
    model: Model,
    best: tuple[int, ...],
    solvers: Sequence[Solver],
    program: IntegerProgram,
    weights: tuple[float, ...],
    limit_s: float,
) -> tuple[int, ...]:
    """What the solver found under the tie's objective, if it is exactly as cheap and truly better; else what we had."""
    solution = _solve_exact(problem, model, program, solvers, limit_s)
    found = solution.chosen
    as_cheap = bool(found) and _cost(problem, model, found) <= _cost(problem, model, best)
    return found if as_cheap and sum(weights[j] for j in found) < sum(weights[j] for j in best) else best

"""Among the plans of the same cost: the one of least risk, then with the earliest candidate of each request in turn."""

from __future__ import annotations

from collections.abc import Sequence

from tradewind.optimizer.cost import plan_score, risk_micro_per_h
from tradewind.optimizer.exact import CUTS, choice_of, cost_of, solve_exact
from tradewind.optimizer.limits import keeps_limits
from tradewind.optimizer.model import Model
from tradewind.optimizer.problem import Problem
from tradewind.optimizer.solvers import IntegerProgram, Row, Solution, Solver

# Up to so many coupled requests ties are settled one by one, which makes the plan unique whatever the solver.
SETTLED_ONE_BY_ONE = 12
# A reduced cost below this may be the rounding of 0 (costs are scaled to a sum near 1000).
NO_DEARER = 1e-6
ROUNDING = 1e-12  # of a sum of costs, relative


def contenders(model: Model, solution: Solution) -> tuple[Model, tuple[int, ...]]:
    """The model without the columns that no plan of the same cost can use, and the chosen columns in it.

    By duality a plan with column j costs at least the relaxation plus the reduced cost of j; mostly the chosen plan alone is left.
    """
    if not solution.reduced:
        return model, solution.chosen
    room = sum(model.program.costs[j] for j in solution.chosen) if not model.program.continuous else solution.bound
    room += max(NO_DEARER, ROUNDING * abs(room)) - solution.relaxed
    kept = sorted({*model.program.within(solution.reduced, room), *solution.chosen})
    program = model.program.only(kept)
    whole = kept[: program.whole]
    number = {j: k for k, j in enumerate(whole)}
    columns = tuple(model.columns[j] for j in whole)
    return Model(program, columns, model.members, model.scale), tuple(number[j] for j in solution.chosen)


def settle_ties(problem: Problem, model: Model, chosen: tuple[int, ...], solvers: Sequence[Solver]) -> tuple[int, ...]:
    """The best of the model's plans that cost what the chosen one costs.

    Columns stand in the content order, so when no data moves and the first of every request cost the same, they are it. Beyond that, many
    requests are left as the solver, which is deterministic, placed them: settling would cost more than the plan itself did.
    """
    if len(model.columns) == len(set(chosen)):
        return chosen
    ranks = _ranks(model)
    if not problem.edges:
        firsts = tuple(j for j, rank in enumerate(ranks) if not rank for _ in model.members[model.columns[j][0]])
        choice = choice_of(model, firsts, "the search")
        if plan_score(problem, choice) == cost_of(problem, model, chosen) and keeps_limits(problem, choice):
            return firsts
    if len(problem.requests) > SETTLED_ONE_BY_ONE:
        return chosen
    settle = _Settling(problem, model, solvers)
    nodes = [problem.requests[group[0]].num_nodes for group in model.members]
    risks = tuple(float(risk_micro_per_h(c) * nodes[k]) for k, c in model.columns)
    program = model.program.with_row(_at_most(model.program.costs, cost_of(problem, model, chosen) * model.scale))
    best = settle.better(chosen, program, risks)
    program = program.with_row(_at_most(risks, sum(risks[j] for j in best)))
    for k in range(len(model.members)):
        mine = tuple(rank if group == k else 0.0 for rank, (group, _) in zip(ranks, model.columns, strict=True))
        best = settle.better(best, program, mine)
        program = program.with_row(Row((best[k],), (1.0,), 1.0, 1.0))
    return best


class _Settling:
    def __init__(self, problem: Problem, model: Model, solvers: Sequence[Solver]) -> None:
        self.problem = problem
        self.model = model
        self.solvers = solvers

    def better(self, best: tuple[int, ...], program: IntegerProgram, weights: tuple[float, ...]) -> tuple[int, ...]:
        """What is lighter under the weights and exactly as cheap, if there is such; else what we had.

        A solution that is dearer by less than the solver's tolerance is cut off, and the next one looked for.
        """
        weight = sum(weights[j] for j in best)
        if not weight:
            return best
        limit_s = self.problem.time_limit_s / 4
        cheap = cost_of(self.problem, self.model, best)
        program = program.with_costs(weights)
        for _ in range(CUTS):
            solution = solve_exact(self.problem, self.model, program, self.solvers, limit_s)
            if solution is None or not solution.chosen or sum(weights[j] for j in solution.chosen) >= weight:
                return best
            if cost_of(self.problem, self.model, solution.chosen) <= cheap:
                return solution.chosen
            count = len(solution.chosen)
            program = program.with_row(Row(solution.chosen, (1.0,) * count, upper=count - 1.0))
        return best


def _ranks(model: Model) -> tuple[float, ...]:
    ranks: list[float] = []
    seen: dict[int, int] = {}
    for group, _ in model.columns:
        ranks.append(float(seen.get(group, 0)))
        seen[group] = seen.get(group, 0) + 1
    return tuple(ranks)


def _at_most(weights: tuple[float, ...], total: float) -> Row:
    """The row "the columns weigh no more than this", scaled to 1, with room for the rounding of the sum only."""
    unit = total if total > 0 else 1.0
    counted = tuple(j for j, w in enumerate(weights) if w)
    return Row(counted, tuple(weights[j] / unit for j in counted), upper=(total / unit) * (1 + 1e-12))

"""Exact arithmetic around a solver that works in floats: no solution passes that leans on a tolerance to keep a limit."""

from __future__ import annotations

from collections.abc import Sequence

from tradewind.optimizer.cost import plan_score
from tradewind.optimizer.errors import SolverFailed
from tradewind.optimizer.limits import keeps_limits
from tradewind.optimizer.model import Model
from tradewind.optimizer.problem import Candidate, Problem
from tradewind.optimizer.solvers import IntegerProgram, Row, Solution, Solver, solve_with_fallback

# How often a solution that breaks a limit by less than the solver's tolerance is cut off before we give up on the solver.
CUTS = 50


def solve_exact(
    problem: Problem, model: Model, program: IntegerProgram, solvers: Sequence[Solver], time_limit_s: float
) -> Solution | None:
    """A solution that keeps every limit exactly; one that does not is cut off and solved again.

    None when it can't be cut off because the model counts equal requests together. Raises SolverFailed when cutting does not end.
    """
    for _ in range(CUTS):
        solution = solve_with_fallback(program, solvers, time_limit_s)
        if not solution.chosen or keeps_limits(problem, choice_of(model, solution.chosen, solution.solver)):
            return solution
        if program.upper:
            return None
        count = len(solution.chosen)
        program = program.with_row(Row(solution.chosen, (1.0,) * count, upper=count - 1.0))
    raise SolverFailed(solution.solver, f"{CUTS} solutions in a row broke a limit by less than its tolerance")


def choice_of(model: Model, chosen: tuple[int, ...], solver: str) -> tuple[Candidate, ...]:
    """The candidate of each request; raises SolverFailed for columns that are no choice."""
    choice = model.choice(chosen)
    if choice is None:
        raise SolverFailed(solver, "its solution does not give each request one candidate")
    return choice


def cost_of(problem: Problem, model: Model, chosen: tuple[int, ...]) -> int:
    """The objective of the chosen columns in billionths, moving of data included."""
    return plan_score(problem, choice_of(model, chosen, "the search"))

"""Tries the solvers in order: a crash of one is answered by the next, and the certificate names the one that answered."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tradewind.optimizer.errors import SolverFailed
from tradewind.optimizer.solvers.highs import HighsArrays, Told
from tradewind.optimizer.solvers.program import IntegerProgram, Solution, Solver
from tradewind.optimizer.solvers.pulp_model import PulpSolver

DEFAULT_SOLVERS: tuple[Solver, ...] = (HighsArrays(), PulpSolver("CBC"))


def telling(told: Told) -> tuple[Solver, ...]:
    """The same, of which the first tells its gap while it searches."""
    return (HighsArrays(told), *DEFAULT_SOLVERS[1:])


def solve_with_fallback(program: IntegerProgram, solvers: Sequence[Solver], time_limit_s: float) -> Solution:
    """The first answer a solver gives; its name then says who failed before it. Raises the last SolverFailed when all fail."""
    failed: list[SolverFailed] = []
    for solver in solvers:
        try:
            solution = solver.solve(program, time_limit_s)
        except SolverFailed as err:
            failed.append(err)
            continue
        if not failed:
            return solution
        name = f"{solution.solver} (after {', '.join(err.solver for err in failed)} failed)"
        return msgspec.structs.replace(solution, solver=name)
    raise failed[-1] if failed else SolverFailed("none", "no solver was given")

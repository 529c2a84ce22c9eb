"""The seam to the solvers: one neutral integer program in, one solution out, one solver a file.

`HighsArrays` hands arrays straight to HiGHS; `PulpSolver` builds the same program as PuLP objects for HiGHS or CBC. All must give the same
answer; tests hold them to it. The libraries load on the first solve.
"""

from tradewind.optimizer.solvers.chain import DEFAULT_SOLVERS, solve_with_fallback, telling
from tradewind.optimizer.solvers.highs import HighsArrays
from tradewind.optimizer.solvers.program import IntegerProgram, Row, Solution, Solver
from tradewind.optimizer.solvers.pulp_model import PulpSolver

__all__ = [
    "DEFAULT_SOLVERS",
    "HighsArrays",
    "IntegerProgram",
    "PulpSolver",
    "Row",
    "Solution",
    "Solver",
    "solve_with_fallback",
    "telling",
]

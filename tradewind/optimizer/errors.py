"""What goes wrong while planning, by who must act.

OptimizerError
├── InvalidProblem   the caller: a value in the problem can't be planned with (no nodes, a task named twice, hours that are no number)
└── SolverFailed     the next solver is tried; the caller sees it only when every solver failed

An infeasible problem is no error: it is a Plan with `feasible` False that says why.
"""

from __future__ import annotations


class OptimizerError(Exception):
    """Planning did not give an answer."""


class InvalidProblem(OptimizerError):  # noqa: N818  the tree's root carries the word
    """The problem holds a value that no plan can be made of; the sentence names it."""


class SolverFailed(OptimizerError):  # noqa: N818  the tree's root carries the word
    """The solver gave no answer: not installed, crashed, or stopped without a solution."""

    def __init__(self, solver: str, why: str) -> None:
        super().__init__(f"the solver {solver} gave no answer: {why}")
        self.solver = solver
        self.why = why

    def __reduce__(self) -> tuple[type[SolverFailed], tuple[str, str]]:
        return type(self), (self.solver, self.why)

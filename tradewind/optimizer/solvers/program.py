"""A mixed 0/1 program as plain values, and what a solver answers."""

from __future__ import annotations

import math
from typing import Literal, Protocol

import msgspec


class Row(msgspec.Struct, frozen=True):
    """lower <= sum(values[i] * x[columns[i]]) <= upper; either side may be infinite."""

    columns: tuple[int, ...]
    values: tuple[float, ...]
    lower: float = -math.inf
    upper: float = math.inf


class IntegerProgram(msgspec.Struct, frozen=True):
    """Minimise sum(costs[j] * x[j]) under the rows; the first columns are 0 or 1, the last `continuous` ones lie anywhere between."""

    costs: tuple[float, ...]
    rows: tuple[Row, ...]
    continuous: int = 0

    @property
    def binaries(self) -> int:
        """How many columns must be whole."""
        return len(self.costs) - self.continuous

    def with_row(self, row: Row) -> IntegerProgram:
        """The same program with one row more."""
        return IntegerProgram(self.costs, (*self.rows, row), self.continuous)

    def with_costs(self, costs: tuple[float, ...]) -> IntegerProgram:
        """The same rows under another objective; columns beyond the given costs cost nothing."""
        return IntegerProgram(costs + (0.0,) * (len(self.costs) - len(costs)), self.rows, self.continuous)


class Solution(msgspec.Struct, frozen=True):
    """A solver's answer. `chosen` are the whole columns at 1; `bound` is what no solution goes below, in the program's units.

    "optimal": proven within the bound; "feasible": the time ran out with a solution in hand; "infeasible": proven that none exists;
    "unknown": the time ran out with none.
    """

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    chosen: tuple[int, ...]
    bound: float
    solver: str


class Solver(Protocol):
    """Anything that solves an IntegerProgram; raises SolverFailed when it can't run or crashes."""

    @property
    def name(self) -> str:
        """How the certificate calls it."""
        ...

    def solve(self, program: IntegerProgram, time_limit_s: float) -> Solution:
        """The program's best solution within the time, with the bound that was proven."""
        ...

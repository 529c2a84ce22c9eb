"""A mixed integer program as plain values, and what a solver answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec


class Row(msgspec.Struct, frozen=True):
    """lower <= sum(values[i] * x[columns[i]]) <= upper; either side may be infinite."""

    columns: tuple[int, ...]
    values: tuple[float, ...]
    lower: float = -math.inf
    upper: float = math.inf


class IntegerProgram(msgspec.Struct, frozen=True):
    """Minimise sum(costs[j] * x[j]) under the rows; the first columns are whole, the last `continuous` ones need not be.

    Columns lie between 0 and 1, or 0 and `upper[j]` where that is given. The last `timing` of the continuous ones truly take values in
    between; the others are whole wherever the whole columns are.
    """

    costs: tuple[float, ...]
    rows: tuple[Row, ...]
    continuous: int = 0
    upper: tuple[float, ...] = ()
    timing: int = 0

    @property
    def bounds(self) -> list[float]:
        """The upper bound of every column."""
        return list(self.upper) or [1.0] * len(self.costs)

    @property
    def whole(self) -> int:
        """How many columns must be whole."""
        return len(self.costs) - self.continuous

    def with_row(self, row: Row) -> IntegerProgram:
        """The same program with one row more."""
        return IntegerProgram(self.costs, (*self.rows, row), self.continuous, self.upper, self.timing)

    def with_costs(self, costs: tuple[float, ...]) -> IntegerProgram:
        """The same rows under another objective; columns beyond the given costs cost nothing."""
        return IntegerProgram(
            costs + (0.0,) * (len(self.costs) - len(costs)), self.rows, self.continuous, self.upper, self.timing
        )

    def within(self, reduced: Sequence[float], room: float) -> list[int]:
        """The columns that a solution may use which costs at most `room` above the relaxation; columns of time cost nothing and stay."""
        timed = len(self.costs) - self.timing
        return [j for j, more in enumerate(reduced) if more <= room or j >= timed]

    def only(self, kept: Sequence[int]) -> IntegerProgram:
        """The program with every column but the kept ones at 0, and renumbered in the order given (whole columns first, as here)."""
        number = {j: k for k, j in enumerate(kept)}
        rows = []
        for row in self.rows:
            terms = [(number[j], v) for j, v in zip(row.columns, row.values, strict=True) if j in number]
            if terms or row.lower > 0 or row.upper < 0:
                rows.append(Row(tuple(j for j, _ in terms), tuple(v for _, v in terms), row.lower, row.upper))
        continuous = sum(j >= self.whole for j in kept)
        upper = tuple(self.upper[j] for j in kept) if self.upper else ()
        return IntegerProgram(tuple(self.costs[j] for j in kept), tuple(rows), continuous, upper, self.timing)


class Solution(msgspec.Struct, frozen=True):
    """A solver's answer. `chosen` are the whole columns at 1 (one at 3 stands there three times); `bound` is what no solution goes below, in the program's units.

    "optimal": proven within the bound; "feasible": the time ran out with a solution in hand; "infeasible": proven that none exists;
    "unknown": the time ran out with none. `reduced` are the columns' reduced costs in the relaxation, whose optimum is `relaxed`: any
    solution that uses column j costs at least relaxed + reduced[j]. Empty where the solver does not tell.
    """

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    chosen: tuple[int, ...]
    bound: float
    solver: str
    relaxed: float = -math.inf
    reduced: tuple[float, ...] = ()


def columns_at(values: Sequence[float]) -> tuple[int, ...]:
    """The columns that are not at 0, each as often as its value says."""
    return tuple(j for j, x in enumerate(values) for _ in range(round(x)))


class Solver(Protocol):
    """Anything that solves an IntegerProgram; raises SolverFailed when it can't run or crashes."""

    @property
    def name(self) -> str:
        """How the certificate calls it."""
        ...

    def solve(self, program: IntegerProgram, time_limit_s: float) -> Solution:
        """The program's best solution within the time, with the bound that was proven."""
        ...

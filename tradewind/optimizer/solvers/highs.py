"""HiGHS by arrays: the whole program in one call, 20 times quicker to hand over than as modelling objects.

Three steps, each of which may be the last. The relaxation: these programs' are nearly always whole by themselves, and then they are the proof.
The core: of a large program only the columns whose reduced cost is small are searched; when the best of them costs no more than the
relaxation plus what was left out at least costs, nothing left out can be better (reduced-cost fixing, Nemhauser and Wolsey 1988, II.5.2). The
search over everything, for small programs and where HiGHS gives no reduced costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import msgspec

from tradewind.optimizer.errors import SolverFailed
from tradewind.optimizer.solvers.program import IntegerProgram, Solution, columns_at

Told = Callable[[float], None]
# One thread and a fixed seed: the same program gives the same answer. Gaps 0: stop at proven optimality only. The feasibility tolerances are
# the tightest that HiGHS takes without losing its footing on rows scaled to 1; what still slips through is caught by exact arithmetic.
OPTIONS: dict[str, bool | int | float] = {
    "output_flag": False,
    "threads": 1,
    "random_seed": 0,
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 0.0,
    "mip_feasibility_tolerance": 1e-9,
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
}
# A column of the relaxation this close to a whole number is whole.
WHOLE = 1e-7
# By how much, relative, the cost of the rounded columns may exceed the relaxation's: the rounding of the sum. More is what a row's tolerance
# let the relaxation save, and the relaxation then proves less than the search.
SAME_COST = 5e-10
# A program with fewer columns is searched whole; its core would not be much smaller.
FEW_COLUMNS = 500
# The core starts with so many columns a row, those of least reduced cost, and is widened as needed.
FIRST_COLUMNS_A_ROW = 4


def load_highspy() -> Any:
    """The highspy module; raises SolverFailed when it is not installed or its library does not load."""
    try:
        import highspy
    except (ImportError, OSError) as err:
        raise SolverFailed("HiGHS", f"highspy does not load ({err}); reinstall tradewind") from err
    return highspy


class HighsArrays:
    """HiGHS through highspy's array interface.

    A search that takes long calls `told` from its own thread, hundreds of times a second, with the relative gap (0 to 1) between the best that was found
    and the least that is possible, infinity while nothing is found; it changes nothing about the answer.
    """

    name: ClassVar[str] = "HiGHS"

    def __init__(self, told: Told | None = None) -> None:
        self._told = told

    def solve(self, program: IntegerProgram, time_limit_s: float) -> Solution:
        """The program's best solution; raises SolverFailed when HiGHS reports an error of its own."""
        highspy = load_highspy()
        model = self._load(highspy, program, time_limit_s)
        model.setOptionValue("solve_relaxation", True)
        model.run()
        relaxed, reduced = -math.inf, ()
        if model.getModelStatus() == highspy.HighsModelStatus.kOptimal:
            solution = model.getSolution()
            relaxed, reduced = float(model.getInfo().objective_function_value), tuple(solution.col_dual)
            values = solution.col_value[: program.whole]
            if all(abs(x - round(x)) < WHOLE for x in values) and _costs_as_much(program, solution.col_value, relaxed):
                return Solution("optimal", columns_at(values), relaxed, self.name, relaxed, reduced)
        if reduced and len(program.costs) > FEW_COLUMNS:
            found = self._search_core(highspy, program, time_limit_s, relaxed, reduced)
        else:
            found = self._search(highspy, program, time_limit_s)
        return msgspec.structs.replace(found, relaxed=relaxed, reduced=reduced)

    def _search_core(
        self, highspy: Any, program: IntegerProgram, time_limit_s: float, relaxed: float, reduced: tuple[float, ...]
    ) -> Solution:
        few = min(FIRST_COLUMNS_A_ROW * len(program.rows), len(reduced) - 1)
        room = max(sorted(reduced)[few], abs(relaxed) * 1e-9)
        while True:
            kept = program.within(reduced, room)
            if len(kept) == len(reduced):
                return self._search(highspy, program, time_limit_s)
            core = self._search(highspy, program.only(kept), time_limit_s)
            # Whatever uses a column that was left out costs more than this.
            outside = relaxed + room
            if core.chosen and (core.status == "feasible" or core.bound <= outside):
                chosen = tuple(kept[j] for j in core.chosen)
                return Solution(core.status, chosen, min(core.bound, outside), self.name)
            if core.status == "unknown":
                return Solution("unknown", (), relaxed, self.name)
            room = max(10 * room, core.bound - relaxed) if core.chosen else 10 * room

    def _search(self, highspy: Any, program: IntegerProgram, time_limit_s: float) -> Solution:
        model = self._load(highspy, program, time_limit_s)
        told = self._told
        if told is not None:
            # The event that asks whether to go on comes with every node of the search; the one for logs does not come without output.
            model.cbMipInterrupt.subscribe(lambda event: _tell(event.data_out, told))
        model.run()
        return _read(highspy, model, self.name, program.whole)

    def _load(self, highspy: Any, program: IntegerProgram, time_limit_s: float) -> Any:
        model = highspy.Highs()
        for option, value in OPTIONS.items():
            model.setOptionValue(option, value)
        model.setOptionValue("time_limit", float(time_limit_s))
        columns, rows = len(program.costs), program.rows
        start = [0]
        index: list[int] = []
        coefficients: list[float] = []
        for row in rows:
            index.extend(row.columns)
            coefficients.extend(row.values)
            start.append(len(index))
        model.passModel(
            columns,
            len(rows),
            len(index),
            int(highspy.MatrixFormat.kRowwise),
            int(highspy.ObjSense.kMinimize),
            0.0,
            list(program.costs),
            [0.0] * columns,
            program.bounds,
            [row.lower for row in rows],
            [row.upper for row in rows],
            start,
            index,
            coefficients,
            [1] * program.whole + [0] * program.continuous,
        )
        return model


def _tell(found: Any, told: Told) -> None:
    best, least = float(found.mip_primal_bound), float(found.mip_dual_bound)
    if best == math.inf:
        told(best)
    elif best > 0 and least > -math.inf:
        told(min(max((best - least) / best, 0.0), 1.0))


def _costs_as_much(program: IntegerProgram, values: Sequence[float], relaxed: float) -> bool:
    """Whether the columns, rounded, cost what the relaxation costs; those of time cost nothing."""
    rounded = math.fsum(cost * round(x) for cost, x in zip(program.costs, values, strict=True) if cost)
    return rounded <= relaxed or math.isclose(rounded, relaxed, rel_tol=SAME_COST, abs_tol=1e-12)


def _read(highspy: Any, model: Any, name: str, whole: int) -> Solution:
    """What HiGHS found, as a Solution; raises SolverFailed for a status that is no answer."""
    status = model.getModelStatus()
    known = highspy.HighsModelStatus
    info = model.getInfo()
    if status == known.kInfeasible:
        return Solution("infeasible", (), math.inf, name)
    outcome: Literal["optimal", "feasible", "unknown"]
    if status == known.kOptimal:
        outcome = "optimal"
    elif status in {known.kTimeLimit, known.kIterationLimit, known.kInterrupt, known.kSolutionLimit}:
        feasible = int(highspy.SolutionStatus.kSolutionStatusFeasible)
        outcome = "feasible" if info.primal_solution_status == feasible else "unknown"
    else:
        raise SolverFailed(name, f"it stopped with status {model.modelStatusToString(status)}")
    chosen = () if outcome == "unknown" else columns_at(model.getSolution().col_value[:whole])
    return Solution(outcome, chosen, float(info.mip_dual_bound), name)

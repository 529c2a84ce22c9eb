"""The program as PuLP objects, solved by whichever solver PuLP drives: the modelling layer, the cross-check, and the road to CBC."""

from __future__ import annotations

import math
import os
from typing import Any, Literal

from tradewind.optimizer.errors import SolverFailed
from tradewind.optimizer.solvers.program import IntegerProgram, Solution, columns_at


class PulpSolver:
    """PuLP over CBC (its bundled binary) or HiGHS."""

    def __init__(self, engine: Literal["CBC", "HiGHS"] = "CBC") -> None:
        self.engine = engine

    @property
    def name(self) -> str:
        """How the certificate calls it."""
        return f"{self.engine} through PuLP"

    def solve(self, program: IntegerProgram, time_limit_s: float) -> Solution:
        """The program's best solution; raises SolverFailed when PuLP or its solver is missing or crashes."""
        try:
            import pulp
        except (ImportError, OSError) as err:
            raise SolverFailed(self.name, f"pulp does not load ({err}); reinstall tradewind") from err
        model, variables = _pulp_model(pulp, program)
        try:
            model.solve(self._engine(pulp, time_limit_s))
        except (pulp.PulpSolverError, OSError) as err:
            raise SolverFailed(self.name, str(err)) from err
        return self._read(pulp, model, variables, program)

    def _engine(self, pulp: Any, time_limit_s: float) -> Any:
        if self.engine == "HiGHS":
            return pulp.HiGHS(
                msg=False, timeLimit=time_limit_s, gapRel=0.0, gapAbs=0.0, threads=1, mip_feasibility_tolerance=1e-9
            )
        # The binary that PuLP ships up to 3.x; later versions install one beside themselves, which COIN_CMD finds by name.
        shipped = getattr(pulp.apis.coin_api, "pulp_cbc_path", "")
        path = shipped if os.access(shipped, os.X_OK) else None
        options = ["primalTolerance 1e-9", "integerTolerance 1e-9"]
        # No `threads`: with one thread CBC may sleep ten seconds on a condition that nobody signals; without it runs in the caller's.
        cbc = pulp.COIN_CMD(path=path, msg=False, timeLimit=time_limit_s, gapRel=0.0, gapAbs=0.0, options=options)
        if not cbc.available():
            raise SolverFailed(self.name, "no CBC program is installed; pip install 'pulp[cbc]'")
        return cbc

    def _read(self, pulp: Any, model: Any, variables: list[Any], program: IntegerProgram) -> Solution:
        # CBC calls what only whole numbers make impossible infeasible in `status` alone.
        if model.status == pulp.LpStatusInfeasible or model.sol_status == pulp.LpSolutionInfeasible:
            return Solution("infeasible", (), math.inf, self.name)
        if model.sol_status == pulp.LpSolutionNoSolutionFound:
            if model.status == pulp.LpStatusUndefined:
                raise SolverFailed(self.name, "it stopped with an undefined status")
            return Solution("unknown", (), -math.inf, self.name)
        proven = model.sol_status == pulp.LpSolutionOptimal
        chosen = columns_at([x.value() or 0.0 for x in variables[: program.whole]])
        # PuLP hands on no dual bound: with a proof the objective is the bound, without one nothing is claimed.
        bound = float(pulp.value(model.objective) or 0.0) if proven else -math.inf
        return Solution("optimal" if proven else "feasible", chosen, bound, self.name)


def _pulp_model(pulp: Any, program: IntegerProgram) -> tuple[Any, list[Any]]:
    model = pulp.LpProblem("tradewind", pulp.LpMinimize)
    # PuLP 3.3 moved the making of variables from the class to the model; 2.8 to 3.2 know the class only.
    make = getattr(model, "add_variable", pulp.LpVariable)
    variables = [
        make(f"x{j}", 0, most, pulp.LpInteger if j < program.whole else pulp.LpContinuous)
        for j, most in enumerate(program.bounds)
    ]
    model += pulp.LpAffineExpression(list(zip(variables, program.costs, strict=True)))
    for row in program.rows:
        terms = pulp.LpAffineExpression([(variables[j], v) for j, v in zip(row.columns, row.values, strict=True)])
        if row.lower == row.upper:
            model += terms == row.lower
            continue
        if row.lower > -math.inf:
            model += terms >= row.lower
        if row.upper < math.inf:
            model += terms <= row.upper
    return model, variables

"""Pure arithmetic: optimize(problem) -> plan. No I/O, no clock, no cloud; may import catalog and spec.

Public names load on first use, the solvers on the first solve.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradewind.optimizer.decide import optimize
    from tradewind.optimizer.errors import InvalidProblem, OptimizerError, SolverFailed
    from tradewind.optimizer.page import Overview, TaskOverview, overview
    from tradewind.optimizer.plan import Certificate, Conflict, Placement, Plan, RankedCandidate
    from tradewind.optimizer.problem import Candidate, Limits, Place, Problem, Quota, Reference, Request

_HOMES = {
    "Candidate": "problem",
    "Certificate": "plan",
    "TaskOverview": "page",
    "Conflict": "plan",
    "InvalidProblem": "errors",
    "Limits": "problem",
    "OptimizerError": "errors",
    "Overview": "page",
    "Place": "problem",
    "Placement": "plan",
    "Plan": "plan",
    "Problem": "problem",
    "Quota": "problem",
    "RankedCandidate": "plan",
    "Reference": "problem",
    "Request": "problem",
    "SolverFailed": "errors",
    "optimize": "decide",
    "overview": "page",
}

__all__ = [
    "Candidate",
    "Certificate",
    "Conflict",
    "InvalidProblem",
    "Limits",
    "OptimizerError",
    "Overview",
    "Place",
    "Placement",
    "Plan",
    "Problem",
    "Quota",
    "RankedCandidate",
    "Reference",
    "Request",
    "SolverFailed",
    "TaskOverview",
    "optimize",
    "overview",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

"""Pure arithmetic: optimize(problem) -> plan. No I/O, no clock, no cloud; may import catalog and spec.

Public names load on first use, the solvers on the first solve.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradewind.optimizer.advice import Advice, Position, Terms, advise
    from tradewind.optimizer.aims import Aim, minimize, parse_aim
    from tradewind.optimizer.decide import optimize
    from tradewind.optimizer.egress import Egress, egress_of
    from tradewind.optimizer.errors import InvalidProblem, OptimizerError, SolverFailed
    from tradewind.optimizer.front import pareto
    from tradewind.optimizer.page import Overview, TaskOverview, overview
    from tradewind.optimizer.plan import Certificate, Conflict, Placement, Plan, RankedCandidate, Transfer
    from tradewind.optimizer.preemption import ExpectedRun, Recovery
    from tradewind.optimizer.problem import (
        Candidate,
        Edge,
        Limits,
        Place,
        Problem,
        Quota,
        Reference,
        Request,
        Reservation,
        Share,
        Together,
        Weights,
        ZoneShare,
    )
    from tradewind.optimizer.sensitivity import CostParts, Explanation, LimitPrice, Margin, explain

_HOMES = {
    "Advice": "advice",
    "Aim": "aims",
    "Candidate": "problem",
    "Certificate": "plan",
    "Conflict": "plan",
    "CostParts": "sensitivity",
    "Edge": "problem",
    "Egress": "egress",
    "ExpectedRun": "preemption",
    "Explanation": "sensitivity",
    "InvalidProblem": "errors",
    "LimitPrice": "sensitivity",
    "Limits": "problem",
    "Margin": "sensitivity",
    "OptimizerError": "errors",
    "Overview": "page",
    "Place": "problem",
    "Placement": "plan",
    "Plan": "plan",
    "Position": "advice",
    "Problem": "problem",
    "Quota": "problem",
    "RankedCandidate": "plan",
    "Recovery": "preemption",
    "Reference": "problem",
    "Reservation": "problem",
    "Request": "problem",
    "Share": "problem",
    "SolverFailed": "errors",
    "TaskOverview": "page",
    "Terms": "advice",
    "Together": "problem",
    "Transfer": "plan",
    "Weights": "problem",
    "ZoneShare": "problem",
    "advise": "advice",
    "egress_of": "egress",
    "explain": "sensitivity",
    "minimize": "aims",
    "optimize": "decide",
    "overview": "page",
    "pareto": "front",
    "parse_aim": "aims",
}

__all__ = [
    "Advice",
    "Aim",
    "Candidate",
    "Certificate",
    "Conflict",
    "CostParts",
    "Edge",
    "Egress",
    "ExpectedRun",
    "Explanation",
    "InvalidProblem",
    "LimitPrice",
    "Limits",
    "Margin",
    "OptimizerError",
    "Overview",
    "Place",
    "Placement",
    "Plan",
    "Position",
    "Problem",
    "Quota",
    "RankedCandidate",
    "Recovery",
    "Reference",
    "Request",
    "Reservation",
    "Share",
    "SolverFailed",
    "TaskOverview",
    "Terms",
    "Together",
    "Transfer",
    "Weights",
    "ZoneShare",
    "advise",
    "egress_of",
    "explain",
    "minimize",
    "optimize",
    "overview",
    "pareto",
    "parse_aim",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value

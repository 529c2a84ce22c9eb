"""Where failover goes from a plan that is least in one measure after another.

Such a plan is found with each least figure held as a limit, and under those limits hardly another place is left. A place that refuses is
followed by the next best in the same order all the same, so the places are ranked again without what was held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from tradewind.optimizer.check import canonical
from tradewind.optimizer.compare import compared
from tradewind.optimizer.cost import carbon_mg, total_nano, wall_h
from tradewind.optimizer.plan import Placement, Plan
from tradewind.optimizer.problem import MONEY, Candidate, Measure, Problem, Request, Weights
from tradewind.optimizer.prune import usable
from tradewind.optimizer.rank import ranked_candidates

_ALONE: Mapping[Measure, Weights] = MappingProxyType(
    {"cost": MONEY, "time": Weights(0.0, 0.0, 1.0), "carbon": Weights(0.0, 1.0, 0.0)}
)
_FIGURE: Mapping[Measure, Callable[[Request, Candidate], float]] = MappingProxyType(
    {"cost": total_nano, "time": wall_h, "carbon": carbon_mg}
)


def with_fallbacks(problem: Problem, order: Sequence[Measure], plan: Plan) -> Plan:
    """The plan of `problem` with its candidates, and what is shown beside them, in the order of the measures, then of cost, under the problem's own limits."""
    posed = canonical(msgspec.structs.replace(problem, weights=_ALONE[order[0]]))
    choice = [_chosen(r, p) for r, p in zip(posed.requests, plan.placements, strict=True)]
    alive = usable(posed)

    def figures(request: Request, candidate: Candidate) -> tuple[float, ...]:
        return tuple(_FIGURE[measure](request, candidate) for measure in (*order, "cost"))

    return msgspec.structs.replace(
        plan,
        candidates=ranked_candidates(posed, alive, tuple(choice), figures),
        references=compared(posed, alive, choice),
    )


def _chosen(request: Request, placement: Placement) -> Candidate:
    wanted = (placement.offer, placement.use_spot, placement.alternative, placement.free_nodes, placement.reservation)
    return next(
        c for c in request.candidates if (c.offer, c.use_spot, c.alternative, c.free_nodes, c.reservation) == wanted
    )

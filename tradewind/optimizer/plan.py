"""What the optimizer answers: placements, what they beat, and the proof. Plain values that travel as JSON."""

from __future__ import annotations

import msgspec

from tradewind.catalog.offer import Offer
from tradewind.optimizer.hazard import Hazard
from tradewind.optimizer.preemption import ExpectedRun
from tradewind.optimizer.problem import ZoneShare


class Placement(msgspec.Struct, frozen=True):
    """A request on an offer. `hourly_usd` covers all its nodes; `total_usd` is hourly_usd times the hours that are billed.

    `carbon_kg` is kg CO2-equivalent over those hours, None unknown; `free_nodes` of the nodes are paid already under the `reservation` of that name; `spread`
    says how many nodes stand in which zone where they may not all stand in one; `hazard` what was seen there of machines taken away (None: nothing).
    Those are the request's hours, or `expected.billed_h` when the request says how it recovers from interruptions.
    """

    task: str
    cloud: str
    region: str
    zone: str
    instance_type: str
    use_spot: bool
    num_nodes: int
    hourly_usd: float
    total_usd: float
    hours: float
    offer: Offer
    alternative: int = 0
    expected: ExpectedRun | None = None
    carbon_kg: float | None = None
    reservation: str = ""
    free_nodes: int = 0
    spread: tuple[ZoneShare, ...] = ()
    hazard: Hazard | None = None


class RankedCandidate(msgspec.Struct, frozen=True):
    """A place a task could go, in the order failover tries them, with the reason it is not the choice ("" for the choice itself).

    `hourly_usd` is USD/hour for all the task's nodes, so that it compares with a placement's. `spread` and `free_nodes` are as a placement's.
    """

    task: str
    cloud: str
    region: str
    zone: str
    instance_type: str
    use_spot: bool
    hourly_usd: float
    reason: str
    offer: Offer
    alternative: int = 0
    spread: tuple[ZoneShare, ...] = ()
    free_nodes: int = 0


class Certificate(msgspec.Struct, frozen=True):
    """The proof of optimality: objective and lower bound in what was minimised (USD unless said otherwise), relative gap, the solver's name and its wall seconds.

    `bound` is what no plan can go below; `gap` is (objective - bound) / objective, 0 when the plan is proven cheapest. `columns` and `rows`
    are the size of the integer program after pruning. `seconds` is 0 when the caller passed no clock.
    """

    objective: float
    bound: float
    gap: float
    seconds: float
    solver: str
    columns: int
    rows: int


class Transfer(msgspec.Struct, frozen=True):
    """Data that one placement writes and another reads, and what moving it costs in USD, takes in hours and emits in kg CO2-equivalent (None: not counted); 0 within a region."""

    source: str
    target: str
    gigabytes: float
    usd: float
    hours: float = 0.0
    carbon_kg: float | None = None


class Conflict(msgspec.Struct, frozen=True):
    """One limit of the smallest set that cannot hold together, and what lifting it alone would make the cheapest plan cost.

    `hourly_usd` and `total_usd` are None when the others still leave no plan.
    """

    limit: str
    hourly_usd: float | None
    total_usd: float | None


class Plan(msgspec.Struct, frozen=True):
    """A decision over the whole problem. `total_usd` is the placements' totals and the transfers. When `feasible` is False `placements` is empty and `why_infeasible` says what to change.

    `references` are offers that were compared but may not be bought, each with its reason. `makespan_h` is the expected hours from launch
    until everything has ended. `carbon_kg` is kg CO2-equivalent in all, None where a part is unknown. `minimized` names what the plan is least in;
    the certificate is of that.
    """

    feasible: bool
    hourly_usd: float
    total_usd: float
    placements: tuple[Placement, ...]
    candidates: tuple[RankedCandidate, ...]
    certificate: Certificate
    offers_considered: int
    defaults_applied: tuple[str, ...] = ()
    why_infeasible: tuple[str, ...] = ()
    references: tuple[RankedCandidate, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    makespan_h: float = 0.0
    carbon_kg: float | None = None
    minimized: str = "cost"

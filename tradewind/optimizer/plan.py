"""What the optimizer answers: placements, what they beat, and the proof. Plain values that travel as JSON."""

from __future__ import annotations

import msgspec

from tradewind.catalog.offer import Offer


class Placement(msgspec.Struct, frozen=True):
    """A request on an offer. `hourly_usd` covers all its nodes; `total_usd` is hourly_usd times the request's hours."""

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


class RankedCandidate(msgspec.Struct, frozen=True):
    """A place a task could go, in the order failover tries them, with the reason it is not the choice ("" for the choice itself)."""

    task: str
    cloud: str
    region: str
    zone: str
    instance_type: str
    use_spot: bool
    hourly_usd: float
    reason: str
    offer: Offer


class Certificate(msgspec.Struct, frozen=True):
    """The proof of optimality: USD objective and lower bound, relative gap, the solver's name and its wall seconds."""

    objective: float
    bound: float
    gap: float
    seconds: float
    solver: str
    columns: int
    rows: int


class Plan(msgspec.Struct, frozen=True):
    """A decision over the whole problem. When `feasible` is False `placements` is empty and `why_infeasible` says what to change."""

    feasible: bool
    hourly_usd: float
    total_usd: float
    placements: tuple[Placement, ...]
    candidates: tuple[RankedCandidate, ...]
    certificate: Certificate
    offers_considered: int
    defaults_applied: tuple[str, ...] = ()
    why_infeasible: tuple[str, ...] = ()

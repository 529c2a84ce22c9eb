"""What the optimizer is asked: requests, the offers that may serve them, and the limits. Plain values, no I/O."""

from __future__ import annotations

import msgspec

from tradewind.catalog.offer import Offer


class Place(msgspec.Struct, frozen=True, order=True):
    """A pattern over places and types; "" matches anything. Used for blocks and limits."""

    cloud: str = ""
    region: str = ""
    zone: str = ""
    instance_type: str = ""
    use_spot: bool | None = None


class Candidate(msgspec.Struct, frozen=True):
    """An offer that satisfies one alternative of a request, in one market. `hourly_usd` is USD/hour for one node."""

    offer: Offer
    use_spot: bool
    hourly_usd: float
    alternative: int = 0  # which entry of any_of it serves


class Request(msgspec.Struct, frozen=True):
    """One task's need: `num_nodes` equal nodes on one offer, chosen from `candidates`."""

    task: str
    candidates: tuple[Candidate, ...]
    num_nodes: int = 1
    hours: float = 1.0


class Quota(msgspec.Struct, frozen=True):
    """At most `limit` nodes in all at the places that match."""

    place: Place
    limit: int


class Limits(msgspec.Struct, frozen=True):
    """What a plan may not exceed. `max_hourly_usd` is for everything together, `max_total_usd` over every request's hours."""

    max_hourly_usd: float | None = None
    max_total_usd: float | None = None
    blocks: tuple[Place, ...] = ()
    quotas: tuple[Quota, ...] = ()


class Problem(msgspec.Struct, frozen=True):
    """Everything a decision rests on; the same problem gives the same plan, whatever the order of its rows."""

    requests: tuple[Request, ...]
    limits: Limits = Limits()
    time_limit_s: float = 60.0

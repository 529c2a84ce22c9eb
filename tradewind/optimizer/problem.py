"""What the optimizer is asked: requests, the offers that may serve them, and the limits. Plain values, no I/O."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from tradewind.catalog.offer import Offer
from tradewind.optimizer.egress import Egress
from tradewind.optimizer.hazard import Hazard
from tradewind.optimizer.preemption import Recovery


def _fits(pattern: str, name: str) -> bool:
    if pattern in {"", "*"} or pattern == name:
        return True
    return ("*" in pattern or "?" in pattern) and fnmatchcase(name, pattern)


class Place(msgspec.Struct, frozen=True, order=True):
    """A pattern over places and types; "" and "*" match anything, `*` within a name any part of it. Used for blocks, quotas and limits.

    A pattern with a zone does not match a regional offer (zone ""): the region's other zones may still serve it.
    """

    cloud: str = ""
    region: str = ""
    zone: str = ""
    instance_type: str = ""
    use_spot: bool | None = None

    def matches(self, offer: Offer, *, use_spot: bool) -> bool:
        """Whether buying `offer` in the market `use_spot` falls under this pattern."""
        return self.covers(offer.cloud, offer.region, offer.zone, offer.instance_type, use_spot=use_spot)

    def covers(self, cloud: str, region: str, zone: str, instance_type: str, *, use_spot: bool) -> bool:
        """Whether a purchase of these names falls under this pattern."""
        return (
            (self.use_spot is None or self.use_spot == use_spot)
            and _fits(self.cloud, cloud)
            and _fits(self.region, region)
            and _fits(self.zone, zone)
            and _fits(self.instance_type, instance_type)
        )

    def __str__(self) -> str:
        """`cloud/region/zone/type`, `*` for anything, and the market when one is named."""
        names = "/".join(name or "*" for name in (self.cloud, self.region, self.zone, self.instance_type))
        return names + {None: "", True: " (spot)", False: " (on demand)"}[self.use_spot]


class Weights(msgspec.Struct, frozen=True):
    """What a plan is the cheapest in: the sum of its USD, its kg of CO2-equivalent and its tasks' expected hours, each times its weight.

    (1, 0, 0) is money alone. With `kg` at 0.1 a kilogram weighs as much as ten cents; with `hour` at 2 an hour of one task as two dollars.
    """

    usd: float = 1.0
    kg: float = 0.0
    hour: float = 0.0


MONEY = Weights()

Measure = Literal["cost", "time", "carbon"]  # what a plan may be least in


class ZoneShare(msgspec.Struct, frozen=True):
    """The part of a gang that stands in one zone: so many nodes, each at USD/hour."""

    zone: str
    nodes: int
    hourly_usd: float


class Candidate(msgspec.Struct, frozen=True):
    """An offer that satisfies one alternative of a request, in one market. `hourly_usd` is USD/hour for one node.

    `once_usd` is paid, and `once_kg` emitted, once for going there, whatever the hours: moving inputs that already lie somewhere else. `hours` is how long the
    request's work takes on this machine, where that is known to differ from the request's own. `carbon_kg_h` is kg CO2-equivalent/hour of
    one node, None unknown. `free_nodes` of the request's nodes are paid already, under the `reservation` of that name. `spread` says how
    many nodes stand in which zone, where they may not all stand in one; `hourly_usd` is then the mean. `hazard` is how often such a machine was
    seen to be taken away there; None: nothing was seen, and what the offer says counts.
    """

    offer: Offer
    use_spot: bool
    hourly_usd: float
    alternative: int = 0  # which entry of any_of it serves
    once_usd: float = 0.0
    hours: float | None = None
    carbon_kg_h: float | None = None
    reservation: str = ""
    free_nodes: int = 0
    spread: tuple[ZoneShare, ...] = ()
    hazard: Hazard | None = None
    once_kg: float = 0.0


class Reference(msgspec.Struct, frozen=True):
    """An offer that is shown beside the choice and never chosen, with the reason it may not be ("on demand; spot was asked for")."""

    candidate: Candidate
    why: str


class Request(msgspec.Struct, frozen=True):
    """One task's need: `num_nodes` equal nodes on one offer, chosen from `candidates`; `hours` is how long its work takes.

    With `recovery` a candidate's cost is the expected one: start, checkpoints, and work done again after interruptions are paid for; without,
    it is price times hours. `deadline_h` is the hours from launch within which it is expected to end (the plain hours without `recovery`).

    `ordered` takes the first alternative for which there is any plan, whatever it costs; of several such requests the first by name goes first.
    Alternatives up to the one numbered `content_with` count as one: among them it is cost that settles.

    `why_no_candidates` is what the maker of the problem knows about an empty list ("no offer has 7 A100; counts sold: 1, 2, 4, 8").
    """

    task: str
    candidates: tuple[Candidate, ...]
    num_nodes: int = 1
    hours: float = 1.0
    recovery: Recovery | None = None
    deadline_h: float | None = None
    references: tuple[Reference, ...] = ()
    why_no_candidates: tuple[str, ...] = ()
    weights: Weights = MONEY  # the problem's, set when it is checked
    ordered: bool = False
    content_with: int = 0

    def preference(self, candidate: Candidate) -> int:
        """Where the candidate comes in the order of preference, the first lowest; the same for all where no order was asked for."""
        return max(candidate.alternative, self.content_with) if self.ordered else 0


class Edge(msgspec.Struct, frozen=True):
    """`target` reads `gigabytes` that `source` wrote, and so runs after it."""

    source: str
    target: str
    gigabytes: float


class Together(msgspec.Struct, frozen=True):
    """The tasks stand in one cloud, region or zone: the parts of a gang that has several kinds of nodes."""

    tasks: tuple[str, ...]
    scope: Literal["cloud", "region", "zone"] = "region"

    def where(self, offer: Offer) -> tuple[str, ...]:
        """What must be the same for all of them."""
        return (offer.cloud, offer.region, offer.zone)[: {"cloud": 1, "region": 2, "zone": 3}[self.scope]]


class Quota(msgspec.Struct, frozen=True):
    """At most `limit` nodes, vCPUs or accelerators in all at the places that match.

    A machine of which the catalog does not know the figure counts as one: an unknown is not free.
    """

    place: Place
    limit: int
    unit: Literal["nodes", "vcpus", "accelerators"] = "nodes"
    share: float | None = None  # of all nodes, where the quota comes from one

    def each(self, offer: Offer) -> int:
        """What one node of the offer counts, rounded up."""
        if self.unit == "nodes":
            return 1
        if self.unit == "accelerators":
            return math.ceil(offer.accelerator_count) if offer.accelerator else 0
        return math.ceil(offer.vcpus) if offer.vcpus else 1

    def __str__(self) -> str:
        """As a person would name it."""
        if self.share is not None:
            return f"the share of {self.share:.0%} at {self.place}"
        unit = {"nodes": "nodes", "vcpus": "vCPUs", "accelerators": "accelerators"}[self.unit]
        return f"the quota of {self.limit} {unit} at {self.place}"


class Reservation(msgspec.Struct, frozen=True):
    """Nodes on demand that are paid already, whoever uses them: the first `nodes` at places that match cost nothing more."""

    name: str
    place: Place
    nodes: int


class Share(msgspec.Struct, frozen=True):
    """At most this fraction (0 to 1) of all the problem's nodes at the places that match, rounded down to whole nodes."""

    place: Place
    fraction: float


class Limits(msgspec.Struct, frozen=True):
    """What a plan may not exceed. `max_hourly_usd` is for everything together, `max_total_usd` over every request's hours.

    `max_carbon_kg` is kg CO2-equivalent over every request's hours; a candidate of which no source tells the emissions keeps no such limit.
    """

    max_hourly_usd: float | None = None
    max_total_usd: float | None = None
    blocks: tuple[Place, ...] = ()
    quotas: tuple[Quota, ...] = ()
    max_carbon_kg: float | None = None
    reservations: tuple[Reservation, ...] = ()
    shares: tuple[Share, ...] = ()


class Problem(msgspec.Struct, frozen=True):
    """Everything a decision rests on; the same problem gives the same plan, whatever the order of its rows.

    `offers_considered` is how many catalog rows the candidates stand for (a query may have dropped dominated ones already);
    None means the candidates are all there were. `time_limit_s` bounds the solver, in seconds. `edges` make a DAG of the requests; moving
    their data is paid at the `egress` prices and counts against `max_total_usd`. `deadline_h` is the hours within which all of it is
    expected to end, each task starting when those before it have ended and their data has moved. `weights` say what is minimised.
    """

    requests: tuple[Request, ...]
    limits: Limits = Limits()
    edges: tuple[Edge, ...] = ()
    egress: Egress = Egress()
    together: tuple[Together, ...] = ()
    deadline_h: float | None = None
    time_limit_s: float = 60.0
    offers_considered: int | None = None
    defaults_applied: tuple[str, ...] = ()
    weights: Weights = MONEY

"""Which leased worker gets which call, and how many workers to ask for. Pure decisions over the caller's own book.

A worker's load is the expected microseconds of what it was sent and has not answered. Short calls are streamed ahead, so that a worker never
waits for us; a call whose length is unknown or long is sent only to a worker with nothing else to do.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from tradewind.runtime.messages.values import Shape

# How far ahead a worker is fed, in microseconds of expected work: many times a round trip, yet short for whoever else gets free.
TARGET_LOAD = 8_000
UNKNOWN_COST = 10_000
MAX_WANTED = 64
IDLE_LEASE_S = 0.3


class Function:
    """A remote function as its caller knows it; cost is the expected length of a call in microseconds, from those seen."""

    __slots__ = ("code", "cost", "digest", "group", "max_calls", "name", "number", "resources")

    def __init__(
        self,
        number: int,
        name: str,
        digest: bytes,
        code: bytes,
        resources: dict[str, float],
        max_calls: int = 0,
        group: str = "",
    ) -> None:
        self.number = number
        self.name = name
        self.digest = digest
        self.code = code
        self.resources = resources
        self.max_calls = max_calls
        self.group = group
        self.cost = UNKNOWN_COST

    def observe(self, micros: int) -> None:
        """A call took this long."""
        cost = self.cost
        # The fixed part is what a call costs the worker beyond the user's code. A first look replaces the guess.
        self.cost = micros + 12 if cost == UNKNOWN_COST else cost + ((micros + 12 - cost) >> 3)


class Call:
    """One submitted call, from its submission until its result is known for good."""

    __slots__ = (
        "ahead", "args", "cancelled", "cost", "function", "holds", "id", "method", "name", "retries", "retry_exceptions", "returns", "slots", "target",
        "unready", "where",
    )  # fmt: skip

    def __init__(self, call_id: int, function: Any, args: Any, returns: int) -> None:
        self.id = call_id
        self.function = function
        self.method: str | None = None
        self.name: str = ""
        self.args = args
        self.returns = returns
        self.ahead = -1
        self.slots: list[tuple[int | str, Any]] | None = None
        self.holds: list[Any] | None = None
        self.retries = 0
        self.retry_exceptions: Any = False
        self.unready = 0
        self.cost = 0
        self.target: Any = None
        self.where: Any = None
        self.cancelled = False


class Lease:
    """A worker that runs this caller's calls and nobody else's."""

    __slots__ = ("accelerators", "blocked", "group", "id", "idle_since", "load", "peer", "pid", "running", "yielding")

    def __init__(self, lease_id: int, group: Group, peer: Any, pid: int, accelerators: list[str] | None) -> None:
        self.id = lease_id
        self.group = group
        self.peer = peer
        self.pid = pid
        self.accelerators = accelerators
        self.running: dict[int, Call] = {}
        self.load = 0
        self.blocked = False
        self.yielding = False
        self.idle_since = 0.0


class Group:
    """The calls of one shape and the workers leased for them."""

    __slots__ = ("leases", "queue", "request", "shape", "spread", "wanted")

    def __init__(self, request: int, shape: Shape) -> None:
        self.request = request
        self.shape = shape
        # A worker gets one call and goes back, so that each call is a turn of the next node.
        self.spread = shape.strategy == "SPREAD"
        self.queue: deque[Call] = deque()
        self.leases: list[Lease] = []
        # What the node daemon has been asked for and has not yet granted.
        self.wanted = 0

    def choose(self) -> Lease | None:
        """The least loaded worker that takes another call, or None."""
        best: Lease | None = None
        best_load = TARGET_LOAD
        for lease in self.leases:
            load = lease.load
            if load < best_load and not lease.blocked and not lease.yielding:
                if not load:
                    return lease
                best = lease
                best_load = load
        return best

    def to_ask(self) -> int | None:
        """The number of workers to ask for now, or None when what was asked still stands."""
        desired = min(len(self.queue), MAX_WANTED)
        if desired > self.wanted or (desired == 0 and self.wanted):
            self.wanted = desired
            return desired
        return None

    def granted(self, lease: Lease) -> None:
        """One of the workers asked for is here."""
        self.leases.append(lease)
        if self.wanted:
            self.wanted -= 1

    def send(self, lease: Lease, call: Call) -> None:
        """The call counts as being at the worker."""
        call.target = lease
        call.cost = cost = call.function.cost
        lease.load += cost
        lease.running[call.id] = call
        if self.spread:
            lease.yielding = True

    def finish(self, lease: Lease, call: Call) -> None:
        """The worker has answered the call."""
        if lease.running.pop(call.id, None) is not None:
            lease.load -= call.cost
        call.target = None

    def take_back(self, lease: Lease, ids: list[int]) -> int:
        """The worker will not run these; they are the next to be sent elsewhere. Returns how many."""
        calls = [lease.running[call_id] for call_id in ids if call_id in lease.running]
        for call in calls:
            self.finish(lease, call)
        self.queue.extendleft(reversed(calls))
        return len(calls)

    def lose(self, lease: Lease) -> list[Call]:
        """The worker is gone; the calls that were at it."""
        if lease in self.leases:
            self.leases.remove(lease)
        calls = list(lease.running.values())
        lease.running.clear()
        lease.load = 0
        for call in calls:
            call.target = None
        return calls

    def idle(self, now: float, limit: float = IDLE_LEASE_S) -> list[Lease]:
        """Workers without work for longer than limit seconds; they are no longer in the group."""
        out = [
            lease
            for lease in self.leases
            if not lease.running and not lease.blocked and now - lease.idle_since >= limit
        ]
        if out and not self.queue:
            self.leases = [lease for lease in self.leases if lease not in out]
            return out
        return []

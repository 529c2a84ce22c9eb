"""The network of a simulated cluster: queues in the place of links, one clock for all timers, and somebody who says what happens next."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

# Given the number of things that could happen next, which of them does.
Choose = Callable[[int], int]


class SimulatedLoop:
    """The loop of a node daemon: callbacks at once, timers by a clock that others move."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._soon: deque[Callable[[], None]] = deque()

    def now(self) -> float:
        """The network's clock."""
        return self._network.clock

    def watch(self, *_arguments: Any) -> None:
        """There are no descriptors."""

    change = forget = watch

    def after(self, seconds: float, callback: Callable[[], None]) -> _Timer:
        """As Loop's."""
        return self._network.after(seconds, callback)

    def soon(self, callback: Callable[[], None]) -> None:
        """As Loop's."""
        self._soon.append(callback)

    from_thread = soon

    def turn(self) -> None:
        """What was to be done soon is done."""
        while self._soon:
            self._soon.popleft()()

    def stop(self) -> None:
        """Nothing to be stopped."""


class _Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """It will not fire."""
        self.callback = None


class SimulatedLink:
    """One direction of a stream between two endpoints of the network."""

    def __init__(self, network: Network, source: str, target: str) -> None:
        self._network = network
        self.source = source
        self.target = target
        self.pending: list[Any] = []
        self.fd = -1
        self.fds: deque[int] = deque()
        self.peer: Any = None
        self.closed = False

    def send(self, message: Any, _fds: Sequence[int] = ()) -> None:
        """As Link's."""
        self.flush()
        if not self.closed:
            self._network.put(self.source, self.target, message)

    def flush(self) -> None:
        """As Link's."""
        pending, self.pending = self.pending, []
        if not self.closed:
            for message in pending:
                self._network.put(self.source, self.target, message)

    def close(self) -> None:
        """Nothing goes this way any more."""
        self.closed = True
        self.pending.clear()


class Network:
    """The queues between endpoints, and what may happen next."""

    def __init__(self, choose: Choose) -> None:
        self.choose = choose
        self.clock = 0.0
        self.order = itertools.count()
        self.timers: list[tuple[float, int, _Timer]] = []
        self.wires: dict[tuple[str, str], deque[Any]] = {}
        self.endpoints: dict[str, Callable[[str, Any], None]] = {}
        self.delivered: Counter[str] = Counter()
        # Nodes that are cut off: nothing passes between them and anybody else until that heals, and nothing is lost.
        self.cut: set[str] = set()
        # Pairs of processes whose link is closed for good.
        self.broken: set[frozenset[str]] = set()

    def after(self, seconds: float, callback: Callable[[], None]) -> _Timer:
        """The callback runs once, when the clock has come so far."""
        timer = _Timer(callback)
        heapq.heappush(self.timers, (self.clock + seconds, next(self.order), timer))
        return timer

    def reaches(self, source: str, target: str) -> bool:
        """True when no cut lies between the endpoints; those of one node reach each other always."""
        here, there = side(source), side(target)
        return here == there or not self.cut or (here not in self.cut and there not in self.cut)

    @property
    def moving(self) -> list[tuple[str, str]]:
        """The queues of which a message could arrive now."""
        return [key for key, queue in self.wires.items() if queue and self.reaches(*key)]

    def put(self, source: str, target: str, message: Any) -> None:
        """The message is on its way, unless its target or the link to it is gone."""
        if target in self.endpoints and frozenset((source, target)) not in self.broken:
            self.wires.setdefault((source, target), deque()).append(message)

    def deliver(self) -> bool:
        """One message has arrived, from the queue that was chosen. False when none is on its way."""
        waiting = self.moving
        if not waiting:
            return False
        key = waiting[self.choose(len(waiting))]
        message = self.wires[key].popleft()
        self.delivered[type(message[1] if isinstance(message, tuple) else message).__name__] += 1
        self.endpoints[key[1]](key[0], message)
        return True

    def remove(self, endpoint: str) -> None:
        """The endpoint is gone, with what was on its way to it. What it had sent still arrives."""
        self.endpoints.pop(endpoint, None)
        for key in [key for key in self.wires if key[1] == endpoint]:
            del self.wires[key]

    def pass_time(self) -> bool:
        """The next timer has fired. False when there is none."""
        while self.timers:
            self.clock, _, timer = heapq.heappop(self.timers)
            if timer.callback is not None:
                timer.callback()
                return True
        return False


def side(endpoint: str) -> str:
    """The node that an endpoint ("head", "n1", "n1/w2") belongs to."""
    return endpoint.partition("/")[0]

"""One actor as the head knows it, and the moves that its life may make. Pure.

PENDING -> STARTING -> ALIVE -> (RESTARTING -> STARTING | DEAD),  any -> DEAD.
After a restart of the head:  UNSEEN -> what its node says when it joins again, RESTARTING or DEAD when it does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.cluster import ActorSpec

TRANSITIONS: dict[str, frozenset[str]] = {
    "PENDING": frozenset({"STARTING", "DEAD"}),
    "STARTING": frozenset({"ALIVE", "RESTARTING", "DEAD", "PENDING"}),
    "ALIVE": frozenset({"RESTARTING", "DEAD"}),
    "RESTARTING": frozenset({"STARTING", "DEAD"}),
    # Written down by an earlier life of this head; its node has not said yet what became of it.
    "UNSEEN": frozenset({"PENDING", "STARTING", "ALIVE", "RESTARTING", "DEAD"}),
    "DEAD": frozenset(),
}


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where an actor was started last, as the head writes it down."""

    node: str
    incarnation: int
    restarts: int


class IllegalTransitionError(Exception):
    """An actor cannot go from the one state to the other; nothing was changed."""


@dataclass(slots=True)
class ActorRecord:
    """One actor as the head knows it."""

    spec: ActorSpec
    state: str = "PENDING"
    node: str = ""
    process: str = ""
    incarnation: int = 0
    restarts: int = 0
    reason: str = ""
    error: bytes = b""
    watchers: list[tuple[str, str, int]] = field(default_factory=list)  # (node, process, request)
    ending: bool = False

    def move(self, state: str) -> None:
        """The actor is in that state. Raises IllegalTransitionError."""
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"Actor {self.spec.actor} cannot go from {self.state} to {state}.")
        self.state = state

    def answer(self) -> cluster.ActorState:
        """What callers are told."""
        state = "DEAD" if self.state == "DEAD" else "ALIVE" if self.state == "ALIVE" else self.state
        return cluster.ActorState(self.spec.actor, state, self.process, self.incarnation, self.reason, self.error)

"""What every lifecycle machine is made of: a table from (state, event type) to a function, and the one way to take a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A past fact. `cause` names what led to it: a request, an agent event, a reconciliation."""

    cause: str


class Instruction(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An order for the shell; `cause` is that of the event which asked for it."""

    cause: str


class HasState(Protocol):
    """A machine's value: something with a named state."""

    @property
    def state(self) -> str:
        """The name of the state."""


class IllegalMove(Exception):  # noqa: N818  the name says what happened
    """An event that its subject's state does not allow; nothing was changed."""

    def __init__(self, machine: str, state: str, event: str, why: str = "") -> None:
        super().__init__(machine, state, event, why)
        self.machine, self.state, self.event, self.why = machine, state, event, why

    def __str__(self) -> str:
        detail = f" ({self.why})" if self.why else ""
        return f"a {self.machine} in state {self.state} cannot take the event {self.event}{detail}"


V = TypeVar("V", bound=HasState)
Step = tuple[V, tuple[Instruction, ...]]
Table = Mapping[tuple[str, type[Event]], Callable[[V, Event], Step[V]]]


def take(machine: str, table: Table[V], value: V, event: Event) -> Step[V]:
    """The value and the instructions after `event`.

    Raises:
        IllegalMove: the table has no row for this state and event, or the row's function refuses it.
    """
    handler = table.get((value.state, type(event)))
    if handler is None:
        raise IllegalMove(machine, value.state, type(event).__name__)
    return handler(value, event)


def edges(table: Table[V]) -> tuple[tuple[str, str], ...]:
    """Every (state, event name) that the table allows, sorted: what documentation and tests draw from."""
    return tuple(sorted((state, kind.__name__) for state, kind in table))

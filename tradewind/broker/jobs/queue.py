"""Which waiting managed jobs are admitted now. Pure."""

from __future__ import annotations

from collections.abc import Sequence

MAX_ACTIVE = 64  # gangs that one daemon brings up or keeps at a time, until a person's limits say otherwise


def admit(waiting: Sequence[int], active: int, max_active: int = MAX_ACTIVE) -> tuple[int, ...]:
    """The waiting jobs, oldest first, that may start while `active` others do."""
    return tuple(sorted(waiting)[: max(0, max_active - active)])


def waiting_sentence(active: int, max_active: int = MAX_ACTIVE) -> str:
    """What a job that is not admitted waits for."""
    return f"one of {active} active managed jobs to end (at most {max_active} are active at a time)"

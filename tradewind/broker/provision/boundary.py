"""Named moments of a launch and a release at which a test, or a crash ordered by one, may interrupt the daemon."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable

Boundary = Callable[[str], Awaitable[None]]

# Every name that is passed, in the order of a launch, a loss and a release, and of a stop and a start; tests interrupt at each of them.
LIFE = (
    "submit:committed",
    "intent:before",
    "intent:committed",
    "launch:before",
    "launch:after",
    "launch:recorded",
    "instances:running",
    "bootstrap:connect",
    "bootstrap:agent-started",
    "bootstrap:configured",
    "bootstrap:files",
    "bootstrap:head",
    "bootstrap:nodes",
    "bootstrap:done",
    "job:begun",
    "job:before-start",
    "job:started",
    "replan:before",
    "replan:after",
    "release:before",
    "release:agent-told",
    "release:terminated",
    "release:recorded",
    "release:done",
)
PAUSE = (
    "stop:before",
    "stop:stopped",
    "stop:recorded",
    "start:before",
    "start:after",
    "start:recorded",
)
NAMES = LIFE + PAUSE


async def no_boundary(name: str) -> None:
    """Pass."""
    assert name in NAMES, f"{name} is no boundary"


def slow_at(order: str) -> Boundary:
    """A boundary that takes its time, as a slow cloud does: `order` is "<name>:<seconds>", several parted by commas.

    Raises:
        ValueError: no such name, or no number.
    """
    pauses: dict[str, float] = {}
    for one in order.split(","):
        name, _, seconds = one.rpartition(":")
        if name not in NAMES:
            raise ValueError(f"{one!r} names no boundary; names are {', '.join(NAMES)}")
        pauses[name] = float(seconds)

    async def boundary(name: str) -> None:
        if name in pauses:
            await asyncio.sleep(pauses[name])

    return boundary


def crash_at(order: str) -> Boundary:
    """A boundary that SIGKILLs this process at the n-th time that a name is passed: `order` is "<name>:<n>", n counted from 1.

    Raises:
        ValueError: no such name, or no number.
    """
    wanted, _, count = order.rpartition(":")
    if wanted not in NAMES or not count.isdigit():
        raise ValueError(f"{order!r} names no boundary and count; names are {', '.join(NAMES)}")
    passed: Counter[str] = Counter()

    async def boundary(name: str) -> None:
        passed[name] += 1
        if name == wanted and passed[name] == int(count):
            os.kill(os.getpid(), signal.SIGKILL)

    return boundary

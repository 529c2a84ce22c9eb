"""Memory that was asked for is a limit: a worker that holds more than its task or actor asked for is ended, and the error says both figures.

Without control groups of our own (they need rights that a user seldom has) this is looked at four times a second, so a task may overshoot
for a moment. Tasks that ask for no memory are not looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tradewind.runtime.node.resources import UNIT, Allocation
from tradewind.runtime.node.workers import Worker

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon

LOOK_S = 0.25
_PAGE = os.sysconf("SC_PAGE_SIZE")


def excess(used_bytes: int, allocation: Allocation | None) -> str:
    """Why a worker with this much memory of its own must end, or "" when it may go on."""
    limit = allocation.units.get("memory", 0) // UNIT if allocation is not None else 0
    if not limit or used_bytes <= limit:
        return ""
    return f"out of memory: it held {used_bytes:,} bytes and had asked for memory={limit:,}"


def own_bytes(pid: int) -> int:
    """What the process holds for itself, without what it shares (the arena, the template's pages as far as they are files); 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            fields = file.read().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * _PAGE


class MemoryGuard:
    """Looks at the node's workers as long as one of them has a limit."""

    def __init__(self, daemon: NodeDaemon) -> None:
        self._daemon = daemon
        self._looking = False

    def watch(self, allocation: Allocation | None) -> None:
        """The allocation was given to a worker, which is looked at from now on if there is a limit."""
        if not self._looking and allocation is not None and allocation.units.get("memory"):
            self._looking = True
            self._daemon.loop.after(LOOK_S, self._look)

    def _look(self) -> None:
        limited = list(self._limited())
        for worker, allocation in limited:
            reason = excess(own_bytes(worker.pid), allocation) if worker.pid and not worker.kill_reason else ""
            if reason:
                self._daemon.workers.kill(worker, reason)
        self._looking = bool(limited)
        if limited:
            self._daemon.loop.after(LOOK_S, self._look)

    def _limited(self) -> Iterable[tuple[Worker, Allocation]]:
        for lease in self._daemon.granting.held.values():
            if lease.worker is not None and lease.allocation is not None and lease.allocation.units.get("memory"):
                yield lease.worker, lease.allocation
        for actor in self._daemon.actors.here.values():
            if actor.worker is not None and actor.allocation is not None and actor.allocation.units.get("memory"):
                yield actor.worker, actor.allocation

"""Memory on a node: what was asked for is a limit, and a node that runs out ends one task rather than being ended.

A worker that holds more than its task or actor asked for is ended: at once by the kernel where control groups can be made, and anyway when it
is looked at, four times a second. When the whole node is nearly out of memory, the task that holds the most is ended and tried again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradewind.runtime.node.control_groups import MemoryGroups
from tradewind.runtime.node.memory_use import Use, memory_use
from tradewind.runtime.node.resources import UNIT, Allocation
from tradewind.runtime.node.workers import Worker

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon

LOOK_S = 0.25
# A share of the node's memory from 0 to 1 (1 or more: the node as a whole is not guarded). Ray's threshold is the same, and so is the idea.
THRESHOLD_VARIABLE = "TRADEWIND_MEMORY_USAGE_THRESHOLD"
DEFAULT_THRESHOLD = 0.95
# What a worker's end frees is back after this long; ending a second one sooner would be for nothing.
_SETTLE_S = 1.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
# How the death of a worker begins that was ended for the node's sake, and not for a limit of its own.
FOR_THE_NODE = "node out of memory"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A worker with a task or actor. Bytes are its own."""

    worker: int
    held: int
    actor: bool


def excess(used_bytes: int, allocation: Allocation | None) -> str:
    """Why a worker with this much memory of its own must end, or "" when it may go on."""
    limit = limit_of(allocation)
    if not limit or used_bytes <= limit:
        return ""
    return f"out of memory: it held {used_bytes:,} bytes and had asked for memory={limit:,}"


def limit_of(allocation: Allocation | None) -> int:
    """Bytes that were asked for; 0 for no limit."""
    return allocation.units.get("memory", 0) // UNIT if allocation is not None else 0


def victim(tenants: Sequence[Tenant]) -> Tenant | None:
    """Who is ended when the node runs out: the task that holds the most, or without tasks the actor that does. An actor has more to lose."""
    return max(tenants, key=lambda tenant: (not tenant.actor, tenant.held), default=None)


def node_reason(use: Use, threshold: float, held: int) -> str:
    """Why the worker was ended for the node's sake."""
    return (
        f"{FOR_THE_NODE}: {use.used:,} of {use.total:,} bytes were in use, more than {threshold:.0%}, and it held the most of all tasks, {held:,}; "
        "ask for memory= so that fewer such tasks run at once"
    )


def own_bytes(pid: int) -> int:
    """What the process holds for itself, without what it shares (the arena, the template's pages as far as they are files); 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            fields = file.read().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * _PAGE


class MemoryGuard:
    """Looks at the node's workers as long as one of them has work."""

    def __init__(self, daemon: NodeDaemon) -> None:
        self._daemon = daemon
        self._looking = False
        self._groups = MemoryGroups(daemon.node)
        self._settled = 0.0
        try:
            self._threshold = float(os.environ.get(THRESHOLD_VARIABLE, DEFAULT_THRESHOLD))
        except ValueError:
            self._threshold = DEFAULT_THRESHOLD

    def watch(self, worker: Worker, allocation: Allocation) -> None:
        """The allocation was given to the worker, which is looked at from now on."""
        limit = limit_of(allocation)
        if limit and worker.pid:
            self._groups.limit(worker.pid, max(limit, own_bytes(worker.pid)))
        if not self._looking:
            self._looking = True
            self._daemon.loop.after(LOOK_S, self._look)

    def took(self, pid: int, size: int) -> None:
        """The worker has room in the arena, whose pages are not its own."""
        self._groups.allow(pid, size)

    def release(self, worker: Worker) -> None:
        """The worker has nothing to do, and no limit."""
        self._groups.release(worker.pid)

    def why_killed(self, worker: Worker) -> str:
        """Why the kernel ended the worker, if it did so for a limit of ours."""
        if not self._groups.killed(worker.pid):
            return ""
        limit = next((limit_of(held) for it, held, _ in self._tenants() if it is worker), 0)
        return f"out of memory: it took more than it had asked for, memory={limit:,}"

    def _look(self) -> None:
        tenants = [(worker, held, actor) for worker, held, actor in self._tenants() if worker.pid]
        for worker, allocation, _ in tenants:
            if limit_of(allocation) and not worker.kill_reason:
                reason = excess(own_bytes(worker.pid), allocation)
                if reason:
                    self._daemon.workers.kill(worker, reason)
        self._guard_node(tenants)
        self._looking = bool(tenants)
        if tenants:
            self._daemon.loop.after(LOOK_S, self._look)

    def _guard_node(self, tenants: list[tuple[Worker, Allocation, bool]]) -> None:
        now = time.monotonic()
        if now < self._settled or any(worker.kill_reason for worker, _, _ in tenants):
            return
        use = memory_use()
        if use.fraction <= self._threshold:
            return
        by_number = {worker.number: worker for worker, _, _ in tenants}
        chosen = victim([Tenant(worker.number, own_bytes(worker.pid), actor) for worker, _, actor in tenants])
        if chosen is not None:
            self._settled = now + _SETTLE_S
            self._daemon.workers.kill(by_number[chosen.worker], node_reason(use, self._threshold, chosen.held))

    def _tenants(self) -> Iterable[tuple[Worker, Allocation, bool]]:
        for lease in self._daemon.granting.held.values():
            if lease.worker is not None and lease.allocation is not None:
                yield lease.worker, lease.allocation, False
        for actor in self._daemon.actors.here.values():
            if actor.worker is not None and actor.allocation is not None:
                yield actor.worker, actor.allocation, True

    def close(self) -> None:
        """Nothing of ours is left with the kernel; the workers have been ended."""
        self._groups.close()

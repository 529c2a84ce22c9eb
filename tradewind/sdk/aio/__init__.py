"""The same calls on an event loop: `await tw.aio.launch(...)`, `async for line in tw.aio.logs(...)`. Cancelling one leaves nothing behind.

What was launched goes on when the call that waited for it is cancelled.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence

from tradewind.catalog.filter import OfferFilter
from tradewind.catalog.offer import Offer
from tradewind.optimizer.plan import Plan
from tradewind.sdk import operations, planning
from tradewind.sdk.aio import jobs
from tradewind.sdk.aio.driving import awaitable, lines
from tradewind.sdk.checkup import Finding
from tradewind.sdk.task import AnyTask

launch = awaitable(operations.launch)
exec = awaitable(operations.exec_)  # noqa: A001  the command's name
status = awaitable(operations.status)
queue = awaitable(operations.queue)
wait = awaitable(operations.wait)
cancel = awaitable(operations.cancel)
down = awaitable(operations.down)
stop = awaitable(operations.stop)
start = awaitable(operations.start)
autostop = awaitable(operations.autostop)
ports = awaitable(operations.ports)
ssh_command = awaitable(operations.ssh_command)
events = awaitable(operations.events)
why = awaitable(operations.why)
cost_report = awaitable(operations.cost_report)
reap = awaitable(operations.reap)


def logs(
    cluster: str, job_id: int | None = None, *, follow: bool = True, rank: int | None = None
) -> AsyncIterator[str]:
    """The lines of a job's output, as `tradewind.logs` gives them. Raises NotFound, Unreachable."""
    return lines(operations.log_path(cluster, job_id, follow=follow, rank=rank))


async def plan(
    task: AnyTask | Sequence[AnyTask],
    *,
    hours: float | None = None,
    catalog: str | os.PathLike[str] | None = None,
    edges: Sequence[tuple[str, str, float]] = (),
    together: Sequence[Sequence[str]] = (),
    deadline_h: float | None = None,
) -> Plan:
    """As `tradewind.plan`, in a thread of its own. Raises SpecError, PlanError, InvalidProblem, LimitsError, CatalogError."""
    return await asyncio.to_thread(
        planning.plan,
        task,
        hours=hours,
        catalog=catalog,
        edges=edges,
        together=together,
        deadline_h=deadline_h,
    )


async def offers(
    wanted: OfferFilter | None = None, *, limit: int | None = 100, catalog: str | os.PathLike[str] | None = None
) -> list[Offer]:
    """As `tradewind.offers`, in a thread of its own. Raises CatalogError."""
    return await asyncio.to_thread(planning.offers, wanted, limit=limit, catalog=catalog)


async def accelerators(
    name: str | None = None, *, catalog: str | os.PathLike[str] | None = None
) -> dict[str, planning.Accelerator]:
    """As `tradewind.accelerators`, in a thread of its own. Raises CatalogError."""
    return await asyncio.to_thread(planning.accelerators, name, catalog=catalog)


async def doctor() -> tuple[Finding, ...]:
    """As `tradewind.doctor`, in a thread of its own."""
    return await asyncio.to_thread(planning.doctor)


async def check() -> dict[str, str]:
    """As `tradewind.check`, in a thread of its own. Raises SettingsError."""
    return await asyncio.to_thread(planning.check)


__all__ = [
    "accelerators",
    "autostop",
    "cancel",
    "check",
    "cost_report",
    "doctor",
    "down",
    "events",
    "exec",
    "jobs",
    "launch",
    "logs",
    "offers",
    "plan",
    "ports",
    "queue",
    "reap",
    "ssh_command",
    "start",
    "status",
    "stop",
    "wait",
    "why",
]

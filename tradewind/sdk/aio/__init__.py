"""The same calls on an event loop: `await tw.aio.launch(...)`, `async for line in tw.aio.logs(...)`. Cancelling one leaves nothing behind.

What was launched goes on when the call that waited for it is cancelled.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from tradewind.sdk import checking, operations, planning, validation
from tradewind.sdk.aio import api, catalog, config, jobs, local
from tradewind.sdk.aio.driving import awaitable, lines
from tradewind.sdk.aio.threads import threaded
from tradewind.sdk.checking import check_clouds
from tradewind.sdk.views import Event

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
rsync_command = awaitable(operations.rsync_command)
events = awaitable(operations.events)
why = awaitable(operations.why)
cost_report = awaitable(operations.cost_report)
reap = awaitable(operations.reap)


def logs(
    cluster: str, job_id: int | None = None, *, follow: bool = True, rank: int | None = None
) -> AsyncIterator[str]:
    """The lines of a job's output, as `tradewind.logs` gives them. Raises NotFound, Unreachable."""
    return lines(operations.log_path(cluster, job_id, follow=follow, rank=rank))


async def follow(name: str) -> AsyncIterator[Event]:
    """The facts about a cluster or managed job, as `tradewind.follow` gives them. Raises NotFound, Unreachable."""
    async for line in lines(operations.events_path(name)):
        if line.strip():
            yield msgspec.json.decode(line, type=Event)


check = check_clouds
explain_error = threaded(checking.explain_error)
plan = threaded(planning.plan)
explain = threaded(planning.explain)
pareto = threaded(planning.pareto)
offers = threaded(planning.offers)
accelerators = threaded(planning.accelerators)
doctor = threaded(planning.doctor)
validate = threaded(validation.validate)
schema = threaded(validation.schema)


__all__ = [
    "accelerators",
    "api",
    "autostop",
    "cancel",
    "catalog",
    "check",
    "config",
    "cost_report",
    "doctor",
    "down",
    "events",
    "exec",
    "explain",
    "explain_error",
    "follow",
    "jobs",
    "launch",
    "local",
    "logs",
    "offers",
    "pareto",
    "plan",
    "ports",
    "queue",
    "reap",
    "rsync_command",
    "schema",
    "ssh_command",
    "start",
    "status",
    "stop",
    "validate",
    "wait",
    "why",
]

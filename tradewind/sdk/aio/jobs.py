"""Managed jobs on an event loop: `await tw.aio.jobs.launch(...)`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tradewind.sdk import job_operations
from tradewind.sdk.aio.driving import awaitable, lines

launch = awaitable(job_operations.launch)
launch_graph = awaitable(job_operations.launch_graph)
queue = awaitable(job_operations.queue)
status = awaitable(job_operations.status)
wait = awaitable(job_operations.wait)
cancel = awaitable(job_operations.cancel)
bill = awaitable(job_operations.bill)
pause = awaitable(job_operations.pause)
resume = awaitable(job_operations.resume)
retry = awaitable(job_operations.retry)
launch_array = awaitable(job_operations.launch_array)
array = awaitable(job_operations.array)
array_jobs = awaitable(job_operations.array_jobs)
cancel_array = awaitable(job_operations.cancel_array)
spend = awaitable(job_operations.spend)
top = awaitable(job_operations.top)


def logs(job: int | str, *, follow: bool = True, rank: int | None = None) -> AsyncIterator[str]:
    """The lines of a managed job's output, as `tradewind.jobs.logs` gives them. Raises NotFound, Unreachable."""
    return lines(job_operations.log_path(job, follow=follow, rank=rank))


__all__ = [
    "array",
    "array_jobs",
    "bill",
    "cancel",
    "cancel_array",
    "launch",
    "launch_array",
    "launch_graph",
    "logs",
    "pause",
    "queue",
    "resume",
    "retry",
    "spend",
    "status",
    "top",
    "wait",
]

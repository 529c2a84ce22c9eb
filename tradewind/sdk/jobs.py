"""Managed jobs, blocking: `tw.jobs.launch`, `tw.jobs.queue`, ..."""

from __future__ import annotations

from collections.abc import Iterator

from tradewind.sdk import job_operations
from tradewind.sdk.blocking import blocking, lines

launch = blocking(job_operations.launch)
launch_graph = blocking(job_operations.launch_graph)
queue = blocking(job_operations.queue)
status = blocking(job_operations.status)
wait = blocking(job_operations.wait)
cancel = blocking(job_operations.cancel)
bill = blocking(job_operations.bill)
pause = blocking(job_operations.pause)
resume = blocking(job_operations.resume)
retry = blocking(job_operations.retry)
launch_array = blocking(job_operations.launch_array)
array = blocking(job_operations.array)
array_jobs = blocking(job_operations.array_jobs)
cancel_array = blocking(job_operations.cancel_array)
spend = blocking(job_operations.spend)
top = blocking(job_operations.top)


def logs(job: int | str, *, follow: bool = True, rank: int | None = None) -> Iterator[str]:
    """The lines of a managed job's output over all its attempts, each with its newline, until it has ended or, without `follow`, as far as it is.

    `rank` is the node whose output it is; None: all nodes', each line with its node before it.

    Raises:
        NotFound: there is none of that number or name.
        Unreachable: the daemon does not answer.
    """
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

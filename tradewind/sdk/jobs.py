"""Managed jobs, blocking: `tw.jobs.launch`, `tw.jobs.queue`, ..."""

from __future__ import annotations

from collections.abc import Iterator

from tradewind.sdk import job_operations
from tradewind.sdk.blocking import blocking, lines

launch = blocking(job_operations.launch)
queue = blocking(job_operations.queue)
status = blocking(job_operations.status)
wait = blocking(job_operations.wait)
cancel = blocking(job_operations.cancel)
bill = blocking(job_operations.bill)


def logs(job: int | str, *, follow: bool = True) -> Iterator[str]:
    """The lines of a managed job's output over all its attempts, each with its newline, until it has ended or, without `follow`, as far as it is.

    Raises:
        NotFound: there is none of that number or name.
        Unreachable: the daemon does not answer.
    """
    return lines(job_operations.log_path(job, follow=follow))


__all__ = ["bill", "cancel", "launch", "logs", "queue", "status", "wait"]

"""Clusters and their jobs, blocking. `tradewind` hands these on: `tw.launch`, `tw.status`, ..."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tradewind.sdk import operations
from tradewind.sdk.blocking import blocking, lines
from tradewind.sdk.views import Event

launch = blocking(operations.launch)
exec = blocking(operations.exec_)  # noqa: A001  the command's name
status = blocking(operations.status)
queue = blocking(operations.queue)
wait = blocking(operations.wait)
cancel = blocking(operations.cancel)
down = blocking(operations.down)
stop = blocking(operations.stop)
start = blocking(operations.start)
autostop = blocking(operations.autostop)
ports = blocking(operations.ports)
ssh_command = blocking(operations.ssh_command)
rsync_command = blocking(operations.rsync_command)
events = blocking(operations.events)
why = blocking(operations.why)
cost_report = blocking(operations.cost_report)
reap = blocking(operations.reap)


def logs(cluster: str, job_id: int | None = None, *, follow: bool = True, rank: int | None = None) -> Iterator[str]:
    """The lines of a job's output (the newest job when None), each with its newline, until it has ended or, without `follow`, as far as it is.

    `rank` chooses one node's output. What is no UTF-8 becomes U+FFFD, and a line over a million characters comes in pieces.

    Raises:
        NotFound: there is no such cluster or job.
        Unreachable: the daemon does not answer.
    """
    return lines(operations.log_path(cluster, job_id, follow=follow, rank=rank))


def follow(name: str) -> Iterator[Event]:
    """Every fact about a cluster (its name) or a managed job (its number or name), oldest first, and those to come, until it has ended.

    Raises:
        NotFound: there is none.
        Unreachable: the daemon does not answer.
    """
    return (msgspec.json.decode(line, type=Event) for line in lines(operations.events_path(name)) if line.strip())

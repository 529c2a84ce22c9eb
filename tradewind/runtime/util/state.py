"""What is in the cluster just now, and what each thing waits for: Ray's `util.state`, with a sentence why."""

from __future__ import annotations

import msgspec

from tradewind.runtime import session
from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.cluster import Row

KINDS = ("nodes", "actors", "groups", "workers", "tasks", "objects", "memory", "stacks")


def rows(kind: str, *, timeout: float = 10.0) -> list[Row]:
    """Every row of the kind. Raises ValueError for a kind that does not exist, GetTimeoutError."""
    if kind not in KINDS:
        raise ValueError(f"There is no kind {kind!r}; there are {', '.join(KINDS)}.")
    answer: cluster.Rows = session.process().head(cluster.Report(kind), timeout)
    if kind != "actors":
        return answer.rows
    # The head knows actors, and the nodes their processes.
    pids = {worker.id: worker.pid for worker in rows("workers", timeout=timeout)}
    return [msgspec.structs.replace(row, pid=pids.get(row.process, 0)) for row in answer.rows]


def list_nodes() -> list[Row]:
    """The nodes that are alive."""
    return rows("nodes")


def list_actors() -> list[Row]:
    """Every actor, with its process, the dead ones with what they died of."""
    return rows("actors")


def list_placement_groups() -> list[Row]:
    """Every placement group, with what it waits for."""
    return rows("groups")


def list_workers() -> list[Row]:
    """Every worker process, with whom it works for."""
    return rows("workers")


def list_tasks() -> list[Row]:
    """Every call without a result yet, with what it waits for."""
    return rows("tasks")


def list_objects() -> list[Row]:
    """Every object by its owner, with who holds it."""
    return rows("objects")


__all__ = ["list_actors", "list_nodes", "list_objects", "list_placement_groups", "list_tasks", "list_workers", "rows"]

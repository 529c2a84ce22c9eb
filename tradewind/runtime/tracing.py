"""What ran where and when, as a trace that chrome://tracing and ui.perfetto.dev open.

The format: "Trace Event Format", Google, 2016: complete events (ph "X", microseconds) and metadata events (ph "M") that name rows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tradewind.runtime import session
from tradewind.runtime.messages import cluster
from tradewind.runtime.messages.cluster import Row

Event = tuple[str, int, int]  # name, begin, length in microseconds


def timeline(filename: str | None = None) -> list[dict[str, Any]] | None:
    """Every task and method call that the cluster's workers remember (the last 20,000 of each), as trace events.

    With a filename they are written there as JSON instead. Raises OSError for a file that cannot be written.
    """
    answer = session.process().head(cluster.Report("timeline"))
    events = trace(answer.rows)
    if filename is None:
        return events
    with open(os.fspath(filename), "w") as file:
        json.dump(events, file)
    return None


def trace(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The trace of the workers' rows: a process for each node, a thread for each worker, more where calls ran beside each other."""
    out: list[dict[str, Any]] = []
    nodes: dict[str, int] = {}
    for row in rows:
        if row.kind != "timeline":
            continue
        if row.node not in nodes:
            nodes[row.node] = len(nodes) + 1
            out.append(_named("process_name", nodes[row.node], 0, f"node {row.node[:8]}"))
        pid = nodes[row.node]
        kind = "actor" if row.state == "ACTOR" else "task"
        events = msgspec.json.decode(row.more["events"], type=list[Event])
        for number, lane in enumerate(lanes(events)):
            thread = row.pid * 1000 + number
            beside = f" ({number + 1})" if number else ""
            out.append(_named("thread_name", pid, thread, f"{row.name or 'worker'} pid={row.pid}{beside}"))
            out += [
                {"cat": kind, "name": name, "ph": "X", "pid": pid, "tid": thread, "ts": begin, "dur": length, "args": {"worker": row.id}}
                for name, begin, length in lane
            ]  # fmt: skip
    return out


def lanes(events: Iterable[Event]) -> list[Sequence[Event]]:
    """The events in as few rows as keep them from overlapping, each in the order of time."""
    out: list[list[Event]] = []
    ends: list[int] = []
    for event in sorted(events, key=lambda item: (item[1], item[2])):
        _, begin, length = event
        for number, end in enumerate(ends):
            if end <= begin:
                out[number].append(event)
                ends[number] = begin + length
                break
        else:
            out.append([event])
            ends.append(begin + length)
    return list(out)


def _named(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}}

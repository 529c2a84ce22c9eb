"""What a process says of itself in reports: its open calls, the objects that it owns, its threads' stacks."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import msgspec

from tradewind.runtime.core.dispatch import Call, Lease
from tradewind.runtime.messages.cluster import Row
from tradewind.runtime.messages.values import Failed, Stored

if TYPE_CHECKING:
    from tradewind.runtime.core.process import Process

_MAX_ROWS = 1000


def describe(process: Process, kind: str) -> list[Row]:
    """The process's rows of the kind, at most 1,000. Under the process's lock."""
    if kind == "tasks":
        return [_call_row(process, call) for call in list(process.calls.open.values())[:_MAX_ROWS]]
    if kind == "objects":
        return _object_rows(process)
    if kind == "timeline":
        return _timeline_rows(process)
    return [_stack_row(process)] if kind == "stacks" else []


def _timeline_rows(process: Process) -> list[Row]:
    """What has run in this process: its events are [name, begin, length] in microseconds since 1970."""
    executor = process.executor
    if executor is None or not executor.history:
        return []
    offset = time.time() - time.perf_counter()
    # A worker that became an actor has run tasks before.
    parts: dict[tuple[str, str], list[tuple[str, int, int]]] = {}
    for name, begin, end in list(executor.history):
        actor = executor.actor if begin >= executor.actor_since else None
        kind = ("ACTOR", actor.name) if actor is not None else ("WORKER", "")
        parts.setdefault(kind, []).append((name, int((begin + offset) * 1e6), max(1, int((end - begin) * 1e6))))
    return [
        Row("timeline", process.address, state, name, process.node, process.address, os.getpid(), more={"events": msgspec.json.encode(events).decode()})
        for (state, name), events in parts.items()
    ]  # fmt: skip


def _call_row(process: Process, call: Call) -> Row:
    target = call.target
    if call.unready:
        missing = [ref.hex() for _, ref in call.slots or () if process.table.entries[ref.key].value is None]
        state, why = "WAITING", f"it waits for its argument{'s' * (len(missing) > 1)} {', '.join(missing[:5])}"
    elif type(target) is Lease:
        first = next(iter(target.running), None)
        if first == call.id:
            state, why = "RUNNING", f"it runs in {target.peer.address} (pid {target.pid})"
            if target.blocked:
                state, why = "BLOCKED", f"{why}, which waits inside the task and has lent its CPUs"
        else:
            state, why = "SENT", f"it stands behind another task at {target.peer.address} (pid {target.pid})"
    elif target is not None:
        ahead = list(target.running).index(call.id) if target.ordered and call.id in target.running else 0
        state, why = "RUNNING", f"it is with actor {target.actor} ({target.name})"
        if ahead:
            state, why = "SENT", f"{why}, behind {ahead} other call{'s' * (ahead > 1)} of this process"
    elif call.method is not None:
        state, why = "QUEUED", "it waits for its actor to be alive, or for the calls before it"
    else:
        shape: Any = getattr(call.where, "shape", None)
        asked = dict(shape.resources) if shape is not None else {}
        where = shape.strategy if shape is not None else "DEFAULT"
        state, why = (
            "QUEUED",
            f"it waits for a worker with {asked} ({where}); {call.where.wanted if shape else 0} are asked for",
        )
    more = {"returns": str(call.returns), "retries_left": str(call.retries)}
    return Row(
        "task",
        f"{process.address}:{call.id:x}",
        state,
        call.name,
        process.node,
        process.address,
        os.getpid(),
        why,
        more,
    )


def _object_rows(process: Process) -> list[Row]:
    rows: list[Row] = []
    for key, entry in list(process.table.entries.items())[:_MAX_ROWS]:
        if isinstance(key, tuple):
            continue
        value = entry.value
        state, size, node = "PENDING", 0, ""
        if isinstance(value, Stored):
            state, size, node = "STORED", value.size, value.node
        elif isinstance(value, Failed):
            state = "FAILED"
        elif value is not None:
            state, size = "INLINE", len(value)
        holders = [f"{entry.local} refs here"] * (entry.local > 0)
        holders += [f"borrowed by {who}" for who in entry.borrowers or ()]
        more = {"bytes": str(size)}
        why = "held by " + ", ".join(holders) if holders else ""
        rows.append(
            Row("object", f"{process.address}:{key:x}", state, "", node, process.address, os.getpid(), why, more)
        )
    return rows


def _stack_row(process: Process) -> Row:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    me = threading.get_ident()
    parts = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001  the documented way to see other threads
        text = "".join(traceback.format_stack(frame))
        note = " (answers this report)" if ident == me else ""
        parts.append(f"thread {names.get(ident, ident)}{note}:\n{text}")
    executor = process.executor
    name = executor.current_name() if executor is not None else "driver"
    return Row(
        "process",
        process.address,
        "",
        name,
        process.node,
        process.address,
        os.getpid(),
        more={"stack": "\n".join(parts)},
    )

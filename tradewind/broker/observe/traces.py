"""Traces told from event rows: every state that a job or cluster was in is a span, from the event that began it to the one that ended it. Pure.

Ids are digests of what they stand for, so nothing has to be kept: a program gets its span's id (W3C Trace Context, TRACEPARENT) before that
span is over, and spans that are sent twice are the same spans.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle import cluster_job as jm
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.store.records import EventRow

_TRACEPARENT = re.compile(
    r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z"
)  # https://www.w3.org/TR/trace-context/#traceparent-header
_FINAL = cm.FINAL | jm.FINAL | mm.FINAL


class Trace(msgspec.Struct, frozen=True):
    """A trace's id and the span that stands above all of ours ("" when the trace begins with us); hexadecimal."""

    trace_id: str
    parent_id: str = ""


class Span(msgspec.Struct, frozen=True):
    """A stretch of time with a name; ids hexadecimal, times Unix seconds. `failed` says why when it ended badly."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start_unix: float
    end_unix: float
    attributes: Mapping[str, str | int | float | bool]
    failed: str = ""


def trace_of(owner: str, managed_job_id: int | None, cluster_id: int | None, traceparent: str = "") -> Trace:
    """The trace of a managed job, or of a cluster that none owns: the caller's own when it sent a valid `traceparent`."""
    given = _TRACEPARENT.match(traceparent)
    if given is not None and set(given[1]) != {"0"} and set(given[2]) != {"0"}:
        return Trace(given[1], given[2])
    whose = f"job/{managed_job_id}" if managed_job_id is not None else f"cluster/{cluster_id}"
    return Trace(_digest(16, owner, whose))


def traceparent_of(trace: Trace, subject: str, cluster_id: int, state: str) -> str:
    """What a program that runs while `subject`, a job on a cluster, is in `state` finds in TRACEPARENT."""
    return f"00-{trace.trace_id}-{_state_id(trace, subject, cluster_id, state, 0)}-01"


def spans_of(trace: Trace, event: EventRow, begun: EventRow | None, first: EventRow | None) -> Iterator[Span]:
    """The spans that end with this event: the state it leaves, and the whole subject when it enters a final one.

    `begun` is the event by which the subject entered the state it leaves, `first` the subject's first one; None where there was none.
    """
    data = event.data
    left, entered = data.get("from"), data.get("to")
    if not isinstance(left, str) or not isinstance(entered, str):
        return
    whole = _subject_id(trace, event)
    attributes = _attributes(event)
    since = begun or first
    if since is not None:
        seq = (
            0 if "/job/" in event.subject else since.seq
        )  # a job on a cluster is in each state once: its ids are known beforehand
        yield Span(
            trace.trace_id,
            _state_id(trace, event.subject, event.cluster_id or 0, left, seq),
            whole,
            f"{_kind(event.subject)} {left.lower()}",
            since.unix,
            event.unix,
            attributes,
        )
    if entered in _FINAL and first is not None:
        why = str(data.get("why") or entered) if entered.startswith("FAILED") or entered == "LOST" else ""
        yield Span(
            trace.trace_id,
            whole,
            trace.parent_id if whole == _root_id(trace, event) else _root_id(trace, event),
            event.subject,
            first.unix,
            event.unix,
            attributes | {"tradewind.state": entered},
            failed=why,
        )


def click_span(trace: Trace, submitted: EventRow, clicked_unix: float) -> Span:
    """From the moment a person pressed return to the moment the daemon had the submission in its record."""
    return Span(
        trace.trace_id,
        _digest(8, trace.trace_id, "click"),
        _root_id(trace, submitted),
        "submit",
        min(clicked_unix, submitted.unix),
        submitted.unix,
        _attributes(submitted),
    )


def _attributes(event: EventRow) -> dict[str, str | int | float | bool]:
    found: dict[str, str | int | float | bool] = {"tradewind.subject": event.subject, "tradewind.cause": event.cause}
    if event.managed_job_id is not None:
        found["tradewind.managed_job_id"] = event.managed_job_id
    plain: dict[str, Any] = {
        name: value
        for name, value in event.data.items()
        if isinstance(value, str | int | float) and name not in {"from", "to"}
    }
    return found | {f"tradewind.{name}": value for name, value in plain.items()}


def _kind(subject: str) -> str:
    if subject.startswith("job/"):
        return "managed job"
    return "job" if "/job/" in subject else subject.partition("/")[0]


def _root_id(trace: Trace, event: EventRow) -> str:
    """The span that all of this trace's others stand under: the managed job, or the cluster."""
    whose = ("job", event.managed_job_id) if event.managed_job_id is not None else ("cluster", event.cluster_id)
    return _digest(8, trace.trace_id, "subject", *map(str, whose))


def _subject_id(trace: Trace, event: EventRow) -> str:
    if event.subject.startswith("job/") or (event.managed_job_id is None and "/job/" not in event.subject):
        return _root_id(trace, event)
    return _digest(8, trace.trace_id, "subject", event.subject, str(event.cluster_id))


def _state_id(trace: Trace, subject: str, cluster_id: int, state: str, seq: int) -> str:
    return _digest(8, trace.trace_id, "state", subject, str(cluster_id), state, str(seq))


def _digest(size: int, *parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=size).hexdigest()

"""Spans from event rows: every state once, all under one root, ids that can be known beforehand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tradewind.broker.observe import traces
from tradewind.broker.store.records import EventRow

OWNER = "00aa"


def event(seq: int, subject: str, unix: float, *, cluster_id: int | None = 3, job: int | None = 7, **data) -> EventRow:
    return EventRow(seq, subject, cluster_id, job, unix, "word", "request/1", data)


def told(history: list[EventRow], parent: str = "") -> list[traces.Span]:
    """All spans of a history, as the observer finds what came before."""
    spans = []
    for at, one in enumerate(history):
        mine = [e for e in history[:at] if e.subject == one.subject]
        begun = next((e for e in reversed(mine) if e.data.get("to") == one.data.get("from")), None)
        trace = traces.trace_of(OWNER, one.managed_job_id, one.cluster_id, parent)
        spans += traces.spans_of(trace, one, begun, mine[0] if mine else None)
    return spans


HISTORY = [
    event(1, "job/7", 10.0, cluster_id=None),
    event(2, "job/7", 11.0, **{"from": "PENDING", "to": "STARTING"}),
    event(3, "cluster/c", 11.0, **{"from": "PLANNED", "to": "PROVISIONING"}),
    event(4, "cluster/c", 14.0, **{"from": "PROVISIONING", "to": "BOOTSTRAPPING"}),
    event(5, "cluster/c", 15.0, **{"from": "BOOTSTRAPPING", "to": "UP"}),
    event(6, "cluster/c/job/1", 15.0),
    event(7, "cluster/c/job/1", 15.5, **{"from": "PENDING", "to": "RUNNING"}),
    event(8, "job/7", 15.5, **{"from": "STARTING", "to": "RUNNING"}),
    event(9, "cluster/c/job/1", 20.0, name="ckpt-1"),
    event(10, "cluster/c/job/1", 25.0, **{"from": "RUNNING", "to": "FAILED", "why": "it exited with code 3"}),
    event(11, "job/7", 25.0, **{"from": "RUNNING", "to": "FAILED", "why": "it exited with code 3"}),
    event(12, "cluster/c", 25.0, **{"from": "UP", "to": "TERMINATING"}),
    event(13, "cluster/c", 26.0, **{"from": "TERMINATING", "to": "TERMINATED"}),
]


def test_a_job_that_failed():
    spans = {span.name: span for span in told(HISTORY)}
    assert {name: (span.start_unix, span.end_unix) for name, span in spans.items()} == {
        "managed job pending": (10.0, 11.0),
        "managed job starting": (11.0, 15.5),
        "managed job running": (15.5, 25.0),
        "job/7": (10.0, 25.0),
        "cluster provisioning": (11.0, 14.0),
        "cluster bootstrapping": (14.0, 15.0),
        "cluster up": (15.0, 25.0),
        "cluster terminating": (25.0, 26.0),
        "cluster/c": (11.0, 26.0),
        "job pending": (15.0, 15.5),
        "job running": (15.5, 25.0),
        "cluster/c/job/1": (15.0, 25.0),
    }
    root = spans["job/7"]
    assert root.parent_id == ""
    assert root.failed == "it exited with code 3"
    assert spans["cluster/c"].parent_id == spans["cluster/c/job/1"].parent_id == root.span_id
    assert spans["job running"].parent_id == spans["cluster/c/job/1"].span_id
    trace = traces.trace_of(OWNER, 7, 3)
    known = traces.traceparent_of(trace, "cluster/c/job/1", 3, "RUNNING")
    assert known == f"00-{root.trace_id}-{spans['job running'].span_id}-01"
    ids = [span.span_id for span in told(HISTORY)]
    assert len(set(ids)) == len(ids)


def test_a_submission_from_within_another_trace():
    given = "00-0123456789abcdef0123456789abcdef-00f067aa0ba902b7-01"
    assert {span.trace_id for span in told(HISTORY, given)} == {"0123456789abcdef0123456789abcdef"}
    click = traces.click_span(traces.trace_of(OWNER, 7, 3, given), HISTORY[0], 9.5)
    root = next(span for span in told(HISTORY, given) if span.name == "job/7")
    assert (click.start_unix, click.end_unix, click.parent_id) == (9.5, 10.0, root.span_id)
    assert root.parent_id == "00f067aa0ba902b7"
    for wrong in ("", "00-xyz", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", given.upper()):
        assert traces.trace_of(OWNER, 7, 3, wrong) == traces.trace_of(OWNER, 7, 3)


@given(st.lists(st.sampled_from(["A", "B", "C"]), min_size=2, max_size=12), st.booleans())
def test_states_follow_one_another_without_a_gap(states, owned):
    job = 7 if owned else None
    history = [event(1, "cluster/c", 0.0, job=job)]
    history += [
        event(n + 2, "cluster/c", float(n + 1), job=job, **{"from": one, "to": other})
        for n, (one, other) in enumerate(zip(states, states[1:], strict=False))
        if one != other
    ]
    spans = told(history)
    assert len(spans) == len(history) - 1
    assert all(earlier.end_unix == later.start_unix for earlier, later in zip(spans, spans[1:], strict=False))
    assert len({span.span_id for span in spans}) == len(spans)

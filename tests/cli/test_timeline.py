"""Event rows as lines."""

from __future__ import annotations

from tradewind.cli import timeline

EVENTS = [
    {"seq": 1, "unix": 1000.0, "kind": "planned", "data": {"place": "gcp/us-west4/us-west4-a", "hourly_usd": "0.025"}},
    {"seq": 2, "unix": 1004.25, "kind": "preempted", "data": {"why": "reclaimed by the rehearsed spot market"}},
    {
        "seq": 3,
        "unix": 1004.5,
        "kind": "recovering",
        "data": {"place": "gcp/us-west1-b", "hourly_usd": 0.026, "left": "gcp/us-west4/us-west4-a n2 (taken)"},
    },
    {"seq": 4, "unix": 1100.0, "kind": "succeeded", "data": {}},
]


def test_each_fact_is_a_line_with_seconds_since_the_first() -> None:
    assert timeline.timeline(EVENTS).split("\n") == [
        "    0.0 s  planned           gcp/us-west4-a; 0.025 USD/h",
        "    4.2 s  preempted         reclaimed by the rehearsed spot market",
        "    4.5 s  recovering        gcp/us-west1-b; 0.026 USD/h; without gcp/us-west4-a",
        "  100.0 s  succeeded",
    ]


def test_no_events_are_no_lines() -> None:
    assert timeline.timeline([]) == ""


def test_colour_changes_no_words() -> None:
    import re

    coloured = timeline.timeline(EVENTS, colour=True)
    assert coloured != timeline.timeline(EVENTS)
    assert re.sub(r"\x1b\[\d+m", "", coloured) == timeline.timeline(EVENTS)


def test_a_follower_of_a_managed_job_hears_each_thing_once() -> None:
    def told(subject: str, kind: str, **data: str) -> bool:
        return timeline.is_stage({"subject": subject, "kind": kind, "data": data}, "job/1")

    assert told("job/1", "preempted")
    assert told("instance/a", "launched")
    assert told("cluster/a", "bootstrapping")
    assert told("cluster/a/job/1", "checkpoint restored", newest="step-000000000009.npz")
    assert not told("cluster/a/job/1", "checkpoint restored", newest="")
    assert not told("cluster/a", "preempted")
    assert not told("cluster/a/job/1", "running")
    assert not told("cluster/a/job/1", "checkpoint synced")

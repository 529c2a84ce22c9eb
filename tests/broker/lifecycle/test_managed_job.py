"""The managed job's machine."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.lifecycle.machine import IllegalMove

C = "test"
EVENTS = st.one_of(
    st.just(mm.Scheduled(cause=C)),
    st.just(mm.PrecheckFailed(cause=C, why="no workdir")),
    st.just(mm.ClusterUp(cause=C)),
    st.just(mm.RunStarted(cause=C)),
    st.builds(
        mm.AttemptLost, cause=st.just(C), kind=st.sampled_from(["instance", "agent", "runtime"]), why=st.just("x")
    ),
    st.just(mm.Replanned(cause=C, place="p", hourly_usd=0.1, left="q")),
    st.just(mm.NoPlace(cause=C, why="full")),
    st.builds(
        mm.AttemptEnded,
        cause=st.just(C),
        result=st.sampled_from(["SUCCEEDED", "FAILED", "FAILED_SETUP"]),
        why=st.just("x"),
    ),
    st.just(mm.CancelRequested(cause=C)),
    st.just(mm.ClusterGone(cause=C)),
)


class World:
    """What the cluster job's machine vouches for: only an attempt that was started and is not lost or over runs or ends."""

    def __init__(self) -> None:
        self.open = False

    def allows(self, event):
        return self.open or not isinstance(event, mm.RunStarted | mm.AttemptEnded)

    def saw(self, event, orders):
        if any(isinstance(o, mm.StartAttempt) for o in orders):
            self.open = True
        elif isinstance(event, mm.AttemptLost | mm.AttemptEnded):
            self.open = False


@settings(max_examples=400)
@given(st.lists(EVENTS, max_size=40))
def test_safety(events):
    job, world = mm.ManagedJob(), World()
    for event in events:
        if not world.allows(event):
            continue
        before = job
        try:
            job, orders = mm.on_event(job, event)
        except IllegalMove:
            assert job == before
            continue
        world.saw(event, orders)
        mm.validate(job)
        assert before.state not in mm.FINAL or job == before, "an end is an end"
        if job.state in mm.FINAL and before.state not in {*mm.FINAL, "CANCELLING", "PENDING"}:
            assert any(isinstance(o, mm.EndCluster) for o in orders), "whatever ends ends its cluster"
        if job.state == "RECOVERING" and isinstance(event, mm.AttemptLost) and event.kind == "instance":
            assert [type(o) for o in orders] == [mm.Replace]
        if job.state == "CANCELLED":
            assert before.state in {"PENDING", "CANCELLING", "CANCELLED"}


@settings(max_examples=200)
@given(st.lists(EVENTS, max_size=30))
def test_liveness_a_cancel_is_carried_out_from_anywhere(events):
    job, world = mm.ManagedJob(), World()
    for event in events:
        if world.allows(event):
            try:
                job, orders = mm.on_event(job, event)
            except IllegalMove:
                continue
            world.saw(event, orders)
    if job.state not in mm.FINAL:
        job, _ = mm.on_event(job, mm.CancelRequested(cause=C))
        if job.state != "CANCELLED":
            job, _ = mm.on_event(job, mm.ClusterGone(cause=C))
        assert job.state == "CANCELLED"


def test_a_recovery_is_counted_when_user_code_runs_again():
    job = mm.ManagedJob()
    for event in (
        mm.Scheduled(cause=C),
        mm.ClusterUp(cause=C),
        mm.RunStarted(cause=C),
        mm.AttemptLost(cause=C, kind="instance", why="taken"),
        mm.Replanned(cause=C, place="p", hourly_usd=0.1, left="q"),
        mm.AttemptLost(cause=C, kind="instance", why="taken again"),
        mm.ClusterUp(cause=C),
        mm.RunStarted(cause=C),
    ):
        job, _ = mm.on_event(job, event)
    assert (job.state, job.attempt, job.recoveries) == ("RUNNING", 2, 1)

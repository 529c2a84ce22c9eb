"""The managed job's machine."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.lifecycle.machine import IllegalMove
from tradewind.spec.task import JobRecovery

C = "test"
EVENTS = st.one_of(
    st.just(mm.Scheduled(cause=C)),
    st.just(mm.PrecheckFailed(cause=C, why="no workdir")),
    st.just(mm.ClusterUp(cause=C)),
    st.just(mm.RunStarted(cause=C)),
    st.builds(
        mm.AttemptLost,
        cause=st.just(C),
        kind=st.sampled_from(["instance", "agent", "runtime", "node", "joined"]),
        why=st.just("x"),
    ),
    st.just(mm.Replanned(cause=C, place="p", hourly_usd=0.1, left="q")),
    st.just(mm.NoPlace(cause=C, why="full")),
    st.builds(
        mm.AttemptEnded,
        cause=st.just(C),
        result=st.sampled_from(["SUCCEEDED", "FAILED", "FAILED_SETUP"]),
        why=st.just("x"),
        exit_code=st.sampled_from([None, 1, 7]),
    ),
    st.just(mm.CancelRequested(cause=C)),
    st.just(mm.ClusterGone(cause=C)),
    st.builds(mm.RestartDue, cause=st.just(C), attempt=st.integers(0, 5)),
    st.just(mm.PauseRequested(cause=C)),
    st.just(mm.ResumeRequested(cause=C)),
    st.just(mm.RetryRequested(cause=C)),
    st.just(mm.MoveOrdered(cause=C, place="q", hourly_usd=0.1, why="a notice")),
    st.just(mm.SuccessorUp(cause=C)),
    st.just(mm.SuccessorFailed(cause=C, why="full")),
    st.just(mm.Vacated(cause=C)),
)
RECOVERIES = st.builds(
    JobRecovery,
    max_restarts_on_errors=st.integers(0, 3),
    recover_on_exit_codes=st.sampled_from([(), (7,)]),
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
        elif isinstance(event, mm.AttemptLost | mm.AttemptEnded | mm.Vacated):
            self.open = False


@settings(max_examples=400)
@given(st.lists(EVENTS, max_size=40), RECOVERIES)
def test_safety(events, recovery):
    job, world = mm.ManagedJob(recovery=recovery), World()
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
        assert before.state not in mm.FINAL or job == before or isinstance(event, mm.RetryRequested), "an end is an end"
        if job.state in mm.FINAL and before.state not in {*mm.FINAL, "CANCELLING", "PENDING", "PAUSED"}:
            assert any(isinstance(o, mm.EndCluster) for o in orders), "whatever ends ends its cluster"
        if job.state == "RECOVERING" and isinstance(event, mm.AttemptLost) and event.kind == "instance":
            assert [type(o) for o in orders] == [mm.EndOld if before.course.moving else mm.Replace]
        if job.state == "CANCELLED":
            assert before.state in {"PENDING", "PAUSED", "CANCELLING", "CANCELLED"}


@settings(max_examples=200)
@given(st.lists(EVENTS, max_size=30), RECOVERIES)
def test_liveness_a_cancel_is_carried_out_from_anywhere(events, recovery):
    job, world = mm.ManagedJob(recovery=recovery), World()
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


def started(recovery=None, **more):
    course = mm.Course(began=True)
    return mm.ManagedJob(state="RUNNING", attempt=1, course=course, recovery=recovery or JobRecovery(), **more)


def failed(code=1, result="FAILED", ran_s=0.0):
    return mm.AttemptEnded(cause=C, result=result, why="it broke", exit_code=code, ran_s=ran_s)


def test_a_failure_is_tried_again_as_often_as_it_was_asked_and_no_more():
    job = started(JobRecovery(max_restarts_on_errors=2))
    delays = []
    for _ in range(2):
        job, (order,) = mm.on_event(job, failed())
        assert (job.state, order.attempt) == ("RECOVERING", job.attempt)
        delays.append(order.delay_s)
        job, (start,) = mm.on_event(job, mm.RestartDue(cause=C, attempt=job.attempt))
        assert start.attempt == job.attempt
        job, _ = mm.on_event(job, mm.RunStarted(cause=C))
    assert delays == [mm.FIRST_RESTART_S, 2 * mm.FIRST_RESTART_S]
    job, (end,) = mm.on_event(job, failed())
    assert (job.state, type(end), job.recoveries) == ("FAILED", mm.EndCluster, 0)
    assert job.why == "it broke (attempt 3, after 2 restarts)"


def test_some_exit_codes_are_always_tried_again_without_counting():
    job = started(JobRecovery(recover_on_exit_codes=(33,)))
    for _ in range(20):
        job, (order,) = mm.on_event(job, failed(33))
        assert order.delay_s <= mm.MAX_RESTART_S
        job, _ = mm.on_event(job, mm.RestartDue(cause=C, attempt=job.attempt))
        job, _ = mm.on_event(job, mm.RunStarted(cause=C))
    assert job.course.errors == 0
    again, (order,) = mm.on_event(job, failed(33, ran_s=mm.STEADY_S))
    assert order.delay_s == mm.FIRST_RESTART_S, "who ran long does not fail in quick succession"
    assert mm.on_event(job, failed(1))[0].state == "FAILED"
    assert again.state == "RECOVERING"


def test_the_breaker_opens_when_set_up_dies_again_and_again():
    job = started(JobRecovery(max_restarts_on_errors=1000))
    for _ in range(mm.MAX_SETUP_DEATHS - 1):
        job, _ = mm.on_event(job, failed(result="FAILED_SETUP"))
        job, _ = mm.on_event(job, mm.RestartDue(cause=C, attempt=job.attempt))
    job, _ = mm.on_event(job, failed(result="FAILED_SETUP"))
    assert job.state == "FAILED_SETUP"
    assert job.why.startswith("set-up failed 3 times in a row, so it is not tried again: it broke")


def test_a_loss_while_it_backs_off_has_its_own_way_back():
    job, _ = mm.on_event(started(JobRecovery(max_restarts_on_errors=1)), failed())
    job, (order,) = mm.on_event(job, mm.AttemptLost(cause=C, kind="instance", why="taken"))
    assert isinstance(order, mm.Replace)
    job, orders = mm.on_event(job, mm.RestartDue(cause=C, attempt=job.attempt))
    assert orders == ()
    job, (start,) = mm.on_event(job, mm.ClusterUp(cause=C))
    assert start.attempt == 2
    assert mm.on_event(job, mm.RestartDue(cause=C, attempt=1))[1] == ()


def test_no_place_is_asked_for_ever_less_often():
    job = mm.ManagedJob(state="RECOVERING", attempt=1)
    delays = []
    for _ in range(7):
        job, (order,) = mm.on_event(job, mm.NoPlace(cause=C, why="full"))
        delays.append(order.delay_s)
    assert delays == [30, 60, 120, 240, 480, 600, 600]
    job, _ = mm.on_event(job, mm.ClusterUp(cause=C))
    assert job.course.waits == 0


def test_a_paused_job_gives_its_machines_back_and_goes_on_later():
    job, (end,) = mm.on_event(started(), mm.PauseRequested(cause=C))
    assert (job.state, type(end)) == ("PAUSING", mm.EndCluster)
    job, _ = mm.on_event(job, mm.AttemptLost(cause=C, kind="instance", why="ended"))
    job, _ = mm.on_event(job, mm.ClusterGone(cause=C))
    assert job.state == "PAUSED"
    job, (admit,) = mm.on_event(job, mm.ResumeRequested(cause=C))
    assert (job.state, type(admit)) == ("PENDING", mm.Admit)
    job, _ = mm.on_event(job, mm.Scheduled(cause=C))
    waits, (order,) = mm.on_event(job, mm.NoPlace(cause=C, why="full"))
    assert (waits.state, type(order)) == ("RECOVERING", mm.Replace), "it ran before, so it waits"
    job, (start,) = mm.on_event(job, mm.ClusterUp(cause=C))
    assert start.attempt == 2


def test_a_program_that_ends_while_it_is_paused_has_ended():
    job, _ = mm.on_event(started(), mm.PauseRequested(cause=C))
    assert mm.on_event(job, mm.AttemptEnded(cause=C, result="SUCCEEDED", why=""))[0].state == "SUCCEEDED"


def test_what_failed_can_be_tried_once_more_and_what_succeeded_cannot():
    for state in mm.FINAL - {"SUCCEEDED"}:
        job, (admit,) = mm.on_event(mm.ManagedJob(state=state, attempt=2, why="x"), mm.RetryRequested(cause=C))
        assert (job.state, job.why, type(admit)) == ("PENDING", "", mm.Admit)
    with pytest.raises(IllegalMove):
        mm.on_event(mm.ManagedJob(state="SUCCEEDED"), mm.RetryRequested(cause=C))


def test_a_restarted_daemon_goes_on_where_it_was():
    job, _ = mm.on_event(started(JobRecovery(max_restarts_on_errors=1)), failed())
    assert [type(order) for order in mm.resume(job, C)] == [mm.Restart]
    assert [type(order) for order in mm.resume(mm.ManagedJob(state="RECOVERING"), C)] == [mm.Replace]
    assert mm.resume(started(), C) == ()


def test_what_was_paused_and_found_no_place_at_once_has_not_recovered_from_a_loss():
    job = mm.ManagedJob(state="PENDING", attempt=1)
    for event in (
        mm.Scheduled(cause=C),
        mm.NoPlace(cause=C, why="full"),
        mm.ClusterUp(cause=C),
        mm.RunStarted(cause=C),
    ):
        job, _ = mm.on_event(job, event)
    assert (job.state, job.attempt, job.recoveries) == ("RUNNING", 2, 0)


def moving(*events):
    job, orders = mm.ManagedJob(), ()
    start = (mm.Scheduled(cause=C), mm.ClusterUp(cause=C), mm.RunStarted(cause=C))
    for event in (*start, mm.MoveOrdered(cause=C, place="q", hourly_usd=0.1, why="a notice"), *events):
        job, orders = mm.on_event(job, event)
        mm.validate(job)
    return job, [type(order).__name__ for order in orders]


LOST = mm.AttemptLost(cause=C, kind="instance", why="taken")
UP, FAILED_TO, VACANT, GONE = (
    mm.SuccessorUp(cause=C),
    mm.SuccessorFailed(cause=C, why="full"),
    mm.Vacated(cause=C),
    mm.ClusterGone(cause=C),
)


@pytest.mark.parametrize(
    ("events", "state", "orders", "recoveries"),
    [
        ((), "RUNNING", ["LaunchSuccessor"], 0),
        ((UP,), "RECOVERING", ["Vacate"], 0),
        ((UP, VACANT), "RECOVERING", ["TakeSuccessor", "StartAttempt"], 0),
        ((UP, VACANT, mm.RunStarted(cause=C)), "RUNNING", [], 0),
        ((FAILED_TO,), "RUNNING", ["EndSuccessor"], 0),
        ((LOST,), "RECOVERING", ["EndOld"], 0),
        ((LOST, UP), "RECOVERING", [], 0),
        ((LOST, UP, GONE), "RECOVERING", ["TakeSuccessor", "StartAttempt"], 0),
        ((LOST, GONE, UP), "RECOVERING", ["TakeSuccessor", "StartAttempt"], 0),
        ((LOST, GONE, UP, mm.RunStarted(cause=C)), "RUNNING", [], 1),
        ((LOST, GONE, FAILED_TO), "STARTING", ["EndSuccessor", "LaunchCluster"], 0),
        ((LOST, FAILED_TO, GONE), "STARTING", ["LaunchCluster"], 0),
        ((UP, LOST, GONE), "RECOVERING", ["TakeSuccessor", "StartAttempt"], 0),
        ((UP, FAILED_TO, VACANT), "RECOVERING", ["StartAttempt"], 0),
        ((mm.AttemptLost(cause=C, kind="agent", why="died"),), "RECOVERING", ["EndSuccessor"], 0),
        ((mm.CancelRequested(cause=C), GONE, UP), "CANCELLED", ["EndSuccessor"], 0),
        ((mm.AttemptEnded(cause=C, result="SUCCEEDED", why=""),), "SUCCEEDED", ["EndCluster"], 0),
    ],
)
def test_a_move(events, state, orders, recoveries):
    job, ordered = moving(*events)
    assert (job.state, ordered, job.recoveries) == (state, orders, recoveries)

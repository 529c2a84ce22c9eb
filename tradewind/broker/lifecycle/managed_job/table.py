"""What a managed job does at each event: one table from its state and the event to its next state and the orders for the shell. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tradewind.broker.lifecycle.machine import Event, Instruction, Step, Table, take
from tradewind.broker.lifecycle.managed_job.events import (
    Admit,
    AttemptEnded,
    AttemptLost,
    CancelRequested,
    ClusterGone,
    ClusterUp,
    EndCluster,
    EndOld,
    EndSuccessor,
    LaunchCluster,
    LaunchSuccessor,
    MoveOrdered,
    NoPlace,
    PauseRequested,
    PrecheckFailed,
    Replace,
    Replanned,
    Restart,
    RestartDue,
    ResumeRequested,
    RetryRequested,
    RunStarted,
    Scheduled,
    StartAttempt,
    SuccessorFailed,
    SuccessorUp,
    TakeSuccessor,
    Vacate,
    Vacated,
)
from tradewind.broker.lifecycle.managed_job.value import (
    FINAL,
    LIVE,
    MAX_SETUP_DEATHS,
    STATES,
    Course,
    ManagedJob,
    ManagedJobState,
)

RETRY_AFTER_NO_PLACE_S = 30.0
MAX_NO_PLACE_S = 600.0
FIRST_RESTART_S = 2.0
MAX_RESTART_S = 300.0
STEADY_S = 600.0  # who ran this long does not fail in quick succession


def back_off_s(first_s: float, times: int, most_s: float) -> float:
    """Seconds to wait the `times`-th time in a row, from 0: doubling up to `most_s`."""
    return min(most_s, first_s * 2.0 ** min(times, 60))


def _on_scheduled(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    return msgspec.structs.replace(job, state="STARTING"), (LaunchCluster(cause=event.cause),)


def _end(state: ManagedJobState) -> Callable[[ManagedJob, Any], Step[ManagedJob]]:
    def handler(job: ManagedJob, event: Any) -> Step[ManagedJob]:
        after = msgspec.structs.replace(job, state=state, why=event.why)
        return after, (EndCluster(cause=event.cause),)

    return handler


def _on_attempt_ended(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    after, orders = _ended(job, event)
    if job.course.moving and after.state == "RECOVERING":  # it is tried again where it is
        return after, (*orders, EndSuccessor(cause=event.cause))
    return after, orders


def _ended(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    course = job.course
    deaths = course.setup_deaths + 1 if event.result == "FAILED_SETUP" else 0
    forgiven = event.exit_code in job.recovery.recover_on_exit_codes
    again = event.result != "SUCCEEDED" and (forgiven or course.errors < job.recovery.max_restarts_on_errors)
    if not again or deaths >= MAX_SETUP_DEATHS:
        why = event.why
        if again:
            why = f"set-up failed {deaths} times in a row, so it is not tried again: {why}"
        elif event.result != "SUCCEEDED" and course.restarts:
            why = f"{why} (attempt {job.attempt}, after {course.restarts} restarts)"
        return msgspec.structs.replace(job, state=event.result, why=why), (EndCluster(cause=event.cause),)
    streak = 0 if event.ran_s >= STEADY_S else course.streak
    tried = Course(
        errors=course.errors + (not forgiven),
        restarts=course.restarts + 1,
        streak=streak + 1,
        setup_deaths=deaths,
        backing_off=True,
        began=True,
    )
    after = msgspec.structs.replace(job, state="RECOVERING", why=event.why, course=tried)
    return after, (_restart(after, event.cause),)


def _restart(job: ManagedJob, cause: str) -> Restart:
    delay_s = back_off_s(FIRST_RESTART_S, job.course.streak - 1, MAX_RESTART_S)
    return Restart(cause=cause, attempt=job.attempt, delay_s=delay_s)


def _on_restart_due(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    # A loss meanwhile has its own way back, and an attempt that has begun needs no other.
    if not job.course.backing_off or event.attempt != job.attempt:
        return job, ()
    return _begin_attempt(job, event)


def _begin_attempt(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    course = msgspec.structs.replace(job.course, backing_off=False, waits=0, began=True)
    after = msgspec.structs.replace(job, attempt=job.attempt + 1, course=course)
    return after, (StartAttempt(cause=event.cause, attempt=after.attempt),)


def _on_cluster_up(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    return (job, ()) if job.course.moving else _begin_attempt(job, event)


def _on_run_started(job: ManagedJob, _event: Event) -> Step[ManagedJob]:
    if job.course.moving:
        return job, ()
    came_back = job.state == "RECOVERING" and job.course.lost
    course = msgspec.structs.replace(job.course, setup_deaths=0, lost=False)
    return msgspec.structs.replace(job, state="RUNNING", recoveries=job.recoveries + came_back, course=course), ()


def _on_attempt_lost(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    if job.course.moving:
        return _lost_on_the_move(job, event)
    # A loss before the first attempt cost nothing that would have to be recovered.
    lost = job.course.lost if event.kind == "joined" else job.course.began
    course = msgspec.structs.replace(job.course, backing_off=False, lost=lost)
    after = msgspec.structs.replace(job, state="RECOVERING", why=event.why, course=course)
    # An agent or a runtime that died is started again on the machines that are there: the cluster does it by itself.
    return after, (Replace(cause=event.cause),) if event.kind == "instance" else ()


def _order_move(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    if job.course.moving:
        return job, ()
    course = msgspec.structs.replace(job.course, moving=event.why)
    return msgspec.structs.replace(job, course=course), (LaunchSuccessor(cause=event.cause),)


def _lost_on_the_move(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    course = msgspec.structs.replace(job.course, lost=job.course.began)
    if event.kind == "instance":  # the successor takes over, once nothing of the gang is left
        after = msgspec.structs.replace(job, state="RECOVERING", why=event.why, course=course)
        return after, (EndOld(cause=event.cause),)
    # The cluster mends itself where it is, and a move from there would find a program that is just being started.
    after = msgspec.structs.replace(job, state="RECOVERING", why=event.why, course=_settled(course))
    return after, (EndSuccessor(cause=event.cause),)


def _settled(course: Course) -> Course:
    return msgspec.structs.replace(course, moving="", successor_up=False, successor_failed=False, vacated=False)


def _on_successor_up(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    course = msgspec.structs.replace(job.course, successor_up=True)
    if not course.moving:
        return job, (EndSuccessor(cause=event.cause),)
    if job.state == "RUNNING":
        after = msgspec.structs.replace(job, state="RECOVERING", why=course.moving, course=course)
        return after, (Vacate(cause=event.cause),)
    after = msgspec.structs.replace(job, course=course)
    return _take_over(after, event) if course.vacated else (after, ())


def _take_over(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    after, orders = _begin_attempt(msgspec.structs.replace(job, course=_settled(job.course)), event)
    return after, (TakeSuccessor(cause=event.cause), *orders)


def _on_vacated(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    if not job.course.moving:
        return job, ()
    if job.course.successor_failed:  # back to work where it is
        return _begin_attempt(msgspec.structs.replace(job, course=_settled(job.course)), event)
    course = msgspec.structs.replace(job.course, vacated=True)
    after = msgspec.structs.replace(job, course=course)
    return _take_over(after, event) if course.successor_up else (after, ())


def _on_gone_on_the_move(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    if not job.course.moving:
        return job, ()
    return _afresh(job, event) if job.course.successor_failed else _on_vacated(job, event)


def _on_successor_failed(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    if not job.course.moving:
        return job, ()
    end = EndSuccessor(cause=event.cause)
    if job.state == "RUNNING":
        return msgspec.structs.replace(job, course=_settled(job.course)), (end,)
    if job.course.vacated:
        after, orders = _afresh(job, event)
        return after, (end, *orders)
    course = msgspec.structs.replace(job.course, successor_up=False, successor_failed=True)
    return msgspec.structs.replace(job, course=course), (end,)


def _afresh(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    """Neither the old place nor the new one is left."""
    after = msgspec.structs.replace(job, state="STARTING", course=_settled(job.course))
    return after, (LaunchCluster(cause=event.cause),)


def _end_successor(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    return job, (EndSuccessor(cause=event.cause),)


def _wait_for_place(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    delay_s = back_off_s(RETRY_AFTER_NO_PLACE_S, job.course.waits, MAX_NO_PLACE_S)
    course = msgspec.structs.replace(job.course, waits=job.course.waits + 1)
    after = msgspec.structs.replace(job, state="RECOVERING", why=event.why, course=course)
    return after, (Replace(cause=event.cause, delay_s=delay_s),)


def _no_place_to_start(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    # What has run before (it was paused, or is tried once more) found a place then, so it may again; and a loss never ends a job.
    return _wait_for_place(job, event) if job.attempt or event.lost else _end("FAILED_NO_RESOURCE")(job, event)


def _cancel(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    return msgspec.structs.replace(job, state="CANCELLING", why=event.why), (EndCluster(cause=event.cause),)


def _cancel_idle(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    return msgspec.structs.replace(job, state="CANCELLED", why=event.why), ()


def _cancelled(job: ManagedJob, _event: Event) -> Step[ManagedJob]:
    return msgspec.structs.replace(job, state="CANCELLED"), ()


def _hold(job: ManagedJob, _event: Event) -> Step[ManagedJob]:
    return msgspec.structs.replace(job, state="PAUSED", why="paused"), ()


def _pause(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    return msgspec.structs.replace(job, state="PAUSING", why="paused"), (EndCluster(cause=event.cause),)


def _ended_while_pausing(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    # A program that got to its end is not run once more; any other end is that of its machines.
    return _on_attempt_ended(job, event) if event.result == "SUCCEEDED" else (job, ())


def _queue_again(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    course = Course(restarts=job.course.restarts)
    return msgspec.structs.replace(job, state="PENDING", why="", course=course), (Admit(cause=event.cause),)


def _stay(job: ManagedJob, _event: Event) -> Step[ManagedJob]:
    return job, ()


TABLE: Table[ManagedJob] = {
    ("PENDING", Scheduled): _on_scheduled,
    ("PENDING", PrecheckFailed): _end("FAILED_PRECHECKS"),
    ("PENDING", CancelRequested): _cancel_idle,
    ("PENDING", PauseRequested): _hold,
    ("STARTING", ClusterUp): _begin_attempt,
    ("STARTING", NoPlace): _no_place_to_start,
    ("STARTING", PrecheckFailed): _end("FAILED_PRECHECKS"),
    ("RECOVERING", PrecheckFailed): _wait_for_place,  # it worked before, so it may again
    ("RECOVERING", ClusterUp): _on_cluster_up,
    ("RECOVERING", NoPlace): _wait_for_place,
    ("RECOVERING", Replanned): _stay,
    ("STARTING", RunStarted): _on_run_started,
    ("RECOVERING", RunStarted): _on_run_started,
    ("RUNNING", RunStarted): _stay,
    ("RUNNING", MoveOrdered): _order_move,
    **{(state, SuccessorUp): _on_successor_up for state in LIVE},
    **{(state, SuccessorFailed): _on_successor_failed for state in LIVE},
    ("RECOVERING", Vacated): _on_vacated,
    ("RECOVERING", ClusterGone): _on_gone_on_the_move,
    **{(state, SuccessorUp): _end_successor for state in STATES if state not in LIVE},
    **{(state, SuccessorFailed): _stay for state in STATES if state not in LIVE},
    **{(state, Vacated): _stay for state in STATES if state != "RECOVERING"},
    **{(state, AttemptLost): _on_attempt_lost for state in LIVE},
    **{(state, AttemptEnded): _on_attempt_ended for state in LIVE},
    **{(state, CancelRequested): _cancel for state in (*LIVE, "PAUSING")},
    **{(state, PauseRequested): _pause for state in LIVE},
    **{(state, RestartDue): _on_restart_due for state in LIVE},
    ("PAUSING", ClusterGone): _hold,
    ("PAUSING", AttemptEnded): _ended_while_pausing,
    ("PAUSED", CancelRequested): _cancel_idle,
    ("PAUSED", ResumeRequested): _queue_again,
    **{(state, RetryRequested): _queue_again for state in FINAL - {"SUCCEEDED"}},
    ("CANCELLING", ClusterGone): _cancelled,
    # While a cancel or a pause is carried out, the attempt's own end and losses no longer matter.
    **{
        (state, kind): _stay
        for state in ("CANCELLING", "PAUSING")
        for kind in (ClusterUp, RunStarted, AttemptLost, NoPlace, PrecheckFailed, RestartDue)
    },
    ("CANCELLING", AttemptEnded): _stay,
    ("CANCELLING", CancelRequested): _stay,
    ("PAUSING", PauseRequested): _stay,
    ("PAUSED", PauseRequested): _stay,
    **{
        (state, kind): _stay
        for state in (*FINAL, "PAUSED", "PENDING")
        for kind in (ClusterGone, AttemptLost, NoPlace, PrecheckFailed, RunStarted, RestartDue)
        if (state, kind) != ("PENDING", PrecheckFailed)
    },
}


def on_event(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    """The managed job after `event` and what the shell shall do.

    Raises:
        IllegalMove: its state does not allow the event.
    """
    return take("managed job", TABLE, job, event)


def resume(job: ManagedJob, cause: str) -> tuple[Instruction, ...]:
    """What a restarted daemon does for a managed job found in this state."""
    if job.state != "RECOVERING" or job.course.moving:  # the clusters of a move tell what comes of it
        return ()
    return (_restart(job, cause) if job.course.backing_off else Replace(cause=cause),)

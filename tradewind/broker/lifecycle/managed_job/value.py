"""A managed job as its machine sees it: its state, what it has been through, and what always holds of it."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from tradewind.spec.task import JobRecovery

ManagedJobState = Literal[
    "PENDING",
    "STARTING",
    "RUNNING",
    "RECOVERING",
    "CANCELLING",
    "PAUSING",
    "PAUSED",
    "SUCCEEDED",
    "FAILED",
    "FAILED_SETUP",
    "FAILED_PRECHECKS",
    "FAILED_NO_RESOURCE",
    "CANCELLED",
]

STATES: tuple[str, ...] = get_args(ManagedJobState)
FINAL = frozenset({"SUCCEEDED", "FAILED", "FAILED_SETUP", "FAILED_PRECHECKS", "FAILED_NO_RESOURCE", "CANCELLED"})
ACTIVE = ("STARTING", "RUNNING", "RECOVERING", "CANCELLING", "PAUSING")  # they have machines, or are about to
LIVE = ("STARTING", "RUNNING", "RECOVERING")
MAX_SETUP_DEATHS = (
    3  # set-up that fails this often in a row will fail again: a wrong package name is not cured by a new machine
)


class Course(msgspec.Struct, frozen=True):
    """What a managed job has been through, as far as it bears on what comes next.

    `errors` are failures counted against `max_restarts_on_errors`, `restarts` all that it was started again after, `streak` those in quick
    succession, `setup_deaths` the attempts in a row that never reached user code, `waits` the times in a row that no place was found.
    `backing_off` means that the next attempt waits on a cluster that is there; `began` that an attempt was started since it was last queued,
    and `lost` that such a one was lost and none runs since. `moving` says why a successor of its cluster is brought up ("": none is):
    `successor_up` and `successor_failed` what became of that, `vacated` that nothing of it runs at the old place any more.
    """

    errors: int = 0
    restarts: int = 0
    streak: int = 0
    setup_deaths: int = 0
    waits: int = 0
    backing_off: bool = False
    began: bool = False
    lost: bool = False
    moving: str = ""
    successor_up: bool = False
    successor_failed: bool = False
    vacated: bool = False


class ManagedJob(msgspec.Struct, frozen=True):
    """A managed job as its machine sees it. `attempt` counts lives of the program, `recoveries` the losses it came back from."""

    state: ManagedJobState = "PENDING"
    attempt: int = 0
    recoveries: int = 0
    why: str = ""
    course: Course = Course()
    recovery: JobRecovery = JobRecovery()


def validate(job: ManagedJob) -> None:
    """Every invariant of a managed job's value; AssertionError names the broken one."""
    assert job.state in STATES, f"unknown state {job.state}"
    assert 0 <= job.recoveries + job.course.restarts <= max(1, job.attempt), (
        "every recovery and restart is a further attempt"
    )
    assert 0 <= job.recoveries <= max(0, job.attempt - 1), "every recovery is a further attempt"
    assert job.course.setup_deaths < MAX_SETUP_DEATHS, "the breaker opens before"
    if job.course.backing_off:
        assert job.state in {"RECOVERING", "CANCELLING", "PAUSING", "CANCELLED", "PAUSED"}, (
            "only a recovering job backs off"
        )
    if job.state in {"RUNNING", "SUCCEEDED", "FAILED", "FAILED_SETUP"}:
        assert job.attempt >= 1, "what ran had an attempt"
    if job.course.successor_up or job.course.successor_failed or job.course.vacated:
        assert job.course.moving, "only who moves has a successor"
    if job.state == "PENDING":
        assert not job.course.backing_off, "what waits for the queue waits for nothing else"

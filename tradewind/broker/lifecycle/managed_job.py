"""The life of a managed job: attempts on a cluster of its own, recovered after every loss until its program has ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec

from tradewind.broker.lifecycle.cluster import LossKind
from tradewind.broker.lifecycle.machine import Event, Instruction, Step, Table, take

ManagedJobState = Literal[
    "PENDING",
    "STARTING",
    "RUNNING",
    "RECOVERING",
    "CANCELLING",
    "SUCCEEDED",
    "FAILED",
    "FAILED_SETUP",
    "FAILED_PRECHECKS",
    "FAILED_NO_RESOURCE",
    "CANCELLED",
]

STATES: tuple[str, ...] = get_args(ManagedJobState)
FINAL = frozenset({"SUCCEEDED", "FAILED", "FAILED_SETUP", "FAILED_PRECHECKS", "FAILED_NO_RESOURCE", "CANCELLED"})
_LIVE = ("STARTING", "RUNNING", "RECOVERING")


class ManagedJob(msgspec.Struct, frozen=True):
    """A managed job as its machine sees it. `attempt` counts lives of the program, `recoveries` the losses it came back from."""

    state: ManagedJobState = "PENDING"
    attempt: int = 0
    recoveries: int = 0
    why: str = ""


# -- events ---------------------------------------------------------------------------------------------------------------------------


class Scheduled(Event, frozen=True):
    """The queue admits it."""


class PrecheckFailed(Event, frozen=True):
    """Something it needs is missing, and no place would change that."""

    why: str


class ClusterUp(Event, frozen=True):
    """Its cluster is up (again)."""


class RunStarted(Event, frozen=True):
    """User code runs."""


class AttemptLost(Event, frozen=True):
    """An instance, an agent or the runtime is gone, and with it this life of the program."""

    kind: LossKind
    why: str


class Replanned(Event, frozen=True):
    """A new plan was made after a loss. `place` is where it goes, `hourly_usd` what the gang costs there, in USD/hour."""

    place: str
    hourly_usd: float
    left: str  # the place that was left, and why


class NoPlace(Event, frozen=True):
    """Nothing the task may use can be had now."""

    why: str


class AttemptEnded(Event, frozen=True):
    """The program ended by itself."""

    result: Literal["SUCCEEDED", "FAILED", "FAILED_SETUP"]
    why: str
    exit_code: int | None = None


class CancelRequested(Event, frozen=True):
    """A person wants it to stop."""


class ClusterGone(Event, frozen=True):
    """Nothing of its cluster is left."""


# -- instructions ---------------------------------------------------------------------------------------------------------------------


class LaunchCluster(Instruction, frozen=True):
    """Bring up the cluster that the job's plan names."""


class StartAttempt(Instruction, frozen=True):
    """Queue the task on the cluster as this attempt, its checkpoint restored."""

    attempt: int


class Replace(Instruction, frozen=True):
    """Plan again without what was lost, and move the cluster there. After `delay_s` seconds when nothing could be had."""

    delay_s: float = 0.0


class Admit(Instruction, frozen=True):
    """Let waiting jobs start: one was submitted, or one has ended."""


class EndCluster(Instruction, frozen=True):
    """Take the cluster down; it may never have been made."""


# -- the table ------------------------------------------------------------------------------------------------------------------------

RETRY_AFTER_NO_PLACE_S = 30.0


def _on_scheduled(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    return msgspec.structs.replace(job, state="STARTING"), (LaunchCluster(cause=event.cause),)


def _end(state: ManagedJobState) -> Callable[[ManagedJob, Any], Step[ManagedJob]]:
    def handler(job: ManagedJob, event: Any) -> Step[ManagedJob]:
        after = msgspec.structs.replace(job, state=state, why=event.why)
        return after, (EndCluster(cause=event.cause),)

    return handler


def _on_attempt_ended(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    after = msgspec.structs.replace(job, state=event.result, why=event.why)
    return after, (EndCluster(cause=event.cause),)


def _on_cluster_up(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    after = msgspec.structs.replace(job, attempt=job.attempt + 1)
    return after, (StartAttempt(cause=event.cause, attempt=after.attempt),)


def _on_run_started(job: ManagedJob, _event: Event) -> Step[ManagedJob]:
    # A loss before the first attempt cost nothing that would have to be recovered.
    recoveries = job.recoveries + (job.state == "RECOVERING" and job.attempt > job.recoveries + 1)
    return msgspec.structs.replace(job, state="RUNNING", recoveries=recoveries), ()


def _on_attempt_lost(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    after = msgspec.structs.replace(job, state="RECOVERING", why=event.why)
    # An agent or a runtime that died is started again on the machines that are there: the cluster does it by itself.
    return after, (Replace(cause=event.cause),) if event.kind == "instance" else ()


def _wait_for_place(job: ManagedJob, event: Any) -> Step[ManagedJob]:
    after = msgspec.structs.replace(job, why=event.why)
    return after, (Replace(cause=event.cause, delay_s=RETRY_AFTER_NO_PLACE_S),)


def _cancel(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    return msgspec.structs.replace(job, state="CANCELLING", why="cancelled"), (EndCluster(cause=event.cause),)


def _cancelled(job: ManagedJob, _event: Event) -> Step[ManagedJob]:
    return msgspec.structs.replace(job, state="CANCELLED", why="cancelled"), ()


def _stay(job: ManagedJob, _event: Event) -> Step[ManagedJob]:
    return job, ()


TABLE: Table[ManagedJob] = {
    ("PENDING", Scheduled): _on_scheduled,
    ("PENDING", PrecheckFailed): _end("FAILED_PRECHECKS"),
    ("PENDING", CancelRequested): _cancelled,
    ("STARTING", ClusterUp): _on_cluster_up,
    ("STARTING", NoPlace): _end("FAILED_NO_RESOURCE"),
    ("STARTING", PrecheckFailed): _end("FAILED_PRECHECKS"),
    ("RECOVERING", PrecheckFailed): _wait_for_place,  # it worked before, so it may again
    ("RECOVERING", ClusterUp): _on_cluster_up,
    ("RECOVERING", NoPlace): _wait_for_place,
    ("RECOVERING", Replanned): _stay,
    ("STARTING", RunStarted): _on_run_started,
    ("RECOVERING", RunStarted): _on_run_started,
    ("RUNNING", RunStarted): _stay,
    **{(state, AttemptLost): _on_attempt_lost for state in _LIVE},
    **{(state, AttemptEnded): _on_attempt_ended for state in _LIVE},
    **{(state, CancelRequested): _cancel for state in _LIVE},
    ("CANCELLING", ClusterGone): _cancelled,
    # While a cancel is carried out, the attempt's own end and losses no longer matter.
    **{
        ("CANCELLING", kind): _stay
        for kind in (ClusterUp, RunStarted, AttemptLost, AttemptEnded, NoPlace, PrecheckFailed, CancelRequested)
    },
    **{
        (state, kind): _stay
        for state in FINAL
        for kind in (ClusterGone, AttemptLost, NoPlace, PrecheckFailed, RunStarted)
    },
}


def on_event(job: ManagedJob, event: Event) -> Step[ManagedJob]:
    """The managed job after `event` and what the shell shall do.

    Raises:
        IllegalMove: its state does not allow the event.
    """
    return take("managed job", TABLE, job, event)


def word(before: ManagedJob, event: Event, after: ManagedJob) -> str:
    """The timeline's word for this step."""
    match event:
        case AttemptLost():
            return "preempted" if event.kind == "instance" else f"{event.kind} lost"
        case Replanned():
            return "recovering"
        case Scheduled():
            return "provisioning"
        case ClusterUp():
            return "up"
        case RunStarted() if before.state == "RECOVERING":
            return "recovered"
        case RunStarted():
            return "running"
        case NoPlace() | PrecheckFailed() if after.state == "RECOVERING":
            return "no place"
        case CancelRequested() if after.state == "CANCELLING":
            return "cancelling"
        case _:
            return after.state.lower().replace("_", " ")


def validate(job: ManagedJob) -> None:
    """Every invariant of a managed job's value; AssertionError names the broken one."""
    assert job.state in STATES, f"unknown state {job.state}"
    assert 0 <= job.recoveries <= max(0, job.attempt - 1), "every recovery is a further attempt"
    if job.state in {"RUNNING", "SUCCEEDED", "FAILED", "FAILED_SETUP"}:
        assert job.attempt >= 1, "what ran had an attempt"
    if job.state == "PENDING":
        assert job.attempt == 0, "nothing is attempted before the queue admits it"

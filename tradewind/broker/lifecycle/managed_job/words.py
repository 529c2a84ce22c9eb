"""The timeline's word for each step of a managed job."""

from __future__ import annotations

from tradewind.broker.lifecycle.machine import Event
from tradewind.broker.lifecycle.managed_job.events import (
    AttemptEnded,
    AttemptLost,
    CancelRequested,
    ClusterGone,
    ClusterUp,
    MoveOrdered,
    NoPlace,
    PrecheckFailed,
    Replanned,
    RestartDue,
    ResumeRequested,
    RetryRequested,
    RunStarted,
    Scheduled,
    SuccessorFailed,
    SuccessorUp,
    Vacated,
)
from tradewind.broker.lifecycle.managed_job.value import ManagedJob


def word(before: ManagedJob, event: Event, after: ManagedJob) -> str:
    """The timeline's word for this step."""
    match event:
        case AttemptEnded() if after.state == "RECOVERING":
            return "restarting"
        case RestartDue():
            return "restarted"
        case MoveOrdered():
            return "moving"
        case SuccessorUp() if after.state == "RECOVERING":
            return "moving over"
        case SuccessorFailed():
            return "not moved"
        case Vacated() | ClusterGone() if after.attempt > before.attempt:
            return "moved"
        case ResumeRequested():
            return "resumed"
        case RetryRequested():
            return "retried"
        case AttemptLost(kind="joined"):
            return "node joined"
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

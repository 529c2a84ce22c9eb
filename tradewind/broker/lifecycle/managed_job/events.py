"""What happens to a managed job (events, past facts) and what its machine orders (instructions)."""

from __future__ import annotations

from typing import Literal

from tradewind.broker.lifecycle.cluster import LossKind
from tradewind.broker.lifecycle.machine import Event, Instruction

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
    """An instance, an agent or the runtime is gone, and with it this life of the program; or an elastic gang has another size."""

    kind: LossKind
    why: str


class Replanned(Event, frozen=True):
    """A new plan was made after a loss. `place` is where it goes, `hourly_usd` what the gang costs there, in USD/hour."""

    place: str
    hourly_usd: float
    left: str  # the place that was left, and why


class NoPlace(Event, frozen=True):
    """Nothing the task may use can be had now, or (`lost`) what could be had was taken each time before it stood."""

    why: str
    lost: bool = False


class AttemptEnded(Event, frozen=True):
    """The program ended by itself, `ran_s` seconds after this attempt was started."""

    result: Literal["SUCCEEDED", "FAILED", "FAILED_SETUP"]
    why: str
    exit_code: int | None = None
    ran_s: float = 0.0


class RestartDue(Event, frozen=True):
    """The pause after the failure of this attempt is over."""

    attempt: int


class CancelRequested(Event, frozen=True):
    """It shall stop for good: a person wants it, or its budget is spent."""

    why: str = "cancelled"


class PauseRequested(Event, frozen=True):
    """A person wants it to give its machines back and to go on later."""


class ResumeRequested(Event, frozen=True):
    """A person wants a paused job to go on."""


class RetryRequested(Event, frozen=True):
    """A person wants an ended job to try once more, from its last checkpoint."""


class ClusterGone(Event, frozen=True):
    """Nothing of its cluster is left."""


class MoveOrdered(Event, frozen=True):
    """It shall go on at `place` (USD/hour there: `hourly_usd`), before its own is taken or because that pays; it runs on meanwhile."""

    place: str
    hourly_usd: float
    why: str


class SuccessorUp(Event, frozen=True):
    """The cluster that it moves to is up."""


class SuccessorFailed(Event, frozen=True):
    """The cluster that it was to move to is lost, or could not be had."""

    why: str


class Vacated(Event, frozen=True):
    """Its program has ended at the old place, and what it saved is kept."""


# -- instructions ---------------------------------------------------------------------------------------------------------------------


class LaunchCluster(Instruction, frozen=True):
    """Bring up the cluster that the job's plan names."""


class StartAttempt(Instruction, frozen=True):
    """Queue the task on the cluster as this attempt, its checkpoint restored."""

    attempt: int


class Replace(Instruction, frozen=True):
    """Plan again without what was lost, and move the cluster there. After `delay_s` seconds when nothing could be had."""

    delay_s: float = 0.0


class Restart(Instruction, frozen=True):
    """Tell RestartDue for this attempt after a moment between half of `delay_s` seconds and all of it: drawn, so that many do not come at once."""

    attempt: int
    delay_s: float


class Admit(Instruction, frozen=True):
    """Let waiting jobs start: one was submitted, or one has ended."""


class EndCluster(Instruction, frozen=True):
    """Take the cluster down, and the one it moves to; they may never have been made."""


class PlanMove(Instruction, frozen=True):
    """Plan a place to move to, without this instance's, which is about to be lost; once the job runs, if it does not yet."""

    instance_id: str
    why: str


class LaunchSuccessor(Instruction, frozen=True):
    """Bring up the cluster that the job's plan names beside its own."""


class EndSuccessor(Instruction, frozen=True):
    """Take the cluster down that it was to move to."""


class Vacate(Instruction, frozen=True):
    """End its program at the old place, saving what it has."""


class EndOld(Instruction, frozen=True):
    """Take down what is left of the old cluster while the successor comes up."""


class TakeSuccessor(Instruction, frozen=True):
    """The successor is its cluster now, and the old one goes."""

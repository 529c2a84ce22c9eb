"""The life of one run of a task on a cluster: set-up on every node, then the run on all of them or the head, judged as one gang.

A rank that fails does not fail the job at once: nodes that lost a peer fail as well, often before the loss itself is known here, so the
shell first looks whether the gang is whole (`CheckGang`). Only a whole gang's failure is the program's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec

from tradewind.broker.lifecycle.cluster import LossKind
from tradewind.broker.lifecycle.machine import Event, Instruction, Step, Table, take

JobState = Literal[
    "PENDING", "SETTING_UP", "RUNNING", "CANCELLING", "SUCCEEDED", "FAILED", "FAILED_SETUP", "CANCELLED", "LOST"
]
Phase = Literal["setup", "run"]
RankResult = Literal["SUCCEEDED", "FAILED", "CANCELLED"]

STATES: tuple[str, ...] = get_args(JobState)
FINAL = frozenset({"SUCCEEDED", "FAILED", "FAILED_SETUP", "CANCELLED", "LOST"})


class ClusterJob(msgspec.Struct, frozen=True):
    """A job as its machine sees it: how many ranks each phase has (0: none), and how far each rank of the current phase is."""

    state: JobState = "PENDING"
    setup_ranks: int = 0
    run_ranks: int = 1
    phase: Phase | None = None
    started: tuple[int, ...] = ()
    ended: tuple[int, ...] = ()  # ranks whose current phase ended well
    failed_rank: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    why: str = ""


# -- events ---------------------------------------------------------------------------------------------------------------------------


class Begun(Event, frozen=True):
    """The cluster is up and it is this job's turn."""


class PhaseStarted(Event, frozen=True):
    rank: int
    phase: Phase


class PhaseEnded(Event, frozen=True):
    """A rank's phase ended by itself or by a cancel; `why` is one sentence with the tail of its output when it failed."""

    rank: int
    phase: Phase
    result: RankResult
    exit_code: int | None = None
    signal: int | None = None
    why: str = ""


class GangWhole(Event, frozen=True):
    """After a rank failed: every instance, agent and runtime process of the gang is well."""


class GangLost(Event, frozen=True):
    """The gang is broken: an instance, an agent or the runtime is gone."""

    kind: LossKind
    why: str


class CancelRequested(Event, frozen=True):
    """A person, or the end of the cluster, wants it to stop."""


class CancelDone(Event, frozen=True):
    """No process of it is left."""


# -- instructions ---------------------------------------------------------------------------------------------------------------------


class StartPhase(Instruction, frozen=True):
    """Start this phase on ranks 0 .. ranks-1; on a rank where it has been started already nothing happens."""

    phase: Phase
    ranks: int


class CheckGang(Instruction, frozen=True):
    """Find out whether the gang is whole."""


class EndProcesses(Instruction, frozen=True):
    """End whatever the job still runs on the nodes that are left."""


class StartNext(Instruction, frozen=True):
    """This job is over: the next one's turn."""


class TellOwnerRunning(Instruction, frozen=True):
    """Tell the managed job that user code runs."""


class TellOwnerEnded(Instruction, frozen=True):
    """Tell the managed job how this attempt ended."""

    state: JobState
    why: str
    exit_code: int | None


# -- the table ------------------------------------------------------------------------------------------------------------------------


def _begin_phase(job: ClusterJob, phase: Phase, cause: str) -> Step[ClusterJob]:
    ranks = job.setup_ranks if phase == "setup" else job.run_ranks
    after = msgspec.structs.replace(job, state="SETTING_UP", phase=phase, started=(), ended=())
    return after, (StartPhase(cause=cause, phase=phase, ranks=ranks),)


def _end(job: ClusterJob, state: JobState, why: str, cause: str, *, stop: bool) -> Step[ClusterJob]:
    after = msgspec.structs.replace(job, state=state, why=why)
    end: tuple[Instruction, ...] = (EndProcesses(cause=cause),) if stop else ()
    tell = TellOwnerEnded(cause=cause, state=state, why=why, exit_code=after.exit_code)
    return after, (*end, tell, StartNext(cause=cause))


def _on_begun(job: ClusterJob, event: Event) -> Step[ClusterJob]:
    if job.setup_ranks:
        return _begin_phase(job, "setup", event.cause)
    if job.run_ranks:
        return _begin_phase(job, "run", event.cause)
    return _end(job, "SUCCEEDED", "", event.cause, stop=False)


def _on_phase_started(job: ClusterJob, event: Any) -> Step[ClusterJob]:
    if event.phase != job.phase or event.rank in job.started:
        return job, ()  # an agent's event of the phase before, or one told twice
    after = msgspec.structs.replace(job, started=tuple(sorted({*job.started, event.rank})))
    if event.phase == "run" and job.state == "SETTING_UP":
        return msgspec.structs.replace(after, state="RUNNING"), (TellOwnerRunning(cause=event.cause),)
    return after, ()


def _on_phase_ended(job: ClusterJob, event: Any) -> Step[ClusterJob]:
    if event.phase != job.phase or event.rank in job.ended or job.failed_rank is not None:
        return job, ()
    if event.result != "SUCCEEDED":
        after = msgspec.structs.replace(
            job, failed_rank=event.rank, exit_code=event.exit_code, signal=event.signal, why=event.why
        )
        return after, (CheckGang(cause=event.cause),)
    ended = tuple(sorted({*job.ended, event.rank}))
    after = msgspec.structs.replace(job, ended=ended, started=tuple(sorted({*job.started, event.rank})))
    ranks = job.setup_ranks if job.phase == "setup" else job.run_ranks
    if len(ended) < ranks:
        return after, ()
    if job.phase == "setup" and job.run_ranks:
        return _begin_phase(after, "run", event.cause)
    return _end(msgspec.structs.replace(after, exit_code=0), "SUCCEEDED", "", event.cause, stop=False)


def _on_gang_whole(job: ClusterJob, event: Event) -> Step[ClusterJob]:
    if job.failed_rank is None:
        return job, ()
    state: JobState = "FAILED_SETUP" if job.phase == "setup" else "FAILED"
    return _end(job, state, job.why, event.cause, stop=True)


def _on_gang_lost(job: ClusterJob, event: Any) -> Step[ClusterJob]:
    # What still runs of it ends with the gang's instances, or is swept from them before they serve again.
    return _end(job, "LOST", event.why, event.cause, stop=False)


def _on_cancel(job: ClusterJob, event: Event) -> Step[ClusterJob]:
    return msgspec.structs.replace(job, state="CANCELLING"), (EndProcesses(cause=event.cause),)


def _cancelled(job: ClusterJob, event: Event) -> Step[ClusterJob]:
    return _end(job, "CANCELLED", "cancelled", event.cause, stop=False)


def _stay(job: ClusterJob, _event: Event) -> Step[ClusterJob]:
    return job, ()


_LIVE = ("SETTING_UP", "RUNNING")
_ON: dict[type[Event], Callable[[ClusterJob, Any], Step[ClusterJob]]] = {
    PhaseStarted: _on_phase_started,
    PhaseEnded: _on_phase_ended,
    GangWhole: _on_gang_whole,
    GangLost: _on_gang_lost,
    CancelRequested: _on_cancel,
}

TABLE: Table[ClusterJob] = {
    ("PENDING", Begun): _on_begun,
    ("PENDING", CancelRequested): _cancelled,
    ("PENDING", GangLost): _on_gang_lost,
    **{(state, kind): handler for state in _LIVE for kind, handler in _ON.items()},
    ("CANCELLING", CancelDone): _cancelled,
    ("CANCELLING", GangLost): _cancelled,  # nothing of it can be left where the gang is gone
    **{("CANCELLING", kind): _stay for kind in (PhaseStarted, PhaseEnded, GangWhole, CancelRequested)},
    # An agent may tell the end of a process after the job's own.
    **{(state, kind): _stay for state in FINAL for kind in (PhaseStarted, PhaseEnded, GangWhole, CancelDone)},
}


def on_event(job: ClusterJob, event: Event) -> Step[ClusterJob]:
    """The job after `event` and what the shell shall do.

    Raises:
        IllegalMove: its state does not allow the event.
    """
    return take("job", TABLE, job, event)


def resume(job: ClusterJob, cause: str) -> tuple[Instruction, ...]:
    """What a restarted daemon does for a job found in this state once its cluster answers again."""
    if job.state == "CANCELLING":
        return (EndProcesses(cause=cause),)
    if job.state in _LIVE and job.failed_rank is not None:
        return (CheckGang(cause=cause),)
    if job.state in _LIVE and job.phase is not None:
        return (StartPhase(cause=cause, phase=job.phase, ranks=_ranks(job)),)
    return ()


def _ranks(job: ClusterJob) -> int:
    return job.setup_ranks if job.phase == "setup" else job.run_ranks


def word(before: ClusterJob, event: Event, after: ClusterJob) -> str:
    """The timeline's word for this step."""
    if after.state != before.state:
        return after.state.lower().replace("_", " ")
    match event:
        case PhaseStarted():
            return f"{event.phase} started on rank {event.rank}"
        case PhaseEnded():
            return f"{event.phase} ended on rank {event.rank}"
        case _:
            return type(event).__name__.lower()


def validate(job: ClusterJob) -> None:
    """Every invariant of a job's value; AssertionError names the broken one."""
    assert job.state in STATES, f"unknown state {job.state}"
    assert set(job.ended) <= set(job.started), "what ended has started"
    if job.state in _LIVE:
        assert job.phase is not None, "a live job is in a phase"
    if job.state == "RUNNING":
        assert job.phase == "run", "running means the run phase"
    if job.state == "FAILED_SETUP":
        assert job.phase == "setup", "a failed set-up failed in set-up"
        assert job.failed_rank is not None, "some rank failed"
    if job.state == "FAILED":
        assert job.failed_rank is not None, "some rank failed"
    if job.state == "SUCCEEDED" and job.run_ranks:
        assert len(job.ended) == job.run_ranks, "a success is every rank's"

"""The machine of a job on a cluster: random gangs, random orders of events."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.broker.lifecycle import cluster_job as jm
from tradewind.broker.lifecycle.machine import IllegalMove

C = "test"
RANKS = st.integers(0, 2)
PHASES = st.sampled_from(["setup", "run"])

EVENTS = st.one_of(
    st.just(jm.Begun(cause=C)),
    st.builds(jm.PhaseStarted, cause=st.just(C), rank=RANKS, phase=PHASES),
    st.builds(
        jm.PhaseEnded,
        cause=st.just(C),
        rank=RANKS,
        phase=PHASES,
        result=st.sampled_from(["SUCCEEDED", "SUCCEEDED", "FAILED", "CANCELLED"]),
        exit_code=st.integers(0, 3),
    ),
    st.just(jm.GangWhole(cause=C)),
    st.builds(jm.GangLost, cause=st.just(C), kind=st.sampled_from(["instance", "agent", "runtime"]), why=st.just("x")),
    st.just(jm.CancelRequested(cause=C)),
    st.just(jm.CancelDone(cause=C)),
)
JOBS = st.builds(jm.ClusterJob, setup_ranks=st.sampled_from([0, 1, 3]), run_ranks=st.sampled_from([0, 1, 3]))


def valid(job, event):
    """Agents tell of ranks that have the phase only."""
    if isinstance(event, jm.PhaseStarted | jm.PhaseEnded):
        return event.rank < (job.setup_ranks if event.phase == "setup" else job.run_ranks)
    return True


@settings(max_examples=400)
@given(JOBS, st.lists(EVENTS, max_size=40))
def test_safety(job, events):
    told = 0
    for event in events:
        if not valid(job, event):
            continue
        before = job
        try:
            job, orders = jm.on_event(job, event)
        except IllegalMove:
            assert job == before
            continue
        jm.validate(job)
        assert before.state not in jm.FINAL or job == before, "an end is an end"
        told += sum(isinstance(o, jm.TellOwnerEnded) for o in orders)
        assert told == (job.state in jm.FINAL), "the owner is told of the end, once"
        if job.state in {"FAILED", "FAILED_SETUP"} and before.state != job.state:
            assert isinstance(event, jm.GangWhole), "no program is blamed before the gang is known to be whole"


@settings(max_examples=200)
@given(JOBS, st.lists(EVENTS, max_size=30))
def test_liveness_a_kind_world_ends_it(job, events):
    for event in events:
        if valid(job, event):
            try:
                job, _ = jm.on_event(job, event)
            except IllegalMove:
                continue
    for _ in range(30):
        if job.state in jm.FINAL:
            break
        if job.state == "PENDING":
            job, _ = jm.on_event(job, jm.Begun(cause=C))
            continue
        (order,) = jm.resume(job, C)
        match order:
            case jm.StartPhase():
                for rank in range(order.ranks):
                    for event in (
                        jm.PhaseStarted(cause=C, rank=rank, phase=order.phase),
                        jm.PhaseEnded(cause=C, rank=rank, phase=order.phase, result="SUCCEEDED", exit_code=0),
                    ):
                        job, _ = jm.on_event(job, event)
            case jm.CheckGang():
                job, _ = jm.on_event(job, jm.GangWhole(cause=C))
            case jm.EndProcesses():
                job, _ = jm.on_event(job, jm.CancelDone(cause=C))
    assert job.state in jm.FINAL


def test_setup_on_all_then_run_on_the_head():
    job, (order,) = jm.on_event(jm.ClusterJob(setup_ranks=2, run_ranks=1), jm.Begun(cause=C))
    assert (order.phase, order.ranks) == ("setup", 2)
    job, orders = jm.on_event(job, jm.PhaseEnded(cause=C, rank=1, phase="setup", result="SUCCEEDED"))
    assert orders == ()
    job, (order,) = jm.on_event(job, jm.PhaseEnded(cause=C, rank=0, phase="setup", result="SUCCEEDED"))
    assert (order.phase, order.ranks) == ("run", 1)
    job, orders = jm.on_event(job, jm.PhaseStarted(cause=C, rank=0, phase="run"))
    assert [type(o) for o in orders] == [jm.TellOwnerRunning]
    job, _ = jm.on_event(job, jm.PhaseEnded(cause=C, rank=0, phase="run", result="SUCCEEDED"))
    assert job.state == "SUCCEEDED"

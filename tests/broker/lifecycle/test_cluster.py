"""The cluster machine: safety and liveness of random lives, apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle.machine import IllegalMove

C = "test"
FRESH = st.sampled_from([0, 0, 0, -1])  # mostly of the current try or incarnation, sometimes late

EVENTS = st.one_of(
    st.just(cm.LaunchRequested(cause=C)),
    FRESH.map(lambda n: ("InstancesRunning", n)),
    FRESH.map(lambda n: ("PlaceRefused", n)),
    st.just(cm.PlacesExhausted(cause=C, why="full")),
    FRESH.map(lambda n: ("BootstrapDone", n)),
    FRESH.map(lambda n: ("BootstrapFailed", n)),
    FRESH.map(lambda n: ("BootstrapBroken", n)),
    st.builds(
        cm.InstanceLost, cause=st.just(C), instance_id=st.just("i"), why=st.just("gone"), survivors=st.integers(0, 3)
    ),
    st.just(cm.NodesJoined(cause=C, why="one joined")),
    st.just(cm.AgentLost(cause=C, instance_id="i", why="gone")),
    st.just(cm.RuntimeLost(cause=C, instance_id="i", why="gone")),
    st.just(cm.RecoveryRequested(cause=C)),
    st.just(cm.Stopped(cause=C)),
    st.just(cm.StopRequested(cause=C)),
    st.just(cm.StopRefused(cause=C, why="it is a spot machine")),
    st.just(cm.StartRequested(cause=C)),
    st.just(cm.StartRefused(cause=C, why="full")),
    st.just(cm.DownRequested(cause=C)),
    st.just(cm.Released(cause=C)),
)


def made(event, cluster):
    """The event, with its number counted from the cluster's own."""
    match event:
        case ("InstancesRunning", n):
            return cm.InstancesRunning(cause=C, tries=cluster.tries + n)
        case ("PlaceRefused", n):
            return cm.PlaceRefused(cause=C, tries=cluster.tries + n, why="full")
        case ("BootstrapDone", n):
            return cm.BootstrapDone(cause=C, incarnation=cluster.incarnation + n)
        case ("BootstrapFailed", n):
            return cm.BootstrapFailed(cause=C, incarnation=cluster.incarnation + n, why="no agent")
        case ("BootstrapBroken", n):
            return cm.BootstrapFailed(cause=C, incarnation=cluster.incarnation + n, why="reset", broken=True)
        case _:
            return event


@settings(max_examples=300)
@given(st.booleans(), st.booleans(), st.lists(EVENTS, max_size=40))
def test_safety(managed, elastic, events):
    cluster = cm.Cluster(managed=managed, elastic=managed and elastic)
    for event in events:
        before = cluster
        try:
            cluster, orders = cm.on_event(cluster, made(event, cluster))
        except IllegalMove:
            assert cluster == before
            continue
        cm.validate(cluster)
        assert before.state != "TERMINATED", "nothing follows the end"
        assert cluster.tries >= before.tries
        assert cluster.incarnation >= before.incarnation
        exclusive = [o for o in orders if isinstance(o, cm.Provision | cm.Bootstrap | cm.Release)]
        assert len(exclusive) <= 1
        if cluster.state in {"FAILED", "TERMINATING"} and cluster.state != before.state:
            assert any(isinstance(o, cm.Release) for o in orders), "whoever gives up ends what it has"
        if cluster.state == "PREEMPTED" and before.state == "UP":
            assert any(isinstance(o, cm.TellOwnerLost if managed else cm.Release) for o in orders)
        if before.state == "UP" and cluster.state in {"PREEMPTED", "BOOTSTRAPPING"}:
            assert any(isinstance(o, cm.LoseJobs) for o in orders), "a broken gang's jobs hear of it"
        if cluster.state == "UP" and cluster.missing and before.state != "UP":
            assert any(isinstance(o, cm.Refill) for o in orders), "what lacks nodes asks for them"
        assert managed or not any(type(o).__name__.startswith("TellOwner") for o in orders)
        assert all(o.cause == C for o in orders)


@settings(max_examples=200)
@given(st.booleans(), st.lists(EVENTS, max_size=30))
def test_liveness_from_anywhere_down_leads_to_the_end(managed, events):
    cluster = cm.Cluster(managed=managed)
    for event in events:
        try:
            cluster, _ = cm.on_event(cluster, made(event, cluster))
        except IllegalMove:
            continue
    if cluster.state != "TERMINATED":
        cluster, _ = cm.on_event(cluster, cm.DownRequested(cause=C))
        assert any(isinstance(o, cm.Release) for o in cm.resume(cluster, C)), "a restarted daemon goes on with it"
        cluster, _ = cm.on_event(cluster, cm.Released(cause=C))
    assert cluster.state == "TERMINATED"


@settings(max_examples=200)
@given(st.booleans(), st.lists(EVENTS, max_size=30))
def test_liveness_a_cluster_on_its_way_comes_up_when_the_world_is_kind(managed, events):
    cluster = cm.Cluster(managed=managed)
    for event in events:
        try:
            cluster, _ = cm.on_event(cluster, made(event, cluster))
        except IllegalMove:
            continue
    for _ in range(10):
        match cluster.state:
            case "PLANNED":
                event = cm.LaunchRequested(cause=C)
            case "PROVISIONING":
                assert [type(o) for o in cm.resume(cluster, C)] == [cm.Provision]
                event = cm.InstancesRunning(cause=C, tries=cluster.tries)
            case "BOOTSTRAPPING":
                assert [type(o) for o in cm.resume(cluster, C)] == [cm.Bootstrap]
                event = cm.BootstrapDone(cause=C, incarnation=cluster.incarnation)
            case "STOPPED":
                event = cm.StartRequested(cause=C)
            case "PREEMPTED" | "FAILED":
                event = cm.RecoveryRequested(cause=C)
            case _:
                break
        cluster, _ = cm.on_event(cluster, event)
    assert cluster.state in {"UP", "TERMINATING", "TERMINATED"}


def up(*, managed=False):
    cluster = cm.Cluster(managed=managed)
    for event in (cm.LaunchRequested(cause=C), ("InstancesRunning", 0), ("BootstrapDone", 0)):
        cluster, _ = cm.on_event(cluster, made(event, cluster))
    return cluster


def test_failures_on_the_way_up_are_bounded():
    cluster, _ = cm.on_event(cm.Cluster(), cm.LaunchRequested(cause=C))
    for _ in range(cm.MAX_BOOTSTRAP_FAILURES):
        cluster, _ = cm.on_event(cluster, cm.InstancesRunning(cause=C, tries=cluster.tries))
        cluster, _ = cm.on_event(cluster, cm.BootstrapFailed(cause=C, incarnation=cluster.incarnation, why="no"))
    assert cluster.state == "FAILED"


def test_a_connection_that_breaks_is_made_once_more_before_another_machine_is_bought():
    cluster, _ = cm.on_event(cm.Cluster(), cm.LaunchRequested(cause=C))
    cluster, _ = cm.on_event(cluster, cm.InstancesRunning(cause=C, tries=1))
    broken = made(("BootstrapBroken", 0), cluster)
    cluster, orders = cm.on_event(cluster, broken)
    assert orders == (cm.Bootstrap(cause=C, incarnation=2),)
    cluster, (order,) = cm.on_event(cluster, made(("BootstrapBroken", 0), cluster))
    assert isinstance(order, cm.Provision)
    assert not order.keep


def test_a_late_result_of_an_earlier_try_is_refused():
    with pytest.raises(IllegalMove, match="of try 0, the cluster is at 1"):
        cm.on_event(cm.on_event(cm.Cluster(), cm.LaunchRequested(cause=C))[0], cm.InstancesRunning(cause=C, tries=0))


@pytest.mark.parametrize(("event", "state"), [(cm.AgentLost, "BOOTSTRAPPING"), (cm.InstanceLost, "PREEMPTED")])
def test_machines_that_live_are_kept_and_a_dead_one_breaks_the_gang(event, state):
    after, _ = cm.on_event(up(), event(cause=C, instance_id="i", why="gone"))
    assert after.state == state

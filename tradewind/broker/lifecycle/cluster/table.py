"""What each event means in each state of a cluster, as data; and the invariants of its value. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tradewind.broker.lifecycle.cluster.events import (
    MAX_BOOTSTRAP_FAILURES,
    STATES,
    AgentLost,
    Bootstrap,
    BootstrapDone,
    BootstrapFailed,
    CancelJobs,
    Cluster,
    ClusterState,
    DownRequested,
    InstanceLost,
    InstancesRunning,
    LaunchRequested,
    LoseJobs,
    LossKind,
    NodesJoined,
    PlaceRefused,
    PlacesExhausted,
    Provision,
    RecoveryRequested,
    Refill,
    Release,
    Released,
    RuntimeLost,
    StartNextJob,
    StartRefused,
    StartRequested,
    Stop,
    Stopped,
    StopRefused,
    StopRequested,
    TellOwnerBroken,
    TellOwnerLost,
    TellOwnerNoPlace,
    TellOwnerUp,
)
from tradewind.broker.lifecycle.machine import Event, IllegalMove, Instruction, Step, Table, take


def _fresh(event: Event, name: str, got: int, want: int, state: str) -> None:
    if got != want:
        raise IllegalMove("cluster", state, type(event).__name__, f"it is of {name} {got}, the cluster is at {want}")


def _provision(cluster: Cluster, event: Event) -> Step[Cluster]:
    after = msgspec.structs.replace(cluster, state="PROVISIONING", tries=cluster.tries + 1, missing=0)
    # A machine on which a bootstrap failed is replaced; one that lost only its peers is as good as new.
    keep = isinstance(event, RecoveryRequested | InstanceLost)
    return after, (Provision(cause=event.cause, tries=after.tries, keep=keep),)


def _stop(cluster: Cluster, event: Event) -> Step[Cluster]:
    after = msgspec.structs.replace(cluster, state="STOPPED")
    return after, (CancelJobs(cause=event.cause), Stop(cause=event.cause))


def _on_start_refused(cluster: Cluster, event: Event) -> Step[Cluster]:
    if not cluster.incarnation:
        raise IllegalMove("cluster", cluster.state, "StartRefused", "it has never been up")
    return _stop(cluster, event)


def _start(cluster: Cluster, event: Event) -> Step[Cluster]:
    # The same try: its instances are there, and are started again.
    return msgspec.structs.replace(cluster, state="PROVISIONING"), (
        Provision(cause=event.cause, tries=cluster.tries, keep=True),
    )


def _on_instances_running(cluster: Cluster, event: Any) -> Step[Cluster]:
    _fresh(event, "try", event.tries, cluster.tries, cluster.state)
    return _bootstrap(cluster, event)


def _bootstrap(cluster: Cluster, event: Event) -> Step[Cluster]:
    after = msgspec.structs.replace(cluster, state="BOOTSTRAPPING", incarnation=cluster.incarnation + 1)
    return after, (Bootstrap(cause=event.cause, incarnation=after.incarnation),)


def _on_place_refused(cluster: Cluster, event: Any) -> Step[Cluster]:
    _fresh(event, "try", event.tries, cluster.tries, cluster.state)
    return _provision(cluster, event)


def _fail(cluster: Cluster, event: Any) -> Step[Cluster]:
    owner: tuple[Instruction, ...] = ()
    if cluster.managed:
        if isinstance(event, PlacesExhausted | InstanceLost):
            lost = isinstance(event, InstanceLost)
            owner = (TellOwnerNoPlace(cause=event.cause, why=event.why, lost=lost),)
        else:
            owner = (TellOwnerBroken(cause=event.cause, why=event.why),)
    # Whoever tries again later (RecoveryRequested) starts with a clean count.
    return msgspec.structs.replace(cluster, state="FAILED", bootstrap_failures=0), (
        LoseJobs(cause=event.cause, kind="instance", why=event.why),
        *owner,
        Release(cause=event.cause),
    )


def _on_bootstrap_done(cluster: Cluster, event: Any) -> Step[Cluster]:
    _fresh(event, "incarnation", event.incarnation, cluster.incarnation, cluster.state)
    owner: tuple[Instruction, ...] = (TellOwnerUp(cause=event.cause),) if cluster.managed else ()
    after = msgspec.structs.replace(cluster, state="UP", bootstrap_failures=0)
    refill: tuple[Instruction, ...] = (Refill(cause=event.cause),) if cluster.missing else ()
    return after, (*owner, StartNextJob(cause=event.cause), *refill)


def _on_bootstrap_failed(cluster: Cluster, event: Any) -> Step[Cluster]:
    _fresh(event, "incarnation", event.incarnation, cluster.incarnation, cluster.state)
    if event.final:
        return _fail(cluster, event)
    # Nothing is bought anew because a connection broke; a machine on which it breaks again is replaced.
    once_more = event.broken and cluster.bootstrap_failures == 0
    return _counted(cluster, event, _bootstrap if once_more else _provision)


def _on_lost_while_bootstrapping(cluster: Cluster, event: Any) -> Step[Cluster]:
    if _goes_on(cluster, event) and cluster.incarnation > 1:  # a gang that has never stood is made whole first
        return _counted(_shrunk(cluster), event, _bootstrap)
    return _counted(cluster, event, _provision)


def _again_on_agent_lost(cluster: Cluster, event: Any) -> Step[Cluster]:
    return _counted(cluster, event, _bootstrap)


def _counted(cluster: Cluster, event: Event, again: Callable[[Cluster, Event], Step[Cluster]]) -> Step[Cluster]:
    """One more failure on the way up: again, or the end of it."""
    counted = msgspec.structs.replace(cluster, bootstrap_failures=cluster.bootstrap_failures + 1)
    return (_fail if counted.bootstrap_failures >= MAX_BOOTSTRAP_FAILURES else again)(counted, event)


def _goes_on(cluster: Cluster, event: Any) -> bool:
    return cluster.managed and cluster.elastic and event.survivors > 0


def _shrunk(cluster: Cluster) -> Cluster:
    return msgspec.structs.replace(cluster, missing=cluster.missing + 1)


def _preempted(cluster: Cluster, event: Any) -> Step[Cluster]:
    if _goes_on(cluster, event):
        return _bootstrap_again("node")(_shrunk(cluster), event)
    lost: tuple[Instruction, ...] = (LoseJobs(cause=event.cause, kind="instance", why=event.why),)
    # The survivors of a managed gang are its job's to keep or to end with the new plan; those of a plain cluster only cost.
    follow: Instruction = (
        TellOwnerLost(cause=event.cause, kind="instance", why=event.why)
        if cluster.managed
        else Release(cause=event.cause)
    )
    return msgspec.structs.replace(cluster, state="PREEMPTED"), (*lost, follow)


def _bootstrap_again(kind: LossKind) -> Callable[[Cluster, Any], Step[Cluster]]:
    def handler(cluster: Cluster, event: Any) -> Step[Cluster]:
        after, orders = _bootstrap(cluster, event)
        owner: tuple[Instruction, ...] = ()
        if cluster.managed:
            owner = (TellOwnerLost(cause=event.cause, kind=kind, why=event.why),)
        return after, (LoseJobs(cause=event.cause, kind=kind, why=event.why), *owner, *orders)

    return handler


def _on_nodes_joined(cluster: Cluster, event: Any) -> Step[Cluster]:
    if not cluster.missing:
        raise IllegalMove("cluster", cluster.state, "NodesJoined", "it lacks none")
    return _bootstrap_again("joined")(msgspec.structs.replace(cluster, missing=0), event)


def _down(cluster: Cluster, event: Event) -> Step[Cluster]:
    after = msgspec.structs.replace(cluster, state="TERMINATING")
    return after, (CancelJobs(cause=event.cause), Release(cause=event.cause))


def _to(state: ClusterState) -> Callable[[Cluster, Event], Step[Cluster]]:
    def handler(cluster: Cluster, _event: Event) -> Step[Cluster]:
        return msgspec.structs.replace(cluster, state=state), ()

    return handler


def _stay(cluster: Cluster, _event: Event) -> Step[Cluster]:
    return cluster, ()


TABLE: Table[Cluster] = {
    ("PLANNED", LaunchRequested): _provision,
    ("PROVISIONING", InstancesRunning): _on_instances_running,
    ("PROVISIONING", PlaceRefused): _on_place_refused,
    ("PROVISIONING", PlacesExhausted): _fail,
    ("PROVISIONING", InstanceLost): _provision,
    ("BOOTSTRAPPING", BootstrapDone): _on_bootstrap_done,
    ("BOOTSTRAPPING", BootstrapFailed): _on_bootstrap_failed,
    ("BOOTSTRAPPING", InstanceLost): _on_lost_while_bootstrapping,
    ("BOOTSTRAPPING", AgentLost): _again_on_agent_lost,
    ("BOOTSTRAPPING", RuntimeLost): _again_on_agent_lost,
    ("UP", InstanceLost): _preempted,
    ("UP", AgentLost): _bootstrap_again("agent"),
    ("UP", RuntimeLost): _bootstrap_again("runtime"),
    ("UP", NodesJoined): _on_nodes_joined,
    ("UP", Stopped): _to("STOPPED"),
    ("UP", StopRequested): _stop,
    ("STOPPED", StopRefused): _bootstrap,
    ("STOPPED", StartRequested): _start,
    ("PROVISIONING", StartRefused): _on_start_refused,
    ("PREEMPTED", RecoveryRequested): _provision,
    ("FAILED", RecoveryRequested): _provision,
    ("TERMINATING", Released): _to("TERMINATED"),
    **{(state, DownRequested): _down for state in STATES if state not in {"TERMINATING", "TERMINATED"}},
    # What is already on its way out loses instances and hears of it once more.
    **{(state, Released): _stay for state in ("PREEMPTED", "FAILED")},
    **{
        (state, kind): _stay
        for state in ("PREEMPTED", "FAILED", "STOPPED", "TERMINATING")
        for kind in (InstanceLost, AgentLost, RuntimeLost)
    },
    ("TERMINATING", DownRequested): _stay,
}


def on_event(cluster: Cluster, event: Event) -> Step[Cluster]:
    """The cluster after `event` and what the shell shall do.

    Raises:
        IllegalMove: its state does not allow the event.
    """
    return take("cluster", TABLE, cluster, event)


def resume(cluster: Cluster, cause: str) -> tuple[Instruction, ...]:
    """What a restarted daemon does for a cluster found in this state; every instruction may have been carried out in part before."""
    match cluster.state:
        case "PROVISIONING":
            return (Provision(cause=cause, tries=cluster.tries),)
        case "BOOTSTRAPPING":
            return (Bootstrap(cause=cause, incarnation=cluster.incarnation),)
        case "UP":
            return (StartNextJob(cause=cause), *((Refill(cause=cause),) if cluster.missing else ()))
        case "PREEMPTED":
            return () if cluster.managed else (Release(cause=cause),)
        case "STOPPED":
            return (Stop(cause=cause),)
        case "FAILED" | "TERMINATING":
            return (Release(cause=cause),)
        case _:
            return ()


def validate(cluster: Cluster) -> None:
    """Every invariant of a cluster's value; AssertionError names the broken one."""
    assert cluster.state in STATES, f"unknown state {cluster.state}"
    assert 0 <= cluster.bootstrap_failures < MAX_BOOTSTRAP_FAILURES, "bootstrap failures are counted up to the limit"
    if cluster.state in {"PROVISIONING", "BOOTSTRAPPING", "UP", "STOPPED", "PREEMPTED"}:
        assert cluster.tries >= 1, "whoever has or had instances has tried a place"
    if cluster.state in {"BOOTSTRAPPING", "UP", "STOPPED", "PREEMPTED"}:
        assert cluster.incarnation >= 1, "whoever is or was up has been bootstrapped"
    assert cluster.missing >= 0, "a gang lacks some or none"
    if cluster.missing:
        assert cluster.elastic and cluster.managed, "only the program of an elastic gang goes on without a node"  # noqa: PT018  one claim
    if cluster.state == "PROVISIONING":
        assert not cluster.missing, "a try is for the whole gang"
    if cluster.state == "UP":
        assert cluster.bootstrap_failures == 0, "a bootstrap that succeeds forgives those before it"

"""The life of a cluster: from a plan to instances that are up, through losses, to the moment when nothing of it is left.

`tries` counts the places tried (every instance row carries the try it belongs to, so that leftovers of an earlier one are known);
`incarnation` counts bootstraps and names the runtime. A result that carries an older number is late and refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec

from tradewind.broker.lifecycle.machine import Event, IllegalMove, Instruction, Step, Table, take

ClusterState = Literal[
    "PLANNED", "PROVISIONING", "BOOTSTRAPPING", "UP", "STOPPED", "PREEMPTED", "FAILED", "TERMINATING", "TERMINATED"
]
LossKind = Literal["instance", "agent", "runtime"]

STATES: tuple[str, ...] = get_args(ClusterState)
FINAL = frozenset({"TERMINATED"})
MAX_BOOTSTRAP_FAILURES = 3  # in a row, whatever the place: by then the fault travels with us, not with the machines


class Cluster(msgspec.Struct, frozen=True):
    """A cluster as its machine sees it. `managed` means a managed job owns it and decides what follows a loss."""

    state: ClusterState = "PLANNED"
    managed: bool = False
    tries: int = 0
    incarnation: int = 0
    bootstrap_failures: int = 0


# -- events ---------------------------------------------------------------------------------------------------------------------------


class LaunchRequested(Event, frozen=True):
    """A person or a managed job wants it."""


class InstancesRunning(Event, frozen=True):
    """Every instance of this try runs."""

    tries: int


class PlaceRefused(Event, frozen=True):
    """The cloud refused the place of this try: the next candidate's turn."""

    tries: int
    why: str


class PlacesExhausted(Event, frozen=True):
    """No candidate is left."""

    why: str


class BootstrapDone(Event, frozen=True):
    """Agents, files and runtime stand on every instance."""

    incarnation: int


class BootstrapFailed(Event, frozen=True):
    """The instances run, and could not be made into a cluster; with `final` others of their kind could not be either."""

    incarnation: int
    why: str
    final: bool = False


class InstanceLost(Event, frozen=True):
    """An instance ended without being asked to."""

    instance_id: str
    why: str


class AgentLost(Event, frozen=True):
    """An agent died or fell silent while its instance lives."""

    instance_id: str
    why: str


class RuntimeLost(Event, frozen=True):
    """The runtime's head or a node daemon died while the agents live."""

    instance_id: str
    why: str


class RecoveryRequested(Event, frozen=True):
    """Its managed job has planned again; the new candidates stand in the row."""


class Stopped(Event, frozen=True):
    """Every instance is stopped and can be started again."""


class StopRequested(Event, frozen=True):
    """Its machines shall stop, and keep their disks."""


class StopRefused(Event, frozen=True):
    """A cloud does not stop its machines: they run on."""

    why: str


class StartRequested(Event, frozen=True):
    """A stopped cluster is wanted again."""


class StartRefused(Event, frozen=True):
    """A stopped cluster's cloud has no room for it now; it stays stopped."""

    why: str


class DownRequested(Event, frozen=True):
    """Nothing of it shall be left."""


class Released(Event, frozen=True):
    """Every instance has ended and its cloud lists none."""


# -- instructions ---------------------------------------------------------------------------------------------------------------------


class Provision(Instruction, frozen=True):
    """End what earlier tries left, then make every instance of this try run; with `keep` survivors that fit the new place stay."""

    tries: int
    keep: bool = False


class Stop(Instruction, frozen=True):
    """Stop every instance, so that only its disk still costs."""


class Bootstrap(Instruction, frozen=True):
    """Make the running instances into a cluster of this incarnation."""

    incarnation: int


class Release(Instruction, frozen=True):
    """End every instance the cluster has."""


class StartNextJob(Instruction, frozen=True):
    """Start the oldest waiting job, if none runs."""


class LoseJobs(Instruction, frozen=True):
    """Tell every unfinished job of the cluster that its gang is broken."""

    kind: LossKind
    why: str


class CancelJobs(Instruction, frozen=True):
    """Tell every unfinished job of the cluster that it is cancelled because the cluster goes."""


class TellOwnerUp(Instruction, frozen=True):
    """Tell the managed job that its cluster is up."""


class TellOwnerLost(Instruction, frozen=True):
    """Tell the managed job that its attempt is lost."""

    kind: LossKind
    why: str


class TellOwnerNoPlace(Instruction, frozen=True):
    """Tell the managed job that no place is left for its cluster."""

    why: str


class TellOwnerBroken(Instruction, frozen=True):
    """Tell the managed job that instances could be had, and could not be made into a cluster anywhere."""

    why: str


# -- the table ------------------------------------------------------------------------------------------------------------------------


def _fresh(event: Event, name: str, got: int, want: int, state: str) -> None:
    if got != want:
        raise IllegalMove("cluster", state, type(event).__name__, f"it is of {name} {got}, the cluster is at {want}")


def _provision(cluster: Cluster, event: Event) -> Step[Cluster]:
    after = msgspec.structs.replace(cluster, state="PROVISIONING", tries=cluster.tries + 1)
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
        places = isinstance(event, PlacesExhausted | InstanceLost)
        tell = TellOwnerNoPlace if places else TellOwnerBroken
        owner = (tell(cause=event.cause, why=event.why),)
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
    return after, (*owner, StartNextJob(cause=event.cause))


def _on_bootstrap_failed(cluster: Cluster, event: Any) -> Step[Cluster]:
    _fresh(event, "incarnation", event.incarnation, cluster.incarnation, cluster.state)
    return _fail(cluster, event) if event.final else _counted(cluster, event, _provision)


def _on_lost_while_bootstrapping(cluster: Cluster, event: Any) -> Step[Cluster]:
    return _counted(cluster, event, _provision)


def _again_on_agent_lost(cluster: Cluster, event: Any) -> Step[Cluster]:
    return _counted(cluster, event, _bootstrap)


def _counted(cluster: Cluster, event: Event, again: Callable[[Cluster, Event], Step[Cluster]]) -> Step[Cluster]:
    """One more failure on the way up: again, or the end of it."""
    counted = msgspec.structs.replace(cluster, bootstrap_failures=cluster.bootstrap_failures + 1)
    return (_fail if counted.bootstrap_failures >= MAX_BOOTSTRAP_FAILURES else again)(counted, event)


def _preempted(cluster: Cluster, event: Any) -> Step[Cluster]:
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
            return (StartNextJob(cause=cause),)
        case "PREEMPTED":
            return () if cluster.managed else (Release(cause=cause),)
        case "STOPPED":
            return (Stop(cause=cause),)
        case "FAILED" | "TERMINATING":
            return (Release(cause=cause),)
        case _:
            return ()


def word(before: Cluster, event: Event, after: Cluster) -> str:
    """The timeline's word for this step."""
    match event:
        case InstanceLost():
            return "preempted" if (before.state, after.state) == ("UP", "PREEMPTED") else "instance lost"
        case LaunchRequested() | RecoveryRequested() | StartRequested():
            return "provisioning"
        case PlaceRefused():
            return "place refused"
        case StopRequested():
            return "stopped"
        case StopRefused():
            return "not stopped"
        case StartRefused():
            return "not started"
        case InstancesRunning():
            return "bootstrapping"
        case BootstrapDone():
            return "up"
        case PlacesExhausted() | BootstrapFailed() if after.state == "FAILED":
            return "failed"
        case BootstrapFailed():
            return "bootstrap failed"
        case AgentLost():
            return "agent lost"
        case RuntimeLost():
            return "runtime lost"
        case DownRequested():
            return "terminating"
        case Released():
            return "terminated" if after.state == "TERMINATED" else "released"
        case _:
            return type(event).__name__.lower()


def validate(cluster: Cluster) -> None:
    """Every invariant of a cluster's value; AssertionError names the broken one."""
    assert cluster.state in STATES, f"unknown state {cluster.state}"
    assert 0 <= cluster.bootstrap_failures < MAX_BOOTSTRAP_FAILURES, "bootstrap failures are counted up to the limit"
    if cluster.state in {"PROVISIONING", "BOOTSTRAPPING", "UP", "STOPPED", "PREEMPTED"}:
        assert cluster.tries >= 1, "whoever has or had instances has tried a place"
    if cluster.state in {"BOOTSTRAPPING", "UP", "STOPPED", "PREEMPTED"}:
        assert cluster.incarnation >= 1, "whoever is or was up has been bootstrapped"
    if cluster.state == "UP":
        assert cluster.bootstrap_failures == 0, "a bootstrap that succeeds forgives those before it"

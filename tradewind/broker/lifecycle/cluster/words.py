"""The words that a timeline has for the steps of a cluster."""

from __future__ import annotations

from tradewind.broker.lifecycle.cluster.events import (
    AgentLost,
    BootstrapDone,
    BootstrapFailed,
    Cluster,
    DownRequested,
    InstanceLost,
    InstancesRunning,
    LaunchRequested,
    NodesJoined,
    PlaceRefused,
    PlacesExhausted,
    RecoveryRequested,
    Released,
    RuntimeLost,
    StartRefused,
    StartRequested,
    StopRefused,
    StopRequested,
)
from tradewind.broker.lifecycle.machine import Event


def word(before: Cluster, event: Event, after: Cluster) -> str:
    """The timeline's word for this step."""
    match event:
        case InstanceLost():
            return "preempted" if (before.state, after.state) == ("UP", "PREEMPTED") else "instance lost"
        case NodesJoined():
            return "node joined"
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

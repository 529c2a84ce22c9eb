"""A cluster as its machine sees it, what may happen to it, and what the shell is told to do."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from tradewind.broker.lifecycle.machine import Event, Instruction

ClusterState = Literal[
    "PLANNED", "PROVISIONING", "BOOTSTRAPPING", "UP", "STOPPED", "PREEMPTED", "FAILED", "TERMINATING", "TERMINATED"
]
# "node": the others of an elastic gang go on without it; "joined": nothing is lost, a replacement makes the gang whole again
LossKind = Literal["instance", "agent", "runtime", "node", "joined"]

STATES: tuple[str, ...] = get_args(ClusterState)
FINAL = frozenset({"TERMINATED"})
MAX_BOOTSTRAP_FAILURES = 3  # in a row, whatever the place: by then the fault travels with us, not with the machines


class Cluster(msgspec.Struct, frozen=True):
    """A cluster as its machine sees it.

    `managed` means a managed job owns it and decides what follows a loss; `elastic` that its program goes on with the nodes that are left, and
    `missing` how many it goes on without.
    """

    state: ClusterState = "PLANNED"
    managed: bool = False
    elastic: bool = False
    missing: int = 0
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
    """The instances run, and could not be made into a cluster; with `final` others in their place could not be either, and none is bought.

    `broken` says that only the way to one of them, or its agent, was lost: the same machines may do.
    """

    incarnation: int
    why: str
    final: bool = False
    broken: bool = False


class InstanceLost(Event, frozen=True):
    """An instance ended without being asked to; so many of its gang are left."""

    instance_id: str
    why: str
    survivors: int = 0


class NodesJoined(Event, frozen=True):
    """Replacements stand for every node that the elastic gang lacks: they are of its try now."""

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


class Refill(Instruction, frozen=True):
    """Make replacements run for the nodes that an elastic gang lacks, where the others stand, however long that takes."""


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
    """Tell the managed job that no place is left for its cluster; `lost` says that places were had, and machines taken again and again."""

    why: str
    lost: bool = False


class TellOwnerBroken(Instruction, frozen=True):
    """Tell the managed job that instances could be had, and could not be made into a cluster anywhere."""

    why: str

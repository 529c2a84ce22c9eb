"""Between node daemons and the head, and between node daemons."""

from __future__ import annotations

import msgspec

from tradewind.runtime.messages.values import Condition, Method, Shape, Value
from tradewind.runtime.wire import Message


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One thing that a report lists. why: what it waits for or died of, in a sentence; more: whatever else a person may want to know."""

    kind: str
    id: str
    state: str = ""
    name: str = ""
    node: str = ""
    process: str = ""
    pid: int = 0
    why: str = ""
    more: dict[str, str] = {}


class NodeView(msgspec.Struct, frozen=True, array_like=True):
    """A node as the cluster sees it."""

    node: str
    host: str
    address: str
    total: dict[str, float]
    available: dict[str, float]
    labels: dict[str, str]
    waiting: int = 0
    alive: bool = True
    # What is free in the bundles of placement groups that lie here, by "group:index".
    bundles: dict[str, dict[str, float]] = {}
    # How often it was lost and has joined again: what it says in the name of an earlier life is not listened to.
    life: int = 0


class ActorSpec(msgspec.Struct, frozen=True, array_like=True):
    """What it takes to start an actor, as often as needed. owner: the process whose refs keep it alive ("" for a detached one)."""

    actor: str
    class_name: str
    code: bytes
    args: Value
    slots: list[tuple[int | str, Value]]
    placement: Shape
    resources: dict[str, float]
    owner: str
    job: str
    name: str = ""
    namespace: str = ""
    max_restarts: int = 0
    max_task_retries: int = 0
    max_concurrency: int = 1
    ordered: bool = True
    methods: dict[str, Method] = {}
    detached: bool = False
    # Calls of a group that may run at once, by the group's name.
    concurrency_groups: dict[str, int] = {}
    # The placement group, with a "*" behind it when the tasks that it starts belong there too.
    group: str = ""
    # Where the actor looks for names, which may be another namespace than its own name's.
    job_namespace: str = ""
    # Calls of one caller that may be without an answer; -1 for any number.
    max_pending_calls: int = -1


class GroupSpec(msgspec.Struct, frozen=True, array_like=True):
    """A placement group as it was asked for."""

    group: str
    bundles: list[dict[str, float]]
    strategy: str
    job: str = ""
    name: str = ""
    detached: bool = False
    # What the labels of each bundle's node must be; [] for any.
    labels: list[list[Condition]] = []


# process -> head, through its node daemon
class CreateActor(Message, frozen=True, tag=1):
    spec: ActorSpec
    get_if_exists: bool = False


class WatchActor(Message, frozen=True, tag=2):
    """Answered by ActorState once the actor is alive again after incarnation `lost`, or dead; with fate, as soon as it is being restarted."""

    actor: str
    lost: int = -1
    fate: bool = False


class FindActor(Message, frozen=True, tag=3):
    name: str
    namespace: str


class KillActor(Message, frozen=True, tag=4):
    actor: str
    reason: str
    no_restart: bool = True
    graceful: bool = False


class ListNodes(Message, frozen=True, tag=5):
    pass


class KeyValue(Message, frozen=True, tag=6):
    """operation: put, get, delete or keys (prefix)."""

    operation: str
    key: str
    value: bytes = b""


class CreateGroup(Message, frozen=True, tag=7):
    spec: GroupSpec


class WatchGroup(Message, frozen=True, tag=8):
    """Answered by GroupState once the group is created, or removed."""

    group: str


class RemoveGroup(Message, frozen=True, tag=9):
    group: str


class ListGroups(Message, frozen=True, tag=10):
    pass


class Report(Message, frozen=True, tag=11):
    """All rows of a kind, from wherever in the cluster they are known; answered by Rows."""

    kind: str


class ListNamedActors(Message, frozen=True, tag=13):
    """Answered by NamedActors: those of the namespace, or of all for ""."""

    namespace: str


class DescribeActor(Message, frozen=True, tag=12):
    """Answered by Found, also for a nameless actor."""

    actor: str


HeadQuestion = (
    CreateActor
    | WatchActor
    | FindActor
    | KillActor
    | ListNodes
    | KeyValue
    | CreateGroup
    | WatchGroup
    | RemoveGroup
    | ListGroups
    | Report
    | DescribeActor
    | ListNamedActors
)


# head -> process
class Accepted(Message, frozen=True, tag=1):
    """error: why not, in a sentence."""

    error: str = ""


class ActorState(Message, frozen=True, tag=2):
    """state: ALIVE or DEAD (the only ones a caller can act on). error: the constructor's exception, serialized."""

    actor: str
    state: str
    process: str = ""
    incarnation: int = 0
    reason: str = ""
    error: bytes = b""


class Found(Message, frozen=True, tag=3):
    """The named actor, or None."""

    spec: ActorSpec | None


class Nodes(Message, frozen=True, tag=4):
    nodes: list[NodeView]


class Entries(Message, frozen=True, tag=5):
    entries: dict[str, bytes]


class GroupState(Message, frozen=True, tag=6):
    """state: PENDING, CREATED, RESCHEDULING or REMOVED; nodes: where each bundle is."""

    spec: GroupSpec
    state: str
    nodes: dict[int, str]
    reason: str = ""


class Groups(Message, frozen=True, tag=7):
    groups: list[GroupState]


class Rows(Message, frozen=True, tag=8):
    """silent: nodes that did not answer in time."""

    rows: list[Row]
    silent: list[str] = msgspec.field(default_factory=list)


class NamedActors(Message, frozen=True, tag=9):
    """(namespace, name) of each."""

    names: list[tuple[str, str]]


HeadAnswer = Accepted | ActorState | Found | Nodes | Entries | GroupState | Groups | Rows | NamedActors


# node daemon -> head
class Load(Message, frozen=True, tag=2):
    available: dict[str, float]
    waiting: int
    bundles: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)


class Question(Message, frozen=True, tag=3):
    process: str
    request: int
    body: HeadQuestion


class ActorStarted(Message, frozen=True, tag=4):
    actor: str
    incarnation: int
    process: str
    error: bytes = b""


class ActorEnded(Message, frozen=True, tag=5):
    """intended: user code asked for the end, so it is not restarted."""

    actor: str
    incarnation: int
    reason: str
    intended: bool = False


class Join(Message, frozen=True, tag=1):
    """again: the node was a member before, and says what a head that was away may have missed.

    actors: those that live on the node (process "": being started); processes: all that do; ended: the last actors that ended here; drivers: the
    last drivers that did; knows: the nodes that it takes for members.
    """

    protocol: int
    token: bytes
    view: NodeView
    actors: list[ActorStarted] = msgspec.field(default_factory=list)
    processes: list[str] = msgspec.field(default_factory=list)
    again: bool = False
    ended: list[ActorEnded] = msgspec.field(default_factory=list)
    drivers: list[str] = msgspec.field(default_factory=list)
    knows: list[str] = msgspec.field(default_factory=list)


class ProcessGone(Message, frozen=True, tag=6):
    """A driver (job) or worker ended; actors that it owned end with it."""

    process: str
    driver: bool


class Leave(Message, frozen=True, tag=7):
    reason: str


class Beat(Message, frozen=True, tag=8):
    pass


class BundleReserved(Message, frozen=True, tag=9):
    """Answers ReserveBundle. held: there was room, and it is kept."""

    group: str
    index: int
    round: int
    held: bool


class Reported(Message, frozen=True, tag=10):
    """Answers ReportThere."""

    number: int
    rows: list[Row]


ToHead = Join | Load | Question | ActorStarted | ActorEnded | ProcessGone | Leave | Beat | BundleReserved | Reported


# head -> node daemon
class Joined(Message, frozen=True, tag=1):
    error: str = ""


class View(Message, frozen=True, tag=2):
    nodes: list[NodeView]


class LostNode(Message, frozen=True, tag=3):
    node: str
    reason: str
    # For the node itself when it has joined again: its life from now on.
    life: int = 0


class HeadReply(Message, frozen=True, tag=4):
    process: str
    request: int
    body: HeadAnswer


class StartActor(Message, frozen=True, tag=5):
    spec: ActorSpec
    incarnation: int


class StopActor(Message, frozen=True, tag=6):
    actor: str
    reason: str
    graceful: bool


class EndJob(Message, frozen=True, tag=7):
    job: str


class ReserveBundle(Message, frozen=True, tag=8):
    """Room for a bundle, please, at once or not at all."""

    group: str
    index: int
    round: int
    resources: dict[str, float]
    job: str


class ReturnBundles(Message, frozen=True, tag=9):
    """These bundles are not wanted (any more); no index: the whole group is gone for good."""

    group: str
    indices: list[int]
    reason: str


class ReportThere(Message, frozen=True, tag=10):
    """The node's rows of this kind, please."""

    number: int
    kind: str


FromHead = (
    Joined | View | LostNode | HeadReply | StartActor | StopActor | EndJob | ReserveBundle | ReturnBundles | ReportThere
)

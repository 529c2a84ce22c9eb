"""The rows as values: what a query returns, typed and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from tradewind.broker.lifecycle.cluster import Cluster, ClusterState
from tradewind.broker.lifecycle.cluster_job import ClusterJob, JobState
from tradewind.broker.lifecycle.managed_job import Course, ManagedJob, ManagedJobState
from tradewind.catalog.offer import Offer
from tradewind.optimizer.plan import RankedCandidate
from tradewind.spec.machine import WaitFor
from tradewind.spec.task import Resources, Task

InstanceRowState = Literal["INTENT", "RUNNING", "STOPPED", "ENDING", "ENDED"]


class Market(msgspec.Struct, frozen=True):
    """How a rehearsal takes instances away: drawn by `seed` from recorded holds, `time_scale` recorded seconds passing each second.

    Only a moment within `window_s` (seconds after launch: earliest, latest) can be drawn; `time_scale` None is chosen so that the median
    record falls into the middle of the window, which is then finite. `notice_s` seconds before, it is announced (0: it is not).
    """

    seed: int
    time_scale: float | None = 1.0
    max_reclaims: int = 1
    window_s: tuple[float, float] | None = None
    notice_s: float = 0.0


class Options(msgspec.Struct, frozen=True):
    """What a submission asked for besides its task. `catalog` is a user's catalog file, "" for the shipped one; `hours` the given length, None: one hour is assumed.

    `autostop_min`: idle minutes after which the cluster is stopped, or with `autostop_down` ended, counted from `autostop_set_unix` (Unix
    seconds) at the earliest; it is not idle during what `autostop_wait_for` names. `ports` were opened besides the task's.
    """

    rehearse: bool = False
    catalog: str = ""
    accepted_hourly_usd: float = 0.0
    hours: float | None = None
    market: Market | None = None
    retry_until_up: bool = False
    traceparent: str = ""  # the trace that the submission belongs to (W3C Trace Context)
    clicked_unix: float = 0.0  # when the person asked, Unix seconds
    autostop_min: float | None = None
    autostop_down: bool = False
    autostop_wait_for: WaitFor = "jobs_and_ssh"
    autostop_set_unix: float | None = None
    ports: tuple[int, ...] = ()


class ClusterRow(msgspec.Struct, frozen=True):
    """A cluster. `place` is the candidate in use, or to be tried first; all of them are read by `rows.candidates`."""

    id: int
    name: str
    state: ClusterState
    tries: int
    incarnation: int
    bootstrap_failures: int
    missing: int
    managed_job_id: int | None
    task: Task
    place: RankedCandidate
    options: Options
    hourly_usd: str
    created_unix: float
    ended_unix: float | None
    why: str
    waiting_for: str

    @property
    def subject(self) -> str:
        """Its name in the event table."""
        return f"cluster/{self.name}"

    @property
    def is_elastic(self) -> bool:
        """Whether its program goes on with the nodes that are left: a managed job's that says so."""
        return self.managed_job_id is not None and self.task.elastic and self.task.num_nodes > 1

    @property
    def nodes(self) -> int:
        """How many nodes the gang has now."""
        return self.task.num_nodes - self.missing

    @property
    def block_scope(self) -> int | None:
        """Whose blocks count for it: its own in a rehearsal and on this computer, which is free again once others are down; else everyone's (None)."""
        return self.id if self.options.rehearse or self.place.cloud == "local" else None

    @property
    def asked(self) -> Resources:
        """What the candidate in use was asked for: the alternative of the task that it serves."""
        return self.task.resources[min(self.place.alternative, len(self.task.resources) - 1)]

    @property
    def open_ports(self) -> tuple[int, ...]:
        """The TCP ports that the world may reach, in order: the task's, and those opened since."""
        asked = {port for run in self.asked.ports for port in range(run.first, run.last + 1)}
        return tuple(sorted(asked.union(self.options.ports)))

    @property
    def key(self) -> str:
        """Unique among the clusters of this data directory: what tags and agents are told."""
        return f"{self.name}-c{self.id}"

    def machine(self) -> Cluster:
        """The value its state machine works on."""
        return Cluster(
            state=self.state,
            managed=self.managed_job_id is not None,
            elastic=self.is_elastic,
            missing=self.missing,
            tries=self.tries,
            incarnation=self.incarnation,
            bootstrap_failures=self.bootstrap_failures,
        )


class InstanceRow(msgspec.Struct, frozen=True):
    """An instance: an intent first, then what its cloud made of it. `price_usd_h` is exact decimal text, frozen at launch."""

    id: str
    cluster_id: int
    rank: int
    tries: int
    token: str
    tags: dict[str, str]
    provider: str
    provider_id: str
    address: str
    offer: Offer
    use_spot: bool
    price_usd_h: str
    state: InstanceRowState
    lease_until_unix: float
    agent_seq: int
    created_unix: float
    launched_unix: float | None
    ended_unix: float | None
    reason: str


class JobRow(msgspec.Struct, frozen=True):
    """A job on a cluster; `key` names it to agents and in paths."""

    cluster_id: int
    id: int
    name: str
    state: JobState
    machine: ClusterJob
    task: Task
    checkpoint_uri: str
    managed_job_id: int | None
    attempt: int
    created_unix: float
    started_unix: float | None
    ended_unix: float | None
    why: str

    @property
    def key(self) -> str:
        """Unique in this data directory, and a safe file name."""
        return f"{self.cluster_id}-{self.id}"


class ManagedJobRow(msgspec.Struct, frozen=True):
    """A managed job. `hourly_usd` is what its newest plan costs (USD/hour); the plan itself is read by `rows.plan`."""

    id: int
    name: str
    state: ManagedJobState
    attempt: int
    recoveries: int
    cluster_id: int | None
    successor_id: int | None
    strategy: str
    task: Task
    hourly_usd: float
    options: Options
    client_key: str | None
    checkpoint_uri: str
    created_unix: float
    started_unix: float | None
    ended_unix: float | None
    why: str
    waiting_for: str
    course: Course
    rehearse: bool
    priority: int
    not_before_unix: float | None
    array_id: int | None
    array_index: int | None
    budget_usd: float | None
    warned: int
    waits_on: int

    @property
    def subject(self) -> str:
        """Its name in the event table."""
        return f"job/{self.id}"

    def machine(self) -> ManagedJob:
        """The value its state machine works on."""
        return ManagedJob(
            state=self.state,
            attempt=self.attempt,
            recoveries=self.recoveries,
            why=self.why,
            course=self.course,
            recovery=self.task.job_recovery,
        )


class ArrayRow(msgspec.Struct, frozen=True):
    """Jobs submitted as one: `size` of them, at most `max_active` (None: no limit of its own) active at a time.

    `kind` is "array", of one task under several variables, or "graph", of several tasks, some of which wait for others.
    """

    id: int
    name: str
    size: int
    max_active: int | None
    kind: Literal["array", "graph"]
    client_key: str | None
    created_unix: float


class AttemptRow(msgspec.Struct, frozen=True):
    """One life of a managed job between recoveries: where, at what price, and how it ended."""

    managed_job_id: int
    number: int
    cluster_id: int
    job_id: int
    place: str
    hourly_usd: str
    started_unix: float
    ended_unix: float | None
    end: str
    why: str


class EventRow(msgspec.Struct, frozen=True):
    """A fact that happened to a subject: what a timeline shows."""

    seq: int
    subject: str
    cluster_id: int | None
    managed_job_id: int | None
    unix: float
    kind: str
    cause: str
    data: dict[str, Any]


class BlockRow(msgspec.Struct, frozen=True):
    """A place that refused or lost instances, and until when trying it again is useless.

    `cluster_id` is the rehearsed cluster that it is for; None: what was learnt of the world holds for everyone.
    """

    cluster_id: int | None
    cloud: str
    region: str
    zone: str
    instance_type: str
    use_spot: bool | None
    kind: str
    why: str
    created_unix: float
    until_unix: float


_JSON_COLUMNS: Mapping[str, Any] = {
    "task": Task,
    "place": RankedCandidate,
    "options": Options,
    "tags": dict[str, str],
    "offer": Offer,
    "machine": ClusterJob,
    "course": Course,
    "data": dict[str, Any],
}
_decoders = {name: msgspec.json.Decoder(kind) for name, kind in _JSON_COLUMNS.items()}
UNREADABLE = "unreadable"  # the key of a fact's data under which stands what could not be read
_FLAGS = frozenset({"use_spot", "rehearse"})

R = TypeVar("R", bound=msgspec.Struct)


def as_json(value: Any) -> str:
    """A value as a JSON column holds it."""
    return msgspec.json.encode(value).decode()


def decoded(name: str, text: str) -> Any:
    """The value of a JSON column. Raises msgspec.DecodeError, but for the data of a fact: what is unreadable there stands in it as text."""
    try:
        return _decoders[name].decode(text)
    except msgspec.DecodeError:
        if name != "data":
            raise
        return {UNREADABLE: text[:200]}  # one damaged fact must not hide the others


def row_as(kind: type[R], mapping: Mapping[str, Any]) -> R:
    """A row of the database as the record type `kind`."""
    fields: dict[str, Any] = {}
    for name in kind.__struct_fields__:
        value = mapping[name]
        if name in _decoders and isinstance(value, str) and kind is not AttemptRow:
            value = decoded(name, value)
        elif name in _FLAGS and value is not None:
            value = bool(value)
        fields[name] = value
    return kind(**fields)

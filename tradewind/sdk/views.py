"""What the daemon tells, as frozen values. Times are Unix seconds, money is USD; "" is "nothing to say"."""

from __future__ import annotations

from typing import Any

import msgspec

from tradewind.broker.jobs.limits import Limits

SUCCEEDED = "SUCCEEDED"


class Instance(msgspec.Struct, frozen=True):
    """One machine of a cluster. `price_usd_h` is USD/hour, frozen when it was launched."""

    instance_id: str
    rank: int
    state: str
    address: str | None = None
    instance_type: str = ""
    price_usd_h: float = 0.0


class Cluster(msgspec.Struct, frozen=True):
    """The instances of one task. `hourly_usd` is USD/hour for all of them; `why` tells how it came to its state, `waiting_for` what it waits for.

    It stops, or with `autostop_down` ends, after `autostop_minutes` idle minutes; None: never.
    """

    name: str
    state: str
    num_nodes: int
    cloud: str
    region: str
    zone: str
    instance_type: str
    use_spot: bool
    hourly_usd: float
    rehearse: bool
    created_unix: float
    ended_unix: float | None = None
    managed_job_id: int | None = None
    why: str | None = None
    waiting_for: str | None = None
    labels: dict[str, str] = {}
    ports: tuple[int, ...] = ()
    autostop_minutes: float | None = None
    autostop_down: bool = False
    instances: tuple[Instance, ...] = ()


class Job(msgspec.Struct, frozen=True):
    """One run of a task on a cluster."""

    id: int
    state: str
    cluster: str
    name: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    created_unix: float = 0.0
    started_unix: float | None = None
    ended_unix: float | None = None
    why: str | None = None
    waiting_for: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it has ended well."""
        return self.state == SUCCEEDED


class ManagedJob(msgspec.Struct, frozen=True):
    """A job that survives preemption. `hourly_usd` is what its plan costs in USD/hour, all nodes."""

    id: int
    name: str
    state: str
    recoveries: int
    attempt: int = 0
    cluster: str | None = None
    rehearse: bool = False
    hourly_usd: float = 0.0
    priority: int = 0
    budget_usd: float | None = None
    created_unix: float = 0.0
    started_unix: float | None = None
    ended_unix: float | None = None
    why: str | None = None
    waiting_for: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it has ended well."""
        return self.state == SUCCEEDED


class Event(msgspec.Struct, frozen=True):
    """A fact of the record: `kind` happened to `subject` at `unix`."""

    seq: int
    subject: str
    unix: float
    kind: str
    cause: str | None = None
    data: dict[str, Any] = {}


class Cost(msgspec.Struct, frozen=True):
    """What a cluster has cost so far: `usd` over `seconds`, at the prices frozen when it was launched."""

    cluster: str
    state: str
    place: str
    seconds: float
    usd: float


class Why(msgspec.Struct, frozen=True):
    """What `subject` ("cluster/tea", "job/7") waits for, or why it is in its state; "" is "nothing to say"."""

    subject: str
    state: str
    waiting_for: str
    why: str


class Array(msgspec.Struct, frozen=True):
    """Managed jobs that were submitted as one: `size` of them, of which so many have `ended`, and `succeeded`; `states` counts them by state."""

    id: int
    name: str
    size: int
    max_active: int | None
    created_unix: float
    states: dict[str, int]
    ended: int
    succeeded: int


class Launched(msgspec.Struct, frozen=True):
    """Where a task was sent: job `job_id` on `cluster`."""

    cluster: str
    job_id: int


class Usage(msgspec.Struct, frozen=True):
    """What a running job uses on all its nodes: cores, GiB, and of each accelerator the share of time in which it computes (0 to 1)."""

    cpus: float
    memory_gib: float
    accelerators: tuple[float, ...] = ()


class Spending(msgspec.Struct, frozen=True):
    """`active` jobs whose plans cost `planned_usd_h` USD/hour; what stands costs `usd_h`, and `spent_usd` USD have gone in all."""

    active: int = 0
    planned_usd_h: float = 0.0
    usd_h: float = 0.0
    spent_usd: float = 0.0


class Summary(msgspec.Struct, frozen=True):
    """Managed jobs at a glance: how many in each state, real and rehearsed spending, the limits, the active ones, and what those use by number."""

    states: dict[str, int]
    real: Spending
    rehearsed: Spending
    limits: Limits
    active: tuple[ManagedJob, ...] = ()
    usage: dict[int, Usage] = {}

"""What a person asks for: a task and the resources it needs, as frozen typed values.

A value of these types that exists is valid; `tradewind.spec.load_task` makes them from YAML and names file, line and field when it refuses.
Spellings are SkyPilot's where it has one.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tradewind.spec.machine import (
    AcceleratorArgs,
    AttachedDisk,
    Autostop,
    DiskTier,
    Image,
    LocalDisk,
    MachineFeature,
    NetworkTier,
    PortRange,
)
from tradewind.spec.placing import Length, Placing
from tradewind.spec.service import Pool, Service
from tradewind.spec.settings import Settings
from tradewind.spec.storage import DataSize, GitSource, ManagedSecret, StorageMount, VolumeMount

Arch = Literal["x86_64", "arm64", "any"]
RunOn = Literal["all", "head"]
Engine = Literal["tradewind", "ray"]


class Quantity(msgspec.Struct, frozen=True):
    """An amount asked for: exactly `value`, or at least `value` when `at_least` ("4+"). vCPUs, or GiB for memory.

    `per_vcpu` marks SkyPilot's "4x" for memory: `value` GiB for each vCPU of the machine.
    """

    value: float
    at_least: bool = False
    per_vcpu: bool = False


class AcceleratorRequest(msgspec.Struct, frozen=True):
    """Accelerators on each node: the canonical or typed name ("A100", "A100-80GB") and the exact count (a fraction shares one device).

    With `memory` (GiB of one device) any accelerator of that memory does, and `name` is the maker's or "".
    """

    name: str
    count: float = 1
    memory: Quantity | None = None


class Infra(msgspec.Struct, frozen=True):
    """Where: cloud, region and zone; None means any. `infra: aws/us-east-1/use1-az1`, `*` in any place."""

    cloud: str | None = None
    region: str | None = None
    zone: str | None = None


class Resources(msgspec.Struct, frozen=True):
    """What each node needs. A dimension that is None is not limited (defaults are the optimizer's business, and printed).

    `accelerators` holds alternatives (any one of them does); empty means none asked. `arch` None means the default x86_64 unless a type or
    accelerator is named. `network_gbps` is the least Gbit/s that a node can count on. `max_hourly_cost` is USD/hour per node. `burstable` True admits shared-core types. `disk_size` in GB. `ports` are
    in order and apart, `labels` in order of their names.
    """

    infra: Infra = Infra()
    cpus: Quantity | None = None
    memory: Quantity | None = None
    accelerators: tuple[AcceleratorRequest, ...] = ()
    instance_type: str | None = None
    use_spot: bool = False
    arch: Arch | None = None
    burstable: bool = False
    max_hourly_cost: float | None = None
    accelerator_args: AcceleratorArgs | None = None
    disk_size: int | None = None
    disk_tier: DiskTier | None = None
    network_tier: NetworkTier | None = None
    local_disk: LocalDisk | None = None
    network_gbps: float | None = None
    features: tuple[MachineFeature, ...] = ()
    ports: tuple[PortRange, ...] = ()
    image: Image | None = None
    labels: tuple[tuple[str, str], ...] = ()
    volumes: tuple[AttachedDisk, ...] = ()


class FileMount(msgspec.Struct, frozen=True):
    """A local file or directory `source` (absolute) that appears at `target` on every node."""

    target: str
    source: str


class JobRecovery(msgspec.Struct, frozen=True):
    """How a managed job comes back.

    `strategy` says where after a loss: "eager" leaves the place that was lost, "failover" looks in the same region first, "deadline" mixes spot
    and on demand so that the task's deadline is met; an installed package may bring others. A program that
    fails is started again `max_restarts_on_errors` times, and without a limit when it exits with one of `recover_on_exit_codes` (0-255).
    SkyPilot's "dynamic_node_set" and its `min_nodes`, the fewest that go on after a loss, are read and not carried out yet.
    """

    strategy: str = "eager"
    max_restarts_on_errors: int = 0
    recover_on_exit_codes: tuple[int, ...] = ()
    min_nodes: int | None = None


class Task(msgspec.Struct, frozen=True):
    """One unit of work: `num_nodes` equal nodes, each matching one of `resources` (at least one entry; the alternatives of any_of, or with
    `ordered` in an order of preference).

    `setup` and `run` are shell, started on every node (`run_on` "all") or on the head only. `workdir` is an absolute local directory or None.
    `source` is the file the task was read from, for messages. `job_recovery`, `priority` (the higher goes first), `budget_usd` (USD, for
    the whole job) and `secrets` (names; their values never stand in a task) are a managed job's; `inline_secrets` names those whose values
    the file itself holds. `git` is the work directory when it is a repository. `deadline_hours` counts from the launch.
    `notes` are what SkyPilot notes in files for itself, by their dotted names. `depends_on` names tasks of the same file that must have succeeded before. `estimates` say how long its work takes on what.
    """

    name: str | None = None
    workdir: str | None = None
    num_nodes: int = 1
    resources: tuple[Resources, ...] = (Resources(),)
    envs: dict[str, str] = {}
    setup: str | None = None
    run: str | None = None
    run_on: RunOn = "all"
    file_mounts: tuple[FileMount, ...] = ()
    source: str | None = None
    job_recovery: JobRecovery = JobRecovery()
    priority: int = 0
    budget_usd: float | None = None
    secrets: tuple[str, ...] = ()
    ordered: bool = False
    git: GitSource | None = None
    storage_mounts: tuple[StorageMount, ...] = ()
    volumes: tuple[VolumeMount, ...] = ()
    inline_secrets: tuple[str, ...] = ()
    managed_secrets: tuple[ManagedSecret, ...] = ()
    service: Service | None = None
    pool: Pool | None = None
    inputs: DataSize | None = None
    outputs: DataSize | None = None
    config: Settings = Settings()
    event_callback: str | None = None
    api_server_access: bool = False
    autostop: Autostop | None = None
    priority_class: str | None = None
    elastic: bool = False
    engine: Engine = "tradewind"
    deadline_hours: float | None = None
    checkpoint: str | None = None
    share: str = ""
    depends_on: tuple[str, ...] = ()
    estimates: tuple[Length, ...] = ()
    placement: Placing = Placing()
    notes: dict[str, Any] = {}

"""`config:` of a task: the settings of the whole configuration that one task may override, and its hooks. Frozen values."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

HookEvent = Literal["stop", "preemption", "down"]
Free = dict[str, Any]  # as Kubernetes, Slurm or Vast reads it; only they know what is allowed


class Hook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shell that runs on a node before it goes; `timeout` in seconds."""

    EXACT: ClassVar = True

    run: Annotated[str, Meta(min_length=1, max_length=16 * 1024)]
    events: Annotated[tuple[HookEvent, ...], Meta(min_length=1)] = ("stop", "preemption", "down")
    timeout: Annotated[int, Meta(ge=1)] | None = None


class Docker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options for `docker run`."""

    run_options: str | tuple[str, ...] | None = None


class NvidiaGpus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether error correction is switched off."""

    disable_ecc: bool | None = None


class Pods(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How pods are made on machines reached by SSH; `provision_timeout` in seconds."""

    custom_metadata: Free = {}
    pod_config: Free = {}
    provision_timeout: int | None = None


class Kueue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The queue that admits pods; `admission_timeout` in seconds, -1 waits for ever."""

    local_queue_name: str | None = None
    admission_timeout: int | None = None


class Dws(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Google's dynamic workload scheduler; `max_run_duration` in minutes, or as `2h`."""

    enabled: bool | None = None
    max_run_duration: Annotated[str, Meta(pattern=r"^[0-9]+[mhdwMHDW]?$")] | int | None = None


class DockerInPods(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether containers may be run, or only built, in pods."""

    EXACT: ClassVar = True

    mode: Literal["ALL", "BUILD"]
    cache_volume: str | None = None


class Kubernetes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How pods are made on Kubernetes; `provision_timeout` in seconds."""

    UNKNOWN: ClassVar = "launch"
    EXACT: ClassVar = True

    custom_metadata: Free = {}
    pod_config: Free = {}
    provision_timeout: int | None = None
    dws: Dws | None = None
    kueue: Kueue | None = None
    quota: Free = {}
    remote_identity: str | dict[str, str] | None = None
    enable_docker: bool | Literal["ALL", "BUILD"] | DockerInPods | None = None
    set_pod_resource_limits: bool | Annotated[float, Meta(ge=1)] | None = None


class Azure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Azure's identity and network."""

    NULLS: ClassVar = ("vpc_name",)

    remote_identity: str | None = None
    vpc_name: str | None = None


class ManagedInstanceGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Google's resize requests: `run_duration` and `provision_timeout` in seconds."""

    run_duration: int
    provision_timeout: int | None = None


class Gcp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Google's network and the ways its machines are made."""

    NULLS: ClassVar = ("vpc_name", "subnet_names")

    vpc_name: Annotated[str, Meta(pattern=r"^(?:[-a-z0-9]+/)?[-a-z0-9]+$")] | None = None
    subnet_names: str | tuple[str, ...] | None = None
    managed_instance_group: ManagedInstanceGroup | None = None
    enable_gvnic: bool | None = None
    enable_gpu_direct: bool | None = None
    placement_policy: str | None = None


class Vast(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of Vast's machines, and what it is told of them."""

    datacenter_only: bool | None = None
    create_instance_kwargs: Free = {}


class Slurm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How jobs are given to Slurm."""

    UNKNOWN: ClassVar = "launch"

    sbatch_options: dict[str, str | int | float | bool | None] = {}
    quota: Free = {}
    cpu_partition: str | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one task overrides; what is None or empty it does not."""

    UNKNOWN: ClassVar = "launch"

    docker: Docker | None = None
    nvidia_gpus: NvidiaGpus | None = None
    ssh: Pods | None = None
    kubernetes: Kubernetes | None = None
    azure: Azure | None = None
    gcp: Gcp | None = None
    vast: Vast | None = None
    slurm: Slurm | None = None
    active_workspace: str | None = None
    hooks: Annotated[tuple[Hook, ...], Meta(max_length=32)] = ()

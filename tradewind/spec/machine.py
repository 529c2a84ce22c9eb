"""What is asked of a node beside its size: disks, network, ports, image, labels, its end when idle. Frozen values; SkyPilot's fields."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

DiskTier = Literal["low", "medium", "high", "ultra", "best"]
NetworkTier = Literal["standard", "best"]
LocalDiskKind = Literal["nvme", "ssd"]
MachineFeature = Literal["bare_metal", "efa", "infiniband", "nested_virtualization", "tier_1"]
StorageType = Literal["network", "instance"]
AttachMode = Literal["read_only", "read_write"]
WaitFor = Literal["jobs_and_ssh", "jobs", "none"]

DEFAULT_IDLE_MINUTES = (
    0  # SkyPilot 0.14's (AutostopConfig in sky/resources.py), for `autostop: true` and `{down: true}`
)


class PortRange(msgspec.Struct, frozen=True):
    """Ports from `first` to `last`, both included."""

    first: int
    last: int


class LocalDisk(msgspec.Struct, frozen=True):
    """Instance storage: of this kind if one is named, of this size (GB: exactly, or at least) if one is given."""

    kind: LocalDiskKind | None = None
    size_gb: float | None = None
    at_least: bool = False


class Image(msgspec.Struct, frozen=True):
    """What a node boots: `machine` everywhere, or the one of its region; `docker` is the container that the job runs in."""

    machine: str | None = None
    docker: str | None = None
    by_region: tuple[tuple[str, str], ...] = ()

    def machine_in(self, region: str) -> str:
        """What a machine in the region boots; "" where the person names nothing for it."""
        return dict(self.by_region).get(region, self.machine or "")


class Autostop(msgspec.Struct, frozen=True):
    """A cluster idle for `idle_minutes` is stopped, or ended when `down`. Idle: nothing that `wait_for` names goes on.

    `hook` is shell that runs before, for at most `hook_timeout` seconds.
    """

    idle_minutes: int = DEFAULT_IDLE_MINUTES
    down: bool = False
    wait_for: WaitFor = "jobs_and_ssh"
    hook: str | None = None
    hook_timeout: int | None = None


class AcceleratorArgs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a TPU is made."""

    runtime_version: str | None = None
    tpu_name: str | None = None
    tpu_vm: bool = True
    gcp_queued_resource: bool = False


class AttachedDisk(msgspec.Struct, frozen=True):
    """A disk of the cloud's beside the boot disk, mounted at `path`; `disk_size` in GB."""

    UNKNOWN: ClassVar = "ignored"

    path: str | None = None
    name: str | None = None
    disk_size: int | None = None
    disk_tier: DiskTier | None = None
    auto_delete: bool = False
    storage_type: StorageType | None = None
    attach_mode: AttachMode | None = None

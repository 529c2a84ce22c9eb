"""What a task brings along that is no local file: a git repository, buckets, volumes, secrets held elsewhere. Frozen values."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

Store = Literal[
    "S3", "GCS", "AZURE", "R2", "IBM", "OCI", "NEBIUS", "COREWEAVE", "VASTDATA", "HF", "VOLUME"
]  # fmt: skip
StorageMode = Literal["MOUNT", "COPY", "MOUNT_CACHED"]
StorageType = Literal["MODEL_CHECKPOINT_RO", "MODEL_CHECKPOINT_RW", "DATASET_RO", "DATASET_RW"]
# As rclone reads them: https://rclone.org/docs/#options
RcloneSize = Annotated[str, Meta(pattern=r"^[0-9]+[bkmgtpBKMGTP]?$")]
RcloneTime = Annotated[
    str, Meta(pattern=r"^(?:(?:[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:ms|[smhdwMy]))+|[-+]?(?:\d+(?:\.\d+)?|\.\d+))$")
]


class GitSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A git repository cloned on every node; `ref` is a branch, tag or commit, None the default branch."""

    url: str
    ref: str | None = None


class MountCached(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """rclone's knobs for a mount that writes back."""

    transfers: Annotated[int, Meta(ge=1)] | None = None
    buffer_size: RcloneSize | None = None
    vfs_cache_max_size: RcloneSize | None = None
    vfs_cache_max_age: RcloneTime | None = None
    vfs_read_ahead: RcloneSize | None = None
    vfs_read_chunk_size: RcloneSize | None = None
    vfs_read_chunk_streams: Annotated[int, Meta(ge=0)] | None = None
    vfs_write_back: RcloneTime | None = None
    read_only: bool | None = None


class Mount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a bucket is mounted; `hf_mount_args` are handed to hf-mount as they stand."""

    read_only: bool | None = None
    hf_mount_args: tuple[str, ...] = ()


class StorageConfig(msgspec.Struct, frozen=True):
    """What one kind of storage can be told."""

    UNKNOWN: ClassVar = "ignored"

    disk_size: str | int | None = None
    disk_tier: str | None = None
    storage_type: str | None = None
    attach_mode: str | None = None
    mount_cached: MountCached | None = None
    mount: Mount | None = None


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bucket: one that is there (`source` is its URL), or one called `name` that is made and filled from local `source`s."""

    NULLS: ClassVar = ("*",)

    name: str | None = None
    source: str | Annotated[tuple[str, ...], Meta(min_length=1)] | None = None
    store: Store | None = None
    persistent: bool = True
    mode: StorageMode = "MOUNT"
    type: StorageType | None = None
    config: StorageConfig | None = None


class StorageMount(msgspec.Struct, frozen=True):
    """A bucket that appears at `target` on every node."""

    target: str
    storage: Storage


class Volume(msgspec.Struct, frozen=True):
    """A volume by its name, or one of `size` that lives as long as the cluster."""

    UNKNOWN: ClassVar = "ignored"
    NULLS: ClassVar = ("*",)

    name: str | None = None
    size: str | int | None = None
    type: str | None = None
    sub_path: str | None = None
    use_existing: bool | None = None
    labels: dict[str, str] = {}
    config: dict[str, Any] = {}


class VolumeMount(msgspec.Struct, frozen=True):
    """A volume that appears at `path` on every node."""

    path: str
    volume: Volume


class ManagedSecret(msgspec.Struct, frozen=True):
    """A secret that a server holds: set as a variable, or written to the file `mount_path`. `scope` says whose it is: personal, workspace or global."""

    name: str
    mount_path: str | None = None
    scope: str | None = None


class DataSize(msgspec.Struct, frozen=True):
    """How much data (GB) comes from or goes to `uri`: what leaving a cloud is estimated by."""

    uri: str
    gigabytes: float

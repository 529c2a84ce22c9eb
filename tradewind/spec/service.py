"""`service:` and `pool:`: replicas behind one endpoint, and workers that wait for jobs. Frozen values; SkyPilot's fields and defaults."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Balancing = Literal["round_robin", "least_load", "instance_aware_least_load"]


class ReadinessProbe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A replica is ready once `path` answers; with `post_data` it is asked by POST. Times in seconds."""

    path: str
    initial_delay_seconds: float = 1200
    timeout_seconds: float = 15
    endpoint_probe_interval_seconds: float = 10
    consecutive_failure_threshold_timeout: float | None = None
    post_data: str | dict[str, Any] | None = None
    headers: dict[str, str] = {}


class ReplicaPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many replicas there are, by load; delays in seconds, `target_qps_per_replica` for all or for each accelerator."""

    min_replicas: Count
    max_replicas: Count | None = None
    num_overprovision: Count | None = None
    target_qps_per_replica: Annotated[float, Meta(ge=0)] | dict[str, Annotated[float, Meta(ge=0)]] | None = None
    dynamic_ondemand_fallback: bool = False
    base_ondemand_fallback_replicas: Count = 0
    spot_placer: Literal["dynamic_fallback"] | None = None
    upscale_delay_seconds: float = 300
    downscale_delay_seconds: float = 1200


class LoadBalancer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a stream may be silent, in seconds."""

    stream_timeout_seconds: float = 120


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Local files with the endpoint's key and certificate."""

    keyfile: str
    certfile: str


class Pool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Workers that keep waiting for managed jobs: a fixed number, or between two by the length of the queue."""

    workers: Count | None = None
    min_workers: Count | None = None
    max_workers: Count | None = None
    queue_length_threshold: Annotated[int, Meta(ge=1)] | None = None
    upscale_delay_seconds: Seconds | None = None
    downscale_delay_seconds: Seconds | None = None


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Replicas of the task behind one endpoint: a fixed number of `replicas` (or `workers`, SkyPilot's other word), or as `replica_policy` says; or a `pool`."""

    NULLS: ClassVar = ("*",)
    EXACT: ClassVar = True

    readiness_probe: str | ReadinessProbe = "/"
    replicas: int | None = None
    workers: int | None = None
    pool: Pool | None = None
    replica_policy: ReplicaPolicy | None = None
    ports: Port | None = None
    tls: Tls | None = None
    load_balancing_policy: Balancing | None = None
    load_balancer: LoadBalancer | None = None

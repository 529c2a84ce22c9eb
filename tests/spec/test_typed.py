"""Mappings as frozen types: services, pools, settings, buckets."""

from __future__ import annotations

import pytest

from tests.spec.reading import read, refusal
from tradewind.spec.service import Pool, ReadinessProbe, ReplicaPolicy, Service
from tradewind.spec.settings import Hook, Settings, Vast
from tradewind.spec.storage import GitSource, Storage, StorageMount, Volume, VolumeMount


def test_a_service() -> None:
    service = read(
        "envs: {P: /v1}\nservice: {readiness_probe: {path: $P}, replica_policy: {min_replicas: 1}}\n"
    ).service
    assert service == Service(ReadinessProbe("/v1"), replica_policy=ReplicaPolicy(1))
    assert read("pool: {workers: 2}\n").pool == Pool(2)


def test_buckets_and_volumes() -> None:
    task = read(
        "envs: {B: mine}\nfile_mounts: {/a: s3://$B/x, /b: {name: $B, store: GCS, mode: mount_cached}}\nvolumes: {/v: $B, /w: {size: 5}}\n"
    )
    assert task.storage_mounts == (
        StorageMount("/a", Storage(source="s3://mine/x", mode="COPY")),
        StorageMount("/b", Storage("mine", store="GCS", mode="MOUNT_CACHED")),
    )
    assert task.volumes == (VolumeMount("/v", Volume("mine")), VolumeMount("/w", Volume(size=5)))
    assert read("workdir: {url: u, ref: r}\n").git == GitSource("u", "r")


def test_settings() -> None:
    config = read("config: {hooks: [{run: echo}], vast: {create_instance_kwargs: {a: [1, 2001-01-01]}}}\n").config
    assert config == Settings(vast=Vast(create_instance_kwargs={"a": [1, "2001-01-01"]}), hooks=(Hook("echo"),))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("service: {replica: 1}", "service.replica: unknown field; did you mean 'replicas'?"),
        ("service: []", "service: must be a mapping of names to values, not a list"),
        ("service: {replicas: two}", "service.replicas: must be a whole number, not text"),
        ("service: {replica_policy: {min_replicas: -1}}", "service.replica_policy.min_replicas: must be at least 0"),
        ("service: {replicas: 1, workers: 2}", "service.replicas: workers is given too; keep one of the two"),
        ("service: {readiness_probe: {path: /, post_data: '{'}}", "service.readiness_probe.post_data: is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("config: {gcp: null}", "config.gcp: has no value; write one, or remove the field"),
        ("config: {hooks: [{run: a, events: [STOP]}]}", "config.hooks[0].events[0]: 'STOP' is none of down, preemption, stop; did you mean 'stop'?"),
        ("config: {hooks: [{run: a, events: [stop, stop]}]}", "config.hooks[0].events: names an event twice; keep one"),
        ("service: {ports: 0}", "service.ports: must be from 1 to 65535"),
        ("service: {readiness_probe: 5}", "service.readiness_probe: must be text or a mapping of names to values, not a number"),
        ("service: {tls: {keyfile: a}}", "service.tls: needs `certfile`"),
        ("service: {replicas: 1, replica_policy: {min_replicas: 1}}", "service.replicas: replica_policy is given too; keep one of the two"),
        ("service: {replica_policy: {min_replicas: 2, max_replicas: 1}}", "service.replica_policy.max_replicas: must not be below min_replicas"),
        ("service: {readiness_probe: {path: /, timeout_seconds: .inf}}", "service.readiness_probe.timeout_seconds: must be a finite number"),
        ("service: {load_balancing_policy: robin}", "service.load_balancing_policy: 'robin' is none of instance_aware_least_load, least_load, round_robin; did you mean 'round_robin'?"),
        ("{service: {}, pool: {}}", "service: pool is given too; a task is one of the two"),
        ("pool: {workers: 3, max_workers: 2}", "pool.max_workers: must not be below 3, the least that there are"),
        ("pool: {workers: 3, upscale_delay_seconds: 2}", "pool.upscale_delay_seconds: means nothing for a fixed number of workers; remove it"),
        ("file_mounts: {/a: {}}", "file_mounts./a: needs a `name` (a bucket to make or find) or a `source` (its URL)"),
        ("file_mounts: {/a: {source: /}}", "file_mounts./a: needs a `name` for the bucket that the local source is copied to"),
        ("file_mounts: {/a: {source: s3://b, name: c}}", "file_mounts./a.name: the source is a bucket already; remove the name"),
        ("file_mounts: {/a: {source: [/etc, s3://b], name: c}}", "file_mounts./a.source: mixes local paths and URLs; keep one kind"),
        ("file_mounts: {/a: {name: b, source: nowhere}}", "file_mounts./a.source: /nowhere does not exist; relative paths count from /"),
        ("file_mounts: {/a: {name: b, mode: MONT}}", "file_mounts./a.mode: 'MONT' is none of COPY, MOUNT, MOUNT_CACHED; did you mean 'MOUNT'?"),
        ("file_mounts: {/a: {name: b, config: {mount_cached: {buffer_size: 16X}}}}", "file_mounts./a.config.mount_cached.buffer_size: '16X' is not written as it must be (^[0-9]+[bkmgtpBKMGTP]?$)"),
        ("volumes: {/v: {type: x}}", "volumes./v: needs the `name` of a volume, or a `size` for one that goes with the cluster"),
        ("volumes: {/v: {size: big}}", "volumes./v.size: 'big' is no size of a disk; write 256 (GB) or 1TB"),
        ("config: {kubernets: {}}", "config.kubernets: unknown field; did you mean 'kubernetes'?"),
        ("config: {hooks: [{run: ''}]}", "config.hooks[0].run: must not be empty"),
        ("config: {hooks: [{run: a, events: []}]}", "config.hooks[0].events: must hold at least 1"),
        ("config: {nvidia_gpus: {disable_ecc: 'yes'}}", "config.nvidia_gpus.disable_ecc: must be true or false, not text"),
        ("inputs: {a: 1, b: 2}", "inputs: must be one URI with its size in GB"),
        ("deadline: soon", "deadline: 'soon' is no length of time; write 10h, 90m or 2d"),
        ("checkpoint: here", "checkpoint: 'here' is no place for checkpoints; write a URI such as s3://bucket/path"),
        ("elastic: 'yes'", "elastic: must be true or false, not text"),
    ],
)  # fmt: skip
def test_refusals(text: str, sentence: str) -> None:
    assert refusal(text + "\n") == f"t.yaml:1: {sentence}"

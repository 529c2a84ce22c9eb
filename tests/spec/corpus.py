"""Valid documents, one or more for each field and form: what every reader, writer and schema of this room must agree on."""

from __future__ import annotations

from tradewind.spec.fields import RESOURCE_FIELDS, SHARED_RESOURCE_FIELDS

RESOURCES: dict[str, tuple[str, ...]] = {
    "infra": ("aws", "'*'", "gcp/us-east1", "k8s", "k8s/my/context", "ssh/desks", "local"),
    "cloud": ("aws", "kubernetes"),
    "region": ("us-east-1",),
    "zone": ("us-east-1a",),
    "cpus": ("4", "'4'", "4+", "0.5+"),
    "memory": ("16", "16+", "16GB", "1TB+", "4x"),
    "accelerators": (
        "A100", "A100:8", "T4:0.5", "{A100: 8, H100: 4}", "{A100:8, H100:4}", "[A100, H100:8]", "80GB+", "any:2",
        "NVIDIA:40GB+:2", "{'80GB+': 2, T4: 1}", "tpu-v4-8",
    ),
    "gpus": ("L4:1", "[L4, T4]"),
    "accelerator_args": ("{runtime_version: tpu-vm-base, tpu_vm: false}", "{tpu_name: t, gcp_queued_resource: true}"),
    "instance_type": ("m5.large",),
    "use_spot": ("true", "false"),
    "arch": ("x86_64", "arm64", "any"),
    "burstable": ("true",),
    "max_hourly_cost": ("1.5", "2"),
    "disk_size": ("256", "'256'", "1TB", "300GB"),
    "ephemeral_storage": ("100",),
    "disk_tier": ("low", "medium", "high", "ultra", "best"),
    "network_tier": ("standard", "best"),
    "local_disk": ("nvme", "'nvme:500+'", "'ssd:300'", "'500'", "500+"),
    "network_speed": ("25", "25+", "2.5", "'100 Gbps'"),
    "features": ("efa", "[efa, bare_metal]", "[]"),
    "ports": ("8080", "8000-8010", "'80,443'", "[80, 81, '90-99', 8000]"),
    "image_id": (
        "docker:ubuntu:22.04", "{docker: nvcr.io/x}", "{docker: 'docker:x'}", "{}",
    ),
    "labels": ("{team: a, cost: b}",),
    "volumes": ("[{path: /mnt, name: d, disk_size: 10, disk_tier: high, auto_delete: true}]", "[{path: /m, disk_size: 1TB, storage_type: instance, attach_mode: read_only, more: 1}]"),
    "job_recovery": ("eager", "FAILOVER", "EAGER_NEXT_REGION", "none", "{strategy: null, max_restarts_on_errors: 3}", "{recover_on_exit_codes: 29}", "{recover_on_exit_codes: [33, 34]}", "{max_restarts_on_errors: 2.0}", "{strategy: DYNAMIC_NODE_SET, min_nodes: 1}", "{min_nodes: 2}"),
    "priority": ("0", "-1000", "1000"),
    "priority_class": ("high",),
    "autostop": ("true", "false", "10", "2h", "1d", "{idle_minutes: 10, down: true, wait_for: jobs}", "{hook: echo, hook_timeout: 5}", "{}"),
    "any_of": ("[{infra: aws}, {infra: gcp, use_spot: true}]", "[{cpus: 4}]", "[]"),
    "ordered": ("[{infra: aws}, {infra: gcp, gpus: L4}]", "[{cpus: 4}]"),
}  # fmt: skip

TASKS: dict[str, tuple[str, ...]] = {
    "name": ("a", "a.b_c-d"),
    "workdir": ("/", "{url: 'https://github.com/a/b', ref: main}", "{url: 'git@github.com:a/b.git'}"),
    "num_nodes": ("2",),
    "resources": tuple(f"{{{field}: {form}}}" for field, forms in RESOURCES.items() for form in forms),
    "envs": ("{A: 1, B: x, C: true, D: 1.5}", "{}", "{A: [1, x], B: {c: null}}"),
    "secrets": ("['secrets:A', 'secrets:global.B']", "{A: null, B: x, C: [1]}", "{'secrets:A': null, personal.B: null}"),
    "managed_secrets": ("[A, {B: {mount_path: /run/b}}, {}, 'secrets:workspace.C', {global.D: {mount_path: /run/d}}]",),
    "setup": ("echo",),
    "run": ("'echo\n\n  hello'",),
    "run_on": ("all", "head"),
    "file_mounts": (
        "{/a: /etc, /b/../c: /tmp}",
        "{/a: {store: volume, name: d, config: {disk_size: 10}}}",
        "{/a: 's3://b/c', /b: 'https://acct.blob.core.windows.net/c'}",
        "{/a: {name: b, source: /etc, store: s3, persistent: false, mode: MOUNT}}",
        "{/a: {source: 'gs://b', mode: copy}, /b: {name: n, mode: mount_cached, type: MODEL_CHECKPOINT_RW}}",
        "{/a: {name: b, source: [/etc, /tmp], store: null, _force_delete: true}}",
        "{/a: {name: b, config: {disk_size: 10, mount_cached: {transfers: 4, buffer_size: 16M, vfs_write_back: 5s, read_only: true}}, mode: MOUNT_CACHED}}",
        "{/a: {name: b, config: {mount: {hf_mount_args: [a]}, more: 1}}}",
    ),
    "volumes": ("{/v: data}", "{/v: {size: 10GB, type: k8s-pvc, labels: {a: b}, config: {access_mode: x}}}", "{/v: {name: d, sub_path: x}}"),
    "estimates": ("{'A100:8': 10h, p4d.24xlarge: 9.5}", "{H100: 90m}"),
    "placement": (
        "{exclude: [aws/us-gov-*], continents: [Europe], countries: [DE, FR], max_nodes_per_zone: 2, max_carbon: 2.5, minimize: 'cost,time'}",
        "{interruptions: true}",
        "{interruptions: {every: 1h, checkpoint: 30s, restart: 5m, wait: 0.1}}",
        "{quotas: {aws/us-east-1: 32 vcpus, gcp: 4}, shares: {aws: 50%, gcp: 0.5}, reserved: {aws/*/*/m6a.2xlarge: 3}}",
    ),
    "budget": ("20", "20 USD"),
    "deadline": ("10h", "90m", "2d", "10"),
    "checkpoint": ("'s3://b/c'", "/shared/x"),
    "share": ("anna",),
    "depends_on": ("prepare", "[prepare, fetch]"),
    "elastic": ("true",),
    "engine": ("ray", "tradewind"),
    "service": (
        "{readiness_probe: /health, replicas: 2}",
        "{workers: 2, tls: null}",
        "{pool: {workers: 2}}",
        "{readiness_probe: {path: /v1, initial_delay_seconds: 20, post_data: {a: [1, {b: null}]}, headers: {A: b}}, replica_policy: {min_replicas: 1, max_replicas: 3, target_qps_per_replica: 2.5, spot_placer: dynamic_fallback}}",
        "{readiness_probe: {path: /, post_data: '{}'}, replica_policy: {min_replicas: 0, max_replicas: 2, target_qps_per_replica: {H100: 5, 'A100:2': 2}}, ports: 8080, tls: {keyfile: /k, certfile: /c}, load_balancing_policy: instance_aware_least_load, load_balancer: {stream_timeout_seconds: 60}}",
    ),
    "pool": ("{workers: 3}", "{min_workers: 0, max_workers: 5, queue_length_threshold: 2, upscale_delay_seconds: 1.5}", "{workers: 2, max_workers: 3}"),
    "inputs": ("{'s3://b': 10}", "{'s3://b': 0}"),
    "outputs": ("{'s3://b': 0.5}",),
    "config": (
        "{docker: {run_options: [--shm-size=1g]}, nvidia_gpus: {disable_ecc: true}, active_workspace: w}",
        "{docker: {run_options: --rm}, ssh: {pod_config: {spec: {a: [1]}}, provision_timeout: 9}}",
        "{kubernetes: {enable_docker: true, set_pod_resource_limits: 1.5, kueue: {local_queue_name: q}, dws: {enabled: true, max_run_duration: 2h}, remote_identity: {a: b}}}",
        "{kubernetes: {enable_docker: {mode: ALL, cache_volume: c}, set_pod_resource_limits: false, remote_identity: x}}",
        "{gcp: {vpc_name: v, subnet_names: [a], managed_instance_group: {run_duration: 60}, enable_gvnic: true}, azure: {vpc_name: v}, vast: {datacenter_only: true}, slurm: {sbatch_options: {a: 1, b: null}, cpu_partition: p}}",
        "{gcp: {vpc_name: null, subnet_names: null}, azure: {vpc_name: null}}",
        "{hooks: [{run: echo, events: [stop, down], timeout: 5}, {run: echo}]}",
    ),
    "event_callback": ("echo",),
    "api_server_access": ("true",),
}  # fmt: skip

# As an alternative may say it: one accelerator, with its count.
ONE = {"accelerators": ("A100", "T4:0.5", "{A100: 8}", "80GB+"), "gpus": ("L4:1",)}
NOTES = (
    "_metadata: {a: 1}\n", "file_mounts_mapping: {a: b}\n", "volume_mounts: []\n", "_metadata: null\nrun: x\n",
    "resources: {_requires_fuse: true, _cluster_config_overrides: {gcp: {vpc_name: v}}}\n",
    "resources: {infra: aws/us-east-1, image_id: ami-1}\n", "resources: {infra: aws, image_id: {us-east-1: ami-1, us-west-2: ami-2, docker: x}}\n",
    "resources: {infra: slurm, memory: 0}\n",
    "resources: {accelerators: {A100: 1, V100: 1}, any_of: [{infra: aws}, {infra: gcp, gpus: T4}]}\n",
)  # fmt: skip

DOCUMENTS = (
    NOTES
    + tuple(f"{field}: {form}\n" for field, forms in TASKS.items() for form in forms)
    + tuple(
        f"resources:\n  any_of:\n  - {{{field}: {form}}}\n"
        for field, forms in RESOURCES.items()
        if field in RESOURCE_FIELDS or field in SHARED_RESOURCE_FIELDS
        for form in ONE.get(field, forms)
    )
)

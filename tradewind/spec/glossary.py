"""What each field of a task file means, in a line: for the page, the JSON Schema and the editors that read it."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """`form` is how a value is written (Markdown), `meaning` a sentence or two."""

    form: str
    meaning: str


TASK = {
    "name": Entry("text", "Its name in tables: letters, digits, `.`, `_`, `-`; at most 63, starting with a letter or digit."),
    "workdir": Entry(
        "path, or `{url, ref}`",
        "A local directory, copied to every node and the current directory of `setup` and `run`; or a git repository, fetched here with your own git and pinned to the commit that `ref` (a branch, tag or commit; the default branch without it) means when the task is submitted. Relative paths count from where you run the command.",
    ),
    "num_nodes": Entry("whole number", "How many equal nodes; they start together, in one zone. Default 1."),
    "resources": Entry("map", "What each node needs: below."),
    "envs": Entry(
        "map",
        "Variables for `setup` and `run`; values become text as Python's `str` makes it, and one without a value must be given with `--env`. Also substituted as `$NAME` in `workdir`, `file_mounts`, `volumes`, `service` and `checkpoint`.",
    ),
    "secrets": Entry(
        "list of names, or map",
        "Variables whose values are given with `--secret` when the task is submitted; never written in clear, starred out of its output. In a list each is written `secrets:NAME`; a value written in the file is handed over as a secret, and kept nowhere else.",
    ),
    "managed_secrets": Entry("list of names, or `{NAME: {mount_path}}`", "Secrets that a server holds."),
    "setup": Entry("shell", "Runs on every node before `run`, once for each job."),
    "run": Entry("shell", "The job. On every node, or as `run_on` says."),
    "run_on": Entry(
        "`all` or `head`",
        "Where `run` runs. `head` suits a program that joins the cluster with `tradewind.runtime.init()`. Default `all`.",
    ),
    "file_mounts": Entry(
        "map",
        "Target on the node: local file or directory, a bucket's URL, or a storage map `{name, source, store, persistent, mode, type, config}`.",
    ),
    "volumes": Entry("map", "Path on the node: a volume's name, or `{size, ...}` for one that goes with the cluster."),
    "estimates": Entry(
        "`{A100:8: 10h}`",
        "How long the work takes on machines with these accelerators, or of an instance type. Other accelerators follow from their datasheets.",
    ),
    "placement": Entry(
        "map",
        "Limits on where it may run: `exclude` (patterns `cloud/region/zone/type` with `*`), `continents`, `countries`, `quotas` (`{aws/us-east-1: 32 vcpus}`), `shares` (`{aws: 50%}` of all nodes), `reserved` (`{pattern: nodes}` paid already), `max_nodes_per_zone`, `max_carbon` (kg CO2e), `interruptions` (true, or `{every, checkpoint, restart, wait}` as times: what losing spot machines is expected to cost is counted), and what the plan is least in: `minimize` (`cost`, `time`, `carbon`, `cost,time`, `cost+0.1*carbon`).",
    ),
    "budget": Entry(
        "`20`, `20 USD`", "What a managed job may cost in all; it is warned at 80 % and ended when it is spent."
    ),
    "deadline": Entry("`10h`, `90m`, `2d`", "How long after its launch the job should have ended."),
    "share": Entry("name", "Whom a managed job is for, a person or a team: of equal priority, whoever has the fewest active comes next."),
    "checkpoint": Entry("URI", "Where checkpoints are kept, such as `s3://bucket/path`."),
    "depends_on": Entry(
        "name or list of names",
        "The tasks of the same file that must have succeeded before this one starts. Without it anywhere, each task of a file follows the one before it.",
    ),
    "elastic": Entry("true or false", "The program goes on when a node is lost. Default false."),
    "engine": Entry("`tradewind` or `ray`", "What runs the cluster's tasks and actors. Default `tradewind`."),
    "service": Entry(
        "map", "Replicas behind one endpoint: `readiness_probe`, `replicas` or `replica_policy`, `ports`, `tls`, `load_balancing_policy`, `load_balancer`."
    ),
    "pool": Entry(
        "map", "Workers that wait for managed jobs: `workers`, or `min_workers` and `max_workers`, `queue_length_threshold`, delays in seconds."
    ),
    "inputs": Entry("`{uri: GB}`", "How many GB lie where already: `{aws/us-east-1: 200}`. Moving them to the machines is counted in a plan."),
    "outputs": Entry("`{uri: GB}`", "How many GB the task writes, under any name; in a chain the next task reads them."),
    "config": Entry(
        "map",
        "`hooks` run on each node before it goes ([clusters](clusters.md#before-a-machine-goes)). Read and not there yet: `docker`, `nvidia_gpus`, `ssh`, `kubernetes`, `azure`, `gcp`, `vast`, `slurm`, `active_workspace`.",
    ),
    "event_callback": Entry("shell", "Runs when the job's state changes."),
    "api_server_access": Entry("true or false", "The job may launch others. Default false."),
}  # fmt: skip

RESOURCES = {
    "infra": Entry(
        "`cloud[/region[/zone]]`",
        "Where; `*` for any part. `local` is this machine, `ssh/POOL` machines of your own, `k8s/CONTEXT` a cluster.",
    ),
    "cloud": Entry("text", "The old form of `infra`."),
    "region": Entry("text", "The old form of `infra`."),
    "zone": Entry("text", "The old form of `infra`."),
    "cpus": Entry("`4`, `4+`", "vCPUs: exactly, or at least."),
    "memory": Entry("`16`, `16+`, `16GB`, `1TB+`, `4x`", "GiB: exactly, at least, or for each vCPU."),
    "accelerators": Entry(
        "`A100`, `A100:8`, `T4:0.5`, `80GB+`, `any:2`, map, list",
        "Accelerators of each node, by name or by memory; `any` is whichever is cheapest. A map names alternatives, the cheapest is taken; a list is in order of preference.",
    ),
    "gpus": Entry("", "Another spelling of `accelerators`."),
    "accelerator_args": Entry("map", "How a TPU is made: `runtime_version`, `tpu_name`, `tpu_vm`, `gcp_queued_resource`."),
    "instance_type": Entry("text", "The cloud's own name of the machine."),
    "use_spot": Entry("true or false", "Buy spot, and spot only. Default false."),
    "arch": Entry(
        "`x86_64`, `arm64`, `any`",
        "The processor's architecture. Default `x86_64`, unless a type or an accelerator is named.",
    ),
    "burstable": Entry("true or false", "Admit shared-core types. Default false."),
    "max_hourly_cost": Entry("USD", "At most this for one node and hour; the spot price when `use_spot` is true."),
    "disk_size": Entry("`256`, `1TB`", "The boot disk, in GB, on AWS, Google Cloud and Azure. Prices shown are the machines', without disks."),
    "ephemeral_storage": Entry("", "The old form of `disk_size`."),
    "disk_tier": Entry("`low`, `medium`, `high`, `ultra`, `best`", "How fast the boot disk is: a magnetic or standard one, a plain SSD (the default), a fast SSD; `ultra` is AWS's io2 alone; `best` the fastest that the cloud boots from."),
    "network_tier": Entry("`standard`, `best`", "`standard` is what machines have; `best` takes AWS's machines with EFA alone, and gives each an EFA interface on its first network card."),
    "local_disk": Entry("`nvme`, `ssd:300`, `nvme:500+`", "Only machines that come with such instance storage, in GB, all disks together; an NVMe drive is an SSD too. It is there unformatted (Azure mounts it at `/mnt`) and gone with the machine."),
    "network_speed": Entry("`25`, `25+`", "Only machines whose network has at least so many Gbit/s: on AWS the baseline, elsewhere the cloud's published most."),
    "features": Entry("`efa`, `infiniband`, `tier_1`, `bare_metal`, `nested_virtualization`, list", "Only machines of which a source says that they have all of these. What the cloud switches on by itself is there; `tier_1` must be bought and switched on at Google."),
    "ports": Entry("`8080`, `8000-8010`, list", "TCP ports that the world may reach while the cluster is up; `tradewind ports NAME` shows where."),
    "image_id": Entry("text, `docker:IMAGE`, or map of regions", "What the machines boot, by the cloud's own name: an AMI with its region, `projects/P/global/images/I`, `publisher:offer:sku:version`. It must run cloud-init. Containers are refused, as they are not there yet."),
    "labels": Entry("map", "Tags on the machines and disks that are bought, shown in `tradewind status --json`; those of an alternative are added to those beside it."),
    "volumes": Entry("list", "Disks of the cloud's: `{path, name, disk_size, disk_tier, auto_delete, storage_type, attach_mode}`."),
}  # fmt: skip

SHARED = {
    "job_recovery": Entry(
        "`eager`, `failover`, `deadline`, map",
        "Where a managed job goes after a loss: elsewhere, first the same region, or to spot or on demand as its `deadline` allows. An installed package may bring others (entry points `tradewind.strategies`). As a map: `strategy`, `max_restarts_on_errors` (default 0) and `recover_on_exit_codes`.",
    ),
    "priority": Entry(
        "whole number", "From -1000 to 1000; of the managed jobs that wait, the higher goes first. Default 0."
    ),
    "priority_class": Entry("text", "A class of priority by its name."),
    "autostop": Entry(
        "true, minutes, `2h`, or map",
        "The cluster is stopped once it is idle that long (true: at once, as in SkyPilot), or ended with `down: true`. As a map: `idle_minutes`, `down`, and what it is not idle during, `wait_for`: `jobs_and_ssh` (the default), `jobs`, or `none`. This machine and machines of your own end instead of stopping.",
    ),
}

ALTERNATIVES = {
    "any_of": Entry("list of maps", "Alternatives; the cheapest is taken. What stands beside it holds for all of them; each names one accelerator at most."),
    "ordered": Entry("list of maps", "Alternatives in order of preference; a later one is taken when there is no plan with those before it."),
}  # fmt: skip

"""The fields of a task file: which there are, which are known but not built, and the nearest spelling of those that are neither."""

from __future__ import annotations

from collections.abc import Iterable

TASK_FIELDS = (
    "name",
    "workdir",
    "num_nodes",
    "resources",
    "envs",
    "setup",
    "run",
    "run_on",
    "file_mounts",
    "budget",
    "secrets",
)
RESOURCE_FIELDS = (
    "infra",
    "cloud",
    "region",
    "zone",
    "cpus",
    "memory",
    "accelerators",
    "gpus",
    "instance_type",
    "use_spot",
    "arch",
    "burstable",
    "max_hourly_cost",
)
# Of the task as a whole, and under `resources` because SkyPilot has them there; not of one alternative.
SHARED_RESOURCE_FIELDS = ("job_recovery", "priority")

# Valid elsewhere or planned, and refused here by name so that nothing that a person wrote is silently without effect.
TASK_FIELDS_TO_COME = frozenset(
    {
        "api_server_access", "checkpoint", "config", "deadline", "elastic", "engine", "event_callback", "inputs",
        "managed_secrets", "outputs", "pool", "service", "volumes",
    }
)  # fmt: skip
RESOURCE_FIELDS_TO_COME = frozenset(
    {
        "accelerator_args", "autostop", "disk_size", "disk_tier", "image_id", "labels", "local_disk", "network_tier",
        "ordered", "ports", "priority_class", "volumes",
    }
)  # fmt: skip


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that a person most likely meant by `word`, or "" when none is near."""
    from difflib import get_close_matches  # only an error needs it

    by_folded = {name.lower().replace("-", "_"): name for name in known}
    folded = word.lower().replace("-", "_")
    if folded in by_folded:
        return by_folded[folded]
    matches = get_close_matches(folded, list(by_folded), n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else ""

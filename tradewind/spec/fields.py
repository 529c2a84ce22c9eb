"""The fields of a task file, and the nearest spelling of one that is none."""

from __future__ import annotations

from collections.abc import Iterable

TASK_FIELDS = (
    "name", "workdir", "num_nodes", "resources", "envs", "secrets", "managed_secrets", "setup", "run", "run_on", "file_mounts", "volumes",
    "estimates", "placement", "budget", "deadline", "checkpoint", "share", "elastic", "engine", "service", "pool", "inputs", "outputs", "config", "event_callback",
    "depends_on",
    "api_server_access",
)  # fmt: skip
RESOURCE_FIELDS = (
    "infra", "cloud", "region", "zone", "cpus", "memory", "accelerators", "gpus", "accelerator_args", "instance_type", "use_spot", "arch",
    "burstable", "max_hourly_cost", "disk_size", "ephemeral_storage", "disk_tier", "network_tier", "local_disk", "network_speed", "features", "ports",
    "image_id",
    "labels", "volumes",
)  # fmt: skip
# Of the task as a whole, though SkyPilot has them under `resources`.
SHARED_RESOURCE_FIELDS = ("job_recovery", "priority", "priority_class", "autostop")
# SkyPilot's own notes to itself: its schema has them and no person writes them.
TASK_NOTES = ("volume_mounts", "file_mounts_mapping", "_metadata", "_user_specified_yaml")
STORAGE_NOTES = ("_is_sky_managed", "_bucket_sub_path", "_force_delete")
RESOURCE_NOTES = (
    "_docker_login_config", "_docker_username_for_runpod", "_is_image_managed", "_requires_fuse", "_cluster_config_overrides",
    "_no_missing_accel_warnings",
)  # fmt: skip


def nearest(word: str, known: Iterable[str], *, least: float = 0.6) -> str:
    """The known word that a person most likely meant by `word`, or "" when none is near (`least`: difflib's ratio, 0 to 1)."""
    from difflib import get_close_matches  # only an error needs it

    by_folded = {name.lower().replace("-", "_"): name for name in known}
    folded = word.lower().replace("-", "_")
    if folded in by_folded:
        return by_folded[folded]
    matches = get_close_matches(folded, list(by_folded), n=1, cutoff=least)
    return by_folded[matches[0]] if matches else ""

"""What a job is told about itself in variables that its agent cannot know. Pure.

Names that start with SKYPILOT_ are those of SkyPilot 0.14 (docs.skypilot.co, "Environment variables"), so that its task files run unchanged.
"""

from __future__ import annotations

import json

from tradewind.broker.store.records import ClusterRow, JobRow


def job_variables(job: JobRow, cluster: ClusterRow, user: str) -> dict[str, str]:
    """The variables, over which those of the task win. A managed job's SKYPILOT_TASK_ID is the same in all its attempts."""
    place = cluster.place
    info = {"cluster_name": cluster.name, "cloud": place.cloud, "region": place.region, "zone": place.zone or None}
    found = {
        "SKYPILOT_CLUSTER_INFO": json.dumps(info),
        "SKYPILOT_INTERNAL_JOB_ID": str(job.id),
        "SKYPILOT_USER": user,
    }
    if job.managed_job_id is not None:
        task_id = f"tradewind-managed-{job.managed_job_id}"
        found |= {
            "TRADEWIND_MANAGED_JOB_ID": str(job.managed_job_id),
            "SKYPILOT_MANAGED_JOB_ID": str(job.managed_job_id),
            "SKYPILOT_TASK_ID": task_id,
            "SKYPILOT_TASK_IDS": task_id,
        }
    for ours, theirs in (("TRADEWIND_ARRAY_INDEX", "SKYPILOT_JOB_RANK"), ("TRADEWIND_ARRAY_SIZE", "SKYPILOT_NUM_JOBS")):
        if ours in job.task.envs:
            found[theirs] = job.task.envs[ours]
    return found | job.task.envs

"""What a job finds in its environment. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tradewind.agent.protocol import Configure, StartJob

JOB_MARK = "TRADEWIND_JOB_MARK"
AGENT_MARK = "TRADEWIND_AGENT_HOME"

# the agent's own business, not a job's
_DROPPED = ("TRADEWIND_HOST_SOCKET",)


def job_mark(home: str, job_id: str) -> str:
    """The mark that every process of a job carries: "NAME=value"."""
    return f"{JOB_MARK}={home}:{job_id}"


def agent_mark(home: str) -> str:
    """The mark that everything started by the agents of this home carries: "NAME=value"."""
    return f"{AGENT_MARK}={home}"


def place_environment(base: Mapping[str, str], place: Configure, *, home: str, python: str) -> dict[str, str]:
    """What every process of the cluster finds here: `base`, the node's place, the home, and the interpreter first on PATH.

    Names that start with SKYPILOT_ are those of SkyPilot 0.14 (docs: "Environment variables"), so that its task files run unchanged.
    """
    ips = "\n".join(place.node_ips)
    gpus = str(int(place.accelerator_count))
    return {
        **{name: value for name, value in base.items() if name not in _DROPPED},
        "HOME": home,
        "PATH": os.pathsep.join([os.path.dirname(python), base.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": base.get("PYTHONUNBUFFERED", "1"),  # a line printed is a line seen
        AGENT_MARK: home,
        "TRADEWIND_CLUSTER": place.cluster,
        "TRADEWIND_NODE_RANK": str(place.rank),
        "TRADEWIND_NUM_NODES": str(len(place.node_ips)),
        "TRADEWIND_NODE_IPS": ips,
        "TRADEWIND_NUM_GPUS_PER_NODE": gpus,
        "SKYPILOT_NODE_RANK": str(place.rank),
        "SKYPILOT_NUM_NODES": str(len(place.node_ips)),
        "SKYPILOT_NODE_IPS": ips,
        "SKYPILOT_NUM_GPUS_PER_NODE": gpus,
    }


def job_environment(
    node: Mapping[str, str], order: StartJob, *, home: str, runtime_address: str, checkpoint_dir: str
) -> dict[str, str]:
    """The node's environment, the job's own names, then what the task sets; the mark cannot be set by a task."""
    name, _, value = job_mark(home, order.job_id).partition("=")
    own = {
        "TRADEWIND_JOB_ID": order.job_id,
        "TRADEWIND_CHECKPOINT_DIR": checkpoint_dir,
        "SKYPILOT_TASK_ID": order.job_id,
    }
    if order.phase == "setup":
        own |= {
            name.replace("SKYPILOT_", "SKYPILOT_SETUP_"): node[name]
            for name in ("SKYPILOT_NODE_IPS", "SKYPILOT_NODE_RANK", "SKYPILOT_NUM_GPUS_PER_NODE")
            if name in node
        }
    if runtime_address:
        own["TRADEWIND_ADDRESS"] = runtime_address
    return {**node, **own, **order.envs, **order.secret_envs, AGENT_MARK: home, name: value}

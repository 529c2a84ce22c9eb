"""What a task asks that is valid and that nothing here carries out yet: one sentence each, so that nothing is silently without effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from tradewind.spec.errors import SpecError
from tradewind.spec.place import CLUSTERS
from tradewind.spec.settings import Settings
from tradewind.spec.task import Resources, Task
from tradewind.spec.typed import written

Use = Literal["plan", "launch", "job", "exec"]

# field of Resources -> the field as written, and what it is
_EQUIPMENT = {
    "accelerator_args": ("accelerator_args", "settings of TPUs are"),
    "volumes": ("volumes", "attached disks are"),
}
# field of Task -> the field as written, and what it is
_WHOLE = {
    "storage_mounts": ("file_mounts", "buckets and URLs are", "name a local file or directory"),
    "volumes": ("volumes", "volumes are", ""),
    "managed_secrets": ("managed_secrets", "secrets held by a server are", "use `secrets` and --secret"),
    "service": ("service", "services are", ""),
    "pool": ("pool", "pools are", ""),
    "event_callback": ("event_callback", "callbacks are", ""),
    "api_server_access": ("api_server_access", "launching from within a job is", ""),
    "priority_class": ("resources.priority_class", "classes of priority are", "use `priority`"),
}  # fmt: skip


def not_built(task: Task, use: Use = "plan") -> tuple[str, ...]:
    """For each field of `task` that `use` could not carry out, a sentence that names it; empty when all can be.

    `exec` runs on machines that are there, so that nothing under `resources` matters to it.
    """
    found = list(_of_task(task, use))
    if use == "exec":
        return tuple(found)
    each = [tuple(_of_node(resources)) for resources in task.resources]
    found += [f"resources.{sentence}" for sentence in each[0] if all(sentence in others for others in each)]
    name = "ordered" if task.ordered else "any_of"
    for index, sentences in enumerate(each):
        found += [
            f"resources.{name}[{index}].{sentence}"
            for sentence in sentences
            if not all(sentence in others for others in each)
        ]
    return tuple(found)


def refuse_unbuilt(task: Task, use: Use = "plan") -> None:
    """Nothing that the task asks is beyond `use`. Raises SpecError with the first sentence of `not_built`."""
    for sentence in not_built(task, use):
        field, _, message = sentence.partition(": ")
        raise SpecError(task.source or "the task", 0, 0, field, message)


def _not_there(field: str, what: str, instead: str = "") -> str:
    return f"{field}: {what} not there yet; {instead or 'remove the field to go on without'}"


def _of_task(task: Task, use: Use) -> Iterator[str]:
    defaults = Task()
    for name, (field, what, instead) in _WHOLE.items():
        if getattr(task, name) != getattr(defaults, name) and not (use == "exec" and field.startswith("resources.")):
            yield _not_there(field, what, instead)
    for name in task.notes:
        yield f"{name}: is a note of SkyPilot's to itself; remove it"
    if task.depends_on:
        names = ", ".join(task.depends_on)
        yield f"depends_on: {names} must stand in the same file; `tradewind jobs launch FILE` takes all its tasks"
    if task.engine != "tradewind":
        yield _not_there("engine", f"the engine {task.engine} is", "remove the field to run on tradewind's own")
    for name in task.inline_secrets if use != "plan" else ():
        yield f"secrets.{name}: the value in the file is no part of the task; give it with --secret {name}, or as secrets= in Python"
    if task.config != Settings():
        for name in (name for name in written(task.config) if name != "hooks"):
            yield _not_there(f"config.{name}", "settings of one task are")
    if use in {"launch", "exec"} and task.checkpoint is not None:
        yield "checkpoint: checkpoints are kept for managed jobs; use `tradewind jobs launch`"
    if use in {"launch", "exec"} and task.share:
        yield "share: turns are taken in the queue of managed jobs; use `tradewind jobs launch`"
    if use in {"launch", "exec"} and task.elastic:
        yield "elastic: nodes of managed jobs are replaced; use `tradewind jobs launch`"
    if use != "exec" and task.job_recovery.strategy == "dynamic_node_set":
        yield _not_there(
            "resources.job_recovery",
            "sets of nodes that change are",
            "`elastic: true` goes on with the nodes that are left",
        )
    elif use != "exec" and task.job_recovery.min_nodes is not None:
        yield _not_there(
            "resources.job_recovery.min_nodes",
            "a least number of nodes is",
            "`elastic: true` goes on with whatever is left",
        )
    if use == "job" and task.job_recovery.strategy == "deadline" and task.deadline_hours is None:
        yield "job_recovery: the strategy deadline needs one; add `deadline: 20h`, or whatever it is"
    if use == "launch" and task.deadline_hours is not None:
        yield _not_there("deadline", "a deadline on a cluster is", "use `tradewind jobs launch`")
    if use == "launch" and task.budget_usd is not None:
        yield "budget: it is kept for managed jobs only as yet; use `tradewind jobs launch`"
    if use != "exec":
        yield from _of_cluster(task)


def _of_cluster(task: Task) -> Iterator[str]:
    autostop = task.autostop
    if autostop is not None and autostop.hook is not None:
        yield _not_there("resources.autostop.hook", "hooks are")


def _of_node(resources: Resources) -> Iterator[str]:
    cloud = resources.infra.cloud
    if cloud in CLUSTERS and cloud != "ssh":
        yield _not_there("infra", f"{cloud} is", "name a cloud, or local for this machine")
    if resources.image is not None and resources.image.docker is not None:
        yield _not_there("image_id", "containers are", "name a machine's image, or install in `setup`")
    for name, (field, what) in _EQUIPMENT.items():
        if getattr(resources, name):
            yield _not_there(field, what)


# The fields, as written, of which `not_built` tells whenever they are given; of others it tells for some values only.
UNBUILT_FIELDS = frozenset(
    {
        *(field for name, (field, _, _) in _WHOLE.items() if name != "storage_mounts"),
        *(f"resources.{field}" for field, _ in _EQUIPMENT.values()),
    }
)

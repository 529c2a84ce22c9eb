"""A task in the spelling of a task file: the normal form that `validate` prints, which reads back as the same task."""

from __future__ import annotations

from typing import cast

from tradewind.spec.task import Infra, JobRecovery, Quantity, Resources, Task


def normal_form(task: Task) -> dict[str, object]:
    """The fields of `task` that differ from their defaults, as plain values in a task file's own spelling."""
    form: dict[str, object] = {}
    if task.name is not None:
        form["name"] = task.name
    if task.workdir is not None:
        form["workdir"] = task.workdir
    if task.num_nodes != 1:
        form["num_nodes"] = task.num_nodes
    alternatives = [_resources(alternative) for alternative in task.resources]
    if len(alternatives) > 1:
        form["resources"] = {"any_of": alternatives}
    elif alternatives[0]:
        form["resources"] = alternatives[0]
    shared = _shared(task)
    if shared:
        form["resources"] = {**cast("dict[str, object]", form.get("resources", {})), **shared}
    if task.envs:
        form["envs"] = dict(task.envs)
    if task.file_mounts:
        form["file_mounts"] = {mount.target: mount.source for mount in task.file_mounts}
    if task.setup is not None:
        form["setup"] = task.setup
    if task.run is not None:
        form["run"] = task.run
    if task.run_on != "all":
        form["run_on"] = task.run_on
    if task.budget_usd is not None:
        form["budget"] = task.budget_usd
    if task.secrets:
        form["secrets"] = list(task.secrets)
    return form


def _shared(task: Task) -> dict[str, object]:
    """What stands under `resources` and is the whole task's."""
    form: dict[str, object] = {}
    recovery = task.job_recovery
    if recovery != JobRecovery():
        form["job_recovery"] = {
            "strategy": recovery.strategy,
            "max_restarts_on_errors": recovery.max_restarts_on_errors,
            "recover_on_exit_codes": list(recovery.recover_on_exit_codes),
        }
    if task.priority:
        form["priority"] = task.priority
    return form


def _resources(resources: Resources) -> dict[str, object]:
    form: dict[str, object] = {}
    if resources.infra != Infra():
        form["infra"] = _infra(resources.infra)
    if resources.cpus is not None:
        form["cpus"] = _quantity(resources.cpus)
    if resources.memory is not None:
        form["memory"] = _quantity(resources.memory)
    if resources.accelerators:
        form["accelerators"] = {request.name: _number(request.count) for request in resources.accelerators}
        if len(resources.accelerators) != len({request.name for request in resources.accelerators}):
            form["accelerators"] = {
                f"{request.name}:{_number(request.count)}": None for request in resources.accelerators
            }
    if resources.instance_type is not None:
        form["instance_type"] = resources.instance_type
    if resources.use_spot:
        form["use_spot"] = True
    if resources.arch is not None:
        form["arch"] = resources.arch
    if resources.burstable:
        form["burstable"] = True
    if resources.max_hourly_cost is not None:
        form["max_hourly_cost"] = resources.max_hourly_cost
    return form


def _infra(infra: Infra) -> str:
    parts = [infra.cloud or "*", infra.region or "*", infra.zone or "*"]
    while len(parts) > 1 and parts[-1] == "*":
        parts.pop()
    return "/".join(parts)


def _number(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def _quantity(quantity: Quantity) -> str | float:
    number = _number(quantity.value)
    if quantity.per_vcpu:
        return f"{number}x"
    return f"{number}+" if quantity.at_least else number

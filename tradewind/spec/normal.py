"""A task in the spelling of a task file: the normal form that `validate` prints, which reads back as the same task."""

from __future__ import annotations

import msgspec

from tradewind.spec.machine import Autostop, Image, LocalDisk, PortRange
from tradewind.spec.place import CLUSTERS
from tradewind.spec.policy import REFERENCE
from tradewind.spec.storage import DataSize, ManagedSecret
from tradewind.spec.task import AcceleratorRequest, Infra, JobRecovery, Quantity, Resources, Task
from tradewind.spec.typed import written
from tradewind.spec.workload import Workload

REDACTED = "<not shown>"  # a secret's value that stood in the file
_PLAIN = (
    "placement", "checkpoint", "share", "elastic", "engine", "service", "pool", "config", "event_callback", "api_server_access",
)  # fmt: skip


def normal_form(task: Task) -> dict[str, object]:
    """The fields of `task` that differ from their defaults, as plain values in a task file's own spelling."""
    form: dict[str, object] = {}
    if task.name is not None:
        form["name"] = task.name
    if task.workdir is not None:
        form["workdir"] = task.workdir
    if task.git is not None:
        form["workdir"] = written(task.git)
    if task.num_nodes != 1:
        form["num_nodes"] = task.num_nodes
    resources = _alternatives(task) | _shared(task)
    if resources:
        form["resources"] = resources
    if task.envs:
        form["envs"] = dict(task.envs)
    if task.inline_secrets:
        form["secrets"] = dict.fromkeys(task.secrets) | dict.fromkeys(task.inline_secrets, REDACTED)
    elif task.secrets:
        form["secrets"] = [f"{REFERENCE}{name}" for name in task.secrets]
    if task.managed_secrets:
        form["managed_secrets"] = [_managed_secret(secret) for secret in task.managed_secrets]
    mounts: dict[str, object] = {mount.target: mount.source for mount in task.file_mounts}
    mounts |= {mount.target: written(mount.storage) for mount in task.storage_mounts}
    if mounts:
        form["file_mounts"] = mounts
    if task.volumes:
        form["volumes"] = {mount.path: written(mount.volume) for mount in task.volumes}
    if task.setup is not None:
        form["setup"] = task.setup
    if task.run is not None:
        form["run"] = task.run
    if task.run_on != "all":
        form["run_on"] = task.run_on
    if task.budget_usd is not None:
        form["budget"] = task.budget_usd
    if task.deadline_hours is not None:
        form["deadline"] = f"{_number(task.deadline_hours)}h"
    if task.estimates:
        form["estimates"] = {length.on: f"{_number(length.hours)}h" for length in task.estimates}
    for name, data in (("inputs", task.inputs), ("outputs", task.outputs)):
        if isinstance(data, DataSize):
            form[name] = {data.uri: _number(data.gigabytes)}
    if task.depends_on:
        form["depends_on"] = list(task.depends_on)
    defaults = Task()
    for name in _PLAIN:
        if getattr(task, name) != getattr(defaults, name):
            form[name] = written(getattr(task, name))
    for name, value in task.notes.items():
        place = form.setdefault("resources", {}) if name.startswith("resources.") else form
        assert isinstance(place, dict)
        place[name.removeprefix("resources.")] = value
    return form


def normal_forms(workload: Workload) -> list[dict[str, object]]:
    """The documents of a file: the header if it says anything, and each task."""
    header = written(workload.header)
    return [header, *map(normal_form, workload.tasks)] if header else [normal_form(task) for task in workload.tasks]


def _alternatives(task: Task) -> dict[str, object]:
    forms = [_resources(alternative) for alternative in task.resources]
    if len(forms) == 1:
        return forms[0]
    name = "ordered" if task.ordered else "any_of"
    several = {each.accelerators for each in task.resources if len(each.accelerators) > 1}
    if not several:
        return {name: forms}
    if len(several) == 1 and not task.ordered and all(each.accelerators for each in task.resources):
        (shared,) = several  # an alternative names one; a choice stands beside them all
        kept = [
            {field: value for field, value in form.items() if field != "accelerators" or each.accelerators != shared}
            for form, each in zip(forms, task.resources, strict=True)
        ]
        return {"accelerators": _accelerators(shared), name: kept}
    each_one = [
        msgspec.structs.replace(each, accelerators=(request,)) if request else each
        for each in task.resources
        for request in each.accelerators or (None,)
    ]
    return {name: [_resources(each) for each in each_one]}


def _shared(task: Task) -> dict[str, object]:
    """What stands under `resources` and is the whole task's."""
    form: dict[str, object] = {}
    recovery = task.job_recovery
    if recovery != JobRecovery():
        least = {} if recovery.min_nodes is None else {"min_nodes": recovery.min_nodes}
        form["job_recovery"] = {
            "strategy": recovery.strategy,
            "max_restarts_on_errors": recovery.max_restarts_on_errors,
            "recover_on_exit_codes": list(recovery.recover_on_exit_codes),
            **least,
        }
    if task.priority:
        form["priority"] = task.priority
    if task.priority_class is not None:
        form["priority_class"] = task.priority_class
    if task.autostop is not None:
        form["autostop"] = written(task.autostop) if task.autostop != Autostop() else True
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
        form["accelerators"] = _accelerators(resources.accelerators)
    for name in (
        "instance_type",
        "use_spot",
        "arch",
        "burstable",
        "max_hourly_cost",
        "disk_size",
        "disk_tier",
        "network_tier",
    ):
        if getattr(resources, name) not in {None, False}:
            form[name] = getattr(resources, name)
    if resources.accelerator_args is not None:
        form["accelerator_args"] = written(resources.accelerator_args)
    if resources.local_disk is not None:
        form["local_disk"] = _local_disk(resources.local_disk)
    if resources.network_gbps is not None:
        form["network_speed"] = f"{_number(resources.network_gbps)}+"
    if resources.features:
        form["features"] = list(resources.features)
    if resources.ports:
        form["ports"] = [_port(port) for port in resources.ports]
    if resources.image is not None:
        form["image_id"] = _image(resources.image)
    if resources.labels:
        form["labels"] = dict(resources.labels)
    if resources.volumes:
        form["volumes"] = [written(disk) for disk in resources.volumes]
    return form


def _infra(infra: Infra) -> str:
    if infra.cloud in CLUSTERS and infra.zone is None:
        return f"{infra.cloud}/{infra.region}" if infra.region else infra.cloud
    parts = [infra.cloud or "*", infra.region or "*", infra.zone or "*"]
    while len(parts) > 1 and parts[-1] == "*":
        parts.pop()
    return "/".join(parts)


def _accelerators(requests: tuple[AcceleratorRequest, ...]) -> dict[str, float | None]:
    names = [_accelerator(request) for request in requests]
    counts = [_number(request.count) for request in requests]
    if len(set(names)) == len(names):
        return dict(zip(names, counts, strict=True))
    return {f"{name}:{count}": None for name, count in zip(names, counts, strict=True)}


def _accelerator(request: AcceleratorRequest) -> str:
    if request.memory is None:
        return request.name
    maker = f"{request.name}:" if request.name else ""
    return f"{maker}{_number(request.memory.value)}GB{'+' if request.memory.at_least else ''}"


def _local_disk(disk: LocalDisk) -> str:
    size = "" if disk.size_gb is None else f"{_number(disk.size_gb)}{'+' if disk.at_least else ''}"
    return ":".join(part for part in (disk.kind, size) if part)


def _port(port: PortRange) -> int | str:
    return port.first if port.first == port.last else f"{port.first}-{port.last}"


def _image(image: Image) -> object:
    docker = {} if image.docker is None else {"docker": image.docker}
    if image.by_region:
        return dict(image.by_region) | docker
    return f"docker:{image.docker}" if image.docker is not None else image.machine


def _managed_secret(secret: ManagedSecret) -> object:
    name = f"{secret.scope}.{secret.name}" if secret.scope else secret.name
    return name if secret.mount_path is None else {name: {"mount_path": secret.mount_path}}


def _number(value: float) -> float:
    return int(value) if float(value).is_integer() else value


def _quantity(quantity: Quantity) -> str | float:
    number = _number(quantity.value)
    if quantity.per_vcpu:
        return f"{number}x"
    return f"{number}+" if quantity.at_least else number

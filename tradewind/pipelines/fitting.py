"""What a step asks for, as far as this machine has it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradewind.spec.task import Task

GIB = 1 << 30


def fitted(task: Task, machine: Mapping[str, float]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The runtime's options for a call, and a sentence for each thing that the machine has less of than is asked for.

    `machine` is CPU and GPU in devices, memory in bytes. Of several alternatives the first counts, because a plan would choose.
    """
    wanted = task.resources[0]
    without: list[str] = []
    cpus = 1.0 if wanted.cpus is None else wanted.cpus.value
    have = machine.get("CPU", 1.0)
    if cpus > have:
        without.append(f"asks for {cpus:g} vCPUs and runs with the {have:g} that are here")
    options: dict[str, Any] = {"num_cpus": min(cpus, have)}
    if wanted.accelerators:
        first = wanted.accelerators[0]
        gpus = machine.get("GPU", 0.0)
        if gpus < first.count:
            without.append(f"asks for {first.count:g} {first.name} and runs without, because {gpus:g} are here")
        else:
            options["num_gpus"] = first.count
    if wanted.memory is not None and not wanted.memory.per_vcpu:
        there = machine.get("memory", 0.0) / GIB
        if wanted.memory.value > there:
            without.append(
                f"asks for {wanted.memory.value:g} GiB of memory and runs with the {there:.1f} that are here"
            )
        else:
            options["memory"] = int(wanted.memory.value * GIB)
    return options, tuple(without)

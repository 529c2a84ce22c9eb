"""The `resources:` mapping: what each node needs, its alternatives, and what holds for the task as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import msgspec

from tradewind.spec.accelerators import SPELLINGS, check_one, read_accelerators
from tradewind.spec.document import Mapping, Node, Scalar, Sequence
from tradewind.spec.equipment import (
    read_autostop,
    read_disk_size,
    read_disk_tier,
    read_disks,
    read_features,
    read_image,
    read_labels,
    read_network_speed,
    read_network_tier,
    read_ports,
)
from tradewind.spec.fields import RESOURCE_FIELDS, SHARED_RESOURCE_FIELDS, TASK_FIELDS
from tradewind.spec.machine import AcceleratorArgs, Autostop, LocalDisk
from tradewind.spec.nodes import (
    check_fields,
    is_null,
    kind_of,
    read_amount,
    read_boolean,
    read_choice,
    read_mapping,
    read_positive_number,
    read_text,
)
from tradewind.spec.place import read_place, read_word
from tradewind.spec.policy import read_job_recovery, read_priority
from tradewind.spec.quantities import is_endless, parse_cpus, parse_local_disk, parse_memory
from tradewind.spec.task import AcceleratorRequest, Arch, JobRecovery, Quantity, Resources
from tradewind.spec.typed import read_struct

T = TypeVar("T")
_MAX_ALTERNATIVES = 100
ALTERNATIVE_LISTS = ("any_of", "ordered")
_TOP_LEVEL = dict.fromkeys(
    (name for name in TASK_FIELDS if name not in (*RESOURCE_FIELDS, *SHARED_RESOURCE_FIELDS)),
    "the task itself, not under resources",
)


class Shared(NamedTuple):
    """What stands under `resources` and is the whole task's."""

    job_recovery: JobRecovery = JobRecovery()
    priority: int = 0
    priority_class: str | None = None
    autostop: Autostop | None = None


class Asked(NamedTuple):
    """The alternatives that will do, at least one; in an order of preference when `ordered`."""

    alternatives: tuple[Resources, ...] = (Resources(),)
    ordered: bool = False
    shared: Shared = Shared()


def read_resources(node: Node | None) -> Asked:
    """What `resources` asks: the mapping itself, or one alternative for each entry of any_of or ordered with the base keys inherited."""
    if node is None or is_null(node):
        return Asked()
    base = read_mapping(node, "resources")
    known = (*RESOURCE_FIELDS, *SHARED_RESOURCE_FIELDS, *ALTERNATIVE_LISTS)
    check_fields(base, "resources.", known, _TOP_LEVEL)
    named = [name for name in ALTERNATIVE_LISTS if not is_null(base.entries.get(name))]
    lists = [name for name in named if not _is_nothing(base.entries.get(name))]
    if len(named) > 1:
        raise base.key_marks["ordered"].error("resources.ordered", "any_of is given too; keep one of the two")
    if not lists:
        found = _expand(base, "resources.")
        return Asked(found, len(found) > 1, _shared(base, "resources."))
    name = lists[0]
    entries = _entries(base, name)
    _refuse_choice_in_order(base, entries, name)
    alternatives: list[Resources] = []
    shared = Shared()
    preferring = name == "ordered" and len(entries) > 1
    for index, own in enumerate(entries):
        prefix = f"resources.{name}[{index}]."
        _check_nulls(own, prefix)
        check_one(own, prefix)
        whole = _inherit(base, own)
        expanded = _expand(whole, prefix)
        preferring = preferring or len(expanded) > 1
        alternatives += expanded
        theirs = _shared(whole, prefix)
        if index and theirs != shared:
            field = next(each for each, one, other in zip(Shared._fields, theirs, shared, strict=True) if one != other)
            error = own.key_marks.get(field, own.mark).error(
                f"{prefix}{field}", "must be the same in all alternatives; write it beside them"
            )
            if field == "priority" and not {theirs.priority, shared.priority} & {0}:
                raise error
            own.mark.put_off_error(error)
        shared = shared if index else theirs
    return Asked(tuple(alternatives), preferring, shared)


def _entries(base: Mapping, name: str) -> list[Mapping]:
    node = base.entries[name]
    field = f"resources.{name}"
    if not isinstance(node, Sequence):
        raise node.mark.error(field, f"must be a list of alternatives, not {kind_of(node)}")
    if len(node.items) > _MAX_ALTERNATIVES:
        raise node.mark.error(field, f"holds more than {_MAX_ALTERNATIVES} alternatives")
    found = []
    for index, entry in enumerate(node.items):
        prefix = f"{field}[{index}]."
        own = read_mapping(entry, prefix[:-1])
        for inner in ALTERNATIVE_LISTS:
            if inner in own.entries:
                raise own.key_marks[inner].error(f"{prefix}{inner}", "alternatives cannot be nested")
        check_fields(own, prefix, (*RESOURCE_FIELDS, *SHARED_RESOURCE_FIELDS), _TOP_LEVEL)
        found.append(own)
    return found


def _is_nothing(node: Node | None) -> bool:
    """Whether a list of alternatives says nothing; an empty one does not."""
    return is_null(node) or (isinstance(node, Sequence) and not node.items)


def _refuse_choice_in_order(base: Mapping, entries: list[Mapping], name: str) -> None:
    """Several accelerators beside an order, or in an order beside alternatives, would be an order within an order."""
    groups = read_accelerators(base, "resources.")
    several = len(groups) > 1 or any(len(group) > 1 for group in groups)
    if entries and several and (name == "ordered" or len(groups) > 1):
        raise base.mark.error(
            f"resources.{name}", "stands beside several accelerators; name one in each alternative instead"
        )


def _check_nulls(own: Mapping, prefix: str) -> None:
    for name, node in own.entries.items():
        if is_null(node) and name not in {"ports", "image_id"} and node.mark.line:
            raise node.mark.error(f"{prefix}{name}", "has no value; write one, or remove the field")


def _inherit(base: Mapping, own: Mapping) -> Mapping:
    """`own` on top of `base`; an entry that says which accelerator says it whatever spelling the base used."""
    replaced = set(ALTERNATIVE_LISTS)
    if any(name in own.entries for name in SPELLINGS):
        replaced.update(SPELLINGS)
    entries = {name: node for name, node in base.entries.items() if name not in replaced} | own.entries
    labels, own_labels = base.entries.get("labels"), own.entries.get("labels")
    if isinstance(labels, Mapping) and isinstance(own_labels, Mapping):
        entries["labels"] = Mapping(
            labels.entries | own_labels.entries, labels.key_marks | own_labels.key_marks, own_labels.mark
        )
    return Mapping(entries, base.key_marks | own.key_marks, own.mark)


def _shared(mapping: Mapping, prefix: str) -> Shared:
    autostop, priority_class = mapping.entries.get("autostop"), mapping.entries.get("priority_class")
    return Shared(
        read_job_recovery(mapping.entries.get("job_recovery"), f"{prefix}job_recovery"),
        read_priority(mapping.entries.get("priority"), f"{prefix}priority"),
        None if is_null(priority_class) else read_word(cast("Node", priority_class), f"{prefix}priority_class"),
        None if is_null(autostop) else read_autostop(cast("Node", autostop), f"{prefix}autostop"),
    )


def _expand(mapping: Mapping, prefix: str) -> tuple[Resources, ...]:
    """One alternative for each group of accelerators, in their order."""
    groups = read_accelerators(mapping, prefix)
    given = {name: node for name, node in mapping.entries.items() if not is_null(node)}
    one = _read_one(given, prefix)
    if not groups:
        return (one,)
    for request in (request for group in groups for request in group):
        _check_tpu(request, one, mapping, prefix)
    return tuple(msgspec.structs.replace(one, accelerators=group) for group in groups)


def _check_tpu(request: AcceleratorRequest, one: Resources, mapping: Mapping, prefix: str) -> None:
    """A TPU is Google's, on its own kind of machine. Raises SpecError."""
    if "tpu" not in request.name.lower():
        return
    mark = next(mapping.key_marks[name] for name in SPELLINGS if name in mapping.entries)
    if one.infra.cloud not in {None, "gcp", "kubernetes"}:
        raise mark.error(f"{prefix}accelerators", f"TPUs are Google's, and infra says {one.infra.cloud}")
    as_vm = one.accelerator_args is None or one.accelerator_args.tpu_vm
    if as_vm and one.instance_type not in {None, "TPU-VM"} and one.infra.cloud != "kubernetes":
        raise mark.error(f"{prefix}instance_type", "goes with no TPU; remove one of the two")


def _read_one(given: dict[str, Node], prefix: str) -> Resources:
    def read(name: str, reader: Callable[[Node, str], T]) -> T | None:
        node = given.get(name)
        return None if node is None else reader(node, f"{prefix}{name}")

    infra = read_place(given, prefix)
    if infra.cloud == "slurm" and isinstance(none := given.get("memory"), Scalar) and none.value == 0:
        given = {name: node for name, node in given.items() if name != "memory"}  # Slurm gives what there is
    disk_size = read("disk_size", read_disk_size)
    if disk_size is None and "ephemeral_storage" in given:
        disk_size = read("ephemeral_storage", _read_old_disk_size)
    return Resources(
        infra=infra,
        cpus=read("cpus", lambda node, field: _read_size(node, field, parse_cpus)),
        memory=read("memory", lambda node, field: _read_size(node, field, parse_memory)),
        instance_type=read("instance_type", read_word),
        use_spot=read("use_spot", read_boolean) or False,
        arch=read("arch", lambda node, field: cast("Arch", read_choice(node, field, ("x86_64", "arm64", "any")))),
        burstable=read("burstable", read_boolean) or False,
        max_hourly_cost=read("max_hourly_cost", _read_cap),
        accelerator_args=read("accelerator_args", lambda node, field: read_struct(node, field, AcceleratorArgs)),
        disk_size=disk_size,
        disk_tier=read("disk_tier", read_disk_tier),
        network_tier=read("network_tier", read_network_tier),
        local_disk=read("local_disk", _read_local_disk),
        network_gbps=read("network_speed", read_network_speed),
        features=read("features", read_features) or (),
        ports=read("ports", read_ports) or (),
        image=read("image_id", read_image),
        labels=read("labels", read_labels) or (),
        volumes=read("volumes", read_disks) or (),
    )


def _read_size(node: Node, field: str, parse: Callable[[str], Quantity]) -> Quantity | None:
    """What `parse` reads; an endless amount is put off to the launch, which finds no such machine."""
    if isinstance(node, Scalar) and isinstance(node.value, float | str) and is_endless(str(node.value)):
        node.mark.put_off(field, f"{node.text!r} is no amount that a machine has")
        return None
    return read_amount(node, field, parse)


def _read_cap(node: Node, field: str) -> float | None:
    """USD/h; an infinity is no cap."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, float) and math.isnan(value):
        node.mark.put_off(field, "must be a number above 0")
        return None
    return None if value == math.inf else read_positive_number(node, field)


def _read_local_disk(node: Node, field: str) -> LocalDisk:
    text = read_text(node, field)
    try:
        return parse_local_disk(text)
    except ValueError as error:
        raise node.mark.error(field, str(error)) from None


def _read_old_disk_size(node: Node, field: str) -> int | None:
    """SkyPilot's old name for `disk_size`, of which a number below 1 says nothing."""
    if isinstance(node, Scalar) and isinstance(node.value, int) and not isinstance(node.value, bool) and node.value < 1:
        return None
    return read_disk_size(node, field)

"""The `resources:` mapping: what each node needs, its alternatives, and what holds for the task as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import msgspec

from tradewind.spec.accelerators import SPELLINGS, read_accelerators
from tradewind.spec.document import Mapping, Node, Sequence
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
from tradewind.spec.machine import AcceleratorArgs, Autostop
from tradewind.spec.nodes import (
    check_fields,
    is_null,
    kind_of,
    read_amount,
    read_boolean,
    read_choice,
    read_mapping,
    read_positive_number,
)
from tradewind.spec.place import OLD_PLACE, read_place, read_word
from tradewind.spec.policy import read_job_recovery, read_priority
from tradewind.spec.quantities import parse_cpus, parse_local_disk, parse_memory
from tradewind.spec.task import Arch, JobRecovery, Resources
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
    lists = [name for name in ALTERNATIVE_LISTS if not _is_nothing(base.entries.get(name))]
    if len(lists) > 1:
        raise base.key_marks["ordered"].error("resources.ordered", "any_of is given too; keep one of the two")
    if not lists:
        found = _expand(base, "resources.")
        return Asked(found, len(found) > 1, _shared(base, "resources."))
    name = lists[0]
    entries = _entries(base, name)
    if name == "ordered":
        _refuse_choice_in_order(base, entries)
    alternatives: list[Resources] = []
    shared = Shared()
    preferring = name == "ordered" and len(entries) > 1
    for index, own in enumerate(entries):
        prefix = f"resources.{name}[{index}]."
        whole = _inherit(base, own)
        expanded = _expand(whole, prefix)
        preferring = preferring or len(expanded) > 1
        alternatives += expanded
        theirs = _shared(whole, prefix)
        if index and theirs != shared:
            field = next(each for each, one, other in zip(Shared._fields, theirs, shared, strict=True) if one != other)
            mark = own.key_marks.get(field, own.mark)
            raise mark.error(f"{prefix}{field}", "must be the same in all alternatives; write it beside them")
        shared = theirs
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


def _refuse_choice_in_order(base: Mapping, entries: list[Mapping]) -> None:
    """Several accelerators within one entry of an order would be an order within an order."""
    for index, own in enumerate(entries):
        prefix = f"resources.ordered[{index}]."
        groups = read_accelerators(_inherit(base, own), prefix)
        if len(groups) > 1 or any(len(group) > 1 for group in groups):
            named = own if any(name in own.entries for name in SPELLINGS) else base
            raise named.mark.error(f"{prefix}accelerators", "names several; in an ordered list each entry names one")


def _inherit(base: Mapping, own: Mapping) -> Mapping:
    """`own` on top of `base`; an entry that says where, or which accelerator, says it whatever spelling the base used."""
    replaced = set(ALTERNATIVE_LISTS)
    if "infra" in own.entries:
        replaced.update(OLD_PLACE)
    if any(name in own.entries for name in OLD_PLACE):
        replaced.add("infra")
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
    one = _read_one({name: node for name, node in mapping.entries.items() if not is_null(node)}, prefix)
    if not groups:
        return (one,)
    return tuple(msgspec.structs.replace(one, accelerators=group) for group in groups)


def _read_one(given: dict[str, Node], prefix: str) -> Resources:
    def read(name: str, reader: Callable[[Node, str], T]) -> T | None:
        node = given.get(name)
        return None if node is None else reader(node, f"{prefix}{name}")

    return Resources(
        infra=read_place(given, prefix),
        cpus=read("cpus", lambda node, field: read_amount(node, field, parse_cpus)),
        memory=read("memory", lambda node, field: read_amount(node, field, parse_memory)),
        instance_type=read("instance_type", read_word),
        use_spot=read("use_spot", read_boolean) or False,
        arch=read("arch", lambda node, field: cast("Arch", read_choice(node, field, ("x86_64", "arm64", "any")))),
        burstable=read("burstable", read_boolean) or False,
        max_hourly_cost=read("max_hourly_cost", read_positive_number),
        accelerator_args=read("accelerator_args", lambda node, field: read_struct(node, field, AcceleratorArgs)),
        disk_size=read("ephemeral_storage" if "disk_size" not in given else "disk_size", read_disk_size),
        disk_tier=read("disk_tier", read_disk_tier),
        network_tier=read("network_tier", read_network_tier),
        local_disk=read("local_disk", lambda node, field: read_amount(node, field, parse_local_disk)),
        network_gbps=read("network_speed", read_network_speed),
        features=read("features", read_features) or (),
        ports=read("ports", read_ports) or (),
        image=read("image_id", read_image),
        labels=read("labels", read_labels) or (),
        volumes=read("volumes", read_disks) or (),
    )

"""The `resources:` mapping: what each node needs, and its alternatives."""

from __future__ import annotations

from typing import cast

from tradewind.spec.document import Mapping, Node, Scalar, Sequence
from tradewind.spec.fields import RESOURCE_FIELDS, RESOURCE_FIELDS_TO_COME, SHARED_RESOURCE_FIELDS, TASK_FIELDS
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
from tradewind.spec.quantities import parse_accelerator, parse_count, parse_cpus, parse_memory
from tradewind.spec.task import AcceleratorRequest, Arch, Infra, Resources

_PLACES_TO_COME = frozenset({"k8s", "kubernetes", "slurm", "ssh"})
_OLD_PLACE = ("cloud", "region", "zone")
_MAX_ALTERNATIVES = 100
_TOP_LEVEL = dict.fromkeys(TASK_FIELDS, "the task itself, not under resources")
_NOT_OF_ONE = _TOP_LEVEL | dict.fromkeys(
    SHARED_RESOURCE_FIELDS, "resources, beside any_of, and holds for every alternative"
)


def read_resources(node: Node | None) -> tuple[Resources, ...]:
    """The alternatives that will do, at least one: the mapping itself, or one for each entry of any_of with the base keys inherited."""
    if node is None or is_null(node):
        return (Resources(),)
    base = read_mapping(node, "resources")
    check_fields(
        base, "resources.", (*RESOURCE_FIELDS, *SHARED_RESOURCE_FIELDS, "any_of"), RESOURCE_FIELDS_TO_COME, _TOP_LEVEL
    )
    alternatives = base.entries.get("any_of")
    if alternatives is None or is_null(alternatives):
        return (_read_one(base, "resources."),)
    if not isinstance(alternatives, Sequence) or not alternatives.items:
        raise alternatives.mark.error(
            "resources.any_of", f"must be a list with at least one alternative, not {kind_of(alternatives)}"
        )
    if len(alternatives.items) > _MAX_ALTERNATIVES:
        raise alternatives.mark.error("resources.any_of", f"holds more than {_MAX_ALTERNATIVES} alternatives")
    found: list[Resources] = []
    for index, entry in enumerate(alternatives.items):
        prefix = f"resources.any_of[{index}]."
        own = read_mapping(entry, prefix[:-1])
        if "any_of" in own.entries:
            raise own.key_marks["any_of"].error(f"{prefix}any_of", "alternatives cannot be nested")
        check_fields(own, prefix, RESOURCE_FIELDS, RESOURCE_FIELDS_TO_COME, _NOT_OF_ONE)
        found.append(_read_one(_inherit(base, own), prefix))
    return tuple(found)


def _inherit(base: Mapping, own: Mapping) -> Mapping:
    """`own` on top of `base`; an entry that says where, or which accelerator, says it whatever spelling the base used."""
    replaced = {"any_of"}
    if "infra" in own.entries:
        replaced.update(_OLD_PLACE)
    if any(name in own.entries for name in _OLD_PLACE):
        replaced.add("infra")
    if "accelerators" in own.entries or "gpus" in own.entries:
        replaced.update(("accelerators", "gpus"))
    entries = {name: node for name, node in base.entries.items() if name not in replaced} | own.entries
    return Mapping(entries, base.key_marks | own.key_marks, own.mark)


def _read_one(mapping: Mapping, prefix: str) -> Resources:
    given = {name: node for name, node in mapping.entries.items() if not is_null(node)}
    cpus, memory, instance_type = given.get("cpus"), given.get("memory"), given.get("instance_type")
    use_spot, arch, burstable, cost = (given.get(name) for name in ("use_spot", "arch", "burstable", "max_hourly_cost"))
    return Resources(
        infra=_read_place(given, prefix),
        cpus=None if cpus is None else read_amount(cpus, f"{prefix}cpus", parse_cpus),
        memory=None if memory is None else read_amount(memory, f"{prefix}memory", parse_memory),
        accelerators=_read_accelerators(given, mapping, prefix),
        instance_type=None if instance_type is None else _read_word(instance_type, f"{prefix}instance_type"),
        use_spot=use_spot is not None and read_boolean(use_spot, f"{prefix}use_spot"),
        arch=None if arch is None else cast("Arch", read_choice(arch, f"{prefix}arch", ("x86_64", "arm64", "any"))),
        burstable=burstable is not None and read_boolean(burstable, f"{prefix}burstable"),
        max_hourly_cost=None if cost is None else read_positive_number(cost, f"{prefix}max_hourly_cost"),
    )


def _read_word(node: Node, field: str) -> str:
    text = read_text(node, field).strip()
    if not text:
        raise node.mark.error(field, "must not be empty")
    return text


def _read_place(given: dict[str, Node], prefix: str) -> Infra:
    old = [name for name in _OLD_PLACE if name in given]
    infra = given.get("infra")
    if infra is None:
        cloud, region, zone = (
            _read_word(given[name], f"{prefix}{name}") if name in given else None for name in _OLD_PLACE
        )
        place = Infra(None if cloud is None else cloud.lower(), region, zone)
        where, field = (given[old[0]] if old else None), f"{prefix}cloud"
    else:
        if old:
            raise given[old[0]].mark.error(f"{prefix}{old[0]}", "infra already says where; keep one of the two")
        place, where, field = _parse_infra(infra, f"{prefix}infra"), infra, f"{prefix}infra"
    if place.cloud in _PLACES_TO_COME and where is not None:
        raise where.mark.error(field, f"{place.cloud} is not there yet; name a cloud, or local for this machine")
    return place


def _parse_infra(node: Node, field: str) -> Infra:
    text = _read_word(node, field)
    if text.partition("/")[0].lower() in _PLACES_TO_COME:
        return Infra(text.partition("/")[0].lower())
    parts = [part.strip() for part in text.split("/")]
    if len(parts) > 3 or not all(parts):
        raise node.mark.error(
            field, f"{text!r} is no place; write cloud, cloud/region or cloud/region/zone, with * for any"
        )
    cloud, region, zone = (None if part == "*" else part for part in (*parts, *("*",) * (3 - len(parts))))
    return Infra(None if cloud is None else cloud.lower(), region, zone)


def _read_accelerators(given: dict[str, Node], mapping: Mapping, prefix: str) -> tuple[AcceleratorRequest, ...]:
    name = "accelerators" if "accelerators" in given else "gpus"
    if name not in given:
        return ()
    if name == "accelerators" and "gpus" in given:
        raise mapping.key_marks["gpus"].error(
            f"{prefix}gpus", "means accelerators, which is given too; keep one of the two"
        )
    node, field = given[name], f"{prefix}{name}"
    if isinstance(node, Mapping):
        found = tuple(_read_counted(key, value, node, field) for key, value in node.entries.items())
    elif isinstance(node, Sequence):
        if len(node.items) > 1:
            raise node.mark.error(
                field,
                "a list is an order of preference, which is not there yet; for the cheapest of several write {A100: 8, H100: 4}",
            )
        found = tuple(request for item in node.items for request in _read_listed(item, field))
    else:
        found = (read_amount(node, field, parse_accelerator),)
    if not found:
        raise node.mark.error(field, "names no accelerator; remove the field when none is needed")
    return tuple(dict.fromkeys(found))


def _read_listed(item: Node, field: str) -> tuple[AcceleratorRequest, ...]:
    if isinstance(item, Mapping):
        return tuple(_read_counted(key, value, item, field) for key, value in item.entries.items())
    return (read_amount(item, field, parse_accelerator),)


def _read_counted(key: str, value: Node, mapping: Mapping, field: str) -> AcceleratorRequest:
    """One entry of a map: `A100: 8`, or `A100:8` alone, the set form of flow style."""
    named = read_amount(Scalar(key, key, mapping.key_marks[key]), field, parse_accelerator)
    if is_null(value):
        return named
    if ":" in key:
        raise value.mark.error(f"{field}.{key}", "gives its count twice")
    return AcceleratorRequest(named.name, read_amount(value, f"{field}.{key}", parse_count))

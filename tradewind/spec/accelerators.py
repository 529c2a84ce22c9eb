"""`accelerators:` in its forms: one, a map (any of them does), a list (in order of preference)."""

from __future__ import annotations

from tradewind.spec.document import Mapping, Node, Scalar, Sequence
from tradewind.spec.nodes import is_null, read_amount
from tradewind.spec.quantities import parse_accelerator, parse_count
from tradewind.spec.task import AcceleratorRequest

SPELLINGS = ("accelerators", "gpus")


def read_accelerators(mapping: Mapping, prefix: str) -> tuple[tuple[AcceleratorRequest, ...], ...]:
    """Groups in the order of preference; within a group any one does. No group where none is asked."""
    given = {name: mapping.entries[name] for name in SPELLINGS if not is_null(mapping.entries.get(name))}
    if not given:
        return ()
    if len(given) > 1:
        raise mapping.key_marks["gpus"].error(
            f"{prefix}gpus", "means accelerators, which is given too; keep one of the two"
        )
    ((name, node),) = given.items()
    field = f"{prefix}{name}"
    if isinstance(node, Mapping):
        groups: tuple[tuple[AcceleratorRequest, ...], ...] = (_counted(node, field),)
    elif isinstance(node, Sequence):
        groups = tuple(_listed(item, field) for item in node.items)
    else:
        groups = ((read_amount(node, field, parse_accelerator),),)
    if not groups or not all(groups):
        raise node.mark.error(field, "names no accelerator; remove the field when none is needed")
    return tuple(dict.fromkeys(groups))


def _listed(item: Node, field: str) -> tuple[AcceleratorRequest, ...]:
    return _counted(item, field) if isinstance(item, Mapping) else (read_amount(item, field, parse_accelerator),)


def _counted(mapping: Mapping, field: str) -> tuple[AcceleratorRequest, ...]:
    return tuple(dict.fromkeys(_entry(key, value, mapping, field) for key, value in mapping.entries.items()))


def _entry(key: str, value: Node, mapping: Mapping, field: str) -> AcceleratorRequest:
    """One entry of a map: `A100: 8`, or `A100:8` alone, the set form of flow style."""
    named = read_amount(Scalar(key, key, mapping.key_marks[key]), field, parse_accelerator)
    if is_null(value):
        return named
    if key.count(":") > (1 if named.memory is not None and named.name else 0):
        raise value.mark.error(f"{field}.{key}", "gives its count twice")
    return AcceleratorRequest(named.name, read_amount(value, f"{field}.{key}", parse_count), named.memory)

"""`accelerators:` in its forms: one, a map (any of them does), a list (in order of preference)."""

from __future__ import annotations

from tradewind.spec.document import Mapping, Mark, Node, Scalar, Sequence
from tradewind.spec.nodes import is_null, kind_of, read_text
from tradewind.spec.quantities import NobodySellsIt, parse_accelerator
from tradewind.spec.task import AcceleratorRequest

SPELLINGS = ("accelerators", "gpus")


def read_accelerators(mapping: Mapping, prefix: str) -> tuple[tuple[AcceleratorRequest, ...], ...]:
    """Groups in the order of preference; within a group any one does. No group where none is asked."""
    written = [name for name in SPELLINGS if name in mapping.entries]
    if len(written) > 1:
        raise mapping.key_marks["gpus"].error(
            f"{prefix}gpus", "means accelerators, which is given too; keep one of the two"
        )
    if not written or is_null(mapping.entries[written[0]]):
        return ()
    name, node = written[0], mapping.entries[written[0]]
    field = f"{prefix}{name}"
    if isinstance(node, Mapping):
        groups: tuple[tuple[AcceleratorRequest, ...], ...] = (_counted(node, field),)
    elif isinstance(node, Sequence):
        groups = tuple((_one(item, field),) for item in node.items)
    else:
        groups = ((_one(node, field),),)
    if not groups or not all(groups):
        raise node.mark.error(field, "names no accelerator; remove the field when none is needed")
    return tuple(dict.fromkeys(groups))


def check_one(mapping: Mapping, prefix: str) -> None:
    """An alternative names one accelerator at most, with its count. Raises SpecError."""
    for name in SPELLINGS:
        node = mapping.entries.get(name)
        if isinstance(node, Sequence) or (isinstance(node, Mapping) and len(node.entries) > 1):
            raise node.mark.error(
                f"{prefix}{name}", "names several; an alternative names one, so write an alternative for each"
            )
        if isinstance(node, Mapping) and any(is_null(value) for value in node.entries.values()):
            raise node.mark.error(f"{prefix}{name}", "needs a count: {A100: 8}, or A100:8 as text")


def _one(node: Node, field: str) -> AcceleratorRequest:
    return _parsed(read_text(node, field), node.mark, field)


def _parsed(text: str, mark: Mark, field: str) -> AcceleratorRequest:
    try:
        return parse_accelerator(text)
    except NobodySellsIt as error:
        mark.put_off(field, str(error))
        return AcceleratorRequest(text)
    except ValueError as error:
        raise mark.error(field, str(error)) from None


def _counted(mapping: Mapping, field: str) -> tuple[AcceleratorRequest, ...]:
    return tuple(dict.fromkeys(_entry(key, value, mapping, field) for key, value in mapping.entries.items()))


def _entry(key: str, value: Node, mapping: Mapping, field: str) -> AcceleratorRequest:
    """One entry of a map: `A100: 8`, or `A100:8` alone, the set form of flow style."""
    if is_null(value):
        return _parsed(key, mapping.key_marks[key], field)
    if not isinstance(value, Scalar) or isinstance(value.value, bool | str) or not isinstance(value.value, int | float):
        raise value.mark.error(f"{field}.{key}", f"must be a number, not {kind_of(value)}")
    return _parsed(f"{key}:{value.value}", value.mark, f"{field}.{key}")

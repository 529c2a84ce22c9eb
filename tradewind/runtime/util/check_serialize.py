"""Why a value cannot be sent: Ray's `inspect_serializability`."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple, TextIO

from tradewind.runtime import serialization


class FailureTuple(NamedTuple):
    """A part of a value that does not pickle: what it is, how its parent calls it, and the parent."""

    obj: Any
    name: str
    parent: Any


def inspect_serializability(
    base_obj: Any, name: str | None = None, depth: int = 3, print_file: TextIO | None = None
) -> tuple[bool, set[FailureTuple]]:
    """(True, empty) when the value can be sent, else (False, the innermost parts that cannot), looked for depth levels down and printed."""
    out = print_file or sys.stdout
    label: str = name or getattr(base_obj, "__qualname__", "") or type(base_obj).__qualname__
    found: dict[int, FailureTuple] = {}
    if not _fails(base_obj):
        print(f"{label} can be sent.", file=out)
        return True, set()
    _search(FailureTuple(base_obj, label, None), depth, found, set())
    print(f"{label} cannot be sent, because of:", file=out)
    for failure in found.values():
        print(f"  {failure.name} (a {type(failure.obj).__qualname__})", file=out)
    return False, set(found.values())


def _search(at: FailureTuple, depth: int, found: dict[int, FailureTuple], seen: set[int]) -> None:
    seen.add(id(at.obj))
    bad = [
        FailureTuple(part, f"{at.name}: {label}", at.obj)
        for label, part in serialization.parts_of(at.obj)
        if id(part) not in seen and _fails(part)
    ]
    if depth <= 0 or not bad:
        found[id(at.obj)] = at
    for part in bad:
        _search(part, depth - 1, found, seen)


def _fails(value: Any) -> bool:
    try:
        serialization.serialize(value)
    except Exception:  # user objects raise anything while being pickled
        return True
    return False


__all__ = ["FailureTuple", "inspect_serializability"]

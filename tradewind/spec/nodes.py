"""Typed readings of single nodes: each gives a value, or refuses in one sentence that names the field and its line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Mapping as MappingOf
from types import MappingProxyType
from typing import TypeVar

from tradewind.spec.document import Mapping, Node, Scalar, Sequence
from tradewind.spec.fields import nearest

T = TypeVar("T")


def is_null(node: Node | None) -> bool:
    """True where nothing was written, or null: both mean the default."""
    return node is None or (isinstance(node, Scalar) and node.value is None)


def kind_of(node: Node) -> str:
    """What a node is, in a person's words."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if node.value is None:
        return "nothing"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text"}
    return names.get(type(node.value), f"a {type(node.value).__name__}")


def read_text(node: Node, field: str) -> str:
    """The text of a node that YAML reads as text, free of NUL (no process could be given it)."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        hint = "; quote it" if isinstance(node, Scalar) else ""
        raise node.mark.error(field, f"must be text, not {kind_of(node)}{hint}")
    if "\0" in node.value:
        node.mark.put_off(field, "holds a NUL character, which no process can be given")
    try:
        node.value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise node.mark.error(field, "holds half of a surrogate pair, which is no character") from error
    return node.value


def read_boolean(node: Node, field: str) -> bool:
    """True or false as YAML spells them; text such as "yes" in quotes is refused, as SkyPilot does."""
    if not isinstance(node, Scalar) or not isinstance(node.value, bool):
        raise node.mark.error(field, f"must be true or false, not {kind_of(node)}")
    return node.value


def read_whole_number(
    node: Node, field: str, *, least: int, most: int, strict: bool = False, ours: bool = False
) -> int:
    """An integer in [least, most]; 1.0 is one, as JSON Schema says, unless it is to be `strict`. With `ours`, `most` is our limit: a launch refuses what is above."""
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, float) and value.is_integer() and not strict:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise node.mark.error(field, f"must be a whole number, not {kind_of(node)}")
    if value < least or (value > most and not ours):
        raise node.mark.error(field, f"must be from {least} to {most}")
    if value > most:
        node.mark.put_off(field, f"must be from {least} to {most}")
        return most
    return value


def read_positive_number(node: Node, field: str) -> float:
    """A finite number above 0."""
    if not isinstance(node, Scalar) or isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise node.mark.error(field, f"must be a number, not {kind_of(node)}")
    try:
        number = float(node.value)
    except OverflowError:
        number = float("inf")
    if not 0 < number < float("inf"):
        raise node.mark.error(field, "must be a number above 0")
    return number


def read_choice(node: Node, field: str, choices: tuple[str, ...]) -> str:
    """One of `choices`."""
    text = read_text(node, field)
    if text not in choices:
        raise node.mark.error(field, f"{text!r} is none of {', '.join(choices)}", nearest(text, choices))
    return text


def read_amount(node: Node, field: str, parse: Callable[[str], T]) -> T:
    """A number or text that `parse` understands; its ValueError becomes the refusal."""
    if not isinstance(node, Scalar) or isinstance(node.value, bool) or not isinstance(node.value, int | float | str):
        raise node.mark.error(field, f"must be a number or text, not {kind_of(node)}")
    text = node.value if isinstance(node.value, str) else _plain(node)
    try:
        return parse(text)
    except ValueError as error:
        raise node.mark.error(field, str(error)) from None


def _plain(node: Scalar) -> str:
    value = node.value
    if isinstance(value, int) and abs(value) >= 10**18:
        return node.text
    return str(value)


def read_mapping(node: Node, field: str) -> Mapping:
    """A mapping, whatever its fields."""
    if not isinstance(node, Mapping):
        raise node.mark.error(field, f"must be a mapping of names to values, not {kind_of(node)}")
    return node


def check_fields(
    mapping: Mapping, prefix: str, known: Iterable[str], elsewhere: MappingOf[str, str] = MappingProxyType({})
) -> None:
    """Every field of `mapping` is known; one that is misplaced or misspelt is refused by name.

    `elsewhere` tells for a field that is valid in another place where that is.
    """
    for name in mapping.entries:
        if name in known:
            continue
        field, mark = f"{prefix}{name}", mapping.key_marks[name]
        if name in elsewhere:
            raise mark.error(field, f"belongs to {elsewhere[name]}")
        if name in mapping.not_text:
            raise mark.error(field, f"YAML reads this name as {name}, not as text; quote it")
        raise mark.error(field, "unknown field", nearest(name, known))

"""Mappings read into the frozen types that describe them: one reader for all, so that a field's type is its rule."""

from __future__ import annotations

import functools
import re
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from tradewind.spec.document import Mapping, Node, Scalar, Sequence
from tradewind.spec.fields import nearest
from tradewind.spec.nodes import check_fields, is_null, kind_of, read_mapping, read_text

S = TypeVar("S", bound=msgspec.Struct)


def read_struct(node: Node, field: str, kind: type[S]) -> S:
    """The mapping as a value of `kind`. Words that a type lists are read in any case.

    A type says of itself, in class variables, where it is not like the others: `UNKNOWN` fields are "ignored" or put off to the "launch" instead
    of refused, `NULLS` names the fields in which null is the default ("*": in all), and with `EXACT` its words are read as they are spelt.

    Raises SpecError for a field that the type does not have, one that it needs and lacks, and a value that its type does not allow.
    """
    mapping = read_mapping(node, field)
    described = _fields(kind)
    unknown, nulls, exact = (getattr(kind, name, ()) for name in ("UNKNOWN", "NULLS", "EXACT"))
    if not unknown:
        check_fields(mapping, f"{field}.", tuple(described))
    elif unknown == "launch":
        mapping.mark.at_launch(lambda: check_fields(mapping, f"{field}.", tuple(described)), None)
    values: dict[str, Any] = {}
    for name, part in described.items():
        value = mapping.entries.get(name)
        if value is not None and is_null(value) and not ("*" in nulls or name in nulls):
            raise value.mark.error(f"{field}.{name}", "has no value; write one, or remove the field")
        if value is not None and not is_null(value):
            values[name] = _read(value, f"{field}.{name}", part.type, exact=bool(exact))
        elif part.required:
            raise mapping.mark.error(field, f"needs `{name}`")
    return kind(**values)


@functools.cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, inspect.Field]:
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)
    return {part.encode_name: part for part in described.fields}


def _read(node: Node, field: str, kind: inspect.Type, *, exact: bool = False) -> Any:
    """The node as one of the types that `kind` allows; the first that fits what was written."""
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    choices = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    choices = tuple(each.type if isinstance(each, inspect.Metadata) else each for each in choices)
    for choice in choices:
        if _fits(node, choice):
            return _read_as(node, field, choice, exact=exact)
    wanted = " or ".join(
        dict.fromkeys(_wanted(choice) for choice in choices if not isinstance(choice, inspect.NoneType))
    )
    hint = "; quote it" if wanted == "text" and isinstance(node, Scalar) else ""
    raise node.mark.error(field, f"must be {wanted}, not {kind_of(node)}{hint}")


def _fits(node: Node, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.AnyType):
        return True
    if isinstance(node, Mapping):
        return isinstance(kind, inspect.StructType | inspect.DictType)
    if isinstance(node, Sequence):
        return isinstance(kind, inspect.VarTupleType)
    if isinstance(node.value, bool):
        return isinstance(kind, inspect.BoolType)
    if isinstance(node.value, int):
        return isinstance(kind, inspect.IntType | inspect.FloatType)
    if isinstance(node.value, float):
        whole = node.value.is_integer() and isinstance(
            kind, inspect.IntType
        )  # JSON Schema's integers have 1.0 among them
        return whole or isinstance(kind, inspect.FloatType)
    if node.value is None:
        return isinstance(kind, inspect.NoneType)
    return isinstance(node.value, str) and isinstance(kind, inspect.StrType | inspect.LiteralType)


def _read_as(node: Node, field: str, kind: inspect.Type, *, exact: bool) -> Any:
    if isinstance(kind, inspect.AnyType):
        return plain(node, field)
    if isinstance(kind, inspect.StructType):
        return read_struct(node, field, kind.cls)
    if isinstance(kind, inspect.DictType):
        return _read_dict(node, field, kind)
    if isinstance(kind, inspect.VarTupleType):
        return _read_tuple(node, field, kind, exact=exact)
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return _read_number(node, field, kind)
    if isinstance(kind, inspect.LiteralType):
        return _read_word(node, field, tuple(str(value) for value in kind.values), exact=exact)
    if isinstance(kind, inspect.StrType):
        return _read_string(node, field, kind)
    assert isinstance(node, Scalar)
    return node.value


def _read_dict(node: Node, field: str, kind: inspect.DictType) -> dict[str, Any]:
    mapping = read_mapping(node, field)
    return {name: _read(value, f"{field}.{name}", kind.value_type) for name, value in mapping.entries.items()}


def _read_tuple(node: Node, field: str, kind: inspect.VarTupleType, *, exact: bool) -> tuple[Any, ...]:
    assert isinstance(node, Sequence)
    if kind.min_length is not None and len(node.items) < kind.min_length:
        raise node.mark.error(field, f"must hold at least {kind.min_length}")
    if kind.max_length is not None and len(node.items) > kind.max_length:
        raise node.mark.error(field, f"holds more than {kind.max_length}")
    return tuple(_read(item, f"{field}[{index}]", kind.item_type, exact=exact) for index, item in enumerate(node.items))


def _read_number(node: Node, field: str, kind: inspect.IntType | inspect.FloatType) -> float:
    assert isinstance(node, Scalar)
    number: Any = node.value
    if isinstance(kind, inspect.IntType):
        number = int(number)
    least, most = kind.ge, kind.le
    if isinstance(kind, inspect.FloatType):
        try:
            number = float(number)
        except OverflowError:
            number = float("inf")
        if number - number != 0:
            raise node.mark.error(field, "must be a finite number")
    if (least is not None and number < least) or (most is not None and number > most):
        allowed = f"from {least:g} to {most:g}" if least is not None and most is not None else f"at least {least:g}"
        raise node.mark.error(field, f"must be {allowed}")
    if not -(2**63) <= number < 2**63:
        raise node.mark.error(field, "is far out of range")
    return number  # type: ignore[no-any-return]


def _read_word(node: Node, field: str, words: tuple[str, ...], *, exact: bool) -> str:
    text = read_text(node, field)
    by_folded = {word if exact else word.lower(): word for word in words}
    found = by_folded.get(text if exact else text.lower())
    if found is None:
        raise node.mark.error(field, f"{text!r} is none of {', '.join(words)}", nearest(text, words))
    return found


def _read_string(node: Node, field: str, kind: inspect.StrType) -> str:
    text = read_text(node, field)
    if kind.pattern is not None and not re.search(kind.pattern, text):
        raise node.mark.error(field, f"{text[:40]!r} is not written as it must be ({kind.pattern})")
    if kind.min_length is not None and len(text) < kind.min_length:
        raise node.mark.error(field, "must not be empty")
    if kind.max_length is not None and len(text) > kind.max_length:
        raise node.mark.error(field, f"is longer than {kind.max_length} characters")
    return text


def _wanted(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(str(value) for value in kind.values)
    names: dict[type[inspect.Type], str] = {
        inspect.StructType: "a mapping of names to values",
        inspect.DictType: "a mapping of names to values",
        inspect.VarTupleType: "a list",
        inspect.BoolType: "true or false",
        inspect.IntType: "a whole number",
        inspect.FloatType: "a number",
        inspect.StrType: "text",
    }
    return names.get(type(kind), "a value")


def plain(node: Node, field: str) -> Any:
    """What was written as plain values, for settings that only another program understands; dates stay the text they are."""
    if isinstance(node, Mapping):
        return {name: plain(value, f"{field}.{name}") for name, value in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item, f"{field}[{index}]") for index, item in enumerate(node.items)]
    if isinstance(node.value, float) and node.value - node.value != 0:
        raise node.mark.error(field, "must be a finite number")
    if isinstance(node.value, int) and abs(node.value) >= 2**63:
        return node.text
    return node.value if node.value is None or isinstance(node.value, bool | int | float | str) else node.text


def written(value: object) -> Any:
    """A value as a task file would say it: structs as mappings of what differs from their defaults, tuples as lists."""
    if isinstance(value, msgspec.Struct):
        form = {}
        for part in msgspec.structs.fields(value):
            held = getattr(value, part.name)
            default = part.default_factory() if part.default_factory is not msgspec.NODEFAULT else part.default
            if held != default:
                form[part.encode_name] = written(held)
        return form
    if isinstance(value, tuple | list):
        return [written(item) for item in value]
    if isinstance(value, dict):
        return {name: written(item) for name, item in value.items()}
    return value

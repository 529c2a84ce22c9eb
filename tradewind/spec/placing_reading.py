"""`placement:` and `estimates:` read from their maps."""

from __future__ import annotations

from collections.abc import Callable

from tradewind.spec.document import Mapping, Node, Scalar
from tradewind.spec.nodes import is_null, kind_of, read_amount, read_mapping
from tradewind.spec.placing import Length, Placing, hours_of, parse_every, parse_quota, parse_share
from tradewind.spec.quantities import parse_hours
from tradewind.spec.typed import read_struct


def read_placing(node: Node | None, field: str = "placement") -> Placing:
    """The map as a value. Raises SpecError."""
    if node is None:
        return Placing()
    placing = read_struct(node, field, Placing)
    mapping = read_mapping(node, field)
    parse: Callable[[str], object]
    times = mapping.entries.get("interruptions")
    if isinstance(times, Mapping):
        for name, value in times.entries.items():
            if isinstance(value, Scalar) and not is_null(value):
                parse = parse_every if name == "every" else hours_of
                _check(value, f"{field}.interruptions.{name}", parse)
    for name, parse in (("quotas", parse_quota), ("shares", parse_share)):
        inner = mapping.entries.get(name)
        if isinstance(inner, Mapping):
            for place, value in inner.entries.items():
                if isinstance(value, Scalar):
                    _check(value, f"{field}.{name}.{place}", parse)
    return placing


def _check(value: Scalar, field: str, parse: Callable[[str], object]) -> None:
    try:
        parse(value.text)
    except ValueError as error:
        raise value.mark.error(field, str(error)) from error


def read_estimates(node: Node | None) -> tuple[Length, ...]:
    """A map of accelerators or instance types to lengths of time. Raises SpecError."""
    if node is None:
        return ()
    if not isinstance(node, Mapping):
        raise node.mark.error("estimates", f"must be a map such as {{A100:8: 10h}}, not {kind_of(node)}")
    found = []
    for on, value in node.entries.items():
        if is_null(value) or not on.strip():
            raise value.mark.error(f"estimates.{on}", "needs a length of time, such as 10h")
        found.append(Length(on.strip(), read_amount(value, f"estimates.{on}", parse_hours)))
    return tuple(found)

"""`envs:` as texts."""

from __future__ import annotations

import re

from tradewind.spec.document import Node, Scalar
from tradewind.spec.nodes import is_null, kind_of, read_mapping, read_text

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_envs(node: Node | None) -> dict[str, str]:
    """Names and texts; a name without a value must be given by a flag."""
    if node is None:
        return {}
    envs: dict[str, str] = {}
    mapping = read_mapping(node, "envs")
    for name, value in mapping.entries.items():
        field = f"envs.{name}"
        if not _ENV_NAME.fullmatch(name):
            raise mapping.key_marks[name].error(
                field, "is no name for a variable: letters, digits and _ only, not starting with a digit"
            )
        if is_null(value):
            raise mapping.key_marks[name].error(field, f"has no value; write one, or give it with --env {name}=VALUE")
        if not isinstance(value, Scalar):
            raise value.mark.error(field, f"must be a single value, not {kind_of(value)}")
        if isinstance(value.value, str):
            envs[name] = read_text(value, field)
        elif isinstance(value.value, bool | int | float):
            envs[name] = _text_of(value)
        else:
            envs[name] = value.text  # a date: YAML's reading of it is nobody's wish
    return envs


def _text_of(value: Scalar) -> str:
    """Python's str of the value, as SkyPilot does: true becomes True, 1e3 stays the text it is. Digits beyond int's print limit stay as typed."""
    try:
        return str(value.value)
    except ValueError:
        return value.text

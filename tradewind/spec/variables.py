"""`envs:` as texts."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from tradewind.spec.document import Mark, Node, Scalar
from tradewind.spec.nodes import is_null, read_mapping, read_text
from tradewind.spec.typed import plain

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# execve(2), "Limits on size of arguments and environment": 128 KiB a string, and under the usual stack limit of 8 MiB a quarter of it in all.
# The rest of that is for what the node itself gives a process.
MAX_VARIABLE_BYTES, MAX_ENVS_BYTES = 131_072, 1_700_000


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
        envs[name] = read_value(value, field)
    if why := too_large(envs):
        raise mapping.mark.error("envs", why)
    return envs


_DOCKER_LOGIN = tuple(f"SKYPILOT_DOCKER_{name}" for name in ("USERNAME", "PASSWORD", "SERVER"))


def check_docker_login(envs: Collection[str], secrets: Collection[str], mark: Mark) -> None:
    """The three variables that a private image is fetched with stand together, all in envs or all in secrets. Raises SpecError."""
    for field, names, others in (("envs", envs, secrets), ("secrets", secrets, envs)):
        there = [name for name in _DOCKER_LOGIN if name in names]
        if there and any(name in others for name in _DOCKER_LOGIN):
            raise mark.error(field, f"{there[0]} and its fellows must stand in one place, envs or secrets")
        if there and len(there) < len(_DOCKER_LOGIN):
            raise mark.error(
                field, f"{there[0]} needs {', '.join(name for name in _DOCKER_LOGIN if name not in there)} beside it"
            )


def too_large(envs: Mapping[str, str]) -> str:
    """Why no process could be given these variables; "" when one can."""
    total = 0
    for name, value in envs.items():
        size = len(name.encode()) + len(value.encode("utf-8", "surrogateescape")) + 2  # "=", and the NUL behind
        if size > MAX_VARIABLE_BYTES:
            return f"{name} has {size:,} bytes, and Linux gives a process at most {MAX_VARIABLE_BYTES:,} in one variable; put it into a file of the workdir"
        total += size
    if total > MAX_ENVS_BYTES:
        return f"they have {total:,} bytes, and {MAX_ENVS_BYTES:,} is what every Linux gives a process; put them into a file of the workdir"
    return ""


def read_value(value: Node, field: str) -> str:
    """A variable's value: Python's str of what YAML reads, as SkyPilot does: true becomes True, 1e3 stays the text it is, [1] becomes "[1]".

    Digits beyond int's print limit stay as typed, and so do dates: YAML's reading of them is nobody's wish.
    """
    if not isinstance(value, Scalar):
        return str(plain(value, field))
    if isinstance(value.value, str):
        return read_text(value, field)
    if not isinstance(value.value, bool | int | float):
        return value.text
    try:
        return str(value.value)
    except ValueError:
        return value.text

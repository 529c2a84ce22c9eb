"""What workers find around them: environment variables, a working directory, modules. Ray's `runtime_env`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tradewind.runtime.messages.values import Environment

if TYPE_CHECKING:
    from tradewind.runtime.packages import Packages

# In a worker's environment: the Environment that it was forked with, for the tasks that it starts in turn.
VARIABLE = "TRADEWIND_RUNTIME_ENV"
_FIELDS = ("env_vars", "working_dir", "py_modules", "excludes")


class RuntimeEnv(dict[str, Any]):
    """A runtime_env with its fields as arguments."""

    def __init__(self, **fields: Any) -> None:
        """Raises TypeError for env_vars that are not text."""
        super().__init__({name: value for name, value in fields.items() if value is not None})
        _variables(self)

    def to_dict(self) -> dict[str, Any]:
        """The fields that were given, in a plain dict."""
        return dict(self)

    def set(self, name: str, value: Any) -> None:
        """The field has the value. Raises TypeError for env_vars that are not text."""
        _variables({name: value})
        self[name] = value

    def env_vars(self) -> dict[str, str]:
        """The variables; {} for none."""
        return dict(self.get("env_vars") or {})

    def working_dir(self) -> str | None:
        """The directory to start in."""
        found = self.get("working_dir")
        return None if found is None else str(found)

    def has_working_dir(self) -> bool:
        """True when there is one."""
        return bool(self.get("working_dir"))

    def py_modules(self) -> list[Any]:
        """The packages to bring along; [] for none."""
        return list(self.get("py_modules") or [])


def environment_of(
    given: Mapping[str, Any] | None, inherited: Environment | None, packages: Packages | None
) -> Environment | None:
    """The environment that runtime_env asks for: variables are merged into the inherited ones, the other fields replace.

    packages: by which directories are sent along; None when workers see this process's files. Raises ValueError for what is not supported, and
    for directories that do not exist or are too large to send, TypeError for env_vars that are not text.
    """
    if not given:
        return inherited
    unknown = sorted(set(given) - set(_FIELDS))
    if unknown:
        raise ValueError(
            f"runtime_env has {', '.join(unknown)}, which is not supported; it may have {', '.join(_FIELDS)}."
        )
    variables = _variables(given)
    cwd = _directory("working_dir", given["working_dir"]) if given.get("working_dir") else ""
    modules = [_directory("py_modules", _path_of(module)) for module in given.get("py_modules") or []]
    if packages is None:
        # A module is found by its parent directory.
        paths = [os.path.dirname(module) for module in modules]
    else:
        excludes = list(given.get("excludes") or ())
        cwd = packages.upload(cwd, "", excludes) if cwd else ""
        paths = [packages.upload(module, os.path.basename(module), excludes) for module in modules]
    base = inherited or Environment()
    return Environment(
        {**base.env_vars, **variables}, cwd or base.cwd, [*paths, *([cwd] if cwd else [])] or list(base.paths)
    )


def _variables(given: Mapping[str, Any]) -> dict[str, str]:
    variables = given.get("env_vars") or {}
    if not isinstance(variables, Mapping):
        raise TypeError(f"runtime_env['env_vars'] is {variables!r}; it must be a dict of names and values.")
    for name, value in variables.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"runtime_env['env_vars'] has {name!r}: {value!r}; names and values must be text.")
    return dict(variables)


def _path_of(module: Any) -> str:
    """The directory of a package that is given as a path or as the imported module."""
    return str(getattr(module, "__path__", [module])[0])


def _directory(field: str, path: Any) -> str:
    text = os.path.abspath(str(path))
    if not os.path.isdir(text):
        raise ValueError(f"runtime_env[{field!r}] names {text}, which is not a directory.")
    return text


def own_environment() -> Environment | None:
    """What this worker was started with; None for nothing special."""
    text = os.environ.get(VARIABLE)
    return msgspec.json.decode(text, type=Environment) if text else None


__all__ = ["RuntimeEnv"]

"""Azure's own models as judge: every body of a request and of an answer has the fields and kinds that the SDK's classes declare."""

from __future__ import annotations

import datetime as dt
import enum
import importlib
import types
import typing

# Lists that Microsoft no longer keeps up ("This enumeration is currently outdated", says the model).
OUTDATED = {"VirtualMachineSizeTypes"}


class ModelError(AssertionError):
    """A body does not have the form that the vendor's model gives it."""


def check(model: str, value: object, where: str, *, request: bool) -> None:
    """Raises ModelError unless `value` is what "package.models:Class" describes; in a request no field may be read-only."""
    module_name, _, name = model.partition(":")
    module = importlib.import_module(module_name)
    _check_model(getattr(module, name), module, value, where, request=request)


def _check_model(cls: type, module: types.ModuleType, value: object, where: str, *, request: bool) -> None:
    if hasattr(cls, "_attribute_map"):
        _check_flat(cls, value, where, request=request)
        return
    if not isinstance(value, dict):
        raise ModelError(f"{where}: {value!r} is no {cls.__name__}")
    cls({})  # the fields are gathered when the first object is made
    kinds = {
        name: kind for base in reversed(cls.__mro__) for name, kind in base.__dict__.get("__annotations__", {}).items()
    }
    fields = {field._rest_name: (name, field) for name, field in cls._attr_to_rest_field.items()}
    for name, item in value.items():
        if name not in fields:
            raise ModelError(f"{where}: {cls.__name__} has no field {name}")
        attribute, field = fields[name]
        if request and field._visibility == ["read"]:
            raise ModelError(f"{where}.{name} is read-only")
        _check_kind(kinds[attribute], module, item, f"{where}.{name}", request=request)


def _check_kind(kind: object, module: types.ModuleType, value: object, where: str, *, request: bool) -> None:
    kind = _resolve(kind, module)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is typing.Any or kind is object:
        return
    if origin in (typing.Union, types.UnionType):
        _check_union([_resolve(a, module) for a in arguments], module, value, where, request=request)
    elif origin is list:
        if not isinstance(value, list):
            raise ModelError(f"{where}: {value!r} is no list")
        for index, item in enumerate(value):
            _check_kind(arguments[0], module, item, f"{where}[{index}]", request=request)
    elif origin is dict:
        if not isinstance(value, dict):
            raise ModelError(f"{where}: {value!r} is no mapping")
        for name, item in value.items():
            _check_kind(arguments[1], module, item, f"{where}.{name}", request=request)
    elif origin is typing.Literal:
        if value not in [a.value if isinstance(a, enum.Enum) else a for a in arguments]:
            raise ModelError(f"{where}: {value!r} is none of {arguments}")
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        if str(value).lower() not in {str(member.value).lower() for member in kind}:
            raise ModelError(f"{where}: {value!r} is no {kind.__name__}")
    elif isinstance(kind, type) and hasattr(kind, "_is_model"):
        _check_model(kind, module, value, where, request=request)
    elif kind in (dt.datetime, dt.timedelta, bytes):
        _need(isinstance(value, str), value, "text", where)
    elif kind is float:
        _need(isinstance(value, int | float) and not isinstance(value, bool), value, "number", where)
    elif kind is int:
        _need(isinstance(value, int) and not isinstance(value, bool), value, "integer", where)
    elif kind in (str, bool):
        _need(isinstance(value, kind), value, kind.__name__, where)


def _check_union(kinds: list, module: types.ModuleType, value: object, where: str, *, request: bool) -> None:
    if value is None and type(None) in kinds:
        return
    named = [k for k in kinds if k is not type(None)]
    # Union[str, SomeEnum]: what is not in the enum is most likely misspelt, though the SDK would send it
    enums = [k for k in named if isinstance(k, type) and issubclass(k, enum.Enum) and k.__name__ not in OUTDATED]
    trouble: list[ModelError] = []
    for kind in enums or named:
        try:
            _check_kind(kind, module, value, where, request=request)
        except ModelError as error:
            trouble.append(error)
        else:
            return
    raise trouble[0]


def _resolve(kind: object, module: types.ModuleType) -> object:
    text = kind.__forward_arg__ if isinstance(kind, typing.ForwardRef) else kind
    if not isinstance(text, str):
        return kind
    name = text.rsplit(".", 1)[-1]
    if hasattr(module, name):
        return getattr(module, name)
    return {"datetime": dt.datetime, "timedelta": dt.timedelta}.get(name, typing.Any)


def _need(holds: bool, value: object, kind: str, where: str) -> None:
    if not holds:
        raise ModelError(f"{where}: {value!r} is no {kind}")


def _check_flat(cls: type, value: object, where: str, *, request: bool) -> None:
    """The older generator's models: paths into the body, and a kind of each."""
    if not isinstance(value, dict):
        raise ModelError(f"{where}: {value!r} is no {cls.__name__}")
    paths = {entry["key"]: (name, entry["type"]) for name, entry in cls._attribute_map.items()}
    read_only = {name for name, rule in cls._validation.items() if rule.get("readonly")}
    for path, item in _leaves(value, paths):
        if path not in paths:
            raise ModelError(f"{where}: {cls.__name__} has no field {path}")
        name, kind = paths[path]
        if request and name in read_only:
            raise ModelError(f"{where}.{path} is read-only")
        _need(not kind.startswith("[") or isinstance(item, list), item, kind, f"{where}.{path}")
        _need(kind != "str" or isinstance(item, str), item, kind, f"{where}.{path}")


def _leaves(value: dict, paths: dict, prefix: str = ""):
    for name, item in value.items():
        path = prefix + name
        if path not in paths and isinstance(item, dict):
            yield from _leaves(item, paths, path + ".")
        else:
            yield path, item

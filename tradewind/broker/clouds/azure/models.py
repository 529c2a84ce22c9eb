"""Makes the SDK's model classes ready before threads use them.

The SDK completes a class of models when the first object of it is made, and two threads that do so at once may leave it half done: an answer's
inner parts are then plain dictionaries, silently (https://github.com/Azure/azure-sdk-for-python/issues/47426). Here one thread does it for all.
"""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Iterator
from typing import Any

_one_at_a_time = threading.Lock()
_done: set[type] = set()


def make_ready(package: str, *names: str) -> None:
    """The named models of the package, and all that their fields lead to, are complete; asked again it costs nothing."""
    models = importlib.import_module(f"{package}.models")
    with _one_at_a_time:
        todo: list[Any] = [getattr(models, name) for name in names]
        while todo:
            kind = todo.pop()
            if kind in _done:
                continue
            _done.add(kind)
            kind.__new__(kind)
            for field in kind._attr_to_rest_field.values():  # noqa: SLF001  what the SDK makes late is nowhere public
                todo += _models_in(field._type)  # noqa: SLF001  as above


def _models_in(reader: Any) -> Iterator[Any]:
    """The classes of models that a field's reader makes: they stand in nested partials and lists."""
    if isinstance(reader, functools.partial):
        for part in reader.args:
            yield from _models_in(part)
    elif isinstance(reader, list | tuple):
        for part in reader:
            yield from _models_in(part)
    elif getattr(reader, "_is_model", False):
        yield reader

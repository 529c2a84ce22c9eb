"""Values to bytes and back: pickle protocol 5, large buffers out of band so that they can be read in place.

A serialized value is b"" for None, a plain pickle, or, with buffers, `B`, a count, sizes, the pickle and the buffers, each aligned to 64 bytes.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from tradewind.runtime import copying

_ALIGN = 64
_COUNT = struct.Struct("<cxxxI")
_SIZE = struct.Struct("<Q")
_PLAIN: frozenset[type] = frozenset({int, float, bool, str, bytes, type(None), complex})
_SHALLOW = 16
# Under this many bytes a buffer is copied into the pickle: reading it in place would save nothing.
_OUT_OF_BAND_MIN = 0


@dataclass(slots=True)
class Serialized:
    """A value ready to be written: in-band bytes, out-of-band buffers, and the refs that it holds."""

    head: bytes
    buffers: list[memoryview] = field(default_factory=list)
    refs: list[Any] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes that `write_to` fills."""
        if not self.buffers:
            return len(self.head)
        size = _header_size(len(self.buffers)) + len(self.head)
        for buffer in self.buffers:
            size = _round(size) + buffer.nbytes
        return size

    def to_bytes(self) -> bytes:
        """The serialized value in one piece."""
        if not self.buffers:
            return self.head
        out = bytearray(self.size)
        self.write_to(memoryview(out))
        return bytes(out)

    def write_to(self, out: memoryview, *, new_pages: bool = False) -> None:
        """The serialized value stands in out[:size]. With new_pages, out is memory that this process has not touched yet."""
        if not self.buffers:
            out[: len(self.head)] = self.head
            return
        _COUNT.pack_into(out, 0, b"B", len(self.buffers))
        _SIZE.pack_into(out, _COUNT.size, len(self.head))
        position = _COUNT.size + _SIZE.size
        for buffer in self.buffers:
            _SIZE.pack_into(out, position, buffer.nbytes)
            position += _SIZE.size
        out[position : position + len(self.head)] = self.head
        position += len(self.head)
        for buffer in self.buffers:
            position = _round(position)
            copying.copy(out[position : position + buffer.nbytes], buffer, new_pages=new_pages)
            position += buffer.nbytes


def _header_size(buffers: int) -> int:
    return _COUNT.size + _SIZE.size * (1 + buffers)


def _round(position: int) -> int:
    return (position + _ALIGN - 1) // _ALIGN * _ALIGN


class _Collector(threading.local):
    """Refs met while pickling or unpickling in this thread."""

    def __init__(self) -> None:
        self.refs: list[Any] | None = None


collector = _Collector()

_make_pickler: Callable[..., Any] | None = None
_installed_roots: tuple[str, ...] = ()
_custom: dict[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {}


def register_serializer(cls: type, *, serializer: Callable[[Any], Any], deserializer: Callable[[Any], Any]) -> None:
    """Values of exactly this class, sent by this process, travel as what serializer returns; deserializer, sent along, makes them again."""
    global _make_pickler  # noqa: PLW0603  one of it a process
    _custom[cls] = (serializer, deserializer)
    _make_pickler = None


def deregister_serializer(cls: type) -> None:
    """Values of this class are pickled as usual again."""
    global _make_pickler  # noqa: PLW0603  one of it a process
    _custom.pop(cls, None)
    _make_pickler = None


def _revive(deserializer: Callable[[Any], Any], state: Any) -> Any:
    return deserializer(state)


def _pickler_class() -> Callable[..., Any]:
    global _make_pickler  # noqa: PLW0603  one of it a process
    if _make_pickler is None:
        import cloudpickle

        class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
            if _custom:

                def reducer_override(self, value: Any) -> Any:
                    found = _custom.get(type(value))
                    if found is not None:
                        return _revive, (found[1], found[0](value))
                    return super().reducer_override(value)

        _make_pickler = Pickler
    return _make_pickler


def is_plain(value: Any) -> bool:
    """True when the value surely needs neither cloudpickle nor ref tracking: scalars, and small tuples and lists of them."""
    kind = type(value)
    if kind in _PLAIN:
        return True
    if (kind is tuple or kind is list) and len(value) <= _SHALLOW:
        return all(type(item) in _PLAIN for item in value)
    return False


def serialize(value: Any) -> Serialized:
    """The value, with the refs found in it. Raises TypeError naming what could not be pickled."""
    if value is None:
        return Serialized(b"")
    if is_plain(value):
        return Serialized(pickle.dumps(value, 5))
    outer = collector.refs
    refs: list[Any] = []
    collector.refs = refs
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    try:
        _pickler_class()(file, protocol=5, buffer_callback=buffers.append).dump(value)
        raw = [buffer.raw() for buffer in buffers]
    except BufferError:
        # Not contiguous: such an array is copied into the pickle instead.
        del refs[:]
        file = io.BytesIO()
        _pickler_class()(file, protocol=5).dump(value)
        raw = []
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        culprit = _culprit(value)
        raise TypeError(f"{_name(value)} cannot be pickled: {culprit + '; ' if culprit else ''}{error}") from error
    finally:
        collector.refs = outer
    return Serialized(file.getvalue(), raw, refs)


def serialize_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Serialized:
    """The pair (args, kwargs), as `serialize` would, and faster for a few scalars."""
    if not kwargs and is_plain(args):
        return Serialized(pickle.dumps((args, kwargs), 5))
    return serialize((args, kwargs))


def _name(value: Any) -> str:
    return getattr(value, "__qualname__", None) or f"A value of type {type(value).__qualname__}"


def parts_of(value: Any) -> list[tuple[str, Any]]:
    """What the value is made of, one level down: items, attributes, captured variables and globals, each with what it is called."""
    parts: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        parts = [(f"item {key!r}", item) for key, item in value.items()]
    elif isinstance(value, (list, tuple)):
        parts = [(f"item {index}", item) for index, item in enumerate(value)]
    elif getattr(value, "__closure__", None):
        parts = [
            (f"captured variable {name!r}", cell.cell_contents)
            for name, cell in zip(value.__code__.co_freevars, value.__closure__, strict=False)
        ]
    if hasattr(value, "__code__"):
        names = value.__code__.co_names
        parts += [(f"global {name!r}", value.__globals__[name]) for name in names if name in value.__globals__]
    elif hasattr(value, "__dict__"):
        parts += [(f"attribute {name!r}", item) for name, item in vars(value).items()]
    return parts


def _culprit(value: Any) -> str:
    """Which part of the value does not pickle, one level down."""
    for name, item in parts_of(value):
        try:
            _pickler_class()(io.BytesIO(), protocol=5).dump(item)
        except Exception as error:  # user objects raise anything while being pickled
            return f"its {name} (a {type(item).__qualname__}) does not pickle: {error}"
    return ""


def deserialize(data: bytes | memoryview) -> Any:
    """The value that was serialized into data; buffers are read in place, read-only when data is."""
    if len(data) == 0:
        return None
    if data[0] != 0x42:  # "B"; a pickle starts with 0x80
        return pickle.loads(data)
    view = memoryview(data)
    if not view.readonly:
        view = view.toreadonly()
    _, count = _COUNT.unpack_from(view, 0)
    (head_size,) = _SIZE.unpack_from(view, _COUNT.size)
    sizes = [_SIZE.unpack_from(view, _COUNT.size + _SIZE.size * (1 + index))[0] for index in range(count)]
    position = _header_size(count)
    head = view[position : position + head_size]
    position += head_size
    buffers = []
    for size in sizes:
        position = _round(position)
        buffers.append(view[position : position + size])
        position += size
    return pickle.loads(head, buffers=buffers)


def has_buffers(data: bytes | memoryview) -> bool:
    """True when the value refers to parts of data in place."""
    return len(data) > 0 and data[0] == 0x42


def carry_modules_by_value(modules: Sequence[ModuleType] | None = None) -> None:
    """Functions and classes of modules that are not installed packages travel with their code: other nodes may not have the files."""
    import cloudpickle

    for module in list(sys.modules.values()) if modules is None else modules:
        name = getattr(module, "__name__", None)
        path = getattr(module, "__file__", None)
        if not name or not path or name == "__main__" or sys.modules.get(name) is not module:
            continue
        if name.partition(".")[0] in {"tradewind", "cloudpickle"} or _is_installed(path):
            continue
        if name not in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.register_pickle_by_value(module)


def _is_installed(path: str) -> bool:
    global _installed_roots  # noqa: PLW0603  one of it a process
    if not _installed_roots:
        import site
        import sysconfig

        roots = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
        roots |= {*site.getsitepackages(), site.getusersitepackages()}
        roots |= {
            entry for entry in sys.path if entry.rstrip("/").endswith(("site-packages", "dist-packages", "lib-dynload"))
        }
        _installed_roots = tuple(root.rstrip("/") + "/" for root in roots if root)
    return path.startswith(_installed_roots) or path.endswith(".so")

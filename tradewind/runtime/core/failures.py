"""Exceptions in the place of values: to bytes and back, whatever user code raised, with their text even where they cannot be made again."""

from __future__ import annotations

import struct

from tradewind.runtime import exceptions, serialization
from tradewind.runtime.messages.values import Failed

# Longer chains of calls that failed for each other's sake are told from their end only.
_MAX_CHAIN = 16_000

# Before a serialized exception: how many bytes of text stand before it.
_TEXT = struct.Struct("<I")


def dump_error(error: BaseException) -> bytes:
    """The exception, serialized, whatever it holds: what does not pickle is replaced by its text. Its text goes along in any case."""
    try:
        data = serialization.serialize(error).to_bytes()
        serialization.deserialize(data)
    except Exception:  # user exceptions raise anything when pickled, or come back as something that cannot be made
        plain: exceptions.RayError
        if isinstance(error, exceptions.RayTaskError):
            said = f"{error.function_name}() raised {type(error.cause).__qualname__}, which cannot be pickled and made again; {error}"
            cause = exceptions.UnserializableException(said)
            plain = exceptions.RayTaskError(error.function_name, error.traceback_str, cause, error.where)
        else:
            plain = exceptions.UnserializableException(f"{type(error).__qualname__}: {error}")
        data = serialization.serialize(plain).to_bytes()
    text = str(error).encode(errors="replace") if isinstance(error, exceptions.RayTaskError) else b""
    return _TEXT.pack(len(text)) + text + data


def load_error(failed: Failed) -> BaseException:
    """The exception that a failed value holds, new each time so that tracebacks do not pile up."""
    (size,) = _TEXT.unpack_from(failed.error)
    begin = _TEXT.size + size
    try:
        error = serialization.deserialize(failed.error[begin:])
    except Exception as problem:  # the class may exist only where it was raised
        text = failed.error[_TEXT.size : begin].decode()
        return exceptions.UnserializableException(
            f"{text}\nThe exception itself does not unpickle here: {type(problem).__name__}: {problem}"
        )
    if not isinstance(error, BaseException):
        return exceptions.RaySystemError(f"A failure arrived that is no exception: {error!r}")
    return error


def passed_on(failed: Failed, name: str) -> Failed:
    """The failure of a call's argument as that call's own result: what user code raised, with the whole chain in its text."""
    error = load_error(failed)
    if not isinstance(error, exceptions.RayTaskError) or len(error.traceback_str) > _MAX_CHAIN:
        return failed
    return Failed(dump_error(exceptions.RayTaskError(name, str(error), error.cause, "")))

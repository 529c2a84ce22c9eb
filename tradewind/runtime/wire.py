"""Frames: what every stream of the runtime carries. A frame is a 4-byte little-endian length and one MessagePack array of messages.

Pure: bytes in, messages out. Messages are array-like msgspec structs with an integer tag, so decoding also checks them, and a batch of
calls costs one length, one system call and one decoder run.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

M = TypeVar("M")

# One frame never holds more: larger values travel through the arena, or in chunks. Bounds what a broken peer can make us hold.
MAX_FRAME_BYTES = 1 << 28
_HEAD = struct.Struct("<I")
_ENCODER = msgspec.msgpack.Encoder()


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=0):
    """A wire form; each subclass has its own integer tag, unique in its family."""


class WireError(Exception):
    """The peer sent bytes that are no frame of this protocol; the connection cannot go on."""


def encode(messages: Sequence[Any]) -> bytes:
    """One frame that holds messages in order. Raises WireError when it would be larger than MAX_FRAME_BYTES."""
    body = bytearray(4)
    _ENCODER.encode_into(messages, body, 4)
    size = len(body) - 4
    if size > MAX_FRAME_BYTES:
        raise WireError(
            f"A message of {size:,} bytes is larger than a frame may be ({MAX_FRAME_BYTES:,}); pass large values by put()."
        )
    _HEAD.pack_into(body, 0, size)
    return body  # type: ignore[return-value]  # a bytearray is as good to send, and copying it is not free


def _not_understood(error: Exception) -> WireError:
    return WireError(f"The peer sent a frame that this version does not understand: {error}")


class FrameReader(Generic[M]):
    """Collects received bytes and gives the complete messages in them."""

    __slots__ = ("_buffer", "_decoder")

    def __init__(self, family: Any) -> None:
        """Reads messages of family, a union of Message types."""
        self._buffer = bytearray()
        self._decoder: msgspec.msgpack.Decoder[list[M]] = decoder_of(family)

    def feed(self, data: bytes | memoryview) -> list[M]:
        """The messages that data completes, in order; data may be used again afterwards. Raises WireError when the bytes are not of this protocol."""
        buffer = self._buffer
        source: bytes | bytearray | memoryview = data
        total = len(source)
        if buffer:
            buffer += data
            source = buffer
            total = len(source)
        elif total > 4 and _HEAD.unpack_from(data)[0] == total - 4:
            # One whole frame, as most often.
            try:
                return self._decoder.decode(data[4:])
            except msgspec.DecodeError as error:
                raise _not_understood(error) from error
        offset = 0
        messages: list[M] = []
        try:
            with memoryview(source) as view:
                while total - offset >= 4:
                    (size,) = _HEAD.unpack_from(source, offset)
                    if size > MAX_FRAME_BYTES:
                        raise WireError(
                            f"The peer announced a frame of {size:,} bytes; the limit is {MAX_FRAME_BYTES:,}."
                        )
                    if total - offset - 4 < size:
                        break
                    with view[offset + 4 : offset + 4 + size] as body:
                        batch = self._decoder.decode(body)
                    offset += 4 + size
                    if messages:
                        messages += batch
                    else:
                        messages = batch
        except msgspec.DecodeError as error:
            raise _not_understood(error) from error
        if source is buffer:
            if offset:
                del buffer[:offset]
        elif offset < total:
            buffer += data[offset:] if offset else data
        return messages

    @property
    def pending_bytes(self) -> int:
        """Bytes of an unfinished frame."""
        return len(self._buffer)


_decoders: dict[Any, Any] = {}


def decoder_of(family: Any) -> Any:
    """The decoder for lists of family's messages, made once a process."""
    found = _decoders.get(family)
    if found is None:
        found = _decoders[family] = msgspec.msgpack.Decoder(list[family])
    return found

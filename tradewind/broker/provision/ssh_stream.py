"""A unix socket on the instance as asyncio streams: asyncssh's channel behind asyncio's own StreamReader and StreamWriter."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncssh

READ_LIMIT = 1 << 16


class _ChannelTransport(asyncio.Transport):
    """The channel as a transport; what differs is only who is told of a full buffer."""

    def __init__(self, channel: asyncssh.SSHUNIXChannel[bytes]) -> None:
        super().__init__()
        self._channel = channel
        self._reading = True
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._channel.write(bytes(data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._channel.write_eof()

    def close(self) -> None:
        self._closing = True
        self._channel.close()

    def abort(self) -> None:
        self._closing = True
        self._channel.abort()

    def is_closing(self) -> bool:
        return self._closing  # the channel's own answer is true after write_eof already

    def lost(self) -> None:
        """The channel is gone: nothing is written to it any more."""
        self._closing = True

    def pause_reading(self) -> None:
        self._reading = False
        self._channel.pause_reading()

    def resume_reading(self) -> None:
        # Not at once: the channel would deliver what it holds from within this call, and StreamReader resumes before it waits for data.
        self._reading = True
        asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        if self._reading and not self._closing:
            self._channel.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._channel.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._channel.get_write_buffer_size()


class _Session:
    """asyncssh's callbacks, handed to asyncio's stream protocol."""

    def __init__(self, protocol: asyncio.StreamReaderProtocol) -> None:
        self._protocol = protocol
        self.transport: _ChannelTransport | None = None

    def connection_made(self, channel: asyncssh.SSHUNIXChannel[bytes]) -> None:
        self.transport = _ChannelTransport(channel)
        self._protocol.connection_made(self.transport)

    def session_started(self) -> None:
        """Nothing to do: reading starts by itself."""

    def data_received(self, data: bytes, _datatype: object) -> None:
        self._protocol.data_received(data)

    def eof_received(self) -> bool:
        return bool(self._protocol.eof_received())

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        if self.transport is not None:
            self.transport.lost()
        self._protocol.connection_lost(ConnectionResetError(str(error)) if error is not None else None)


async def open_unix(
    connection: asyncssh.SSHClientConnection, path: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Streams to the socket at `path` on the other side.

    Raises:
        OSError: nobody listens there, or the connection is gone.
    """
    import asyncssh

    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=READ_LIMIT, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    session = _Session(protocol)
    try:
        await connection.create_unix_connection(lambda: session, path)  # type: ignore[arg-type,return-value]
    except asyncssh.ChannelOpenError as error:
        raise ConnectionRefusedError(f"nobody listens at {path} on the instance ({error.reason})") from error
    except asyncssh.Error as error:
        raise ConnectionResetError(f"the SSH connection ended: {error.reason}") from error
    assert session.transport is not None, "asyncssh calls connection_made before the open returns"
    return reader, asyncio.StreamWriter(session.transport, protocol, reader, loop)

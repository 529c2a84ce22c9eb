"""A non-blocking stream of messages over a connected socket; plain ones may also carry file descriptors.

Thin: no threads, no loop. Whoever owns the link says when to receive, and is told through `want_write` when the kernel took less than all.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from tradewind.runtime import wire

RECEIVE_BYTES = 1 << 18
_SOCKET_BUFFER = 1 << 20
# The most that one TLS record holds (RFC 8446, 5.1).
_RECORD_BYTES = 1 << 14
_SHORT_BYTES = _RECORD_BYTES
_FD_SIZE = array.array("i").itemsize
_NO_LINGER = struct.pack("ii", 1, 0)


class _Room(threading.local):
    """Where bytes are received, once a thread: a new buffer each time would cost three system calls more than the message."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(RECEIVE_BYTES))


_room = _Room()


class Link:
    """One stream. `pending` holds messages that `flush` will send; `peer` is whatever the owner wants to know it by."""

    __slots__ = (
        "_on_want_write",
        "_out",
        "_reader",
        "closed",
        "fd",
        "fds",
        "peer",
        "pending",
        "sock",
        "wants_write",
    )

    def __init__(
        self, sock: socket.socket, family: Any, want_write: Callable[[Link, bool], None], peer: Any = None
    ) -> None:
        """A link over sock (set non-blocking here) that reads messages of family."""
        sock.setblocking(False)
        if sock.family == socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
        self.sock = sock
        self.fd = sock.fileno()
        self.peer = peer
        self.pending: list[Any] = []
        self.fds: deque[int] = deque()
        self.closed = False
        self.wants_write = False
        self._reader: wire.FrameReader[Any] = wire.FrameReader(family)
        self._out: deque[tuple[memoryview, list[int]]] = deque()
        self._on_want_write = want_write

    def post(self, message: Any) -> None:
        """The message goes out with the next flush."""
        self.pending.append(message)

    def send(self, message: Any, fds: Sequence[int] = ()) -> None:
        """The message is sent now, or queued if the kernel's buffer is full; the descriptors are duplicated, the caller keeps its own."""
        if self.closed:
            return
        self.flush()
        self._enqueue(wire.encode((message,)), [os.dup(fd) for fd in fds])

    def flush(self) -> None:
        """Every pending message is with the kernel or queued here. A broken connection shows when reading."""
        if self.pending:
            messages = self.pending
            self.pending = []
            if not self.closed:
                self._enqueue(wire.encode(messages), [])

    def _enqueue(self, frame: bytes, fds: list[int]) -> None:
        if not self._out and not fds and len(frame) <= _SHORT_BYTES and self._send_short(frame):
            return
        self._out.append((memoryview(frame), fds))
        if not self.wants_write:
            self.pump_out()

    def _send_short(self, frame: bytes) -> bool:
        """True when the kernel took the frame, which comes before nothing else; as most often, and without the queue's costs."""
        try:
            sent = self.sock.send(frame)
        except OSError:  # full, or broken: the queue knows what to do then
            return False
        if sent < len(frame):
            self._out.append((memoryview(frame)[sent:], []))
            self.pump_out()
        return True

    def pump_out(self) -> None:
        """As much of what is queued as the kernel takes is sent."""
        out = self._out
        while out and not self.closed:
            view, fds = out[0]
            try:
                sent = self._write(view, fds)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except OSError:
                # Reading will say why: what the peer sent before it died must still be read.
                self._drop_out()
                break
            if fds:
                _close_all(fds)
            if sent == len(view):
                out.popleft()
            else:
                out[0] = (view[sent:], [])
        wants = bool(out) and not self.closed
        if wants != self.wants_write:
            self.wants_write = wants
            self._on_want_write(self, wants)

    def _write(self, view: memoryview, fds: list[int]) -> int:
        if fds:
            return self.sock.sendmsg([view], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        return self.sock.send(view)

    @property
    def reader(self) -> wire.FrameReader[Any]:
        """What turns the stream's bytes into messages."""
        return self._reader

    def receive(self) -> list[Any] | None:
        """The messages that have arrived; [] when nothing complete has; None when the peer has closed or broken the stream."""
        room = _room.view
        try:
            size = self.sock.recv_into(room)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            return None
        return self._reader.feed(room[:size]) if size else None

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for the kernel."""
        return sum(len(view) for view, _ in self._out)

    def _drop_out(self) -> None:
        for _, fds in self._out:
            _close_all(fds)
        self._out.clear()

    def close(self) -> None:
        """The stream and every descriptor it still held are closed; a second call does nothing."""
        if not self.closed:
            self.closed = True
            self._drop_out()
            self.pending.clear()
            _close_all(self.fds)
            self.fds.clear()
            with contextlib.suppress(OSError):
                self.sock.close()

    def abort(self) -> None:
        """As close, when nobody is at the other end: what the kernel still held for it is freed at once, and a peer that lives sees a reset."""
        if not self.closed:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self.close()


class DescriptorLink(Link):
    """A link over a unix socket on which descriptors arrive: they lie in `fds` in the order of the messages that carry them."""

    __slots__ = ()

    def receive(self) -> list[Any] | None:
        """As Link.receive; descriptors that arrived are in `fds`, close-on-exec."""
        room = _room.view
        try:
            size, ancillary, _, _ = self.sock.recvmsg_into(
                [room], socket.CMSG_SPACE(16 * _FD_SIZE), socket.MSG_CMSG_CLOEXEC
            )
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            return None
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received = array.array("i")
                received.frombytes(payload[: len(payload) - len(payload) % _FD_SIZE])
                self.fds.extend(received)
        return self._reader.feed(room[:size]) if size else None


class TlsLink(Link):
    """A link over a TLS socket; the handshake runs inside `receive` and `pump_out`."""

    __slots__ = ("_shaken", "_taken", "_tls")

    def __init__(
        self, sock: ssl.SSLSocket, family: Any, want_write: Callable[[Link, bool], None], peer: Any = None
    ) -> None:
        """A link over a wrapped socket whose handshake has not been done."""
        super().__init__(sock, family, want_write, peer)
        self._shaken = False
        self._tls: Any = None
        # Bytes received so far.
        self._taken = 0

    def _handshake(self) -> bool:
        """True once it is done; the other side's part of it shows as something to read. Raises OSError when it failed."""
        assert isinstance(self.sock, ssl.SSLSocket)
        try:
            self.sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            # Its few bytes always have room in a new connection's buffer.
            return False
        self._shaken = True
        # SSLSocket.send and .recv_into are two and four calls of Python around these, a tenth of what a small message costs.
        self._tls = self.sock._sslobj  # type: ignore[attr-defined]  # noqa: SLF001
        return True

    def _send_short(self, frame: bytes) -> bool:
        if not self._shaken:
            return False
        try:
            # One record: all of it or nothing.
            self._tls.write(frame)
        except OSError:
            return False
        return True

    def pump_out(self) -> None:
        """As Link's; before the handshake is done, that."""
        if not self._shaken:
            try:
                if not self._handshake():
                    return
            except OSError:
                self._drop_out()
                return
        super().pump_out()

    def _write(self, view: memoryview, fds: list[int]) -> int:
        del fds  # TLS carries none
        return self.sock.send(view[:RECEIVE_BYTES])

    def receive(self) -> list[Any] | None:
        """As Link.receive; reads until TLS has nothing buffered, since poll does not see what it has decrypted."""
        messages: list[Any] = []
        try:
            if not self._shaken:
                if not self._handshake():
                    return messages
                self.pump_out()
            tls = self._tls
            room = _room.view
            while True:
                size = tls.read(RECEIVE_BYTES, room)
                if not size:
                    return messages or None
                self._taken += size
                found = self._reader.feed(room[:size])
                messages = messages + found if messages else found
                # A record that is not full is most often the last; if it was not, poll says so.
                if size < _RECORD_BYTES and not tls.pending():
                    return messages
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return messages
        except OSError:
            return messages or None


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)

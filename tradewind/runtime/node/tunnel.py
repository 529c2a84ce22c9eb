"""A tunnel carries the link between two processes of different nodes: a unix socket here, mutual TLS between the nodes, a unix socket there.

The processes speak to each other as if they were on one machine, and hold no key.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

from tradewind.runtime.loop import READ, WRITE, Loop

_CHUNK = 1 << 18
# Where bytes are received; a node daemon's loop has one thread, and what is in here is used at once.
_room = memoryview(bytearray(_CHUNK))
# Reading from one side stops while this much waits for the other.
_LIMIT = 1 << 20


class Tunnel:
    """Copies bytes both ways until one side ends."""

    def __init__(
        self,
        loop: Loop,
        plain: socket.socket,
        tls: ssl.SSLSocket,
        to_tls: bytes,
        to_plain: bytes,
        on_end: Callable[[Tunnel], None],
    ) -> None:
        self._loop = loop
        self._plain = plain
        self._tls = tls
        self._to_tls = bytearray(to_tls)
        self._to_plain = bytearray(to_plain)
        self._on_end = on_end
        self._plain_open = True
        self._tls_open = True
        self._shaken = False
        self.closed = False
        plain.setblocking(False)
        tls.setblocking(False)
        self._plain_mask = READ
        self._tls_mask = READ
        loop.watch(plain.fileno(), self._step, READ)
        loop.watch(tls.fileno(), self._step, READ)
        self._step(0)

    def _step(self, _events: int) -> None:
        if self.closed:
            return
        if not self._shaken and not self._handshake():
            return
        progress = True
        while progress and not self.closed:
            progress = self._plain_to_tls()
            progress = self._tls_to_plain() or progress
        if not self.closed:
            self._watch()

    def _handshake(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._set_tls(READ)
            return False
        except ssl.SSLWantWriteError:
            self._set_tls(READ | WRITE)
            return False
        except OSError:
            self.close()
            return False
        self._shaken = True
        return True

    def _plain_to_tls(self) -> bool:
        moved = False
        if self._plain_open and len(self._to_tls) < _LIMIT:
            try:
                size = self._plain.recv_into(_room)
                self._plain_open = moved = bool(size)
                self._to_tls += _room[:size]
            except BlockingIOError:
                pass
            except OSError:
                self._plain_open = False
        if self._to_tls:
            try:
                with memoryview(self._to_tls) as view:
                    sent = self._tls.send(view[:_CHUNK])
                del self._to_tls[:sent]
                moved = True
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                pass
            except OSError:
                self.close()
                return False
        if not self._plain_open and not self._to_tls:
            self.close()
        return moved

    def _tls_to_plain(self) -> bool:
        if self.closed:
            return False
        moved = False
        if self._tls_open and len(self._to_plain) < _LIMIT:
            try:
                size = self._tls.recv_into(_room)
                self._tls_open = moved = bool(size)
                self._to_plain += _room[:size]
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                pass
            except OSError:
                self._tls_open = False
        if self._to_plain:
            try:
                with memoryview(self._to_plain) as view:
                    sent = self._plain.send(view)
                del self._to_plain[:sent]
                moved = True
            except BlockingIOError:
                pass
            except OSError:
                self.close()
                return False
        if not self._tls_open and not self._to_plain:
            self.close()
        return moved

    def _watch(self) -> None:
        plain = (READ if len(self._to_tls) < _LIMIT else 0) | (WRITE if self._to_plain else 0)
        if plain != self._plain_mask:
            self._plain_mask = plain
            self._loop.change(self._plain.fileno(), plain)
        self._set_tls((READ if len(self._to_plain) < _LIMIT else 0) | (WRITE if self._to_tls else 0))

    def _set_tls(self, mask: int) -> None:
        if mask != self._tls_mask:
            self._tls_mask = mask
            self._loop.change(self._tls.fileno(), mask)

    def close(self) -> None:
        """Both sides are closed; the processes see the end of their links."""
        if not self.closed:
            self.closed = True
            for sock in (self._plain, self._tls):
                self._loop.forget(sock.fileno())
                sock.close()
            self._on_end(self)

"""Notices that a machine at the other end of a TCP connection is not heard any more, however busy it or this process is.

The kernels are asked, not the programs: after a second of silence ours sends a question each second (tcp(7), keep-alive), and theirs confirms that,
or whatever else we sent, even while no program over there gets a turn. TCP_INFO says when it last did. TCP_USER_TIMEOUT would not do: it counts
from the first repetition, so that what is sent late in a cut prolongs it, and it also ends a connection whose reader only takes its time.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

IDLE_S, INTERVAL_S = 1, 1
PROBES = 8  # the kernel's own verdict comes after ours, and only where nobody looks
SILENCE_S = 3.0  # two questions without an answer, and a second for the third
_INFO = struct.Struct("8B13I")  # struct tcp_info (linux/tcp.h) up to tcpi_last_ack_recv
_BACKOFF, _UNACKED, _DATA, _ACK = 4, 12, 19, 20


def keep_asking(sock: socket.socket) -> bool:
    """From now on a live connection is never silent for much longer than IDLE_S; False where this system cannot tell how long it was."""
    if not hasattr(socket, "TCP_INFO") or not hasattr(socket, "TCP_KEEPIDLE"):
        return False
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, IDLE_S),
        (socket.TCP_KEEPINTVL, INTERVAL_S),
        (socket.TCP_KEEPCNT, PROBES),
    ):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    return True


def silent_for_s(info: bytes) -> float:
    """Seconds since the other kernel was heard, by the first 60 bytes of TCP_INFO; 0 while it has said that its reader takes nothing now.

    Then our kernel asks ever more rarely, so that its silence tells nothing.
    """
    values: tuple[int, ...] = _INFO.unpack_from(info)
    if values[_BACKOFF] and not values[_UNACKED]:
        return 0.0
    return min(values[_DATA], values[_ACK]) / 1000


async def until_silent(sock: socket.socket, *, info: Callable[[], bytes] | None = None) -> bool:
    """True once nothing was heard for SILENCE_S; False once the connection has ended by itself. Looked at when it could be, and no more often."""
    read = info or (lambda: sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
    while True:
        try:
            silent_s = silent_for_s(read())
        except OSError:
            return False
        if silent_s >= SILENCE_S:
            return True
        await asyncio.sleep(max(0.02, SILENCE_S - silent_s))

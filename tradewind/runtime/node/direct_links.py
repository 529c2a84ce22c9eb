"""Links between processes of different nodes: arranged by their two daemons, then in the processes' own hands.

The daemon of the process that wants the link tells the other one, over their authenticated link, which number the link will have; then it
dials the other node's port, writes the number, and passes the socket to its process. The other daemon reads the number and passes the socket
to the process that it expects it for. From then on the two processes speak mutual TLS and no daemon is between them. The number is good once
and for seconds; who knows it without a certificate of the cluster gets no further than the TLS handshake.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradewind.runtime.messages import control, neighbour

if TYPE_CHECKING:
    from tradewind.runtime.loop import Timer
    from tradewind.runtime.node.daemon import NodeDaemon

# What a process's socket begins with; a TLS record of a handshake begins with 22.
MAGIC = b"TWL1"
_NUMBER_BYTES = 16
_OPENING_BYTES = len(MAGIC) + _NUMBER_BYTES
# A number that nobody has come with after so many seconds is forgotten.
_EXPECTED_S = 10.0
_TRY_AGAIN_S = 0.5
# Only the head's word makes a node dead; yet two nodes that the head reaches, and that do not reach each other, must not wait for ever.
_GIVE_UP_S = 30.0

Dial = Callable[[str, Callable[[socket.socket | None], None]], None]


@dataclass(slots=True)
class _Wanted:
    """A link that a process of this node wants to one of another node."""

    node: str
    to_process: str
    from_process: str
    deadline: Timer
    dialling: bool = False


@dataclass(frozen=True, slots=True)
class _Expected:
    """A link that a process of another node is about to make to one of ours."""

    to_process: str
    from_process: str
    timer: Timer


class DirectLinks:
    """The node's part in links between processes of different nodes."""

    def __init__(self, daemon: NodeDaemon, keys: control.LinkKeys, dial: Dial) -> None:
        self._daemon = daemon
        self._loop = daemon.loop
        self._keys = keys
        self._dial = dial
        self._wanted: dict[bytes, _Wanted] = {}
        self._expected: dict[bytes, _Expected] = {}
        self._arriving: dict[socket.socket, bytes] = {}

    # the side that dials

    def want(self, node: str, to_process: str, from_process: str) -> None:
        """Our process gets a link to the other node's, or hears how that one died."""
        number = secrets.token_bytes(_NUMBER_BYTES)
        deadline = self._loop.after(_GIVE_UP_S, lambda: self._give_up(number))
        self._wanted[number] = _Wanted(node, to_process, from_process, deadline)
        self._ask(number)

    def _ask(self, number: bytes) -> None:
        wanted = self._wanted.get(number)
        if wanted is None or wanted.dialling:
            return
        assert self._daemon.neighbours is not None
        self._daemon.neighbours.send(wanted.node, neighbour.ExpectLink(number, wanted.to_process, wanted.from_process))

    def on_expected(self, _node: str, message: neighbour.LinkExpected) -> None:
        """The other node waits for us to dial, or its process is gone."""
        number = message.number
        wanted = self._wanted.get(number)
        if wanted is None or wanted.dialling:
            return
        if not message.expected:
            self.unheard(number)
            return
        wanted.dialling = True

        def connected(sock: socket.socket | None) -> None:
            wanted.dialling = False
            if sock is None:
                # What is in the way may not stay there.
                self._loop.after(_TRY_AGAIN_S, lambda: self._ask(number))
                return
            if self._take(number) is None:
                sock.close()
                return
            with contextlib.suppress(OSError):  # a connection that broke already shows as its end to the process
                # A new connection's buffer takes these few bytes whole.
                sock.send(MAGIC + number)
            self._hand_over(sock, wanted.from_process, wanted.to_process, control.TLS_CLIENT)

        self._dial(wanted.node, connected)

    def _take(self, number: bytes) -> _Wanted | None:
        wanted = self._wanted.pop(number, None)
        if wanted is not None:
            wanted.deadline.cancel()
        return wanted

    def unheard(self, number: bytes) -> None:
        """The other process is gone, or its node."""
        wanted = self._take(number)
        if wanted is not None:
            self._daemon.deaths.why(wanted.from_process, wanted.to_process)

    def _give_up(self, number: bytes) -> None:
        wanted = self._take(number)
        if wanted is not None:
            reason = f"no link to it could be made for {_GIVE_UP_S:g} s, though the head has not lost its node"
            self._daemon.tell(wanted.from_process, control.Unreachable(wanted.to_process, reason))

    def lose(self, node: str) -> None:
        """Nobody of the node is to be reached, or listened to, any more."""
        for number in [number for number, wanted in self._wanted.items() if wanted.node == node]:
            self.unheard(number)
        for number in [number for number, it in self._expected.items() if it.from_process.startswith(node + "/")]:
            self._forget(number)

    def ask_again(self, node: str) -> None:
        """The node may not have heard what it was asked, or we not what it said."""
        for number in [number for number, wanted in self._wanted.items() if wanted.node == node]:
            self._ask(number)

    # the side that is dialled

    def on_expect(self, node: str, message: neighbour.ExpectLink) -> None:
        """A process of the other node will come with this number."""
        assert self._daemon.neighbours is not None
        there = message.to_process in self._daemon.processes
        if there:
            self._forget(message.number)
            timer = self._loop.after(_EXPECTED_S, lambda: self._forget(message.number))
            self._expected[message.number] = _Expected(message.to_process, message.from_process, timer)
        self._daemon.neighbours.send(node, neighbour.LinkExpected(message.number, there))

    def _forget(self, number: bytes) -> None:
        found = self._expected.pop(number, None)
        if found is not None:
            found.timer.cancel()

    def accept(self, sock: socket.socket) -> None:
        """Sock, which began as a process's does, goes to the process that expects it, or is closed."""
        self._arriving[sock] = b""
        self._loop.watch(sock.fileno(), lambda _events: self._read(sock))
        self._loop.after(_EXPECTED_S, lambda: self._refuse(sock))
        self._read(sock)

    def _read(self, sock: socket.socket) -> None:
        begun = self._arriving.get(sock)
        if begun is None:
            return
        try:
            data = sock.recv(_OPENING_BYTES - len(begun))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        begun += data
        self._arriving[sock] = begun
        if not data or not begun.startswith(MAGIC[: len(begun)]):
            self._refuse(sock)
        elif len(begun) == _OPENING_BYTES:
            found = self._expected.pop(begun[len(MAGIC) :], None)
            if found is None:
                self._refuse(sock)
                return
            found.timer.cancel()
            del self._arriving[sock]
            self._loop.forget(sock.fileno())
            self._hand_over(sock, found.to_process, found.from_process, control.TLS_SERVER)

    def _refuse(self, sock: socket.socket) -> None:
        if self._arriving.pop(sock, None) is not None:
            self._loop.forget(sock.fileno())
            sock.close()

    # both

    def _hand_over(self, sock: socket.socket, mine: str, other: str, role: int) -> None:
        """Our process has the socket; when it is gone, the other one sees the end of the link."""
        process = self._daemon.processes.get(mine)
        if process is not None:
            if not process.has_link_keys:
                process.has_link_keys = True
                process.link.send(self._keys)
            process.link.send(control.Connected(other, role), [sock.fileno()])
            self._daemon.connections.connected(mine, other)
        sock.close()

    def close(self) -> None:
        """Sockets that had not found their process are closed."""
        for sock in list(self._arriving):
            self._refuse(sock)

"""Which processes have a link to each other, as far as this node has brought them together."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from tradewind.runtime.messages import control

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon


class Connections:
    """Pairs of processes, at least one of them of this node."""

    def __init__(self, daemon: NodeDaemon) -> None:
        self._daemon = daemon
        self._pairs: set[tuple[str, str]] = set()

    def connect(self, caller: str, target: str, *, again: bool = False) -> None:
        """Caller has, or will have, a link to target, or is told that target is dead; another one when the one that it had broke."""
        pair = (min(caller, target), max(caller, target))
        first = self._daemon.processes.get(caller)
        if first is None:
            return
        node = target.partition("/")[0]
        if pair in self._pairs and not again:
            self._daemon.post(first.link, control.AlreadyConnected(target))
            return
        second = self._daemon.processes.get(target)
        if second is None and (node == self._daemon.node or self._daemon.neighbours is None):
            self._daemon.deaths.why(caller, target)
            return
        self._pairs.add(pair)
        if second is None:
            assert self._daemon.neighbours is not None
            self._daemon.neighbours.connect(node, target, caller)
            return
        here, there = socket.socketpair()
        for process, other, sock in ((first, target, here), (second, caller, there)):
            process.link.send(control.Connected(other), [sock.fileno()])
            sock.close()

    def connected(self, mine: str, other: str) -> None:
        """A process of another node has made a link to one of ours, or ours to it."""
        self._pairs.add((min(mine, other), max(mine, other)))

    def disconnected(self, address: str) -> None:
        """The process has no links any more."""
        self._pairs = {pair for pair in self._pairs if address not in pair}

    def cut_off(self) -> None:
        """No link to a process of another node is good any more."""
        own = self._daemon.node + "/"
        self._pairs = {pair for pair in self._pairs if pair[0].startswith(own) and pair[1].startswith(own)}

"""Objects on their way from other nodes' arenas to this one's, asked for chunk by chunk."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradewind.runtime.messages import neighbour
from tradewind.runtime.messages.values import Stored

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon

CHUNK_BYTES = 1 << 20
_WINDOW = 4
_SEAL_LOOK_S = 0.02
_SEAL_LOOKS = 50

Send = Callable[[str, neighbour.NodeToNode], None]


@dataclass(slots=True, eq=False)
class _Transfer:
    """An object that is being pulled into this node's arena."""

    stored: Stored
    offset: int
    done: Callable[[str], None]
    next: int = 0
    received: int = 0


class Transfers:
    """What this node pulls, and what it gives to those who pull."""

    def __init__(self, daemon: NodeDaemon, send: Send, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._daemon = daemon
        self._send = send
        self._chunk_bytes = chunk_bytes
        self._transfers: dict[int, _Transfer] = {}
        self._numbers = itertools.count(1)

    def pull(self, stored: Stored, offset: int, done: Callable[[str], None]) -> None:
        """done("") when the object's bytes stand at offset in this node's arena, else done(why not)."""
        number = next(self._numbers)
        transfer = _Transfer(stored, offset, done)
        self._transfers[number] = transfer
        for _ in range(_WINDOW):
            self._ask_chunk(number, transfer)

    def _ask_chunk(self, number: int, transfer: _Transfer) -> None:
        left = transfer.stored.size - transfer.next
        if left > 0:
            length = min(self._chunk_bytes, left)
            start = transfer.next
            transfer.next += length
            self._send(transfer.stored.node, neighbour.Pull(number, transfer.stored, start, length))

    def on_pull(self, node: str, message: neighbour.Pull, patience: int = _SEAL_LOOKS) -> None:
        """Another node wants a part of an object of ours."""
        store = self._daemon.store
        stored = message.stored
        if store.book.knows(stored.name):
            store.copied(stored.name, node)
        data = store.part(stored, message.start, message.length) if message.start >= 0 else None
        if data is None and patience:
            # The word of the object's maker comes over another link than this question.
            self._daemon.loop.after(_SEAL_LOOK_S, lambda: self.on_pull(node, message, patience - 1))
            return
        if data is None or message.start + message.length > stored.size:
            reason = f"the object {stored.name} is not in the object store of node {self._daemon.node[:8]} any more"
            self._send(node, neighbour.Chunk(message.request, message.start, b"", reason))
            return
        self._send(node, neighbour.Chunk(message.request, message.start, data))

    def on_chunk(self, _node: str, message: neighbour.Chunk) -> None:
        """A part of an object has come."""
        transfer = self._transfers.get(message.request)
        if transfer is None:
            return
        if message.reason:
            del self._transfers[message.request]
            transfer.done(message.reason)
            return
        begin = transfer.offset + message.start
        self._daemon.store.memory[begin : begin + len(message.data)] = message.data
        transfer.received += len(message.data)
        if transfer.received == transfer.stored.size:
            del self._transfers[message.request]
            transfer.done("")
        else:
            self._ask_chunk(message.request, transfer)

    def fail(self, node: str, reason: str) -> None:
        """Nothing more comes from the node."""
        for number, transfer in list(self._transfers.items()):
            if transfer.stored.node == node:
                del self._transfers[number]
                transfer.done(f"node {node[:8]}, which held the object {transfer.stored.name}, is gone: {reason}")

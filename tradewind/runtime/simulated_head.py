"""The head of a simulated cluster: the real control store, a record that outlives it, and one stream a node that breaks when either end does."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from tradewind.runtime.head.control_store import ControlStore
from tradewind.runtime.head.local import apply
from tradewind.runtime.messages import cluster

if TYPE_CHECKING:
    from tradewind.runtime.simulated_network import Network
    from tradewind.runtime.simulator import SimulatedNode

_KINDS = ("actor", "value", "group", "place", "node")
# As head/main.py and node/membership.py have them.
_REJOIN_S = 10.0
_RETRY_S = 0.5
# The end of a stream, as its other end sees it.
_END = "end"


class SimulatedHead:
    """What HeadServer does, without a process: it dies and starts again in its record."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._rows: dict[str, dict[str, bytes]] = {kind: {} for kind in _KINDS}
        self._streams: dict[str, int] = {}
        self.alive = False
        self.say_twice = False
        self.start()

    def start(self) -> None:
        """It serves, and knows what it wrote down."""
        self.alive = True
        self._streams = {}
        self.store = store = ControlStore(self._send, self._save)
        store.remember(*({**self._rows[kind]} for kind in _KINDS))
        self._network.endpoints["head"] = self._receive
        self._network.after(_REJOIN_S, lambda: store.give_up_unseen() if store is self.store else None)

    def die(self) -> None:
        """What was on its way to or from it is lost, and its nodes notice."""
        self.alive = False
        self._network.remove("head")
        for node, stream in self._streams.items():
            self._network.wires.pop(("head", node), None)
            self._network.put("head", node, (stream, _END))
        self._streams = {}

    def leave(self, node: str, reason: str) -> None:
        """The node's stream has ended, or was silent for too long."""
        stream = self._streams.pop(node, 0)
        if stream:
            self._network.put("head", node, (stream, cluster.LostNode(node, reason)))
            self._network.put("head", node, (stream, _END))
            self.store.lose(node, reason)

    def _save(self, kind: str, key: str, data: bytes | None) -> None:
        if data is None:
            self._rows[kind].pop(key, None)
        else:
            self._rows[kind][key] = data

    def _send(self, node: str, message: Any) -> None:
        stream = self._streams.get(node)
        if stream:
            self._network.put("head", node, (stream, message))

    def _receive(self, node: str, framed: Any) -> None:
        stream, message = framed
        if isinstance(message, cluster.Join):
            if self._streams.pop(node, 0):
                self.store.lose(node, "it joined again")
            self._streams[node] = stream
            self._send(node, cluster.Joined())
        elif self._streams.get(node) != stream:
            return
        if message == _END:
            self.leave(node, "its connection to the head ended")
            return
        apply(self.store, node, message)
        if self.say_twice and not isinstance(message, (cluster.Join, cluster.Question)):
            # A node that lost its head for a moment says again what it may have said already.
            self.say_twice = False
            apply(self.store, node, message)


class HeadPort:
    """A node's way to the head: what RemoteHead does."""

    _numbers = itertools.count(1)

    def __init__(self, node: SimulatedNode) -> None:
        self._node = node
        self._stream = 0
        self._joined = False
        self._waiting: list[Any] = []

    def connect(self) -> None:
        """The node joins as soon as there is a head that it can reach."""
        node = self._node
        network = node.network
        if node.name not in network.endpoints:
            return
        if "head" not in network.endpoints or not network.reaches(node.name, "head"):
            network.after(_RETRY_S, self.connect)
            return
        self._stream = next(self._numbers)
        network.put(node.name, "head", (self._stream, node.daemon.joining(b"", again=self._joined)))
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            self.send(message)

    def send(self, message: Any) -> None:
        """As RemoteHead's."""
        if self._stream:
            self._node.network.put(self._node.name, "head", (self._stream, message))
        else:
            self._waiting.append(message)

    def receive(self, framed: Any) -> None:
        """The head has said something, or its stream has broken."""
        stream, message = framed
        if stream != self._stream:
            return
        if message == _END:
            self.lose_stream()
            return
        if isinstance(message, cluster.Joined):
            if self._joined:
                self._node.daemon.ask_again()
            self._joined = True
        self._node.daemon.on_head(message)

    def lose_stream(self) -> None:
        """What was on its way is lost; the node joins again."""
        network = self._node.network
        if self._stream:
            network.put(self._node.name, "head", (self._stream, _END))
            self._stream = 0
            network.after(_RETRY_S, self.connect)

    def close(self) -> None:
        """Nothing to be closed."""

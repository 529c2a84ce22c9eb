"""The head inside the node daemon of a one-node cluster: the same decisions, without a process, a port or a file of its own."""

from __future__ import annotations

from collections.abc import Callable

from tradewind.runtime.head.control_store import ControlStore
from tradewind.runtime.loop import Loop
from tradewind.runtime.messages import cluster


class LocalHead:
    """Feeds one node's messages to a ControlStore and its answers back, each after the current callback."""

    def __init__(self, loop: Loop, deliver: Callable[[cluster.FromHead], None]) -> None:
        self._loop = loop
        self._store = ControlStore(
            lambda _node, message: loop.soon(lambda: deliver(message)), lambda _kind, _key, _data: None
        )
        self._node = ""

    def send(self, message: cluster.ToHead) -> None:
        """The head has the message."""
        if isinstance(message, cluster.Join):
            self._node = message.view.node
        apply(self._store, self._node, message)

    def close(self) -> None:
        """Nothing is left to do."""


def apply(store: ControlStore, node: str, message: cluster.ToHead) -> None:
    """The store has taken the message in."""
    if isinstance(message, cluster.Join):
        store.join(message)
    elif isinstance(message, cluster.Load):
        store.load(node, message)
    elif isinstance(message, cluster.Question):
        store.question(node, message)
    elif isinstance(message, cluster.ActorStarted):
        store.started(message)
    elif isinstance(message, cluster.ActorEnded):
        store.ended(message)
    elif isinstance(message, cluster.ProcessGone):
        store.process_gone(message)
    elif isinstance(message, cluster.BundleReserved):
        store.groups.reserved(node, message)
    elif isinstance(message, cluster.Reported):
        store.reports.reported(node, message)
    elif isinstance(message, cluster.Leave):
        store.lose(node, message.reason)

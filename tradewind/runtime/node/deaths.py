"""How processes ended: kept for those who ask later, asked for where the process lived."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from tradewind.runtime.messages import control, neighbour
from tradewind.runtime.messages.values import Death
from tradewind.runtime.node.workers import Worker

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon

_KEPT_DEATHS = 2000


class Deaths:
    """The node's record of ends, and the questions about ends that are open."""

    def __init__(self, daemon: NodeDaemon) -> None:
        self._daemon = daemon
        self._known: OrderedDict[str, Death] = OrderedDict()
        self._asking: dict[str, set[str]] = {}

    def remember(self, death: Death) -> None:
        """Whoever asked is told, and whoever will ask."""
        self._known[death.process] = death
        self._daemon.connections.disconnected(death.process)
        if len(self._known) > _KEPT_DEATHS:
            self._known.popitem(last=False)
        for asker in self._asking.pop(death.process, ()):
            if asker in self._daemon.processes:
                self._daemon.tell(asker, control.Died(death))
            elif self._daemon.neighbours is not None:
                self._daemon.neighbours.send(asker, neighbour.TellDeath(death))

    def why(self, asker: str, address: str) -> None:
        """Asker is told how the process ended, as soon as that is known."""
        death = self._known.get(address)
        if death is not None:
            self._daemon.tell(asker, control.Died(death))
            return
        self._asking.setdefault(address, set()).add(asker)
        node = address.partition("/")[0]
        if node != self._daemon.node:
            if self._daemon.neighbours is None:
                self.remember(Death(address, 0, node, "its node is not part of this cluster any more"))
            else:
                self._daemon.neighbours.send(node, neighbour.AskDeath(address))
        elif address not in self._daemon.processes:
            self.remember(Death(address, 0, self._daemon.node, "it has ended"))
        else:
            self._daemon.loop.after(2.0, lambda: self._presume_dead(address))

    def _presume_dead(self, address: str) -> None:
        if address in self._asking:
            process = self._daemon.processes.get(address)
            if isinstance(process, Worker):
                self._daemon.workers.kill(process, "it closed its link to a caller")
            else:
                self.remember(Death(address, 0, self._daemon.node, "its link broke"))

    def told(self, death: Death) -> None:
        """Another node has said how one of its processes ended."""
        self.remember(death)

    def asked(self, node: str, address: str) -> None:
        """Another node asks how one of ours ended."""
        death = self._known.get(address)
        if death is None and address in self._daemon.processes:
            # It lives, or is about to be known as dead. What became of a link to another node is no reason to end it.
            self._asking.setdefault(address, set()).add(node)
        elif self._daemon.neighbours is not None:
            self._daemon.neighbours.send(
                node, neighbour.TellDeath(death or Death(address, 0, self._daemon.node, "it has ended"))
            )

    def ask_again(self, node: str) -> None:
        """The node may not have heard what it was asked, or we not what it said."""
        if self._daemon.neighbours is not None:
            for address in [address for address in self._asking if address.startswith(node + "/")]:
                self._daemon.neighbours.send(node, neighbour.AskDeath(address))

    def lose_node(self, node: str, reason: str) -> None:
        """Questions about the node's processes are answered by its loss."""
        for address in [address for address in self._asking if address.startswith(node + "/")]:
            self.remember(Death(address, 0, node, f"its node {node[:8]} was lost: {reason}"))

    def cut_off(self) -> None:
        """Nobody is asked any more about processes of other nodes: it is this node that was lost, and they may well live."""
        own = self._daemon.node + "/"
        self._asking = {address: askers for address, askers in self._asking.items() if address.startswith(own)}

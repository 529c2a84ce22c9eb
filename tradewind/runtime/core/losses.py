"""What a process makes of ends: of its links, of other processes and nodes, of its own node daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind.runtime import exceptions
from tradewind.runtime.core.peers import Peer
from tradewind.runtime.messages import control
from tradewind.runtime.messages.values import Death, Stored
from tradewind.runtime.resumable_link import ResumableLink

if TYPE_CHECKING:
    from tradewind.runtime.core.process import Process
    from tradewind.runtime.link import Link


class Losses:
    """The process's losses; each is told to whatever part of it waits for what was lost."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def lose_link(self, link: Link) -> None:
        """The link is closed. What its other end was is lost, or, should that live on another node, has a new link soon. Under the lock."""
        process = self._process
        target: Peer | None = link.peer
        if target is not None and target.link is link and isinstance(link, ResumableLink) and not target.lost:
            # A cable says nothing of the process at its other end: the node daemons know how that is, and of nodes the head.
            process.peers.connect_again(target, link)
            self._drop(link)
            return
        self._drop(link)
        if target is None:
            self._lose_node_daemon()
        elif target.link is link:
            self.lose(target)

    def _drop(self, link: Link, *, abort: bool = False) -> None:
        process = self._process
        process.links.pop(link.fd, None)
        process.pump.unregister(link.fd)
        if abort:
            link.abort()
        else:
            link.close()

    def _drop_all(self, target: Peer) -> None:
        """No link leads to the process any more; nobody who matters is at the other end."""
        for link in [link for link in self._process.links.values() if link.peer is target]:
            self._drop(link, abort=True)
        target.link = None

    def lose(self, target: Peer) -> None:
        """The link to the process is gone; the node daemon is asked what became of it. Under the lock."""
        process = self._process
        target.link = None
        if not target.lost:
            target.lost = True
            process.tell_node(control.WhyDied(target.address))

    def on_node_lost(self, message: control.NodeLost) -> None:
        """Another node is gone, and with it the ends of links there. Under the lock."""
        process = self._process
        for target in process.peers.of_other_nodes():
            if target.address.startswith(message.node + "/"):
                # A node that lost power closes no connection.
                self._drop_all(target)
                self.lose(target)
        process.objects.lose_node(message.node, message.reason)

    def on_cut_off(self, message: control.CutOff) -> None:
        """This node was taken for lost: nobody elsewhere is to be reached over the links that there are. Under the lock."""
        process = self._process
        reason = f"the link to it broke, because this node was cut off from the cluster ({message.reason})"
        for target in process.peers.of_other_nodes():
            self._give_up(target, reason)

    def on_unreachable(self, message: control.Unreachable) -> None:
        """No link to the process can be made, though its node lives. Under the lock."""
        target = self._process.peers.known(message.process)
        if target is not None and target.link is None:
            self._forsake(target, message.reason)

    def forsake(self, link: Link, reason: str) -> None:
        """Nothing that comes over this link is of use. Under the lock."""
        target: Peer | None = link.peer
        if isinstance(link, ResumableLink) and target is not None:
            self._forsake(target, reason)
        else:
            self.lose_link(link)

    def _forsake(self, target: Peer, reason: str) -> None:
        if target.leases:
            # It works for nobody any more, and its node must not wait for it.
            self._process.tell_node(control.KillProcess(target.address, f"its caller gave it up: {reason}"))
        self._give_up(target, reason)

    def _give_up(self, target: Peer, reason: str) -> None:
        """The process may live, but not for this one."""
        for actor in target.actors:
            # It may well live, in the life that is known here.
            actor.incarnation = -1
        self._drop_all(target)
        self.on_died(Death(target.address, 0, target.address.partition("/")[0], reason, unreachable=True))
        self._process.peers.give_up(target)

    def on_died(self, death: Death) -> None:
        """A process has ended. Under the lock."""
        process = self._process
        target = process.peers.get(death.process, connect=False)
        if not process.address:
            process.broken = f"The node daemon refused this process: {death.reason}."
            return
        if target.death is not None:
            return
        target.lost = True
        target.death = death
        target.backlog.clear()
        reason = death.sentence("The process")
        self._disown_results(target)
        for lease in list(target.leases):
            process.leasing.lose(lease, death)
        target.leases.clear()
        process.actors.lose_peer(target)
        process.objects.lose_peer(target.address, reason)
        if process.executor is not None:
            process.executor.lose_peer(target)
        process.peers.forget(target)

    def _disown_results(self, target: Peer) -> None:
        """What calls that ended with their process had stored, and could not tell, is not kept for ever. Under the lock."""
        process = self._process
        node, _, worker = target.address.rpartition("/")
        for running in (*(lease.running for lease in target.leases), *(actor.running for actor in target.actors)):
            for call in running.values():
                for number in range(call.id, call.id + max(call.returns, 1)):
                    process.tell_node(control.Free(Stored(node, 0, 0, f"{process.address}:{number}@{worker}")))

    def _lose_node_daemon(self) -> None:
        process = self._process
        process.broken = (
            process.broken
            or "The node daemon of this machine is gone, and with it every worker and object here; call shutdown() and init() to start again."
        )
        if not process.closing:
            process.on_broken(process.broken)
        process.welcome.finish()
        process.questions.give_up(process.broken)
        error = exceptions.LocalRayletDiedError(process.broken)
        for call in list(process.calls.open.values()):
            process.calls.fail(call, error)
        for link in list(process.links.values()):
            if isinstance(link.peer, Peer):
                self.on_died(Death(link.peer.address, 0, process.node, process.broken))

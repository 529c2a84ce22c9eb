"""The other processes that this one deals with, and the links to them."""

from __future__ import annotations

import itertools
import socket
from typing import TYPE_CHECKING, Any

from tradewind.runtime.conversation import Conversation
from tradewind.runtime.messages import control

if TYPE_CHECKING:
    from tradewind.runtime.core.process import Process
    from tradewind.runtime.credentials import TlsContexts
    from tradewind.runtime.link import Link
    from tradewind.runtime.messages import peer
    from tradewind.runtime.messages.values import Death


class Peer:
    """Another process as this one knows it. Everything to it goes over `link`, so it arrives in the order in which it was posted."""

    __slots__ = (
        "actors",
        "address",
        "backlog",
        "connecting",
        "conversation",
        "death",
        "defined",
        "functions",
        "leases",
        "link",
        "lost",
    )

    def __init__(self, address: str) -> None:
        self.address = address
        self.link: Link | None = None
        # What was said and heard, for a process of another node.
        self.conversation: Conversation | None = None
        self.backlog: list[Any] = []
        self.connecting = False
        self.lost = False
        self.death: Death | None = None
        self.defined: set[int] = set()
        self.functions: dict[int, peer.Define] = {}
        self.leases: list[Any] = []
        self.actors: list[Any] = []


class Peers:
    """Processes by their addresses."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._peers: dict[str, Peer] = {}
        self._tls: TlsContexts | None = None
        self._streams = itertools.count(1)
        # Processes that were given up though they may live: the node daemon takes the link to them for made.
        self._given_up: set[str] = set()

    def known(self, address: str) -> Peer | None:
        """The process, if this one has ever dealt with it."""
        return self._peers.get(address)

    def get(self, address: str, *, connect: bool = True) -> Peer:
        """The process with this address; a link to it is on its way unless connect is False. Under the lock."""
        found = self._peers.get(address)
        if found is None:
            found = self._peers[address] = Peer(address)
        if connect:
            self.connect(found)
        return found

    def connect(self, target: Peer) -> None:
        """A link to the process is on its way, if there is none yet. Under the lock."""
        if target.link is None and not target.connecting and not target.lost:
            if target.address == self._process.address:
                self._connect_to_self(target)
                return
            target.connecting = True
            again = target.address in self._given_up
            self._given_up.discard(target.address)
            self._process.tell_node(control.Connect(target.address, again))

    def connect_again(self, target: Peer, broken: Link) -> None:
        """The link to a process of another node broke: another one takes its place, and nothing that was said is lost. Under the lock."""
        process = self._process
        target.backlog[:0] = broken.pending
        broken.pending.clear()
        target.link = None
        spare = next((link for link in process.links.values() if link.peer is target and link is not broken), None)
        if spare is not None:
            # The other side has made one meanwhile.
            process.use(target, spare)
        elif not target.connecting:
            target.connecting = True
            process.tell_node(control.Connect(target.address, again=True))

    def conversation(self, target: Peer) -> Conversation:
        """What is said to a process of another node and heard from it. Under the lock."""
        found = target.conversation
        if found is None:
            found = target.conversation = Conversation(next(self._streams))
        return found

    def give_up(self, target: Peer) -> None:
        """As forget, for a process that may live. Under the lock."""
        self._given_up.add(target.address)
        self.forget(target)

    def _connect_to_self(self, target: Peer) -> None:
        """An actor that calls itself does so over a link like any other, so that its calls have an order."""
        first, _ = [self._process.adopt(sock, target) for sock in socket.socketpair()]
        self._process.use(target, first)

    def forget(self, target: Peer) -> None:
        """The process has ended, and who asks for it again asks the node daemon. Under the lock."""
        if self._peers.get(target.address) is target:
            del self._peers[target.address]

    def __len__(self) -> int:
        return len(self._peers)

    def on_link_keys(self, message: control.LinkKeys) -> None:
        """Links to processes of other nodes will follow. Under the lock."""
        from tradewind.runtime.credentials import MemberCertificate, contexts_of

        member = MemberCertificate(message.certificate, message.key)
        self._tls = contexts_of(message.authority, message.server_name, member)

    def on_connected(self, message: control.Connected) -> None:
        """The node daemon has brought a link. Under the lock."""
        sock = socket.socket(fileno=self._process.node_link.fds.popleft())
        target = self.get(message.process, connect=False)
        if message.role == control.PLAIN:
            link = self._process.adopt(sock, target)
        else:
            assert self._tls is not None
            sock.setblocking(False)
            try:
                wrapped = self._tls.shake(sock, server=message.role == control.TLS_SERVER)
            except OSError:
                # It broke on its way here.
                if target.link is None:
                    self._process.tell_node(control.Connect(target.address, again=True))
                return
            link = self._process.adopt(wrapped, target)
            link.pump_out()
        if target.link is None:
            target.connecting = False
            self._process.use(target, link)

    def of_other_nodes(self) -> list[Peer]:
        """Those that do not live on this process's node."""
        own = self._process.node + "/"
        return [target for target in self._peers.values() if not target.address.startswith(own)]

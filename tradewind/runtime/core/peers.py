"""The other processes that this one deals with, and the links to them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from tradewind.runtime.messages import control

if TYPE_CHECKING:
    from tradewind.runtime.core.process import Process
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
            self._process.tell_node(control.Connect(target.address))

    def _connect_to_self(self, target: Peer) -> None:
        """An actor that calls itself does so over a link like any other, so that its calls have an order."""
        first, _ = [self._process.adopt(sock, target) for sock in socket.socketpair()]
        self._process.use(target, first)

    def on_connected(self, message: control.Connected) -> None:
        """The node daemon has brought a link. Under the lock."""
        sock = socket.socket(fileno=self._process.node_link.fds.popleft())
        target = self.get(message.process, connect=False)
        link = self._process.adopt(sock, target)
        if target.link is None:
            target.connecting = False
            self._process.use(target, link)

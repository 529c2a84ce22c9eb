"""The other nodes: one TLS link a direction for messages between daemons, one tunnel a pair of processes, and object transfer.

A daemon sends over the links that it dialled and only listens on those it accepted, so what it says to a neighbour arrives in order.
"""

from __future__ import annotations

import hmac
import itertools
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tradewind.runtime import wire
from tradewind.runtime.link import Link, TlsLink
from tradewind.runtime.loop import WRITE
from tradewind.runtime.messages import cluster, control
from tradewind.runtime.messages.cluster import NodeView
from tradewind.runtime.messages.values import Death, Stored
from tradewind.runtime.node.tunnel import Tunnel

if TYPE_CHECKING:
    from tradewind.runtime.credentials import TlsContexts
    from tradewind.runtime.node.daemon import NodeDaemon

_CHUNK = 1 << 20
_WINDOW = 4
_DIAL_S = 3.0
_SEAL_LOOK_S = 0.02
_SEAL_LOOKS = 50


@dataclass(slots=True, eq=False)
class _Neighbour:
    """A node that this one has dialled, or is dialling."""

    node: str
    link: TlsLink | None = None
    backlog: list[Any] = field(default_factory=list)
    dialling: bool = False
    tunnels: set[Tunnel] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Transfer:
    """An object that is being pulled into this node's arena."""

    stored: Stored
    offset: int
    done: Callable[[str], None]
    next: int = 0
    received: int = 0


class TlsNeighbours:
    """Everything between this node daemon and the others."""

    def __init__(self, daemon: NodeDaemon, contexts: TlsContexts, token: bytes, host: str) -> None:
        self._daemon = daemon
        self._loop = daemon.loop
        self._contexts = contexts
        self._token = token
        self._views: dict[str, NodeView] = {}
        self._neighbours: dict[str, _Neighbour] = {}
        self._accepted: set[Link] = set()
        self._tunnels: set[Tunnel] = set()
        self._transfers: dict[int, _Transfer] = {}
        self._numbers = itertools.count(1)
        self._lost: dict[str, str] = {}
        self._listener = socket.create_server((host, 0), backlog=128)
        self._listener.setblocking(False)
        self.address = f"{host}:{self._listener.getsockname()[1]}"
        self._loop.watch(self._listener.fileno(), self._on_accept)
        self._handlers: dict[type, Callable[[str, Any], None]] = {
            cluster.AskWorker: daemon.granting.asked,
            cluster.OfferWorker: daemon.granting.offered,
            cluster.DropCopy: lambda _node, message: daemon.store.drop_copy(message.name),
            cluster.YieldLease: daemon.granting.yield_there,
            cluster.DropLease: lambda _node, message: daemon.granting.drop(message.lease),
            cluster.AskDeath: lambda node, message: daemon.deaths.asked(node, message.process),
            cluster.TellDeath: lambda _node, message: daemon.deaths.told(message.death),
            cluster.Pull: self._on_pull,
            cluster.Chunk: self._on_chunk,
            cluster.FreeThere: lambda _node, message: daemon.store.free(message.stored),
            cluster.Lines: lambda _node, message: daemon.lines(message.job, message.lines, error=message.error),
            cluster.KillThere: lambda _node, message: daemon.kill_process(message.process, message.reason),
        }

    def see(self, nodes: list[NodeView]) -> None:
        """The head's view of the cluster."""
        self._views = {view.node: view for view in nodes if view.alive and view.node != self._daemon.node}

    # sending

    def send(self, node: str, message: cluster.NodeToNode) -> None:
        """The neighbour gets the message, or the sender's question is answered with its absence."""
        neighbour = self._reach(node)
        if neighbour is None:
            self._undeliverable(node, message)
        elif neighbour.link is not None:
            self._daemon.post(neighbour.link, message)
        else:
            neighbour.backlog.append(message)

    def _undeliverable(self, node: str, message: cluster.NodeToNode) -> None:
        loop, daemon = self._loop, self._daemon
        if isinstance(message, cluster.AskDeath):
            why = self._lost.get(node, "it is not part of this cluster")
            loop.soon(
                lambda: daemon.deaths.told(Death(message.process, 0, node, f"its node {node[:8]} was lost: {why}"))
            )
        elif isinstance(message, cluster.AskWorker):
            loop.soon(lambda: daemon.granting.offered(node, cluster.OfferWorker(message.request, 0)))

    def _reach(self, node: str) -> _Neighbour | None:
        neighbour = self._neighbours.get(node)
        if neighbour is None:
            if node not in self._views:
                return None
            neighbour = self._neighbours[node] = _Neighbour(node)
        if neighbour.link is None and not neighbour.dialling:
            neighbour.dialling = True
            self._dial(node, lambda sock: self._dialled(neighbour, sock))
        return neighbour

    def _dial(self, node: str, connected: Callable[[ssl.SSLSocket | None], None]) -> None:
        """Connected gets a TLS socket whose handshake is still to be done, or None."""
        view = self._views.get(node)
        if view is None:
            self._loop.soon(lambda: connected(None))
            return
        host, _, port = view.address.rpartition(":")
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        finished = False

        def ready(_events: int) -> None:
            nonlocal finished
            if finished:
                return
            finished = True
            timer.cancel()
            self._loop.forget(sock.fileno())
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                sock.close()
                connected(None)
                return
            wrapped = self._contexts.client.wrap_socket(
                sock, server_hostname=self._contexts.server_name, do_handshake_on_connect=False
            )
            connected(wrapped)

        def late() -> None:
            nonlocal finished
            finished = True
            self._loop.forget(sock.fileno())
            sock.close()
            connected(None)

        timer = self._loop.after(_DIAL_S, late)
        sock.connect_ex((host, int(port)))
        self._loop.watch(sock.fileno(), ready, WRITE)

    def _dialled(self, neighbour: _Neighbour, sock: ssl.SSLSocket | None) -> None:
        neighbour.dialling = False
        backlog, neighbour.backlog = neighbour.backlog, []
        if sock is None:
            for message in backlog:
                self._undeliverable(neighbour.node, message)
            return
        link = TlsLink(sock, cluster.NodeToNode, self._daemon.want_write, neighbour)
        self._loop.watch(link.fd, lambda events: self._on_own_link(link, neighbour, events))
        neighbour.link = link
        link.send(self._greeting())
        for message in backlog:
            self._daemon.post(link, message)

    def _greeting(self, to_process: str = "", from_process: str = "") -> cluster.Greet:
        return cluster.Greet(control.PROTOCOL, self._token, self._daemon.node, to_process, from_process)

    def _on_own_link(self, link: TlsLink, neighbour: _Neighbour, events: int) -> None:
        """Nothing but the end is to be read here."""
        if events & WRITE:
            link.pump_out()
        if link.receive() is None:
            self._loop.forget(link.fd)
            link.close()
            if neighbour.link is link:
                neighbour.link = None
                self._broke(neighbour.node)

    # receiving

    def _on_accept(self, _events: int) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wrapped = self._contexts.server.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            link = TlsLink(wrapped, cluster.NodeToNode, self._daemon.want_write, "")
            # Until it has greeted, one frame is read and no more: what follows may be a tunnel's bytes.
            link.reader.budget = 1
            self._accepted.add(link)
            self._loop.watch(link.fd, lambda events, it=link: self._on_accepted(it, events))  # type: ignore[misc]

    def _on_accepted(self, link: TlsLink, events: int) -> None:
        try:
            if events & WRITE:
                link.pump_out()
            messages = link.receive()
        except wire.WireError:
            messages = None
        if messages is None:
            self._drop_accepted(link)
            return
        while messages:
            first, *messages = messages
            if not link.peer:
                if not self._welcome(link, first):
                    return
                messages += link.reader.feed(b"")
            else:
                handler = self._handlers.get(first.__class__)
                if handler is not None:
                    handler(link.peer, first)

    def _broke(self, node: str) -> None:
        """A link from or to the node broke: what was on its way is lost, so whatever waits for it is told, or asks again."""
        self._fail_transfers(node, "the link to it broke")
        self._daemon.granting.unanswered(node)

    def forget_all(self) -> None:
        """Every link to and from other nodes is closed: after a partition nobody knows which of them still lead anywhere."""
        for node in list(self._neighbours):
            self._close(node)

    def _drop_accepted(self, link: Link) -> None:
        if link in self._accepted and link.peer:
            self._loop.soon(lambda: self._broke(link.peer))
        self._accepted.discard(link)
        if not link.closed:
            self._loop.forget(link.fd)
            link.close()

    def _welcome(self, link: TlsLink, message: Any) -> bool:
        """True when the link is a daemon's and may be read on."""
        if (
            not isinstance(message, cluster.Greet)
            or message.protocol != control.PROTOCOL
            or not hmac.compare_digest(message.token, self._token)
        ):
            self._drop_accepted(link)
            return False
        link.reader.budget = -1
        if not message.to_process:
            link.peer = message.node
            return True
        plain = self._daemon.accept_tunnel(message.to_process, message.from_process)
        if plain is None:
            self._drop_accepted(link)
            return False
        self._accepted.discard(link)
        self._loop.forget(link.fd)
        assert isinstance(link.sock, ssl.SSLSocket)
        self._join(plain, link.sock, b"", link.reader.take_rest(), message.node)
        return False

    # tunnels

    def tunnel(self, sock: socket.socket, node: str, to_process: str, from_process: str) -> None:
        """Sock is connected to the process on the node, or closed."""

        def connected(tls: ssl.SSLSocket | None) -> None:
            if tls is None:
                sock.close()
            else:
                self._join(sock, tls, bytes(wire.encode((self._greeting(to_process, from_process),))), b"", node)

        self._dial(node, connected)

    def _join(self, plain: socket.socket, tls: ssl.SSLSocket, to_tls: bytes, to_plain: bytes, node: str) -> None:
        neighbour = self._neighbours.setdefault(node, _Neighbour(node))

        def ended(tunnel: Tunnel) -> None:
            self._tunnels.discard(tunnel)
            neighbour.tunnels.discard(tunnel)

        made = Tunnel(self._loop, plain, tls, to_tls, to_plain, ended)
        if not made.closed:
            self._tunnels.add(made)
            neighbour.tunnels.add(made)

    # objects

    def pull(self, stored: Stored, offset: int, done: Callable[[str], None]) -> None:
        """done("") when the object's bytes stand at offset in this node's arena, else done(why not)."""
        if stored.node not in self._views:
            why = self._lost.get(stored.node, "it is not part of this cluster")
            done(f"node {stored.node[:8]}, which held the object {stored.name}, was lost: {why}")
            return
        number = next(self._numbers)
        transfer = _Transfer(stored, offset, done)
        self._transfers[number] = transfer
        for _ in range(_WINDOW):
            self._ask_chunk(number, transfer)

    def _ask_chunk(self, number: int, transfer: _Transfer) -> None:
        left = transfer.stored.size - transfer.next
        if left > 0:
            length = min(_CHUNK, left)
            start = transfer.next
            transfer.next += length
            self.send(transfer.stored.node, cluster.Pull(number, transfer.stored, start, length))

    def _on_pull(self, node: str, message: cluster.Pull, patience: int = _SEAL_LOOKS) -> None:
        store = self._daemon.store
        stored = message.stored
        if store.book.knows(stored.name):
            store.copied(stored.name, node)
        data = store.part(stored, message.start, message.length) if message.start >= 0 else None
        if data is None and patience:
            # The word of the object's maker comes over another link than this question.
            self._loop.after(_SEAL_LOOK_S, lambda: self._on_pull(node, message, patience - 1))
            return
        if data is None or message.start + message.length > stored.size:
            reason = f"the object {stored.name} is not in the object store of node {self._daemon.node[:8]} any more"
            self.send(node, cluster.Chunk(message.request, message.start, b"", reason))
            return
        self.send(node, cluster.Chunk(message.request, message.start, data))

    def _on_chunk(self, _node: str, message: cluster.Chunk) -> None:
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

    def _fail_transfers(self, node: str, reason: str) -> None:
        for number, transfer in list(self._transfers.items()):
            if transfer.stored.node == node:
                del self._transfers[number]
                transfer.done(f"node {node[:8]}, which held the object {transfer.stored.name}, is gone: {reason}")

    # loss and end

    def lose(self, node: str, reason: str) -> None:
        """The node is not a member any more."""
        self._lost[node] = reason
        self._views.pop(node, None)
        self._close(node)
        self._fail_transfers(node, reason)

    def _close(self, node: str) -> None:
        neighbour = self._neighbours.pop(node, None)
        if neighbour is not None:
            if neighbour.link is not None:
                self._loop.forget(neighbour.link.fd)
                neighbour.link.close()
            for tunnel in list(neighbour.tunnels):
                tunnel.close()
            for message in neighbour.backlog:
                self._undeliverable(node, message)
        for link in [link for link in self._accepted if link.peer == node]:
            self._drop_accepted(link)

    def close(self) -> None:
        """Every link, tunnel and the port are closed."""
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        for tunnel in list(self._tunnels):
            tunnel.close()
        for link in list(self._accepted):
            self._drop_accepted(link)
        for neighbour in self._neighbours.values():
            if neighbour.link is not None:
                self._loop.forget(neighbour.link.fd)
                neighbour.link.close()


__all__ = ["TlsNeighbours"]

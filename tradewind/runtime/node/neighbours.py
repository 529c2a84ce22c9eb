"""The other nodes: one TLS link a direction for messages between daemons, and object transfer. The port also takes processes' own links.

A daemon sends over the links that it dialled and only listens on those it accepted, so what it says to a neighbour arrives in order.
"""

from __future__ import annotations

import hmac
import itertools
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tradewind.runtime import wire
from tradewind.runtime.conversation import Conversation, ForgottenError
from tradewind.runtime.link import Link
from tradewind.runtime.loop import WRITE
from tradewind.runtime.messages import control, neighbour
from tradewind.runtime.messages.cluster import NodeView
from tradewind.runtime.messages.conversation import Received
from tradewind.runtime.messages.values import Death, Stored
from tradewind.runtime.node.direct_links import MAGIC, DirectLinks
from tradewind.runtime.node.transfers import Transfers
from tradewind.runtime.resumable_link import ResumableLink

if TYPE_CHECKING:
    from tradewind.runtime.credentials import TlsContexts
    from tradewind.runtime.node.daemon import NodeDaemon

_DIAL_S = 3.0
_DIAL_AGAIN_S = 0.1
# A way that lets nothing through any more is left after so many seconds, for there may be another one.
_KEEPALIVE_S = 5
_SILENT_S = 10
_ASK_AGAIN_S = 0.1
# Who has connected and not said who it is by then is a stranger.
_GREETING_S = 10.0
# The first byte of a TLS record that holds a handshake message (RFC 8446, 5.1).
_TLS_HANDSHAKE = b"\x16"
# A node of which nobody has said that it was lost may be a member already; the head's word of it is waited for this long.
_UNKNOWN_S = 5.0


@dataclass(slots=True, eq=False)
class _Neighbour:
    """A node that this one has dialled, or is dialling."""

    node: str
    link: ResumableLink | None = None
    backlog: list[Any] = field(default_factory=list)
    dialling: bool = False


class TlsNeighbours:
    """Everything between this node daemon and the others."""

    def __init__(
        self, daemon: NodeDaemon, contexts: TlsContexts, token: bytes, host: str, keys: control.LinkKeys
    ) -> None:
        self._daemon = daemon
        self._loop = daemon.loop
        self._contexts = contexts
        self._token = token
        self._views: dict[str, NodeView] = {}
        self._neighbours: dict[str, _Neighbour] = {}
        self._accepted: set[Link] = set()
        self._unknown: set[socket.socket] = set()
        # What was said to each node and heard from it, whichever links carried it.
        self._conversations: dict[str, Conversation] = {}
        self._streams = itertools.count(1)
        self._transfers = Transfers(daemon, self.send)
        self._lost: dict[str, str] = {}
        # What is to be said to nodes of which the head has said nothing yet.
        self._early: dict[str, list[Any]] = {}
        self._listener = socket.create_server((host, 0), backlog=128)
        self._listener.setblocking(False)
        self.address = f"{host}:{self._listener.getsockname()[1]}"
        self._loop.watch(self._listener.fileno(), self._on_accept)
        self._links = DirectLinks(daemon, keys, self._dial)
        self._handlers = self._make_handlers()

    def _make_handlers(self) -> dict[type, Callable[[str, Any], None]]:
        daemon = self._daemon
        return {
            neighbour.ExpectLink: self._links.on_expect,
            neighbour.LinkExpected: self._links.on_expected,
            neighbour.AskWorker: daemon.granting.asked,
            neighbour.OfferWorker: daemon.granting.offered,
            neighbour.DropCopy: lambda _node, message: daemon.store.drop_copy(message.name),
            neighbour.YieldLease: daemon.granting.yield_there,
            neighbour.DropLease: lambda _node, message: daemon.granting.drop(message.lease),
            neighbour.AskDeath: lambda node, message: daemon.deaths.asked(node, message.process),
            neighbour.TellDeath: lambda _node, message: daemon.deaths.told(message.death),
            neighbour.Pull: self._transfers.on_pull,
            neighbour.Chunk: self._transfers.on_chunk,
            neighbour.FreeThere: lambda _node, message: daemon.store.free(message.stored),
            neighbour.Lines: lambda _node, message: daemon.lines(message.job, message.lines, error=message.error),
            neighbour.KillThere: lambda _node, message: daemon.kill_process(message.process, message.reason),
            Received: lambda node, message: self._conversation(node).on_received(message),
        }

    def see(self, nodes: list[NodeView]) -> None:
        """The head's view of the cluster."""
        self._views = {view.node: view for view in nodes if view.alive and view.node != self._daemon.node}
        for node in self._views:
            self._lost.pop(node, None)
        for node in [node for node in self._early if node in self._views]:
            for message in self._early.pop(node):
                self.send(node, message)

    def connect(self, node: str, to_process: str, from_process: str) -> None:
        """Our process gets a link to the other node's process, or hears how that one died."""
        self._links.want(node, to_process, from_process)

    # sending

    def send(self, node: str, message: neighbour.NodeToNode) -> None:
        """The neighbour gets the message, or the sender's question is answered with its absence."""
        other = self._reach(node)
        if other is None:
            self._hold(node, message)
        elif other.link is not None:
            self._daemon.post(other.link, message)
        else:
            other.backlog.append(message)

    def _hold(self, node: str, message: neighbour.NodeToNode) -> None:
        """The message waits for the head's word of the node, unless that word was that it is lost."""
        if node in self._lost:
            self._undeliverable(node, message)
            return
        if node not in self._early:
            self._loop.after(_UNKNOWN_S, lambda: self._give_up(node))
        self._early.setdefault(node, []).append(message)

    def _give_up(self, node: str) -> None:
        for message in self._early.pop(node, ()):
            self._undeliverable(node, message)

    def _undeliverable(self, node: str, message: neighbour.NodeToNode) -> None:
        loop, daemon = self._loop, self._daemon
        if isinstance(message, neighbour.AskDeath):
            why = self._lost.get(node, "it is not part of this cluster")
            loop.soon(
                lambda: daemon.deaths.told(Death(message.process, 0, node, f"its node {node[:8]} was lost: {why}"))
            )
        elif isinstance(message, neighbour.AskWorker):
            loop.soon(lambda: daemon.granting.offered(node, neighbour.OfferWorker(message.request, 0)))
        elif isinstance(message, neighbour.OfferWorker) and message.lease:
            loop.soon(lambda: daemon.granting.drop(message.lease))
        elif isinstance(message, neighbour.Pull):
            loop.soon(lambda: self._transfers.fail(node, self._lost.get(node, "it is not part of this cluster")))
        elif isinstance(message, neighbour.ExpectLink):
            loop.soon(lambda: self._links.unheard(message.number))

    def _reach(self, node: str) -> _Neighbour | None:
        other = self._neighbours.get(node)
        if other is None:
            if node not in self._views:
                return None
            other = self._neighbours[node] = _Neighbour(node)
        if other.link is None and not other.dialling:
            other.dialling = True
            self._dial(node, lambda sock: self._dialled(other, sock))
        return other

    def _dial(self, node: str, connected: Callable[[socket.socket | None], None]) -> None:
        """Connected gets a socket to the node's port, or None."""
        view = self._views.get(node)
        if view is None:
            self._loop.soon(lambda: connected(None))
            return
        host, _, port = view.address.rpartition(":")
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        _prepare(sock)
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
            connected(sock)

        def late() -> None:
            nonlocal finished
            finished = True
            self._loop.forget(sock.fileno())
            sock.close()
            connected(None)

        timer = self._loop.after(_DIAL_S, late)
        sock.connect_ex((host, int(port)))
        self._loop.watch(sock.fileno(), ready, WRITE)

    def _dialled(self, other: _Neighbour, sock: socket.socket | None) -> None:
        other.dialling = False
        if self._neighbours.get(other.node) is not other:
            # It was lost meanwhile.
            if sock is not None:
                sock.close()
            return
        link = None if sock is None else self._link(sock, other, server=False)
        if link is None:
            # Whether it is gone is for the head to say.
            self._loop.after(_DIAL_AGAIN_S, lambda: self._dial_again(other))
            return
        backlog, other.backlog = other.backlog, []
        self._loop.watch(link.fd, lambda events: self._on_own_link(link, other, events))
        other.link = link
        link.send(neighbour.Greet(control.PROTOCOL, self._token, self._daemon.node, self._daemon.life))
        link.resume(self._conversation(other.node))
        for message in backlog:
            self._daemon.post(link, message)

    def _dial_again(self, other: _Neighbour) -> None:
        """There is a link again, if anything is still to be said: what the node has not acknowledged is said once more."""
        unsaid = other.backlog or self._conversation(other.node).kept_bytes
        if unsaid and self._neighbours.get(other.node) is other:
            self._reach(other.node)

    def _link(self, sock: socket.socket, peer: Any, *, server: bool) -> ResumableLink | None:
        """A link over the socket; None when that has broken meanwhile."""
        try:
            tls = self._contexts.shake(sock, server=server)
        except OSError:
            return None
        return ResumableLink(tls, neighbour.NodeToNode, self._daemon.want_write, peer)

    def _conversation(self, node: str) -> Conversation:
        found = self._conversations.get(node)
        if found is None:
            found = self._conversations[node] = Conversation(next(self._streams))
        return found

    def _on_own_link(self, link: ResumableLink, other: _Neighbour, events: int) -> None:
        """Nothing but the end is to be read here."""
        if events & WRITE:
            link.pump_out()
        if link.receive() is None:
            self._loop.forget(link.fd)
            rest = link.pending
            link.pending = []
            link.close()
            if other.link is link:
                other.link = None
                other.backlog[:0] = rest
                self._loop.after(_DIAL_AGAIN_S, lambda: self._dial_again(other))

    # receiving

    def _on_accept(self, _events: int) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            _prepare(sock)
            self._unknown.add(sock)
            self._loop.watch(sock.fileno(), lambda _events, it=sock: self._on_unknown(it))  # type: ignore[misc]
            self._loop.after(_GREETING_S, lambda it=sock: self._drop_unknown(it))  # type: ignore[misc]

    def _on_unknown(self, sock: socket.socket) -> None:
        """The first byte says who comes: a daemon with a TLS handshake, or a process with the number of its link."""
        try:
            first = sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            first = b""
        if first not in {_TLS_HANDSHAKE, MAGIC[:1]}:
            self._drop_unknown(sock)
            return
        self._unknown.discard(sock)
        self._loop.forget(sock.fileno())
        if first != _TLS_HANDSHAKE:
            self._links.accept(sock)
            return
        link = self._link(sock, "", server=True)
        if link is None:
            return
        self._accepted.add(link)
        self._loop.watch(link.fd, lambda events: self._on_accepted(link, events))
        self._loop.after(_GREETING_S, lambda: None if link.peer else self._drop_accepted(link))

    def _drop_unknown(self, sock: socket.socket) -> None:
        if sock in self._unknown:
            self._unknown.discard(sock)
            self._loop.forget(sock.fileno())
            sock.close()

    def _on_accepted(self, link: ResumableLink, events: int) -> None:
        try:
            if events & WRITE:
                link.pump_out()
            messages = link.receive()
            if messages and not link.peer:
                first, *messages = messages
                if not self._welcome(link, first):
                    return
                messages = link.listen(self._conversation(link.peer), messages)
                if link.is_foreign:
                    # It goes on with what is forgotten here, and will know by our own first word.
                    self.send(link.peer, Received(0))
            due = link.acknowledgement()
        except wire.WireError:
            messages = None
        except ForgottenError:
            # It has taken us for lost meanwhile.
            self._forget(link.peer)
            return
        if messages is None:
            self._drop_accepted(link)
            return
        if due is not None:
            self.send(link.peer, due)
        for message in messages:
            handler = self._handlers.get(message.__class__)
            if handler is not None:
                handler(link.peer, message)

    def _forget(self, node: str) -> None:
        self._close(node)
        self._broke(node)

    def _broke(self, node: str) -> None:
        """What was on its way from or to the node is lost, so whatever waits for it is told, or asks again."""
        self._transfers.fail(node, "the link to it broke")
        self._daemon.granting.unanswered(node)
        self._loop.after(_ASK_AGAIN_S, lambda: self._ask_again(node))

    def _ask_again(self, node: str) -> None:
        self._links.ask_again(node)
        self._daemon.deaths.ask_again(node)

    def forget_all(self) -> None:
        """Every link to and from other nodes is closed: after a partition nobody knows which of them still lead anywhere."""
        for node in {*self._neighbours, *self._conversations}:
            self._forget(node)

    def _drop_accepted(self, link: Link, *, abort: bool = False) -> None:
        self._accepted.discard(link)
        if not link.closed:
            self._loop.forget(link.fd)
            if abort:
                link.abort()
            else:
                link.close()

    def _welcome(self, link: ResumableLink, message: Any) -> bool:
        """True when the link is a daemon's and may be read on."""
        view = self._views.get(message.node) if isinstance(message, neighbour.Greet) else None
        if (
            not isinstance(message, neighbour.Greet)
            or message.protocol != control.PROTOCOL
            or not hmac.compare_digest(message.token, self._token)
            # It does not know yet that its work is done elsewhere: it has to join again, and to know it, before anybody here listens.
            or message.node in self._lost
            or (view is not None and view.life != message.life)
        ):
            self._drop_accepted(link)
            return False
        link.peer = message.node
        return True

    # objects

    def pull(self, stored: Stored, offset: int, done: Callable[[str], None]) -> None:
        """done("") when the object's bytes stand at offset in this node's arena, else done(why not)."""
        if stored.node in self._lost:
            done(f"node {stored.node[:8]}, which held the object {stored.name}, was lost: {self._lost[stored.node]}")
            return
        self._transfers.pull(stored, offset, done)

    # loss and end

    def lose(self, node: str, reason: str) -> None:
        """The node is not a member any more."""
        self._lost[node] = reason
        self._views.pop(node, None)
        self._give_up(node)
        self._close(node)
        self._links.lose(node)
        self._transfers.fail(node, reason)

    def _close(self, node: str) -> None:
        """What was said and not heard is forgotten on both sides, and the kernel keeps none of it."""
        self._conversations.pop(node, None)
        other = self._neighbours.pop(node, None)
        if other is not None:
            if other.link is not None:
                self._loop.forget(other.link.fd)
                other.link.abort()
            for message in other.backlog:
                self._undeliverable(node, message)
        for link in [link for link in self._accepted if link.peer == node]:
            self._drop_accepted(link, abort=True)

    def close(self) -> None:
        """Every link and the port are closed."""
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        self._links.close()
        for sock in list(self._unknown):
            self._drop_unknown(sock)
        for link in list(self._accepted):
            self._drop_accepted(link)
        for other in self._neighbours.values():
            if other.link is not None:
                self._loop.forget(other.link.fd)
                other.link.close()


def _prepare(sock: socket.socket) -> None:
    """The TCP socket sends at once, and breaks when what it sends does not arrive, or nobody is at its other end any more."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * _SILENT_S)

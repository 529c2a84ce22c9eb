"""One process of the cluster, driver or worker: its links, its questions to the node daemon, and the parts that share its lock."""

from __future__ import annotations

import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from tradewind.runtime import exceptions, object_ref
from tradewind.runtime.conversation import ForgottenError
from tradewind.runtime.core.actor_calls import ActorCalls
from tradewind.runtime.core.arena import ArenaClient
from tradewind.runtime.core.arguments import Arguments
from tradewind.runtime.core.calls import Calls
from tradewind.runtime.core.dispatch import IDLE_LEASE_S
from tradewind.runtime.core.leasing import Leasing
from tradewind.runtime.core.losses import Losses
from tradewind.runtime.core.objects import Objects
from tradewind.runtime.core.ownership import Key, ReferenceTable
from tradewind.runtime.core.peers import Peer, Peers
from tradewind.runtime.core.pump import Pump, Waiter
from tradewind.runtime.core.questions import Questions
from tradewind.runtime.core.streams import Streams
from tradewind.runtime.core.wait_cycles import WaitCycles
from tradewind.runtime.core.waiting import Waiting
from tradewind.runtime.link import DescriptorLink, Link
from tradewind.runtime.messages import control, peer
from tradewind.runtime.messages.conversation import Received
from tradewind.runtime.messages.peer import Cancel, Consumed, Task
from tradewind.runtime.messages.values import Environment
from tradewind.runtime.packages import Packages
from tradewind.runtime.resumable_link import ResumableLink
from tradewind.runtime.wire import WireError

_FLUSH_AT = 48
_RELEASED_AT_ONCE = 1000


class Process:
    """The runtime inside a driver or worker. Messages are handled by whoever pumps, under `lock`."""

    def __init__(self, sock: socket.socket, *, by_value: bool = False) -> None:
        """Speaks over sock to the node daemon; `start` waits for its welcome."""
        self.lock = threading.RLock()
        self.table = ReferenceTable()
        self._released: deque[Key] = deque()
        self.released = self._released
        self.forever: list[Any] = []
        self.by_value = by_value
        self.address = ""
        self.node = ""
        self.job = ""
        self.namespace = ""
        # What tasks and actors find around them unless they ask for something else.
        self.environment: Environment | None = None
        # By which directories reach workers that do not see this process's files; None when they do.
        self.packages: Packages | None = None
        # The placement group that tasks started here belong to unless they say otherwise, as in peer.Define.
        self.scope = ""
        self.executor: Any = None
        self.closing = False
        self.broken = ""
        self.links: dict[int, Link] = {}
        self._dirty: list[Link] = []
        self.peers = Peers(self)
        self.questions = Questions(self)
        self.next_request = self.questions.next_request
        self.ask_node = self.questions.ask_node
        self.ask_head = self.questions.ask_head
        self.head = self.questions.head
        self.losses = Losses(self)
        self._pool: Any = None
        self.pump = self._make_pump()
        self.objects = Objects(self)
        self.arguments = Arguments(self)
        self.leasing = Leasing(self)
        self.calls = Calls(self)
        self.actors = ActorCalls(self)
        self.streams = Streams(self)
        self.waiting = Waiting(self)
        self.cycles = WaitCycles(self)
        self.node_link = self._make_node_link(sock)
        self.on_output: Callable[[list[str], bool], None] = lambda _lines, _error: None
        self.on_broken: Callable[[str], None] = lambda _reason: None
        self.welcome = Waiter()
        self._peer_handlers = self._handle_peers()
        self._node_handlers = self._handle_node()

    def _handle_peers(self) -> dict[type, Callable[[Peer, Any], None]]:
        return {
            peer.Define: lambda sender, message: sender.functions.__setitem__(message.fn, message),
            Task: self._on_task,
            peer.Done: self.calls.on_done,
            peer.DoneMany: self.calls.on_done_many,
            peer.HandBack: self.calls.on_hand_back,
            peer.ArgumentLost: self.calls.on_argument_lost,
            peer.Resume: self.calls.on_resume,
            peer.Item: self.streams.on_item,
            peer.Consumed: self._on_consumed,
            peer.Taken: self.objects.on_taken,
            peer.Borrow: self.objects.on_borrow,
            peer.Unborrow: self.objects.on_unborrow,
            peer.Acknowledge: self.objects.on_acknowledge,
            peer.Fetch: self.objects.on_fetch,
            peer.Resolved: self.objects.on_resolved,
            Cancel: self._on_cancel,
            peer.Probe: self.cycles.on_probe,
            Received: lambda sender, message: self.peers.conversation(sender).on_received(message),
        }

    def _handle_node(self) -> dict[type, Callable[[Any], None]]:
        return {
            control.Welcome: self._on_welcome,
            control.Granted: self.leasing.on_granted,
            control.Refused: self.leasing.on_refused,
            control.Revoke: lambda _message: self.leasing.return_idle(float("inf"), 0.0),
            control.Yield: self.leasing.on_yield,
            control.Connected: self.peers.on_connected,
            control.AlreadyConnected: lambda _message: None,
            control.Died: lambda message: self.losses.on_died(message.death),
            control.Describe: self._on_describe,
            control.Evict: lambda message: self.arena.on_evict(message.name),
            control.Extent: self.questions.on_reply,
            control.Opened: self.questions.on_reply,
            control.Answer: self.questions.on_answer,
            control.Output: lambda message: self.on_output(message.lines, message.error),
            control.NodeLost: self.losses.on_node_lost,
            control.CutOff: self.losses.on_cut_off,
            control.Unreachable: self.losses.on_unreachable,
            control.LinkKeys: self.peers.on_link_keys,
            control.BecomeActor: self._on_become_actor,
            control.Exit: lambda message: self.executor.on_exit(message.reason, when_unneeded=message.when_unneeded),
        }

    def _make_pump(self) -> Pump:
        return Pump(self)

    def _make_node_link(self, sock: socket.socket) -> DescriptorLink:
        link = DescriptorLink(sock, control.FromNode, self._want_write)
        self.links[link.fd] = link
        self.pump.register(link.fd)
        return link

    # lifecycle

    def start(self, timeout: float | None = None) -> None:
        """The node daemon has welcomed this process. Raises RaySystemError when it does not within timeout seconds."""
        import time

        if not self.pump.wait(self.welcome, None if timeout is None else time.monotonic() + timeout) or self.broken:
            raise exceptions.RaySystemError(
                self.broken or f"The node daemon did not welcome this process within {timeout:g} s."
            )
        object_ref.bind(self)
        self.pump.start()

    def _on_welcome(self, message: control.Welcome) -> None:
        self.address = message.process
        self.node = message.node
        self.job = message.job
        self.arena = ArenaClient(self, self.node_link.fds.popleft(), message.arena_bytes)
        self.welcome.finish()

    def close(self) -> None:
        """Links, the I/O thread and the arena are closed; the node daemon sees the end of the stream."""
        self.closing = True
        with self.lock:
            object_ref.bind(None)
        self.pump.close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        for link in list(self.links.values()):
            link.close()
        self.links.clear()
        if self.address:
            self.arena.close()

    # refs

    def release(self, key: Key) -> None:
        """A ref died. Called from finalizers: takes no lock."""
        released = self._released
        released.append(key)
        if self.pump.sleeping:
            entry = self.table.entries.get(key)
            # What holds nothing but a small value of our own can wait for the next message.
            if (
                entry is None
                or entry.value.__class__ is not bytes
                or entry.inner is not None
                or entry.on_free is not None
                or key.__class__ is tuple
                or len(released) > _RELEASED_AT_ONCE
            ):
                self.pump.wake()

    def drain(self) -> None:
        """Refs that died are given back. Under the lock."""
        released = self._released
        table = self.table
        while released:
            key = released.popleft()
            entry = table.entries.get(key)
            if entry is not None:
                entry.local -= 1
                if entry.local <= 0 and not entry.borrowers:
                    del table.entries[key]
                    if entry.value.__class__ is not bytes or entry.on_free is not None or key.__class__ is tuple:
                        self.objects.free(key, entry)
        freed = table.freed
        while freed:
            self.objects.free(*freed.pop())
        if self.streams.abandoned:
            self.streams.drain()
        if self.address and self.arena.ended:
            self.arena.drain()

    def receive_ref(self, owner: str, number: int) -> object_ref.ObjectRef:
        """A ref that was unpickled in this process."""
        with self.lock:
            executor = self.executor
            acknowledged = executor.replies.expect_acknowledgement(owner) if executor is not None else None
            return self.objects.receive(owner, number, acknowledged)

    def future_of(self, ref: object_ref.ObjectRef) -> Any:
        """A concurrent future of the ref's value."""
        import concurrent.futures

        from tradewind.runtime.core.objects import WhenReady

        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        key = ref.key

        def ready() -> None:
            try:
                result = self.objects.get([ref], None)[0]
            except BaseException as error:  # whatever it is, it is what the future holds
                future.set_exception(error)
            else:
                future.set_result(result)

        with self.lock:
            entry = self.table.entries[key]
            if entry.value is None:
                self.objects.watch(key, entry, WhenReady(lambda _value: self.later(ready)))
                self.flush_all()
                return future
        ready()
        return future

    def later(self, function: Callable[[], None]) -> None:
        """Function runs outside the lock, in a thread of its own: it may wait for messages, which the pump must go on moving."""
        self._later_pool().submit(function)

    def _later_pool(self) -> Any:
        pool = self._pool
        if pool is None:
            from concurrent.futures import ThreadPoolExecutor

            pool = self._pool = ThreadPoolExecutor(2, "tradewind-later")
        return pool

    # waiting

    def wait(self, waiter: Waiter, deadline: float | None) -> bool:
        """True once waiter is done. A worker that waits gives its CPUs and its unstarted tasks back meanwhile."""
        executor = self.executor
        if executor is not None and not waiter.done:
            return bool(executor.wait(waiter, deadline))
        return self.pump.wait(waiter, deadline)

    def check_interrupt(self) -> None:
        """Raises when this process has lost its node daemon."""
        if self.broken:
            raise exceptions.LocalRayletDiedError(self.broken)

    # links

    def adopt(self, sock: socket.socket, target: Peer) -> Link:
        """The socket, plain or with TLS, is a link to the process, and is read from now on. Under the lock."""
        link: Link
        if isinstance(sock, ssl.SSLSocket):
            link = ResumableLink(sock, peer.PeerMessage, self._want_write, target)
            link.listen(self.peers.conversation(target), [])
        else:
            link = Link(sock, peer.PeerMessage, self._want_write, target)
        self.links[link.fd] = link
        self.pump.register(link.fd)
        return link

    def use(self, target: Peer, link: Link) -> None:
        """What is posted to the process goes over this link, what was posted already first. Under the lock."""
        target.link = link
        if isinstance(link, ResumableLink):
            link.resume(self.peers.conversation(target))
        if target.backlog:
            self._dirty.append(link)
            link.pending.extend(target.backlog)
            target.backlog.clear()

    # posting

    def post(self, target: Peer, message: Any) -> None:
        """The message goes to the process with the next flush, which comes by itself. Under the lock."""
        link = target.link
        if link is None:
            if not target.lost:
                target.backlog.append(message)
                self.peers.connect(target)
            return
        pending = link.pending
        if not pending:
            self._dirty.append(link)
            if self.pump.sleeping:
                self.pump.wake()
        pending.append(message)
        if len(pending) >= _FLUSH_AT:
            link.flush()

    def flush(self, target: Peer) -> None:
        """What was posted to the process is sent now. Under the lock."""
        if target.link is not None:
            target.link.flush()

    def flush_node(self) -> None:
        """What was told to the node daemon is sent now. Under the lock."""
        self.node_link.flush()

    def flush_all(self) -> None:
        """Everything posted is sent now. Under the lock."""
        dirty = self._dirty
        if dirty:
            self._dirty = []
            for link in dirty:
                link.flush()

    def tell_node(self, message: Any) -> None:
        """The node daemon gets the message with the next flush."""
        with self.lock:
            link = self.node_link
            if not link.pending:
                self._dirty.append(link)
                if self.pump.sleeping:
                    self.pump.wake()
            link.pending.append(message)

    # peers

    def _on_describe(self, message: control.Describe) -> None:
        from tradewind.runtime.core.describing import describe

        self.tell_node(control.Described(message.number, describe(self, message.kind)))

    def _on_consumed(self, sender: Peer, message: Consumed) -> None:
        self.executor.producing.on_consumed(sender, message)

    def _on_task(self, sender: Peer, message: Task) -> None:
        self.executor.on_task(sender, message)

    def _on_become_actor(self, message: control.BecomeActor) -> None:
        self.executor.become_actor(message)

    def _on_cancel(self, sender: Peer, message: Cancel) -> None:
        if (
            not self.calls.cancel_own(message.id, force=False, recursive=message.recursive)
            and self.executor is not None
        ):
            self.executor.on_cancel(sender, message)

    # the pump's handler

    def _want_write(self, link: Link, wants: bool) -> None:
        self.pump.want_write(link.fd, wants)

    def on_ready(self, fd: int, events: int) -> None:
        """A socket is readable or writable; what arrived is handled."""
        link = self.links.get(fd)
        if link is None:
            return
        with self.lock:
            if events & 4:  # EPOLLOUT
                link.pump_out()
                if not events & ~4:
                    return
            try:
                messages = link.receive()
            except WireError as error:
                # Whoever speaks another language than ours is as good as gone.
                self.losses.forsake(link, f"it sent what this process does not understand: {error}")
                return
            except ForgottenError:
                self.losses.forsake(link, "it had taken this process for gone")
                return
            if messages is None:
                self.losses.lose_link(link)
                return
            target = link.peer
            if target is None:
                node_handlers = self._node_handlers
                for message in messages:
                    node_handlers[message.__class__](message)
            else:
                peer_handlers = self._peer_handlers
                for message in messages:
                    peer_handlers[message.__class__](target, message)
                if link.__class__ is ResumableLink:
                    due = link.acknowledgement()
                    if due is not None:
                        self.post(target, due)

    def before_poll(self) -> None:
        """Refs that died are given back and everything posted is sent."""
        if self._released or self._dirty or self.streams.abandoned or (self.address and self.arena.ended):
            with self.lock:
                self.drain()
                self.flush_all()

    def timeout(self) -> float | None:
        """How long the pump may sleep, in seconds."""
        if self.executor is not None:
            limit = self.executor.timeout()
            if limit is not None:
                return float(limit)
        return IDLE_LEASE_S / 2 if self.leasing.has_idle else None

    def tick(self, now: float) -> None:
        """What time alone brings about: idle workers go back, long tasks hand the ones behind them back."""
        with self.lock:
            if self.leasing.has_idle:
                self.leasing.return_idle(now, IDLE_LEASE_S)
            if self.executor is not None:
                self.executor.tick(now)

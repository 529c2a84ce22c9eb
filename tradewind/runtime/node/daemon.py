"""The node daemon's shell: it reads messages, asks the pure parts (leases, resources, arena book) what to do, and does it."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tradewind.runtime.link import DescriptorLink, Link
from tradewind.runtime.loop import READ, WRITE, Loop
from tradewind.runtime.messages import cluster, control, neighbour
from tradewind.runtime.messages.cluster import NodeView
from tradewind.runtime.messages.values import Death, Environment, Stored
from tradewind.runtime.node.bundles import BundledPool
from tradewind.runtime.node.connections import Connections
from tradewind.runtime.node.deaths import Deaths
from tradewind.runtime.node.drivers import Drivers
from tradewind.runtime.node.granting import Granting
from tradewind.runtime.node.local_actors import LocalActors
from tradewind.runtime.node.memory_guard import MemoryGuard
from tradewind.runtime.node.object_store import ObjectStore
from tradewind.runtime.node.reporting import Reporting
from tradewind.runtime.node.resources import to_amounts
from tradewind.runtime.node.workers import Driver, TemplateSettings, Worker, WorkerPool, welcome
from tradewind.runtime.wire import WireError

_MAX_IDLE_EXTRA = 2
_MAX_IDLE_DRIVERS = 128
_LINKLESS_S = 0.5
_TELL_EVERY_S = 0.02
# How many drivers' ends the head is told of once more when it has been away.
_KEPT_DRIVERS = 100


class HeadLink(Protocol):
    """The way to the head, in this process or far away."""

    def send(self, message: cluster.ToHead) -> None: ...
    def close(self) -> None: ...


class Neighbours(Protocol):
    """The way to the other nodes; there is none in a one-node cluster."""

    def see(self, nodes: list[NodeView]) -> None: ...
    def send(self, node: str, message: neighbour.NodeToNode) -> None: ...
    def connect(self, node: str, to_process: str, from_process: str) -> None: ...
    def pull(self, stored: Stored, offset: int, done: Callable[[str], None]) -> None: ...
    def lose(self, node: str, reason: str) -> None: ...
    def forget_all(self) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class DaemonSettings:
    """What a node daemon needs to know at its start."""

    node: str
    host: str
    total: dict[str, float]
    labels: dict[str, str]
    arena_bytes: int
    template: TemplateSettings
    end_with_driver: bool
    prestart: int = 0
    address: str = ""
    spill_directory: str = ""
    notes: dict[str, str] = field(default_factory=dict)


class NodeDaemon:
    """One node of the cluster."""

    def __init__(self, loop: Loop, settings: DaemonSettings) -> None:
        self.loop = loop
        self.settings = settings
        self.node = settings.node
        # As in NodeView.
        self.life = 0
        self.granting = Granting(self, BundledPool(settings.total))
        self.store = ObjectStore(self, settings.arena_bytes, settings.spill_directory)
        self.drivers = Drivers(self)
        self.connections = Connections(self)
        self.actors = LocalActors(self)
        self.deaths = Deaths(self)
        self.reporting = Reporting(self)
        self.guard = MemoryGuard(self)
        self.head: HeadLink | None = None
        self.neighbours: Neighbours | None = None
        self.processes: dict[str, Driver | Worker] = {}
        self._numbers = itertools.count(1)
        self._dirty: list[Link] = []
        self._told_load: tuple[dict[str, float], int, dict[str, dict[str, float]]] = ({}, 0, {})
        self._told_at = 0.0
        self._questions: dict[tuple[str, int], cluster.Question] = {}
        self.ended_drivers: deque[str] = deque(maxlen=_KEPT_DRIVERS)
        self._telling = False
        self.stopping = ""
        self.workers = WorkerPool(
            loop,
            self.node,
            settings.template,
            make_link=self.make_link,
            on_lines=self._on_lines,
            on_end=self._on_worker_end,
            next_address=self.next_address,
            why_killed=self.guard.why_killed,
        )
        self._handlers: dict[type, Callable[[Any, Any], None]] = {
            control.Hello: self.drivers.on_hello,
            control.RequestLease: self.granting.on_request,
            control.ReturnLease: lambda _who, message: self.granting.drop(message.lease),
            control.Blocked: lambda who, _message: self.granting.set_blocked(who.address, blocked=True),
            control.Unblocked: lambda who, _message: self.granting.set_blocked(who.address, blocked=False),
            control.Connect: lambda who, message: self.connections.connect(
                who.address, message.process, again=message.again
            ),
            control.WhyDied: lambda who, message: self.deaths.why(who.address, message.process),
            control.TakeExtent: self.store.on_take_extent,
            control.GiveExtent: lambda who, message: self.store.book.give(who.address, message.offset, message.size),
            control.Seal: self.store.on_seal,
            control.Free: lambda _who, message: self.store.free(message.stored),
            control.Open: self.store.on_open,
            control.Close: lambda who, message: self.store.book.close(who.address, message.name),
            control.KillProcess: lambda _who, message: self.kill_process(message.process, message.reason),
            control.Ask: self._on_ask,
            control.ActorReady: self.actors.on_ready,
            control.Evicted: lambda _who, message: self.store.room.on_evicted(message),
            control.Described: self.reporting.on_described,
            control.ExitIntended: lambda who, message: setattr(who, "intended", message.reason),
        }

    # lifecycle

    def start(self) -> None:
        """The template is starting, and as many workers as will surely be wanted."""
        self.workers.start()
        for _ in range(self.settings.prestart):
            self._make_worker("", self._add_idle)

    def view(self) -> NodeView:
        """This node as others see it."""
        return NodeView(
            self.node,
            self.settings.host,
            self.settings.address,
            self.settings.total,
            to_amounts(self.granting.pool.free),
            self.settings.labels,
            self.granting.book.waiting,
            bundles=self.granting.pool.bundle_amounts(),
            life=self.life,
        )

    def stop(self, reason: str) -> None:
        """The loop ends after this turn."""
        self.stopping = self.stopping or reason
        self.loop.stop()

    def close(self) -> None:
        """Workers, links, the arena: nothing of the node is left."""
        if self.head is not None:
            self.head.send(cluster.Leave(self.stopping or "it was stopped"))
        self.workers.close()
        for process in list(self.processes.values()):
            process.link.close()
            if isinstance(process, Driver) and process.pidfd >= 0:
                os.close(process.pidfd)
        if self.neighbours is not None:
            self.neighbours.close()
        if self.head is not None:
            self.head.close()
        self.store.close()
        self.guard.close()

    def before_wait(self) -> None:
        """Decisions are carried out and what was posted is sent."""
        if self.granting.due:
            self.granting.run()
        self._tell_load()
        dirty, self._dirty = self._dirty, []
        for link in dirty:
            link.flush()

    def next_address(self) -> str:
        """A name for a process of this node that no other has."""
        return f"{self.node}/{next(self._numbers)}"

    # links

    def make_link(self, sock: socket.socket) -> DescriptorLink:
        """A link over the socket, which is read from now on; who is behind it is its `peer`."""
        link = DescriptorLink(sock, control.ToNode, self.want_write)
        self.loop.watch(link.fd, lambda events: self._on_link(link, events))
        return link

    def want_write(self, link: Link, wants: bool) -> None:
        """The loop watches the link for room to write, or not."""
        self.loop.change(link.fd, READ | WRITE if wants else READ)

    def post(self, link: Link, message: Any) -> None:
        """The message goes out at the end of this turn."""
        if not link.pending:
            self._dirty.append(link)
        link.pending.append(message)

    def tell(self, address: str, message: Any) -> None:
        """The local process gets the message, if it lives."""
        process = self.processes.get(address)
        if process is not None:
            self.post(process.link, message)

    def _on_link(self, link: DescriptorLink, events: int) -> None:
        if events & WRITE:
            link.pump_out()
            if not events & ~WRITE:
                return
        try:
            messages = link.receive()
        except WireError:
            # Whoever speaks another language than ours is as good as gone.
            messages = None
        if messages is None:
            self.loop.forget(link.fd)
            link.close()
            self._on_link_lost(link)
            return
        who = link.peer
        for message in messages:
            self._handlers[message.__class__](who, message)

    def _on_link_lost(self, link: DescriptorLink) -> None:
        who = link.peer
        if isinstance(who, Driver):
            self.drivers.drop_pidfd(who)
            if who.address:
                self.drivers.end(who)
        elif not who.ended:
            # Usually it is ending, and the template is about to say how. A worker that lives on without its link is of no use.
            self.loop.after(
                _LINKLESS_S,
                lambda: self.workers.kill(who, who.intended or "it closed its link to the node daemon and lived on"),
            )

    def forget_process(self, address: str) -> None:
        """The process has ended: nobody holds or waits for anything in its name."""
        self.granting.forget(address)
        for key in [key for key in self._questions if key[0] == address]:
            del self._questions[key]
        self.connections.disconnected(address)
        self.store.book.drop_process(address)

    # workers

    def _make_worker(self, job: str, ready: Callable[[Worker], None], environment: Environment | None = None) -> None:
        worker = self.workers.fork(job, environment)
        self.processes[worker.address] = worker
        welcome(worker, self.node, self.store.descriptor, self.settings.arena_bytes)
        worker.when_ready.append(lambda: ready(worker))

    def _add_idle(self, worker: Worker) -> None:
        if not worker.ended:
            self.workers.idle.append(worker)

    def with_worker(self, job: str, ready: Callable[[Worker], None], environment: Environment | None = None) -> None:
        """Ready gets a worker in this environment that serves only this job."""
        worker = self.workers.take_idle(job, environment)
        if worker is not None:
            worker.job = job
            ready(worker)
        else:
            self._make_worker(job, ready, environment)

    def release_worker(self, worker: Worker) -> None:
        """The worker is warm for the next lease."""
        worker.lease = 0
        self.guard.release(worker)
        if not worker.ended and not worker.kill_reason:
            self.workers.idle.append(worker)
            drivers = sum(isinstance(process, Driver) for process in self.processes.values())
            # A warm one for each of many drivers: workers serve one job only, and to make one costs more than a turn.
            limit = max(int(self.settings.total.get("CPU", 1)) + _MAX_IDLE_EXTRA, min(drivers, _MAX_IDLE_DRIVERS))
            while len(self.workers.idle) > limit:
                # It ends when nobody needs an object that it owns any more.
                extra = self.workers.idle.pop(0)
                extra.intended = "it was idle and one too many"
                self.post(extra.link, control.Exit(extra.intended, when_unneeded=True))

    def _on_worker_end(self, worker: Worker, death: Death) -> None:
        self.processes.pop(worker.address, None)
        if not worker.link.closed:
            self.loop.forget(worker.link.fd)
            worker.link.close()
        self.granting.set_blocked(worker.address, blocked=False)
        lease = self.granting.held.get(worker.lease)
        if lease is not None and lease.worker is worker:
            self.granting.drop(lease.id)
        self.forget_process(worker.address)
        self.deaths.remember(death)
        if self.head is not None:
            self.head.send(cluster.ProcessGone(worker.address, driver=False))
        self.actors.ended(worker, death)
        self.guard.release(worker)
        waiting, worker.when_ready = worker.when_ready, []
        for ready in waiting:
            ready()
        self.granting.schedule()

    def kill_process(self, address: str, reason: str) -> None:
        """The process, here or elsewhere, is being ended by force."""
        process = self.processes.get(address)
        if isinstance(process, Worker):
            self.workers.kill(process, reason)
        elif process is None and self.neighbours is not None and not address.startswith(self.node + "/"):
            self.neighbours.send(address.partition("/")[0], neighbour.KillThere(address, reason))

    def _on_lines(self, worker: Worker, lines: list[str], error: bool) -> None:
        self.lines(worker.job, lines, error=error)

    def lines(self, job: str, lines: list[str], *, error: bool) -> None:
        """The job's driver, here or elsewhere, prints the lines."""
        node = job.partition("/")[0]
        if node == self.node or not job:
            targets = (
                [job]
                if job
                else [address for address, process in self.processes.items() if isinstance(process, Driver)]
            )
            for target in targets:
                self.tell(target, control.Output(lines, error))
        elif self.neighbours is not None:
            self.neighbours.send(node, neighbour.Lines(job, lines, error))

    # the head

    def _on_ask(self, who: Driver | Worker, message: control.Ask) -> None:
        if self.head is not None:
            question = cluster.Question(who.address, message.request, message.body)
            if message.request:
                self._questions[who.address, message.request] = question
            self.head.send(question)

    def joining(self, token: bytes, *, again: bool) -> cluster.Join:
        """What the head is told when this node joins, or does so again after the head was away."""
        book = self.granting.book
        return cluster.Join(
            control.PROTOCOL,
            token,
            self.view(),
            self.actors.living(),
            list(self.processes),
            again,
            list(self.actors.ends) if again else [],
            list(self.ended_drivers) if again else [],
            book.others if again else [],
        )

    def ask_again(self) -> None:
        """Questions that the head has not answered are asked again: it was away, and may not have heard them."""
        assert self.head is not None
        for (process, _), question in list(self._questions.items()):
            if process in self.processes:
                self.head.send(question)

    def on_head(self, message: cluster.FromHead) -> None:
        """The head has said something."""
        if isinstance(message, cluster.HeadReply):
            self._questions.pop((message.process, message.request), None)
            self.tell(message.process, control.Answer(message.request, message.body))
        elif isinstance(message, cluster.View):
            self.granting.book.see(message.nodes)
            if self.neighbours is not None:
                self.neighbours.see(message.nodes)
            self.granting.schedule()
        elif isinstance(message, cluster.StartActor):
            self.actors.start(message.spec, message.incarnation)
        elif isinstance(message, cluster.StopActor):
            self.actors.stop(message)
        elif isinstance(message, cluster.LostNode):
            self.life = message.life or self.life
            self.lose_node(message.node, message.reason)
        elif isinstance(message, cluster.ReportThere):
            self.reporting.ask(message.number, message.kind)
        elif isinstance(message, cluster.ReserveBundle):
            self.granting.reserve_bundle(message)
        elif isinstance(message, cluster.ReturnBundles):
            self.granting.return_bundles(message)
        elif isinstance(message, cluster.EndJob):
            self.drivers.end_job(message.job)
        elif isinstance(message, cluster.Joined) and message.error:
            self.stop(message.error)

    def lose_node(self, node: str, reason: str) -> None:
        """Another node is gone, and with it the workers that it lent, its processes and its objects."""
        if node == self.node:
            self._fence(reason)
            return
        if self.neighbours is not None:
            self.neighbours.lose(node, reason)
        self.granting.lose_node(node)
        self.store.lose_node(node)
        self.deaths.lose_node(node, reason)
        for process in self.processes.values():
            if process.link.peer is process:
                self.post(process.link, control.NodeLost(node, reason))

    def _fence(self, reason: str) -> None:
        """The others took this node for dead and do its work elsewhere: what it still does is ended, and it joins again with empty hands."""
        for worker in list(self.workers.workers.values()):
            if worker.job or worker.actor:
                self.workers.kill(worker, f"its node was cut off from the cluster ({reason})")
        self.deaths.cut_off()
        self.connections.cut_off()
        for process in self.processes.values():
            self.post(process.link, control.CutOff(reason))
        if self.neighbours is not None:
            self.neighbours.forget_all()
        self.store.book.drop_foreign()
        self._told_load = ({}, 0, {})

    def _tell_again(self) -> None:
        self._telling = False
        self._tell_load()

    def _tell_load(self) -> None:
        if self.head is None:
            return
        pool = self.granting.pool
        load = (to_amounts(pool.free), self.granting.book.waiting, pool.bundle_amounts())
        if load != self._told_load:
            now = self.loop.now()
            if now - self._told_at < _TELL_EVERY_S:
                if not self._telling:
                    # Blocking tasks change what is free thousands of times a second; the others need not follow each step.
                    self._telling = True
                    self.loop.after(_TELL_EVERY_S, self._tell_again)
                return
            self._told_load = load
            self._told_at = now
            self.head.send(cluster.Load(*load))


def new_node_id() -> str:
    """A name for a node that no other has."""
    return secrets.token_hex(8)

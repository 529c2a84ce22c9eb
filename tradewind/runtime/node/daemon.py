"""The node daemon's shell: it reads messages, asks the pure parts (leases, resources, arena book) what to do, and does it."""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tradewind.runtime.link import DescriptorLink, Link
from tradewind.runtime.loop import READ, WRITE, Loop
from tradewind.runtime.messages import cluster, control
from tradewind.runtime.messages.cluster import ActorSpec, NodeView
from tradewind.runtime.messages.values import Death, Shape, Stored
from tradewind.runtime.node.arena import ArenaBook, make_arena
from tradewind.runtime.node.leases import AskThere, GrantHere, LeaseBook
from tradewind.runtime.node.resources import Allocation, ResourcePool, to_amounts
from tradewind.runtime.node.workers import TemplateSettings, Worker, WorkerPool, welcome

_KEPT_DEATHS = 2000
_MAX_IDLE_EXTRA = 2
_LINKLESS_S = 0.5


class HeadLink(Protocol):
    """The way to the head, in this process or far away."""

    def send(self, message: cluster.ToHead) -> None: ...
    def close(self) -> None: ...


class Neighbours(Protocol):
    """The way to the other nodes; there is none in a one-node cluster."""

    def see(self, nodes: list[NodeView]) -> None: ...
    def send(self, node: str, message: cluster.NodeToNode) -> None: ...
    def tunnel(self, sock: socket.socket, node: str, to_process: str, from_process: str) -> None: ...
    def pull(self, stored: Stored, offset: int, done: Callable[[str], None]) -> None: ...
    def lose(self, node: str, reason: str) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class Driver:
    """A driver of this node."""

    address: str
    link: DescriptorLink
    pid: int
    pidfd: int = -1
    actor: str = ""
    job: str = ""


@dataclass(slots=True, eq=False)
class Lease:
    """A worker that works for one process: a local one, or one of another node."""

    id: int
    holder: str
    allocation: Allocation | None
    worker: Worker | None
    remote_node: str = ""
    remote_lease: int = 0
    remote_process: str = ""


@dataclass(slots=True, eq=False)
class LocalActor:
    """An actor that lives here."""

    spec: ActorSpec
    incarnation: int
    allocation: Allocation | None = None
    worker: Worker | None = None
    started: bool = False


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
    notes: dict[str, str] = field(default_factory=dict)


class NodeDaemon:
    """One node of the cluster."""

    def __init__(self, loop: Loop, settings: DaemonSettings) -> None:
        self.loop = loop
        self.settings = settings
        self.node = settings.node
        self.pool = ResourcePool(settings.total)
        self.book = LeaseBook(self.node, self.pool)
        self.arena_fd, self._arena_map = make_arena(settings.arena_bytes)
        self.arena_map = self._arena_map
        self.arena = ArenaBook(self.node, settings.arena_bytes)
        self.head: HeadLink | None = None
        self.neighbours: Neighbours | None = None
        self.processes: dict[str, Driver | Worker] = {}
        self._numbers = itertools.count(1)
        self._lease_numbers = itertools.count(1)
        self.leases: dict[int, Lease] = {}
        self.actors: dict[str, LocalActor] = {}
        self._connected: set[tuple[str, str]] = set()
        self._deaths: OrderedDict[str, Death] = OrderedDict()
        self._asking: dict[str, set[str]] = {}
        self._early_free: set[str] = set()
        self._waiting_opens: dict[str, list[tuple[str, int, Stored]]] = {}
        self._dirty: list[Link] = []
        self._told_load: tuple[dict[str, float], int] = ({}, 0)
        self._schedule_due = False
        self._blocked: set[str] = set()
        self.stopping = ""
        self.workers = WorkerPool(
            loop,
            self.node,
            settings.template,
            make_link=self._make_link,
            on_lines=self._on_lines,
            on_end=self._on_worker_end,
            next_address=self._next_address,
        )
        self._handlers: dict[type, Callable[[Any, Any], None]] = {
            control.Hello: self._on_hello,
            control.RequestLease: self._on_request_lease,
            control.ReturnLease: lambda who, message: self._drop_lease(message.lease),
            control.Blocked: lambda who, message: self._set_blocked(who.address, blocked=True),
            control.Unblocked: lambda who, message: self._set_blocked(who.address, blocked=False),
            control.Connect: self._on_connect,
            control.WhyDied: lambda who, message: self._on_why_died(who.address, message.process),
            control.TakeExtent: self._on_take_extent,
            control.GiveExtent: lambda who, message: self.arena.give(who.address, message.offset, message.size),
            control.Seal: self._on_seal,
            control.Free: lambda who, message: self.free(message.stored),
            control.Open: self._on_open,
            control.Close: lambda who, message: self.arena.close(who.address, message.name),
            control.KillProcess: lambda who, message: self.kill_process(message.process, message.reason),
            control.Ask: self._on_ask,
            control.ActorReady: self._on_actor_ready,
            control.ExitIntended: lambda who, message: setattr(who, "intended", message.reason),
        }

    # lifecycle

    def start(self) -> None:
        """The template is starting, and as many workers as will surely be wanted."""
        self.workers.start()
        for _ in range(self.settings.prestart):
            self._make_worker("", self.workers.idle.append)

    def view(self) -> NodeView:
        """This node as others see it."""
        return NodeView(
            self.node, self.settings.host, self.settings.address, self.settings.total, to_amounts(self.pool.free), self.settings.labels, self.book.waiting
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
        os.close(self.arena_fd)

    def before_wait(self) -> None:
        """Decisions are carried out and what was posted is sent."""
        if self._schedule_due:
            self._schedule_due = False
            self._schedule()
        self._tell_load()
        dirty, self._dirty = self._dirty, []
        for link in dirty:
            link.flush()

    def _next_address(self) -> str:
        return f"{self.node}/{next(self._numbers)}"

    # links

    def _make_link(self, sock: socket.socket) -> DescriptorLink:
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

    def adopt_driver(self, sock: socket.socket, pid: int) -> None:
        """A process that has connected and been checked may say Hello."""
        link = self._make_link(sock)
        link.peer = Driver("", link, pid)

    def _on_link(self, link: DescriptorLink, events: int) -> None:
        if events & WRITE:
            link.pump_out()
            if not events & ~WRITE:
                return
        messages = link.receive()
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
            if who.address:
                self._end_driver(who)
        elif not who.ended:
            # Usually it is ending, and the template is about to say how. A worker that lives on without its link is of no use.
            self.loop.after(_LINKLESS_S, lambda: self.workers.kill(who, who.intended or "it closed its link to the node daemon and lived on"))

    # drivers

    def _on_hello(self, who: Driver, message: control.Hello) -> None:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        if message.protocol != control.PROTOCOL or message.python != python:
            self.post(who.link, control.Died(Death("", os.getpid(), self.node, f"this cluster speaks protocol {control.PROTOCOL} under Python {python}")))
            self.loop.after(0.1, lambda: self._refuse(who))
            return
        who.address = self._next_address()
        who.job = who.address
        self.processes[who.address] = who
        who.link.send(control.Welcome(who.address, self.node, who.address, self.settings.arena_bytes, shared_filesystem=True), [self.arena_fd])

    def _refuse(self, who: Driver) -> None:
        self.loop.forget(who.link.fd)
        who.link.close()

    def _end_driver(self, driver: Driver) -> None:
        self.processes.pop(driver.address, None)
        if self.settings.end_with_driver:
            self.stop("its driver has ended")
            return
        self._forget_process(driver.address)
        self._remember(Death(driver.address, driver.pid, self.node, "the driver has ended"))
        if self.head is not None:
            self.head.send(cluster.ProcessGone(driver.address, driver=True))
        self.end_job(driver.address)

    def end_job(self, job: str) -> None:
        """Every worker here that served the job is being ended, detached actors apart."""
        for worker in list(self.workers.workers.values()):
            actor = self.actors.get(worker.actor)
            if worker.job == job and not (actor is not None and actor.spec.detached):
                self.workers.kill(worker, "its driver has ended")
        for address in [address for address in self.book_processes() if address == job]:
            self.book.withdraw(address)
        self.arena.drop_owner(job)

    def book_processes(self) -> set[str]:
        """Processes with requests that wait."""
        return {key[0] for key in self.book.pending}

    def _forget_process(self, address: str) -> None:
        self.book.withdraw(address)
        for lease in [lease for lease in self.leases.values() if lease.holder == address]:
            if lease.worker is not None:
                self.workers.kill(lease.worker, "the process that it worked for has ended")
            elif self.neighbours is not None:
                self.neighbours.send(lease.remote_node, cluster.KillThere(lease.remote_process, "the process that it worked for has ended"))
            self._drop_lease(lease.id)
        self._connected = {pair for pair in self._connected if address not in pair}
        self.arena.drop_process(address)
        self.schedule()

    # workers

    def _make_worker(self, job: str, ready: Callable[[Worker], None]) -> None:
        worker = self.workers.fork(job)
        self.processes[worker.address] = worker
        welcome(worker, self.node, self.arena_fd, self.settings.arena_bytes)
        worker.when_ready.append(lambda: ready(worker))

    def with_worker(self, job: str, ready: Callable[[Worker], None]) -> None:
        """ready gets a worker that serves only this job."""
        worker = self.workers.take_idle(job)
        if worker is not None:
            worker.job = job
            ready(worker)
        else:
            self._make_worker(job, ready)

    def release_worker(self, worker: Worker) -> None:
        """The worker is warm for the next lease."""
        worker.lease = 0
        if not worker.ended and not worker.kill_reason:
            self.workers.idle.append(worker)
            limit = int(self.settings.total.get("CPU", 1)) + _MAX_IDLE_EXTRA
            while len(self.workers.idle) > limit:
                # One that owns objects must not go; only the owner itself knows, so it is asked and not killed.
                extra = self.workers.idle.pop(0)
                if extra is worker:
                    self.workers.idle.append(extra)
                    break
                self.workers.kill(extra, "it was idle and one too many")

    def _on_worker_end(self, worker: Worker, death: Death) -> None:
        self.processes.pop(worker.address, None)
        if not worker.link.closed:
            self.loop.forget(worker.link.fd)
            worker.link.close()
        self._set_blocked(worker.address, blocked=False)
        lease = self.leases.get(worker.lease)
        if lease is not None and lease.worker is worker:
            self._drop_lease(lease.id)
        self._forget_process(worker.address)
        self._remember(death)
        if self.head is not None:
            self.head.send(cluster.ProcessGone(worker.address, driver=False))
        actor = self.actors.get(worker.actor)
        if actor is not None and actor.worker is worker:
            del self.actors[worker.actor]
            if actor.allocation is not None:
                self.pool.release(actor.allocation)
            if self.head is not None:
                intended = bool(worker.intended)
                self.head.send(cluster.ActorEnded(actor.spec.actor, actor.incarnation, death.sentence("Its process"), intended))
        self.schedule()

    def _remember(self, death: Death) -> None:
        self._deaths[death.process] = death
        if len(self._deaths) > _KEPT_DEATHS:
            self._deaths.popitem(last=False)
        for asker in self._asking.pop(death.process, ()):
            if asker in self.processes:
                self.tell(asker, control.Died(death))
            elif self.neighbours is not None:
                self.neighbours.send(asker, cluster.TellDeath(death))

    def _on_why_died(self, asker: str, address: str) -> None:
        death = self._deaths.get(address)
        if death is not None:
            self.tell(asker, control.Died(death))
            return
        self._asking.setdefault(address, set()).add(asker)
        node = address.partition("/")[0]
        if node != self.node:
            if self.neighbours is None:
                self._remember(Death(address, 0, node, "its node is not part of this cluster any more"))
            else:
                self.neighbours.send(node, cluster.AskDeath(address))
        elif address not in self.processes:
            self._remember(Death(address, 0, self.node, "it has ended"))
        else:
            self.loop.after(2.0, lambda: self._presume_dead(address))

    def _presume_dead(self, address: str) -> None:
        if address in self._asking:
            process = self.processes.get(address)
            if isinstance(process, Worker):
                self.workers.kill(process, "it closed its link to a caller")
            else:
                self._remember(Death(address, 0, self.node, "its link broke"))

    def told_death(self, death: Death) -> None:
        """Another node has said how one of its processes ended."""
        self._remember(death)

    def asked_death(self, node: str, address: str) -> None:
        """Another node asks how one of ours ended."""
        death = self._deaths.get(address)
        if death is None and address in self.processes:
            self._asking.setdefault(address, set()).add(node)
            self.loop.after(2.0, lambda: self._presume_dead(address))
        elif self.neighbours is not None:
            self.neighbours.send(node, cluster.TellDeath(death or Death(address, 0, self.node, "it has ended")))

    def kill_process(self, address: str, reason: str) -> None:
        """The process, here or elsewhere, is being ended by force."""
        process = self.processes.get(address)
        if isinstance(process, Worker):
            self.workers.kill(process, reason)
        elif process is None and self.neighbours is not None:
            self.neighbours.send(address.partition("/")[0], cluster.KillThere(address, reason))

    def _on_lines(self, worker: Worker, lines: list[str], error: bool) -> None:
        self.lines(worker.job, lines, error=error)

    def lines(self, job: str, lines: list[str], *, error: bool) -> None:
        """The job's driver, here or elsewhere, prints the lines."""
        node = job.partition("/")[0]
        if node == self.node or not job:
            targets = [job] if job else [address for address, process in self.processes.items() if isinstance(process, Driver)]
            for target in targets:
                self.tell(target, control.Output(lines, error))
        elif self.neighbours is not None:
            self.neighbours.send(node, cluster.Lines(job, lines, error))

    # leases

    def schedule(self) -> None:
        """What can be granted is, at the end of this turn."""
        self._schedule_due = True

    def _on_request_lease(self, who: Driver | Worker, message: control.RequestLease) -> None:
        self.book.want(who.address, message.request, message.shape, message.count, 1 if isinstance(who, Driver) else 0)
        self.schedule()

    def _schedule(self) -> None:
        for decision in self.book.decide():
            process, request = decision.process, decision.request
            if isinstance(decision, GrantHere):
                if process.startswith("actor:"):
                    self._start_actor_worker(process[6:], decision.allocation)
                else:
                    self._grant(process, request, decision.allocation)
            elif isinstance(decision, AskThere):
                if self.neighbours is not None:
                    self._ask_there(decision)
            elif process.startswith("actor:"):
                self._actor_failed(process[6:], f"no node can hold it: {decision.reason}")
            else:
                self.tell(process, control.Refused(request, decision.reason))
        if self.book.pending:
            for holder in {lease.holder for lease in self.leases.values()}:
                self.tell(holder, control.Revoke())

    def _job_of(self, address: str) -> str:
        process = self.processes.get(address)
        return process.job if process is not None else ""

    def _grant(self, holder: str, request: int, allocation: Allocation) -> None:
        def ready(worker: Worker) -> None:
            if holder not in self.processes or worker.ended:
                self.pool.release(allocation)
                self.release_worker(worker)
                self.schedule()
                return
            lease = Lease(next(self._lease_numbers), holder, allocation, worker)
            self.leases[lease.id] = lease
            worker.lease = lease.id
            self.connect(holder, worker.address)
            accelerators = allocation.accelerators() or None
            self.tell(holder, control.Granted(request, lease.id, worker.address, worker.pid, self.node, accelerators))

        self.with_worker(self._job_of(holder), ready)

    def _ask_there(self, decision: AskThere) -> None:
        assert self.neighbours is not None
        process = self.processes.get(decision.process)
        if process is None:
            self.book.answered(decision.process, decision.request, decision.node, granted=False)
            return
        number = next(self._lease_numbers)
        lease = Lease(number, decision.process, None, None, decision.node)
        self.leases[number] = lease
        self._asked_there[number] = decision
        self.neighbours.send(
            decision.node, cluster.AskWorker(number, decision.shape, process.job, decision.process, self.node, [])
        )

    @property
    def _asked_there(self) -> dict[int, AskThere]:
        return self.__dict__.setdefault("_asked", {})  # type: ignore[no-any-return]

    def offered_worker(self, node: str, message: cluster.OfferWorker) -> None:
        """Another node has answered AskWorker."""
        decision = self._asked_there.pop(message.request, None)
        lease = self.leases.get(message.request)
        if decision is None or lease is None:
            if message.lease and self.neighbours is not None:
                self.neighbours.send(node, cluster.DropLease(message.lease))
            return
        self.book.answered(decision.process, decision.request, node, granted=bool(message.lease))
        if not message.lease:
            del self.leases[lease.id]
            self.schedule()
            return
        lease.remote_lease = message.lease
        lease.remote_process = message.process
        self.connect(lease.holder, message.process)
        self.tell(lease.holder, control.Granted(decision.request, lease.id, message.process, message.pid, node, message.accelerators))

    def asked_worker(self, node: str, message: cluster.AskWorker) -> None:
        """Another node wants a worker for one of its processes; it gets one now or a refusal."""
        assert self.neighbours is not None
        neighbours = self.neighbours
        local = any(pending.priority <= 1 for pending in self.book.pending.values())
        allocation = None if local else self.pool.take(units_of(message.shape))
        if allocation is None:
            neighbours.send(node, cluster.OfferWorker(message.request, 0))
            return

        def ready(worker: Worker) -> None:
            if worker.ended:
                self.pool.release(allocation)
                neighbours.send(node, cluster.OfferWorker(message.request, 0))
                return
            lease = Lease(next(self._lease_numbers), f"@{node}", allocation, worker)
            self.leases[lease.id] = lease
            worker.lease = lease.id
            neighbours.send(node, cluster.OfferWorker(message.request, lease.id, worker.address, worker.pid, allocation.accelerators() or None))

        self.with_worker(message.job, ready)

    def _drop_lease(self, number: int) -> None:
        lease = self.leases.pop(number, None)
        if lease is None:
            return
        if lease.allocation is not None:
            if lease.worker is not None and lease.worker.address in self._blocked:
                self._blocked.discard(lease.worker.address)
                self.pool.reclaim_cpus(lease.allocation)
            self.pool.release(lease.allocation)
        if lease.worker is not None and lease.worker.lease == number:
            self.release_worker(lease.worker)
        elif lease.remote_lease and self.neighbours is not None:
            self.neighbours.send(lease.remote_node, cluster.DropLease(lease.remote_lease))
        self.schedule()

    def drop_lease_of(self, _node: str, number: int) -> None:
        """Another node gives a worker of ours back."""
        self._drop_lease(number)

    def _set_blocked(self, address: str, *, blocked: bool) -> None:
        worker = self.processes.get(address)
        if not isinstance(worker, Worker) or (address in self._blocked) == blocked:
            return
        lease = self.leases.get(worker.lease)
        actor = self.actors.get(worker.actor)
        allocation = lease.allocation if lease is not None else actor.allocation if actor is not None else None
        if allocation is None:
            return
        if blocked:
            self._blocked.add(address)
            self.pool.lend_cpus(allocation)
            self.schedule()
        else:
            self._blocked.discard(address)
            self.pool.reclaim_cpus(allocation)

    # connections

    def _on_connect(self, who: Driver | Worker, message: control.Connect) -> None:
        self.connect(who.address, message.process)

    def connect(self, caller: str, target: str) -> None:
        """caller has, or will have, a link to target; or it is told that target is dead."""
        pair = (min(caller, target), max(caller, target))
        first = self.processes.get(caller)
        if first is None:
            return
        node = target.partition("/")[0]
        if pair in self._connected:
            self.post(first.link, control.AlreadyConnected(target))
            return
        second = self.processes.get(target)
        if second is None and (node == self.node or self.neighbours is None):
            self._on_why_died(caller, target)
            return
        here, there = socket.socketpair()
        first.link.send(control.Connected(target), [here.fileno()])
        here.close()
        self._connected.add(pair)
        if second is not None:
            second.link.send(control.Connected(caller), [there.fileno()])
            there.close()
        else:
            assert self.neighbours is not None
            self.neighbours.tunnel(there, node, target, caller)

    def accept_tunnel(self, to_process: str, from_process: str) -> socket.socket | None:
        """This node's end of a link that a process of another node has to one of ours; None when ours is gone."""
        process = self.processes.get(to_process)
        if process is None:
            return None
        here, there = socket.socketpair()
        process.link.send(control.Connected(from_process), [there.fileno()])
        there.close()
        self._connected.add((min(to_process, from_process), max(to_process, from_process)))
        return here

    # the arena

    def _on_take_extent(self, who: Driver | Worker, message: control.TakeExtent) -> None:
        offset = self.arena.take(who.address, message.size)
        if offset is None:
            self.post(who.link, control.Extent(message.request, -1, 0, self.arena.full(message.size)))
        else:
            self.post(who.link, control.Extent(message.request, offset, message.size))

    def _on_seal(self, who: Driver | Worker, message: control.Seal) -> None:
        stored = message.stored
        self.arena.seal(who.address, stored)
        for process, request, wanted in self._waiting_opens.pop(stored.name, ()):
            self.tell(process, control.Opened(request, self.arena.open(process, wanted.name) or 0))
        if stored.name in self._early_free:
            self._early_free.discard(stored.name)
            self.arena.free(stored)

    def free(self, stored: Stored) -> None:
        """The owner holds the object no longer."""
        if stored.node != self.node:
            if self.neighbours is not None:
                self.neighbours.send(stored.node, cluster.FreeThere(stored))
        elif self.arena.find(stored.name) is None:
            # Its maker's word that it exists is still on its way, over another link than this one.
            self._early_free.add(stored.name)
        else:
            self.arena.free(stored)

    def _on_open(self, who: Driver | Worker, message: control.Open) -> None:
        stored = message.stored
        offset = self.arena.open(who.address, stored.name)
        if offset is not None:
            self.post(who.link, control.Opened(message.request, offset))
            return
        opens = self._waiting_opens.setdefault(stored.name, [])
        opens.append((who.address, message.request, stored))
        if stored.node == self.node:
            self.loop.after(2.0, lambda: self._fail_opens(stored.name, f"the object {stored.name} is not in the object store of node {self.node[:8]} any more"))
        elif len(opens) == 1:
            self._pull(stored)

    def _pull(self, stored: Stored) -> None:
        if self.neighbours is None:
            self._fail_opens(stored.name, f"node {stored.node[:8]}, which holds the object {stored.name}, is not part of this cluster any more")
            return
        me = f"{self.node}/pull"
        offset = self.arena.take(me, stored.size)
        if offset is None:
            self._fail_opens(stored.name, self.arena.full(stored.size))
            return

        def done(error: str) -> None:
            if error:
                self.arena.give(me, offset, stored.size)
                self._fail_opens(stored.name, error)
                return
            self.arena.seal(me, Stored(self.node, offset, stored.size, stored.name), copy=True)
            for process, request, _ in self._waiting_opens.pop(stored.name, ()):
                self.tell(process, control.Opened(request, self.arena.open(process, stored.name) or 0))

        self.neighbours.pull(stored, offset, done)

    def _fail_opens(self, name: str, reason: str) -> None:
        for process, request, _ in self._waiting_opens.pop(name, ()):
            self.tell(process, control.Opened(request, -1, reason))

    # the head

    def _on_ask(self, who: Driver | Worker, message: control.Ask) -> None:
        if self.head is not None:
            self.head.send(cluster.Question(who.address, message.request, message.body))

    def on_head(self, message: cluster.FromHead) -> None:
        """The head has said something."""
        if isinstance(message, cluster.HeadReply):
            self.tell(message.process, control.Answer(message.request, message.body))
        elif isinstance(message, cluster.View):
            self.book.see(message.nodes)
            if self.neighbours is not None:
                self.neighbours.see(message.nodes)
            self.schedule()
        elif isinstance(message, cluster.StartActor):
            self._start_actor(message.spec, message.incarnation)
        elif isinstance(message, cluster.StopActor):
            self._stop_actor(message)
        elif isinstance(message, cluster.LostNode):
            self.lose_node(message.node, message.reason)
        elif isinstance(message, cluster.EndJob):
            self.end_job(message.job)
        elif isinstance(message, cluster.Joined) and message.error:
            self.stop(message.error)

    def lose_node(self, node: str, reason: str) -> None:
        """Another node is gone, and with it the workers that it lent, its processes and its objects."""
        self.book.lose(node)
        if self.neighbours is not None:
            self.neighbours.lose(node, reason)
        for lease in [lease for lease in self.leases.values() if lease.remote_node == node or lease.holder == f"@{node}"]:
            decision = self._asked_there.pop(lease.id, None)
            if decision is not None:
                self.book.answered(decision.process, decision.request, node, granted=False)
            if lease.worker is not None:
                self.workers.kill(lease.worker, f"it worked for node {node[:8]}, which was lost")
            self._drop_lease(lease.id)
        for address in [address for address in self._asking if address.startswith(node + "/")]:
            self._remember(Death(address, 0, node, f"its node {node[:8]} was lost: {reason}"))
        for process in self.processes.values():
            if process.link.peer is process:
                self.post(process.link, control.NodeLost(node, reason))
        self.schedule()

    def _tell_load(self) -> None:
        if self.head is None:
            return
        load = (to_amounts(self.pool.free), self.book.waiting)
        if load != self._told_load:
            self._told_load = load
            self.head.send(cluster.Load(*load))

    # actors

    def _start_actor(self, spec: ActorSpec, incarnation: int) -> None:
        self.actors[spec.actor] = LocalActor(spec, incarnation)
        self.book.want(f"actor:{spec.actor}", 0, Shape(spec.placement.resources, f"NODE:{self.node}"), 1, 1)
        self.schedule()

    def _start_actor_worker(self, actor_id: str, placed: Allocation) -> None:
        actor = self.actors.get(actor_id)
        # What placed the actor is not what it holds while it runs: by default it needs a CPU to start and none to live.
        self.pool.release(placed)
        self.schedule()
        if actor is None:
            return
        actor.allocation = self.pool.take(units_of(Shape(actor.spec.resources)))
        if actor.allocation is None:
            self._actor_failed(actor_id, "no node can hold it: its resources were taken while it was placed")
            return
        allocation = actor.allocation

        def ready(worker: Worker) -> None:
            if self.actors.get(actor_id) is not actor:
                self.release_worker(worker)
                return
            actor.worker = worker
            worker.actor = actor_id
            spec = actor.spec
            if worker.ended:
                return
            self.post(
                worker.link,
                control.BecomeActor(
                    actor_id,
                    spec.class_name,
                    spec.code,
                    spec.args,
                    spec.slots,
                    spec.max_concurrency,
                    spec.resources,
                    allocation.accelerators() or None,
                    spec.job,
                    actor.incarnation - 1,
                ),
            )

        self.with_worker(actor.spec.job, ready)

    def _actor_failed(self, actor_id: str, reason: str) -> None:
        actor = self.actors.pop(actor_id, None)
        if actor is not None and self.head is not None:
            self.head.send(cluster.ActorEnded(actor_id, actor.incarnation, reason, intended=True))

    def _on_actor_ready(self, who: Worker, message: control.ActorReady) -> None:
        actor = self.actors.get(message.actor)
        if actor is None or self.head is None:
            return
        actor.started = True
        self.head.send(cluster.ActorStarted(message.actor, actor.incarnation, who.address, message.error))

    def _stop_actor(self, message: cluster.StopActor) -> None:
        actor = self.actors.get(message.actor)
        if actor is None:
            return
        if actor.worker is None:
            del self.actors[message.actor]
            self.book.withdraw(f"actor:{message.actor}")
            if actor.allocation is not None:
                self.pool.release(actor.allocation)
            self.schedule()
        elif message.graceful:
            actor.worker.intended = actor.worker.intended or message.reason
            self.post(actor.worker.link, control.Exit(message.reason))
        else:
            self.workers.kill(actor.worker, message.reason)


def units_of(shape: Shape) -> dict[str, int]:
    """The shape's resources in units."""
    from tradewind.runtime.node.resources import to_units

    return to_units(shape.resources)


def new_node_id() -> str:
    """A name for a node that no other has."""
    return secrets.token_hex(8)

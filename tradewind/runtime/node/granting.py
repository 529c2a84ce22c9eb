"""Leases: the shell around LeaseBook. It grants this node's workers, and asks other nodes for theirs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradewind.runtime.messages import cluster, control, neighbour
from tradewind.runtime.messages.values import Shape
from tradewind.runtime.node.bundles import BundledPool
from tradewind.runtime.node.fairness import PATIENCE_S, TURN_S, Holding, Shares, Wish, to_yield
from tradewind.runtime.node.leases import SPREAD_TURN_S, AskThere, GrantHere, LeaseBook
from tradewind.runtime.node.resources import Allocation, to_units
from tradewind.runtime.node.workers import Driver, Worker

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon


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
    job: str = ""
    yield_to: str = ""  # the job that it is to be given up for
    since: float = 0.0
    there: Mapping[str, int] | None = None  # what it holds of another node


class Granting:
    """Who holds which worker."""

    def __init__(self, daemon: NodeDaemon, pool: BundledPool) -> None:
        self._daemon = daemon
        self.pool = pool
        self.book = LeaseBook(daemon.node, pool, daemon.settings.labels)
        self.held: dict[int, Lease] = {}
        self.due = False
        self._numbers = itertools.count(1)
        self._asked: dict[int, AskThere] = {}
        self._blocked: set[str] = set()
        self._evening = False

    def schedule(self) -> None:
        """What can be granted is, at the end of this turn."""
        self.due = True

    def on_request(self, who: Driver | Worker, message: control.RequestLease) -> None:
        """A process wants workers."""
        self.book.want(
            who.address,
            message.request,
            message.shape,
            message.count,
            1 if isinstance(who, Driver) else 0,
            job=who.job,
            now=self._daemon.loop.now(),
        )
        self.schedule()

    def run(self) -> None:
        """Every decision that can be made now is carried out."""
        self.due = False
        several = self._several_jobs()
        shares = Shares(self.pool.total, self._holdings()) if several else Shares(self.pool.total)
        for decision in self.book.decide(shares, self._daemon.loop.now()):
            process, request = decision.process, decision.request
            if isinstance(decision, GrantHere):
                if process.startswith("actor:"):
                    self._daemon.actors.placed(process[6:], decision.allocation)
                else:
                    self._grant(process, request, decision.shape, decision.allocation)
            elif isinstance(decision, AskThere):
                if self._daemon.neighbours is not None:
                    self._ask_there(decision)
            elif process.startswith("actor:"):
                self._daemon.actors.failed(process[6:], f"no node can hold it: {decision.reason}")
            else:
                self._daemon.tell(process, control.Refused(request, decision.reason))
        if self.book.waits_for_turn:
            self._daemon.loop.after(SPREAD_TURN_S, self.schedule)
        if self.book.pending:
            for holder in {lease.holder for lease in self.held.values()}:
                self._daemon.tell(holder, control.Revoke())
            if several:
                self._even_out()

    def _several_jobs(self) -> bool:
        """True when what is fair is a question at all."""
        jobs = {pending.job for pending in self.book.pending.values()}
        if not jobs:
            return False
        jobs.update(lease.job for lease in self.held.values() if lease.worker is not None)
        return len(jobs) > 1

    def _holdings(self) -> Iterator[tuple[str, Mapping[str, int]]]:
        """(job, what it holds of this node) for each lease and actor; who waits inside a task has lent its CPUs."""
        for lease in self.held.values():
            if lease.allocation is not None and lease.worker is not None and lease.worker.address not in self._blocked:
                # What is being given up counts for the job that will have it.
                yield lease.yield_to or lease.job, lease.allocation.units
        for actor in self._daemon.actors.here.values():
            if actor.allocation is not None:
                yield actor.spec.job, actor.allocation.units

    def _even_out(self) -> None:
        """A job that holds more than its share is asked to give a worker up when its call is done."""
        coming = Counter(lease.yield_to for lease in self.held.values() if lease.yield_to)
        now = self._daemon.loop.now()
        wishes = [
            Wish(pending.job, pending.units, now - pending.since)
            for pending in self.book.pending.values()
            if pending.count - pending.asked > coming[pending.job] and not pending.shape.strategy.startswith("PG:")
        ]
        could = [
            lease
            for lease in self.held.values()
            if lease.worker is not None
            and lease.allocation is not None
            and not lease.allocation.bundle
            and not lease.yield_to
            and lease.worker.address not in self._blocked
        ]
        holdings = [
            Holding(lease.id, lease.job, lease.allocation.units)
            for lease in could
            if lease.allocation is not None and now - lease.since >= TURN_S
        ]
        found = to_yield(Shares(self.pool.total, self._holdings()), wishes, holdings)
        if found is not None:
            number, job = found
            self._ask_to_yield(self.held[number], job)
        elif could and wishes and not self._evening:
            self._evening = True
            self._daemon.loop.after(PATIENCE_S if len(holdings) == len(could) else TURN_S, self._even_out_later)

    def _even_out_later(self) -> None:
        self._evening = False
        self.schedule()

    def _ask_to_yield(self, lease: Lease, job: str) -> None:
        lease.yield_to = job
        if lease.holder.startswith("@"):
            if self._daemon.neighbours is not None:
                self._daemon.neighbours.send(lease.holder[1:], neighbour.YieldLease(lease.id))
        else:
            self._daemon.tell(lease.holder, control.Yield(lease.id))

    def yield_there(self, node: str, message: neighbour.YieldLease) -> None:
        """Another node wants a worker back that it lent to one of our processes."""
        for lease in self.held.values():
            if lease.remote_node == node and lease.remote_lease == message.lease:
                self._daemon.tell(lease.holder, control.Yield(lease.id))

    def _job_of(self, address: str) -> str:
        process = self._daemon.processes.get(address)
        return process.job if process is not None else ""

    def _again(self, holder: str, request: int, shape: Shape) -> None:
        """A worker ended before it could be granted: another one is wanted, if there is anything to make it with."""
        reason = self._daemon.workers.template_failed
        if reason:
            self._daemon.tell(holder, control.Refused(request, f"this node can start no workers: {reason}"))
            return
        pending = self.book.pending.get((holder, request))
        priority = 1 if isinstance(self._daemon.processes.get(holder), Driver) else 0
        count = 1 if pending is None else pending.count + 1
        self.book.want(holder, request, shape, count, priority, job=self._job_of(holder), now=self._daemon.loop.now())

    def _grant(self, holder: str, request: int, shape: Shape, allocation: Allocation) -> None:
        def ready(worker: Worker) -> None:
            if holder not in self._daemon.processes or worker.ended:
                self.pool.release(allocation)
                self._daemon.release_worker(worker)
                if worker.ended:
                    self._again(holder, request, shape)
                self.schedule()
                return
            lease = Lease(
                next(self._numbers), holder, allocation, worker, job=worker.job, since=self._daemon.loop.now()
            )
            self.held[lease.id] = lease
            worker.lease = lease.id
            self._daemon.guard.watch(worker, allocation)
            self._daemon.connections.connect(holder, worker.address)
            accelerators = allocation.accelerators() or None
            self._daemon.tell(
                holder, control.Granted(request, lease.id, worker.address, worker.pid, self._daemon.node, accelerators)
            )

        self._daemon.with_worker(self._job_of(holder), ready, shape.environment)

    def _ask_there(self, decision: AskThere) -> None:
        assert self._daemon.neighbours is not None
        process = self._daemon.processes.get(decision.process)
        if process is None:
            self.book.answered(decision.process, decision.request, decision.node, granted=False)
            return
        number = next(self._numbers)
        units = to_units(decision.shape.resources) if not decision.shape.strategy.startswith("PG:") else None
        lease = Lease(number, decision.process, None, None, decision.node, there=units)
        self.held[number] = lease
        self._asked[number] = decision
        self._daemon.neighbours.send(
            decision.node,
            neighbour.AskWorker(number, decision.shape, process.job, decision.process, self._daemon.node, []),
        )

    def offered(self, node: str, message: neighbour.OfferWorker) -> None:
        """Another node has answered AskWorker."""
        decision = self._asked.pop(message.request, None)
        lease = self.held.get(message.request)
        if decision is None or lease is None:
            if message.lease and self._daemon.neighbours is not None:
                self._daemon.neighbours.send(node, neighbour.DropLease(message.lease))
            return
        self.book.answered(decision.process, decision.request, node, granted=bool(message.lease))
        if not message.lease:
            del self.held[lease.id]
            self.schedule()
            return
        lease.remote_lease = message.lease
        lease.remote_process = message.process
        self._daemon.connections.connect(lease.holder, message.process)
        self._daemon.tell(
            lease.holder,
            control.Granted(decision.request, lease.id, message.process, message.pid, node, message.accelerators),
        )

    def unanswered(self, node: str) -> None:
        """The node may not have heard what it was asked, or we not what it said: it is asked again, and a late offer goes back."""
        for number, decision in list(self._asked.items()):
            if decision.node == node:
                del self._asked[number]
                self.held.pop(number, None)
                self.book.answered(decision.process, decision.request, node, granted=False)
        self.schedule()

    def asked(self, node: str, message: neighbour.AskWorker) -> None:
        """Another node wants a worker for one of its processes; it gets one now or a refusal."""
        assert self._daemon.neighbours is not None
        neighbours = self._daemon.neighbours
        # Room in a bundle is nobody else's; of the rest this node's own processes get theirs first.
        mine = bool(self.book.pending) and not message.shape.strategy.startswith("PG:")
        allocation = None if mine else self.book.take_here(message.shape)
        if allocation is None:
            neighbours.send(node, neighbour.OfferWorker(message.request, 0))
            return

        def ready(worker: Worker) -> None:
            if worker.ended:
                self.pool.release(allocation)
                neighbours.send(node, neighbour.OfferWorker(message.request, 0))
                return
            now = self._daemon.loop.now()
            lease = Lease(next(self._numbers), f"@{node}", allocation, worker, job=message.job, since=now)
            self.held[lease.id] = lease
            worker.lease = lease.id
            self._daemon.guard.watch(worker, allocation)
            neighbours.send(
                node,
                neighbour.OfferWorker(
                    message.request, lease.id, worker.address, worker.pid, allocation.accelerators() or None
                ),
            )

        self._daemon.with_worker(message.job, ready, message.shape.environment)

    def reserve_bundle(self, message: cluster.ReserveBundle) -> None:
        """The head is told whether there is room for the bundle."""
        held = self.pool.reserve(f"{message.group}:{message.index}", to_units(message.resources))
        assert self._daemon.head is not None
        self._daemon.head.send(cluster.BundleReserved(message.group, message.index, message.round, held))
        self.schedule()

    def return_bundles(self, message: cluster.ReturnBundles) -> None:
        """The bundles are gone, and what runs in them is being ended."""
        if message.indices:
            names = {f"{message.group}:{index}" for index in message.indices}
        else:
            names = set(self.pool.bundles_of(message.group))
            self.book.lose_group(message.group, message.reason)
        reason = f"its placement group is gone: {message.reason}"
        for lease in list(self.held.values()):
            if lease.worker is not None and lease.allocation is not None and lease.allocation.bundle in names:
                self._daemon.workers.kill(lease.worker, reason)
        for actor in list(self._daemon.actors.here.values()):
            if actor.worker is not None and actor.allocation is not None and actor.allocation.bundle in names:
                self._daemon.workers.kill(actor.worker, reason)
        for name in names:
            self.pool.cancel(name)
        self.schedule()

    def drop(self, number: int) -> None:
        """The lease is over: its resources are free and its worker is warm for the next."""
        lease = self.held.pop(number, None)
        if lease is None:
            return
        if lease.allocation is not None:
            if lease.worker is not None and lease.worker.address in self._blocked:
                self._blocked.discard(lease.worker.address)
                self.pool.reclaim_cpus(lease.allocation)
            self.pool.release(lease.allocation)
        if lease.worker is not None and lease.worker.lease == number:
            self._daemon.release_worker(lease.worker)
        elif lease.remote_lease and self._daemon.neighbours is not None:
            self._daemon.neighbours.send(lease.remote_node, neighbour.DropLease(lease.remote_lease))
            if lease.there is not None:
                self.book.credit(lease.remote_node, lease.there)
        self.schedule()

    def set_blocked(self, address: str, *, blocked: bool) -> None:
        """A worker waits inside a task and lends its CPUs, or runs again and has them back."""
        worker = self._daemon.processes.get(address)
        if not isinstance(worker, Worker) or (address in self._blocked) == blocked:
            return
        lease = self.held.get(worker.lease)
        actor = self._daemon.actors.here.get(worker.actor)
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

    def forget(self, address: str) -> None:
        """The process has ended: it wants nothing, and the workers that worked for it are killed."""
        daemon = self._daemon
        self.book.withdraw(address)
        for lease in [lease for lease in self.held.values() if lease.holder == address]:
            if lease.worker is not None:
                daemon.workers.kill(lease.worker, "the process that it worked for has ended")
            elif daemon.neighbours is not None:
                daemon.neighbours.send(
                    lease.remote_node,
                    neighbour.KillThere(lease.remote_process, "the process that it worked for has ended"),
                )
            self.drop(lease.id)
        self.schedule()

    def lose_node(self, node: str) -> None:
        """The node is gone, with the workers that it lent and the processes that it borrowed ours for."""
        self.book.lose(node)
        for lease in [lease for lease in self.held.values() if lease.remote_node == node or lease.holder == f"@{node}"]:
            decision = self._asked.pop(lease.id, None)
            if decision is not None:
                self.book.answered(decision.process, decision.request, node, granted=False)
            if lease.worker is not None:
                self._daemon.workers.kill(lease.worker, f"it worked for node {node[:8]}, which was lost")
            self.drop(lease.id)
        self.schedule()

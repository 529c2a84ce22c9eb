"""The actors that live on this node: started, watched and ended as the head says."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradewind.runtime.messages import cluster, control
from tradewind.runtime.messages.cluster import ActorSpec
from tradewind.runtime.messages.values import Death, Shape
from tradewind.runtime.node.resources import Allocation, to_units
from tradewind.runtime.node.workers import Worker

if TYPE_CHECKING:
    from tradewind.runtime.node.daemon import NodeDaemon


# How many ends the head is told of once more when it has been away.
_KEPT_ENDS = 1_000


@dataclass(slots=True, eq=False)
class LocalActor:
    """An actor that lives here."""

    spec: ActorSpec
    incarnation: int
    allocation: Allocation | None = None
    worker: Worker | None = None
    started: bool = False


class LocalActors:
    """The node's actors, by id."""

    def __init__(self, daemon: NodeDaemon) -> None:
        self._daemon = daemon
        self.here: dict[str, LocalActor] = {}
        self.ends: deque[cluster.ActorEnded] = deque(maxlen=_KEPT_ENDS)

    def living(self) -> list[cluster.ActorStarted]:
        """The actors that run here, or are being started (without a process)."""
        return [
            cluster.ActorStarted(
                actor_id,
                actor.incarnation,
                actor.worker.address if actor.started and actor.worker is not None else "",
            )
            for actor_id, actor in list(self.here.items())
        ]

    def start(self, spec: ActorSpec, incarnation: int) -> None:
        """The actor is started as soon as there is room."""
        self.here[spec.actor] = LocalActor(spec, incarnation)
        in_group = spec.placement.strategy.startswith("PG:")
        shape = spec.placement if in_group else Shape(spec.placement.resources, f"NODE:{self._daemon.node}")
        self._daemon.granting.book.want(
            f"actor:{spec.actor}", 0, shape, 1, 1, job=spec.job, now=self._daemon.loop.now()
        )
        self._daemon.granting.schedule()

    def placed(self, actor_id: str, placed: Allocation) -> None:
        """There is room: the actor gets a worker."""
        actor = self.here.get(actor_id)
        # What placed the actor is not what it holds while it runs: by default it needs a CPU to start and none to live.
        self._daemon.granting.pool.release(placed)
        self._daemon.granting.schedule()
        if actor is None:
            return
        pool, units = self._daemon.granting.pool, to_units(actor.spec.resources)
        actor.allocation = pool.take_in(placed.bundle, units) if placed.bundle else pool.take(units)
        if actor.allocation is None:
            self.failed(actor_id, "no node can hold it: its resources were taken while it was placed")
            return
        allocation = actor.allocation

        def ready(worker: Worker) -> None:
            if self.here.get(actor_id) is not actor:
                self._daemon.release_worker(worker)
                return
            actor.worker = worker
            worker.actor = actor_id
            self._daemon.guard.watch(worker, allocation)
            spec = actor.spec
            if worker.ended:
                self._ended_early(actor)
                return
            self._daemon.post(
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
                    spec.concurrency_groups,
                    spec.group,
                    spec.job_namespace,
                    spec.name,
                ),
            )

        self._daemon.with_worker(actor.spec.job, ready, actor.spec.placement.environment)

    def _ended_early(self, actor: LocalActor) -> None:
        """The worker ended before it was the actor."""
        daemon = self._daemon
        del self.here[actor.spec.actor]
        if actor.allocation is not None:
            daemon.granting.pool.release(actor.allocation)
        reason = daemon.workers.template_failed
        text = f"this node can start no workers: {reason}" if reason else "its worker ended before it began"
        self._tell(actor, text, intended=bool(reason))

    def _tell(self, actor: LocalActor, reason: str, *, intended: bool) -> None:
        """The head hears of the actor's end, now or when it is back."""
        if self._daemon.head is not None:
            ended = cluster.ActorEnded(actor.spec.actor, actor.incarnation, reason, intended)
            self.ends.append(ended)
            self._daemon.head.send(ended)

    def failed(self, actor_id: str, reason: str) -> None:
        """The actor cannot be started here."""
        actor = self.here.pop(actor_id, None)
        if actor is not None:
            self._tell(actor, reason, intended=True)

    def on_ready(self, who: Worker, message: control.ActorReady) -> None:
        """The constructor has run, or raised."""
        actor = self.here.get(message.actor)
        if actor is None or self._daemon.head is None:
            return
        actor.started = True
        self._daemon.head.send(cluster.ActorStarted(message.actor, actor.incarnation, who.address, message.error))

    def stop(self, message: cluster.StopActor) -> None:
        """The actor is ending."""
        actor = self.here.get(message.actor)
        if actor is None:
            return
        if actor.worker is None:
            del self.here[message.actor]
            self._daemon.granting.book.withdraw(f"actor:{message.actor}")
            if actor.allocation is not None:
                self._daemon.granting.pool.release(actor.allocation)
            self._daemon.granting.schedule()
        elif message.graceful:
            actor.worker.intended = actor.worker.intended or message.reason
            self._daemon.post(actor.worker.link, control.Exit(message.reason))
        else:
            self._daemon.workers.kill(actor.worker, message.reason)

    def ended(self, worker: Worker, death: Death) -> None:
        """The worker that may have been an actor is gone."""
        actor = self.here.get(worker.actor)
        if actor is None or actor.worker is not worker:
            return
        del self.here[worker.actor]
        daemon = self._daemon
        if actor.allocation is not None:
            daemon.granting.pool.release(actor.allocation)
        self._tell(actor, death.sentence("Its process"), intended=bool(worker.intended))

"""Stops or ends clusters once they have been idle for as long as their `autostop` says; what idle means is SkyPilot's `wait_for`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tradewind.broker.capabilities import Lined
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle.machine import IllegalMove
from tradewind.broker.provision.node import Node
from tradewind.broker.provision.services import log
from tradewind.broker.provision.ssh_sessions import other_sessions
from tradewind.broker.server.fleet import why_not_stop
from tradewind.broker.store import rows
from tradewind.broker.store.records import ClusterRow, JobRow

if TYPE_CHECKING:
    from tradewind.broker.server.broker import Broker

LOOK_S = 5.0
BUSY = -1.0


class Idleness:
    """The watch over every cluster of a person's own that is up."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._services = broker.services
        self._entered: dict[int, float] = {}  # cluster -> when somebody was last seen logged in

    async def watch(self) -> None:
        """Run for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """What is idle for long enough now is being stopped or ended."""
        asked = [row for row in self._services.store.read(rows.own_clusters_up) if row.options.autostop_min is not None]
        await asyncio.gather(*(self._look_at(row) for row in asked))

    async def _look_at(self, row: ClusterRow) -> None:
        minutes = row.options.autostop_min
        if minutes is None or await self._idle_min(row) < minutes:
            return
        live = self._services.store.read(lambda c: rows.instances_of(c, row.id, tries=row.tries))
        stays = any(why_not_stop(self._services.providers[one.provider], one) for one in live)  # so it can only end
        ends = row.options.autostop_down or stays
        event = cm.DownRequested(cause="autostop") if ends else cm.StopRequested(cause="autostop")
        log.info("cluster %s has been idle for %g minutes", row.name, minutes)
        try:
            await self._services.apply(lambda ledger: ledger.cluster_event(row.id, event), patient=False)
        except IllegalMove as late:
            log.info("cluster %s: %s", row.name, late)

    async def _idle_min(self, row: ClusterRow) -> float:
        waits = row.options.autostop_wait_for
        jobs = self._services.store.read(lambda c: rows.jobs_of(c, row.id))
        ups = self._services.store.read(lambda c: rows.events(c, cluster_id=row.id, kinds=("up",)))
        began = max([row.options.autostop_set_unix or 0.0, *(event.unix for event in ups)], default=row.created_unix)
        if waits == "none":
            return idle_min((), began, 0.0, self._services.now())
        minutes = idle_min(jobs, began, self._entered.get(row.id, 0.0), self._services.now())
        if waits == "jobs" or minutes == BUSY:
            return minutes
        if await self._is_entered(row):
            self._entered[row.id] = self._services.now()
            return BUSY
        return minutes

    async def _is_entered(self, row: ClusterRow) -> bool:
        """Whether somebody is logged in to one of its nodes; one that does not say counts as one where somebody is."""
        nodes = list(self._broker.driver(row.id).nodes.values())
        told = await asyncio.gather(*(other_sessions(node.transport) for node in nodes))
        ours = [self._lines_to(node) for node in nodes]
        return any(sessions is None or sessions > own for sessions, own in zip(told, ours, strict=True))

    def _lines_to(self, node: Node) -> int:
        provider = self._services.providers[node.row.provider]
        return provider.lines_to(node.row.provider_id) if isinstance(provider, Lined) else 0


def idle_min(jobs: Sequence[JobRow], began_unix: float, entered_unix: float, now_unix: float) -> float:
    """Minutes since the last job ended, somebody was last logged in, or it all `began`; BUSY while a job waits or runs. Pure."""
    if any(job.ended_unix is None for job in jobs):
        return BUSY
    since = max([began_unix, entered_unix, *(job.ended_unix or 0.0 for job in jobs)])
    return (now_unix - since) / 60

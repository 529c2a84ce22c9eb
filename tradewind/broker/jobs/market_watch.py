"""Asks now and then what each running job that has a choice of markets should hold, and moves it: to on demand in time for its deadline, back
to spot when that has returned and pays.
"""

from __future__ import annotations

import asyncio

from tradewind.broker.jobs.driver import ManagedJobs
from tradewind.broker.jobs.plans import PlanRefused
from tradewind.broker.jobs.standing_now import has_choice
from tradewind.broker.provision.services import Services, log
from tradewind.broker.store import rows, waiting

TICK_S = 60.0


class MarketWatch:
    """Looks every TICK_S seconds until the services are stopped."""

    def __init__(self, services: Services, managed: ManagedJobs) -> None:
        self._services = services
        self._managed = managed

    def start(self) -> None:
        """Begin."""
        self._services.spawn(self._watch(), "markets")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await self.look()

    async def look(self) -> None:
        """Every running job that has a choice stands where it should, or is on its way there."""
        for job_id in self._services.store.read(lambda c: waiting.in_state(c, "RUNNING")):
            await asyncio.sleep(0)  # thousands may run
            try:
                await self._look_at(job_id)
            except PlanRefused as error:
                log.info("managed job %d stays where it is: %s", job_id, error)
            except Exception:  # one job must not keep the others from being looked at; it stays where it is
                log.exception("managed job %d: asking what it should hold failed", job_id)

    async def _look_at(self, job_id: int) -> None:
        row = self._services.store.read(lambda c: rows.managed_job(c, job_id))
        if row is None or row.state != "RUNNING" or row.course.moving or not has_choice(row.task):
            return
        advice = await self._managed.advice(row, lost=False)
        if advice.act == "go" and advice.plan is not None and advice.plan.candidates:
            await self._managed.move(job_id, advice.plan, advice.why, "market")

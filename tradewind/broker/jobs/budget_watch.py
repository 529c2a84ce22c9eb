"""Looks after budgets: warns a job that has nearly spent its own, ends one that has, and closes the queue when everyone's is spent."""

from __future__ import annotations

import asyncio
import uuid
from fractions import Fraction

from tradewind.broker.jobs.driver import ManagedJobs
from tradewind.broker.jobs.limits import LimitsError
from tradewind.broker.jobs.money import judge
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.lifecycle.machine import IllegalMove
from tradewind.broker.provision.services import Services, log
from tradewind.broker.store import costs, rows, waiting
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.spend import ENDED, LAUNCHED, instance_spends, total_usd

LOOK_S = 1.0
LEAD_S = 5.0  # until the next look, and for machines to go


class BudgetWatch:
    """Looks every LOOK_S seconds until it is stopped."""

    def __init__(self, services: Services, managed: ManagedJobs) -> None:
        self._services = services
        self._managed = managed
        self._task: asyncio.Task[None] | None = None
        self._warned: set[bool] = set()

    def start(self) -> None:
        """Begin."""
        self._task = self._services.spawn(self._watch(), "budgets")

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # a look that fails must not be the last: the next is due all the same
                log.exception("looking after budgets failed")
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Every budget is judged by what is spent now."""
        for job_id in self._services.store.read(waiting.active_with_budget):
            await self._look_at(job_id)
        await self._look_at_all()

    async def _look_at(self, job_id: int) -> None:
        now = self._services.metered()
        row = self._services.store.read(lambda c: rows.managed_job(c, job_id))
        facts = self._services.store.read(lambda c: rows.events(c, managed_job_id=job_id, kinds=(LAUNCHED, ENDED)))
        if row is None or row.budget_usd is None:
            return
        spends = instance_spends(facts, now)
        spent = total_usd(spends)
        rate = sum((Fraction(one.price_usd_h) for one in spends if one.running), Fraction(0))
        verdict = judge(spent, rate, row.budget_usd, lead_s=LEAD_S)
        if verdict == "fine" or (verdict == "warn" and row.warned):
            return
        cause, budget = f"budget/{uuid.uuid4().hex[:8]}", row.budget_usd
        said = {"spent_usd": float(spent), "budget_usd": budget}

        def act(ledger: Ledger) -> None:
            if not row.warned:
                rows.update_managed_job(ledger.connection, job_id, warned=1)
                ledger.record(row.subject, "budget nearly spent", cause, said, managed_job_id=job_id)
            if verdict == "end":
                why = f"its budget of {budget:g} USD is spent; its checkpoint is kept, and `tradewind jobs retry {job_id} --budget USD` goes on"
                ledger.managed_event(job_id, mm.CancelRequested(cause=cause, why=why))

        try:
            await self._services.apply(act)
        except IllegalMove:
            log.info("managed job %d had ended when its budget was spent", job_id)

    async def _look_at_all(self) -> None:
        try:
            budget = self._managed.limits().budget
        except LimitsError:
            return  # the queue is closed until they are understood
        if budget is None:
            self._close(frozenset())
            return
        now = self._services.metered()
        over = set()
        for world, spent in self._services.store.read(lambda c: costs.totals(c, now)).items():
            verdict = judge(spent.usd, spent.usd_h, budget, lead_s=LEAD_S)
            if verdict == "warn" and world not in self._warned:
                self._warned.add(world)
                log.warning("%.6g of the budget of %g USD in limits.yaml are spent", float(spent.usd), budget)
            if verdict == "end":
                over.add(world)
        self._close(frozenset(over))
        for job_id in self._services.store.read(lambda c: waiting.active_in(c, over)):
            await self._end(job_id, budget)

    def _close(self, worlds: frozenset[bool]) -> None:
        before, self._managed.spent = self._managed.spent, worlds
        if before - worlds:
            self._managed.admit_soon("budget")

    async def _end(self, job_id: int, budget: float) -> None:
        why = f"the budget of {budget:g} USD in limits.yaml is spent; its checkpoint is kept"
        event = mm.CancelRequested(cause="budget", why=why)
        try:
            await self._services.apply(lambda ledger: ledger.managed_event(job_id, event))
        except IllegalMove:
            log.info("managed job %d had ended when the budget was spent", job_id)

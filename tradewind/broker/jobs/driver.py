"""Carries out what managed jobs' machines order beyond their clusters: admission, and a new plan after a loss."""

from __future__ import annotations

import asyncio
import os

from tradewind.broker.jobs.plans import Planner, PlanRefused
from tradewind.broker.jobs.queue import admit, waiting_sentence
from tradewind.broker.jobs.strategy import STRATEGIES, plan_around
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.lifecycle.machine import IllegalMove, Instruction
from tradewind.broker.provision.services import Services, log
from tradewind.broker.store import rows
from tradewind.broker.store.facts import place_of
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.records import ManagedJobRow
from tradewind.optimizer.plan import Plan
from tradewind.spec.task import Task

_CAN_MOVE = frozenset({"PREEMPTED", "FAILED"})


class ManagedJobs:
    """The shell around all managed jobs' machines."""

    def __init__(self, services: Services, planner: Planner) -> None:
        self._services = services
        self._planner = planner

    def carry_out(self, job_id: int, instruction: Instruction) -> None:
        """Begin what the instruction says."""
        match instruction:
            case mm.Replace():
                self._services.spawn(self._replace(job_id, instruction), f"replace-{job_id}")
            case mm.Admit():
                self._services.spawn(self.admit(instruction.cause), "admit")
            case _:
                raise AssertionError(f"{type(instruction).__name__} is no order for a managed job")

    def resume(self, cause: str) -> None:
        """Go on with every unfinished managed job, after the daemon was away."""
        for row in self._services.store.read(lambda c: rows.managed_jobs(c, unfinished_only=True)):
            if row.state == "RECOVERING":
                self.carry_out(row.id, mm.Replace(cause=cause))
        self._services.spawn(self.admit(cause), "admit")

    async def admit(self, cause: str) -> None:
        """Every waiting job that may start has started; those that may not say what they wait for."""

        def schedule(ledger: Ledger) -> None:
            unfinished = rows.managed_jobs(ledger.connection, unfinished_only=True)
            waiting = {row.id: row for row in unfinished if row.state == "PENDING"}
            active = len(unfinished) - len(waiting)
            admitted = admit(tuple(waiting), active)
            for job_id in admitted:
                missing = missing_files(waiting[job_id].task)
                event = mm.PrecheckFailed(cause=cause, why=missing) if missing else mm.Scheduled(cause=cause)
                ledger.managed_event(job_id, event)
            for job_id in set(waiting) - set(admitted):
                sentence = waiting_sentence(active + len(admitted))
                rows.update_managed_job(ledger.connection, job_id, waiting_for=sentence)

        await self._services.apply(schedule)

    async def _replace(self, job_id: int, order: mm.Replace) -> None:
        try:
            await asyncio.sleep(order.delay_s)
            await self._plan_again(job_id, order.cause)
        except IllegalMove as late:
            log.info("managed job %d: too late: %s", job_id, late)
        except Exception:
            log.exception("managed job %d: planning again failed", job_id)

    async def _plan_again(self, job_id: int, cause: str) -> None:
        row = self._services.store.read(lambda c: rows.managed_job(c, job_id))
        if row is None or not self._may_move(row):
            return
        await self._services.boundary("replan:before")
        now = self._services.now()
        scope = row.cluster_id if row.options.rehearse else None
        blocks = self._services.store.read(lambda c: rows.blocks(c, now=now, cluster_id=scope))
        plan: Plan | None = None
        why = ""
        try:
            plan = await plan_around(self._planner, row.task, row.options, blocks, STRATEGIES[row.strategy])
        except PlanRefused as error:
            why = str(error)
        await self._services.boundary("replan:after")

        def move(ledger: Ledger) -> None:
            current = rows.managed_job(ledger.connection, job_id)
            if current is None or not self._may_move_in(ledger, current):
                return
            if plan is None:
                ledger.managed_event(job_id, mm.NoPlace(cause=cause, why=why))
                return
            assert current.cluster_id is not None, "a job that recovers has a cluster"
            cluster = rows.cluster(ledger.connection, current.cluster_id)
            assert cluster is not None, "clusters are never deleted"
            choice = plan.candidates[0]
            left = f"{place_of(cluster.place)} ({current.why})"
            replanned = mm.Replanned(cause=cause, place=place_of(choice), hourly_usd=choice.hourly_usd, left=left)
            ledger.managed_event(job_id, replanned)
            rows.update_managed_job(
                ledger.connection,
                job_id,
                plan=plan,
                hourly_usd=plan.hourly_usd,
                waiting_for=f"instances in {place_of(choice)}",
            )
            rows.update_cluster(ledger.connection, cluster.id, candidates=plan.candidates, place=choice)
            ledger.cluster_event(cluster.id, cm.RecoveryRequested(cause=cause))

        await self._services.apply(move)

    def _may_move(self, row: ManagedJobRow) -> bool:
        return self._services.store.read(lambda c: self._may_move_in(Ledger(c, 0.0), row))

    def _may_move_in(self, ledger: Ledger, row: ManagedJobRow) -> bool:
        """Whether the job waits for a place: it recovers, and its cluster has none and is not on the way to one."""
        if row.state != "RECOVERING" or row.cluster_id is None:
            return False
        cluster = rows.cluster(ledger.connection, row.cluster_id)
        return cluster is not None and cluster.state in _CAN_MOVE


def missing_files(task: Task) -> str:
    """One sentence naming a work directory or mount that is not there; "" when all are."""
    if task.workdir is not None and not os.path.isdir(task.workdir):
        return f"workdir {task.workdir} is not a directory; it must exist when the job starts"
    for mount in task.file_mounts:
        if not os.path.exists(mount.source):
            return f"file_mounts {mount.target}: {mount.source} does not exist"
    return ""

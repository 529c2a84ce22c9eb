"""Carries out what managed jobs' machines order beyond their clusters: admission, and a new plan after a loss."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection

from tradewind.broker.jobs.limits import Limits, LimitsError, LimitsFile
from tradewind.broker.jobs.plans import Planner, PlanRefused
from tradewind.broker.jobs.queue import Situation, admit
from tradewind.broker.jobs.standing_now import has_choice, position, worked_h
from tradewind.broker.jobs.strategy import plan_around, strategy_named
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.lifecycle.machine import IllegalMove, Instruction
from tradewind.broker.provision.failover import as_place
from tradewind.broker.provision.services import Services, log
from tradewind.broker.store import rows, waiting
from tradewind.broker.store.facts import place_of
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.records import BlockRow, ManagedJobRow
from tradewind.optimizer.plan import Plan, RankedCandidate
from tradewind.spec.task import Task

if TYPE_CHECKING:
    from tradewind.optimizer.advice import Advice

_CAN_MOVE = frozenset({"PREEMPTED", "FAILED"})
ASK_EVERY_S = 60.0  # how long a job that has a deadline goes on before it is looked at again
SYNCED = "checkpoint synced"
AT_ONCE = 64  # admissions in one transaction: others want to write in between
MAX_ALARM_S = 60.0
LIMITS_RETRY_S = 5.0
RUNS_SOON_S = 0.2  # between looks whether a job, whose machine is to be taken before it has begun, runs


def situation(
    connection: Connection, candidates: Sequence[waiting.Waiting], spent: frozenset[bool] = frozenset()
) -> Situation:
    """What is active, as far as these candidates are concerned."""
    arrays = {one.array_id for one in candidates if one.array_id is not None}
    return Situation(
        load=waiting.load(connection),
        arrays=waiting.active_in_arrays(connection, arrays),
        shares=waiting.active_in_shares(connection),
        array_limits=waiting.array_limits(connection, arrays),
        spent=spent,
    )


class ManagedJobs:
    """The shell around all managed jobs' machines. `spent` are the worlds (rehearsed or not) whose budget allows nothing new."""

    def __init__(self, services: Services, planner: Planner, *, draw: Callable[[], float] = random.random) -> None:
        self._services = services
        self._planner = planner
        self._draw = draw
        self._limits = LimitsFile(services.data_dir)
        self._admission_due = False
        self._alarm: asyncio.TimerHandle | None = None
        self.spent: frozenset[bool] = frozenset()

    def limits(self) -> Limits:
        """A person's limits as they stand; while the file cannot be understood, those that held before it was changed.

        Raises:
            LimitsError: it cannot be understood.
        """
        return self._limits.read()

    def carry_out(self, job_id: int, instruction: Instruction) -> None:
        """Begin what the instruction says."""
        match instruction:
            case mm.Replace():
                self._services.spawn(self._replace(job_id, instruction), f"replace-{job_id}")
            case mm.PlanMove():
                self._services.spawn(self._plan_move(job_id, instruction), f"move-{job_id}")
            case mm.Restart():
                self._services.spawn(self._restart(job_id, instruction), f"restart-{job_id}")
            case mm.Admit():
                self.admit_soon(instruction.cause)
            case _:
                raise AssertionError(f"{type(instruction).__name__} is no order for a managed job")

    def resume(self, cause: str) -> None:
        """Go on with every managed job that was on its way back, after the daemon was away, and with the queue."""
        for job_id in self._services.store.read(lambda c: waiting.in_state(c, "RECOVERING")):
            self._resume_one(job_id, cause)
        self.admit_soon(cause)

    def _resume_one(self, job_id: int, cause: str) -> None:
        row = self._services.store.read(lambda c: rows.managed_job(c, job_id))
        for instruction in () if row is None else mm.resume(row.machine(), cause):
            self.carry_out(job_id, instruction)

    def stop(self) -> None:
        """No alarm goes off any more."""
        if self._alarm is not None:
            self._alarm.cancel()

    # -- the queue --------------------------------------------------------------------------------------------------------------------

    def admit_soon(self, cause: str) -> None:
        """An admission will look at everything committed until now; one that has not begun yet serves all who ask."""
        if not self._admission_due:
            self._admission_due = True
            self._services.spawn(self._admit_until_done(cause), "admit")

    async def _admit_until_done(self, cause: str) -> None:
        self._admission_due = False
        while True:
            try:
                limits = self.limits()
            except LimitsError as error:
                log.error("nothing is admitted: %s", error)
                self._set_alarm(self._services.now() + LIMITS_RETRY_S, cause)
                return
            if await self.admit(limits, cause) < AT_ONCE:
                return

    async def admit(self, limits: Limits, cause: str) -> int:
        """How many waiting jobs have started now: those that may, at most AT_ONCE."""

        def schedule(ledger: Ledger) -> tuple[int, float | None]:
            connection = ledger.connection
            found = waiting.candidates(connection, now=ledger.now, limit=AT_ONCE)
            chosen = admit(found, situation(connection, found, self.spent), limits)[:AT_ONCE]
            for job_id in chosen:
                try:
                    row = rows.managed_job(connection, job_id)
                    assert row is not None, "it was read in this transaction"
                    missing = missing_files(row.task)
                    event = mm.PrecheckFailed(cause=cause, why=missing) if missing else mm.Scheduled(cause=cause)
                    ledger.managed_event(job_id, event)
                except msgspec.DecodeError as damage:  # one damaged row must not hold up the others
                    ledger.give_up_unreadable(job_id, str(damage), cause)
            return len(chosen), waiting.next_not_before(connection, ledger.now)

        count, wake = await self._services.apply(schedule)
        if wake is not None:
            self._set_alarm(wake, cause)
        return count

    def _set_alarm(self, unix: float, cause: str) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        delay_s = min(MAX_ALARM_S, max(0.0, unix - self._services.now()))  # clocks jump: look now and then
        self._alarm = asyncio.get_running_loop().call_later(delay_s, self.admit_soon, cause)

    # -- attempts ---------------------------------------------------------------------------------------------------------------------

    async def _restart(self, job_id: int, order: mm.Restart) -> None:
        await asyncio.sleep(order.delay_s * (0.5 + 0.5 * self._draw()))
        due = mm.RestartDue(cause=order.cause, attempt=order.attempt)
        try:
            await self._services.apply(lambda ledger: ledger.managed_event(job_id, due))
        except IllegalMove as late:
            log.info("managed job %d: too late: %s", job_id, late)

    async def _replace(self, job_id: int, order: mm.Replace) -> None:
        try:
            await asyncio.sleep(order.delay_s)
            await self._plan_again(job_id, order.cause)
        except IllegalMove as late:
            log.info("managed job %d: too late: %s", job_id, late)
        except Exception as error:
            # A bug, a catalog that cannot be read just now: whatever it is, the job must not be forgotten.
            log.exception("managed job %d: planning again failed", job_id)
            why = f"planning again failed ({type(error).__name__}: {error}); it is tried again, and daemon.log has the details"
            await self._wait_for_place(job_id, order.cause, why)

    async def _wait_for_place(self, job_id: int, cause: str, why: str) -> None:
        """The job says why it has no place, and is planned again after a pause."""

        def wait(ledger: Ledger) -> None:
            current = rows.managed_job(ledger.connection, job_id)
            if current is not None and self._may_move_in(ledger, current):
                ledger.managed_event(job_id, mm.NoPlace(cause=cause, why=why))

        await self._services.apply(wait)

    async def _plan_again(self, job_id: int, cause: str) -> None:
        row = self._services.store.read(lambda c: rows.managed_job(c, job_id))
        if row is None or not self._may_move(row):
            return
        await self._services.boundary("replan:before")
        plan: Plan | None = None
        why = ""
        try:
            plan = await self._plan_without_lost(row)
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

    # -- moves ------------------------------------------------------------------------------------------------------------------------

    async def _plan_move(self, job_id: int, order: mm.PlanMove) -> None:
        try:
            while (row := self._standing_on(job_id, order.instance_id)) is not None and row.state != "RUNNING":  # noqa: ASYNC110  the record tells nobody
                await asyncio.sleep(RUNS_SOON_S)  # no longer than that instance lives
            if row is not None:
                plan = await self._plan_without_lost(row)
                await self.move(job_id, plan, order.why, order.cause)
        except PlanRefused as error:
            log.warning("managed job %d stays until it is taken: %s", job_id, error)
        except Exception:  # it stays, and is recovered as any loss is once it is taken
            log.exception("managed job %d: planning a move failed; it is recovered once it is lost", job_id)

    def _standing_on(self, job_id: int, instance_id: str) -> ManagedJobRow | None:
        """The job while it runs, or is about to, on that instance and moves nowhere else."""
        row = self._services.store.read(lambda c: rows.managed_job(c, job_id))
        instance = self._services.store.read(lambda c: rows.instance(c, instance_id))
        if row is None or row.state not in {"STARTING", "RECOVERING", "RUNNING"} or row.course.moving:
            return None
        lives = instance is not None and instance.state == "RUNNING" and instance.ended_unix is None
        return row if lives and instance is not None and instance.cluster_id == row.cluster_id else None

    async def move(self, job_id: int, plan: Plan, why: str, cause: str) -> bool:
        """Whether the job, which runs on meanwhile, is on its way to the place of this plan; not if it does not run or moves already."""

        def order(ledger: Ledger) -> bool:
            current = rows.managed_job(ledger.connection, job_id)
            if current is None or current.state != "RUNNING" or current.course.moving:
                return False
            choice = plan.candidates[0]
            rows.update_managed_job(ledger.connection, job_id, plan=plan, hourly_usd=plan.hourly_usd)
            moved = mm.MoveOrdered(cause=cause, place=place_of(choice), hourly_usd=choice.hourly_usd, why=why)
            ledger.managed_event(job_id, moved)
            return True

        return await self._services.apply(order)

    async def _plan_without_lost(self, row: ManagedJobRow) -> Plan:
        """The plan that the job's deadline or strategy makes around what was lost or refused. Raises PlanRefused."""
        if row.task.deadline_hours is not None and has_choice(row.task):
            advice = await self.advice(row, lost=True)
            if advice.plan is None:
                raise PlanRefused(advice.why)
            return advice.plan
        place, blocks = self._place_and_blocks(row)
        strategy = strategy_named(row.task.job_recovery.strategy)
        return await plan_around(self._planner, row.task, row.options, blocks, strategy, place)

    async def advice(self, row: ManagedJobRow, *, lost: bool) -> Advice:
        """What the job should hold from now on; `lost` says that it holds nothing, or soon will not. Raises PlanRefused."""
        from tradewind.optimizer.advice import Terms

        now = self._services.now()
        place, blocks = self._place_and_blocks(row)
        attempts = self._services.store.read(lambda c: rows.attempts_of(c, row.id))
        synced = self._services.store.read(lambda c: rows.events(c, managed_job_id=row.id, kinds=(SYNCED,)))
        plan = self._services.store.read(lambda c: rows.plan(c, row.id))
        whole_h = max((one.hours for one in plan.placements), default=row.options.hours or 1.0)
        if row.options.hours is not None:
            whole_h = row.options.hours
        done_h = worked_h(attempts, [fact.unix for fact in synced], now)
        at = position(row, None if lost else place, done_h=done_h, whole_h=whole_h, now=now)
        options = msgspec.structs.replace(row.options, hours=whole_h)
        terms = Terms(step_h=ASK_EVERY_S / 3600)
        return await self._planner.what_now(row.task, options, at, tuple(as_place(block) for block in blocks), terms)

    def _place_and_blocks(self, row: ManagedJobRow) -> tuple[RankedCandidate | None, list[BlockRow]]:
        """Where the job stands or stood last, and the blocks in force for it."""
        now = self._services.now()
        cluster_row = self._services.store.read(lambda c: rows.cluster(c, row.cluster_id or 0))
        scope = None if cluster_row is None else cluster_row.block_scope
        blocks = self._services.store.read(lambda c: rows.blocks(c, now=now, cluster_id=scope))
        return (None if cluster_row is None else cluster_row.place), blocks

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

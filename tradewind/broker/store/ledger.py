"""Transitions inside one transaction: a machine takes a step, its row and its event row change together, and what concerns another
subject is told to that one at once. What is left for the shell comes out as orders, to be carried out after the commit.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle import cluster_job as jm
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.lifecycle.machine import Event, Instruction
from tradewind.broker.store import graphs, rows, vault
from tradewind.broker.store.facts import Facts, place_of
from tradewind.broker.store.orders import WAITING, Order, event_data
from tradewind.broker.store.records import AttemptRow, ClusterRow, JobRow, ManagedJobRow, Options
from tradewind.optimizer.plan import RankedCandidate
from tradewind.spec.task import Task


class Ledger(Facts):
    """One transaction's view: apply events, collect orders. Raises IllegalMove before anything is written for the refused event."""

    def __init__(self, connection: Connection, now: float, metered: float | None = None) -> None:
        super().__init__(connection, now, metered)
        self.orders: list[Order] = []

    # -- clusters ---------------------------------------------------------------------------------------------------------------------

    def create_cluster(
        self,
        *,
        name: str,
        task: Task,
        candidates: tuple[RankedCandidate, ...],
        options: Options,
        cause: str,
        managed_job_id: int | None = None,
    ) -> int:
        """The id of a new cluster, already on its way."""
        cluster_id = rows.insert_cluster(
            self.connection,
            name=name,
            state="PLANNED",
            managed_job_id=managed_job_id,
            rehearse=int(options.rehearse),
            task=task,
            candidates=candidates,
            place=candidates[0],
            options=options,
            created_unix=self.now,
        )
        if managed_job_id is None:
            self.record_planned(f"cluster/{name}", candidates[0], cause, cluster_id=cluster_id)
        self.cluster_event(cluster_id, cm.LaunchRequested(cause=cause))
        return cluster_id

    def cluster_event(self, cluster_id: int, event: Event) -> None:
        """Apply an event to a cluster and carry its consequences to jobs and owner."""
        row = self._cluster(cluster_id)
        before = row.machine()
        after, instructions = cm.on_event(before, event)
        changes: dict[str, Any] = {
            "state": after.state,
            "tries": after.tries,
            "incarnation": after.incarnation,
            "bootstrap_failures": after.bootstrap_failures,
            "missing": after.missing,
        }
        if after.state != before.state:
            changes["waiting_for"] = WAITING.get(after.state, "")
            if after.state in {"FAILED", "PREEMPTED", "STOPPED"}:
                changes["why"] = getattr(event, "why", "")
            elif after.state in {"UP", "PROVISIONING"}:
                changes["why"] = ""
            if after.state == "TERMINATED":
                changes["ended_unix"] = self.now
        rows.update_cluster(self.connection, cluster_id, **changes)
        self.record(
            row.subject,
            cm.word(before, event, after),
            event.cause,
            event_data(event, before.state, after.state),
            cluster_id=cluster_id,
            managed_job_id=row.managed_job_id,
        )
        for instruction in instructions:
            self._follow_cluster(row, instruction)
        if after.state == "TERMINATED":
            self._cluster_gone(row, event.cause)

    def _follow_cluster(self, row: ClusterRow, instruction: Instruction) -> None:
        cause = instruction.cause
        owner = self._owner(row)
        match instruction:
            case cm.LoseJobs():
                for job in rows.jobs_of(self.connection, row.id, unfinished_only=True):
                    self.job_event(row.id, job.id, jm.GangLost(cause=cause, kind=instruction.kind, why=instruction.why))
            case cm.CancelJobs():
                for job in rows.jobs_of(self.connection, row.id, unfinished_only=True):
                    self.job_event(row.id, job.id, jm.CancelRequested(cause=cause))
            case cm.TellOwnerUp() | cm.TellOwnerLost() | cm.TellOwnerNoPlace() | cm.TellOwnerBroken() if (
                self._moves_to(row) is not None
            ):
                self._tell_mover(row, instruction)
            case cm.TellOwnerUp() if owner is not None:
                self.managed_event(owner, mm.ClusterUp(cause=cause))
            case cm.TellOwnerLost() if owner is not None:
                self.managed_event(owner, mm.AttemptLost(cause=cause, kind=instruction.kind, why=instruction.why))
            case cm.TellOwnerNoPlace() if owner is not None:
                self.managed_event(owner, mm.NoPlace(cause=cause, why=instruction.why, lost=instruction.lost))
            case cm.TellOwnerBroken() if owner is not None:
                self.managed_event(owner, mm.PrecheckFailed(cause=cause, why=instruction.why))
            case _:
                self.orders.append(Order(instruction=instruction, cluster_id=row.id))

    def _cluster_gone(self, row: ClusterRow, cause: str) -> None:
        vault.forget_cluster(self.connection, row.id)
        for job in rows.jobs_of(self.connection, row.id, unfinished_only=True):
            self.job_event(row.id, job.id, jm.CancelDone(cause=cause))
        owner = self._owner(row)
        if owner is not None:
            self.managed_event(owner, mm.ClusterGone(cause=cause))

    def _owner(self, row: ClusterRow) -> int | None:
        """The managed job that stands on this cluster: one that was tried once more may have left it for another."""
        if row.managed_job_id is None:
            return None
        stands_on = self._managed(row.managed_job_id).cluster_id
        return row.managed_job_id if stands_on == row.id else None

    def _moves_to(self, row: ClusterRow) -> int | None:
        """The managed job that this cluster is brought up for beside the one that it stands on."""
        if row.managed_job_id is None:
            return None
        return row.managed_job_id if self._managed(row.managed_job_id).successor_id == row.id else None

    def _tell_mover(self, row: ClusterRow, instruction: Instruction) -> None:
        assert row.managed_job_id is not None, "somebody moves to it"
        up = isinstance(instruction, cm.TellOwnerUp)
        why = getattr(instruction, "why", "")
        event = mm.SuccessorUp(cause=instruction.cause) if up else mm.SuccessorFailed(cause=instruction.cause, why=why)
        self.managed_event(row.managed_job_id, event)

    def _cluster(self, cluster_id: int) -> ClusterRow:
        row = rows.cluster(self.connection, cluster_id)
        if row is None:
            raise LookupError(f"there is no cluster {cluster_id}")
        return row

    # -- jobs on clusters -------------------------------------------------------------------------------------------------------------

    def create_job(
        self,
        cluster: ClusterRow,
        task: Task,
        *,
        cause: str,
        with_setup: bool = True,
        checkpoint_uri: str = "",
        managed_job_id: int | None = None,
        attempt: int = 0,
    ) -> int:
        """The id of a new job that waits on the cluster."""
        nodes = cluster.nodes
        machine = jm.ClusterJob(
            setup_ranks=nodes if with_setup and task.setup else 0,
            run_ranks=(1 if task.run_on == "head" else nodes) if task.run else 0,
        )
        job_id = rows.next_job_id(self.connection, cluster.id)
        rows.insert_job(
            self.connection,
            JobRow(
                cluster_id=cluster.id,
                id=job_id,
                name=task.name or "",
                state="PENDING",
                machine=machine,
                task=task,
                checkpoint_uri=checkpoint_uri,
                managed_job_id=managed_job_id,
                attempt=attempt,
                created_unix=self.now,
                started_unix=None,
                ended_unix=None,
                why="",
            ),
        )
        self.record(
            f"{cluster.subject}/job/{job_id}",
            "submitted",
            cause,
            {"name": task.name or ""},
            cluster_id=cluster.id,
            managed_job_id=managed_job_id,
        )
        return job_id

    def job_event(self, cluster_id: int, job_id: int, event: Event) -> None:
        """Apply an event to a job and carry its consequences to its owner and the cluster's queue."""
        row = rows.job(self.connection, cluster_id, job_id)
        if row is None:
            raise LookupError(f"there is no job {job_id} on cluster {cluster_id}")
        before = row.machine
        after, instructions = jm.on_event(before, event)
        if after == before and not instructions:
            return
        changes: dict[str, Any] = {"state": after.state, "machine": after, "why": after.why}
        if before.state == "PENDING" and after.state not in jm.FINAL:
            changes["started_unix"] = self.now
        if after.state in jm.FINAL and before.state not in jm.FINAL:
            changes["ended_unix"] = self.now
        rows.update_job(self.connection, cluster_id, job_id, **changes)
        cluster = self._cluster(cluster_id)
        self.record(
            f"{cluster.subject}/job/{job_id}",
            jm.word(before, event, after),
            event.cause,
            event_data(event, before.state, after.state),
            cluster_id=cluster_id,
            managed_job_id=row.managed_job_id,
        )
        for instruction in instructions:
            self._follow_job(row, instruction)

    def _follow_job(self, row: JobRow, instruction: Instruction) -> None:
        cause = instruction.cause
        owner = self._owner(self._cluster(row.cluster_id))
        match instruction:
            case jm.TellOwnerRunning():
                if owner is not None:
                    self.managed_event(owner, mm.RunStarted(cause=cause))
            case jm.TellOwnerEnded():
                if owner is not None:
                    self._tell_owner_ended(owner, instruction)
            case jm.StartNext():
                if self._cluster(row.cluster_id).state == "UP":
                    self.orders.append(Order(instruction=cm.StartNextJob(cause=cause), cluster_id=row.cluster_id))
            case _:
                self.orders.append(Order(instruction=instruction, cluster_id=row.cluster_id, job_id=row.id))

    def _tell_owner_ended(self, owner: int, told: jm.TellOwnerEnded) -> None:
        match told.state:
            case "SUCCEEDED" | "FAILED" | "FAILED_SETUP":
                ended = mm.AttemptEnded(
                    cause=told.cause,
                    result=told.state,
                    why=told.why,
                    exit_code=told.exit_code,
                    ran_s=self.now - rows.attempt_began(self.connection, owner, default=self.now),
                )
                self.managed_event(owner, ended)
            case "CANCELLED":
                job = self._managed(owner)
                if job.course.moving and job.state == "RECOVERING":
                    self.managed_event(owner, mm.Vacated(cause=told.cause))
                elif job.state in {"STARTING", "RUNNING", "RECOVERING"}:
                    self.managed_event(owner, mm.CancelRequested(cause=told.cause))
            case _:
                pass  # a loss is told by the cluster, which knows what became of the machines

    # -- managed jobs -----------------------------------------------------------------------------------------------------------------

    def managed_event(self, job_id: int, event: Event) -> None:
        """Apply an event to a managed job and carry its consequences to its cluster."""
        row = self._managed(job_id)
        before = row.machine()
        after, instructions = mm.on_event(before, event)
        changes: dict[str, Any] = {
            "state": after.state,
            "attempt": after.attempt,
            "recoveries": after.recoveries,
            "why": after.why,
            "course": after.course,
        }
        if isinstance(event, mm.RetryRequested):
            changes |= {
                "ended_unix": None,
                "cluster_id": None,
                "successor_id": None,
            }  # what its old cluster still tells is not about it
        if after.state != before.state:
            changes["waiting_for"] = WAITING.get(after.state, "")
        if after.state == "RUNNING" and row.started_unix is None:
            changes["started_unix"] = self.now
        if after.state in mm.FINAL and before.state not in mm.FINAL:
            changes["ended_unix"] = self.now
        rows.update_managed_job(self.connection, job_id, **changes)
        quiet = mm.ClusterGone | mm.RunStarted | mm.RestartDue | mm.Vacated | mm.SuccessorFailed
        if after != before or instructions or not isinstance(event, quiet):
            self.record(
                row.subject,
                mm.word(before, event, after),
                event.cause,
                event_data(event, before.state, after.state) | {"attempt": after.attempt},
                cluster_id=row.cluster_id,
                managed_job_id=job_id,
            )
        if before.course.moving and after.attempt > before.attempt:
            rows.close_attempt(
                self.connection, job_id, before.attempt, now=self.now, end="moved", why=before.course.moving
            )
        if isinstance(event, mm.AttemptLost | mm.AttemptEnded) or after.state in {"CANCELLING", "PAUSING"}:
            end = mm.word(before, event, after)
            why = getattr(event, "why", "")
            rows.close_attempt(self.connection, job_id, after.attempt, now=self.now, end=end, why=why)
        for instruction in instructions:
            self._follow_managed(job_id, instruction)
        if after.state == "SUCCEEDED":
            vault.forget(self.connection, job_id)  # it will never be tried again
        if row.array_id is not None and after.state != before.state:
            self._tell_graph(row, after, event.cause)
        free = {*mm.FINAL, "PAUSED"}
        if after.state in free and before.state not in free:
            self.orders.append(Order(instruction=mm.Admit(cause=event.cause), managed_job_id=job_id))

    def give_up_unreadable(self, job_id: int, damage: str, cause: str) -> None:
        """The job, which waits and whose row cannot be read, has failed and says so; what waits for it is cancelled."""
        why = f"its row in the record is damaged ({damage}), so that nobody knows what to run; submit it again"
        rows.update_managed_job(
            self.connection, job_id, state="FAILED_PRECHECKS", why=why, waiting_for="", ended_unix=self.now
        )
        self.record(f"job/{job_id}", "failed prechecks", cause, {"why": why}, managed_job_id=job_id)
        for child in graphs.children(self.connection, job_id):
            self.managed_event(
                child, mm.CancelRequested(cause=cause, why=f"job {job_id}, which it waits for, is damaged")
            )

    def _tell_graph(self, row: ManagedJobRow, after: mm.ManagedJob, cause: str) -> None:
        """What waits for the job may start, or never will."""
        if after.state == "PENDING":  # it is tried once more
            graphs.recount(self.connection, row.id)
        if after.state not in mm.FINAL:
            return
        for child in graphs.children(self.connection, row.id):
            if after.state == "SUCCEEDED":
                graphs.recount(self.connection, child)
            elif self._managed(child).state not in mm.FINAL:
                became = "was cancelled" if after.state == "CANCELLED" else f"is {after.state}"
                why = f"job {row.id} ({row.name}), which it waits for, {became}"
                self.managed_event(child, mm.CancelRequested(cause=cause, why=why))

    def _follow_managed(self, job_id: int, instruction: Instruction) -> None:
        row = self._managed(job_id)
        match instruction:
            case mm.LaunchCluster():
                cluster_id = self._launch_for(row, f"{row.name}-{row.id}", instruction.cause)
                rows.update_managed_job(self.connection, row.id, cluster_id=cluster_id)
            case mm.LaunchSuccessor():
                cluster_id = self._launch_for(row, f"{row.name}-{row.id}-m{row.attempt}", instruction.cause)
                rows.update_managed_job(self.connection, row.id, successor_id=cluster_id)
            case mm.StartAttempt():
                self._start_attempt(row, instruction)
            case mm.EndCluster():
                self._end_successor(row, instruction.cause)
                cluster = None if row.cluster_id is None else rows.cluster(self.connection, row.cluster_id)
                if cluster is None or cluster.state == "TERMINATED":
                    self.managed_event(row.id, mm.ClusterGone(cause=instruction.cause))
                elif cluster.state != "TERMINATING":
                    self.cluster_event(cluster.id, cm.DownRequested(cause=instruction.cause))
            case mm.EndSuccessor():
                self._end_successor(row, instruction.cause)
            case mm.Vacate():
                self._vacate(row, instruction.cause)
            case mm.EndOld():
                self._down(row.cluster_id, instruction.cause)
            case mm.TakeSuccessor():
                rows.update_managed_job(self.connection, row.id, cluster_id=row.successor_id, successor_id=None)
                self._down(row.cluster_id, instruction.cause)
            case _:
                self.orders.append(Order(instruction=instruction, managed_job_id=row.id))

    def _launch_for(self, row: ManagedJobRow, name: str, cause: str) -> int:
        """The id of a new cluster of this name for the managed job, as its newest plan says."""
        taken = rows.cluster_named(self.connection, name)
        if taken is not None and taken.state not in cm.FINAL:
            name += "-job"  # a person's own cluster happens to be called so, or an earlier one is still on its way out
        return self.create_cluster(
            name=name,
            task=row.task,
            candidates=rows.plan(self.connection, row.id).candidates,
            options=row.options,
            cause=cause,
            managed_job_id=row.id,
        )

    def _down(self, cluster_id: int | None, cause: str) -> None:
        """The cluster goes, if it is there and is not going already."""
        cluster = None if cluster_id is None else rows.cluster(self.connection, cluster_id)
        if cluster is not None and cluster.state not in {"TERMINATING", "TERMINATED"}:
            self.cluster_event(cluster.id, cm.DownRequested(cause=cause))

    def _end_successor(self, row: ManagedJobRow, cause: str) -> None:
        if row.successor_id is not None:
            rows.update_managed_job(self.connection, row.id, successor_id=None)
            self._down(row.successor_id, cause)

    def _vacate(self, row: ManagedJobRow, cause: str) -> None:
        """The program is told to end; where none runs, the place is vacant now."""
        assert row.cluster_id is not None, "who moves stands on a cluster"
        unfinished = rows.jobs_of(self.connection, row.cluster_id, unfinished_only=True)
        for job in unfinished:
            self.job_event(row.cluster_id, job.id, jm.CancelRequested(cause=cause))
        if not unfinished:
            self.managed_event(row.id, mm.Vacated(cause=cause))

    def _start_attempt(self, row: ManagedJobRow, instruction: mm.StartAttempt) -> None:
        assert row.cluster_id is not None, "an attempt starts on a cluster that is up"
        cluster = self._cluster(row.cluster_id)
        job_id = self.create_job(
            cluster,
            row.task,
            cause=instruction.cause,
            checkpoint_uri=row.checkpoint_uri,
            managed_job_id=row.id,
            attempt=instruction.attempt,
        )
        rows.insert_attempt(
            self.connection,
            AttemptRow(
                managed_job_id=row.id,
                number=instruction.attempt,
                cluster_id=cluster.id,
                job_id=job_id,
                place=place_of(cluster.place),
                hourly_usd=cluster.hourly_usd,
                started_unix=self.now,
                ended_unix=None,
                end="",
                why="",
            ),
        )
        if cluster.state == "UP":
            self.orders.append(Order(instruction=cm.StartNextJob(cause=instruction.cause), cluster_id=cluster.id))

    def _managed(self, job_id: int) -> ManagedJobRow:
        row = rows.managed_job(self.connection, job_id)
        if row is None:
            raise LookupError(f"there is no managed job {job_id}")
        return row

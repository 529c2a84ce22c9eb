"""What people ask of managed jobs: submit one or an array, pause, resume, cancel, try again, and what they all wait for and cost."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from tradewind.broker.bucket import BucketError
from tradewind.broker.jobs.driver import ManagedJobs, situation
from tradewind.broker.jobs.limits import Limits, LimitsError
from tradewind.broker.jobs.queue import waiting_sentence
from tradewind.broker.jobs.redaction import SHORTEST
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.lifecycle.machine import Event, IllegalMove
from tradewind.broker.provision.services import Services
from tradewind.broker.server.requests import ArrayRequest, JobRequest, LaunchRequest, Refusal
from tradewind.broker.store import arrays, graphs, listing, rows, waiting
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.orders import Order
from tradewind.broker.store.records import ArrayRow, ManagedJobRow
from tradewind.broker.store.vault import SecretsUnreadable
from tradewind.optimizer.plan import Plan
from tradewind.spec.task import Task
from tradewind.spec.variables import too_large

Change = Literal["cancel", "pause", "resume", "retry"]
MAX_ARRAY = 10_000
COSTING = frozenset({"PLANNED", "PROVISIONING", "BOOTSTRAPPING", "UP"})
_EVENTS: dict[str, Callable[[str], Event]] = {
    "cancel": lambda cause: mm.CancelRequested(cause=cause),
    "pause": lambda cause: mm.PauseRequested(cause=cause),
    "resume": lambda cause: mm.ResumeRequested(cause=cause),
    "retry": lambda cause: mm.RetryRequested(cause=cause),
}
_CANNOT = {
    "cancel": "there is nothing to cancel",
    "pause": "only what waits or runs can be paused",
    "resume": "only a paused job can be resumed",
    "retry": "only a job that failed or was cancelled can be tried again",
}
Plans = Callable[[LaunchRequest | JobRequest], Awaitable[Plan]]


class Changed(msgspec.Struct, frozen=True):
    """How many jobs of an array a change was for, and how many it was not (they are in a state that does not allow it)."""

    changed: int
    left: int


class JobDesk:
    """The requests about managed jobs. `plan` gives a plan that costs no more than was accepted, or raises Refusal."""

    def __init__(self, services: Services, managed: ManagedJobs, plan: Plans) -> None:
        self._services = services
        self._managed = managed
        self._plan = plan

    # -- submitting -------------------------------------------------------------------------------------------------------------------

    async def submit(self, asked: JobRequest) -> int:
        """Id of the managed job; the same one for the same client key. Raises Refusal."""
        key = asked.client_key
        twin = None if not key else self._services.store.read(lambda c: rows.managed_job_with_key(c, key))
        if twin is not None:
            return _same(twin, asked).id
        check_secrets(asked.task, asked.secrets)
        plan = await self._plan(asked)
        self._check_cap(plan)
        await self._check_place(asked)
        cause = _request()

        def create(ledger: Ledger) -> int:
            known = None if not key else rows.managed_job_with_key(ledger.connection, key)
            if known is not None:
                return _same(known, asked).id
            job_id = self.insert(ledger, asked, plan, cause, plan=plan, client_key=key)
            ledger.orders.append(Order(instruction=mm.Admit(cause=cause), managed_job_id=job_id))
            return job_id

        return await self._submitted(create)

    async def submit_array(self, asked: ArrayRequest) -> int:
        """Id of the array, all of whose jobs wait in the queue. Raises Refusal."""
        job, key = asked.job, asked.job.client_key
        if (twin := self.array_known(key, asked.max_active)) is not None:
            return twin
        if not 0 < len(asked.members) <= MAX_ARRAY:
            raise Refusal(f"an array has 1 to {MAX_ARRAY} jobs, not {len(asked.members)}", "request")
        check_secrets(job.task, job.secrets)
        plan = await self._plan(job)
        self._check_cap(plan)
        await self._check_place(job)
        name = job.name or job.task.name or "job"

        def fill(ledger: Ledger, array_id: int, cause: str) -> None:
            for index, envs in enumerate(asked.members):
                own = {**envs, "TRADEWIND_ARRAY_INDEX": str(index), "TRADEWIND_ARRAY_SIZE": str(len(asked.members))}
                place = job.task.checkpoint and f"{job.task.checkpoint.rstrip('/')}/{index}"
                task = msgspec.structs.replace(job.task, envs={**job.task.envs, **own}, checkpoint=place)
                one = msgspec.structs.replace(job, task=task, name=f"{name[:52]}-{index}")
                self.insert(ledger, one, plan, cause, plan="", array_id=array_id, array_index=index)

        size, limit = len(asked.members), asked.max_active
        return await self.add_array(fill, plan=plan, client_key=key, name=name, size=size, max_active=limit)

    def array_known(self, key: str | None, max_active: int | None) -> int | None:
        """Id of the array, or graph, that was submitted under this key; None when there is none yet. Raises Refusal for a limit that is none."""
        if max_active is not None and max_active < 1:
            raise Refusal("max_active must be at least 1", "request")
        twin = None if not key else self._services.store.read(lambda c: arrays.with_key(c, key))
        return None if twin is None else twin.id

    async def add_array(
        self,
        fill: Callable[[Ledger, int, str], None],
        *,
        plan: Plan | None,
        client_key: str | None,
        **columns: Any,
    ) -> int:
        """Id of a new array, or graph, with these columns, that `fill` has put jobs into (ledger, its id, their cause); the same one for the same key.

        Raises Refusal where the jobs' secrets cannot be kept.
        """
        cause = _request()

        def create(ledger: Ledger) -> int:
            known = None if not client_key else arrays.with_key(ledger.connection, client_key)
            if known is not None:
                return known.id
            array_id = arrays.add(
                ledger.connection, plan=plan, client_key=client_key, created_unix=ledger.now, **columns
            )
            fill(ledger, array_id, cause)
            last = arrays.members(ledger.connection, array_id)[-1]
            ledger.orders.append(Order(instruction=mm.Admit(cause=cause), managed_job_id=last))
            return array_id

        return await self._submitted(create)

    async def _submitted(self, create: Callable[[Ledger], int]) -> int:
        """What `create` returns, once it is on disk."""
        try:
            made = await self._services.apply(create, patient=False)
        except SecretsUnreadable as error:
            raise Refusal(str(error), "state") from error
        await self._services.boundary("submit:committed")
        return made

    async def check(self, asked: JobRequest) -> None:
        """What it asks besides machines can be had. Raises Refusal."""
        check_secrets(asked.task, asked.secrets)
        await self._check_place(asked)

    def insert(self, ledger: Ledger, asked: JobRequest, chosen: Plan, cause: str, **columns: Any) -> int:
        """The id of a new job that waits in the queue, in the ledger's transaction. `columns` are further ones of its row."""
        name = asked.name or asked.task.name or "job"
        job_id = rows.insert_managed_job(
            ledger.connection,
            name=name,
            state="PENDING",
            task=asked.task,
            strategy=asked.task.job_recovery.strategy,
            hourly_usd=chosen.hourly_usd,
            options=asked.options(),
            created_unix=ledger.now,
            rehearse=int(asked.rehearse),
            priority=asked.task.priority,
            not_before_unix=asked.not_before_unix,
            budget_usd=asked.task.budget_usd,
            share=asked.share or asked.task.share,
            **columns,
        )
        uri = f"file://{self._services.path('checkpoints', str(job_id))}"
        rows.update_managed_job(ledger.connection, job_id, checkpoint_uri=uri)
        self._services.vault.put(ledger.connection, job_id, asked.secrets)
        subject = f"job/{job_id}"
        ledger.record(subject, "submitted", cause, {"name": name}, managed_job_id=job_id)
        ledger.record_planned(subject, chosen.candidates[0], cause, managed_job_id=job_id)
        return job_id

    def limits(self) -> Limits:
        """A person's limits. Raises Refusal when they cannot be understood."""
        try:
            return self._managed.limits()
        except LimitsError as error:
            raise Refusal(str(error), "state", "mend the file") from error

    def _check_cap(self, plan: Plan) -> None:
        cap = self.limits().max_hourly_cost
        if cap is not None and plan.hourly_usd > cap * (1 + 1e-9):
            raise Refusal(
                f"the job costs {plan.hourly_usd:.4g} USD/h, and limits.yaml allows {cap:g} USD/h for everything together",
                "price",
                "raise it with `tradewind config set max_hourly_cost`, or ask for less",
            )

    async def _check_place(self, asked: JobRequest) -> None:
        """The place that the task names for its checkpoints can be used from here, and is no other job's."""
        uri = asked.task.checkpoint
        if uri is None or asked.rehearse:
            return
        other = self._services.store.read(lambda c: waiting.writes_to(c, uri))
        if other is not None:
            raise Refusal(
                f"managed job {other} keeps its checkpoints at {uri}, and two would overwrite each other's",
                "state",
                f"name another place, or end that one with `tradewind jobs cancel {other}`",
            )
        try:
            await asyncio.to_thread(self._services.places.probe, uri)
        except BucketError as error:
            raise Refusal(f"the checkpoints cannot be kept at {error}", "request") from error

    def check_room(self, plan: Plan, *, rehearse: bool) -> None:
        """A cluster of this plan fits under the person's cap with everything that is up. Raises Refusal."""
        cap = self.limits().max_hourly_cost
        if cap is None:
            return
        live = self._services.store.read(rows.clusters)
        now = sum(float(row.hourly_usd) for row in live if row.options.rehearse == rehearse and row.state in COSTING)
        if now + plan.hourly_usd > cap * (1 + 1e-9):
            raise Refusal(
                f"the cluster costs {plan.hourly_usd:.4g} USD/h beside {now:.4g} USD/h that run, and limits.yaml allows {cap:g} USD/h for everything together",
                "price",
                "raise it with `tradewind config set max_hourly_cost`, or ask for less",
            )

    # -- changes ----------------------------------------------------------------------------------------------------------------------

    async def change(self, job_id: int, change: Change) -> None:
        """The job is on its way to what is asked. Raises Refusal where its state does not allow it."""
        cause = _request()

        def apply(ledger: Ledger) -> None:
            row = rows.managed_job(ledger.connection, job_id)
            if row is None:
                raise Refusal(f"there is no managed job {job_id}", "not_found", "`tradewind jobs queue` lists them")
            try:
                ledger.managed_event(job_id, _EVENTS[change](cause))
            except IllegalMove as error:
                raise Refusal(f"managed job {job_id} is {row.state} already; {_CANNOT[change]}", "state") from error

        await self._services.apply(apply, patient=False)

    async def change_array(self, array_id: int, change: Change) -> Changed:
        """Every job of the array whose state allows it is on its way to what is asked. Raises Refusal when there is no such array."""
        self.array(array_id)
        cause = _request()

        def apply(ledger: Ledger) -> Changed:
            changed = left = 0
            for job_id in arrays.members(ledger.connection, array_id):
                try:
                    ledger.managed_event(job_id, _EVENTS[change](cause))
                    changed += 1
                except IllegalMove:
                    left += 1
            return Changed(changed, left)

        return await self._services.apply(apply, patient=False)

    # -- looking ----------------------------------------------------------------------------------------------------------------------

    def array(self, array_id: int) -> ArrayRow:
        """An array. Raises Refusal."""
        row = self._services.store.read(lambda c: arrays.array(c, array_id))
        if row is None:
            raise Refusal(f"there is no array {array_id}", "not_found", "`tradewind jobs queue --all` lists them")
        return row

    def array_view(self, row: ArrayRow) -> dict[str, Any]:
        """An array with its progress."""
        counts = self._services.store.read(lambda c: listing.counts(c, array_id=row.id))
        ended = sum(count for state, count in counts.items() if state in mm.FINAL)
        return {**msgspec.to_builtins(row), "states": counts, "ended": ended, "succeeded": counts.get("SUCCEEDED", 0)}

    def list_jobs(self, chosen: listing.Filter) -> list[dict[str, Any]]:
        """The chosen jobs, each with what it waits for."""
        found = self._services.store.read(lambda c: listing.managed_jobs(c, chosen))
        pending = [
            waiting.Waiting(one.id, one.priority, one.array_id, one.hourly_usd, one.rehearse)
            for one in found
            if one.state == "PENDING" and not one.waits_on
        ]
        sentences = self._sentences(pending, {one.id: one.not_before_unix for one in found})
        sentences |= {one.id: self._waits_on(one.id) for one in found if one.state == "PENDING" and one.waits_on}
        views = []
        for one in found:
            view: dict[str, Any] = msgspec.to_builtins(one)
            view["waiting_for"] = sentences.get(one.id, one.waiting_for)
            views.append(view)
        return views

    def waiting_for(self, row: ManagedJobRow) -> str:
        """What a job waits for in the queue; "" when it is not there."""
        if row.state != "PENDING":
            return ""
        if row.waits_on:
            return self._waits_on(row.id)
        one = waiting.Waiting(row.id, row.priority, row.array_id, row.hourly_usd, row.rehearse)
        return self._sentences([one], {row.id: row.not_before_unix})[row.id]

    def _waits_on(self, job_id: int) -> str:
        return graphs.waiting_sentence(self._services.store.read(lambda c: graphs.unmet(c, job_id)))

    def _sentences(self, pending: Sequence[waiting.Waiting], starts: dict[int, float | None]) -> dict[int, str]:
        if not pending:
            return {}
        try:
            limits = self._managed.limits()
        except LimitsError as error:
            return {one.id: f"limits that can be understood: {error}" for one in pending}
        now = self._services.store.read(lambda c: situation(c, pending, self._managed.spent))
        unix = self._services.now()
        return {
            one.id: waiting_sentence(one, now, limits, not_before_unix=starts.get(one.id), unix=unix) for one in pending
        }


def _request() -> str:
    return f"request/{uuid.uuid4().hex[:8]}"


def _same(twin: ManagedJobRow, asked: JobRequest) -> ManagedJobRow:
    """The job that was submitted under this key, if it is the one that is asked for again."""
    # the branch of a repository may have moved meanwhile
    if msgspec.structs.replace(twin.task, git=None) != msgspec.structs.replace(asked.task, git=None):
        raise Refusal(
            f"the client key was used for managed job {twin.id}, whose task is another one", "state", "use a new key"
        )
    return twin


def check_secrets(task: Task, given: Mapping[str, str]) -> None:
    """Every secret that the task names is given, no other, each can be kept out of logs, as an empty one is, and a process can hold them. Raises Refusal."""
    missing = [name for name in task.secrets if name not in given]
    if missing:
        names = " ".join(f"--secret {name}" for name in missing)
        raise Refusal(f"the task's secrets {', '.join(missing)} were not given", "request", f"give them with {names}")
    extra = sorted(set(given) - set(task.secrets))
    if extra:
        raise Refusal(f"the task names no secret {extra[0]}", "request", "add it to the task's `secrets`")
    if why := too_large({**task.envs, **given}):
        raise Refusal(f"the task's envs and secrets: {why}", "request")
    short = [name for name, value in given.items() if 0 < len(value) < SHORTEST or "\0" in value]
    if short:
        raise Refusal(
            f"the secret {short[0]} is shorter than {SHORTEST} characters or holds a NUL: it could not be kept out of logs",
            "request",
        )

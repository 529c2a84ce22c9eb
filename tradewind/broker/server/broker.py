"""The broker: every driver over one record. What the API calls, and what goes on by itself."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping

import msgspec

from tradewind.broker.jobs.bill import Bill, make_bill
from tradewind.broker.jobs.budget_watch import BudgetWatch
from tradewind.broker.jobs.driver import ManagedJobs, missing_files
from tradewind.broker.jobs.market_watch import MarketWatch
from tradewind.broker.jobs.planning import LOCAL, CatalogPlanner
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle import cluster_job as jm
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.observe.figures import Figures
from tradewind.broker.observe.observer import Observer
from tradewind.broker.provider import Provider, ProviderError
from tradewind.broker.provision.boundary import Boundary, no_boundary
from tradewind.broker.provision.driver import ClusterDriver
from tradewind.broker.provision.gang import TAG_OWNER, tags_of
from tradewind.broker.provision.git_source import GitError
from tradewind.broker.provision.job_log import LogBook
from tradewind.broker.provision.market import MarketDesk
from tradewind.broker.provision.release import end_strays
from tradewind.broker.provision.services import Clock, Services, log
from tradewind.broker.provision.signal import Signal
from tradewind.broker.server.desk import JobDesk, check_secrets
from tradewind.broker.server.graph_desk import GraphDesk
from tradewind.broker.server.plan_desk import PlanDesk, check_built
from tradewind.broker.server.requests import JobRequest, LaunchRequest, Refusal
from tradewind.broker.server.way_back import LOST, way_back
from tradewind.broker.store import rows, waiting
from tradewind.broker.store.database import Store
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.mending import mend
from tradewind.broker.store.orders import Order
from tradewind.broker.store.records import ClusterRow, JobRow, ManagedJobRow, Options
from tradewind.broker.store.vault import SecretsUnreadable
from tradewind.spec.task import Task

RECONCILED = "reconciliation"
FEW_DRIVERS = 64


class Broker:
    """All that one daemon does. Made inside a running loop; `start` adopts what an earlier one left."""

    def __init__(
        self,
        store: Store,
        providers: Mapping[str, Provider],
        planner: CatalogPlanner,
        *,
        clock: Clock = time.time,
        meter: Clock | None = None,
        boundary: Boundary = no_boundary,
        gang_hold_s: float = 60.0,
    ) -> None:
        self.store = store
        self.planner = planner
        self.services = Services(store, providers, clock=clock, meter=meter, boundary=boundary, gang_hold_s=gang_hold_s)
        self.services.dispatch = self._dispatch
        self.logs = LogBook(self.services.path("logs"))
        self.changed = Signal()
        self._market = MarketDesk(planner.hold_times)
        self._drivers: dict[int, ClusterDriver] = {}
        self._crowded = FEW_DRIVERS
        self._managed = ManagedJobs(self.services, planner)
        self.markets = MarketWatch(self.services, self._managed)
        self._budgets = BudgetWatch(self.services, self._managed)
        self.plans = PlanDesk(self.services, planner)
        self.desk = JobDesk(self.services, self._managed, self.plans.to_buy)
        self.figures = Figures(self.services.usage)
        self.observer = Observer(self.services, self.changed, self.figures)
        self.graphs = GraphDesk(self.desk, planner, self.plans.to_buy)
        self._loop = asyncio.get_running_loop()
        self._unlisten = store.listen(self._on_commit)

    # -- its own life -----------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Everything the record says is alive is driven again, and what no record owns has been ended."""
        for told in await self.services.apply(lambda ledger: mend(ledger, self._tags), patient=False):
            log.error("%s", told)
        used = self.store.read(rows.clouds_used)
        await self._end_strays([LOCAL])
        for cloud in used:
            if cloud != LOCAL:  # clouds may take their time to answer; nobody waits for that
                self.services.spawn(self._end_strays([cloud]), f"strays-{cloud}")
        for row in self.store.read(rows.clusters):
            self._driver(row.id).resume(RECONCILED)
        self._managed.resume(RECONCILED)
        self._budgets.start()
        self.markets.start()
        self.services.spawn(self.observer.run(), "observer")

    def _tags(self, cluster_key: str, instance_id: str) -> dict[str, str]:
        return tags_of(self.store.owner, cluster_key, instance_id)

    def _on_commit(self) -> None:
        self._loop.call_soon_threadsafe(self.changed.notify)

    async def _end_strays(self, clouds: list[str]) -> None:
        def known() -> set[str]:
            return {row.id for row in self.store.read(rows.live_instances)}

        try:
            await end_strays(self.services, {TAG_OWNER: self.store.owner}, known, clouds=clouds)
        except ProviderError as error:
            log.warning("looking for instances that no record owns: %s", error)

    def is_idle(self) -> bool:
        """Whether nothing is alive and nothing waits: what has failed or was taken only waits to be looked at."""
        if self.store.read(rows.any_live_instance):
            return False
        if self.store.read(waiting.any_unfinished):
            return False
        return not self.store.read(rows.any_busy_cluster)

    async def stop(self) -> None:
        """Let go of everything; clusters and jobs go on without a daemon."""
        self._managed.stop()
        for driver in self._drivers.values():
            await driver.close()
        await self.services.stop()
        self._unlisten()
        self.planner.close()

    def _dispatch(self, order: Order) -> None:
        if order.cluster_id is not None:
            self._driver(order.cluster_id).carry_out(order)
            self._forget_gone()
        elif order.managed_job_id is not None:
            self._managed.carry_out(order.managed_job_id, order.instruction)

    def _forget_gone(self) -> None:
        """Drop the drivers of clusters of which nothing is left; looked for only once they may be half of all, so that orders stay cheap."""
        if len(self._drivers) < self._crowded:
            return
        for cluster_id in [known for known, driver in self._drivers.items() if driver.is_over]:
            del self._drivers[cluster_id]
        self._crowded = max(FEW_DRIVERS, 2 * len(self._drivers))

    def driver(self, cluster_id: int) -> ClusterDriver:
        """Whoever drives that cluster."""
        return self._driver(cluster_id)

    def _driver(self, cluster_id: int) -> ClusterDriver:
        driver = self._drivers.get(cluster_id)
        if driver is None:
            driver = ClusterDriver(self.services, cluster_id, self.logs, self._market)
            self._drivers[cluster_id] = driver
        return driver

    # -- clusters ---------------------------------------------------------------------------------------------------------------------

    async def launch(self, asked: LaunchRequest) -> tuple[str, int]:
        """Name of the cluster and id of the job: a new cluster is on its way, or a cluster that is up has a new job.

        One that has failed or was taken is ended, and made anew. Raises Refusal.
        """
        asked = msgspec.structs.replace(asked, task=await self.pinned(asked.task))
        name = asked.cluster or asked.task.name or f"tw-{uuid.uuid4().hex[:6]}"
        existing = self.store.read(lambda c: rows.cluster_named(c, name))
        lost = existing is not None and existing.state in LOST and existing.managed_job_id is None
        if existing is not None and existing.state != "TERMINATED" and not lost:
            job_id = await self._add_job(existing, asked.task, asked.secrets, with_setup=True)
            await self._renew(existing, asked)
            return name, job_id
        check_secrets(asked.task, asked.secrets)
        plan = await self.plans.to_buy(asked)
        self.desk.check_room(plan, rehearse=asked.rehearse)
        if lost:
            await self.down(name)
        cause = f"request/{uuid.uuid4().hex[:8]}"

        def create(ledger: Ledger) -> int:
            known = rows.cluster_named(ledger.connection, name)
            if known is not None and known.state != "TERMINATED":
                raise Refusal(f"the cluster {name} is being launched by someone else", "state", "try again")
            cluster_id = ledger.create_cluster(
                name=name, task=asked.task, candidates=plan.candidates, options=asked.options(), cause=cause
            )
            cluster = rows.cluster(ledger.connection, cluster_id)
            assert cluster is not None, "it has just been written"
            job_id = ledger.create_job(cluster, asked.task, cause=cause)
            self.services.vault.put(ledger.connection, (cluster_id, job_id), asked.secrets)
            return job_id

        job_id = await self._applied(create)
        await self.services.boundary("submit:committed")
        return name, job_id

    async def _renew(self, cluster: ClusterRow, asked: LaunchRequest) -> None:
        """What a further launch says of autostop holds from now on, and its ports are open too. Raises Refusal."""
        wanted = {port for one in asked.task.resources for run in one.ports for port in range(run.first, run.last + 1)}
        await self.open_ports(cluster, wanted.difference(cluster.open_ports))
        if asked.task.autostop is None:
            return
        new = asked.options()
        await self.change_options(
            cluster,
            lambda old: msgspec.structs.replace(
                old,
                autostop_min=new.autostop_min,
                autostop_down=new.autostop_down,
                autostop_wait_for=new.autostop_wait_for,
                autostop_set_unix=self.services.now(),
            ),
        )

    async def open_ports(self, cluster: ClusterRow, ports: Collection[int]) -> None:
        """The world reaches these TCP ports of the cluster, besides those that are open. Raises Refusal."""
        if not ports:
            return
        live = self.store.read(lambda c: rows.instances_of(c, cluster.id, tries=cluster.tries))
        by_cloud: dict[str, list[str]] = defaultdict(list)
        for one in live:
            by_cloud[one.provider].append(one.provider_id)
        try:
            for cloud, ids in by_cloud.items():
                await self.services.providers[cloud].open_ports(ids, sorted(ports))
        except ProviderError as error:
            raise Refusal(str(error), "state") from error
        await self.change_options(
            cluster, lambda old: msgspec.structs.replace(old, ports=tuple(sorted({*old.ports, *ports})))
        )

    async def change_options(self, cluster: ClusterRow, change: Callable[[Options], Options]) -> None:
        """The cluster's options are what `change` makes of them as they are then."""

        def write(ledger: Ledger) -> None:
            now = rows.cluster(ledger.connection, cluster.id)
            if now is not None:
                rows.update_cluster(ledger.connection, cluster.id, options=change(now.options))

        await self.services.apply(write, patient=False)

    async def execute(self, name: str, task: Task, secrets: Mapping[str, str] | None = None) -> int:
        """Id of a job that runs on the cluster without set-up. Raises Refusal."""
        return await self._add_job(self.cluster(name), await self.pinned(task), secrets or {}, with_setup=False)

    async def pinned(self, task: Task) -> Task:
        """The task with its repository, if that is its work directory, at the commit that is meant now. Raises Refusal."""
        if task.git is None:
            return task
        try:
            return msgspec.structs.replace(task, git=await self.services.repositories.pin(task.git))
        except GitError as error:
            raise Refusal(str(error), "request") from error

    async def _applied(self, work: Callable[[Ledger], int]) -> int:
        """What `work` returns, once it is on disk. Raises Refusal, also where secrets cannot be kept."""
        try:
            return await self.services.apply(work, patient=False)
        except SecretsUnreadable as error:
            raise Refusal(str(error), "state") from error

    async def _add_job(self, cluster: ClusterRow, task: Task, secrets: Mapping[str, str], *, with_setup: bool) -> int:
        check_built(task, "exec")
        check_secrets(task, secrets)
        missing = missing_files(task)
        if missing:
            raise Refusal(missing, "request")
        if task.num_nodes > cluster.task.num_nodes:
            raise Refusal(
                f"the task wants {task.num_nodes} nodes and {cluster.name} has {cluster.task.num_nodes}",
                "state",
                "launch it on a cluster of its own",
            )
        cause = f"request/{uuid.uuid4().hex[:8]}"

        def add(ledger: Ledger) -> int:
            now = rows.cluster(ledger.connection, cluster.id)
            if now is None or now.state != "UP" or now.managed_job_id is not None:
                state = "gone" if now is None else now.state
                belongs = "" if now is None or now.managed_job_id is None else " and belongs to a managed job"
                raise Refusal(
                    f"the cluster {cluster.name} is {state}{belongs}; a job needs one that is UP and your own",
                    "state",
                    way_back(cluster.name, state),
                )
            job_id = ledger.create_job(now, task, cause=cause, with_setup=with_setup)
            self.services.vault.put(ledger.connection, (now.id, job_id), secrets)
            ledger.orders.append(Order(instruction=cm.StartNextJob(cause=cause), cluster_id=cluster.id))
            return job_id

        return await self._applied(add)

    def cluster(self, name: str) -> ClusterRow:
        """The newest cluster of that name. Raises Refusal when there was never one."""
        row = self.store.read(lambda c: rows.cluster_named(c, name))
        if row is None:
            raise Refusal(f"there is no cluster {name}", "not_found", "`tradewind status` lists them")
        return row

    async def down(self, name: str) -> ClusterRow:
        """The cluster once nothing of it is left; for a managed job's cluster the job is cancelled. Raises Refusal."""
        row = self.cluster(name)
        cause = f"request/{uuid.uuid4().hex[:8]}"

        def end(ledger: Ledger) -> None:
            now = rows.cluster(ledger.connection, row.id)
            if now is None or now.state in {"TERMINATING", "TERMINATED"}:
                return
            owner = None if now.managed_job_id is None else rows.managed_job(ledger.connection, now.managed_job_id)
            if owner is not None and owner.state not in mm.FINAL and owner.state != "CANCELLING":
                ledger.managed_event(owner.id, mm.CancelRequested(cause=cause))
            else:
                ledger.cluster_event(row.id, cm.DownRequested(cause=cause))

        await self.services.apply(end, patient=False)
        while True:
            seen = self.changed.count
            now = self.store.read(lambda c: rows.cluster(c, row.id))
            if now is None or now.state == "TERMINATED":
                return now or row
            await self.changed.wait(seen)

    def job(self, name: str, job_id: int) -> tuple[ClusterRow, JobRow]:
        """A job of the newest cluster of that name. Raises Refusal."""
        cluster = self.cluster(name)
        job = self.store.read(lambda c: rows.job(c, cluster.id, job_id))
        if job is None:
            raise Refusal(f"{name} has no job {job_id}", "not_found", f"`tradewind status {name}` lists its jobs")
        return cluster, job

    async def cancel_job(self, name: str, job_id: int) -> None:
        """The job is on its way to CANCELLED. Raises Refusal when it has ended."""
        cluster, _ = self.job(name, job_id)
        cause = f"request/{uuid.uuid4().hex[:8]}"

        def cancel(ledger: Ledger) -> None:
            now = rows.job(ledger.connection, cluster.id, job_id)
            if now is None or now.state in jm.FINAL:
                state = "gone" if now is None else now.state
                raise Refusal(f"job {job_id} on {name} is {state} already; there is nothing to cancel", "state")
            if now.managed_job_id is not None:
                ledger.managed_event(now.managed_job_id, mm.CancelRequested(cause=cause))
            else:
                ledger.job_event(cluster.id, job_id, jm.CancelRequested(cause=cause))

        await self.services.apply(cancel, patient=False)

    # -- managed jobs -----------------------------------------------------------------------------------------------------------------

    async def submit(self, asked: JobRequest) -> int:
        """Id of the managed job; the same one for the same client key. Raises Refusal."""
        return await self.desk.submit(msgspec.structs.replace(asked, task=await self.pinned(asked.task)))

    def managed_job(self, job_id: int) -> ManagedJobRow:
        """A managed job. Raises Refusal."""
        try:
            row = self.store.read(lambda c: rows.managed_job(c, job_id))
        except msgspec.DecodeError as error:
            why = f"what the record has of managed job {job_id} is damaged: {error}"
            raise Refusal(why, "state", "`tradewind jobs queue --all` shows the rest of it") from error
        if row is None:
            raise Refusal(f"there is no managed job {job_id}", "not_found", "`tradewind jobs queue` lists them")
        return row

    async def cancel_managed(self, job_id: int) -> None:
        """The managed job is on its way to CANCELLED. Raises Refusal when it has ended."""
        await self.desk.change(job_id, "cancel")

    def bill(self, job_id: int) -> Bill:
        """What the managed job has cost so far. Raises Refusal."""
        row = self.managed_job(job_id)
        facts = self.store.read(lambda c: rows.events(c, managed_job_id=job_id, kinds=("launched", "ended")))
        try:
            plan = self.store.read(lambda c: rows.plan(c, job_id))
        except msgspec.DecodeError as error:
            why = (
                f"the plan of managed job {job_id}, which says what on demand costs, is damaged in the record: {error}"
            )
            raise Refusal(why, "state", "`tradewind cost-report` shows what was spent") from error
        return make_bill(facts, plan, rehearsed=row.options.rehearse, now=self.services.metered())

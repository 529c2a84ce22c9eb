"""Drives one cluster: carries out what its machine and its jobs' machines order, and tells them what it sees.

One piece of exclusive work at a time (provision, bootstrap, attach or release); a new one waits for the old one's cancellation. Everything
it does may be done again: it is what a restarted daemon does too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from tradewind import __version__
from tradewind.agent import protocol
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle import cluster_job as jm
from tradewind.broker.lifecycle.machine import IllegalMove
from tradewind.broker.provider import ProviderError
from tradewind.broker.provision import bootstrap as boot
from tradewind.broker.provision.agent_client import AgentClient, AgentError
from tradewind.broker.provision.baggage import announce
from tradewind.broker.provision.gang import provision
from tradewind.broker.provision.job_log import LogBook
from tradewind.broker.provision.job_runner import CANCEL_GRACE_S, SWEEP_GRACE_S, JobRunner, hooks_of
from tradewind.broker.provision.market import MarketDesk
from tradewind.broker.provision.node import Node
from tradewind.broker.provision.refill import refill, standing
from tradewind.broker.provision.relay import RelayError
from tradewind.broker.provision.release import FIRST_RETRY_S, MAX_RETRY_S, release
from tradewind.broker.provision.services import Services, log
from tradewind.broker.provision.watch import Watch
from tradewind.broker.store import rows
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.orders import Order
from tradewind.broker.store.records import ClusterRow, InstanceRow
from tradewind.spec.settings import HookEvent

END_TIMEOUT_S = 15.0
RELEASE_RETRY_S = 5.0
LAST_CHANCE_S = 5.0  # before the last bootstrap: what passes, a full disk or a package index that is away, shall not fail all of them at once
REACH_AGAIN_S = 30.0  # an instance that has been reached before need not boot first
UNREACHED = frozenset(
    {"SshUnreachable", "SshRefused", "HostKeyChanged"}
)  # what the machine printed while it booted may say why
_TROUBLE = (AgentError, ProviderError, RelayError, boot.BootstrapError, TimeoutError, OSError)


async def together(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """All of them are done, or one has failed and none goes on."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class ClusterDriver:
    """The shell around one cluster's machine."""

    def __init__(self, services: Services, cluster_id: int, logs: LogBook, market: MarketDesk) -> None:
        self.services = services
        self.cluster_id = cluster_id
        self.nodes: dict[str, Node] = {}
        self._market = market
        self._watch = Watch(services, cluster_id, self.nodes, lambda row: self._connected(row, start=False))
        self._jobs = JobRunner(services, cluster_id, self.nodes, logs)
        self._work: asyncio.Task[None] | None = None
        self.is_over = False  # nothing is left of the cluster, and nothing will be

    # -- orders -----------------------------------------------------------------------------------------------------------------------

    def carry_out(self, order: Order) -> None:
        """Begin what the order says."""
        instruction = order.instruction
        cause = instruction.cause
        match instruction:
            case cm.Provision():
                self._begin(lambda: self._provision(instruction, cause), "provision")
            case cm.Bootstrap():
                self._begin(lambda: self._bootstrap(instruction.incarnation, cause), "bootstrap")
            case cm.Refill():
                self._begin(lambda: self._refill(cause), "refill")
            case cm.Release():
                self._begin(lambda: self._release(cause), "release")
            case cm.Stop():
                self._begin(lambda: self._stop(cause), "stop")
            case cm.StartNextJob():
                self.services.spawn(self._jobs.start_next(cause), "start-next-job")
            case _:
                assert order.job_id is not None, f"{type(instruction).__name__} is about a job"
                self._jobs.carry_out(order.job_id, instruction)

    def resume(self, cause: str) -> None:
        """Go on from what the record says, after the daemon was away."""
        row = self._row()
        if row.state == "UP":
            self._begin(lambda: self._attach(cause), "attach")
            return
        for instruction in cm.resume(row.machine(), cause):
            self.carry_out(Order(instruction=instruction, cluster_id=self.cluster_id))

    def _begin(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        before = self._work

        async def run() -> None:
            if before is not None and not before.done():
                before.cancel()
                await asyncio.wait([before])
            try:
                await work()
            except IllegalMove as late:
                log.info("cluster %d: %s came too late: %s", self.cluster_id, name, late)
            except Exception:
                # A bug here must not take the daemon with it; the row keeps its state and `down` still works.
                log.exception("cluster %d: %s failed", self.cluster_id, name)

        self._work = self.services.spawn(run(), f"{name}-{self.cluster_id}")

    def _row(self) -> ClusterRow:
        row = self.services.store.read(lambda c: rows.cluster(c, self.cluster_id))
        assert row is not None, "a driver's cluster has a row"
        return row

    def _instances(self, row: ClusterRow) -> list[InstanceRow]:
        return self.services.store.read(lambda c: rows.instances_of(c, row.id, tries=row.tries))

    def _gang(self, row: ClusterRow) -> list[InstanceRow]:
        """Its nodes; those of an elastic gang that are left, with the ranks that they have from now on: 0 and up, in the order they had."""
        instances = self._instances(row)
        if not row.is_elastic:
            return instances
        return [msgspec.structs.replace(one, rank=rank) for rank, one in enumerate(standing(instances))]

    # -- provision --------------------------------------------------------------------------------------------------------------------

    async def _provision(self, order: cm.Provision, cause: str) -> None:
        try:
            await provision(self.services, self.cluster_id, order, self._tell_agent)
        except IllegalMove:
            raise
        except Exception as error:
            # A bug, not a refusal: other places would meet it too. The cluster fails and what it has is released.
            log.exception("cluster %d: provisioning failed", self.cluster_id)
            failed = cm.PlacesExhausted(cause=cause, why=f"provisioning failed: {type(error).__name__}: {error}")
            await self.services.apply(lambda ledger: ledger.cluster_event(self.cluster_id, failed))

    # -- bootstrap --------------------------------------------------------------------------------------------------------------------

    async def _bootstrap(self, incarnation: int, cause: str) -> None:
        cluster = self._row()
        if cluster.state != "BOOTSTRAPPING" or cluster.incarnation != incarnation:
            return
        instances = self._gang(cluster)
        for row in instances:
            self._watch.watch_instance(row)
        try:
            self._watch.announce(await self._market.arm(self.services, cluster, instances))
            await self._make_cluster(cluster, instances)
        except IllegalMove:
            raise
        except Exception as error:
            if not isinstance(error, _TROUBLE):
                log.exception("cluster %s: bootstrap failed in an unexpected way", cluster.name)
            why = str(error) or f"{type(error).__name__} while its nodes were set up"
            if await self._watch.look_for_losses(instances):
                return  # the loss is the reason, and its event is on its way
            log.warning("cluster %s: bootstrap failed: %s", cluster.name, why)
            final = boot.is_final(error, instances[0].provider, own_image=cluster.asked.image is not None)
            broken = boot.is_broken(error)
            if broken:  # here, so that what watches these connections does not count the same loss again
                for row in instances:
                    await self._drop(row.id)
            if cluster.bootstrap_failures + 2 == cm.MAX_BOOTSTRAP_FAILURES and not final:
                await asyncio.sleep(LAST_CHANCE_S)
            failed = cm.BootstrapFailed(cause=cause, incarnation=incarnation, why=why, final=final, broken=broken)
            await self.services.apply(lambda ledger: ledger.cluster_event(self.cluster_id, failed))
            return
        await self.services.boundary("bootstrap:done")
        done = cm.BootstrapDone(cause=cause, incarnation=incarnation)
        await self.services.apply(lambda ledger: ledger.cluster_event(self.cluster_id, done))

    async def _make_cluster(self, cluster: ClusterRow, instances: list[InstanceRow]) -> None:
        incarnation = f"{cluster.key}-{cluster.incarnation}"
        await boot.open_ports(self.services, cluster, instances)
        self.services.spawn(announce(self.services, cluster, cluster.task, "bootstrap"), "announce-files")
        head: asyncio.Future[protocol.RuntimeHead] = asyncio.get_running_loop().create_future()

        async def one(row: InstanceRow) -> None:
            node = await self._connected(row, start=True)
            if cluster.incarnation > 1:
                await self._jobs.sweep(node, CANCEL_GRACE_S if cluster.is_elastic else SWEEP_GRACE_S)
            await self._rank(node, row.rank)
            works = [boot.prepare_node(node, cluster, instances, self.services)]
            if row.rank == 0:
                works.append(self._head(node, incarnation, head))
            await together(works)
            await boot.start_node(node, incarnation, await asyncio.shield(head))
            await self.services.boundary("bootstrap:nodes")

        try:
            await together([one(row) for row in instances])
        finally:
            if head.done() and not head.cancelled():
                head.exception()  # every waiter has been told, or none was left to tell
            head.cancel()

    async def _rank(self, node: Node, rank: int) -> None:
        """The node has this rank from now on."""
        if node.rank != rank:
            await self.services.apply(lambda ledger: rows.update_instance(ledger.connection, node.row.id, rank=rank))
            node.row = msgspec.structs.replace(node.row, rank=rank)

    async def _head(self, node: Node, incarnation: str, head: asyncio.Future[protocol.RuntimeHead]) -> None:
        try:
            answer = await boot.start_head(node, incarnation)
        except Exception as error:
            if not head.done():
                head.set_exception(error)
            raise
        await self.services.boundary("bootstrap:head")
        if not head.done():
            head.set_result(answer)

    async def _connected(self, row: InstanceRow, *, start: bool) -> Node:
        known = self.nodes.get(row.id)
        if known is not None:
            try:
                await boot.call(known.client, protocol.ListJobs(), 5.0)
            except _TROUBLE:
                await self._drop(row.id)
            else:
                return known
        await self.services.boundary("bootstrap:connect")
        try:
            async with asyncio.timeout(REACH_AGAIN_S if row.agent_seq else None):
                transport, client = await boot.reach_agent(self.services.providers[row.provider], row, start=start)
        except TimeoutError as error:
            raise TimeoutError(f"{row.id} cannot be reached any more") from error
        except ProviderError as error:
            if start and error.code in UNREACHED:
                kept = await boot.keep_console(self.services, row)
                raise boot.BootstrapError(f"{error.message}{kept}") from error
            raise
        try:
            await self._same_agent(row, client)
        except BaseException:
            await client.close()
            await transport.close()
            raise
        fresh = self.services.store.read(lambda c: rows.instance(c, row.id)) or row
        node = Node(fresh, transport, client)
        self.nodes[row.id] = node
        self._jobs.collect_unfinished(
            node
        )  # before its events: one of them may be a job's end, after which the instance goes
        self._watch.watch_node(node)
        await self.services.boundary("bootstrap:agent-started")
        return node

    async def _same_agent(self, row: InstanceRow, client: AgentClient) -> None:
        """What is known of the agent's events is of this agent: one whose disk is new counts from 1 again."""
        async with asyncio.timeout(boot.ORDER_TIMEOUT_S):
            welcome = await client.hello(__version__)

        def forget(ledger: Ledger) -> None:
            known = rows.instance(ledger.connection, row.id)
            if known is not None and welcome.last_seq < known.agent_seq:
                rows.update_instance(ledger.connection, row.id, agent_seq=0)

        await self.services.apply(forget)

    async def _drop(self, instance_id: str) -> None:
        node = self.nodes.pop(instance_id, None)
        if node is not None:
            await node.close()

    # -- attach: a restarted daemon finds a cluster that is up ------------------------------------------------------------------------

    async def _attach(self, cause: str) -> None:
        cluster = self._row()
        instances = self._gang(cluster)
        for row in instances:
            self._watch.watch_instance(row)
        if await self._watch.look_for_losses(instances):
            return
        self._watch.announce(await self._market.arm(self.services, cluster, instances))
        results = await asyncio.gather(
            *(self._connected(row, start=False) for row in instances), return_exceptions=True
        )
        for row, result in zip(instances, results, strict=True):
            if isinstance(result, _TROUBLE):
                unreached = isinstance(result, ProviderError | TimeoutError)
                await self._watch.agent_gone(row.id, str(result), unreached=unreached)
            elif isinstance(result, BaseException):
                raise result
        await asyncio.gather(*(self._jobs.sweep(node) for node in list(self.nodes.values())), return_exceptions=True)
        self._jobs.resume(cause)
        await self._refill(cause)

    # -- refill: an elastic gang gets its lost nodes back -----------------------------------------------------------------------------

    async def _refill(self, cause: str) -> None:
        async def ready(row: InstanceRow) -> None:
            """Agent and files stand there, so that the others stop for the last step only."""
            self._watch.watch_instance(row)
            node = await self._connected(row, start=True)
            with self.services.copies.of(self.cluster_id) as told:
                await boot.put_files(node, self._row().task, self.services.repositories, told)

        await refill(self.services, self.cluster_id, cause, ready)

    # -- stop -------------------------------------------------------------------------------------------------------------------------

    async def _stop(self, cause: str) -> None:
        """Every instance is stopped at its cloud and in the record, or one cannot be and all run on."""
        self._watch.stop()
        running = [row for row in self._instances(self._row()) if row.state == "RUNNING"]
        await asyncio.gather(*(self._tell_agent(row.id) for row in running))
        delay = FIRST_RETRY_S
        await self.services.boundary("stop:before")
        while running:
            self.services.store.check()
            try:
                await asyncio.gather(*(self.services.providers[row.provider].stop(row.provider_id) for row in running))
            except ProviderError as error:
                refused = self.services.providers[running[0].provider].classify(error)
                if refused.kind not in {"transient", "throttle"}:
                    await self._stop_refused(cause, str(error))
                    return
                log.warning("stopping cluster %d: %s; trying again in %.1f s", self.cluster_id, error, delay)
                await asyncio.sleep(delay)
                delay = min(MAX_RETRY_S, delay * 2)
            else:
                break
        await self.services.boundary("stop:stopped")

        def record(ledger: Ledger) -> None:
            for row in running:
                ledger.instance_stopped(row.id, cause=cause)
            for job in rows.jobs_of(ledger.connection, self.cluster_id, unfinished_only=True):
                if job.state == "CANCELLING":
                    ledger.job_event(self.cluster_id, job.id, jm.CancelDone(cause=cause))
            rows.update_cluster(ledger.connection, self.cluster_id, waiting_for="")

        await self.services.apply(record)
        await self.services.boundary("stop:recorded")

    async def _stop_refused(self, cause: str, why: str) -> None:
        event = cm.StopRefused(cause=cause, why=why)
        await self.services.apply(lambda ledger: ledger.cluster_event(self.cluster_id, event))

    async def gone(self, instance_id: str, why: str) -> None:
        """The cluster knows that this instance ended without being asked to."""
        await self._watch.instance_gone(instance_id, why)

    # -- release ----------------------------------------------------------------------------------------------------------------------

    async def _release(self, cause: str) -> None:
        while True:
            try:
                await release(self.services, self.cluster_id, cause, self._tell_agent)
                break
            except IllegalMove:
                raise
            except ProviderError as error:
                log.warning("cluster %d: %s; asking again", self.cluster_id, error)
                await asyncio.sleep(RELEASE_RETRY_S)
            except Exception:
                # What may still cost is never given up.
                log.exception("cluster %d: release failed; trying again", self.cluster_id)
                await asyncio.sleep(RELEASE_RETRY_S)
        for instance_id in list(self.nodes):
            await self._drop(instance_id)
        self._watch.stop()
        self.is_over = self._row().state in cm.FINAL

    async def _tell_agent(self, instance_id: str) -> None:
        """The agent has ended its jobs, saved their checkpoints and handed over their logs, if it still can.

        It is not asked to stop the runtime and itself in good order: its instance is about to end, and that would take seconds.
        """
        row = self.services.store.read(lambda c: rows.instance(c, instance_id))
        if row is None or not row.provider_id or row.ended_unix is not None:
            return
        if instance_id not in self.nodes and not self._jobs.any_begun():
            return  # its agent, which perhaps never came up, has nothing to end or to save
        event = self._going()
        hooks = hooks_of(self._row().task, event) if event else ()
        try:
            async with asyncio.timeout(END_TIMEOUT_S + sum(hook.timeout_s for hook in hooks)):
                await self._end_jobs_on(row, hooks)
        except _TROUBLE as error:
            log.info("ending %s: its agent did not help: %s", instance_id, error)
        finally:
            await self._drop(instance_id)

    def _going(self) -> HookEvent | None:
        """What the cluster's machines are told for: "stop", "down", or neither, as when a try of it failed."""
        going: dict[str, HookEvent] = {"STOPPED": "stop", "TERMINATING": "down"}
        return going.get(self._row().state)

    async def _end_jobs_on(self, row: InstanceRow, hooks: Sequence[protocol.Hook]) -> None:
        node = self.nodes.get(row.id)
        if node is None:
            transport, client = await boot.reach_agent(self.services.providers[row.provider], row, start=False)
            node = self.nodes[row.id] = Node(row, transport, client)
        if hooks:
            order = protocol.RunHooks(hooks=tuple(hooks), envs=dict(self._row().task.envs))
            await boot.call(node.client, order, boot.ORDER_TIMEOUT_S + sum(hook.timeout_s for hook in hooks))
        await self._jobs.end_on(node)

    async def close(self) -> None:
        """Let go of everything; instances and jobs go on."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])
        self._watch.stop()
        await self._jobs.close()
        for instance_id in list(self.nodes):
            await self._drop(instance_id)

"""Watches a cluster's instances and agents, takes in what agents tell, keeps leases, and says what is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, cast

from tradewind.agent import protocol
from tradewind.broker.capabilities import Explaining
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle.machine import IllegalMove
from tradewind.broker.provider import Instance, ProviderError
from tradewind.broker.provision import checkpoints, lapse, relay
from tradewind.broker.provision.agent_client import AgentError, AgentGone
from tradewind.broker.provision.failover import block_for_loss
from tradewind.broker.provision.gang import LEASE_S
from tradewind.broker.provision.market import Appointment
from tradewind.broker.provision.node import Node
from tradewind.broker.provision.reach import RECONNECT_S, reach_again
from tradewind.broker.provision.refill import standing
from tradewind.broker.provision.release import terminate
from tradewind.broker.provision.services import Services, log
from tradewind.broker.provision.told import instance_fact, job_fact, on_notice, split_key, take_fact
from tradewind.broker.provision.usage import IDLE_AFTER_S
from tradewind.broker.store import rows
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.records import InstanceRow, JobRow

HEARTBEAT_S = 5.0
SILENCE_S = 20.0  # an agent on a machine that is busy to the brim still answers within this
LEASE_RENEWAL_S = 300.0
DEATH_SETTLES_S = 0.4  # an agent's connection ends a moment before its machine is seen to be dead
CLOUD_WORD_S = 1.0  # what its cloud says of a machine by then may spare it the name of being out of reach
_LIVE = frozenset({"PROVISIONING", "BOOTSTRAPPING", "UP", "STOPPED", "PREEMPTED", "FAILED", "TERMINATING"})


class _Watching(Protocol):
    async def watch(self, instance: Instance) -> str: ...


def why_vanished(row: InstanceRow) -> str:
    """What can be said of an instance that its cloud lists no more, and gives no reason for: Azure deletes a spot machine that it evicts."""
    if row.use_spot:
        return f"{row.provider} does not list this spot instance any more, as when it takes one back"
    return f"{row.provider} does not list it any more"


class Watch:
    """What is known of the instances of one cluster as it happens. `connect` makes a running instance's agent one of `nodes`, or raises."""

    def __init__(
        self,
        services: Services,
        cluster_id: int,
        nodes: dict[str, Node],
        connect: Callable[[InstanceRow], Awaitable[object]],
    ) -> None:
        self._services = services
        self._cluster_id = cluster_id
        self._nodes = nodes
        self._connect = connect
        self._instances: dict[str, asyncio.Task[None]] = {}
        self._sought: set[str] = set()  # instances that are knocked at again

    # -- instances --------------------------------------------------------------------------------------------------------------------

    def watch_instance(self, row: InstanceRow) -> None:
        """From now on its end is noticed; providers that cannot tell are asked every few seconds."""
        task = self._instances.get(row.id)
        if task is None or task.done():
            self._instances[row.id] = self._services.spawn(self._watch_instance(row), f"watch-{row.id}")

    async def _watch_instance(self, row: InstanceRow) -> None:
        provider = self._services.providers[row.provider]
        instance = Instance(
            instance_id=row.id, provider_id=row.provider_id, state="RUNNING", address=row.address, tags=row.tags
        )
        if hasattr(provider, "watch"):
            why = await cast("_Watching", provider).watch(instance)
        else:
            why = await self._poll(row)
        await self.instance_gone(row.id, why or "it ended")

    async def _poll(self, row: InstanceRow) -> str:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            gone = await self._why_not_running(row)
            if gone is not None:
                return gone

    async def _why_not_running(self, row: InstanceRow) -> str | None:
        """Why the instance does not run, by its provider's own list; None while it runs or the provider does not answer."""
        provider = self._services.providers[row.provider]
        told = ""
        try:
            found = await provider.describe(row.tags)
            if not found and isinstance(provider, Explaining):
                told = await provider.why_ended(row.provider_id)
        except ProviderError as error:
            log.warning("asking for %s: %s", row.id, error)
            return None
        for instance in found:
            if instance.state in {"RUNNING", "PENDING"}:
                return None
            return instance.reason or f"it is {instance.state.lower()}"
        return told or why_vanished(row)

    async def _soon(self, asked: Awaitable[str | None]) -> str | None:
        """What the cloud says within CLOUD_WORD_S; None when it takes longer: whoever watches the instance goes on asking."""
        try:
            async with asyncio.timeout(CLOUD_WORD_S):
                return await asked
        except TimeoutError:
            return None

    async def look_for_losses(self, instances: Sequence[InstanceRow]) -> bool:
        """Whether any of them is gone; those that are have been reported."""
        reasons = await asyncio.gather(*(self._why_not_running(row) for row in instances))
        for row, why in zip(instances, reasons, strict=True):
            if why is not None:
                await self.instance_gone(row.id, why)
        return any(why is not None for why in reasons)

    async def instance_gone(self, instance_id: str, why: str, *, nothing_left: bool = False) -> None:
        """The record knows of the loss, its place is blocked for a while, and the cluster has been told; once, whoever notices first.

        `nothing_left` says that nothing of it is to be ended.
        """
        cause = f"instance/{instance_id}"

        def lose(ledger: Ledger) -> None:
            row = rows.instance(ledger.connection, instance_id)
            cluster = rows.cluster(ledger.connection, self._cluster_id)
            if row is None or cluster is None or row.state != "RUNNING" or row.ended_unix is not None:
                return
            ledger.instance_lost(instance_id, reason=why, cause=cause)
            if nothing_left:
                ledger.instance_ended(row, reason=why, cause=cause)
            block = block_for_loss(
                row.offer, use_spot=row.use_spot, why=why, cluster_id=cluster.block_scope, now=ledger.now
            )
            rows.insert_block(ledger.connection, block)
            if cluster.state in _LIVE and row.tries == cluster.tries:
                gang = rows.instances_of(ledger.connection, cluster.id, tries=cluster.tries)
                lost = cm.InstanceLost(cause=cause, instance_id=instance_id, why=why, survivors=len(standing(gang)))
                ledger.cluster_event(cluster.id, lost)

        await self._services.apply(lose)
        node = self._nodes.pop(instance_id, None)
        if node is not None:
            await node.close()

    # -- agents -----------------------------------------------------------------------------------------------------------------------

    def watch_node(self, node: Node) -> None:
        """From now on what its agent tells is taken in, its lease is kept, and its silence is noticed."""
        node.tasks.append(self._services.spawn(self._pump(node), f"events-{node.row.id}"))
        node.tasks.append(self._services.spawn(self._keep(node), f"keep-{node.row.id}"))

    async def _pump(self, node: Node) -> None:
        why = "its connection ended"
        try:
            async with contextlib.aclosing(cast("Any", node.client.subscribe(node.seen_seq))) as told:
                async for event in told:
                    await self._take_in(node, event)
        except AgentError as error:
            why = str(error)
        except Exception as error:
            log.exception("%s: its events cannot be read", node.row.id)
            why = f"its events cannot be read: {error}"
        await self.agent_gone(node.row.id, why)

    async def _keep(self, node: Node) -> None:
        """Renew the lease in time, and report an agent that has fallen silent."""
        try:
            why = await self._until_silent(node)
        finally:
            self._services.usage.forget(node.row.id)
        if why:
            await self.agent_gone(node.row.id, why)

    async def _until_silent(self, node: Node) -> str:
        due = node.row.lease_until_unix - LEASE_S + LEASE_RENEWAL_S
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                async with asyncio.timeout(
                    SILENCE_S
                ):  # not wait_for: in 3.11 it may swallow a cancellation that comes with the answer
                    told = await node.client.call(protocol.ListJobs(usage=True))
                await self._take_usage(node, told)
                if self._services.now() >= due:
                    due = await self._renew(node) - LEASE_S + LEASE_RENEWAL_S
            except TimeoutError:
                return f"its agent was silent for {SILENCE_S:.0f} s"
            except ProviderError as error:
                log.warning("%s: its lease cannot be moved now: %s", node.row.id, error)  # there is time to try again
            except AgentError as error:
                log.info("%s: %s", node.row.id, error)
                return ""  # the pump has seen the same, and says so

    async def _take_usage(self, node: Node, told: protocol.Answer) -> None:
        """What its jobs use is known, and a job that lets its accelerators idle has an event that says so."""
        if not isinstance(told, protocol.Jobs):
            return
        idle = self._services.usage.take(node.row.id, told.usage, self._services.now())
        if not idle:
            return
        cause, row = f"instance/{node.row.id}", node.row
        said = {"for_s": IDLE_AFTER_S, "accelerator": row.offer.accelerator, "usd_per_hour": float(row.price_usd_h)}

        def warn(ledger: Ledger) -> None:
            for key in idle:
                job_fact(ledger, key, "accelerators idle", cause, row, **said)

        await self._services.apply(warn)

    async def _renew(self, node: Node) -> float:
        until = self._services.now() + LEASE_S
        async with asyncio.timeout(SILENCE_S):
            await node.client.call(protocol.RenewLease(until_unix=until))
        await self._services.providers[node.row.provider].lease(node.row.provider_id, until)

        def renew(ledger: Ledger) -> None:
            rows.update_instance(ledger.connection, node.row.id, lease_until_unix=until)

        await self._services.apply(renew)
        return until

    async def agent_gone(self, instance_id: str, why: str, *, unreached: bool = False) -> None:
        """The cluster has been told that the agent, or its whole instance, is lost; `unreached` says that no way led to it any more."""
        task = self._instances.get(instance_id)
        if task is not None:
            await asyncio.wait([task], timeout=DEATH_SETTLES_S)
        row = self._services.store.read(lambda c: rows.instance(c, instance_id))
        if row is None or row.state != "RUNNING" or row.ended_unix is not None:
            return
        gone = await self._soon(self._why_not_running(row))
        if gone is not None:
            await self.instance_gone(instance_id, gone)
            return
        if instance_id in self._sought or await self._still_there(row, why, unreached=unreached):
            return
        cause = f"instance/{instance_id}"

        def lose(ledger: Ledger) -> None:
            known = rows.instance(ledger.connection, instance_id)
            cluster = rows.cluster(ledger.connection, self._cluster_id)
            if known is None or cluster is None or known.state != "RUNNING" or cluster.tries != known.tries:
                return
            with contextlib.suppress(IllegalMove):
                ledger.cluster_event(cluster.id, cm.AgentLost(cause=cause, instance_id=instance_id, why=why))

        node = self._nodes.pop(instance_id, None)
        await self._services.apply(lose)
        if node is not None:
            await node.close()

    async def _still_there(self, row: InstanceRow, why: str, *, unreached: bool) -> bool:
        """Whether there is no agent to be told lost: only the way to it was, and it answers again; or its machine could not be found any more,
        has been ended for that, and counts as lost.
        """
        cluster = self._services.store.read(lambda c: rows.cluster(c, self._cluster_id))
        if cluster is None or cluster.state != "UP" or cluster.tries != row.tries:
            return False
        node = self._nodes.get(row.id)
        if not unreached:
            lost = None if node is None else await _why_lost(node.transport)
            if lost is None:
                return False
            why = lost or why
        self._sought.add(row.id)
        try:
            self._nodes.pop(row.id, None)
            if node is not None:
                await node.close()
            await self._tell(row, "out of reach", why=why)
            strangers: list[str] = []

            async def knock() -> None:
                try:
                    await self._connect(row)
                except ProviderError as error:
                    strangers[:] = [error.message] if error.code == "HostKeyChanged" else []
                    raise

            waiting = await lapse.say(self._services, row)
            found = await reach_again(
                knock,
                lambda: self._cloud_answers(row),
                patience_s=RECONNECT_S,
                has_lapsed=lambda: lapse.has_lapsed(self._services, row),
            )
            await lapse.unsay(self._services, row, waiting)
            if found == "back":
                await self._tell(row, "reached again")
                await self._unless_gone(row)
            elif found == "out of reach":
                await terminate(self._services, row)  # nothing of the job runs there while it runs elsewhere
                await self.instance_gone(row.id, "; ".join([f"it was out of reach: {why}", *strangers]))
            elif found == "lapsed":
                await lapse.write_off(self._services, row)
                await self.instance_gone(
                    row.id, f"it was out of reach until its lease had run out: {why}", nothing_left=True
                )
            return found != "no agent"
        finally:
            self._sought.discard(row.id)

    async def _unless_gone(self, row: InstanceRow) -> None:
        """The way that was found again is given up where the cluster went meanwhile: nobody else would."""
        cluster = self._services.store.read(lambda c: rows.cluster(c, self._cluster_id))
        if cluster is not None and cluster.state not in {"TERMINATING", "TERMINATED"}:
            return
        node = self._nodes.pop(row.id, None)
        if node is not None:
            await node.close()

    async def _cloud_answers(self, row: InstanceRow) -> bool:
        try:
            await self._services.providers[row.provider].describe(row.tags)
        except ProviderError as error:
            log.info("%s is out of reach, and so is its cloud: %s", row.id, error)
            return False
        return True

    async def _tell(self, row: InstanceRow, kind: str, **data: Any) -> None:
        cause = f"instance/{row.id}"
        await self._services.apply(lambda ledger: instance_fact(ledger, row, kind, cause, **data))

    # -- what agents tell -------------------------------------------------------------------------------------------------------------

    async def _take_in(self, node: Node, event: protocol.AgentEvent) -> None:
        fact = event.fact
        if isinstance(fact, protocol.Notice):
            self._services.spawn(self._save(node), f"save-{node.row.id}")
        if isinstance(fact, protocol.CheckpointSynced):
            await self._fetch(node, fact.job_id)  # first: the fact says that the checkpoint is safe
        if isinstance(fact, protocol.CheckpointSynced | protocol.JobEnded):
            await self._store(node, fact.job_id)

        def take(ledger: Ledger) -> None:
            row = rows.instance(ledger.connection, node.row.id)
            if row is None or event.seq <= row.agent_seq:
                return
            rows.update_instance(ledger.connection, row.id, agent_seq=event.seq)
            try:
                take_fact(self._services, ledger, row, event)
            except (IllegalMove, LookupError) as late:
                log.info("%s: event %d came too late: %s", row.id, event.seq, late)

        try:
            await self._services.apply(take)
        except Exception:
            # One event that cannot be taken in must not stop those after it.
            log.exception("%s: event %d could not be taken in", node.row.id, event.seq)
        node.saw(event.seq)

    async def _save(self, node: Node) -> None:
        """What is complete of the jobs' checkpoints on the node is in their stores, if the node lasts that long."""
        for job in self._services.store.read(lambda c: rows.jobs_of(c, self._cluster_id, unfinished_only=True)):
            with contextlib.suppress(AgentError):
                await node.client.call(protocol.SyncCheckpoints(job_id=job.key))

    async def _fetch(self, node: Node, key: str) -> None:
        """What the job's agent has kept lies in the job's store. Raises AgentGone when the connection was lost meanwhile."""
        job = self._job(key)
        if job is None:
            return
        try:
            await checkpoints.bring_here(node, job)
        except ProviderError as error:
            raise AgentGone(str(error)) from error
        except (relay.RelayError, OSError) as error:
            log.error("a checkpoint of %s was not brought here: %s", key, error)

    async def _store(self, node: Node, key: str) -> None:
        """What the job's store has stands at the place that its task names, or an event says why not."""
        job = self._job(key)
        if job is None or not (why := await checkpoints.keep_there(self._services, job, node.rank)):
            return
        cause = f"instance/{node.row.id}"

        def tell(ledger: Ledger) -> None:
            job_fact(ledger, key, "checkpoint not stored", cause, node.row, why=why)

        await self._services.apply(tell)

    def _job(self, key: str) -> JobRow | None:
        try:
            cluster_id, job_id = split_key(key)
        except LookupError:
            return None
        return self._services.store.read(lambda c: rows.job(c, cluster_id, job_id))

    def announce(self, appointment: Appointment | None) -> None:
        """What a rehearsed market is about to take is announced in time, as a cloud's notice is."""
        if appointment is not None and appointment.notice_s:
            self._services.spawn(self._announce(appointment), f"notice-{appointment.row.id}")

    async def _announce(self, appointment: Appointment) -> None:
        before_s = appointment.at_unix - appointment.notice_s - self._services.now()
        await asyncio.sleep(max(0.0, before_s))
        cause = f"instance/{appointment.row.id}"

        def tell(ledger: Ledger) -> None:
            row = rows.instance(ledger.connection, appointment.row.id)
            if row is not None and row.state == "RUNNING" and row.ended_unix is None:
                left = max(0.0, appointment.at_unix - ledger.now)
                instance_fact(ledger, row, "notice", cause, seconds_left=left)
                on_notice(ledger, row, cause, left)

        await self._services.apply(tell)

    def stop(self) -> None:
        """Watch no more."""
        for task in self._instances.values():
            if task is not asyncio.current_task():
                task.cancel()
        self._instances.clear()


async def _why_lost(transport: object) -> str | None:
    """Why the connection itself has ended, "" when it does not say, and None while only what it carried has; to a process of this computer
    there is none that could.
    """
    wait_lost = getattr(transport, "wait_lost", None)
    if wait_lost is None:
        return None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DEATH_SETTLES_S):
            why: str = await wait_lost()
            return why
    return None

"""Watches a cluster's instances and agents, takes in what agents tell, keeps leases, and says what is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Protocol, cast

import msgspec

from tradewind.agent import protocol
from tradewind.broker.capabilities import Explaining
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle import cluster_job as jm
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.lifecycle.machine import Event, IllegalMove
from tradewind.broker.provider import Instance, ProviderError
from tradewind.broker.provision import checkpoints, relay
from tradewind.broker.provision.agent_client import AgentError, AgentGone
from tradewind.broker.provision.failover import block_for_loss
from tradewind.broker.provision.gang import LEASE_S
from tradewind.broker.provision.market import Appointment
from tradewind.broker.provision.node import Node
from tradewind.broker.provision.secrets import starred
from tradewind.broker.provision.services import Services, log
from tradewind.broker.provision.usage import IDLE_AFTER_S
from tradewind.broker.store import rows
from tradewind.broker.store.ledger import Ledger, Order
from tradewind.broker.store.records import InstanceRow, JobRow

HEARTBEAT_S = 5.0
SILENCE_S = 20.0  # an agent on a machine that is busy to the brim still answers within this
LEASE_RENEWAL_S = 300.0
DEATH_SETTLES_S = 0.4  # an agent's connection ends a moment before its machine is seen to be dead
_LIVE = frozenset({"PROVISIONING", "BOOTSTRAPPING", "UP", "STOPPED", "PREEMPTED", "FAILED", "TERMINATING"})


class _Watching(Protocol):
    async def watch(self, instance: Instance) -> str: ...


def why_vanished(row: InstanceRow) -> str:
    """What can be said of an instance that its cloud lists no more, and gives no reason for: Azure deletes a spot machine that it evicts."""
    if row.use_spot:
        return f"{row.provider} does not list this spot instance any more, as when it takes one back"
    return f"{row.provider} does not list it any more"


class Watch:
    """What is known of the instances of one cluster as it happens."""

    def __init__(self, services: Services, cluster_id: int, nodes: dict[str, Node]) -> None:
        self._services = services
        self._cluster_id = cluster_id
        self._nodes = nodes
        self._instances: dict[str, asyncio.Task[None]] = {}

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

    async def look_for_losses(self, instances: Sequence[InstanceRow]) -> bool:
        """Whether any of them is gone; those that are have been reported."""
        reasons = await asyncio.gather(*(self._why_not_running(row) for row in instances))
        for row, why in zip(instances, reasons, strict=True):
            if why is not None:
                await self.instance_gone(row.id, why)
        return any(why is not None for why in reasons)

    async def instance_gone(self, instance_id: str, why: str) -> None:
        """The record knows of the loss, its place is blocked for a while, and the cluster has been told; once, whoever notices first."""
        cause = f"instance/{instance_id}"

        def lose(ledger: Ledger) -> None:
            row = rows.instance(ledger.connection, instance_id)
            cluster = rows.cluster(ledger.connection, self._cluster_id)
            if row is None or cluster is None or row.state != "RUNNING" or row.ended_unix is not None:
                return
            ledger.instance_lost(instance_id, reason=why, cause=cause)
            block = block_for_loss(
                row.offer, use_spot=row.use_spot, why=why, cluster_id=cluster.block_scope, now=ledger.now
            )
            rows.insert_block(ledger.connection, block)
            if cluster.state in _LIVE and row.tries == cluster.tries:
                ledger.cluster_event(cluster.id, cm.InstanceLost(cause=cause, instance_id=instance_id, why=why))

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
                self._job_fact(ledger, key, "accelerators idle", cause, row, **said)

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

    async def agent_gone(self, instance_id: str, why: str) -> None:
        """The cluster has been told that the agent, or its whole instance, is lost."""
        task = self._instances.get(instance_id)
        if task is not None:
            await asyncio.wait([task], timeout=DEATH_SETTLES_S)
        row = self._services.store.read(lambda c: rows.instance(c, instance_id))
        if row is None or row.state != "RUNNING" or row.ended_unix is not None:
            return
        gone = await self._why_not_running(row)
        if gone is not None:
            await self.instance_gone(instance_id, gone)
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
                self._apply_fact(ledger, row, event)
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
            self._job_fact(ledger, key, "checkpoint not stored", cause, node.row, why=why)

        await self._services.apply(tell)

    def _job(self, key: str) -> JobRow | None:
        try:
            cluster_id, job_id = split_key(key)
        except LookupError:
            return None
        return self._services.store.read(lambda c: rows.job(c, cluster_id, job_id))

    def _apply_fact(self, ledger: Ledger, row: InstanceRow, event: protocol.AgentEvent) -> None:
        cause = f"agent/{row.id}/{event.seq}"
        fact = event.fact
        match fact:
            case protocol.JobStarted():
                started = jm.PhaseStarted(cause=cause, rank=row.rank, phase=fact.phase)
                self._job_event(ledger, fact.job_id, started)
            case protocol.JobEnded():
                said = starred(self._services, ledger.connection, split_key(fact.job_id), fact.last_lines)
                ended = _ended(msgspec.structs.replace(fact, last_lines=said), row.rank, cause)
                self._job_event(ledger, fact.job_id, ended)
            case protocol.RuntimeLost():
                why = f"the runtime's {fact.process} on rank {row.rank} died: {fact.why}"
                ledger.cluster_event(self._cluster_id, cm.RuntimeLost(cause=cause, instance_id=row.id, why=why))
            case protocol.CheckpointSynced():
                self._job_fact(ledger, fact.job_id, "checkpoint synced", cause, row, name=fact.name, bytes=fact.bytes)
            case protocol.Restored():
                found = {"entries": fact.entries, "newest": fact.newest}
                self._job_fact(ledger, fact.job_id, "checkpoint restored", cause, row, **found)
            case protocol.Notice():
                self._instance_fact(ledger, row, "notice", cause, seconds_left=fact.seconds_left)
                self._on_notice(ledger, row, cause, fact.seconds_left)
            case protocol.LeaseExpired():
                self._instance_fact(ledger, row, "lease expired", cause)

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
                self._instance_fact(ledger, row, "notice", cause, seconds_left=left)
                self._on_notice(ledger, row, cause, left)

        await self._services.apply(tell)

    def _on_notice(self, ledger: Ledger, row: InstanceRow, cause: str, seconds_left: float) -> None:
        """A managed job looks for its next place before this one is taken."""
        cluster = rows.cluster(ledger.connection, row.cluster_id)
        if cluster is None or cluster.managed_job_id is None or cluster.state not in {"UP", "BOOTSTRAPPING"}:
            return
        why = f"{row.offer.zone or row.offer.region} takes rank {row.rank} back in {seconds_left:.0f} s"
        block = block_for_loss(
            row.offer, use_spot=row.use_spot, why=why, cluster_id=cluster.block_scope, now=ledger.now
        )
        rows.insert_block(ledger.connection, block)
        ledger.orders.append(
            Order(
                instruction=mm.PlanMove(cause=cause, instance_id=row.id, why=why), managed_job_id=cluster.managed_job_id
            )
        )

    def _job_event(self, ledger: Ledger, key: str, event: Event) -> None:
        cluster_id, job_id = split_key(key)
        if cluster_id == self._cluster_id:
            ledger.job_event(cluster_id, job_id, event)

    def _job_fact(self, ledger: Ledger, key: str, kind: str, cause: str, row: InstanceRow, **data: Any) -> None:
        cluster_id, job_id = split_key(key)
        job = rows.job(ledger.connection, cluster_id, job_id)
        cluster = rows.cluster(ledger.connection, cluster_id)
        if job is None or cluster is None:
            return
        ledger.record(
            f"{cluster.subject}/job/{job_id}",
            kind,
            cause,
            {"rank": row.rank, **data},
            cluster_id=cluster_id,
            managed_job_id=job.managed_job_id,
        )

    def _instance_fact(self, ledger: Ledger, row: InstanceRow, kind: str, cause: str, **data: Any) -> None:
        cluster = rows.cluster(ledger.connection, row.cluster_id)
        owner = None if cluster is None else cluster.managed_job_id
        ledger.record(f"instance/{row.id}", kind, cause, data, cluster_id=row.cluster_id, managed_job_id=owner)

    def stop(self) -> None:
        """Watch no more."""
        for task in self._instances.values():
            if task is not asyncio.current_task():
                task.cancel()
        self._instances.clear()


def split_key(key: str) -> tuple[int, int]:
    """Cluster and job of a job's key. Raises LookupError when it is none of ours."""
    cluster, separator, job = key.partition("-")
    if not (separator and cluster.isdigit() and job.isdigit()):
        raise LookupError(f"{key!r} is no job of this daemon")
    return int(cluster), int(job)


def _ended(fact: protocol.JobEnded, rank: int, cause: str) -> Event:
    if fact.state == "LOST":
        if fact.why:
            return jm.GangLost(cause=cause, kind="instance", why=f"rank {rank}: {fact.why}")
        return jm.GangLost(cause=cause, kind="agent", why=f"the agent on rank {rank} was restarted")
    how = f"was ended by signal {fact.signal}" if fact.signal else f"exited with code {fact.exit_code}"
    tail = fact.last_lines.strip()
    why = f"{fact.phase} on rank {rank} {how}" + (f"; its last output:\n{tail}" if tail else "")
    failed = fact.state not in {"SUCCEEDED", "CANCELLED"}
    return jm.PhaseEnded(
        cause=cause,
        rank=rank,
        phase=fact.phase,
        result="FAILED" if failed else ("SUCCEEDED" if fact.state == "SUCCEEDED" else "CANCELLED"),
        exit_code=fact.exit_code,
        signal=fact.signal,
        why=why if failed else "",
    )

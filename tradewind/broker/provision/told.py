"""What an agent's word, and a cloud's notice, change in the record: one transaction's part each."""

from __future__ import annotations

from typing import Any

import msgspec

from tradewind.agent import protocol
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle import cluster_job as jm
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.lifecycle.machine import Event
from tradewind.broker.provision.failover import block_for_loss
from tradewind.broker.provision.refill import standing
from tradewind.broker.provision.secrets import starred
from tradewind.broker.provision.services import Services
from tradewind.broker.store import rows
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.orders import Order
from tradewind.broker.store.records import InstanceRow


def take_fact(services: Services, ledger: Ledger, row: InstanceRow, event: protocol.AgentEvent) -> None:
    """The record has the consequences of what the agent of this instance tells. Raises IllegalMove and LookupError for what came too late."""
    cause = f"agent/{row.id}/{event.seq}"
    fact = event.fact
    match fact:
        case protocol.JobStarted():
            started = jm.PhaseStarted(cause=cause, rank=row.rank, phase=fact.phase)
            _job_event(ledger, row.cluster_id, fact.job_id, started)
        case protocol.JobEnded():
            said = starred(services, ledger.connection, split_key(fact.job_id), fact.last_lines)
            ended = _ended(msgspec.structs.replace(fact, last_lines=said), row.rank, cause)
            _job_event(ledger, row.cluster_id, fact.job_id, ended)
        case protocol.RuntimeLost():
            why = f"the runtime's {fact.process} on rank {row.rank} died: {fact.why}"
            ledger.cluster_event(row.cluster_id, cm.RuntimeLost(cause=cause, instance_id=row.id, why=why))
        case protocol.CheckpointSynced():
            job_fact(ledger, fact.job_id, "checkpoint synced", cause, row, name=fact.name, bytes=fact.bytes)
        case protocol.Restored():
            found = {"entries": fact.entries, "newest": fact.newest}
            job_fact(ledger, fact.job_id, "checkpoint restored", cause, row, **found)
        case protocol.Notice():
            instance_fact(ledger, row, "notice", cause, seconds_left=fact.seconds_left)
            on_notice(ledger, row, cause, fact.seconds_left)
        case protocol.LeaseExpired():
            instance_fact(ledger, row, "lease expired", cause)


def on_notice(ledger: Ledger, row: InstanceRow, cause: str, seconds_left: float) -> None:
    """A managed job looks for its next place before this one is taken; of an elastic gang only the node goes, and is replaced where the others stand."""
    cluster = rows.cluster(ledger.connection, row.cluster_id)
    if cluster is None or cluster.managed_job_id is None or cluster.state not in {"UP", "BOOTSTRAPPING"}:
        return
    why = f"{row.offer.zone or row.offer.region} takes rank {row.rank} back in {seconds_left:.0f} s"
    block = block_for_loss(row.offer, use_spot=row.use_spot, why=why, cluster_id=cluster.block_scope, now=ledger.now)
    rows.insert_block(ledger.connection, block)
    gang = rows.instances_of(ledger.connection, cluster.id, tries=cluster.tries)
    if cluster.is_elastic and any(one.id != row.id for one in standing(gang)):
        return
    ledger.orders.append(
        Order(instruction=mm.PlanMove(cause=cause, instance_id=row.id, why=why), managed_job_id=cluster.managed_job_id)
    )


def _job_event(ledger: Ledger, own: int, key: str, event: Event) -> None:
    cluster_id, job_id = split_key(key)
    if cluster_id == own:
        ledger.job_event(cluster_id, job_id, event)


def job_fact(ledger: Ledger, key: str, kind: str, cause: str, row: InstanceRow, **data: Any) -> None:
    """A fact about the job with this key, told by or seen on this instance, is in the record."""
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


def instance_fact(ledger: Ledger, row: InstanceRow, kind: str, cause: str, **data: Any) -> None:
    """A fact about the instance is in the record."""
    cluster = rows.cluster(ledger.connection, row.cluster_id)
    owner = None if cluster is None else cluster.managed_job_id
    ledger.record(f"instance/{row.id}", kind, cause, data, cluster_id=row.cluster_id, managed_job_id=owner)


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

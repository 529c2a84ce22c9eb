"""Rows as the API's JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tradewind.broker.store.records import AttemptRow, ClusterRow, EventRow, InstanceRow, JobRow, ManagedJobRow

_LATER = "its turn: another job runs on this cluster"


def cluster_view(row: ClusterRow, instances: Sequence[InstanceRow] = (), copying: str = "") -> dict[str, Any]:
    """A cluster with its live instances. While its files are copied it waits for that, and `copying` says how far it is."""
    place = row.place
    return {
        "name": row.name,
        "id": row.id,
        "state": row.state,
        "num_nodes": row.task.num_nodes,
        "cloud": place.cloud,
        "region": place.region,
        "zone": place.zone,
        "place": "/".join(part for part in (place.cloud, place.region, place.zone) if part),
        "instance_type": place.instance_type,
        "use_spot": place.use_spot,
        "hourly_usd": place.hourly_usd,
        "rehearse": row.options.rehearse,
        "managed_job_id": row.managed_job_id,
        "created_unix": row.created_unix,
        "ended_unix": row.ended_unix,
        "why": row.why,
        "waiting_for": copying if copying and row.state == "BOOTSTRAPPING" else row.waiting_for,
        "labels": dict(row.asked.labels),
        "ports": list(row.open_ports),
        "autostop_minutes": row.options.autostop_min,
        "autostop_down": row.options.autostop_down,
        "instances": [instance_view(instance) for instance in instances],
    }


def instance_view(row: InstanceRow) -> dict[str, Any]:
    """An instance."""
    return {
        "instance_id": row.id,
        "rank": row.rank,
        "state": row.state,
        "address": row.address,
        "instance_type": row.offer.instance_type,
        "price_usd_h": float(row.price_usd_h),
        "launched_unix": row.launched_unix,
        "lease_until_unix": row.lease_until_unix,
    }


def job_view(row: JobRow, cluster: ClusterRow, *, is_next: bool = True, copying: str = "") -> dict[str, Any]:
    """A job on a cluster. It waits for its files first, and `copying` says how far they are."""
    waiting = ""
    if row.state == "PENDING":
        waiting = _LATER if cluster.state == "UP" and not is_next else f"its cluster, which is {cluster.state}"
    elif row.state == "CANCELLING":
        waiting = "its processes to end"
    elif row.machine.failed_rank is not None and row.ended_unix is None:
        waiting = "the other nodes to answer, so that a loss is told from a failure"
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "cluster": cluster.name,
        "exit_code": row.machine.exit_code,
        "signal": row.machine.signal,
        "created_unix": row.created_unix,
        "started_unix": row.started_unix,
        "ended_unix": row.ended_unix,
        "managed_job_id": row.managed_job_id,
        "attempt": row.attempt,
        "why": row.why,
        "waiting_for": copying or waiting,
    }


def managed_job_view(
    row: ManagedJobRow, cluster: ClusterRow | None, attempts: Sequence[AttemptRow] = (), copying: str = ""
) -> dict[str, Any]:
    """A managed job with its attempts. While it is brought up, it waits for what its cluster waits for: for its files, as far as `copying` says."""
    waiting = row.waiting_for
    if cluster is not None and row.state in {"STARTING", "RECOVERING", "CANCELLING", "PAUSING"} and cluster.waiting_for:
        waiting = copying if copying and cluster.state == "BOOTSTRAPPING" else cluster.waiting_for
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "attempt": row.attempt,
        "recoveries": row.recoveries,
        "cluster": None if cluster is None else cluster.name,
        "cluster_state": None if cluster is None else cluster.state,
        "strategy": row.task.job_recovery.strategy,
        "restarts": row.course.restarts,
        "priority": row.priority,
        "not_before_unix": row.not_before_unix,
        "budget_usd": row.budget_usd,
        "array_id": row.array_id,
        "array_index": row.array_index,
        "rehearse": row.options.rehearse,
        "hourly_usd": row.hourly_usd,
        "checkpoint_uri": row.checkpoint_uri,
        "created_unix": row.created_unix,
        "started_unix": row.started_unix,
        "ended_unix": row.ended_unix,
        "why": row.why,
        "waiting_for": waiting,
        "attempts": [msgspec.to_builtins(attempt) for attempt in attempts],
    }


def event_view(row: EventRow) -> dict[str, Any]:
    """A fact."""
    return {
        "seq": row.seq,
        "subject": row.subject,
        "unix": row.unix,
        "kind": row.kind,
        "cause": row.cause,
        "data": row.data,
    }

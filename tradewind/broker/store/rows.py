"""Queries and single-row writes, one function each, over an open connection. Whoever calls decides what is one transaction.

What every transition uses is a statement made once, its values bound when it runs: making one costs several times what SQLite takes to run it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Select, Table, bindparam, func, insert, or_, select, update

from tradewind.broker.lifecycle import cluster as cluster_machine
from tradewind.broker.lifecycle import cluster_job as job_machine
from tradewind.broker.lifecycle import managed_job as managed_machine
from tradewind.broker.store import schema
from tradewind.broker.store.records import (
    UNREADABLE,
    AttemptRow,
    BlockRow,
    ClusterRow,
    EventRow,
    InstanceRow,
    JobRow,
    ManagedJobRow,
    as_json,
    row_as,
)
from tradewind.optimizer.plan import Plan, RankedCandidate

R = TypeVar("R", bound=msgspec.Struct)
_candidates = msgspec.json.Decoder(tuple[RankedCandidate, ...])
_plan = msgspec.json.Decoder(Plan)
_INSERT = {table.name: insert(table) for table in schema.metadata.sorted_tables}


def _all(connection: Connection, kind: type[R], query: Select[Any], **bound: Any) -> list[R]:
    return [row_as(kind, dict(row)) for row in connection.execute(query, bound).mappings()]


def _own(table: Table, kind: type[msgspec.Struct]) -> Select[Any]:
    """A query for the record's columns only: the large ones that it leaves out are not even read."""
    return select(*(table.c[name] for name in kind.__struct_fields__))


def _one(connection: Connection, kind: type[R], query: Select[Any], **bound: Any) -> R | None:
    row = connection.execute(query, bound).mappings().first()
    return None if row is None else row_as(kind, dict(row))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Column values as the driver takes them: structured ones as JSON text."""
    simple = (str, int, float, bytes, type(None))
    return {name: value if isinstance(value, simple) else as_json(value) for name, value in values.items()}


def _new_id(key: Any) -> int:
    return int(key[0])


# -- clusters -------------------------------------------------------------------------------------------------------------------------


_CLUSTER = _own(schema.clusters, ClusterRow).where(schema.clusters.c.id == bindparam("of_id"))
_UPDATE_CLUSTER = update(schema.clusters).where(schema.clusters.c.id == bindparam("of_id"))


def cluster(connection: Connection, cluster_id: int) -> ClusterRow | None:
    """The cluster with this id."""
    return _one(connection, ClusterRow, _CLUSTER, of_id=cluster_id)


def cluster_named(connection: Connection, name: str) -> ClusterRow | None:
    """The newest cluster that bears this name."""
    query = (
        _own(schema.clusters, ClusterRow)
        .where(schema.clusters.c.name == name)
        .order_by(schema.clusters.c.id.desc())
        .limit(1)
    )
    return _one(connection, ClusterRow, query)


def clusters(connection: Connection, *, live_only: bool = True) -> list[ClusterRow]:
    """Clusters by id; `live_only` leaves out those of which nothing is left."""
    query = _own(schema.clusters, ClusterRow).order_by(schema.clusters.c.id)
    if live_only:
        query = query.where(schema.clusters.c.state.not_in(cluster_machine.FINAL))
    return _all(connection, ClusterRow, query)


_BUSY = select(schema.clusters.c.id).where(
    schema.clusters.c.state.not_in(sorted({*cluster_machine.FINAL, "FAILED", "PREEMPTED"}))
)
_OWN_UP = (
    _own(schema.clusters, ClusterRow)
    .where(schema.clusters.c.state == "UP", schema.clusters.c.managed_job_id.is_(None))
    .order_by(schema.clusters.c.id)
)


def any_busy_cluster(connection: Connection) -> bool:
    """Whether some cluster has machines, or is about to: what has failed or was taken only waits to be looked at."""
    return connection.execute(_BUSY.limit(1)).first() is not None


def own_clusters_up(connection: Connection) -> list[ClusterRow]:
    """The clusters that are UP and belong to no managed job."""
    return _all(connection, ClusterRow, _OWN_UP)


def candidates(connection: Connection, cluster_id: int) -> tuple[RankedCandidate, ...]:
    """What failover tries for the cluster, in order."""
    text = connection.execute(
        select(schema.clusters.c.candidates).where(schema.clusters.c.id == cluster_id)
    ).scalar_one()
    return _candidates.decode(text)


def insert_cluster(connection: Connection, **values: Any) -> int:
    """The id of the new cluster."""
    result = connection.execute(_INSERT["clusters"], _plain(values))
    return _new_id(result.inserted_primary_key)


def update_cluster(connection: Connection, cluster_id: int, **values: Any) -> None:
    """Set these columns of the cluster."""
    connection.execute(_UPDATE_CLUSTER, {"of_id": cluster_id, **_plain(values)})


# -- instances ------------------------------------------------------------------------------------------------------------------------


_INSTANCE = select(schema.instances).where(schema.instances.c.id == bindparam("of_id"))
_UPDATE_INSTANCE = update(schema.instances).where(schema.instances.c.id == bindparam("of_id"))
_INSTANCES = (
    select(schema.instances)
    .where(schema.instances.c.cluster_id == bindparam("of_cluster"))
    .order_by(schema.instances.c.tries, schema.instances.c.rank)
)
_LIVE_INSTANCES = _INSTANCES.where(schema.instances.c.state != "ENDED")
_OF_TRY = schema.instances.c.tries == bindparam("of_try")
_INSTANCES_OF_TRY, _LIVE_INSTANCES_OF_TRY = _INSTANCES.where(_OF_TRY), _LIVE_INSTANCES.where(_OF_TRY)
_ANY_INSTANCE = select(schema.instances.c.id).where(schema.instances.c.state != "ENDED").limit(1)


def instance(connection: Connection, instance_id: str) -> InstanceRow | None:
    """The instance with this id."""
    return _one(connection, InstanceRow, _INSTANCE, of_id=instance_id)


def instances_of(
    connection: Connection, cluster_id: int, *, tries: int | None = None, live_only: bool = True
) -> list[InstanceRow]:
    """A cluster's instances by try and rank; `live_only` leaves out the ended ones."""
    if tries is None:
        return _all(connection, InstanceRow, _LIVE_INSTANCES if live_only else _INSTANCES, of_cluster=cluster_id)
    query = _LIVE_INSTANCES_OF_TRY if live_only else _INSTANCES_OF_TRY
    return _all(connection, InstanceRow, query, of_cluster=cluster_id, of_try=tries)


def any_live_instance(connection: Connection) -> bool:
    """Whether some instance of any cluster has not ended."""
    return connection.execute(_ANY_INSTANCE).first() is not None


def live_instances(connection: Connection) -> list[InstanceRow]:
    """Every instance of any cluster that has not ended."""
    return _all(connection, InstanceRow, select(schema.instances).where(schema.instances.c.state != "ENDED"))


def clouds_used(connection: Connection) -> list[str]:
    """The providers that any intent was ever written for, sorted."""
    used = schema.instances.c.provider
    return sorted(connection.execute(select(used).distinct()).scalars())


def insert_instance(connection: Connection, row: InstanceRow) -> None:
    """Write an intent."""
    connection.execute(_INSERT["instances"], _plain(_fields(row)))


def update_instance(connection: Connection, instance_id: str, **values: Any) -> None:
    """Set these columns of the instance."""
    connection.execute(_UPDATE_INSTANCE, {"of_id": instance_id, **_plain(values)})


def _fields(row: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


# -- jobs -----------------------------------------------------------------------------------------------------------------------------


_OF_CLUSTER = schema.jobs.c.cluster_id == bindparam("of_cluster")
_JOB = select(schema.jobs).where(_OF_CLUSTER, schema.jobs.c.id == bindparam("of_id"))
_UPDATE_JOB = update(schema.jobs).where(_OF_CLUSTER, schema.jobs.c.id == bindparam("of_id"))
_JOBS = select(schema.jobs).where(_OF_CLUSTER).order_by(schema.jobs.c.id)
_UNFINISHED_JOBS = _JOBS.where(schema.jobs.c.state.not_in(sorted(job_machine.FINAL)))
_NEWEST_JOB = select(func.max(schema.jobs.c.id)).where(_OF_CLUSTER)


def job(connection: Connection, cluster_id: int, job_id: int) -> JobRow | None:
    """One job of a cluster."""
    return _one(connection, JobRow, _JOB, of_cluster=cluster_id, of_id=job_id)


def jobs_of(connection: Connection, cluster_id: int, *, unfinished_only: bool = False) -> list[JobRow]:
    """A cluster's jobs, oldest first."""
    return _all(connection, JobRow, _UNFINISHED_JOBS if unfinished_only else _JOBS, of_cluster=cluster_id)


def jobs_of_managed(connection: Connection, managed_job_id: int) -> list[JobRow]:
    """The runs of a managed job, oldest attempt first."""
    table = schema.jobs
    return _all(
        connection, JobRow, select(table).where(table.c.managed_job_id == managed_job_id).order_by(table.c.attempt)
    )


def next_job_id(connection: Connection, cluster_id: int) -> int:
    """One more than the newest job of the cluster."""
    newest = connection.execute(_NEWEST_JOB, {"of_cluster": cluster_id}).scalar_one()
    return int(newest or 0) + 1


def insert_job(connection: Connection, row: JobRow) -> None:
    """Add a job."""
    connection.execute(_INSERT["jobs"], _plain(_fields(row)))


def update_job(connection: Connection, cluster_id: int, job_id: int, **values: Any) -> None:
    """Set these columns of the job."""
    connection.execute(_UPDATE_JOB, {"of_cluster": cluster_id, "of_id": job_id, **_plain(values)})


# -- managed jobs ---------------------------------------------------------------------------------------------------------------------


_MANAGED_JOB = _own(schema.managed_jobs, ManagedJobRow).where(schema.managed_jobs.c.id == bindparam("of_id"))
_UPDATE_MANAGED_JOB = update(schema.managed_jobs).where(schema.managed_jobs.c.id == bindparam("of_id"))


def managed_job(connection: Connection, job_id: int) -> ManagedJobRow | None:
    """One managed job."""
    return _one(connection, ManagedJobRow, _MANAGED_JOB, of_id=job_id)


def managed_job_with_key(connection: Connection, client_key: str) -> ManagedJobRow | None:
    """The managed job that was submitted under this client key."""
    table = schema.managed_jobs
    return _one(connection, ManagedJobRow, _own(table, ManagedJobRow).where(table.c.client_key == client_key))


def managed_jobs(connection: Connection, *, unfinished_only: bool = False) -> list[ManagedJobRow]:
    """Managed jobs by id."""
    query = _own(schema.managed_jobs, ManagedJobRow).order_by(schema.managed_jobs.c.id)
    if unfinished_only:
        query = query.where(schema.managed_jobs.c.state.not_in(managed_machine.FINAL))
    return _all(connection, ManagedJobRow, query)


def plan(connection: Connection, job_id: int) -> Plan:
    """The newest plan of a managed job."""
    table = schema.managed_jobs
    row = connection.execute(select(table.c.plan, table.c.array_id).where(table.c.id == job_id)).one()
    text = row.plan
    if not text:
        text = connection.execute(select(schema.arrays.c.plan).where(schema.arrays.c.id == row.array_id)).scalar_one()
    return _plan.decode(text)


def insert_managed_job(connection: Connection, **values: Any) -> int:
    """The id of the new managed job."""
    result = connection.execute(_INSERT["managed_jobs"], _plain(values))
    return _new_id(result.inserted_primary_key)


def update_managed_job(connection: Connection, job_id: int, **values: Any) -> None:
    """Set these columns of the managed job."""
    connection.execute(_UPDATE_MANAGED_JOB, {"of_id": job_id, **_plain(values)})


_ATTEMPT_BEGAN = (
    select(schema.attempts.c.started_unix)
    .where(schema.attempts.c.managed_job_id == bindparam("of_job"))
    .order_by(schema.attempts.c.number.desc())
    .limit(1)
)
_CLOSE_ATTEMPT = update(schema.attempts).where(
    schema.attempts.c.managed_job_id == bindparam("of_job"),
    schema.attempts.c.number == bindparam("of_number"),
    schema.attempts.c.ended_unix.is_(None),
)


def attempts_of(connection: Connection, managed_job_id: int) -> list[AttemptRow]:
    """The attempts of a managed job in order."""
    table = schema.attempts
    query = select(table).where(table.c.managed_job_id == managed_job_id).order_by(table.c.number)
    return _all(connection, AttemptRow, query)


def attempt_began(connection: Connection, managed_job_id: int, *, default: float) -> float:
    """The Unix second at which its newest attempt began."""
    began = connection.execute(_ATTEMPT_BEGAN, {"of_job": managed_job_id}).scalar()
    return default if began is None else float(began)


def insert_attempt(connection: Connection, row: AttemptRow) -> None:
    """Add an attempt."""
    connection.execute(_INSERT["attempts"], _plain(_fields(row)))


def close_attempt(connection: Connection, managed_job_id: int, number: int, *, now: float, end: str, why: str) -> None:
    """Say how an attempt ended; one that has ended already keeps its first end."""
    bound = {"of_job": managed_job_id, "of_number": number, "ended_unix": now, "end": end, "why": why}
    connection.execute(_CLOSE_ATTEMPT, bound)


# -- events and blocks ----------------------------------------------------------------------------------------------------------------


def insert_event(
    connection: Connection,
    *,
    subject: str,
    unix: float,
    kind: str,
    cause: str,
    data: Mapping[str, Any],
    cluster_id: int | None = None,
    managed_job_id: int | None = None,
) -> None:
    """Add a fact."""
    fact = {
        "subject": subject,
        "unix": unix,
        "kind": kind,
        "cause": cause,
        "data": as_json(data),
        "cluster_id": cluster_id,
        "managed_job_id": managed_job_id,
    }
    connection.execute(_INSERT["events"], fact)


def events(
    connection: Connection,
    *,
    subject: str | None = None,
    cluster_id: int | None = None,
    managed_job_id: int | None = None,
    after: int = 0,
    kinds: Iterable[str] = (),
    limit: int = 10_000,
) -> list[EventRow]:
    """Facts with seq > `after` in order: those of the subject, of the cluster or of the managed job (any that is given)."""
    table = schema.events
    query = select(table).where(table.c.seq > after).order_by(table.c.seq).limit(limit)
    about = [
        column == value
        for column, value in (
            (table.c.subject, subject),
            (table.c.cluster_id, cluster_id),
            (table.c.managed_job_id, managed_job_id),
        )
        if value is not None
    ]
    if about:
        query = query.where(or_(*about))
    wanted: Sequence[str] = tuple(kinds)
    if wanted:
        query = query.where(table.c.kind.in_(wanted))
    found = _all(connection, EventRow, query)
    return [_mended(connection, fact) if UNREADABLE in fact.data else fact for fact in found]


def _mended(connection: Connection, fact: EventRow) -> EventRow:
    """A damaged fact about an instance, with what the instance's own row says of it: the bill stays whole."""
    row = instance(connection, fact.subject.removeprefix("instance/"))
    if row is None:
        return fact
    offer = row.offer
    place = "/".join(part for part in (offer.cloud, offer.region, offer.zone) if part)
    known = {
        "instance_id": row.id,
        "place": f"{place} {offer.instance_type}{' (spot)' if row.use_spot else ''}",
        "price_usd_h": row.price_usd_h,
        "since_unix": fact.unix if row.launched_unix is None else row.launched_unix,
        "until_unix": fact.unix if row.ended_unix is None else row.ended_unix,
    }
    return msgspec.structs.replace(fact, data={**fact.data, **known})


def insert_block(connection: Connection, row: BlockRow) -> None:
    """Remember a place that is not worth trying."""
    connection.execute(_INSERT["blocks"], _plain(_fields(row)))


def lift_blocks(connection: Connection, cloud: str, kind: str) -> None:
    """No block of that kind rules out the whole cloud any more."""
    table = schema.blocks
    connection.execute(
        table.delete().where(
            table.c.cloud == cloud, table.c.kind == kind, table.c.region == "", table.c.cluster_id.is_(None)
        )
    )


def blocks(connection: Connection, *, now: float, cluster_id: int | None) -> list[BlockRow]:
    """Blocks still in force at `now`: those of one rehearsed cluster, or (None) those of the real world."""
    table = schema.blocks
    query = select(table).where(table.c.until_unix > now, table.c.cluster_id.is_(cluster_id)).order_by(table.c.id)
    return _all(connection, BlockRow, query)

"""Lists of managed jobs: chosen by filters, in pages, without the large columns, each row with what its cluster is doing."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Select, func, or_, select

from tradewind.broker.lifecycle.managed_job import ACTIVE
from tradewind.broker.store import schema

_jobs, _clusters = schema.managed_jobs, schema.clusters
PAGE = 1000
_COLUMNS = (
    "id", "name", "state", "attempt", "recoveries", "hourly_usd", "checkpoint_uri", "created_unix", "started_unix", "ended_unix",
    "why", "waiting_for", "rehearse", "priority", "not_before_unix", "array_id", "array_index", "budget_usd", "share", "waits_on",
)  # fmt: skip
UNFINISHED = (*ACTIVE, "PENDING", "PAUSED")


class Filter(msgspec.Struct, frozen=True):
    """Which jobs: of these states, of this name, of this array (0: of none), with an id below `before`; the newest `limit` of them."""

    states: tuple[str, ...] = ()
    name: str | None = None
    array_id: int | None = None
    before: int | None = None
    limit: int = PAGE


class Listed(msgspec.Struct, frozen=True):
    """A managed job as a list shows it. Times are Unix seconds, `hourly_usd` USD/hour."""

    id: int
    name: str
    state: str
    attempt: int
    recoveries: int
    hourly_usd: float
    checkpoint_uri: str
    created_unix: float
    started_unix: float | None
    ended_unix: float | None
    why: str
    waiting_for: str
    rehearse: bool
    priority: int
    not_before_unix: float | None
    array_id: int | None
    array_index: int | None
    budget_usd: float | None
    share: str
    waits_on: int
    cluster: str | None
    cluster_state: str | None


def managed_jobs(connection: Connection, chosen: Filter) -> list[Listed]:
    """The chosen jobs, oldest first."""
    query = _chosen(
        select(
            *(_jobs.c[name] for name in _COLUMNS),
            _clusters.c.name.label("cluster"),
            _clusters.c.state.label("cluster_state"),
            _clusters.c.waiting_for.label("cluster_waits"),
        ).select_from(_jobs.outerjoin(_clusters, _clusters.c.id == _jobs.c.cluster_id)),
        chosen,
    )
    found = connection.execute(query.order_by(_jobs.c.id.desc()).limit(chosen.limit)).mappings()
    return [_listed(dict(row)) for row in reversed(found.all())]


def _listed(row: dict[str, Any]) -> Listed:
    waits = row.pop("cluster_waits")
    if waits and row["state"] in {"STARTING", "RECOVERING", "CANCELLING", "PAUSING"}:
        row["waiting_for"] = waits
    row["rehearse"] = bool(row["rehearse"])
    return Listed(**row)


def _chosen(query: Select[Any], chosen: Filter) -> Select[Any]:
    if chosen.states:
        query = query.where(_jobs.c.state.in_(chosen.states))
    if chosen.name is not None:
        query = query.where(_jobs.c.name == chosen.name)
    if chosen.array_id is not None:
        wanted = chosen.array_id or None
        query = query.where(_jobs.c.array_id == wanted if wanted else _jobs.c.array_id.is_(None))
    if chosen.before is not None:
        query = query.where(_jobs.c.id < chosen.before)
    return query


def named(connection: Connection, word: str) -> int | None:
    """The id of the job of this number, or the newest of this name."""
    number = int(word) if word.isdigit() and len(word) < 19 else -1
    query = select(func.max(_jobs.c.id)).where(or_(_jobs.c.id == number, _jobs.c.name == word))
    found = connection.execute(query).scalar()
    return None if found is None else int(found)


def counts(connection: Connection, *, array_id: int | None = None) -> dict[str, int]:
    """How many jobs are in each state, of all or of one array."""
    query = select(_jobs.c.state, func.count()).group_by(_jobs.c.state)
    if array_id is not None:
        query = query.where(_jobs.c.array_id == array_id)
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def recoveries(connection: Connection) -> int:
    """Losses that all managed jobs together came back from."""
    return int(connection.execute(select(func.sum(_jobs.c.recoveries))).scalar() or 0)

"""Arrays of managed jobs: one row for all they share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, insert, select

from tradewind.broker.store import schema
from tradewind.broker.store.records import ArrayRow, as_json
from tradewind.optimizer.plan import Plan

_table = schema.arrays
_columns = [_table.c[name] for name in ArrayRow.__struct_fields__]


def add(connection: Connection, *, plan: Plan | None, **values: Any) -> int:
    """The id of the new array; `plan` None where each of its jobs has its own."""
    result = connection.execute(insert(_table).values(plan="" if plan is None else as_json(plan), **values))
    key: Any = result.inserted_primary_key
    return int(key[0])


def array(connection: Connection, array_id: int) -> ArrayRow | None:
    """One array."""
    return _first(connection.execute(select(*_columns).where(_table.c.id == array_id)).mappings())


def with_key(connection: Connection, client_key: str) -> ArrayRow | None:
    """The array that was submitted under this client key."""
    return _first(connection.execute(select(*_columns).where(_table.c.client_key == client_key)).mappings())


def newest_named(connection: Connection, name: str) -> ArrayRow | None:
    """The newest array of this name."""
    query = select(*_columns).where(_table.c.name == name).order_by(_table.c.id.desc()).limit(1)
    return _first(connection.execute(query).mappings())


def arrays(connection: Connection, ids: Iterable[int]) -> list[ArrayRow]:
    """These arrays by id."""
    query = select(*_columns).where(_table.c.id.in_(tuple(ids))).order_by(_table.c.id)
    return [ArrayRow(**row) for row in connection.execute(query).mappings()]


def _first(found: Any) -> ArrayRow | None:
    row = found.first()
    return None if row is None else ArrayRow(**row)


def members(connection: Connection, array_id: int) -> list[int]:
    """The ids of its jobs, in its own order."""
    jobs = schema.managed_jobs
    query = select(jobs.c.id).where(jobs.c.array_id == array_id).order_by(jobs.c.array_index)
    return list(connection.execute(query).scalars())

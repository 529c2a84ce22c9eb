"""What the queue reads: who may come next and what is active, each through an index, never every unfinished job."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, and_, func, or_, select

from tradewind.broker.lifecycle.managed_job import ACTIVE, FINAL
from tradewind.broker.store import schema

_jobs = schema.managed_jobs
_LIVE = tuple(state for state in ACTIVE if state not in {"CANCELLING", "PAUSING"})


class Waiting(msgspec.Struct, frozen=True):
    """A job that waits to be admitted. `hourly_usd` is what its plan costs (USD/hour, all nodes), `share` who it is for."""

    id: int
    priority: int
    array_id: int | None
    hourly_usd: float
    rehearse: bool
    share: str = ""


class Load(msgspec.Struct, frozen=True):
    """What is active: how many managed jobs, and what they cost together (USD/hour)."""

    count: int = 0
    hourly_usd: float = 0.0


def candidates(connection: Connection, *, now: float, limit: int) -> list[Waiting]:
    """Of everyone who has jobs waiting, the first `limit` that stand alone, and the first `limit` of every array; by priority, then oldest first."""
    waits = and_(
        _jobs.c.state == "PENDING",
        _jobs.c.waits_on == 0,
        or_(_jobs.c.not_before_unix.is_(None), _jobs.c.not_before_unix <= now),
    )
    columns = (_jobs.c.id, _jobs.c.priority, _jobs.c.array_id, _jobs.c.hourly_usd, _jobs.c.rehearse, _jobs.c.share)
    groups = connection.execute(select(_jobs.c.array_id, _jobs.c.share).where(_jobs.c.state == "PENDING").distinct())
    found: list[Waiting] = []
    for array_id, share in groups.all():
        query = select(*columns).where(waits, _jobs.c.array_id.is_(array_id), _jobs.c.share == share).limit(limit)
        ordered = connection.execute(query.order_by(_jobs.c.priority.desc(), _jobs.c.id))
        found.extend(
            Waiting(row.id, row.priority, row.array_id, row.hourly_usd, bool(row.rehearse), row.share)
            for row in ordered
        )
    return sorted(found, key=lambda one: (-one.priority, one.id))


def load(connection: Connection) -> dict[bool, Load]:
    """What is active, for rehearsals (True) and for real money (False) apart."""
    query = (
        select(_jobs.c.rehearse, func.count(), func.sum(_jobs.c.hourly_usd))
        .where(_jobs.c.state.in_(ACTIVE))
        .group_by(_jobs.c.rehearse)
    )
    found = {bool(flag): Load(count, usd) for flag, count, usd in connection.execute(query)}
    return {False: found.get(False, Load()), True: found.get(True, Load())}


def active_in_arrays(connection: Connection, arrays: set[int]) -> dict[int, int]:
    """How many jobs of each of these arrays are active."""
    query = (
        select(_jobs.c.array_id, func.count())
        .where(_jobs.c.array_id.in_(arrays), _jobs.c.state.in_(ACTIVE))
        .group_by(_jobs.c.array_id)
    )
    counted = {row[0]: int(row[1]) for row in connection.execute(query)}
    return {array_id: counted.get(array_id, 0) for array_id in arrays}


def active_in_shares(connection: Connection) -> dict[str, int]:
    """How many jobs are active for whom."""
    query = select(_jobs.c.share, func.count()).where(_jobs.c.state.in_(ACTIVE)).group_by(_jobs.c.share)
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def array_limits(connection: Connection, arrays: set[int]) -> Mapping[int, int]:
    """Those of these arrays that have a limit of their own, with it."""
    table = schema.arrays
    query = select(table.c.id, table.c.max_active).where(table.c.id.in_(arrays), table.c.max_active.is_not(None))
    return {row.id: int(row.max_active) for row in connection.execute(query)}


def next_not_before(connection: Connection, now: float) -> float | None:
    """The Unix second at which the next job that is held back until then may start."""
    query = select(func.min(_jobs.c.not_before_unix)).where(_jobs.c.state == "PENDING", _jobs.c.not_before_unix > now)
    found = connection.execute(query).scalar()
    return None if found is None else float(found)


def any_unfinished(connection: Connection) -> bool:
    """Whether some job is waiting for the queue or active; one that is paused waits for a person and keeps nobody up."""
    query = select(_jobs.c.id).where(_jobs.c.state.in_((*ACTIVE, "PENDING"))).limit(1)
    return connection.execute(query).first() is not None


def in_state(connection: Connection, state: str) -> list[int]:
    """The ids of the jobs in this state."""
    return list(connection.execute(select(_jobs.c.id).where(_jobs.c.state == state)).scalars())


def active_with_budget(connection: Connection) -> list[int]:
    """The ids of the active jobs that have a budget of their own and are not being ended yet."""
    query = select(_jobs.c.id).where(_jobs.c.state.in_(_LIVE), _jobs.c.budget_usd.is_not(None))
    return list(connection.execute(query).scalars())


def active_in(connection: Connection, worlds: set[bool]) -> list[int]:
    """The ids of the active jobs of these worlds (rehearsed or not) that are not being ended yet."""
    query = select(_jobs.c.id).where(_jobs.c.state.in_(_LIVE), _jobs.c.rehearse.in_([int(world) for world in worlds]))
    return list(connection.execute(query).scalars()) if worlds else []


def writes_to(connection: Connection, checkpoint: str) -> int | None:
    """The oldest unfinished job that keeps its checkpoints at that place; rehearsals keep none there."""
    query = select(_jobs.c.id).where(
        _jobs.c.state.not_in(tuple(FINAL)),
        _jobs.c.rehearse == 0,
        func.json_extract(_jobs.c.task, "$.checkpoint") == checkpoint,
    )
    return connection.execute(query.order_by(_jobs.c.id).limit(1)).scalar()

"""What is still to be spent until everything that is unfinished has ended, at the lengths that were given or are assumed and at the newest plans' prices."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, case, func, select

from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.store import schema

ASSUMED_H = 1.0  # as plans assume it of a job whose length nobody knows
SYNCED = "checkpoint synced"
KEPT_ENDS = frozenset(
    {"", "moved"}
)  # attempts whose work is not undone: one that runs, and those that were told to end
_j, _a, _t, _e = schema.managed_jobs, schema.arrays, schema.attempts, schema.events
_GIVEN, _PLANNED = "$.hours", "$.placements[0].hours"


class Forecast(msgspec.Struct, frozen=True):
    """Unfinished jobs, the hours of work that they have left together, and what these cost (USD)."""

    jobs: int = 0
    hours: float = 0.0
    usd: float = 0.0


def forecast(connection: Connection, *, rehearsed: bool, now: float) -> Forecast:
    """Of all unfinished managed jobs, rehearsed or not. A job that has worked for longer than it was said to take is nearly done."""
    unfinished = _j.c.state.not_in(sorted(mm.FINAL))
    query = (
        select(
            _j.c.id,
            _j.c.hourly_usd,
            func.coalesce(
                _number(_j.c.options, _GIVEN), _number(_j.c.plan, _PLANNED), _number(_a.c.plan, _PLANNED), ASSUMED_H
            ).label("hours"),
        )
        .select_from(_j.outerjoin(_a, and_(_a.c.id == _j.c.array_id, _j.c.plan == "")))
        .where(unfinished, _j.c.rehearse == int(rehearsed))
    )
    worked = _worked_h(connection, now)
    count, hours, usd = 0, 0.0, 0.0
    for row in connection.execute(query):
        left = max(0.0, float(row.hours) - worked[row.id])
        count, hours, usd = count + 1, hours + left, usd + left * row.hourly_usd
    return Forecast(count, hours, usd)


def _number(column: Any, path: str) -> Any:
    """What the JSON text has at that path; NULL where the text is none, as of a damaged row."""
    return case((func.json_valid(column), func.json_extract(column, path)))


def _worked_h(connection: Connection, now: float) -> dict[int, float]:
    """Hours of work by unfinished job that would not have to be done again: of an attempt that was lost, what its last checkpoint kept."""
    kept = (
        select(func.max(_e.c.unix))
        .where(_e.c.managed_job_id == _t.c.managed_job_id, _e.c.kind == SYNCED)
        .where(_e.c.unix.between(_t.c.started_unix, _t.c.ended_unix))
        .scalar_subquery()
    )
    until = func.coalesce(_t.c.ended_unix, now)
    safe = case((_t.c.end.in_(sorted(KEPT_ENDS)), until), else_=func.coalesce(kept, _t.c.started_unix))
    query = (
        select(_t.c.managed_job_id, func.sum(safe - _t.c.started_unix).label("seconds"))
        .select_from(_t.join(_j, _j.c.id == _t.c.managed_job_id))
        .where(_j.c.state.not_in(sorted(mm.FINAL)))
        .group_by(_t.c.managed_job_id)
    )
    worked: dict[int, float] = defaultdict(float)
    worked.update({row.managed_job_id: row.seconds / 3600 for row in connection.execute(query)})
    return worked

"""What led to an event, and how far those who follow the events have been told."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, text

from tradewind.broker.store import rows, schema
from tradewind.broker.store.records import EventRow, Options

_events = schema.events


def cursor(connection: Connection, name: str) -> int:
    """The number of the event up to which `name` has been told. Whoever is new is told from now on, not what was before."""
    known = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == name)).scalar()
    if known is not None:
        return int(known)
    now = newest(connection)
    advance(connection, name, now)
    return now


def newest(connection: Connection) -> int:
    """The number of the newest event; 0 when there is none."""
    return int(connection.execute(select(func.max(_events.c.seq))).scalar() or 0)


def launches(connection: Connection, after: int, limit: int = 10_000) -> tuple[int, list[float]]:
    """Up to which event was looked, and how many seconds each cluster took that came up after event `after`, from its order to launch."""
    began = _events.alias()
    since = (
        select(func.max(began.c.unix))
        .where(began.c.subject == _events.c.subject, began.c.seq < _events.c.seq, began.c.kind == "provisioning")
        .scalar_subquery()
    )
    came_up = (
        select(_events.c.seq, _events.c.unix - since)
        .where(_events.c.seq > after, _events.c.kind == "up", _events.c.subject.startswith("cluster/"))
        .order_by(_events.c.seq)
        .limit(limit)
    )
    found = connection.execute(came_up).all()
    upto = int(found[-1][0]) if len(found) == limit else newest(connection)
    return upto, [float(took) for _, took in found if took is not None]


def advance(connection: Connection, name: str, seq: int) -> None:
    """`name` has been told up to this event."""
    connection.execute(
        text("INSERT INTO meta (key, value) VALUES (:k, :v) ON CONFLICT (key) DO UPDATE SET value = :v"),
        {"k": name, "v": seq},
    )


def before(connection: Connection, event: EventRow) -> tuple[EventRow | None, EventRow | None]:
    """The event by which the subject entered the state that this one leaves, and the subject's first event; None where there is none."""
    mine = [_events.c.subject == event.subject, _events.c.seq < event.seq]
    if not event.subject.startswith("job/"):  # a later cluster may have the name of an earlier one
        mine.append(_events.c.cluster_id == event.cluster_id)
    entered = func.json_extract(_events.c.data, "$.to")
    begun = select(_events.c.seq).where(*mine, entered == event.data.get("from")).order_by(_events.c.seq.desc())
    first = select(_events.c.seq).where(*mine).order_by(_events.c.seq)
    return _numbered(connection, begun), _numbered(connection, first)


def _numbered(connection: Connection, query: object) -> EventRow | None:
    seq = connection.execute(query.limit(1)).scalar()  # type: ignore[attr-defined]
    return None if seq is None else rows.events(connection, after=int(seq) - 1, limit=1)[0]


def options_of(connection: Connection, managed_job_id: int | None, cluster_id: int | None) -> Options | None:
    """What the submission of this managed job asked for, or of this cluster when no managed job owns it."""
    if managed_job_id is not None:
        job = rows.managed_job(connection, managed_job_id)
        return None if job is None else job.options
    cluster = None if cluster_id is None else rows.cluster(connection, cluster_id)
    return None if cluster is None else cluster.options

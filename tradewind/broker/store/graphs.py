"""Which managed jobs wait for which: the edges of chains and graphs, and how many of a job's parents have not succeeded yet."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, select, update

from tradewind.broker.store import schema

_jobs, _edges = schema.managed_jobs, schema.dependencies
_CHILDREN = select(_edges.c.child).where(_edges.c.parent == bindparam("of_job")).order_by(_edges.c.child)
_UNMET = (
    select(func.count())
    .select_from(_edges.join(_jobs, _jobs.c.id == _edges.c.parent))
    .where(_edges.c.child == bindparam("of_job"), _jobs.c.state != "SUCCEEDED")
)
_UPDATE = update(_jobs).where(_jobs.c.id == bindparam("of_job"))


class Parent(msgspec.Struct, frozen=True):
    """A job that another one waits for."""

    id: int
    name: str
    state: str


def add(connection: Connection, edges: Iterable[tuple[int, int]]) -> None:
    """Let the second job of every pair wait for the first."""
    pairs = [{"parent": parent, "child": child} for parent, child in edges]
    if pairs:
        connection.execute(insert(_edges), pairs)
    for child in {pair["child"] for pair in pairs}:
        recount(connection, child)


def children(connection: Connection, job_id: int) -> list[int]:
    """The jobs that wait for this one."""
    return list(connection.execute(_CHILDREN, {"of_job": job_id}).scalars())


def recount(connection: Connection, job_id: int) -> None:
    """`waits_on` of the job is how many of those it waits for have not succeeded."""
    unmet = connection.execute(_UNMET, {"of_job": job_id}).scalar_one()
    connection.execute(_UPDATE, {"of_job": job_id, "waits_on": unmet})


def unmet(connection: Connection, job_id: int) -> list[Parent]:
    """The jobs that this one still waits for."""
    query = (
        select(_jobs.c.id, _jobs.c.name, _jobs.c.state)
        .select_from(_edges.join(_jobs, _jobs.c.id == _edges.c.parent))
        .where(_edges.c.child == job_id, _jobs.c.state != "SUCCEEDED")
        .order_by(_jobs.c.id)
    )
    return [Parent(*row) for row in connection.execute(query)]


def waiting_sentence(parents: Iterable[Parent]) -> str:
    """What a job that waits for these waits for, and what to do where they will not come by themselves."""
    said = []
    for parent in parents:
        stuck = parent.state in {"FAILED", "FAILED_SETUP", "FAILED_PRECHECKS", "FAILED_NO_RESOURCE", "CANCELLED"}
        hint = f" (it is {parent.state}: `tradewind jobs retry {parent.id}`)" if stuck else ""
        said.append(f"job {parent.id} ({parent.name}) to succeed{hint}")
    return ", ".join(said)

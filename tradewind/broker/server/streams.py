"""What the API streams: a job's output over its whole life, and facts as they happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle import cluster_job as jm
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.server.broker import Broker
from tradewind.broker.server.views import event_view
from tradewind.broker.store import rows
from tradewind.broker.store.records import ClusterRow, EventRow, JobRow

TEND_S = 5.0  # how often a stream looks again although nothing told it to


async def job_log(
    broker: Broker, job: JobRow, nodes: int, *, follow: bool, offset: int = 0, rank: int | None = None
) -> AsyncIterator[bytes]:
    """The job's output from byte `offset` of the chosen view; with `follow`, or when it has ended, until all is told."""
    follow = follow or job.state in jm.FINAL  # the last of it may still be on its way from the instance
    reader = broker.logs.reader(job.key, rank=rank, nodes=nodes)
    skip = offset
    try:
        while True:
            seen = broker.logs.changed.count
            changed = broker.changed.count
            over = not follow or _is_over(broker, job)
            for piece in reader.read():
                kept = piece[skip:]
                skip = max(0, skip - len(piece))
                if kept:
                    yield kept
                    await asyncio.sleep(0)  # a long log must not keep the daemon from its other work
            if over:
                rest = reader.rest()[skip:]
                if rest:
                    yield rest
                return
            await _either(broker, seen, changed)
    finally:
        reader.close()


def _is_over(broker: Broker, job: JobRow) -> bool:
    now = broker.store.read(lambda c: rows.job(c, job.cluster_id, job.id))
    return (now is None or now.state in jm.FINAL) and not broker.logs.is_collecting(job.key)


async def _either(broker: Broker, log_seen: int, record_seen: int) -> None:
    """Return once a log or the record has changed."""
    waits = [
        asyncio.ensure_future(broker.logs.changed.wait(log_seen, TEND_S)),
        asyncio.ensure_future(broker.changed.wait(record_seen, TEND_S)),
    ]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def managed_log(broker: Broker, job_id: int, *, follow: bool, rank: int | None = None) -> AsyncIterator[bytes]:
    """The output of every attempt in order; with `follow` over recoveries until the managed job has ended."""
    told: set[str] = set()
    while True:
        changed = broker.changed.count
        over = not follow or broker.managed_job(job_id).state in mm.FINAL
        for job in broker.store.read(lambda c: rows.jobs_of_managed(c, job_id)):
            if job.key in told:
                continue
            told.add(job.key)
            nodes = broker.managed_job(job_id).task.num_nodes
            async for piece in job_log(broker, job, nodes, follow=follow, rank=rank):
                yield piece
        if over:
            return
        await broker.changed.wait(changed, TEND_S)


class Subject(msgspec.Struct, frozen=True):
    """Whose facts are asked for."""

    subject: str | None = None
    cluster: ClusterRow | None = None
    managed_job_id: int | None = None


def subject_of(broker: Broker, name: str | None) -> Subject:
    """`cluster/NAME` and `job/ID` take in all that belongs to them; anything else stands for itself; None is everything."""
    if not name:
        return Subject()
    kind, _, rest = name.partition("/")
    if kind == "cluster" and "/" not in rest:
        return Subject(subject=name, cluster=broker.cluster(rest))
    if kind == "job" and rest.isdigit():
        return Subject(subject=name, managed_job_id=broker.managed_job(int(rest)).id)
    return Subject(subject=name)


def facts(broker: Broker, about: Subject, after: int) -> list[EventRow]:
    """The facts with seq > `after`."""
    cluster_id = None if about.cluster is None else about.cluster.id
    subject = None if about.cluster is not None else about.subject  # an earlier cluster may have had the same name
    return broker.store.read(
        lambda c: rows.events(
            c, subject=subject, cluster_id=cluster_id, managed_job_id=about.managed_job_id, after=after
        )
    )


async def followed_facts(broker: Broker, about: Subject, after: int) -> AsyncIterator[bytes]:
    """Facts as lines of JSON, past and to come, until the subject has ended."""
    while True:
        seen = broker.changed.count
        over = _has_ended(broker, about)
        for fact in facts(broker, about, after):
            after = fact.seq
            yield msgspec.json.encode(event_view(fact)) + b"\n"
        if over:
            return
        await broker.changed.wait(seen, TEND_S)


async def server_sent(broker: Broker, about: Subject, after: int) -> AsyncIterator[bytes]:
    """Facts as server-sent events (html.spec.whatwg.org, 9.2): `id` is a fact's number, `event` its kind; past and to come, until the subject
    has ended, and then an event `end`, so that a client knows that it need not come again. A comment now and then keeps the connection.
    """
    yield b"retry: 1000\n\n"
    while True:
        seen = broker.changed.count
        over = _has_ended(broker, about)
        for fact in facts(broker, about, after):
            after = fact.seq
            data = msgspec.json.encode(event_view(fact)).decode()
            yield f"id: {fact.seq}\nevent: {fact.kind}\ndata: {data}\n\n".encode()
        if over:
            yield b"event: end\ndata: {}\n\n"
            return
        if not await broker.changed.wait(seen, TEND_S):
            yield b": still here\n\n"


def _has_ended(broker: Broker, about: Subject) -> bool:
    if about.managed_job_id is not None:
        job = broker.managed_job(about.managed_job_id)
        cluster_id = job.cluster_id
        if job.state not in mm.FINAL:
            return False
        cluster = None if cluster_id is None else broker.store.read(lambda c: rows.cluster(c, cluster_id))
        return cluster is None or cluster.state in cm.FINAL
    if about.cluster is not None:
        cluster_row = about.cluster
        now = broker.store.read(lambda c: rows.cluster(c, cluster_row.id))
        return now is None or now.state in cm.FINAL
    return False

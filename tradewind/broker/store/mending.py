"""Damaged rows, set right before anything is driven: what a column said stands once more elsewhere in the record.

A cluster's task is its job's, its place an instance's, its options its managed job's, and the other way round. What the damaged column held is kept in
an event. A cluster of which nothing says any more where it is, is set aside: its rows go into an event, and its machines, which nobody owns then, are
ended by their tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Table, delete, func, or_, select, update

from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle import cluster_job as jm
from tradewind.broker.lifecycle import managed_job as mm
from tradewind.broker.store import schema
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.records import Options, as_json, decoded
from tradewind.broker.store.spend import ENDED
from tradewind.catalog.offer import Offer
from tradewind.optimizer.plan import Plan, RankedCandidate
from tradewind.spec.task import Task

MENDED, SET_ASIDE = "mended", "set aside"
CAUSE = "reconciliation"
KEPT = 4096  # characters of a damaged column that its event keeps
_CANDIDATES = tuple[RankedCandidate, ...]
Found = tuple[Any, str] | None  # a value, and in words where it stood


class _Table(NamedTuple):
    table: Table
    columns: tuple[str, ...]
    over: frozenset[str]


# Those first whose columns others are mended from. What waits in the queue is looked at when its turn comes.
_MANAGED = _Table(schema.managed_jobs, ("task", "options", "course"), frozenset({*mm.FINAL, "PENDING", "PAUSED"}))
_CLUSTERS = _Table(schema.clusters, ("task", "options", "place", "candidates"), frozenset(cm.FINAL))
_INSTANCES = _Table(schema.instances, ("tags", "offer"), frozenset({"ENDED"}))
_JOBS = _Table(schema.jobs, ("task", "machine"), frozenset(jm.FINAL))


def mend(ledger: Ledger, tags_of: Callable[[str, str], dict[str, str]]) -> list[str]:
    """A sentence for everything that was damaged. `tags_of` (a cluster's key, an instance's id) are the tags that an instance is launched with."""
    mender = _Mender(ledger, tags_of)
    for part in (_MANAGED, _CLUSTERS, _INSTANCES, _JOBS):
        mender.mend(part)
    return mender.told


class _Mender:
    def __init__(self, ledger: Ledger, tags_of: Callable[[str, str], dict[str, str]]) -> None:
        self._ledger, self._tags_of = ledger, tags_of
        self.told: list[str] = []

    def mend(self, part: _Table) -> None:
        # What has ended is read by the database alone: there may be a hundred thousand of it.
        torn = [func.json_valid(part.table.c[column]) == 0 for column in part.columns]
        looked_at = select(part.table).where(or_(part.table.c.state.not_in(sorted(part.over)), *torn))
        for row in self._ledger.connection.execute(looked_at).mappings().all():
            now = dict(row)
            try:
                for column in part.columns:
                    if _read(column, now[column]) is None:
                        now[column] = self._mend_column(part.table, now, column)
            except LookupError as error:
                self._set_aside(now, str(error))

    def _mend_column(self, table: Table, row: dict[str, Any], column: str) -> str:
        value, source = next(found for found in self._sources(table.name, row, column) if found is not None)
        text = as_json(value)
        keys = [key == row[key.name] for key in table.primary_key.columns]
        self._ledger.connection.execute(update(table).where(*keys).values({column: text}))
        subject, about = _subject(table.name, row)
        told = f"{column} of {subject} could not be read in the record; it is taken from {source}"
        self._ledger.record(subject, MENDED, CAUSE, {"why": told, "damaged": str(row[column])[:KEPT]}, **about)
        self.told.append(told)
        return text

    def _set_aside(self, row: dict[str, Any], why: str) -> None:
        """Nothing is left of the cluster but facts; a managed job that stood on it has failed."""
        connection, (subject, about) = self._ledger.connection, _subject("clusters", row)
        machines = "" if row["state"] in cm.FINAL else ", and its machines are ended"
        told = f"{why}; what the record has of it is set aside{machines}"
        self._ledger.record(subject, SET_ASIDE, CAUSE, {"why": told, "row": _kept(row)}, **about)
        for one in self._rows(schema.instances, cluster_id=row["id"]):
            data = {
                "instance_id": one["id"],
                "rank": one["rank"],
                "reason": told,
                "until_unix": self._ledger.metered,
                "row": _kept(one),
            }
            if one["launched_unix"] is not None and one["ended_unix"] is None:
                self._ledger.record(f"instance/{one['id']}", ENDED, CAUSE, data, **about)
        for table, key in ((schema.instances, "cluster_id"), (schema.jobs, "cluster_id"), (schema.clusters, "id")):
            connection.execute(delete(table).where(table.c[key] == row["id"]))
        owner = [
            one for one in self._rows(schema.managed_jobs, id=row["managed_job_id"]) if one["cluster_id"] == row["id"]
        ]
        if owner and owner[0]["state"] not in mm.FINAL:
            self._ledger.give_up_unreadable(owner[0]["id"], why, CAUSE)
        self.told.append(told)

    def _sources(self, table: str, row: dict[str, Any], column: str) -> Iterable[Found]:
        """Where the column's value may stand, the best first; the last is never None."""
        match table, column:
            case "managed_jobs", "course":
                yield mm.Course(began=bool(row["attempt"])), "how often it was started"
            case "managed_jobs", "task":
                yield self._of(schema.clusters, "task", "its cluster", id=row["cluster_id"])
                yield self._of(schema.jobs, "task", "its job", managed_job_id=row["id"])
                yield Task(name=row["name"]), "its name, and no more is known"
            case "managed_jobs", "options":
                yield self._of(schema.clusters, "options", "its cluster", id=row["cluster_id"])
                yield Options(rehearse=bool(row["rehearse"])), "what is usual"
            case "clusters", "task":
                yield self._of(schema.managed_jobs, "task", "its managed job", id=row["managed_job_id"])
                yield self._of(schema.jobs, "task", "its job", cluster_id=row["id"])
                nodes = len(self._rows(schema.instances, cluster_id=row["id"], tries=row["tries"]))
                yield Task(name=row["name"], num_nodes=max(1, nodes)), "its machines, and no more is known"
            case "clusters", "options":
                yield self._of(schema.managed_jobs, "options", "its managed job", id=row["managed_job_id"])
                yield Options(rehearse=bool(row["rehearse"])), "what is usual"
            case "clusters", "place":
                yield from self._places(row)
            case "clusters", "candidates":
                yield [_read("place", row["place"])], "the place where it is"
            case "instances", "offer":
                place = self._of(schema.clusters, "place", "its cluster", id=row["cluster_id"])
                if place is None:
                    raise LookupError(f"nothing in the record says what machine {row['id']} is")
                yield place[0].offer, place[1]
            case "instances", "tags":
                cluster = self._rows(schema.clusters, id=row["cluster_id"])[0]
                yield self._tags_of(f"{cluster['name']}-c{cluster['id']}", row["id"]), "its name"
            case "jobs", "task":
                yield self._of(schema.clusters, "task", "its cluster", id=row["cluster_id"])
            case _:
                yield self._machine(row), "its state"

    def _places(self, row: dict[str, Any]) -> Iterable[Found]:
        jobs = self._rows(schema.managed_jobs, id=row["managed_job_id"])
        arrays = self._rows(schema.arrays, id=jobs[0]["array_id"]) if jobs else []
        plan = next((plan for one in (*jobs, *arrays) if (plan := _typed(one["plan"], Plan)) is not None), None)
        candidates = _typed(row["candidates"], _CANDIDATES) or (() if plan is None else plan.candidates)
        offers = [_read("offer", one["offer"]) for one in self._rows(schema.instances, cluster_id=row["id"])[::-1]]
        for offer in offers:
            for one in candidates:
                same = offer is not None and one.instance_type == offer.instance_type and one.cloud == offer.cloud
                if same and one.region == offer.region and (not one.zone or one.zone == offer.zone):
                    yield one, "its machines and its plan"
        yield (candidates[0], "its plan") if candidates else None
        for offer in filter(None, offers):
            yield _place(row, offer), "its machines"
        raise LookupError(f"nothing in the record says where cluster {row['name']} is")

    def _of(self, table: Table, column: str, source: str, **where: Any) -> Found:
        for row in self._rows(table, **where):
            value = _read(column, row[column])
            if value is not None:
                return value, source
        return None

    def _rows(self, table: Table, **where: Any) -> list[Any]:
        keys = [table.c[name] == value for name, value in where.items()]
        return list(self._ledger.connection.execute(select(table).where(*keys)).mappings())

    def _machine(self, row: dict[str, Any]) -> jm.ClusterJob:
        """A job's machine as its state tells it: every rank of its phase has started."""
        task, state = _read("task", row["task"]), row["state"]
        nodes = task.num_nodes
        machine = jm.ClusterJob(
            state=state,
            setup_ranks=nodes if task.setup else 0,
            run_ranks=(1 if task.run_on == "head" else nodes) if task.run else 0,
        )
        if state == "PENDING":
            return machine
        phase: jm.Phase = "setup" if state == "SETTING_UP" else "run"
        ranks = machine.setup_ranks if phase == "setup" else machine.run_ranks
        return msgspec.structs.replace(machine, phase=phase, started=tuple(range(ranks)))


def _read(column: str, text: str) -> Any:
    """The column's value; None when it cannot be read."""
    if column == "candidates":
        return _typed(text, _CANDIDATES)
    try:
        return decoded(column, text)
    except msgspec.DecodeError:
        return None


def _typed(text: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        return None


def _place(row: dict[str, Any], offer: Offer) -> RankedCandidate:
    """The place of a cluster as its machine tells it."""
    return RankedCandidate(
        task=row["name"],
        cloud=offer.cloud,
        region=offer.region,
        zone=offer.zone,
        instance_type=offer.instance_type,
        use_spot=offer.price_spot_usd_h is not None and row["hourly_usd"] != repr(offer.price_ondemand_usd_h),
        hourly_usd=float(row["hourly_usd"]),
        reason="",
        offer=offer,
    )


def _kept(row: Any) -> dict[str, Any]:
    """The row as an event keeps it."""
    return {name: value[:KEPT] if isinstance(value, str) else value for name, value in row.items()}


def _subject(table: str, row: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Whose row it is: its name in the event table, and its cluster and managed job."""
    match table:
        case "managed_jobs":
            return f"job/{row['id']}", {"managed_job_id": row["id"]}
        case "clusters":
            return f"cluster/{row['name']}", {"cluster_id": row["id"], "managed_job_id": row["managed_job_id"]}
        case "instances":
            return f"instance/{row['id']}", {"cluster_id": row["cluster_id"]}
        case _:
            about = {"cluster_id": row["cluster_id"], "managed_job_id": row["managed_job_id"]}
            return f"job {row['id']} of cluster {row['cluster_id']}", about

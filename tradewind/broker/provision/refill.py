"""Replaces the nodes that an elastic gang lost while the others go on: bought where those stand, made ready beside them, then joined.

Until it has joined, a replacement is of no try of the cluster, so that nothing that is about the gang's own nodes takes it for one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.provision.gang import intent, launch
from tradewind.broker.provision.release import end_instances
from tradewind.broker.provision.services import Services, log
from tradewind.broker.store import rows
from tradewind.broker.store.facts import place_of
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.records import ClusterRow, InstanceRow

REPLACEMENT = 0  # the try of those that have not joined; a cluster's own begin with 1
FIRST_PAUSE_S, MAX_PAUSE_S = 5.0, 600.0  # between asking for what could not be had, and asking again
LOST_AGAIN_S = 0.2
Ready = Callable[[InstanceRow], Awaitable[None]]


def standing(instances: Sequence[InstanceRow]) -> list[InstanceRow]:
    """Those that run."""
    return [row for row in instances if row.state == "RUNNING" and row.ended_unix is None]


def free_ranks(nodes: int, taken: Sequence[int], count: int) -> tuple[int, ...]:
    """The lowest `count` ranks of a gang of so many nodes that nobody has. Pure."""
    return tuple(rank for rank in range(nodes) if rank not in set(taken))[:count]


async def refill(services: Services, cluster_id: int, cause: str, ready: Ready) -> None:
    """A replacement that is `ready` stands for every node that the cluster lacks, and it knows; or it is not up any more.

    Asks again for as long as that takes, ever less often.
    """
    pause = FIRST_PAUSE_S
    while (cluster := _lacking(services, cluster_id)) is not None:
        await _end_lost(services, cluster, cause)
        why = await _try(services, cluster, cause, ready)
        if not why:
            if await services.apply(lambda ledger: _join(ledger, cluster_id, cause)):
                return
            await asyncio.sleep(LOST_AGAIN_S)  # one was lost meanwhile, and its loss is being told
        else:
            log.info("cluster %s lacks %d nodes: %s; asking again in %.0f s", cluster.name, cluster.missing, why, pause)
            await _say(services, cluster, f"{_lacks(cluster)}, asked for again in {pause:.0f} s: {why}")
            await asyncio.sleep(pause)
            pause = min(MAX_PAUSE_S, pause * 2)


def _lacking(services: Services, cluster_id: int) -> ClusterRow | None:
    """The cluster while it is up and lacks nodes."""
    row = services.store.read(lambda c: rows.cluster(c, cluster_id))
    return row if row is not None and row.state == "UP" and row.missing else None


def _lacks(cluster: ClusterRow) -> str:
    return f"{cluster.missing} of {cluster.task.num_nodes} nodes in {place_of(cluster.place)}"


async def _say(services: Services, cluster: ClusterRow, waiting_for: str) -> None:
    await services.apply(lambda ledger: rows.update_cluster(ledger.connection, cluster.id, waiting_for=waiting_for))


async def _end_lost(services: Services, cluster: ClusterRow, cause: str) -> None:
    """Nothing is left of nodes and replacements that were lost."""
    of_it = services.store.read(lambda c: rows.instances_of(c, cluster.id))
    lost = [row for row in of_it if row.ended_unix is not None or row.state == "ENDING"]
    await end_instances(services, lost, reason="lost", cause=cause)


async def _try(services: Services, cluster: ClusterRow, cause: str, ready: Ready) -> str:
    """Why no replacement could be had or made ready for some node; "" when all stand."""
    asked = await _intents(services, cluster)
    if not asked:
        return ""  # what was lost meanwhile is another's to count
    await _say(services, cluster, _lacks(cluster))

    async def one(row: InstanceRow) -> None:
        if row.state == "INTENT":
            await launch(services, row, cause)
        fresh = services.store.read(lambda c: rows.instance(c, row.id))
        assert fresh is not None, "an intent's row stays"
        await ready(fresh)

    results = await asyncio.gather(*(one(row) for row in asked), return_exceptions=True)
    failed = [(row, error) for row, error in zip(asked, results, strict=True) if isinstance(error, Exception)]
    await end_instances(services, [row for row, _ in failed], reason="it did not become a node", cause=cause)
    return "; ".join(dict.fromkeys(str(error) or type(error).__name__ for _, error in failed))


async def _intents(services: Services, cluster: ClusterRow) -> list[InstanceRow]:
    """An intent, committed, for every node that the cluster lacks: those of an interrupted call, and new ones for the rest."""

    def commit(ledger: Ledger) -> list[InstanceRow]:
        at = rows.cluster(ledger.connection, cluster.id)
        if at is None or at.state != "UP":
            return []
        here = rows.instances_of(ledger.connection, at.id)
        gang = standing([row for row in here if row.tries == at.tries])
        known = [row for row in here if row.tries == REPLACEMENT and row.state in {"INTENT", "RUNNING"}]
        known = [row for row in known if row.ended_unix is None]
        ranks = free_ranks(at.task.num_nodes, [row.rank for row in (*gang, *known)], at.missing - len(known))
        fresh = [intent(services, at, at.place, REPLACEMENT, rank, gang[0].offer) for rank in ranks if gang]
        for row in fresh:
            rows.insert_instance(ledger.connection, row)
        return [*known, *fresh]

    await services.boundary("intent:before")
    found = await services.apply(commit)
    await services.boundary("intent:committed")
    return found


def _join(ledger: Ledger, cluster_id: int, cause: str) -> bool:
    """Whether the cluster has been told that its gang is whole; not where one was lost meanwhile."""
    at = rows.cluster(ledger.connection, cluster_id)
    if at is None or at.state != "UP":
        return False
    joining = standing(rows.instances_of(ledger.connection, cluster_id, tries=REPLACEMENT))
    if not at.missing or len(joining) < at.missing:
        return False
    for row in joining:
        rows.update_instance(ledger.connection, row.id, tries=at.tries)
    nodes = at.task.num_nodes
    why = f"{len(joining)} replacement{'s' if len(joining) > 1 else ''} joined, so that all {nodes} nodes stand"
    ledger.cluster_event(cluster_id, cm.NodesJoined(cause=cause, why=why))
    return True

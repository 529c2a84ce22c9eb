"""Makes the instances of one try of a cluster run: intents first, then the launches in parallel, all or none."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import msgspec

from tradewind.broker.capabilities import Hearing
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.lifecycle.machine import IllegalMove
from tradewind.broker.provider import Blocked, Instance, LaunchRequest, Provider, ProviderError
from tradewind.broker.provision.choice import LOCAL, choose, soonest, why_none
from tradewind.broker.provision.failover import block_for_refusal
from tradewind.broker.provision.patience import patiently
from tradewind.broker.provision.release import LOCKED_OUT, TellAgent, end_instances, tell_nobody
from tradewind.broker.provision.services import Services, log
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.broker.provision.user_data import with_login
from tradewind.broker.provision.zones import may_stay, offer_in, zones_left
from tradewind.broker.store import rows
from tradewind.broker.store.facts import place_of
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.records import ClusterRow, InstanceRow
from tradewind.catalog.offer import Offer
from tradewind.optimizer.plan import RankedCandidate

T = TypeVar("T")
Refusals = list[tuple[InstanceRow, Exception]]
LEASE_S = 7200.0
START_DEADLINE_S = 600.0  # clouds take minutes; past this the place is given up
RETRY_AT_MOST_S = 60.0  # with --retry-until-up: capacity comes back sooner than a block says
REFILLS = 12  # how often the rest of a gang is asked for while a part of it is kept
BOOTED = frozenset(
    {"aws", "azure", "gcp"}
)  # clouds whose machines are made for us, and take our keys at their first boot
TAG_OWNER, TAG_CLUSTER, TAG_INSTANCE = "tradewind-owner", "tradewind-cluster", "tradewind-instance"


class NeverRanError(Exception):
    """An instance was bought and did not come to run; one sentence."""


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`; when cancelled meanwhile, wait for its end first: a call that may buy is never left half-way."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


def provider_of(services: Services, cluster: ClusterRow, candidate: RankedCandidate) -> tuple[str, Provider]:
    """Who carries this candidate out, by name: this machine in a rehearsal, else the offer's cloud."""
    name = "local" if cluster.options.rehearse else candidate.cloud
    return name, services.providers[name]


async def provision(
    services: Services, cluster_id: int, order: cm.Provision, tell_agent: TellAgent = tell_nobody
) -> None:
    """Every instance of this try runs and the cluster knows, or the place is refused and blocked, or no place is left.

    Picks up where an interrupted call of the same try left off.
    """
    tries, cause = order.tries, order.cause
    cluster = services.store.read(lambda c: rows.cluster(c, cluster_id))
    if cluster is None or cluster.state != "PROVISIONING" or cluster.tries != tries:
        return
    mine = services.store.read(lambda c: rows.instances_of(c, cluster_id, tries=tries))
    if mine and (len(mine) < cluster.task.num_nodes or any(row.state == "ENDING" for row in mine)):
        # It was being given up when this was interrupted, and what is left of it is no gang.
        cut_off = NeverRanError("it refused a part of the gang, and the daemon was interrupted while it ended the rest")
        await _give_up(services, cluster, mine, [(mine[0], cut_off)], cause)
        return
    intents = mine or await _choose(services, cluster, order)
    everything = services.store.read(lambda c: rows.instances_of(c, cluster_id))
    leftovers = [row for row in everything if row.tries != tries]
    # The old gang ends while the new one starts: what it saves last is in its store before anyone is told that the new one runs.
    ending = asyncio.ensure_future(
        end_instances(services, leftovers, reason="left by an earlier try", cause=cause, tell_agent=tell_agent)
    )
    try:
        results = await asyncio.gather(
            *(launch(services, row, cause, again=bool(mine)) for row in intents), return_exceptions=True
        )
        await asyncio.shield(ending)
    finally:
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
    if not intents:
        return
    refusals = [(row, result) for row, result in zip(intents, results, strict=True) if isinstance(result, Exception)]
    if refusals and any(row.state == "STOPPED" for row in intents):
        await _stay_stopped(services, cluster_id, refusals, cause)
        return
    if refusals and len(refusals) < len(intents):
        intents, refusals = await _fill(services, cluster, intents, refusals, cause)
    if refusals:
        await _give_up(services, cluster, intents, refusals, cause)
        return
    await services.boundary("instances:running")
    await services.apply(lambda ledger: ledger.cluster_event(cluster_id, cm.InstancesRunning(cause=cause, tries=tries)))


async def _choose(services: Services, cluster: ClusterRow, order: cm.Provision) -> list[InstanceRow]:
    """The intents of the next candidate, committed; none when the cluster has been told that there is none."""
    tries, cause = order.tries, order.cause
    left = services.store.read(lambda c: rows.instances_of(c, cluster.id))
    survivors = [row for row in left if order.keep and row.state == "RUNNING" and row.ended_unix is None]
    standing = {row.offer.zone for row in survivors}
    nodes = cluster.task.num_nodes
    candidate = await choose(services, cluster, nodes=nodes - len(survivors), standing=standing)
    while candidate is None and cluster.options.retry_until_up:
        await _wait_for_a_place(services, cluster)
        candidate = await choose(services, cluster, nodes=nodes - len(survivors), standing=standing)
    if candidate is None:
        why = why_none(services, cluster)
        await services.apply(lambda ledger: ledger.cluster_event(cluster.id, cm.PlacesExhausted(cause=cause, why=why)))
        return []
    kept = {row.rank: row for row in survivors if _can_stay(row, candidate)}
    missing = [rank for rank in range(cluster.task.num_nodes) if rank not in kept]
    zones = zones_left(candidate, (row.offer.zone for row in kept.values())) or [""] * len(missing)
    fresh = [
        intent(services, cluster, candidate, tries, rank, offer_in(candidate, zone))
        for rank, zone in zip(missing, zones, strict=True)
    ]

    def commit(ledger: Ledger) -> None:
        at = rows.cluster(ledger.connection, cluster.id)
        if at is None or at.state != "PROVISIONING" or at.tries != tries:
            # The cluster was taken down meanwhile: an intent written now would be nobody's.
            raise IllegalMove("cluster", "GONE" if at is None else at.state, "Provision", f"of try {tries}")
        for row in kept.values():
            rows.update_instance(ledger.connection, row.id, tries=tries)
        for row in fresh:
            rows.insert_instance(ledger.connection, row)
        nodes = f"{len(fresh)} instance{'s' if len(fresh) > 1 else ''}"
        rows.update_cluster(
            ledger.connection,
            cluster.id,
            place=candidate,
            hourly_usd=repr(candidate.hourly_usd),
            waiting_for=f"{nodes} in {place_of(candidate)}",
        )

    await services.boundary("intent:before")
    await services.apply(commit)
    await services.boundary("intent:committed")
    return [*kept.values(), *fresh]


async def _wait_for_a_place(services: Services, cluster: ClusterRow) -> None:
    """Return when it is worth looking again, which the cluster's row tells meanwhile."""
    over = soonest(services, cluster) or services.now()
    pause = min(max(over - services.now(), 1.0), RETRY_AT_MOST_S)
    waiting = f"a place to become free, looked for again in {pause:.0f} s: {why_none(services, cluster)}"
    await services.apply(lambda ledger: rows.update_cluster(ledger.connection, cluster.id, waiting_for=waiting))
    await asyncio.sleep(pause)


def _can_stay(row: InstanceRow, candidate: RankedCandidate) -> bool:
    """Whether a survivor of a broken gang is what the new plan asks for: after a move to another place none is, and all are replaced."""
    return may_stay(row.offer, candidate) and row.use_spot == candidate.use_spot


def tags_of(owner: str, cluster_key: str, instance_id: str) -> dict[str, str]:
    """What an instance is known by at its cloud, whatever becomes of the record."""
    return {TAG_OWNER: owner, TAG_CLUSTER: cluster_key, TAG_INSTANCE: instance_id}


def _instance_id(cluster: ClusterRow, tries: int, rank: int) -> str:
    return f"{cluster.name}-{cluster.id}-{tries}-{rank}-{secrets.token_hex(3)}"


def intent(
    services: Services, cluster: ClusterRow, candidate: RankedCandidate, tries: int, rank: int, offer: Offer
) -> InstanceRow:
    """What is to be bought as this rank, at the candidate's price in the offer's place."""
    instance_id = _instance_id(cluster, tries, rank)
    price = offer.price_spot_usd_h if candidate.use_spot else offer.price_ondemand_usd_h
    if rank < candidate.free_nodes:  # a reservation pays
        price = 0.0
    name, _ = provider_of(services, cluster, candidate)
    now = services.now()
    return InstanceRow(
        id=instance_id,
        cluster_id=cluster.id,
        rank=rank,
        tries=tries,
        token=secrets.token_hex(16),
        tags=tags_of(services.store.owner, cluster.key, instance_id),
        provider=name,
        provider_id="",
        address="",
        offer=offer,
        use_spot=candidate.use_spot,
        price_usd_h=repr(price or 0.0),
        state="INTENT",
        lease_until_unix=now + LEASE_S,
        agent_seq=0,
        created_unix=now,
        launched_unix=None,
        ended_unix=None,
        reason="",
    )


async def launch(services: Services, row: InstanceRow, cause: str, *, again: bool = False) -> Instance:
    """The running instance of an intent, recorded. Raises ProviderError when its cloud refuses; `again` says that an earlier call may have bought it."""
    provider = services.providers[row.provider]
    if row.state == "STOPPED":
        return await _restart(services, provider, row, cause)
    request = LaunchRequest(
        instance_id=row.id,
        cluster=row.tags[TAG_CLUSTER],
        rank=row.rank,
        offer=row.offer,
        use_spot=row.use_spot,
        max_hourly_usd=float(row.price_usd_h),
        tags=row.tags,
        lease_until_unix=row.lease_until_unix,
        **_equipment(services, row),
    )
    if row.provider in BOOTED:
        request = with_login(request, KeyRing(services.data_dir))
    await services.boundary("launch:before")
    services.store.check()
    before = provider.heard if isinstance(provider, Hearing) else 0
    try:
        instance = await patiently(provider, lambda: finish(provider.launch(request, row.token)), f"launch of {row.id}")
    except ProviderError as error:
        after = provider.heard if isinstance(provider, Hearing) else 0
        error.at_the_door = not again and after == before
        raise
    await services.boundary("launch:after")

    def record(ledger: Ledger) -> None:
        ledger.instance_launched(row, provider_id=instance.provider_id, address=instance.address, cause=cause)

    await services.apply(record)
    await services.boundary("launch:recorded")
    running = await _until_running(provider, row, instance)
    if running.address != instance.address:  # some clouds give it only when the instance runs
        await services.apply(lambda ledger: rows.update_instance(ledger.connection, row.id, address=running.address))
    return running


def _equipment(services: Services, row: InstanceRow) -> dict[str, Any]:
    """What the task asks of the instance beside its size."""
    cluster = services.store.read(lambda c: rows.cluster(c, row.cluster_id))
    if cluster is None:
        return {}
    asked = cluster.asked
    return {
        "disk_gib": asked.disk_size or 0,
        "disk_tier": asked.disk_tier,
        "network_tier": asked.network_tier,
        "image": "" if asked.image is None else asked.image.machine_in(row.offer.region),
        "labels": dict(asked.labels),
    }


async def _restart(services: Services, provider: Provider, row: InstanceRow, cause: str) -> Instance:
    """The stopped instance runs again, recorded. Raises ProviderError when its cloud has no room for it."""
    await services.boundary("start:before")
    services.store.check()
    await provider.start(row.provider_id)
    await services.boundary("start:after")
    stopped = Instance(
        instance_id=row.id, provider_id=row.provider_id, state="PENDING", address=row.address, tags=row.tags
    )
    running = await _until_running(provider, row, stopped)
    address = running.address or row.address
    await services.apply(lambda ledger: ledger.instance_restarted(row.id, address=address, cause=cause))
    await services.boundary("start:recorded")
    return running


async def _until_running(provider: Provider, row: InstanceRow, instance: Instance) -> Instance:
    deadline = asyncio.get_running_loop().time() + START_DEADLINE_S
    while instance.state != "RUNNING":
        if instance.state == "TERMINATED":
            raise NeverRanError(f"{row.id} ended while it started: {instance.reason or 'nobody says why'}")
        if asyncio.get_running_loop().time() > deadline:
            raise NeverRanError(f"{row.id} did not start in {START_DEADLINE_S:.0f} s")
        await asyncio.sleep(0.5)
        found = await provider.describe({TAG_INSTANCE: row.id})
        instance = found[0] if found else instance
    return instance


async def _stay_stopped(services: Services, cluster_id: int, refusals: Refusals, cause: str) -> None:
    """The cluster's disks are kept: it is as it was, and says why it was not started."""
    refused = cm.StartRefused(cause=cause, why="; ".join(str(error) for _, error in refusals))
    await services.apply(lambda ledger: ledger.cluster_event(cluster_id, refused))


async def _fill(
    services: Services, cluster: ClusterRow, intents: list[InstanceRow], refusals: Refusals, cause: str
) -> tuple[list[InstanceRow], Refusals]:
    """The gang after the missing rest was tried again in the same place, for `gang_hold_s` seconds while it is only capacity that lacks."""
    held_s, offer = services.gang_hold_s, intents[0].offer
    deadline = asyncio.get_running_loop().time() + held_s
    while refusals and asyncio.get_running_loop().time() < deadline and _lacks_capacity(services, refusals):
        have = len(intents) - len(refusals)
        where = "/".join(part for part in (offer.cloud, offer.region, offer.zone) if part)
        waiting = f"{len(refusals)} more of {len(intents)} instances in {where}, {have} kept for up to {held_s:g} s"
        await services.apply(
            lambda ledger, told=waiting: rows.update_cluster(ledger.connection, cluster.id, waiting_for=told)  # type: ignore[misc]
        )
        await asyncio.sleep(held_s / REFILLS)
        refused = [row for row, _ in refusals]
        await end_instances(services, refused, reason="refused", cause=cause)
        # Another intent and token: some clouds answer a token that failed once with the same failure.
        fresh = [
            msgspec.structs.replace(
                row,
                id=(again := _instance_id(cluster, row.tries, row.rank)),
                token=secrets.token_hex(16),
                tags={**row.tags, TAG_INSTANCE: again},
                state="INTENT",
                provider_id="",
                address="",
                created_unix=services.now(),
            )
            for row in refused
        ]

        def commit(ledger: Ledger, rows_: list[InstanceRow] = fresh) -> None:
            at = rows.cluster(ledger.connection, cluster.id)
            if at is None or at.state != "PROVISIONING" or at.tries != rows_[0].tries:
                raise IllegalMove("cluster", "GONE" if at is None else at.state, "Provision", "of a part of its gang")
            for row in rows_:
                rows.insert_instance(ledger.connection, row)

        await services.apply(commit)
        results = await asyncio.gather(*(launch(services, row, cause) for row in fresh), return_exceptions=True)
        intents = [row for row in intents if row not in refused] + fresh
        refusals = [(row, result) for row, result in zip(fresh, results, strict=True) if isinstance(result, Exception)]
    return intents, refusals


def _lacks_capacity(services: Services, refusals: Refusals) -> bool:
    """Whether waiting a little may help: the clouds ran out, and nothing is wrong with what was asked. This machine never runs out."""
    return all(
        row.provider != LOCAL
        and isinstance(error, ProviderError)
        and services.providers[row.provider].classify(error).kind == "capacity"
        for row, error in refusals
    )


async def _is_locked_out(provider: Provider, row: InstanceRow, error: Exception, refused: Blocked) -> bool:
    """Whether the cloud turned the launch away at its door, and every question too, because our login is not accepted there: then it sold nothing.

    A login that was refused later, between the purchase and the next question, says nothing of the purchase.
    """
    if refused.kind != "permission" or refused.scope != "cloud":
        return False
    if not (isinstance(error, ProviderError) and error.at_the_door):
        return False
    try:
        await provider.describe(row.tags)
    except ProviderError as again:
        told = provider.classify(again)
        return (told.kind, told.scope) == ("permission", "cloud")
    return False


async def _write_off(services: Services, live: Sequence[InstanceRow], cause: str) -> None:
    """Intents that a cloud refused at its door are over. Waiting for it to answer would keep the gang from every other cloud.

    What should be there all the same carries our tags: `reap`, and the next start of a daemon, look for that.
    """

    def over(ledger: Ledger) -> None:
        for one in live:
            if not one.provider_id:
                ledger.instance_ended(one, reason=LOCKED_OUT, cause=cause)

    await services.apply(over)


async def _give_up(
    services: Services,
    cluster: ClusterRow,
    intents: Sequence[InstanceRow],
    refusals: Sequence[tuple[InstanceRow, Exception]],
    cause: str,
) -> None:
    """Nothing of a partial gang is left, and the next candidate has its turn."""
    row, error = refusals[0]
    provider = services.providers[row.provider]
    now = services.now()
    if isinstance(error, ProviderError):
        refused = provider.classify(error)
    elif isinstance(error, NeverRanError):
        refused = Blocked(kind="capacity", scope="zone", why=str(error), until_unix=now + 60)
    else:
        log.error("launch of %s failed in an unexpected way", row.id, exc_info=error)
        refused = Blocked(kind="fatal", scope="zone", why=f"{type(error).__name__}: {error}", until_unix=now + 60)
    live = services.store.read(lambda c: rows.instances_of(c, cluster.id, tries=row.tries))
    assert {r.id for r in live} <= {r.id for r in intents}, "a try has no instances but its own"
    if await _is_locked_out(provider, row, error, refused):
        await _write_off(services, live, cause)
        live = [one for one in live if one.provider_id]
    reason = "the gang was incomplete" if len(intents) > 1 else "refused"
    await end_instances(services, live, reason=reason, cause=cause)
    block = block_for_refusal(
        row.offer, use_spot=row.use_spot, refused=refused, cluster_id=cluster.block_scope, now=services.now()
    )

    def refuse(ledger: Ledger) -> None:
        rows.insert_block(ledger.connection, block)
        ledger.cluster_event(cluster.id, cm.PlaceRefused(cause=cause, tries=row.tries, why=refused.why))

    await services.apply(refuse)

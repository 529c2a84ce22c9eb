"""Ends instances, and makes sure that nothing with the cluster's tags is left where it was bought."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from tradewind.broker.clouds.some_at_a_time import refusals
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.provider import Batching, Instance, Provider, ProviderError
from tradewind.broker.provision.services import Services, log
from tradewind.broker.store import rows
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.records import InstanceRow

FIRST_RETRY_S, MAX_RETRY_S = 0.2, 30.0
NAMED = 5  # of the machines that could not be ended, in one sentence
LOCKED_OUT = "refused: the login is not accepted"  # the reason of an intent that never came to anything
TellAgent = Callable[[str], Awaitable[None]]


async def tell_nobody(_instance_id: str) -> None:
    """Ask no agent."""


async def end_instances(
    services: Services,
    ending: Sequence[InstanceRow],
    *,
    reason: str,
    cause: str,
    tell_agent: TellAgent = tell_nobody,
) -> None:
    """Every one of these instances has ended at its provider and in the record. `tell_agent` lets an agent save what it has first.

    Tries again for as long as a provider refuses: an instance that may still cost is never given up.
    """
    await asyncio.gather(*(_end(services, row, reason, cause, tell_agent) for row in ending))


async def _end(services: Services, row: InstanceRow, reason: str, cause: str, tell_agent: TellAgent) -> None:
    if row.state in {"INTENT", "RUNNING"}:
        await services.boundary("release:before")
        await services.apply(lambda ledger: rows.update_instance(ledger.connection, row.id, state="ENDING"))
    await tell_agent(row.id)
    await services.boundary("release:agent-told")
    found = await terminate(services, row)
    await services.boundary("release:terminated")

    def record(ledger: Ledger) -> None:
        if found is not None and row.launched_unix is None:
            # It was bought and the daemon died before it could write so: it costs from the intent on.
            ledger.instance_launched(
                row,
                provider_id=found.provider_id,
                address=found.address,
                cause=cause,
                since_unix=row.created_unix,
            )
        ledger.instance_ended(row, reason=reason, cause=cause)

    await services.apply(record)
    await services.boundary("release:recorded")


async def terminate(services: Services, row: InstanceRow) -> Instance | None:
    """End what the provider has of this row, however long it refuses; the instance as it was found, None when there was none.

    The record is the caller's to write.
    """
    provider = services.providers[row.provider]
    delay, told = FIRST_RETRY_S, ""
    while True:
        try:
            listed = await provider.describe(row.tags)
            services.store.check()
            for instance in listed:
                await provider.terminate(instance.provider_id)
            if not listed and row.provider_id:
                await provider.terminate(row.provider_id)
        except ProviderError as error:
            log.warning("ending %s: %s; trying again in %.1f s", row.id, error, delay)
            told = _unanswered(provider, error)
            await _say(services, row.cluster_id, told, instead_of=None)
            await asyncio.sleep(delay)
            delay = min(MAX_RETRY_S, delay * 2)
        else:
            if told:
                await _say(services, row.cluster_id, "", instead_of=told)
            return listed[0] if listed else None


def _unanswered(provider: Provider, error: ProviderError) -> str:
    """What is waited for, why, and what a person can do about it where the cloud's table knows."""
    mend = provider.classify(error).why.partition(str(error))[2]
    return f"{error.cloud} to answer, so that nothing of it is left there: {error.message}{mend}"


async def _say(services: Services, cluster_id: int, waiting_for: str, *, instead_of: str | None) -> None:
    """The cluster's row tells what it waits for, unless it has come to tell something else than `instead_of`."""

    def say(ledger: Ledger) -> None:
        cluster = rows.cluster(ledger.connection, cluster_id)
        if cluster is not None and instead_of in {None, cluster.waiting_for}:
            rows.update_cluster(ledger.connection, cluster_id, waiting_for=waiting_for)

    await services.apply(say)


async def release(services: Services, cluster_id: int, cause: str, tell_agent: TellAgent) -> None:
    """Nothing of the cluster is left, by the record and by its providers' own lists, and the cluster knows.

    Raises:
        ProviderError: a cloud did not tell what it has of it, which the cluster's row says.
    """
    over = False
    while not over:
        live = services.store.read(lambda c: rows.instances_of(c, cluster_id))
        await end_instances(services, live, reason="released", cause=cause, tell_agent=tell_agent)
        cluster = services.store.read(lambda c: rows.cluster(c, cluster_id))
        if cluster is None:
            return
        everything = services.store.read(lambda c: rows.instances_of(c, cluster_id, live_only=False))
        # An intent precedes every call, so nothing of the cluster can lie at a cloud that no row of it names.
        clouds = sorted({row.provider for row in everything if row.reason != LOCKED_OUT})
        tags = {"tradewind-owner": services.store.owner, "tradewind-cluster": cluster.key}
        try:
            await end_strays(services, tags, clouds=clouds)
        except ProviderError as error:
            told = _unanswered(services.providers[error.cloud], error)
            await _say(services, cluster_id, told, instead_of=None)
            raise
        await services.boundary("release:done")
        over = await services.apply(lambda ledger: _released(ledger, cluster_id, cause))


def _released(ledger: Ledger, cluster_id: int, cause: str) -> bool:
    """Tell the cluster, unless an instance has come to the record meanwhile."""
    if rows.instances_of(ledger.connection, cluster_id):
        return False
    now = rows.cluster(ledger.connection, cluster_id)
    if now is not None and now.state in {"TERMINATING", "PREEMPTED", "FAILED"}:
        ledger.cluster_event(cluster_id, cm.Released(cause=cause))
    return True


async def _end_all(provider: Provider, strays: Sequence[Instance]) -> None:
    """Each of them has ended. Raises ProviderError that names those refused, once all were tried."""
    for instance in strays:
        if instance.state != "TERMINATED":  # an ended one may still have to be cleared away
            log.warning("ending %s, which no record owns", instance.instance_id)
    names = [instance.provider_id for instance in strays]
    refused = await (
        provider.terminate_all(names) if isinstance(provider, Batching) else refusals(provider.terminate, names)
    )
    if refused:
        raise _told(refused)


def _told(refused: Mapping[str, ProviderError]) -> ProviderError:
    """All refusals as one: its code is the first one's."""
    first = next(iter(refused.values()))
    shown = [f"{name}: {error.message}" for name, error in list(refused.items())[:NAMED]]
    more = f"; and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
    return ProviderError(first.cloud, first.code, "; ".join(shown) + more)


def nothing() -> Iterable[str]:
    """No id."""
    return ()


async def end_strays(
    services: Services, tags: dict[str, str], known: Callable[[], Iterable[str]] = nothing, *, clouds: Iterable[str]
) -> list[str]:
    """Ids of the instances with these tags at these clouds that the record does not know, ended now; what no instance uses goes too.

    `known` is asked once a cloud has told its list: whatever stands there had its intent in the record before.
    """
    ended = []
    for name in clouds:
        provider = services.providers[name]
        listed = await provider.describe(tags)
        services.store.check()
        kept = set(known())
        strays = [instance for instance in listed if instance.instance_id not in kept]
        await _end_all(provider, strays)
        ended += [instance.instance_id for instance in strays]
        sweep = getattr(provider, "sweep", None)  # see Sweeping: firewalls and groups of launches that were refused
        if sweep is not None and (swept := await sweep(tags)):
            log.info("removed at %s, where nothing used them: %s", name, ", ".join(swept))
    return ended

"""What a person does with clusters that are there: stop and start them, reach them, see what they cost and whether they still exist, and sweep up."""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from tradewind.broker.capabilities import Entered, Explaining, Login, Regional, Unstoppable
from tradewind.broker.lifecycle import cluster as cm
from tradewind.broker.provider import Instance, ProviderError
from tradewind.broker.provision.bootstrap import instance_of
from tradewind.broker.provision.gang import BOOTED, TAG_CLUSTER, TAG_OWNER
from tradewind.broker.provision.release import end_strays
from tradewind.broker.provision.services import log
from tradewind.broker.provision.ssh_keys import KeyRing
from tradewind.broker.provision.watch import why_vanished
from tradewind.broker.server.broker import Broker
from tradewind.broker.server.requests import Refusal
from tradewind.broker.server.way_back import way_back
from tradewind.broker.store import rows
from tradewind.broker.store.ledger import Ledger
from tradewind.broker.store.records import ClusterRow, InstanceRow
from tradewind.broker.store.spend import ENDED, LAUNCHED, instance_spends, total_usd
from tradewind.spec.machine import WaitFor

LOCAL = "local"
LOGIN_USER = "tradewind"


class Node(msgspec.Struct, frozen=True):
    """Where a node is logged in to; its fields are as in `Login`."""

    rank: int
    host: str
    user: str
    identity_file: str
    host_key: str
    port: int = 22
    home: str = ""


class Endpoint(msgspec.Struct, frozen=True):
    """Where the world reaches a node: its address, and the TCP ports that are open."""

    rank: int
    host: str
    ports: tuple[int, ...]


class Cost(msgspec.Struct, frozen=True):
    """What a cluster has cost so far, at the prices frozen when its instances were launched: USD, and seconds of all its instances."""

    cluster: str
    state: str
    place: str
    usd: float
    seconds: float
    running: bool


class Leftover(msgspec.Struct, frozen=True):
    """Something at a cloud that carries our tags and that no record owns."""

    cloud: str
    kind: str
    name: str


class Fleet:
    """The shell around all this, over one broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._services = broker.services
        self._store = broker.store

    # -- stop and start ---------------------------------------------------------------------------------------------------------------

    async def stop(self, name: str) -> ClusterRow:
        """The cluster once its machines are stopped. Raises Refusal: it is not up, is a managed job's, or its cloud does not stop such machines."""
        row = self._own(name, "UP")
        for instance in self._live(row):
            if why := why_not_stop(self._services.providers[instance.provider], instance):
                raise Refusal(f"{name} cannot be stopped: {why}; nothing was done", "state", f"`tradewind down {name}`")
        cause = _cause()
        await self._tell(row, cm.StopRequested(cause=cause))
        now = await self._settled(row, lambda now: now.state != "STOPPED" or not now.waiting_for)
        if now.state != "STOPPED":
            told = self._store.read(lambda c: rows.events(c, cluster_id=row.id, kinds=("not stopped",)))
            why = next((event.data.get("why", "") for event in reversed(told) if event.cause == cause), "")
            raise Refusal(f"{name} was not stopped: {why or now.state}", "state", f"`tradewind status {name}`")
        return now

    async def start(self, name: str) -> ClusterRow:
        """The cluster once it is up again. Raises Refusal: it is not stopped, or its cloud has no room for it now."""
        # A stop that somebody did not wait for is carried out first: its machines could not be told from running ones.
        await self._settled(self._own(name, "STOPPED"), lambda now: now.state != "STOPPED" or not now.waiting_for)
        row = self._own(name, "STOPPED")
        await self._tell(row, cm.StartRequested(cause=_cause()))
        now = await self._settled(row, lambda now: now.state not in {"PROVISIONING", "BOOTSTRAPPING"})
        if now.state != "UP":
            raise Refusal(f"{name} was not started: {now.why}", "state", "try again later")
        return now

    async def autostop(
        self, name: str, minutes: float | None, *, down: bool, wait_for: WaitFor = "jobs_and_ssh"
    ) -> None:
        """The cluster stops, or with `down` ends, once it has been idle for that many minutes; None: never. Raises Refusal."""
        row = self._broker.cluster(name)
        if row.managed_job_id is not None:
            raise Refusal(f"{name} belongs to a managed job, which ends it", "state")
        await self._broker.change_options(
            row,
            lambda old: msgspec.structs.replace(
                old,
                autostop_min=minutes,
                autostop_down=down,
                autostop_wait_for=wait_for,
                autostop_set_unix=self._services.now(),
            ),
        )

    async def _tell(self, row: ClusterRow, event: Any) -> None:
        await self._services.apply(lambda ledger: ledger.cluster_event(row.id, event), patient=False)

    async def _settled(self, row: ClusterRow, holds: Any) -> ClusterRow:
        while True:
            seen = self._broker.changed.count
            now = self._store.read(lambda c: rows.cluster(c, row.id)) or row
            if holds(now):
                return now
            await self._broker.changed.wait(seen)

    def _own(self, name: str, state: str) -> ClusterRow:
        row = self._broker.cluster(name)
        if row.managed_job_id is not None:
            raise Refusal(f"{name} belongs to a managed job", "state", f"`tradewind jobs cancel {row.managed_job_id}`")
        if row.state != state:
            raise Refusal(f"{name} is {row.state}, not {state}", "state", f"`tradewind status {name}`")
        return row

    def _live(self, row: ClusterRow) -> list[InstanceRow]:
        return self._store.read(lambda c: rows.instances_of(c, row.id, tries=row.tries))

    # -- reaching ---------------------------------------------------------------------------------------------------------------------

    def names(self) -> set[str]:
        """Those of all clusters of which something may be left."""
        return {row.name for row in self._store.read(rows.clusters)}

    async def nodes(self, name: str) -> list[Node]:
        """How to log in to each node of a cluster. Raises Refusal."""
        row = self._broker.cluster(name)
        live = [one for one in self._live(row) if one.state == "RUNNING"]
        if not live:
            raise Refusal(f"{name} is {row.state}: there is no machine to log in to", "state", _way_in(row))
        if any(one.provider not in BOOTED for one in live):
            return [_node(one, await self._login(name, one)) for one in live]
        keys = KeyRing(self._services.data_dir)
        keys.login()
        seen = await asyncio.gather(*(self._described(one) for one in live))
        return [
            Node(
                rank=one.rank,
                host=found.public_address or found.address,
                user=LOGIN_USER,
                identity_file=keys.private_path,
                host_key=" ".join(keys.host(one.id).public.split()[:2]),
            )
            for one, found in zip(live, seen, strict=True)
        ]

    async def _login(self, name: str, row: InstanceRow) -> Login:
        """The instance's own sshd, which we did not boot. Raises Refusal where there is none."""
        provider = self._services.providers[row.provider]
        if not isinstance(provider, Entered):
            raise Refusal(f"{name} runs on machines of your own, where tradewind gives no login of its own", "state")
        try:
            return await provider.login(row.provider_id)
        except ProviderError as error:
            raise Refusal(f"there is no login to {name}: {error.message}", "state") from error

    async def _described(self, row: InstanceRow) -> Instance:
        try:
            found = await self._services.providers[row.provider].describe(row.tags)
        except ProviderError as error:
            raise Refusal(str(error), "state") from error
        return next((one for one in found if one.provider_id == row.provider_id), instance_of(row))

    async def open_ports(self, name: str, ports: list[int]) -> None:
        """The world reaches these TCP ports of the cluster. Raises Refusal."""
        await self._broker.open_ports(self._broker.cluster(name), ports)

    async def endpoints(self, name: str) -> list[Endpoint]:
        """Where each node of the cluster is reached, and the ports that are open there. Raises Refusal."""
        row = self._broker.cluster(name)
        live = [one for one in self._live(row) if one.state == "RUNNING"]
        if not live:
            raise Refusal(f"{name} is {row.state}: there is no machine to reach", "state", _way_in(row))
        seen = await asyncio.gather(*(self._described(one) for one in live))
        return [
            Endpoint(one.rank, found.public_address or found.address or one.address, row.open_ports)
            for one, found in zip(live, seen, strict=True)
        ]

    # -- looking ----------------------------------------------------------------------------------------------------------------------

    async def refresh(self) -> list[str]:
        """Every cloud has been asked once, all at the same time, and what it lists no more is known to be gone; sentences about clouds that did not answer."""
        by_cloud: dict[str, list[InstanceRow]] = defaultdict(list)
        for row in self._store.read(rows.live_instances):
            if row.state == "RUNNING" and row.provider_id:
                by_cloud[row.provider].append(row)
        told = await asyncio.gather(*(self._refresh_cloud(cloud, mine) for cloud, mine in by_cloud.items()))
        return [sentence for sentence in told if sentence]

    async def _refresh_cloud(self, cloud: str, mine: list[InstanceRow]) -> str:
        provider = self._services.providers[cloud]
        tags = {TAG_OWNER: self._store.owner}
        try:
            if isinstance(provider, Regional):
                listed = await provider.describe_in(sorted({row.offer.region for row in mine}), tags)
            else:
                listed = await provider.describe(tags)
        except ProviderError as error:
            return f"{cloud} was not asked: {error}"
        by_id = {one.provider_id: one for one in listed}
        for row in mine:
            seen = by_id.get(row.provider_id)
            if seen is not None and seen.state in {"RUNNING", "PENDING"}:
                continue
            why = seen.reason if seen is not None else await _why_ended(provider, row)
            await self._broker.driver(row.cluster_id).gone(row.id, why or why_vanished(row))
        return ""

    def costs(self) -> list[Cost]:
        """Every cluster ever, newest first."""
        found = []
        for row in self._store.read(lambda c: rows.clusters(c, live_only=False)):
            facts = self._store.read(lambda c, r=row: rows.events(c, cluster_id=r.id, kinds=(LAUNCHED, ENDED)))  # type: ignore[misc]
            spends = instance_spends(facts, self._services.metered())
            place = "/".join(part for part in (row.place.cloud, row.place.region, row.place.zone) if part)
            rehearsed = " (rehearsed)" if row.options.rehearse else ""
            found.append(
                Cost(
                    cluster=row.name,
                    state=row.state,
                    place=f"{place} {row.place.instance_type}{rehearsed}",
                    usd=float(total_usd(spends)),
                    seconds=sum(spend.ended_unix - spend.launched_unix for spend in spends),
                    running=any(spend.running for spend in spends),
                )
            )
        return found[::-1]

    # -- sweeping up ------------------------------------------------------------------------------------------------------------------

    async def reap(self, *, dry_run: bool) -> tuple[list[Leftover], list[str]]:
        """What carries this data directory's tags anywhere and no record owns, removed unless `dry_run`; sentences about clouds that did not answer."""
        used = set(self._store.read(rows.clouds_used))
        reasons = await self.reasons()
        clouds = sorted(used | {LOCAL} | {name for name, why in reasons.items() if not why})
        told = await asyncio.gather(*(self._reap_cloud(cloud, dry_run=dry_run) for cloud in clouds))
        return [one for found, _ in told for one in found], [sentence for _, sentence in told if sentence]

    async def reasons(self) -> Mapping[str, str]:
        """Of every cloud why it cannot be used from here, "" where it can."""
        look: Callable[[], Mapping[str, str]] = getattr(self._services.providers, "reasons", dict)
        return await asyncio.to_thread(look)

    async def _reap_cloud(self, cloud: str, *, dry_run: bool) -> tuple[list[Leftover], str]:
        provider: Any = self._services.providers[cloud]
        tags = {TAG_OWNER: self._store.owner}
        found: list[Leftover] = []
        try:
            listed = await provider.describe(tags)
            known = self._known()
            strays = [one for one in listed if one.instance_id not in known and one.state != "TERMINATED"]
            found += [Leftover(cloud, "instance", one.provider_id) for one in strays]
            if not dry_run and strays:
                await end_strays(self._services, tags, self._known, clouds=[cloud])
            if hasattr(provider, "leftovers"):
                names = await self._unowned(cloud, provider, tags)
                found += [Leftover(cloud, "other", name) for name in names]
                if not dry_run and names:
                    await provider.sweep(tags)
        except ProviderError as error:
            return found, f"{cloud} was not asked, or not to the end: {error}"
        return found, ""

    def _known(self) -> Iterable[str]:
        return {row.id for row in self._store.read(rows.live_instances)}

    async def _unowned(self, cloud: str, provider: Any, tags: dict[str, str]) -> list[str]:
        """The cloud's names of what serves no cluster that the record has there."""
        while True:
            mine = self._clusters_at(cloud)
            found = await provider.leftovers(tags, but_of=mine)
            if (
                self._clusters_at(cloud) <= mine
            ):  # else one was launched meanwhile, and what it has may have been listed
                return sorted(found)

    def _clusters_at(self, cloud: str) -> set[str]:
        mine = [row for row in self._store.read(rows.live_instances) if row.provider == cloud]
        return {row.tags.get(TAG_CLUSTER, "") for row in mine}

    async def purge(self, name: str) -> ClusterRow:
        """The cluster is forgotten, whatever its cloud still has of it: for clouds that cannot be reached any more. Raises Refusal."""
        row = self._broker.cluster(name)
        cause = _cause()

        def forget(ledger: Ledger) -> None:
            for one in rows.instances_of(ledger.connection, row.id):
                ledger.instance_ended(one, reason="purged: its cloud was not asked, it may still exist", cause=cause)
            now = rows.cluster(ledger.connection, row.id)
            if now is not None and now.state not in {"TERMINATING", "TERMINATED"}:
                ledger.cluster_event(row.id, cm.DownRequested(cause=cause))
                now = rows.cluster(ledger.connection, row.id)
            if now is not None and now.state == "TERMINATING":
                ledger.cluster_event(row.id, cm.Released(cause=cause))

        await self._services.apply(forget, patient=False)
        await self._broker.driver(row.id).close()
        return self._broker.cluster(name)


def why_not_stop(provider: object, instance: InstanceRow) -> str:
    """Why its cloud would not stop the instance; "" when nothing is known against it."""
    return provider.why_not_stop(use_spot=instance.use_spot) if isinstance(provider, Unstoppable) else ""


def _way_in(row: ClusterRow) -> str:
    return way_back(row.name, row.state) if row.managed_job_id is None else f"`tradewind status {row.name}`"


def _cause() -> str:
    return f"request/{uuid.uuid4().hex[:8]}"


def _node(row: InstanceRow, login: Login) -> Node:
    return Node(
        rank=row.rank,
        host=login.host,
        user=login.user,
        identity_file=login.identity_file,
        host_key=login.host_key,
        port=login.port,
        home=login.home,
    )


async def _why_ended(provider: Any, row: InstanceRow) -> str:
    if isinstance(provider, Explaining):
        try:
            return await provider.why_ended(row.provider_id)
        except ProviderError as error:
            log.info("why %s ended is not known: %s", row.id, error)
    return ""

"""Google Cloud as a `Provider`: Compute Engine instances with GPUs built in or attached, and single-host TPU VMs."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tradewind.broker.capabilities import Finding, NoticeSource
from tradewind.broker.clouds.connect import Connect
from tradewind.broker.clouds.gcp import check, errors, images, naming, notices, quota
from tradewind.broker.clouds.gcp.engine import Engine, machine_name, zone_order
from tradewind.broker.clouds.gcp.errors import refusal
from tradewind.broker.clouds.gcp.network import Firewall
from tradewind.broker.clouds.gcp.operations import Operations
from tradewind.broker.clouds.gcp.session import Session
from tradewind.broker.clouds.gcp.tpus import Tpus
from tradewind.broker.clouds.just_launched import JustLaunched
from tradewind.broker.clouds.some_at_a_time import refusals
from tradewind.broker.clouds.tags import carries, cluster_of, shared_tags
from tradewind.broker.clouds.turns import Turns
from tradewind.broker.clouds.vendor_provider import VendorProvider
from tradewind.broker.provider import Blocked, Instance, LaunchRequest, ProviderError, Transport
from tradewind.catalog.offer import Offer

# How long a TPU node may take from "ready" to having published its host keys.
HOST_KEYS_WITHIN_S = 300.0


class GcpProvider(VendorProvider[Session]):
    """Implements `Provider`, `Zoned`, `Limited`, `HostKeyed`, `Batching`, `Sweeping`, `Checking`, `Console`, `Noticing` and `Explaining`."""

    name = errors.CLOUD
    notice_source: NoticeSource = notices.SOURCE

    def __init__(
        self,
        session: Session | None = None,
        *,
        connect: Connect | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(session or Session(), connect)
        self._operations = Operations(self._session)
        self._engine = Engine(self._session, self._operations)
        self._tpus = Tpus(self._session, self._operations)
        self._firewall = Firewall(self._session, self._operations)
        self._now = now
        self._recent = JustLaunched(now)

    async def check(self) -> str:
        """Say who may do what here. Raises ProviderError naming the first thing that is missing and the command that mends it."""
        return check.verdict(await check.report(self._session, strict=True), self._session)

    async def report(self) -> tuple[Finding, ...]:
        """Everything that was looked at, good or bad; raises nothing."""
        return await check.report(self._session, strict=False)

    async def launch(self, request: LaunchRequest, token: str) -> Instance:
        """Buy one instance or TPU node; a second call with the same token returns the first one's.

        An offer without a zone is tried in each zone of its region that sells it, in the same order by every node of the cluster.

        Raises:
            ProviderError: Google refused; the last zone's refusal, where several were tried.
        """
        name = machine_name(request)
        tag, shared = naming.tag_of(name), shared_tags(request.tags, request.instance_id)
        zones = [request.offer.zone] if request.offer.zone else await self._zones_to_try(request, name)
        if not zones:
            raise refusal(
                "NOT_SOLD_HERE", f"no zone of {request.offer.region} has {request.offer.instance_type} for this project"
            )
        await self._firewall.begin(tag, shared, request.ssh_cidrs)
        try:
            instance = await self._first_that_sells(request, token, name, zones)
        finally:
            self._firewall.end(tag)
        self._recent.add(instance.provider_id, request.tags)
        return instance

    async def _zones_to_try(self, request: LaunchRequest, name: str) -> list[str]:
        """The region's zones in order; the one where an earlier call with this token has bought, if it has, and no other."""
        zones = zone_order(await self.zones(request.offer), request.cluster)
        found = await asyncio.gather(*(self._engine.get(zone, name) for zone in zones))
        return [zone for zone, seen in zip(zones, found, strict=True) if seen is not None] or zones

    async def _first_that_sells(self, request: LaunchRequest, token: str, name: str, zones: Sequence[str]) -> Instance:
        refused: ProviderError | None = None
        for zone in zones:
            try:
                if images.is_tpu(request.offer):
                    return await self._tpus.make(request, token, name, zone)
                return await self._engine.make(request, token, name, zone, self._now())
            except ProviderError as error:
                blocked = self.classify(error)
                local = blocked.scope in ("zone", "type") and blocked.kind in ("capacity", "quota", "request")
                if not local or error.code == "TOKEN_MISMATCH":
                    raise
                refused = error
        assert refused is not None  # zones is not empty
        raise refused

    async def zones(self, offer: Offer) -> list[str]:
        """The zones of the offer's region that have its machine type. TPU offers always name theirs."""
        if offer.zone or images.is_tpu(offer):
            return [offer.zone] if offer.zone else []
        return await self._engine.zones(offer.region, images.machine_type(offer))

    async def describe(self, tags: Mapping[str, str]) -> list[Instance]:
        """Every instance and node that carries all of `tags`; those just made here are asked for by name if no list shows them yet."""
        listed = [i for found in await asyncio.gather(self._engine.find(tags), self._tpus.find(tags)) for i in found]
        seen = {instance.provider_id for instance in listed}
        missing = self._recent.missing(seen, tags)
        found = await asyncio.gather(*(self._describe_one(name) for name in missing))
        return listed + [instance for instance in found if instance is not None]

    async def _describe_one(self, provider_id: str) -> Instance | None:
        from tradewind.broker.clouds.gcp.machine import read_node

        zone, name = _parts(provider_id)
        if naming.is_tpu(provider_id):
            node = await self._tpus.get(zone, name)
            return read_node(node) if node is not None else None
        seen = await self._engine.get(zone, name)
        return await self._engine.read(seen) if seen is not None else None

    async def stop(self, provider_id: str) -> None:
        """Stop without deleting; the disk is kept and paid for."""
        await self._of(provider_id).stop(*_parts(provider_id))

    async def start(self, provider_id: str) -> None:
        """Start what was stopped."""
        await self._of(provider_id).start(*_parts(provider_id))

    async def terminate(self, provider_id: str) -> None:
        """Delete the instance with its disk, and the cluster's firewall rules if it was the last; done already is fine."""
        await self._delete(provider_id)
        if tag := _tag_of(provider_id):
            async with self._firewall.lock(tag):
                if not self._firewall.in_use(tag) and not await self._lives(tag):
                    await self._firewall.remove(tag)

    async def terminate_all(self, provider_ids: Sequence[str]) -> dict[str, ProviderError]:
        """As `terminate` for each, but what lives is asked once for all clusters; the refusals, by provider id."""
        refused = await refusals(self._delete, provider_ids)
        clusters = {_tag_of(ended) for ended in provider_ids if ended not in refused}
        looked, listed = self._firewall.now(), await self._firewall.listed()
        await self._remove_unused([rule for rule in listed if naming.tag_of(rule.name) in clusters], looked)
        return refused

    async def _delete(self, provider_id: str) -> None:
        await self._of(provider_id).delete(*_parts(provider_id))
        self._recent.forget(provider_id)

    async def _lives(self, tag: str) -> bool:
        """Whether any instance of the cluster with this network tag is not ended."""
        rules = [rule for rule in await self._firewall.listed() if naming.tag_of(rule.name) == tag]
        return bool(rules) and tag in await self._living(rules)

    async def _living(self, rules: Sequence[Any]) -> set[str]:
        """The network tags of the clusters that have an instance which is not ended, among those of these rules."""
        told = [naming.read_tags(rule.description) for rule in rules]
        shared = {key: value for key, value in told[0].items() if all(held.get(key) == value for held in told)}
        return {_tag_of(i.provider_id) for i in await self.describe(shared) if i.state != "TERMINATED"}

    async def _remove_unused(self, rules: Sequence[Any], looked: float) -> list[str]:
        """Those of the rules, listed at `looked`, whose clusters have no instance are gone; their names.

        A cluster that was launched into since then keeps its own. What it costs to find that out does not grow with the number of clusters.
        """
        if not rules:
            return []
        living = await self._living(rules)
        names: dict[str, list[str]] = defaultdict(list)
        for rule in rules:
            if (tag := naming.tag_of(rule.name)) not in living:
                names[tag].append(rule.name)
        removed: list[str] = []

        async def remove(tag: str) -> None:
            async with self._firewall.lock(tag):
                if not self._firewall.launched_since(tag, looked):
                    removed.extend(await self._firewall.remove(tag, names[tag]))

        for error in (await refusals(remove, names)).values():
            raise error
        return removed

    async def leftovers(self, tags: Mapping[str, str], *, but_of: Collection[str] = ()) -> list[str]:
        """The names of firewall rules, disks without an instance and preempted TPU nodes with all of `tags`, those of the clusters `but_of` left out."""
        rules, disks, nodes = await asyncio.gather(
            self._firewall.listed(), self._engine.loose_disks(tags), self._tpus.find(tags)
        )
        told = [(rule.name, naming.read_tags(rule.description)) for rule in rules]
        living = {naming.tag_of(name) for name, held in told if cluster_of(held) in but_of}  # a name says whose it is
        return [
            *(f"firewalls/{name}" for name, held in told if carries(held, tags) and naming.tag_of(name) not in living),
            *(f"zones/{zone}/disks/{name}" for zone, name in disks if naming.tag_of(name) not in living),
            *(f"nodes/{n.provider_id}" for n in nodes if n.state == "TERMINATED" and cluster_of(n.tags) not in but_of),
        ]

    async def sweep(self, tags: Mapping[str, str]) -> list[str]:
        """Remove what `leftovers` lists, the rules of clusters with living instances excepted; returns the names of those removed."""
        removed = []
        for node in await self._tpus.find(tags):
            if node.state == "TERMINATED":
                await self._tpus.delete(*_parts(node.provider_id))
                removed.append(f"nodes/{node.provider_id}")
        for zone, name in await self._engine.loose_disks(tags):
            await self._engine.delete_disk(zone, name)
            removed.append(f"zones/{zone}/disks/{name}")
        looked, listed = self._firewall.now(), await self._firewall.listed()
        ours = [rule for rule in listed if carries(naming.read_tags(rule.description), tags)]
        return [*removed, *(f"firewalls/{name}" for name in await self._remove_unused(ours, looked))]

    async def connect(self, instance: Instance) -> Transport:
        """A connection to the instance, over SSH."""
        # TPU software takes no host key at first boot: what its guest agent publishes over Google's API is pinned instead
        keys = await self._published_keys(instance.provider_id) if naming.is_tpu(instance.provider_id) else []
        return await self._connect(instance, keys)

    async def _published_keys(self, provider_id: str) -> list[str]:
        late = refusal("TIME_OUT", f"{provider_id} published no host keys within {HOST_KEYS_WITHIN_S:.0f} s")
        async for _ in Turns(self._session.settings.poll_interval_s, within_s=HOST_KEYS_WITHIN_S, late=late):
            if keys := await self.host_keys(provider_id):
                return keys
        raise late

    async def open_ports(self, provider_ids: Sequence[str], ports: Sequence[int]) -> None:
        """Let the world reach these ports on the instances' clusters."""
        for tag in sorted({naming.tag_of(_parts(pid)[1]) for pid in provider_ids}):
            await self._firewall.open(tag, ports)

    async def lease(self, provider_id: str, until_unix: float) -> None:
        """Nothing changes: Google's outer cap (max run duration) is fixed at launch, and lies beyond any lease."""

    async def headroom(self, offers: Sequence[Offer], *, use_spot: bool) -> list[int | None]:
        """How many instances of each offer the project's quotas still allow; one call a region."""
        return await quota.headroom(self._session, offers, use_spot=use_spot)

    async def host_keys(self, provider_id: str) -> list[str]:
        """The instance's host keys as its guest agent published them; [] while it has not."""
        return await self._of(provider_id).host_keys(*_parts(provider_id))

    async def console(self, provider_id: str) -> str:
        """What the instance printed while booting (at most 64 KiB); "" for TPU nodes, which have no console here."""
        return "" if naming.is_tpu(provider_id) else await self._engine.console(*_parts(provider_id))

    async def why_ended(self, provider_id: str) -> str:
        """Why an instance that is listed no more ended, in one sentence; "" when Google does not say."""
        if naming.is_tpu(provider_id):
            return ""
        at = await self._engine.preempted_at(*_parts(provider_id))
        return f"spot reclaim: Compute Engine preempted it at {at}" if at else ""

    def classify(self, error: ProviderError) -> Blocked:
        """What the error covers, and for how long."""
        return errors.classify(error, self._now())

    def _of(self, provider_id: str) -> Engine | Tpus:
        return self._tpus if naming.is_tpu(provider_id) else self._engine


def _tag_of(provider_id: str) -> str:
    """The network tag of the instance's cluster; "" for a name that is not ours."""
    return naming.tag_of(_parts(provider_id)[1])


def _parts(provider_id: str) -> tuple[str, str]:
    """Zone and name."""
    zone, _, name = provider_id.partition("/")
    return zone, name

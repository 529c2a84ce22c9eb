"""Azure as a `Provider`: virtual machines, a resource group a cluster and region, so that deleting it deletes all."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tradewind.broker.capabilities import Finding, NoticeSource
from tradewind.broker.clouds.azure import check, errors, images, machine, naming, notices, quota
from tradewind.broker.clouds.azure.errors import refusal
from tradewind.broker.clouds.azure.groups import Groups
from tradewind.broker.clouds.azure.images import Image
from tradewind.broker.clouds.azure.machines import Machines
from tradewind.broker.clouds.azure.operations import Operations
from tradewind.broker.clouds.azure.session import Session
from tradewind.broker.clouds.azure.skus import Skus, usable_zones
from tradewind.broker.clouds.connect import Connect
from tradewind.broker.clouds.just_launched import JustLaunched
from tradewind.broker.clouds.some_at_a_time import refusals
from tradewind.broker.clouds.tags import shared_tags
from tradewind.broker.clouds.vendor_provider import VendorProvider
from tradewind.broker.provider import Blocked, Instance, LaunchRequest, ProviderError, Transport
from tradewind.catalog.offer import Offer

_GROUP_LOST = frozenset({"ResourceGroupNotFound", "NotFound", "InvalidResourceReference"})


class AzureProvider(VendorProvider[Session]):
    """Implements `Provider`, `Zoned`, `Limited`, `Batching`, `Sweeping`, `Checking` and `Noticing`."""

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
        self._groups = Groups(self._session, self._operations)
        self._machines = Machines(self._session, self._operations)
        self._skus = Skus(self._session)
        self._now = now
        self._recent = JustLaunched(now)

    async def check(self) -> str:
        """Say who may do what here. Raises ProviderError naming the first thing that is missing and the command that mends it."""
        return check.verdict(await check.report(self._session, strict=True), self._session)

    async def report(self) -> tuple[Finding, ...]:
        """Everything that was looked at, good or bad; raises nothing."""
        return await check.report(self._session, strict=False)

    async def launch(self, request: LaunchRequest, token: str) -> Instance:
        """Buy one machine; a second call with the same token returns the first one's. An offer without a zone leaves the choice to Azure.

        Raises:
            ProviderError: Azure refused.
        """
        offer = request.offer
        if not request.ssh_public_key:
            raise refusal("NO_KEY", "Azure makes no machine without an SSH key, and none was given")
        sku = await self._skus.of(offer)
        if sku is None:
            raise refusal("NOT_SOLD_HERE", f"Azure does not sell {offer.instance_type} in {offer.region}")
        zone = naming.zone_number(offer.zone)
        if sku.restricted or (zone and zone not in sku.zones):
            where = f"zone {zone} of {offer.region}" if zone else offer.region
            why = f" ({sku.why})" if sku.why else ""
            raise refusal(
                "NOT_FOR_SUBSCRIPTION", f"this subscription may not use {offer.instance_type} in {where}{why}"
            )
        image = images.OWN if request.image else images.image(offer, sku)
        if isinstance(image, str):
            raise refusal("NO_IMAGE", image)
        shared = shared_tags(request.tags, request.instance_id)
        group = naming.group_name(request.cluster, shared, offer.region)
        name = naming.machine_name(request.instance_id)
        identity = self._session.settings.self_deletion
        body = machine.resource(
            request,
            token,
            name,
            self._session.scope(group),
            image,
            sku,
            zone=zone,
            identity=identity,
            endpoint=self._session.endpoint,
        )
        try:
            instance = await self._make(group, name, body, token, image, request, shared)
        except ProviderError as error:
            if error.code not in _GROUP_LOST:
                raise
            # deleted by its last machine when its lease ran out, or by hand, since we made it
            self._groups.forget(group)
            instance = await self._make(group, name, body, token, image, request, shared)
        self._recent.add(instance.provider_id, request.tags)
        return instance

    async def _make(
        self,
        group: str,
        name: str,
        body: Mapping[str, Any],
        token: str,
        image: Image,
        request: LaunchRequest,
        shared: Mapping[str, str],
    ) -> Instance:
        await self._groups.begin(group, request.offer.region, shared, request.ssh_cidrs)
        try:
            return await self._machines.make(group, name, body, token, image)
        except ProviderError as error:
            if request.image and "image" in error.code.lower():
                raise refusal("NOT_AS_ASKED", f"image_id: {error.message}") from error
            raise
        finally:
            self._groups.end(group)

    async def zones(self, offer: Offer) -> list[str]:
        """The zones of the offer's region in which this subscription may use its size; [] where the region or size has none."""
        sku = await self._skus.of(offer)
        return [] if sku is None or sku.restricted else usable_zones(sku, offer)

    async def describe(self, tags: Mapping[str, str]) -> list[Instance]:
        """Every machine that carries all of `tags`; those just made here are asked for by name if no list shows them yet."""
        listed = await self._machines.find(tags)
        seen = {instance.provider_id for instance in listed}
        missing = self._recent.missing(seen, tags)
        found = await asyncio.gather(*(self._describe_one(name) for name in missing))
        return listed + [instance for instance in found if instance is not None]

    async def _describe_one(self, provider_id: str) -> Instance | None:
        group, name = naming.parts(provider_id)
        seen = await self._machines.get(group, name)
        return await self._machines.read_in_group(group, seen) if seen is not None else None

    async def stop(self, provider_id: str) -> None:
        """Deallocate the machine; its disk and address are kept and paid for."""
        await self._machines.stop(*naming.parts(provider_id))

    async def start(self, provider_id: str) -> None:
        """Start what was stopped."""
        await self._machines.start(*naming.parts(provider_id))

    async def terminate(self, provider_id: str) -> None:
        """Delete the machine with all it had, and its cluster's resource group if it was the last; done already is fine."""
        group, name = naming.parts(provider_id)
        await self._groups.remove_machines(group, [name])
        self._recent.forget(provider_id)

    async def terminate_all(self, provider_ids: Sequence[str]) -> dict[str, ProviderError]:
        """As `terminate` for each, a resource group at a time; the refusals, by provider id."""
        inside: dict[str, list[str]] = defaultdict(list)
        for provider_id in provider_ids:
            inside[naming.parts(provider_id)[0]].append(provider_id)

        async def remove(group: str) -> None:
            await self._groups.remove_machines(group, [naming.parts(one)[1] for one in inside[group]])
            for one in inside[group]:
                self._recent.forget(one)

        refused = await refusals(remove, inside)
        return {one: error for group, error in refused.items() for one in inside[group]}

    async def leftovers(self, tags: Mapping[str, str], *, but_of: Collection[str] = ()) -> list[str]:
        """The names of the resource groups without machines that carry all of `tags`, those of the clusters `but_of` left out."""
        groups = await self._groups.listed(tags, but_of)
        inside = await asyncio.gather(*(self._groups.machines(group) for group in groups))
        return [group for group, machines in zip(groups, inside, strict=True) if not machines]

    async def sweep(self, tags: Mapping[str, str]) -> list[str]:
        """Delete the resource groups without machines that carry all of `tags`; returns the names of those deleted."""
        groups = await self.leftovers(tags)
        removed = await asyncio.gather(*(self._groups.remove_if_empty(group) for group in groups))
        return [group for group, gone in zip(groups, removed, strict=True) if gone]

    async def connect(self, instance: Instance) -> Transport:
        """A connection to the instance, over SSH."""
        return await self._connect(instance, ())

    async def open_ports(self, provider_ids: Sequence[str], ports: Sequence[int]) -> None:
        """Let the world reach these ports on the instances' clusters."""
        for group in sorted({naming.parts(provider_id)[0] for provider_id in provider_ids}):
            await self._groups.open(group, ports)

    async def lease(self, provider_id: str, until_unix: float) -> None:
        """Nothing changes: Azure has no outer cap on a machine's life; the machine itself deletes its group when its lease runs out."""

    async def headroom(self, offers: Sequence[Offer], *, use_spot: bool) -> list[int | None]:
        """How many machines of each offer the subscription's quotas still allow; two calls a region."""
        return await quota.headroom(self._session, self._skus, offers, use_spot=use_spot)

    def classify(self, error: ProviderError) -> Blocked:
        """What the error covers, and for how long."""
        return errors.classify(error, self._now())

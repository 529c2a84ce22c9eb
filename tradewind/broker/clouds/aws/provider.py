"""EC2 as a `Provider`: each call carried out once, idempotent by token and tag, with nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tradewind.broker.capabilities import Finding
from tradewind.broker.clouds.aws import check, ending, network, quota
from tradewind.broker.clouds.aws.errors import CLOUD, classify, refusal
from tradewind.broker.clouds.aws.images import Image, find_image, find_own_image, image_parameter
from tradewind.broker.clouds.aws.instances import INSTANCE_TAG, cluster_tags_of, read_instance, reason_code, split_id
from tradewind.broker.clouds.aws.notices import NOTICE_SOURCE
from tradewind.broker.clouds.aws.purchase import client_token, run_instances
from tradewind.broker.clouds.aws.session import AwsSession
from tradewind.broker.clouds.connect import Connect
from tradewind.broker.clouds.some_at_a_time import refusals
from tradewind.broker.clouds.tags import cluster_of
from tradewind.broker.provider import Blocked, Instance, LaunchRequest, ProviderError, Transport
from tradewind.catalog.offer import Offer

NOT_ENABLED = "OptInRequired"  # EC2's code for a region that the account has not enabled
LISTING_DEADLINE_S = 60.0  # EC2 lists a new instance within seconds as a rule
ENDING_DEADLINE_S = 900.0  # large machines take many minutes from shutting-down to terminated
GROUP_TRIES = 8
UNKNOWN_TRIES = 4
SWEPT_AT_ONCE = 8
ANY: Mapping[str, str | list[str]] = {}
# Attached to nothing. EC2 API reference: Volume (State) and NetworkInterface (Status); no interface is in "error", no disk in "pending"
LOOSE: Mapping[str, str | list[str]] = {"status": ["available", "error", "pending"]}


class AwsProvider:
    """One AWS account. `regions` limits it to some regions, `vpcs` names the VPC of some; `pause_s` is between polls, in seconds."""

    name = CLOUD
    notice_source = NOTICE_SOURCE

    def __init__(
        self,
        session: AwsSession | None = None,
        *,
        connect: Connect | None = None,
        regions: Sequence[str] | None = None,
        vpcs: Mapping[str, str] | None = None,
        pause_s: float = 1.5,
    ) -> None:
        self.session = session or AwsSession()
        self._connect, self._vpcs, self._pause_s = connect, dict(vpcs or {}), pause_s
        self._regions: tuple[str, ...] | None = tuple(regions) if regions else None
        self._networks: dict[str, network.Network] = {}
        self._images: dict[tuple[str, str], Image] = {}
        self._groups: dict[tuple[str, str], str] = {}
        self._locks: dict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._where: dict[str, str] = {}  # our instance id -> its region, so that polls need not ask everywhere

    # -- looking ----------------------------------------------------------------------------------------------------------------------

    @property
    def heard(self) -> int:
        """How many calls were not turned away."""
        return self.session.heard

    async def check(self) -> str:
        """Say in one sentence what works. Raises ProviderError when nothing would."""
        return await check.sentence(self.session, self.session.home_region())

    async def report(self) -> tuple[Finding, ...]:
        """Everything that was looked at, good or bad."""
        return await check.report(self.session, self.session.home_region())

    async def regions(self) -> tuple[str, ...]:
        """The regions that this account has enabled (asked once), or those it was limited to. Raises ProviderError."""
        if self._regions is None:
            answer = await self.session.call(self.session.home_region(), "ec2", "describe_regions", AllRegions=False)
            self._regions = tuple(sorted(region["RegionName"] for region in answer["Regions"]))
        return self._regions

    async def describe(self, tags: Mapping[str, str]) -> list[Instance]:
        """Every instance with all of `tags`; all regions are asked at once, unless the tags name an instance launched from here.

        Raises ProviderError when one region does not answer: a list without it could be taken for the truth.
        """
        known = self._where.get(tags.get(INSTANCE_TAG, ""))
        return await self.describe_in([known] if known else await self.regions(), tags)

    async def describe_in(self, regions: Sequence[str], tags: Mapping[str, str]) -> list[Instance]:
        """As `describe`, in these regions only."""
        found = await asyncio.gather(*(self._described(region, network.tag_filters(tags)) for region in regions))
        return [read_instance(region, one) for region, some in zip(regions, found, strict=True) for one in some]

    async def zones(self, offer: Offer) -> list[str]:
        """The ids of the zones that sell the offer's type and have a subnet, sorted; [its own] for an offer with a zone. Raises ProviderError."""
        if offer.zone:
            return [offer.zone]
        found = await self.session.pages(
            offer.region,
            "ec2",
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            LocationType="availability-zone-id",
            Filters=[{"Name": "instance-type", "Values": [offer.instance_type]}],
        )
        return sorted({entry["Location"] for entry in found} & set((await self._network(offer.region)).zone_ids))

    async def headroom(self, offers: Sequence[Offer], *, use_spot: bool) -> list[int | None]:
        """How many instances of each offer the account's vCPU quotas still allow; None where no quota is known to apply."""
        return await quota.headroom(self.session, offers, use_spot=use_spot)

    async def console(self, provider_id: str) -> str:
        """What the instance printed while booting, as far as EC2 has it. Raises ProviderError."""
        region, instance = split_id(provider_id)
        answer = await self.session.call(region, "ec2", "get_console_output", InstanceId=instance)
        return str(answer.get("Output") or "")

    def classify(self, error: ProviderError) -> Blocked:
        """What the error covers, and for how long."""
        return classify(error)

    # -- buying -----------------------------------------------------------------------------------------------------------------------

    async def launch(self, request: LaunchRequest, token: str) -> Instance:
        """The instance bought under `token`, listed by EC2 with its tags. Raises ProviderError, with nothing bought unless it says NotListed."""
        region = request.offer.region
        if region not in await self.regions():  # EC2 itself would say that our login is not valid
            raise refusal(NOT_ENABLED, f"the account has not enabled {region}, or clouds.yaml leaves it out")
        place, image = await asyncio.gather(self._network(region), self._image(request))
        subnet = place.subnet(request.offer.zone) if request.offer.zone else None
        if subnet is None and region in self._vpcs:
            subnet = place.subnet(place.zone_ids[0])
        described = await self._buy(request, token, place, image, subnet)
        self._where[request.instance_id] = region
        listed = await self._until_listed(region, described["InstanceId"], request)
        if listed["State"]["Name"] in {"shutting-down", "terminated"} and reason_code(listed).startswith(
            ("Server.", "Client.")
        ):
            message = listed.get("StateReason", {}).get("Message") or "the instance ended while it started"
            raise refusal(reason_code(listed), str(message))
        return read_instance(region, listed)

    async def _buy(
        self, request: LaunchRequest, token: str, place: network.Network, image: Image, subnet: str | None
    ) -> dict[str, Any]:
        for attempt in range(1, GROUP_TRIES + 1):
            group = await self._group(place, request, fresh=attempt > 1)
            arguments = run_instances(request, token, image=image, group=group, subnet=subnet)
            try:
                answer = await self.session.call(place.region, "ec2", "run_instances", once=True, **arguments)
            except ProviderError as error:
                if error.code == "IdempotentParameterMismatch":
                    # Bought before under this token, with an image or a group that has been replaced since.
                    if earlier := await self._bought_before(place.region, token):
                        return earlier
                elif error.code == "InvalidGroup.NotFound" and attempt < GROUP_TRIES:
                    await asyncio.sleep(self._pause_s)  # the new group is not known everywhere yet, or was just removed
                    continue
                raise
            return dict(answer["Instances"][0])
        raise AssertionError("the last attempt returns or raises")

    async def _bought_before(self, region: str, token: str) -> dict[str, Any] | None:
        filters = [{"Name": "client-token", "Values": [client_token(token)]}]
        found = await self._described(region, filters)
        return found[0] if found else None

    async def _until_listed(self, region: str, name: str, request: LaunchRequest) -> dict[str, Any]:
        """What EC2 lists under the request's tags: until then the instance could not be found again from its intent."""
        deadline = asyncio.get_running_loop().time() + LISTING_DEADLINE_S
        while True:
            for described in await self._described(region, network.tag_filters(request.tags)):
                if described["InstanceId"] == name:
                    return described
            if asyncio.get_running_loop().time() > deadline:
                raise refusal(
                    "NotListed",
                    f"EC2 accepted {name} in {region} and does not list it after {LISTING_DEADLINE_S:.0f} s",
                )
            await asyncio.sleep(self._pause_s)

    async def _described(self, region: str, filters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        reservations = await self._listed(region, "describe_instances", "Reservations", filters)
        return [instance for reservation in reservations for instance in reservation["Instances"]]

    async def _listed(
        self, region: str, operation: str, key: str, filters: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """What the region lists; nothing where the account has not enabled it, since nothing can stand there. Raises ProviderError."""
        try:
            return await self.session.pages(region, "ec2", operation, key, Filters=filters)
        except ProviderError as error:
            if error.code == NOT_ENABLED:
                return []
            raise

    async def _network(self, region: str) -> network.Network:
        if region not in self._networks:
            self._networks[region] = await network.find_network(self.session, region, self._vpcs.get(region))
        return self._networks[region]

    async def _image(self, request: LaunchRequest) -> Image:
        offer = request.offer
        key = offer.region, request.image or image_parameter(offer)
        if key not in self._images:
            self._images[key] = await (
                find_own_image(self.session, offer.region, request.image)
                if request.image
                else find_image(self.session, offer)
            )
        return self._images[key]

    async def _group(self, place: network.Network, request: LaunchRequest, *, fresh: bool) -> str:
        key = place.region, network.group_name(network.cluster_tags(request), request.cluster)
        async with self._locks[key]:
            if fresh:
                self._groups.pop(key, None)
            if key not in self._groups:
                self._groups[key] = await network.ensure_group(self.session, place, request)
            return self._groups[key]

    # -- ending -----------------------------------------------------------------------------------------------------------------------

    async def terminate(self, provider_id: str) -> None:
        """The instance is terminated, its disk and interface with it, and its cluster's group once nobody else uses it. Raises ProviderError."""
        region, name = split_id(provider_id)
        groups = await ending.groups_of(self.session, region, [await self._end(region, name)])
        await asyncio.gather(*(self._remove_group(region, group) for group in groups))

    async def terminate_all(self, provider_ids: Sequence[str]) -> dict[str, ProviderError]:
        """As `terminate` for each, many to a call; the refusals, by provider id. Raises ProviderError where EC2 cannot be asked."""
        by_region: dict[str, list[str]] = defaultdict(list)
        for provider_id in provider_ids:
            region, name = split_id(provider_id)
            by_region[region].append(name)
        refused = await asyncio.gather(*(self._end_all(region, names) for region, names in by_region.items()))
        return {name: error for some in refused for name, error in some.items()}

    async def _end_all(self, region: str, names: Sequence[str]) -> dict[str, ProviderError]:
        ended = await ending.end_many(self.session, region, names, pause_s=self._pause_s, deadline_s=ENDING_DEADLINE_S)
        refused = await refusals(self.terminate, [f"{region}/{name}" for name in names if name not in ended])
        groups = await ending.groups_of(self.session, region, ended.values())
        kept = await refusals(lambda group: self._remove_group(region, group), groups, at_once=SWEPT_AT_ONCE)
        for error in kept.values():
            raise error
        return refused

    async def _end(self, region: str, name: str) -> dict[str, str]:
        """The tags that it shared with its cluster, once it is terminated; {} when EC2 does not know it.

        (A terminated instance keeps its tags for an hour; its groups are no longer told.)
        """
        loop = asyncio.get_running_loop()
        deadline, told, unknown = loop.time() + ENDING_DEADLINE_S, False, 0
        tags: dict[str, str] = {}
        # Not listed is not gone: a name that EC2 does not know is asked for a few times more, one that it has taken an order for many times.
        while unknown < (UNKNOWN_TRIES * 10 if told else UNKNOWN_TRIES):
            try:
                if not told:
                    await self.session.call(region, "ec2", "terminate_instances", InstanceIds=[name])
                    told = True
                found = await self._described(region, [{"Name": "instance-id", "Values": [name]}])
            except ProviderError as error:
                if not error.code.startswith("InvalidInstanceID"):
                    raise
                found = []
            for described in found:
                tags = cluster_tags_of(described) or tags
            if found and all(described["State"]["Name"] == "terminated" for described in found):
                break
            unknown += not found
            if loop.time() > deadline:
                raise refusal("StillRunning", f"{name} in {region} is still ending after {ENDING_DEADLINE_S:.0f} s")
            await asyncio.sleep(self._pause_s)
        return tags

    async def _remove_group(self, region: str, group: str) -> None:
        if await network.remove_group(self.session, region, group, pause_s=self._pause_s):
            for key in [key for key, known in self._groups.items() if known == group]:
                del self._groups[key]

    def why_not_stop(self, *, use_spot: bool) -> str:
        """Source: EC2 user guide, "Stop a Spot Instance": only one of a persistent request, and ours are bought once."""
        return "EC2 does not stop spot instances that were bought once" if use_spot else ""

    async def stop(self, provider_id: str) -> None:
        """The instance is stopping or stopped. Raises ProviderError: spot instances of ours cannot be stopped."""
        region, name = split_id(provider_id)
        await self.session.call(region, "ec2", "stop_instances", InstanceIds=[name])

    async def start(self, provider_id: str) -> None:
        """The stopped instance is starting; one that is still stopping is waited for. Raises ProviderError."""
        region, name = split_id(provider_id)
        deadline = asyncio.get_running_loop().time() + ENDING_DEADLINE_S
        while True:
            try:
                await self.session.call(region, "ec2", "start_instances", InstanceIds=[name])
            except ProviderError as error:
                if error.code != "IncorrectInstanceState" or asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(self._pause_s)
            else:
                return

    async def leftovers(self, tags: Mapping[str, str], *, but_of: Collection[str] = ()) -> list[str]:
        """Groups, disks and interfaces with all of `tags`, as "region/id", those of the clusters `but_of` left out. Raises ProviderError."""
        found = await self._leftovers(tags)
        return [f"{region}/{name}" for region, name, cluster in found if cluster not in but_of]

    async def sweep(self, tags: Mapping[str, str]) -> list[str]:
        """Those of them that serve no instance are gone; their names. Raises ProviderError."""
        turns = asyncio.Semaphore(SWEPT_AT_ONCE)

        async def remove(region: str, name: str) -> str:
            async with turns:
                with contextlib.suppress(ProviderError):  # in use, or gone by itself meanwhile: the next sweep sees it
                    if name.startswith("vol-"):
                        await self.session.call(region, "ec2", "delete_volume", VolumeId=name)
                    elif name.startswith("eni-"):
                        await self.session.call(region, "ec2", "delete_network_interface", NetworkInterfaceId=name)
                    elif not await network.remove_group(
                        self.session, region, name, pause_s=self._pause_s, deadline_s=self._pause_s * 20
                    ):
                        return ""
                    return f"{region}/{name}"
            return ""

        found = await self._leftovers(tags, loose=LOOSE)
        loose = [one for one in found if not one[1].startswith("sg-")]
        used = await ending.groups_in_use(self.session, {region for region, _, _ in found}, tags)
        # last: an interface keeps its group in use
        groups = [one for one in found if one[1].startswith("sg-") and one[1] not in used]
        removed = [
            await asyncio.gather(*(remove(region, name) for region, name, _ in part)) for part in (loose, groups)
        ]
        return [name for part in removed for name in part if name]

    async def _leftovers(
        self, tags: Mapping[str, str], loose: Mapping[str, str | list[str]] = ANY
    ) -> list[tuple[str, str, str]]:
        """Region, id and cluster of each; disks and interfaces by `loose` too."""
        filters = network.tag_filters(tags)
        besides = network.tag_filters(tags, **loose)

        async def of(region: str) -> list[tuple[str, str, str]]:
            listings = await asyncio.gather(
                self._listed(region, "describe_volumes", "Volumes", besides),
                self._listed(region, "describe_network_interfaces", "NetworkInterfaces", besides),
                self._listed(region, "describe_security_groups", "SecurityGroups", filters),
            )
            keys = ("VolumeId", "NetworkInterfaceId", "GroupId")
            return [
                (region, str(entry[key]), cluster_of(network.tags_of(entry)))
                for key, listing in zip(keys, listings, strict=True)
                for entry in listing
            ]

        return [
            pair for found in await asyncio.gather(*(of(region) for region in await self.regions())) for pair in found
        ]

    # -- using ------------------------------------------------------------------------------------------------------------------------

    async def connect(self, instance: Instance) -> Transport:
        """A transport to a running instance. Raises ProviderError."""
        if self._connect is None:
            raise refusal(
                "NoTransport", "this AWS provider was made without SSH keys; it can launch, and reach nothing"
            )
        if (
            not instance.public_address
        ):  # the caller may know it by its record only, and a started instance has a new address
            region, name = split_id(instance.provider_id)
            for described in await self._described(region, [{"Name": "instance-id", "Values": [name]}]):
                instance = read_instance(region, described)
        return await self._connect(instance, ())

    async def open_ports(self, provider_ids: Sequence[str], ports: Sequence[int]) -> None:
        """The world reaches these TCP ports of the instances' clusters. Raises ProviderError."""
        if not ports:
            return
        for region, name in map(split_id, provider_ids):
            for described in await self._described(region, [{"Name": "instance-id", "Values": [name]}]):
                for group in described.get("SecurityGroups", []):
                    if _is_ours(group):
                        await network.allow(self.session, region, group["GroupId"], network.open_rules(ports))

    async def lease(self, provider_id: str, until_unix: float) -> None:
        """Nothing to move: EC2 has no outer cap; the instance ends itself (shutdown means terminate) when its own lease runs out."""

    def guard(self, check: Callable[[], None]) -> None:
        """From now on `check` is called before every call to the cloud, and what it raises keeps the call from being made."""
        self.session.guard(check)

    def close(self) -> None:
        """Connections and threads are gone."""
        self.session.close()


def _is_ours(group: Mapping[str, str]) -> bool:
    return group["GroupName"].startswith("tradewind-")

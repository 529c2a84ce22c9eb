"""Instances of Compute Engine: made, found, stopped, started, deleted. One call each, and what its answer means."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from tradewind.broker.clouds.gcp import errors, images, machine, naming
from tradewind.broker.clouds.gcp.errors import refusal
from tradewind.broker.clouds.gcp.operations import Operations
from tradewind.broker.clouds.gcp.session import CALL_TIMEOUT_S, Session
from tradewind.broker.clouds.tags import carries, shared_tags
from tradewind.broker.provider import Instance, LaunchRequest, ProviderError

PREEMPTED = "compute.instances.preempted"


class Engine:
    """Compute Engine's instances of one project."""

    def __init__(self, session: Session, operations: Operations) -> None:
        self._session, self._operations = session, operations

    async def make(self, request: LaunchRequest, token: str, name: str, zone: str, now_unix: float) -> Instance:
        """The instance that this token buys, bought now or before.

        Raises:
            ProviderError: Compute Engine refused, at once or when the operation failed; nothing of the instance is left then.
        """
        settings = msgspec.structs.replace(self._session.settings, project=self._session.project)
        resource = machine.instance_resource(request, token, name, zone, settings, now_unix)

        def insert() -> Any:
            from google.cloud import compute_v1

            ask = compute_v1.InsertInstanceRequest(
                project=self._session.project,
                zone=zone,
                instance_resource=resource,
                request_id=naming.request_id(token, f"insert/{zone}"),
            )
            # exactly one attempt: a retry inside the library would hide a refusal
            return self._session.compute("InstancesClient").insert_unary(ask, retry=None, timeout=CALL_TIMEOUT_S)

        try:
            operation = await self._session.call(insert)
        except ProviderError as error:
            if not (errors.exists_already(error) or errors.is_ambiguous(error)):
                if request.image and request.image in error.message:
                    raise refusal("NOT_AS_ASKED", f"image_id: {error.message}") from error
                raise
            if (found := await self._mine(zone, name, token)) is not None:
                return found
            raise
        try:
            await self._operations.done(operation)
        except ProviderError as error:
            if errors.exists_already(error) and (found := await self._mine(zone, name, token)) is not None:
                return found
            if error.code != "TIME_OUT":
                await self._remove_failed(zone, name, token)
            raise
        made = await self._mine(zone, name, token)
        if made is None:
            raise refusal(
                "VANISHED",
                f"the instance {name} in {zone} was made and is gone again; if it was spot, it was taken while starting",
            )
        return made

    async def get(self, zone: str, name: str) -> Any | None:
        """The instance as Compute Engine describes it; None if there is none of that name."""
        return await errors.unless_gone(
            self._session.call(
                lambda: self._session.compute("InstancesClient").get(
                    project=self._session.project,
                    zone=zone,
                    instance=name,
                    retry=self._session.retry(),
                    timeout=CALL_TIMEOUT_S,
                )
            )
        )

    async def find(self, tags: Mapping[str, str]) -> list[Instance]:
        """Every listed instance of ours that carries the tags, those under way to their end included."""

        def pages() -> list[Any]:
            from google.cloud import compute_v1

            ask = compute_v1.AggregatedListInstancesRequest(
                project=self._session.project, filter=naming.label_filter(tags)
            )
            scopes = self._session.compute("InstancesClient").aggregated_list(
                ask, retry=self._session.retry(), timeout=CALL_TIMEOUT_S
            )
            return [instance for _, scope in scopes for instance in scope.instances]

        found = await asyncio.gather(*(self.read(seen) for seen in await self._session.call(pages)))
        return [instance for instance in found if instance is not None and carries(instance.tags, tags)]

    async def read(self, seen: Any) -> Instance | None:
        """The instance as ours. A spot instance that stopped is asked about: was it us, or was it taken?"""
        stopping = seen.status in ("STOPPING", "TERMINATED", "STOPPED")
        spot = seen.scheduling.provisioning_model == "SPOT"
        taken = stopping and spot and await self.preempted_at(seen.zone.rsplit("/", 1)[-1], seen.name) != ""
        return machine.read_instance(seen, preempted=taken)

    async def preempted_at(self, zone: str, name: str) -> str:
        """When Compute Engine took the instance (RFC 3339); "" if it did not, or more than some weeks ago."""

        def pages() -> list[Any]:
            from google.cloud import compute_v1

            ask = compute_v1.ListZoneOperationsRequest(
                project=self._session.project, zone=zone, filter=f'operationType = "{PREEMPTED}"'
            )
            client = self._session.compute("ZoneOperationsClient")
            return list(client.list(ask, retry=self._session.retry(), timeout=CALL_TIMEOUT_S))

        for operation in await self._session.call(pages):
            if operation.target_link.endswith(f"/instances/{name}"):
                return str(operation.end_time or operation.insert_time)
        return ""

    async def stop(self, zone: str, name: str) -> None:
        """The instance is stopped and keeps its disk."""
        await self._order("stop_unary", zone, name)

    async def start(self, zone: str, name: str) -> None:
        """The instance runs again."""
        seen = await self.get(zone, name)
        if seen is None or seen.status != "RUNNING":
            await self._order("start_unary", zone, name)

    async def delete(self, zone: str, name: str) -> None:
        """The instance and its disk are gone."""
        await errors.unless_gone(self._order("delete_unary", zone, name))

    async def host_keys(self, zone: str, name: str) -> list[str]:
        """What the guest agent published under hostkeys/; [] while it has not."""

        def read() -> Any:
            from google.cloud import compute_v1

            ask = compute_v1.GetGuestAttributesInstanceRequest(
                project=self._session.project, zone=zone, instance=name, query_path="hostkeys/"
            )
            client = self._session.compute("InstancesClient")
            return client.get_guest_attributes(ask, retry=self._session.retry(), timeout=CALL_TIMEOUT_S)

        found = await errors.unless_gone(self._session.call(read))
        return [] if found is None else [f"{item.key} {item.value}" for item in found.query_value.items]

    async def console(self, zone: str, name: str) -> str:
        """The last of the serial port's output (at most 64 KiB); "" for an instance that is gone."""
        found = await errors.unless_gone(
            self._session.call(
                lambda: self._session.compute("InstancesClient").get_serial_port_output(
                    project=self._session.project,
                    zone=zone,
                    instance=name,
                    retry=self._session.retry(),
                    timeout=CALL_TIMEOUT_S,
                )
            )
        )
        return "" if found is None else str(found.contents)[-(64 << 10) :]

    async def zones(self, region: str, machine_type: str) -> list[str]:
        """The region's zones that have the machine type, by name."""

        def pages() -> list[str]:
            from google.cloud import compute_v1

            ask = compute_v1.AggregatedListMachineTypesRequest(
                project=self._session.project, filter=f'name = "{machine_type}"'
            )
            scopes = self._session.compute("MachineTypesClient").aggregated_list(
                ask, retry=self._session.retry(), timeout=CALL_TIMEOUT_S
            )
            return [scope.rsplit("/", 1)[-1] for scope, found in scopes if found.machine_types]

        return sorted(zone for zone in await self._session.call(pages) if zone.rpartition("-")[0] == region)

    async def loose_disks(self, tags: Mapping[str, str]) -> list[tuple[str, str]]:
        """Zone and name of every disk that carries the tags' labels and serves no instance."""

        def pages() -> list[tuple[str, str]]:
            from google.cloud import compute_v1

            ask = compute_v1.AggregatedListDisksRequest(project=self._session.project, filter=naming.label_filter(tags))
            scopes = self._session.compute("DisksClient").aggregated_list(
                ask, retry=self._session.retry(), timeout=CALL_TIMEOUT_S
            )
            return [
                (scope.rsplit("/", 1)[-1], disk.name)
                for scope, found in scopes
                for disk in found.disks
                if not disk.users
            ]

        return await self._session.call(pages)

    async def delete_disk(self, zone: str, name: str) -> None:
        """The disk is gone."""
        try:
            operation = await self._session.call(
                lambda: self._session.compute("DisksClient").delete_unary(
                    project=self._session.project,
                    zone=zone,
                    disk=name,
                    retry=self._session.retry(),
                    timeout=CALL_TIMEOUT_S,
                )
            )
            await self._operations.done(operation)
        except ProviderError as error:
            if not errors.is_gone(error):
                raise

    async def _mine(self, zone: str, name: str, token: str) -> Instance | None:
        """The instance of that name; None if there is none. Raises ProviderError when another token bought it."""
        seen = await self.get(zone, name)
        if seen is None:
            return None
        if machine.token_of_instance(seen) != naming.token_mark(token):
            raise refusal("TOKEN_MISMATCH", f"an instance {name} stands in {zone} and was launched with another token")
        return await self.read(seen)

    async def _remove_failed(self, zone: str, name: str, token: str) -> None:
        """A failed insert normally leaves nothing; whatever it left is deleted."""
        if await self._mine(zone, name, token) is not None:
            await self.delete(zone, name)

    async def _order(self, method: str, zone: str, name: str) -> None:
        operation = await self._session.call(
            lambda: getattr(self._session.compute("InstancesClient"), method)(
                project=self._session.project,
                zone=zone,
                instance=name,
                retry=self._session.retry(),
                timeout=CALL_TIMEOUT_S,
            )
        )
        await self._operations.done(operation)


def zone_order(zones: list[str], cluster: str) -> list[str]:
    """The zones in the order in which every node of this cluster tries them: the same for all, another for other clusters."""
    start = sum(cluster.encode()) % max(1, len(zones))
    return zones[start:] + zones[:start]


def machine_name(request: LaunchRequest) -> str:
    """The name in the cloud of what the request asks for."""
    shared = shared_tags(request.tags, request.instance_id)
    tag = naming.network_tag(request.cluster, shared, tpu=images.is_tpu(request.offer))
    return naming.instance_name(tag, request.instance_id)

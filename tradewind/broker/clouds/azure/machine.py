"""What is asked of Azure for one machine, and what its answers say. Pure: values in, values out."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from tradewind.broker.clouds.azure import images, naming
from tradewind.broker.clouds.azure.errors import refusal
from tradewind.broker.clouds.azure.images import Image
from tradewind.broker.clouds.azure.skus import Sku
from tradewind.broker.clouds.first_boot import LEASE_FILE, deletion_script, with_deletion
from tradewind.broker.provider import Instance, InstanceState, LaunchRequest

# The version of the network API by which a machine's own interface and address are made (REST reference, networkProfile.networkApiVersion).
NETWORK_API = "2022-11-01"
_POWER: dict[str, InstanceState] = {
    "running": "RUNNING",
    "starting": "PENDING",
    "creating": "PENDING",
    "stopping": "STOPPED",
    "stopped": "STOPPED",
    "deallocating": "STOPPED",
    "deallocated": "STOPPED",
    "hibernated": "STOPPED",
}


def resource(
    request: LaunchRequest,
    token: str,
    name: str,
    group_id: str,
    image: Image,
    sku: Sku,
    *,
    zone: str,
    identity: bool,
    endpoint: str = "https://management.azure.com",
) -> dict[str, Any]:
    """The machine to create, in the REST API's field names.

    Its interface, address and disk are made with it and go with it, also when Azure evicts it.

    Raises:
        ProviderError: it cannot have the disk or image that is asked for.
    """
    disk = images.disk_type(sku, request.disk_tier)
    if disk is None:
        raise refusal("NOT_AS_ASKED", f"{sku.name} boots from no disk of the tier {request.disk_tier}; ask for best")
    reference = {"publisher": image.publisher, "offer": image.offer, "sku": image.sku, "version": "latest"}
    if request.image:
        own = images.own_reference(request.image)
        if own is None:
            raise refusal(
                "NOT_AS_ASKED", f"image_id {request.image} is none of Azure's: publisher:offer:sku:version, or an id"
            )
        reference = own
    tags = {
        **request.labels,
        **request.tags,
        naming.ID_TAG: request.instance_id,
        naming.TOKEN_TAG: naming.token_mark(token),
    }
    storage: dict[str, Any] = {
        "imageReference": reference,
        "osDisk": {
            "name": f"{name}-disk",
            "createOption": "FromImage",
            "deleteOption": "Delete",
            "diskSizeGB": images.disk_gib(image, request.disk_gib),
            "managedDisk": {"storageAccountType": disk},
        },
    }
    if sku.nvme_only:
        storage["diskControllerType"] = "NVMe"
    properties: dict[str, Any] = {
        "hardwareProfile": {"vmSize": sku.name},
        "storageProfile": storage,
        "osProfile": _os_profile(request, name, deletion_script(**_deletion(endpoint, group_id)) if identity else ""),
        "networkProfile": _network_profile(request, name, group_id),
    }
    if request.use_spot:
        properties |= {
            "priority": "Spot",
            "evictionPolicy": "Delete",
            "billingProfile": {"maxPrice": request.max_hourly_usd},
        }
    body: dict[str, Any] = {"location": request.offer.region, "tags": tags, "properties": properties}
    if zone:
        body["zones"] = [zone]
    if identity:
        body["identity"] = {"type": "SystemAssigned"}
    return body


def _deletion(endpoint: str, group_id: str) -> dict[str, Any]:
    """How the machine deletes its group, as its own identity (learn.microsoft.com/entra/identity/managed-identities-azure-resources)."""
    audience = quote("https://management.azure.com/", safe="")
    return {
        "token_url": f"http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource={audience}",
        "token_header": ("Metadata", "true"),
        "delete_url": f"{endpoint}{group_id}?api-version=2021-04-01",
        "lease_file": LEASE_FILE,
    }


def _os_profile(request: LaunchRequest, name: str, deletion: str) -> dict[str, Any]:
    profile: dict[str, Any] = {
        "computerName": name,
        "adminUsername": request.ssh_user,
        "linuxConfiguration": {
            "disablePasswordAuthentication": True,
            "ssh": {
                "publicKeys": [
                    {
                        "path": f"/home/{request.ssh_user}/.ssh/authorized_keys",
                        "keyData": request.ssh_public_key.strip(),
                    }
                ]
            },
        },
    }
    if request.user_data:
        document = with_deletion(request.user_data, deletion) if deletion else request.user_data
        profile["customData"] = base64.b64encode(document.encode()).decode()
    return profile


def _network_profile(request: LaunchRequest, name: str, group_id: str) -> dict[str, Any]:
    network = f"{group_id}/providers/Microsoft.Network"
    tags = dict(request.tags)
    return {
        "networkApiVersion": NETWORK_API,
        "networkInterfaceConfigurations": [
            {
                "name": f"{name}-nic",
                "tags": tags,
                "properties": {
                    "primary": True,
                    "deleteOption": "Delete",
                    "networkSecurityGroup": {"id": f"{network}/networkSecurityGroups/{naming.FIREWALL}"},
                    "ipConfigurations": [
                        {
                            "name": "primary",
                            "properties": {
                                "primary": True,
                                "subnet": {"id": f"{network}/virtualNetworks/{naming.NETWORK}/subnets/{naming.SUBNET}"},
                                "publicIPAddressConfiguration": {
                                    "name": f"{name}-ip",
                                    "tags": tags,
                                    "sku": {"name": "Standard"},
                                    "properties": {"deleteOption": "Delete", "publicIPAllocationMethod": "Static"},
                                },
                            },
                        }
                    ],
                },
            }
        ],
    }


def driver_extension(image: Image, region: str) -> dict[str, Any]:
    """The extension that installs the accelerator's drivers."""
    return {
        "location": region,
        "properties": {
            "publisher": images.EXTENSION_PUBLISHER,
            "type": image.driver,
            "typeHandlerVersion": images.EXTENSION_VERSION,
            "autoUpgradeMinorVersion": True,
            "settings": {},
        },
    }


class Addresses:
    """Private and public address of each machine, by its id in lower case; made from the lists of interfaces and public addresses."""

    def __init__(self, interfaces: Iterable[Any], public: Iterable[Any]) -> None:
        by_id = {address.id.lower(): (address.properties.ip_address or "") for address in public if address.properties}
        self._of: dict[str, tuple[str, str]] = {}
        for interface in interfaces:
            properties = interface.properties
            if properties is None or properties.virtual_machine is None:
                continue
            for configuration in properties.ip_configurations or ():
                inner = configuration.properties
                address = inner.public_ip_address
                known = by_id.get(address.id.lower(), "") if address is not None else ""
                self._of[properties.virtual_machine.id.lower()] = (inner.private_ip_address or "", known)
                break

    def of(self, machine_id: str) -> tuple[str, str]:
        """Private and public address; "" for one that is not there yet."""
        return self._of.get(machine_id.lower(), ("", ""))


def read(seen: Any, addresses: Addresses) -> Instance | None:
    """Azure's machine as ours; None for one that is not ours."""
    tags: Mapping[str, str] = seen.tags or {}
    if naming.ID_TAG not in tags:
        return None
    private, public = addresses.of(seen.id)
    state, reason = state_of(seen)
    return Instance(
        instance_id=tags[naming.ID_TAG],
        provider_id=naming.provider_id(naming.group_of(seen.id), seen.name),
        state=state,
        address=private,
        tags={name: value for name, value in tags.items() if name not in (naming.ID_TAG, naming.TOKEN_TAG)},
        reason=reason,
        public_address=public,
        zone=next(iter(seen.zones or ()), ""),
    )


def state_of(seen: Any) -> tuple[InstanceState, str]:
    """The machine's state, and why when it failed. One whose making failed counts as stopped: it is still there and must be deleted."""
    provisioning = str(seen.properties.provisioning_state or "")
    statuses = _statuses(seen)
    if provisioning == "Deleting":
        return "TERMINATED", "being deleted"
    failure = next((s for s in statuses if str(s.code).lower().startswith("provisioningstate/failed")), None)
    if provisioning == "Failed" or failure is not None:
        return "STOPPED", f"{failure.code}: {failure.message}" if failure is not None else "its making failed"
    power = next((str(s.code).partition("/")[2].lower() for s in statuses if str(s.code).startswith("PowerState/")), "")
    if provisioning == "Creating":
        return "PENDING", ""
    return _POWER.get(power, "PENDING"), ""


def failure_of(seen: Any) -> tuple[str, str] | None:
    """Code and message of why the machine's making failed; None if it did not."""
    if str(seen.properties.provisioning_state) != "Failed":
        return None
    for status in _statuses(seen):
        parts = str(status.code).split("/")
        if len(parts) == 3 and parts[1].lower() == "failed":
            return parts[2], str(status.message or "")
    return "AllocationFailed", "its making failed and Azure no longer says why"


def _statuses(seen: Any) -> list[Any]:
    view = seen.properties.instance_view
    return list(view.statuses or ()) if view is not None else []

"""A fake Azure Resource Manager: groups and what is in them, machines of finite capacity, quotas, spot prices, evictions, late failures.

State and behaviour only; `azure_cloud` serves it and holds every body to the SDK's models.
"""

from __future__ import annotations

import base64
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from clouds.fakes.addresses import BLOCK

LOCATIONS = ("eastus", "westeurope")


@dataclass(frozen=True)
class Size:
    """A machine size as the SKU list describes it."""

    name: str
    family: str
    vcpus: int
    arch: str = "x64"
    generations: str = "V1,V2"
    zones: tuple[str, ...] = ("1", "2", "3")
    restricted: tuple[str, ...] = ()  # zones that this subscription may not use; "*" the whole location
    controllers: str = ""
    gpus: int = 0


SIZES = (
    Size("Standard_D8s_v5", "standardDSv5Family", 8),
    Size("Standard_D4ps_v5", "standardDPSv5Family", 4, "Arm64", "V2"),
    Size("Standard_D8s_v6", "standardDSv6Family", 8, "x64", "V2", controllers="NVMe"),
    Size("Standard_A1_v2", "standardAv2Family", 1, "x64", "V1"),
    Size("Standard_NC24ads_A100_v4", "StandardNCADSA100v4Family", 24, "x64", "V2", ("1", "2", "3"), ("2",), gpus=1),
    Size("Standard_NV36ads_A10_v5", "StandardNVADSA10v5Family", 36, "x64", "V1,V2", gpus=1),
    Size("Standard_E4s_v5", "standardESv5Family", 4, "x64", "V1,V2", ("1",), ("*",)),
)
# (publisher, offer, sku) -> (architecture, generation); learn.microsoft.com/azure/virtual-machines/linux/endorsed-distros
IMAGES = {
    ("Canonical", "ubuntu-24_04-lts", "server"): ("x64", "V2"),
    ("Canonical", "ubuntu-24_04-lts", "server-gen1"): ("x64", "V1"),
    ("Canonical", "ubuntu-24_04-lts", "server-arm64"): ("Arm64", "V2"),
    ("microsoft-dsvm", "ubuntu-hpc", "2404"): ("x64", "V2"),
    ("microsoft-dsvm", "ubuntu-hpc", "2204-rocm"): ("x64", "V2"),
}
RESERVED_NAMES = {"root", "admin", "administrator", "user", "test", "guest", "console", "john", "owner"}


# learn.microsoft.com/azure/cost-management-billing/manage/region-optimization: what is said of a region that a subscription may not use
DISALLOWED = (
    "Resource '{}' was disallowed by Azure: This policy maintains a set of best available regions where your subscription can deploy resources. "
    "The objective of this policy is to ensure that your subscription has full access to Azure services with optimal performance. Should you need "
    "additional or different regions, contact support.."
)


class ArmRefusal(Exception):
    """A call is refused with this status and code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Task:
    """An operation under way: done after `polls` more reads; `finish` gives its error, or None."""

    polls: int
    finish: object
    status: str = "InProgress"
    error: dict | None = None


@dataclass
class Arm:
    subscription: str = "00000000-0000-0000-0000-000000000001"
    polls: int = 1
    late: str = (
        ""  # the code with which a lack of capacity shows inside the operation; "" refuses at once with SkuNotAvailable
    )
    closed_locations: set[str] = field(default_factory=set)
    capacity: dict[tuple[str, str, bool], int] = field(
        default_factory=dict
    )  # (place, size, spot): place is location or location-zone
    quotas: dict[str, int] = field(
        default_factory=lambda: {"cores": 200, "lowPriorityCores": 100, "standardDSv5Family": 100}
    )
    spot_price: float = 0.05
    list_lag: int = 0
    granted: list[str] = field(default_factory=lambda: ["*"])
    denied: list[str] = field(default_factory=list)
    groups: dict[str, dict] = field(default_factory=dict)
    resources: dict[str, dict] = field(default_factory=dict)  # id, lower case -> body
    deleting: set[str] = field(default_factory=set)
    tasks: dict[str, Task] = field(default_factory=dict)
    assignments: dict[str, dict] = field(default_factory=dict)
    on_boot: Callable[[str, str, str, str], None] | None = None  # name, private and public address, first-boot document
    on_end: Callable[[str], None] | None = None  # name
    on_rules: Callable[[], None] | None = None  # a firewall has changed
    lock: threading.RLock = field(default_factory=threading.RLock)
    _hidden: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    # -- what tests do to it ----------------------------------------------------------------------------------------------------------

    def evict(self, name: str) -> None:
        """Azure takes a spot machine back."""
        with self.lock:
            key = next(k for k, b in self.resources.items() if k.endswith(f"/virtualmachines/{name.lower()}"))
            if self.resources[key]["properties"].get("evictionPolicy") == "Delete":
                self._delete_machine(key)
            else:
                self._power(key, "deallocated")

    def machines(self) -> list[str]:
        return [b["name"] for k, b in self.resources.items() if "/virtualmachines/" in k and "/extensions/" not in k]

    def held(self) -> list[str]:
        return [f"group {name}" for name in self.groups] + [
            f"{b['type']} {b['name']}" for k, b in self.resources.items() if k.split("/")[4] not in self.groups
        ]

    # -- groups -----------------------------------------------------------------------------------------------------------------------

    def put_group(self, group: str, body: dict) -> tuple[int, dict]:
        key = group.lower()
        if key in self.deleting:
            raise ArmRefusal(
                409,
                "ResourceGroupBeingDeleted",
                f"The resource group '{group}' is in deprovisioning state and cannot perform this operation.",
            )
        if key in self.groups and self.groups[key]["location"] != body["location"]:
            raise ArmRefusal(
                409, "InvalidResourceGroupLocation", f"Invalid resource group location '{body['location']}'."
            )
        self.groups[key] = {
            "id": f"/subscriptions/{self.subscription}/resourceGroups/{group}",
            "name": group,
            "type": "Microsoft.Resources/resourceGroups",
            "properties": {"provisioningState": "Succeeded"},
            **body,
        }
        return 201, self.groups[key]

    def get_group(self, group: str) -> dict:
        if group.lower() not in self.groups:
            raise ArmRefusal(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
        return self.groups[group.lower()]

    def delete_group(self, group: str) -> Task:
        self.get_group(group)
        self.deleting.add(group.lower())

        def finish() -> None:
            inside = f"/subscriptions/{self.subscription}/resourcegroups/{group.lower()}/"
            for key in [k for k in self.resources if k.startswith(inside)]:
                if "/virtualmachines/" in key and "/extensions/" not in key:
                    self._delete_machine(key)
            for key in [k for k in self.resources if k.startswith(inside)]:
                del self.resources[key]
            for name in [
                n for n, a in self.assignments.items() if f"/resourcegroups/{group.lower()}" in a["id"].lower()
            ]:
                del self.assignments[name]
            self.groups.pop(group.lower(), None)
            self.deleting.discard(group.lower())

        return self._task(finish)

    # -- resources in groups ----------------------------------------------------------------------------------------------------------

    def put(self, resource_id: str, body: dict, *, only_new: bool) -> tuple[int, dict, Task]:
        group, kind, name = _split(resource_id)
        self.get_group(group)
        if group.lower() in self.deleting:
            raise ArmRefusal(
                409,
                "ResourceGroupBeingDeleted",
                f"The resource group '{group}' is in deprovisioning state and cannot perform this operation.",
            )
        key = resource_id.lower()
        if body.get("location") in self.closed_locations:
            raise ArmRefusal(403, "RequestDisallowedByAzure", DISALLOWED.format(name))
        if only_new and key in self.resources:
            raise ArmRefusal(
                412,
                "PreconditionFailed",
                f"The condition specified using HTTP conditional header(s) is not met for '{name}'.",
            )
        if kind == "Microsoft.Compute/virtualMachines":
            return self._put_machine(resource_id, body)
        new = key not in self.resources
        properties = {**body.get("properties", {}), "provisioningState": "Succeeded"}
        self.resources[key] = {**body, "id": resource_id, "name": name, "type": kind, "properties": properties}
        if kind == "Microsoft.Network/virtualNetworks":
            for subnet in properties.get("subnets", []):
                subnet["id"] = f"{resource_id}/subnets/{subnet['name']}"
        if kind == "Microsoft.Network/networkSecurityGroups":
            priorities = [
                (r["properties"]["direction"], r["properties"]["priority"]) for r in properties.get("securityRules", [])
            ]
            if len(priorities) != len(set(priorities)):
                raise ArmRefusal(400, "SecurityRuleConflict", "Security rules may not share priority and direction.")
        if kind.startswith("Microsoft.Network/networkSecurityGroups") and self.on_rules is not None:
            self.on_rules()
        return (201 if new else 200), self.resources[key], self._task(lambda: None)

    def get(self, resource_id: str, *, instance_view: bool) -> dict:
        if resource_id.lower() not in self.resources:
            raise ArmRefusal(
                404,
                "ResourceNotFound",
                f"The Resource '{resource_id.rsplit('/providers/', maxsplit=1)[-1]}' under resource group '{_split(resource_id)[0]}' was not found.",
            )
        if made_by := self.resources[resource_id.lower()].get("_task"):
            self.poll(made_by)  # a machine is made whether or not anybody asks for its operation
        return self._shown(resource_id.lower(), instance_view=instance_view)

    def delete(self, resource_id: str) -> Task | None:
        key = resource_id.lower()
        if key not in self.resources:
            return None
        self.resources[key]["properties"]["provisioningState"] = "Deleting"
        return self._task(
            lambda: self._delete_machine(key) if "/virtualmachines/" in key else self.resources.pop(key, None)
        )

    def list(self, kind: str, *, group: str = "", instance_view: bool = False) -> list[dict]:
        found = []
        for key in list(self.resources):
            if not re.search(f"/providers/{kind.lower()}/[^/]+$", key) or (
                group and f"/resourcegroups/{group.lower()}/" not in key
            ):
                continue
            if self._hidden.get(key, 0) > 0:
                self._hidden[key] -= 1
                continue
            found.append(self._shown(key, instance_view=instance_view))
        return found

    def power(self, resource_id: str, state: str) -> Task:
        name, key = self.get(resource_id, instance_view=False)["name"], resource_id.lower()

        def finish() -> None:
            self._power(key, state)
            if state == "running" and self.on_boot is not None:
                self.on_boot(name, *self._addresses(key), "")
            elif state != "running" and self.on_end is not None:
                self.on_end(name)

        return self._task(finish)

    # -- machines ---------------------------------------------------------------------------------------------------------------------

    def _put_machine(self, resource_id: str, body: dict) -> tuple[int, dict, Task]:
        key, (_group, kind, name) = resource_id.lower(), _split(resource_id)
        size = self._check_machine(body)
        spot = body["properties"].get("priority") == "Spot"
        places = [body["location"], *(f"{body['location']}-{z}" for z in body.get("zones", []))]
        full = any(self.capacity.get((place, size.name, spot), 1) <= 0 for place in places)
        if full and not self.late:
            raise ArmRefusal(
                409,
                "SkuNotAvailable",
                f"The requested VM size for resource '{size.name}' is currently not available in location '{body['location']}'. Please try another size or deploy to a different location or different zone.",
            )
        if key not in self.resources:
            self._check_quota(size, spot)
        properties = {**body["properties"], "provisioningState": "Creating", "vmId": str(uuid.uuid4())}
        made = {**body, "id": resource_id, "name": name, "type": kind, "properties": properties}
        if made.get("identity"):
            made["identity"] = {**made["identity"], "principalId": str(uuid.uuid4()), "tenantId": str(uuid.uuid4())}
        self.resources[key] = made
        self._hidden[key] = self.list_lag
        self._make_parts(resource_id, made)
        for place in places:
            if (place, size.name, spot) in self.capacity:
                self.capacity[place, size.name, spot] -= 1

        def finish() -> dict | None:
            if key not in self.resources:
                return {
                    "code": "OperationPreempted",
                    "message": "The operation has been preempted by a more recent operation.",
                }
            if full:
                error = {
                    "code": self.late,
                    "message": "Allocation failed. We do not have sufficient capacity for the requested VM size in this region. Read more about improving likelihood of allocation success.",
                }
                made["properties"]["provisioningState"] = "Failed"
                made["_trouble"] = error
                return error
            made["properties"]["provisioningState"] = "Succeeded"
            self._power(key, "running")
            if self.on_boot is not None:
                document = base64.b64decode(made["properties"]["osProfile"].get("customData", "")).decode()
                self.on_boot(name, *self._addresses(key), document)
            return None

        task = self._task(finish)
        made["_task"] = self.task_name(task)
        return 201, made, task

    def _check_machine(self, body: dict) -> Size:
        """Rules that the models do not hold. Sources: the REST reference's notes on each field, and the pages named."""
        properties = body["properties"]
        wanted = properties["hardwareProfile"]["vmSize"]
        size = next((s for s in SIZES if s.name == wanted), None)
        if size is None or body["location"] not in LOCATIONS:
            raise ArmRefusal(400, "InvalidParameter", f"The value {wanted} provided for the VM size is not valid.")
        if (
            "*" in size.restricted
            or set(body.get("zones", [])) & set(size.restricted)
            or set(body.get("zones", [])) - set(size.zones)
        ):
            raise ArmRefusal(
                409,
                "SkuNotAvailable",
                f"The requested VM size {wanted} is not available in the requested zone or location for this subscription.",
            )
        storage, os_profile = properties["storageProfile"], properties["osProfile"]
        image = storage["imageReference"]
        match = IMAGES.get((image["publisher"], image["offer"], image["sku"]))
        if match is None or image.get("version") != "latest":
            raise ArmRefusal(
                404,
                "PlatformImageNotFound",
                f"The platform image '{image['publisher']}:{image['offer']}:{image['sku']}' is not available.",
            )
        if match[0] != size.arch:
            raise ArmRefusal(
                400,
                "BadRequest",
                f"Cannot create a VM of size '{wanted}' because this VM size only supports a CPU Architecture of '{size.arch}'.",
            )
        if match[1] not in size.generations.split(","):
            raise ArmRefusal(
                400,
                "BadRequest",
                f"The selected VM size '{wanted}' cannot boot Hypervisor Generation '{match[1][1:]}'.",
            )
        if size.controllers == "NVMe" and storage.get("diskControllerType") != "NVMe":
            raise ArmRefusal(
                400, "InvalidParameter", f"The VM size '{wanted}' cannot boot with disk controller type SCSI."
            )
        if os_profile["adminUsername"].lower() in RESERVED_NAMES:
            raise ArmRefusal(400, "InvalidParameter", "The Admin Username specified is not allowed.")
        linux = os_profile.get("linuxConfiguration", {})
        if not linux.get("ssh", {}).get("publicKeys") and not os_profile.get("adminPassword"):
            raise ArmRefusal(
                400,
                "InvalidParameter",
                "Authentication using either SSH or by user name and password must be enabled in Linux profile.",
            )
        for key in linux.get("ssh", {}).get("publicKeys", []):
            if key["path"] != f"/home/{os_profile['adminUsername']}/.ssh/authorized_keys":
                raise ArmRefusal(
                    400,
                    "InvalidParameter",
                    "Destination path for SSH public keys is currently limited to its default value.",
                )
        if os_profile.get("customData"):
            base64.b64decode(os_profile["customData"], validate=True)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}[A-Za-z0-9]", os_profile["computerName"]):
            raise ArmRefusal(400, "InvalidParameter", "Linux host name is invalid.")
        for config in properties["networkProfile"].get("networkInterfaceConfigurations", []):
            inner = config["properties"]
            for reference in (
                inner.get("networkSecurityGroup"),
                *(i["properties"]["subnet"] for i in inner["ipConfigurations"]),
            ):
                if reference and re.sub("/subnets/.*", "", reference["id"].lower()) not in self.resources:
                    raise ArmRefusal(
                        404, "NotFound", f"Resource {reference['id']} referenced by the machine was not found."
                    )
        self._check_spot(properties)
        return size

    def _check_spot(self, properties: dict) -> None:
        """learn.microsoft.com/azure/virtual-machines/error-codes-spot."""
        spot = properties.get("priority") == "Spot"
        if not spot and "evictionPolicy" in properties:
            raise ArmRefusal(
                409,
                "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines",
                "Eviction policy can be set only on Azure Spot Virtual Machines.",
            )
        limit = properties.get("billingProfile", {}).get("maxPrice", -1)
        if spot and 0 < limit < self.spot_price:
            raise ArmRefusal(
                409,
                "SpotPriceGreaterThanProvidedMaxPrice",
                f"Unable to perform operation 'Create VM' since the provided max price '{limit} USD' is lower than the current spot price '{self.spot_price} USD' for Azure Spot VM size.",
            )

    def usage(self) -> dict[str, int]:
        used = dict.fromkeys(self.quotas, 0)
        for key, body in self.resources.items():
            if "/virtualmachines/" not in key or "/extensions/" in key:
                continue
            size = next(s for s in SIZES if s.name == body["properties"]["hardwareProfile"]["vmSize"])
            names = ["lowPriorityCores"] if body["properties"].get("priority") == "Spot" else ["cores", size.family]
            for name in names:
                if name in used:
                    used[name] += size.vcpus
        return used

    def _check_quota(self, size: Size, spot: bool) -> None:
        used = self.usage()
        for name in ["lowPriorityCores"] if spot else ["cores", size.family]:
            if name in self.quotas and used[name] + size.vcpus > self.quotas[name]:
                raise ArmRefusal(
                    409,
                    "OperationNotAllowed",
                    f"Operation could not be completed as it results in exceeding approved {name} Cores quota. Additional details - Deployment Model: Resource Manager, Location: eastus, Current Limit: {self.quotas[name]}, Current Usage: {used[name]}, Additional Required: {size.vcpus}.",
                )

    def _make_parts(self, machine_id: str, body: dict) -> None:
        """The interface, address and disk that are made with the machine."""
        prefix = machine_id.split("/providers/", maxsplit=1)[0]
        for config in body["properties"]["networkProfile"].get("networkInterfaceConfigurations", []):
            self._count += 1
            nic_id = f"{prefix}/providers/Microsoft.Network/networkInterfaces/{config['name']}-{self._count}"
            configurations = []
            for ip in config["properties"]["ipConfigurations"]:
                entry = {
                    "name": ip["name"],
                    "properties": {"privateIPAddress": f"10.0.{BLOCK}.{3 + self._count}", "primary": True},
                }
                if public := ip["properties"].get("publicIPAddressConfiguration"):
                    address_id = (
                        f"{prefix}/providers/Microsoft.Network/publicIPAddresses/{public['name']}-{self._count}"
                    )
                    self._part(
                        address_id,
                        body,
                        {"ipAddress": f"198.18.{BLOCK}.{self._count}", "publicIPAllocationMethod": "Static"},
                        public["properties"],
                    )
                    entry["properties"]["publicIPAddress"] = {"id": address_id}
                configurations.append(entry)
            self._part(
                nic_id,
                body,
                {"ipConfigurations": configurations, "virtualMachine": {"id": machine_id}},
                config["properties"],
            )
        disk = body["properties"]["storageProfile"]["osDisk"]
        self._part(f"{prefix}/providers/Microsoft.Compute/disks/{disk['name']}", body, {}, disk)

    def _part(self, part_id: str, machine: dict, properties: dict, options: dict) -> None:
        _, kind, name = _split(part_id)
        self.resources[part_id.lower()] = {
            "id": part_id,
            "name": name,
            "type": kind,
            "location": machine["location"],
            "tags": machine.get("tags", {}),
            "properties": properties,
            "_with": machine["id"].lower() if options.get("deleteOption") == "Delete" else "",
        }

    def _delete_machine(self, key: str) -> None:
        body = self.resources.pop(key, None)
        if body is None:
            return
        if self.on_end is not None:
            self.on_end(body["name"])
        size, spot = body["properties"]["hardwareProfile"]["vmSize"], body["properties"].get("priority") == "Spot"
        for place in [body["location"], *(f"{body['location']}-{z}" for z in body.get("zones", []))]:
            if (place, size, spot) in self.capacity:
                self.capacity[place, size, spot] += 1
        for other in [k for k, b in self.resources.items() if b.get("_with") == key or k.startswith(key + "/")]:
            del self.resources[other]

    def _addresses(self, machine_key: str) -> tuple[str, str]:
        """Private and public address of a machine."""
        parts = [b for b in self.resources.values() if b.get("_with") == machine_key]
        (interface,) = [p for p in parts if p["type"].endswith("networkInterfaces")]
        (public,) = [p for p in parts if p["type"].endswith("publicIPAddresses")]
        private = interface["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"]
        return private, public["properties"]["ipAddress"]

    def _power(self, key: str, state: str) -> None:
        if key in self.resources:
            self.resources[key]["_power"] = state

    def _shown(self, key: str, *, instance_view: bool) -> dict:
        body = self.resources[key]
        shown = {name: value for name, value in body.items() if not name.startswith("_")}
        if instance_view and "/virtualmachines/" in key:
            statuses = [
                {"code": f"ProvisioningState/{body['properties']['provisioningState'].lower()}", "level": "Info"}
            ]
            if trouble := body.get("_trouble"):
                statuses = [
                    {
                        "code": f"ProvisioningState/failed/{trouble['code']}",
                        "level": "Error",
                        "message": trouble["message"],
                    }
                ]
            if power := body.get("_power"):
                statuses.append({"code": f"PowerState/{power}", "level": "Info", "displayStatus": f"VM {power}"})
            shown["properties"] = {**shown["properties"], "instanceView": {"statuses": statuses}}
        return shown

    def _task(self, finish) -> Task:
        task = Task(self.polls, finish)
        self.tasks[f"op-{len(self.tasks)}"] = task
        return task

    def poll(self, name: str) -> Task:
        task = self.tasks[name]
        task.polls -= 1
        if task.polls <= 0 and task.status == "InProgress":
            task.error = task.finish()
            task.status = "Failed" if task.error else "Succeeded"
        return task

    def task_name(self, task: Task) -> str:
        return next(name for name, held in self.tasks.items() if held is task)


def _split(resource_id: str) -> tuple[str, str, str]:
    """Group, type and name of a resource id."""
    parts = resource_id.strip("/").split("/")
    provider = parts[parts.index("providers") + 1 :]
    return parts[3], "/".join([provider[0], *provider[1::2]]), provider[-1]

"""A fake Compute Engine: zones of finite capacity, quotas, reclaims, late failures, lists that lag. State only; `google_cloud` serves it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from clouds.fakes.addresses import BLOCK
from clouds.fakes.google_errors import Refusal

ROOT = "https://www.googleapis.com/compute/v1/"
ZONES = ("us-central1-a", "us-central1-b", "us-central1-f", "europe-west4-a", "europe-west4-b", "us-west1-a")
GPU_TYPES = {
    "nvidia-tesla-v100": "NVIDIA_V100_GPUS",
    "nvidia-tesla-t4": "NVIDIA_T4_GPUS",
    "nvidia-tesla-p100": "NVIDIA_P100_GPUS",
    "nvidia-tesla-p4": "NVIDIA_P4_GPUS",
}
# type -> (vcpus, memory MiB, architecture, built-in accelerator, count)
MACHINE_TYPES: dict[str, tuple[int, int, str, str, int]] = {
    "e2-standard-4": (4, 16384, "X86_64", "", 0),
    "n2-standard-8": (8, 32768, "X86_64", "", 0),
    "n1-standard-8": (8, 30720, "X86_64", "", 0),
    "n1-standard-16": (16, 61440, "X86_64", "", 0),
    "c4-standard-8": (8, 30720, "X86_64", "", 0),
    "c4a-standard-4": (4, 16384, "ARM64", "", 0),
    "t2a-standard-4": (4, 16384, "ARM64", "", 0),
    "g2-standard-8": (8, 32768, "X86_64", "nvidia-l4", 1),
    "a2-highgpu-8g": (96, 696320, "X86_64", "nvidia-tesla-a100", 8),
    "a3-highgpu-8g": (208, 1916928, "X86_64", "nvidia-h100-80gb", 8),
}
IMAGES = {
    ("ubuntu-os-cloud", "ubuntu-2404-lts-amd64"): ("X86_64", 10),
    ("ubuntu-os-cloud", "ubuntu-2404-lts-arm64"): ("ARM64", 10),
    ("ubuntu-os-accelerator-images", "ubuntu-accelerator-2404-amd64-with-nvidia-580"): ("X86_64", 20),
    ("deeplearning-platform-release", "common-cu128-ubuntu-2404-nvidia-570"): ("X86_64", 50),
}
HYPERDISK_ONLY = ("c4", "n4", "a4", "g4", "x4", "m4")


@dataclass
class Machine:
    """One instance that the fake holds."""

    zone: str
    name: str
    body: dict
    status: str = "PROVISIONING"
    listed_after: int = 0  # reads of lists that must pass before it shows
    ended: bool = False


@dataclass
class Pending:
    """An operation under way: done after `polls` more reads, then `finish` runs, which may fail it."""

    body: dict
    polls: int
    finish: object = None
    request_key: str = ""


@dataclass
class Gce:
    """The state. Every method that a route calls is named after the API's method."""

    project: str = "demo-project"
    networks: set[str] = field(default_factory=lambda: {"default"})
    capacity: dict[tuple[str, str, bool], int] = field(default_factory=dict)  # (zone, type, spot) -> machines left
    closed_regions: set[str] = field(default_factory=set)
    region_quotas: dict[str, float] = field(
        default_factory=lambda: {"CPUS": 500.0, "N2_CPUS": 500.0, "IN_USE_ADDRESSES": 100.0}
    )
    project_quotas: dict[str, float] = field(
        default_factory=lambda: {"GPUS_ALL_REGIONS": 16.0, "CPUS_ALL_REGIONS": 2000.0}
    )
    quota_in_operation: bool = True  # where a quota is told: inside the operation, or at once
    polls: int = 1
    list_lag: int = 0
    granted: set[str] | None = None  # permissions of the caller; None means all
    machines: dict[tuple[str, str], Machine] = field(default_factory=dict)
    disks: dict[tuple[str, str], dict] = field(default_factory=dict)
    firewalls: dict[str, dict] = field(default_factory=dict)
    operations: dict[str, Pending] = field(default_factory=dict)
    by_request: dict[str, str] = field(default_factory=dict)
    guest_attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    on_boot: Callable[[str, str, str, str], None] | None = None  # name, private and public address, first-boot document
    on_end: Callable[[str], None] | None = None  # name
    on_rules: Callable[[], None] | None = None  # the firewall has changed
    lock: threading.RLock = field(default_factory=threading.RLock)
    _ids: int = 1000
    _addresses: int = 1

    # -- what tests do to it ----------------------------------------------------------------------------------------------------------

    def reclaim(self, name: str) -> None:
        """Spot capacity is taken back: the termination action happens, and the zone's operations say so."""
        with self.lock:
            machine = next(m for m in self.machines.values() if m.name == name and not m.ended)
            operation = self._operation("compute.instances.preempted", machine.zone, f"instances/{name}", polls=0)
            operation.body["statusMessage"] = "Instance was preempted."
            if machine.body["scheduling"].get("instanceTerminationAction") == "DELETE":
                self._remove(machine)
            else:
                machine.status = "TERMINATED"

    def expire(self, seconds: float) -> list[str]:
        """So many seconds pass: machines whose maximal run duration is shorter end. Returns their names."""
        with self.lock:
            over = [
                m
                for m in self.machines.values()
                if not m.ended
                and float(m.body["scheduling"].get("maxRunDuration", {}).get("seconds", "inf")) <= seconds
            ]
            for machine in over:
                self._remove(machine)
            return [m.name for m in over]

    def live(self) -> list[str]:
        with self.lock:
            return [m.name for m in self.machines.values() if not m.ended]

    def held(self) -> list[str]:
        """Everything that a launch may have made and that still is."""
        with self.lock:
            return [
                *(f"instance {m.name}" for m in self.machines.values() if not m.ended),
                *(f"disk {name}" for _, name in self.disks),
                *(f"firewall {name}" for name in self.firewalls),
            ]

    # -- instances --------------------------------------------------------------------------------------------------------------------

    def instances_insert(self, parts: dict, query: dict, body: dict) -> dict:
        zone, name = parts["zone"], body["name"]
        key = query.get("requestId", "")
        if key and key in self.by_request:
            return self.operations[self.by_request[key]].body
        self._zone(zone)
        if zone.rsplit("-", 1)[0] in self.closed_regions:  # an organisation's policy on locations
            raise Refusal(
                412,
                "conditionNotMet",
                f"Location ZONE:{zone} violates constraint constraints/gcp.resourceLocations on the resource projects/{self.project}/zones/{zone}/instances/{name}.",
            )
        if (zone, name) in self.machines and not self.machines[zone, name].ended:
            raise Refusal(
                409,
                "alreadyExists",
                f"The resource 'projects/{self.project}/zones/{zone}/instances/{name}' already exists",
            )
        kind = _last(body["machineType"])
        self._check_body(zone, kind, body)
        machine = Machine(zone, name, body, listed_after=self.list_lag)
        trouble = self._trouble(zone, kind, body)
        if trouble and trouble[0] == "QUOTA_EXCEEDED" and not self.quota_in_operation:
            raise Refusal(403, "quotaExceeded", trouble[2])
        self.machines[zone, name] = machine
        if not trouble:
            self._take(zone, kind, body, -1)

        def finish(operation: dict) -> None:
            if trouble:
                code, status, message = trouble
                operation["error"] = {"errors": [{"code": code, "message": message}]}
                operation["httpErrorStatusCode"] = status
                operation["httpErrorMessage"] = "SERVICE UNAVAILABLE" if status == 503 else "FORBIDDEN"
                del self.machines[zone, name]
                return
            if not machine.ended:
                self._boot(machine)

        operation = self._operation("insert", zone, f"instances/{name}", finish=finish)
        if key:
            operation.body["clientOperationId"] = key
            self.by_request[key] = operation.body["name"]
        return operation.body

    def instances_get(self, parts: dict, query: dict, body: None) -> dict:
        return self._describe(self._machine(parts))

    def instances_list(self, parts: dict, query: dict, body: None) -> dict:
        return {"kind": "compute#instanceList", "id": "1", "items": self._listed(query, parts["zone"])}

    def instances_aggregatedList(self, parts: dict, query: dict, body: None) -> dict:
        found = self._listed(query, None)
        scopes = {f"zones/{zone}": {"instances": [i for i in found if _last(i["zone"]) == zone]} for zone in ZONES}
        for scoped in scopes.values():
            if not scoped["instances"]:
                del scoped["instances"]
                scoped["warning"] = {"code": "NO_RESULTS_ON_PAGE", "message": "There are no results on this page."}
        return {"kind": "compute#instanceAggregatedList", "id": "1", "items": scopes}

    def instances_delete(self, parts: dict, query: dict, body: None) -> dict:
        machine = self._machine(parts)
        machine.status = "STOPPING"
        return self._operation(
            "delete", machine.zone, f"instances/{machine.name}", finish=lambda _: self._remove(machine)
        ).body

    def instances_stop(self, parts: dict, query: dict, body: None) -> dict:
        machine = self._machine(parts)
        if machine.status == "RUNNING":
            machine.status = "STOPPING"

        def finish(_: dict) -> None:
            if not machine.ended:
                machine.status = "TERMINATED"
                if self.on_end is not None:
                    self.on_end(machine.name)

        return self._operation("stop", machine.zone, f"instances/{machine.name}", finish=finish).body

    def instances_start(self, parts: dict, query: dict, body: None) -> dict:
        machine = self._machine(parts)
        if machine.status == "STOPPING":
            raise Refusal(400, "resourceNotReady", f"The resource 'instances/{machine.name}' is not ready")
        return self._operation(
            "start", machine.zone, f"instances/{machine.name}", finish=lambda _: self._boot(machine)
        ).body

    def instances_getGuestAttributes(self, parts: dict, query: dict, body: None) -> dict:
        machine = self._machine(parts)
        keys = self.guest_attributes.get(machine.name)
        if not keys:
            raise Refusal(404, "notFound", "The resource 'hostkeys/' of type 'Guest Attribute' was not found.")
        items = [{"namespace": "hostkeys", "key": key, "value": value} for key, value in keys.items()]
        return {"kind": "compute#guestAttributes", "queryPath": "hostkeys/", "queryValue": {"items": items}}

    def instances_getSerialPortOutput(self, parts: dict, query: dict, body: None) -> dict:
        machine = self._machine(parts)
        return {
            "kind": "compute#serialPortOutput",
            "contents": f"{machine.name}: Linux version 6.8 booting\n",
            "start": "0",
            "next": "40",
        }

    # -- what stands around an instance -----------------------------------------------------------------------------------------------

    def firewalls_insert(self, parts: dict, query: dict, body: dict) -> dict:
        key = query.get("requestId", "")
        if key and key in self.by_request:
            return self.operations[self.by_request[key]].body
        if body["name"] in self.firewalls:
            raise Refusal(
                409,
                "alreadyExists",
                f"The resource 'projects/{self.project}/global/firewalls/{body['name']}' already exists",
            )
        self._network(body["network"])
        self.firewalls[body["name"]] = body
        self._rules_changed()
        operation = self._operation("insert", "", f"firewalls/{body['name']}")
        if key:
            self.by_request[key] = operation.body["name"]
        return operation.body

    def firewalls_get(self, parts: dict, query: dict, body: None) -> dict:
        return {"kind": "compute#firewall", **self._firewall(parts["firewall"])}

    def firewalls_list(self, parts: dict, query: dict, body: None) -> dict:
        return {
            "kind": "compute#firewallList",
            "id": "1",
            "items": [{"kind": "compute#firewall", **f} for f in self.firewalls.values()],
        }

    def firewalls_patch(self, parts: dict, query: dict, body: dict) -> dict:
        self._firewall(parts["firewall"]).update(body)
        self._rules_changed()
        return self._operation("patch", "", f"firewalls/{parts['firewall']}").body

    def firewalls_delete(self, parts: dict, query: dict, body: None) -> dict:
        self._firewall(parts["firewall"])
        del self.firewalls[parts["firewall"]]
        return self._operation("delete", "", f"firewalls/{parts['firewall']}").body

    def networks_get(self, parts: dict, query: dict, body: None) -> dict:
        self._network(parts["network"])
        return {"kind": "compute#network", "name": parts["network"], "autoCreateSubnetworks": True}

    def disks_aggregatedList(self, parts: dict, query: dict, body: None) -> dict:
        keep = _filter(query.get("filter", ""))
        scopes: dict[str, dict] = {f"zones/{zone}": {"disks": []} for zone in ZONES}
        for (zone, _), disk in self.disks.items():
            if keep(disk):
                scopes[f"zones/{zone}"]["disks"].append(disk)
        return {"kind": "compute#diskAggregatedList", "id": "1", "items": scopes}

    def disks_delete(self, parts: dict, query: dict, body: None) -> dict:
        disk = self.disks.get((parts["zone"], parts["disk"]))
        if disk is None:
            raise Refusal(404, "notFound", f"The resource 'disks/{parts['disk']}' was not found")
        if disk["users"]:
            raise Refusal(
                400, "resourceInUseByAnotherResource", f"The disk resource '{parts['disk']}' is already being used"
            )
        del self.disks[parts["zone"], parts["disk"]]
        return self._operation("delete", parts["zone"], f"disks/{parts['disk']}").body

    def machineTypes_aggregatedList(self, parts: dict, query: dict, body: None) -> dict:
        keep = _filter(query.get("filter", ""))
        scopes = {}
        for zone in ZONES:
            found = [
                {
                    "kind": "compute#machineType",
                    "name": n,
                    "guestCpus": t[0],
                    "memoryMb": t[1],
                    "zone": zone,
                    "architecture": t[2],
                }
                for n, t in MACHINE_TYPES.items()
            ]
            scopes[f"zones/{zone}"] = {"machineTypes": [m for m in found if keep(m)]}
        return {"kind": "compute#machineTypeAggregatedList", "id": "1", "items": scopes}

    def regions_get(self, parts: dict, query: dict, body: None) -> dict:
        if parts["region"] not in {z[:-2] for z in ZONES}:
            raise Refusal(
                404, "notFound", f"The resource 'projects/{self.project}/regions/{parts['region']}' was not found"
            )
        usage = self._usage(parts["region"])
        quotas = [{"metric": m, "limit": limit, "usage": usage.get(m, 0.0)} for m, limit in self.region_quotas.items()]
        return {"kind": "compute#region", "name": parts["region"], "quotas": quotas}

    def projects_get(self, parts: dict, query: dict, body: None) -> dict:
        if parts["project"] != self.project:
            raise Refusal(404, "notFound", f"The resource 'projects/{parts['project']}' was not found")
        usage = self._usage("")
        quotas = [{"metric": m, "limit": limit, "usage": usage.get(m, 0.0)} for m, limit in self.project_quotas.items()]
        return {"kind": "compute#project", "name": self.project, "quotas": quotas}

    # -- operations -------------------------------------------------------------------------------------------------------------------

    def zoneOperations_get(self, parts: dict, query: dict, body: None) -> dict:
        return self._poll(parts["operation"])

    def globalOperations_get(self, parts: dict, query: dict, body: None) -> dict:
        return self._poll(parts["operation"])

    def zoneOperations_list(self, parts: dict, query: dict, body: None) -> dict:
        keep = _filter(query.get("filter", ""))
        found = [
            p.body for p in self.operations.values() if _last(p.body.get("zone", "")) == parts["zone"] and keep(p.body)
        ]
        return {"kind": "compute#operationList", "id": "1", "items": found}

    def _operation(
        self, kind: str, zone: str, target: str, *, finish: object = None, polls: int | None = None
    ) -> Pending:
        self._ids += 1
        name = f"operation-{self._ids}"
        place = f"projects/{self.project}/" + (f"zones/{zone}/" if zone else "global/")
        body = {
            "kind": "compute#operation",
            "id": str(self._ids),
            "name": name,
            "operationType": kind,
            "status": "RUNNING",
            "progress": 0,
            "targetLink": ROOT + place + target,
            "selfLink": ROOT + place + f"operations/{name}",
            "insertTime": "2026-11-01T00:00:00.000-07:00",
        }
        if zone:
            body["zone"] = f"{ROOT}projects/{self.project}/zones/{zone}"
        pending = Pending(body, self.polls if polls is None else polls, finish)
        self.operations[name] = pending
        if pending.polls <= 0:
            self._finish(pending)
        return pending

    def _poll(self, name: str) -> dict:
        if name not in self.operations:
            raise Refusal(404, "notFound", f"The resource 'operations/{name}' was not found")
        pending = self.operations[name]
        pending.polls -= 1
        if pending.polls <= 0 and pending.body["status"] != "DONE":
            self._finish(pending)
        return pending.body

    def _finish(self, pending: Pending) -> None:
        pending.body["status"], pending.body["progress"] = "DONE", 100
        pending.body["endTime"] = "2026-11-01T00:00:09.000-07:00"
        if callable(pending.finish):
            pending.finish(pending.body)

    # -- inside -----------------------------------------------------------------------------------------------------------------------

    def _zone(self, zone: str) -> None:
        if zone not in ZONES:
            raise Refusal(404, "notFound", f"The resource 'projects/{self.project}/zones/{zone}' was not found")

    def _network(self, network: str) -> None:
        if _last(network) not in self.networks:
            raise Refusal(
                404,
                "notFound",
                f"The resource 'projects/{self.project}/global/networks/{_last(network)}' was not found",
            )

    def _rules_changed(self) -> None:
        if self.on_rules is not None:
            self.on_rules()

    def _firewall(self, name: str) -> dict:
        if name not in self.firewalls:
            raise Refusal(
                404, "notFound", f"The resource 'projects/{self.project}/global/firewalls/{name}' was not found"
            )
        return self.firewalls[name]

    def _machine(self, parts: dict) -> Machine:
        machine = self.machines.get((parts["zone"], parts["instance"]))
        if machine is None or machine.ended:
            raise Refusal(
                404,
                "notFound",
                f"The resource 'projects/{self.project}/zones/{parts['zone']}/instances/{parts['instance']}' was not found",
            )
        return machine

    def _check_body(self, zone: str, kind: str, body: dict) -> None:
        """Rules that the description's schemas do not hold. Sources: the insert method's documentation, and the pages named."""
        if kind not in MACHINE_TYPES:
            raise Refusal(
                400,
                "invalid",
                f"Invalid value for field 'resource.machineType': '{kind}'. Machine type is not available in zone {zone}.",
            )
        scheduling = body.get("scheduling", {})
        spot = scheduling.get("provisioningModel") == "SPOT"
        gpus = body.get("guestAccelerators", [])
        # cloud.google.com/compute/docs/gpus/create-gpu-vm-general-purpose: GPU instances cannot be live migrated
        if (gpus or MACHINE_TYPES[kind][3]) and scheduling.get("onHostMaintenance") != "TERMINATE":
            raise Refusal(400, "invalid", "Instances with guest accelerators do not support live migration.")
        if gpus and not kind.startswith("n1-"):
            raise Refusal(400, "invalid", f"Accelerators cannot be attached to machine type {kind}.")
        if spot and (
            scheduling.get("automaticRestart") is not False or scheduling.get("onHostMaintenance") != "TERMINATE"
        ):
            raise Refusal(
                400,
                "invalid",
                "Scheduling must have automaticRestart be false and onHostMaintenance TERMINATE for Spot VMs.",
            )
        if "maxRunDuration" in scheduling:
            if not 30 <= int(scheduling["maxRunDuration"]["seconds"]) <= 120 * 86400:
                raise Refusal(400, "invalid", "Max run duration must be between 30 seconds and 120 days.")
            if "instanceTerminationAction" not in scheduling:
                raise Refusal(400, "invalid", "instanceTerminationAction is required with maxRunDuration.")
        (boot,) = [d for d in body["disks"] if d.get("boot")]
        source = boot["initializeParams"]["sourceImage"]
        match = re.search(r"projects/([^/]+)/global/images/family/([^/]+)\Z", source)
        if match is None or match.groups() not in IMAGES:
            raise Refusal(404, "notFound", f"The resource '{source}' was not found")
        arch, size = IMAGES[match[1], match[2]]
        if arch != MACHINE_TYPES[kind][2]:
            raise Refusal(
                400, "invalid", f"Machine type architecture {MACHINE_TYPES[kind][2]} does not match the image's {arch}."
            )
        if int(boot["initializeParams"].get("diskSizeGb", size)) < size:
            raise Refusal(400, "invalid", f"Requested disk size cannot be smaller than the image size ({size} GB)")
        disk_type = _last(boot["initializeParams"].get("diskType", "pd-standard"))
        hyper_only = kind.split("-", maxsplit=1)[0].removesuffix("a").removesuffix("d") in HYPERDISK_ONLY
        if hyper_only != disk_type.startswith("hyperdisk") and (
            hyper_only or kind.startswith(("e2", "n1", "g2", "a2"))
        ):
            raise Refusal(400, "invalid", f"[{kind}] features are not compatible with disk type {disk_type}.")
        self._network(body["networkInterfaces"][0].get("network", "default"))
        for key, value in body.get("labels", {}).items():
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
                raise Refusal(400, "invalid", f"Invalid value for field 'labels': '{key}={value}'")

    def _trouble(self, zone: str, kind: str, body: dict) -> tuple[str, int, str] | None:
        spot = body.get("scheduling", {}).get("provisioningModel") == "SPOT"
        if self.capacity.get((zone, kind, spot), 1) <= 0:
            return (
                "ZONE_RESOURCE_POOL_EXHAUSTED",
                503,
                f"The zone 'projects/{self.project}/zones/{zone}' does not have enough resources available to fulfill the request.  Try a different zone, or try again later.",
            )
        need = _need(kind, body)
        for scope, limits in (("", self.project_quotas), (zone[:-2], self.region_quotas)):
            usage = self._usage(scope)
            for metric, amount in need.items():
                if metric in limits and usage.get(metric, 0) + amount > limits[metric]:
                    where = f"in region {scope}" if scope else "globally"
                    return ("QUOTA_EXCEEDED", 403, f"Quota '{metric}' exceeded.  Limit: {limits[metric]} {where}.")
        return None

    def _usage(self, region: str) -> dict[str, float]:
        used: dict[str, float] = {}
        for machine in self.machines.values():
            if not machine.ended and machine.zone.startswith(region) and machine.status != "TERMINATED":
                for metric, amount in _need(_last(machine.body["machineType"]), machine.body).items():
                    used[metric] = used.get(metric, 0.0) + amount
        return used

    def _take(self, zone: str, kind: str, body: dict, by: int) -> None:
        key = (zone, kind, body.get("scheduling", {}).get("provisioningModel") == "SPOT")
        if key in self.capacity:
            self.capacity[key] += by

    def _boot(self, machine: Machine) -> None:
        machine.status = "RUNNING"
        self._addresses += 1
        interface = machine.body["networkInterfaces"][0]
        interface.setdefault("networkIP", f"10.128.{BLOCK}.{self._addresses}")
        for config in interface.get("accessConfigs", []):
            config["natIP"] = f"198.19.{BLOCK}.{self._addresses}"
        if self.on_boot is not None:
            items = {item["key"]: item["value"] for item in machine.body["metadata"]["items"]}
            addresses = interface["networkIP"], interface["accessConfigs"][0]["natIP"]
            self.on_boot(machine.name, *addresses, items.get("user-data", ""))
        for disk in machine.body["disks"]:
            parameters = disk.get("initializeParams", {})
            self.disks[machine.zone, machine.name] = {
                "kind": "compute#disk",
                "name": machine.name,
                "zone": f"{ROOT}projects/{self.project}/zones/{machine.zone}",
                "labels": parameters.get("labels", {}),
                "users": [f"{ROOT}projects/{self.project}/zones/{machine.zone}/instances/{machine.name}"],
                "status": "READY",
            }

    def _remove(self, machine: Machine) -> None:
        if machine.ended:
            return
        machine.ended = True
        if self.on_end is not None:
            self.on_end(machine.name)
        self._take(machine.zone, _last(machine.body["machineType"]), machine.body, 1)
        if (disk := self.disks.get((machine.zone, machine.name))) is not None:
            if machine.body["disks"][0].get("autoDelete"):
                del self.disks[machine.zone, machine.name]
            else:
                disk["users"] = []
        if self.machines.get((machine.zone, machine.name)) is machine:
            del self.machines[machine.zone, machine.name]

    def _listed(self, query: dict, zone: str | None) -> list[dict]:
        keep = _filter(query.get("filter", ""))
        found = []
        for machine in self.machines.values():
            if machine.listed_after > 0:
                machine.listed_after -= 1
            elif not machine.ended and zone in (None, machine.zone) and keep(described := self._describe(machine)):
                found.append(described)
        return found

    def _describe(self, machine: Machine) -> dict:
        return {
            **machine.body,
            "kind": "compute#instance",
            "id": str(abs(hash((machine.zone, machine.name))) % 10**18),
            "status": machine.status,
            "zone": f"{ROOT}projects/{self.project}/zones/{machine.zone}",
            "selfLink": f"{ROOT}projects/{self.project}/zones/{machine.zone}/instances/{machine.name}",
            "creationTimestamp": "2026-11-01T00:00:00.000-07:00",
        }


def _need(kind: str, body: dict) -> dict[str, float]:
    """What of each quota metric a machine uses (cloud.google.com/compute/resource-usage)."""
    vcpus, _, _, built_in, count = MACHINE_TYPES[kind]
    family = kind.split("-", maxsplit=1)[0].upper()
    need = {
        "CPUS" if family in ("N1", "E2") else f"{family}_CPUS": float(vcpus),
        "CPUS_ALL_REGIONS": float(vcpus),
        "IN_USE_ADDRESSES": 1.0,
    }
    for gpu in body.get("guestAccelerators", []):
        need[GPU_TYPES[_last(gpu["acceleratorType"])]] = float(gpu["acceleratorCount"])
        need["GPUS_ALL_REGIONS"] = float(gpu["acceleratorCount"])
    if built_in:
        need[
            {"nvidia-l4": "NVIDIA_L4_GPUS", "nvidia-tesla-a100": "NVIDIA_A100_GPUS"}.get(built_in, "NVIDIA_H100_GPUS")
        ] = float(count)
        need["GPUS_ALL_REGIONS"] = float(count)
    if body.get("scheduling", {}).get("provisioningModel") == "SPOT":
        need = {
            f"PREEMPTIBLE_{m}" if m.startswith("NVIDIA") else m: a for m, a in need.items() if m != "GPUS_ALL_REGIONS"
        }
    return need


def _filter(text: str):
    """The part of the filter language that is used here: `path = "value"` joined by AND. Anything else is refused."""
    if not text:
        return lambda _: True
    wanted = []
    for clause in text.split(" AND "):
        match = re.fullmatch(r'([\w.-]+) ?= ?"([^"]*)"', clause.strip().strip("()"))
        if match is None:
            raise Refusal(
                400, "invalid", f"Invalid value for field 'filter': '{text}'. Invalid list filter expression."
            )
        wanted.append((match[1].split(".", 1), match[2]))

    def keep(item: dict) -> bool:
        for path, value in wanted:
            seen = item
            for part in path:
                seen = seen.get(part, {}) if isinstance(seen, dict) else {}
            if seen != value:
                return False
        return True

    return keep


def _last(url: str) -> str:
    return url.rsplit("/", 1)[-1]

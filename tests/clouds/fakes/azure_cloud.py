"""Azure Resource Manager over TLS: routes to the fake's state, with every body in both directions held to the SDK's models.

The journal names calls as Azure's access control does ("Microsoft.Compute/virtualMachines/write").
"""

from __future__ import annotations

import copy
import re
import tempfile
import time

from clouds.fakes import arm_models
from clouds.fakes.arm import LOCATIONS, SIZES, Arm, ArmRefusal, Task
from clouds.fakes.certificate import server_context, write_authority
from clouds.fakes.journal import Call, Journal
from clouds.fakes.wire import Answer, Request, Wire

COMPUTE, NETWORK = "azure.mgmt.compute.models", "azure.mgmt.network.models"
RESOURCES, ACCESS = "azure.mgmt.resource.resources.models", "azure.mgmt.authorization.v2022_04_01.models"
MODELS = {
    "Microsoft.Compute/virtualMachines": f"{COMPUTE}:VirtualMachine",
    "Microsoft.Compute/virtualMachines/extensions": f"{COMPUTE}:VirtualMachineExtension",
    "Microsoft.Compute/disks": f"{COMPUTE}:Disk",
    "Microsoft.Network/networkSecurityGroups": f"{NETWORK}:NetworkSecurityGroup",
    "Microsoft.Network/networkSecurityGroups/securityRules": f"{NETWORK}:SecurityRule",
    "Microsoft.Network/virtualNetworks": f"{NETWORK}:VirtualNetwork",
    "Microsoft.Network/networkInterfaces": f"{NETWORK}:NetworkInterface",
    "Microsoft.Network/publicIPAddresses": f"{NETWORK}:PublicIPAddress",
}
TOKEN_LIVES_S = 3600.0
EXPIRED = "The access token expiry UTC time '{}' is earlier than current UTC time '{}'."
MACHINES = "Microsoft.Compute/virtualMachines"


class AzureCloud:
    """Call `close` when done. `violations` holds every breach of the models, ours and the fake's; a test asserts that it is empty."""

    def __init__(self) -> None:
        self.arm = Arm()
        self.journal = Journal()
        self.violations: list[str] = []
        self.signed_out = False
        self.delay_s = self._ahead_s = 0.0
        self._directory = tempfile.TemporaryDirectory()
        self.authority = write_authority(self._directory.name, "management.azure.com")
        self._wire = Wire(self._answer, tls=server_context("management.azure.com"))
        self.url, self.port = self._wire.url, self._wire.port

    def close(self) -> None:
        self._wire.close()
        self._directory.cleanup()

    def _answer(self, request: Request) -> Answer:
        death = self.journal.death()
        if death == "before":
            return Answer(drop=True)
        answer = self._alive(request)
        answer.drop = answer.drop or death == "after"
        return answer

    def _alive(self, request: Request) -> Answer:
        if self.delay_s:
            time.sleep(self.delay_s)
        name = self._name(request)
        fault = self.journal.fault_for(name)
        if self.signed_out:
            answer = _refused(401, "InvalidAuthenticationToken", "The access token is invalid.")
        elif self._ahead_s >= TOKEN_LIVES_S:  # az still thinks well of one that it got that long ago
            over, now = (time.strftime("%m/%d/%Y %I:%M:%S %p", time.gmtime(self._wire.now() - s)) for s in (60.0, 0.0))
            answer = _refused(401, "ExpiredAuthenticationToken", EXPIRED.format(over, now))
        elif not request.headers.get("authorization", "").startswith("Bearer "):
            answer = _refused(
                401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
            )
        elif "api-version" not in request.query:
            answer = _refused(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        elif fault is not None and not fault.lose_answer:
            answer = _refused(fault.status, fault.code, fault.message)
            if fault.status in (429, 503):
                answer.headers["Retry-After"] = "0"
        elif self._denied(name):
            answer = _refused(
                403,
                "AuthorizationFailed",
                f"The client 'x' with object id 'y' does not have authorization to perform action '{name}' over scope '{request.path}' or the scope is invalid.",
            )
        else:
            answer = self._carry_out(name, request)
        self.journal.record(Call(name, request.path, answer.status, request.body))
        if fault is not None and fault.lose_answer:
            answer.drop = True
        return answer

    def set_clock(self, ahead_s: float) -> None:
        """Azure's clock is ahead of this machine's."""
        self._ahead_s = ahead_s
        self._wire.set_clock(ahead_s)

    def _denied(self, name: str) -> bool:
        return any(re.fullmatch(pattern.replace("*", ".*"), name, re.IGNORECASE) for pattern in self.arm.denied)

    def _carry_out(self, name: str, request: Request) -> Answer:
        if self.journal.on_call is not None:
            self.journal.on_call(name)
        try:
            with self.arm.lock:
                answer = self._route(request)
                answer.body = copy.deepcopy(answer.body)
                return answer
        except ArmRefusal as refusal:
            return _refused(refusal.status, refusal.code, refusal.message)
        except arm_models.ModelError as error:
            self.violations.append(str(error))
            return _refused(400, "InvalidRequestContent", str(error))

    def _name(self, request: Request) -> str:
        verb = {"PUT": "write", "GET": "read", "DELETE": "delete", "HEAD": "read", "PATCH": "write"}.get(
            request.method, "action"
        )
        if "/providers/" not in request.path:
            return (
                f"Microsoft.Resources/subscriptions/resourceGroups/{verb}"
                if "resourcegroups" in request.path.lower()
                else f"operations/{verb}"
            )
        parts = request.path.rsplit("/providers/", 1)[1].strip("/").split("/")
        if "operations" in parts:
            return f"{parts[0]}/locations/operations/read"
        if verb == "action":
            return f"{'/'.join([parts[0], *parts[1:-1:2]])}/{parts[-1]}/action"
        return f"{'/'.join([parts[0], *parts[1::2]])}/{verb}"

    def _route(self, request: Request) -> Answer:
        path = request.path.rstrip("/")
        base = f"/subscriptions/{self.arm.subscription}"
        if not path.lower().startswith(base):
            raise ArmRefusal(404, "SubscriptionNotFound", f"The subscription in '{path}' could not be found.")
        rest = path[len(base) :]
        if found := re.fullmatch(r"/operations/([\w-]+)|/providers/[\w.]+/locations/\w+/operations/([\w-]+)", rest):
            return self._poll(found[1], found[2])
        if found := re.fullmatch(r"/resourcegroups(?:/([^/]+))?", rest, re.IGNORECASE):
            return self._group(request, found[1])
        if "/providers/Microsoft.Authorization/roleAssignments/" in rest:
            return self._assign(path, request)
        if rest == "/providers/Microsoft.Authorization/permissions":
            body = {"value": [{"actions": self.arm.granted, "notActions": [], "dataActions": [], "notDataActions": []}]}
            arm_models.check(f"{ACCESS}:PermissionGetResult", body, "permissions", request=False)
            return Answer(200, body)
        if rest == "/providers/Microsoft.Compute/skus":
            return self._skus(request)
        if found := re.fullmatch(r"/providers/Microsoft.Compute/locations/(\w+)/usages", rest):
            return self._usages(found[1])
        if found := re.fullmatch(r"(?:/resourceGroups/([^/]+))?/providers/([\w.]+/\w+)", rest):
            return self._list(found[2], found[1] or "", request)
        return self._resource(path, request)

    def _poll(self, by_location: str | None, by_status: str | None) -> Answer:
        task = self.arm.poll(by_location or by_status)
        if by_location:
            return Answer(
                202 if task.status == "InProgress" else 200,
                headers={
                    "Location": f"{self.url}/subscriptions/{self.arm.subscription}/operations/{by_location}?api-version=2025-04-01"
                },
            )
        return Answer(200, {"status": task.status, **({"error": task.error} if task.error else {})})

    def _started(self, status: int, body: dict | None, task: Task, *, provider: str = "") -> Answer:
        name = self.arm.task_name(task)
        base = f"{self.url}/subscriptions/{self.arm.subscription}"
        if provider:
            address = f"{base}/providers/{provider}/locations/eastus/operations/{name}?api-version=2026-04-01"
            return Answer(status, body, {"Azure-AsyncOperation": address, "Retry-After": "0"})
        return Answer(
            status, body, {"Location": f"{base}/operations/{name}?api-version=2025-04-01", "Retry-After": "0"}
        )

    def _group(self, request: Request, name: str | None) -> Answer:
        if name is None:
            wanted = re.fullmatch(r"tagName eq '([^']*)' and tagValue eq '([^']*)'", request.query.get("$filter", ""))
            groups = [
                g for g in self.arm.groups.values() if wanted is None or g.get("tags", {}).get(wanted[1]) == wanted[2]
            ]
            for group in groups:
                arm_models.check(f"{RESOURCES}:ResourceGroup", group, "group", request=False)
            return Answer(200, {"value": groups})
        if request.method == "PUT":
            arm_models.check(f"{RESOURCES}:ResourceGroup", request.body, "group", request=True)
            return Answer(*self.arm.put_group(name, copy.deepcopy(request.body)))
        if request.method == "DELETE":
            return self._started(202, None, self.arm.delete_group(name))
        return Answer(200, self.arm.get_group(name))

    def _assign(self, path: str, request: Request) -> Answer:
        arm_models.check(f"{ACCESS}:RoleAssignmentCreateParameters", request.body, "roleAssignment", request=True)
        name = path.rsplit("/", 1)[1]
        if name in self.arm.assignments:
            raise ArmRefusal(409, "RoleAssignmentExists", "The role assignment already exists.")
        self.arm.assignments[name] = {
            "id": path,
            "name": name,
            "type": "Microsoft.Authorization/roleAssignments",
            **request.body,
        }
        arm_models.check(f"{ACCESS}:RoleAssignment", self.arm.assignments[name], "roleAssignment", request=False)
        return Answer(201, self.arm.assignments[name])

    def _skus(self, request: Request) -> Answer:
        wanted = re.fullmatch(r"location eq '(\w+)'", request.query.get("$filter", ""))
        rows = [_sku(size, wanted[1]) for size in SIZES if wanted and wanted[1] in LOCATIONS]
        for row in rows:
            arm_models.check(f"{COMPUTE}:ResourceSku", row, "sku", request=False)
        return Answer(200, {"value": rows})

    def _usages(self, location: str) -> Answer:
        if location not in LOCATIONS:
            raise ArmRefusal(
                400, "NoRegisteredProviderFound", f"No registered resource provider found for location '{location}'."
            )
        used = self.arm.usage()
        rows = [
            {
                "unit": "Count",
                "currentValue": used[name],
                "limit": limit,
                "name": {"value": name, "localizedValue": name},
            }
            for name, limit in self.arm.quotas.items()
        ]
        for row in rows:
            arm_models.check(f"{COMPUTE}:Usage", row, "usage", request=False)
        return Answer(200, {"value": rows})

    def _list(self, kind: str, group: str, request: Request) -> Answer:
        if group:
            self.arm.get_group(group)
        rows = self.arm.list(kind, group=group, instance_view=request.query.get("$expand") == "instanceView")
        for row in rows:
            arm_models.check(MODELS[kind], row, kind, request=False)
        return Answer(200, {"value": rows})

    def _resource(self, path: str, request: Request) -> Answer:
        parts = path.rsplit("/providers/", 1)[1].split("/")
        if request.method == "POST":
            state = {"deallocate": "deallocated", "start": "running"}[parts[-1]]
            return self._started(202, None, self.arm.power(path.rsplit("/", 1)[0], state), provider="Microsoft.Compute")
        kind = "/".join([parts[0], *parts[1::2]])
        if request.method == "PUT":
            arm_models.check(MODELS[kind], request.body, kind, request=True)
            only_new = request.headers.get("if-none-match") == "*"
            status, body, task = self.arm.put(path, copy.deepcopy(request.body), only_new=only_new)
            body = {name: value for name, value in body.items() if not name.startswith("_")}
            arm_models.check(MODELS[kind], body, kind, request=False)
            return self._started(status, body, task, provider=parts[0])
        if request.method == "DELETE":
            task = self.arm.delete(path)
            return Answer(204) if task is None else self._started(202, None, task, provider=parts[0])
        body = self.arm.get(path, instance_view=request.query.get("$expand") == "instanceView")
        arm_models.check(MODELS[kind], body, kind, request=False)
        return Answer(200, body)


def _sku(size, location: str) -> dict:
    capabilities = {
        "vCPUs": str(size.vcpus),
        "HyperVGenerations": size.generations,
        "CpuArchitectureType": size.arch,
        "LowPriorityCapable": "True",
    }
    if size.controllers:
        capabilities["DiskControllerTypes"] = size.controllers
    if size.gpus:
        capabilities["GPUs"] = str(size.gpus)
    restrictions = []
    if "*" in size.restricted:
        restrictions.append(
            {
                "type": "Location",
                "values": [location],
                "restrictionInfo": {"locations": [location]},
                "reasonCode": "NotAvailableForSubscription",
            }
        )
    elif size.restricted:
        restrictions.append(
            {
                "type": "Zone",
                "values": [location],
                "restrictionInfo": {"locations": [location], "zones": list(size.restricted)},
                "reasonCode": "NotAvailableForSubscription",
            }
        )
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "family": size.family,
        "locations": [location],
        "locationInfo": [{"location": location, "zones": list(size.zones)}],
        "capabilities": [{"name": name, "value": value} for name, value in capabilities.items()],
        "restrictions": restrictions,
    }


def _refused(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}})

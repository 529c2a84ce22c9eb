"""A fake Cloud TPU: single-host nodes, the right runtime version for each generation, late failures, preemption. State only."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from clouds.fakes.addresses import BLOCK
from clouds.fakes.google_errors import Refusal

ZONES = ("us-central1-a", "us-central2-b", "us-west4-a", "us-east5-b", "europe-west4-a")
# cloud.google.com/tpu/docs/runtimes: which software version runs on which generation
RUNTIMES = {
    "v2": {"tpu-ubuntu2204-base"},
    "v3": {"tpu-ubuntu2204-base"},
    "v4": {"tpu-ubuntu2204-base"},
    "v5litepod": {"v2-alpha-tpuv5-lite"},
    "v5p": {"v2-alpha-tpuv5"},
    "v6e": {"v2-alpha-tpuv6e"},
}


@dataclass
class CloudTpu:
    project: str = "demo-project"
    polls: int = 1
    enabled: bool = True
    capacity: dict[tuple[str, str, bool], int] = field(default_factory=dict)
    nodes: dict[str, dict] = field(default_factory=dict)
    operations: dict[str, list] = field(default_factory=dict)  # name -> [polls left, body, finish]
    host_keys: dict[str, str] = field(default_factory=dict)
    keep_failed: bool = True  # a node whose creation failed stays listed until it is deleted
    on_boot: Callable[[str, str, str, dict[str, str]], None] | None = None  # name, private and public address, metadata
    on_end: Callable[[str], None] | None = None  # name
    _ids: int = 0

    def reclaim(self, node_id: str) -> None:
        next(n for name, n in self.nodes.items() if name.endswith("/" + node_id))["state"] = "PREEMPTED"

    def nodes_create(self, parts: dict, query: dict, body: dict) -> dict:
        parent = f"projects/{parts['projectsId']}/locations/{parts['locationsId']}"
        name = f"{parent}/nodes/{query['nodeId']}"
        if not re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", query["nodeId"]):
            raise Refusal(400, "invalid", f"Invalid node ID {query['nodeId']}")
        if parts["locationsId"] not in ZONES:
            raise Refusal(
                403,
                "PERMISSION_DENIED",
                f"Permission denied on 'locations/{parts['locationsId']}' (or it may not exist).",
            )
        if name in self.nodes:
            raise Refusal(409, "ALREADY_EXISTS", f"Resource '{name}' already exists")
        generation = body["acceleratorType"].rsplit("-", 1)[0]
        if body["runtimeVersion"] not in RUNTIMES.get(generation, ()):
            raise Refusal(
                400,
                "invalid",
                f"Runtime version {body['runtimeVersion']} is not supported on {body['acceleratorType']}.",
            )
        for key, value in body.get("labels", {}).items():
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) or not re.fullmatch(r"[a-z0-9_-]{0,63}", value):
                raise Refusal(400, "invalid", f"Invalid label {key}={value}")
        spot = body.get("schedulingConfig", {}).get("spot", False)
        full = self.capacity.get((parts["locationsId"], body["acceleratorType"], spot), 1) <= 0
        self._ids += 1
        node = {**body, "name": name, "state": "CREATING", "id": str(self._ids)}
        self.nodes[name] = node

        def finish(operation: dict) -> None:
            if full:
                operation["error"] = {
                    "code": 8,
                    "message": f'There is no more capacity in the zone "{parts["locationsId"]}"; you can try in another zone where Cloud TPU Nodes are offered',
                }
                if not self.keep_failed:
                    self.nodes.pop(name, None)
                return
            node["state"] = "READY"
            address, public = f"10.130.{BLOCK}.{self._ids}", f"198.19.{BLOCK}.{100 + self._ids}"
            node["networkEndpoints"] = [{"ipAddress": address, "port": 8470, "accessConfig": {"externalIp": public}}]
            if self.on_boot is not None:
                self.on_boot(query["nodeId"], address, public, body.get("metadata", {}))
            operation["response"] = {"@type": "type.googleapis.com/google.cloud.tpu.v2.Node", **node}

        return self._operation(parent, finish)

    def nodes_get(self, parts: dict, query: dict, body: None) -> dict:
        return self._node(parts)

    def nodes_list(self, parts: dict, query: dict, body: None) -> dict:
        if not self.enabled:
            raise Refusal(
                403,
                "SERVICE_DISABLED",
                f"Cloud TPU API has not been used in project {self.project} before or it is disabled.",
            )
        place = parts["locationsId"]
        return {"nodes": [n for name, n in self.nodes.items() if place == "-" or f"/locations/{place}/" in name]}

    def nodes_delete(self, parts: dict, query: dict, body: None) -> dict:
        node = self._node(parts)
        node["state"] = "DELETING"
        if self.on_end is not None:
            self.on_end(parts["nodesId"])
        return self._operation(node["name"].split("/nodes/")[0], lambda _: self.nodes.pop(node["name"], None))

    def nodes_stop(self, parts: dict, query: dict, body: dict) -> dict:
        node = self._node(parts)
        return self._operation(node["name"].split("/nodes/")[0], lambda _: node.update(state="STOPPED"))

    def nodes_start(self, parts: dict, query: dict, body: dict) -> dict:
        node = self._node(parts)
        return self._operation(node["name"].split("/nodes/")[0], lambda _: node.update(state="READY"))

    def nodes_getGuestAttributes(self, parts: dict, query: dict, body: dict) -> dict:
        node = self._node(parts)
        key = self.host_keys.get(node["name"].rsplit("/", 1)[1])
        items = [{"namespace": "hostkeys", "key": "ssh-ed25519", "value": key}] if key else []
        return {"guestAttributes": [{"queryPath": "hostkeys/", "queryValue": {"items": items}}]}

    def operations_get(self, parts: dict, query: dict, body: None) -> dict:
        name = f"projects/{parts['projectsId']}/locations/{parts['locationsId']}/operations/{parts['operationsId']}"
        pending = self.operations[name]
        pending[0] -= 1
        if pending[0] <= 0 and not pending[1].get("done"):
            pending[1]["done"] = True
            pending[2](pending[1])
            if "error" not in pending[1]:
                pending[1].setdefault("response", {"@type": "type.googleapis.com/google.protobuf.Empty"})
        return pending[1]

    def _operation(self, parent: str, finish) -> dict:
        self._ids += 1
        body = {"name": f"{parent}/operations/operation-{self._ids}"}
        self.operations[body["name"]] = [self.polls, body, finish]
        return body

    def _node(self, parts: dict) -> dict:
        name = f"projects/{parts['projectsId']}/locations/{parts['locationsId']}/nodes/{parts['nodesId']}"
        if name not in self.nodes:
            raise Refusal(404, "NOT_FOUND", f"Resource '{name}' was not found")
        return self.nodes[name]

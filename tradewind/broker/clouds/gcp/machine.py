"""What is asked of Google for one instance or TPU node, and what its answers say. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradewind.broker.clouds.first_boot import LEASE_FILE, deletion_script, with_deletion
from tradewind.broker.clouds.gcp import images, naming
from tradewind.broker.clouds.gcp.errors import refusal
from tradewind.broker.clouds.gcp.images import TpuNode
from tradewind.broker.clouds.gcp.session import Settings
from tradewind.broker.provider import Instance, InstanceState, LaunchRequest

TAGS_KEY, TOKEN_KEY, ID_KEY = "tradewind-tags", "tradewind-token", "tradewind-instance"

# The cloud's own outer cap, fixed at launch: the lease is renewed for as long as a daemon lives, this is not. Seven days is also the longest
# that lets GPUs without spot use preemptible quota (cloud.google.com/compute/docs/instances/limit-vm-runtime); 120 days is the API's limit.
OUTER_CAP_S = 7 * 86400
MAX_CAP_S = 120 * 86400

# Compute Engine's TERMINATED means stopped: the disk is still there (cloud.google.com/compute/docs/instances/instance-lifecycle).
_STATES: dict[str, InstanceState] = {
    "PROVISIONING": "PENDING",
    "PENDING": "PENDING",
    "STAGING": "PENDING",
    "REPAIRING": "PENDING",
    "RUNNING": "RUNNING",
    "PENDING_STOP": "STOPPED",
    "STOPPING": "STOPPED",
    "STOPPED": "STOPPED",
    "SUSPENDING": "STOPPED",
    "SUSPENDED": "STOPPED",
    "TERMINATED": "STOPPED",
    "DEPROVISIONING": "TERMINATED",
}
_TPU_STATES: dict[str, InstanceState] = {
    "CREATING": "PENDING",
    "STARTING": "PENDING",
    "RESTARTING": "PENDING",
    "REIMAGING": "PENDING",
    "REPAIRING": "PENDING",
    "READY": "RUNNING",
    "STOPPING": "STOPPED",
    "STOPPED": "STOPPED",
    "DELETING": "TERMINATED",
    "PREEMPTED": "TERMINATED",
    "TERMINATED": "TERMINATED",
}
SPOT_RECLAIM = "spot reclaim: Compute Engine preempted it"


def instance_resource(
    request: LaunchRequest, token: str, name: str, zone: str, settings: Settings, now_unix: float
) -> dict[str, Any]:
    """The instance to insert, in compute_v1's field names. Raises ProviderError: no disk is of the tier that is asked for."""
    disk = images.boot_disk(request.offer)
    kind = images.disk_type(request.offer, disk, request.disk_tier)
    if isinstance(kind, str):
        raise refusal("NOT_AS_ASKED", kind)
    tag = naming.tag_of(name)
    tags = naming.labels(request.labels) | naming.labels(request.tags)
    items = metadata(request, token)
    if settings.service_account and request.user_data:
        items["user-data"] = with_deletion(request.user_data, _deletion(settings, zone, name))
    resource: dict[str, Any] = {
        "name": name,
        "machine_type": f"zones/{zone}/machineTypes/{images.machine_type(request.offer)}",
        "labels": tags,
        "tags": {"items": [tag]},
        "metadata": {"items": [{"key": key, "value": value} for key, value in items.items()]},
        "disks": [
            {
                "boot": True,
                "auto_delete": True,
                "initialize_params": {
                    "source_image": request.image or disk.source,
                    "disk_size_gb": images.disk_gib(disk, request.disk_gib),
                    **kind,
                    "disk_type": f"zones/{zone}/diskTypes/{kind['disk_type']}",
                    "labels": tags,
                },
            }
        ],
        "network_interfaces": [
            {
                "network": f"global/networks/{settings.network}",
                "nic_type": "GVNIC",  # every machine family has it, and the newer ones have nothing else
                "access_configs": [{"name": "External NAT", "type_": "ONE_TO_ONE_NAT"}],
            }
        ],
        "scheduling": _scheduling(request, now_unix),
    }
    if (gpu := images.attached_gpu(request.offer)) is not None:
        model, count = gpu
        resource["guest_accelerators"] = [
            {"accelerator_type": f"zones/{zone}/acceleratorTypes/{model}", "accelerator_count": count}
        ]
    if settings.service_account:
        resource["service_accounts"] = [
            {"email": settings.service_account, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
        ]
    return resource


def _deletion(settings: Settings, zone: str, name: str) -> str:
    """How the instance deletes itself, as its service account."""
    endpoint = settings.compute_endpoint
    base = endpoint if "://" in endpoint else f"https://{endpoint}"
    return deletion_script(
        token_url="http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token",  # noqa: S106  an address
        token_header=("Metadata-Flavor", "Google"),
        delete_url=f"{base}/compute/v1/projects/{settings.project}/zones/{zone}/instances/{name}",
        lease_file=LEASE_FILE,
    )


def _scheduling(request: LaunchRequest, now_unix: float) -> dict[str, Any]:
    lease_s = max(0.0, request.lease_until_unix - now_unix)
    scheduling: dict[str, Any] = {
        "max_run_duration": {"seconds": int(min(max(OUTER_CAP_S, 2 * lease_s), MAX_CAP_S))},
        "instance_termination_action": "DELETE",
        "automatic_restart": False,  # a machine that failed is a lost node; coming back by itself it would be nobody's
    }
    if request.use_spot:
        scheduling |= {"provisioning_model": "SPOT", "on_host_maintenance": "TERMINATE"}
    elif request.offer.accelerator:
        scheduling |= {"on_host_maintenance": "TERMINATE"}  # GPUs cannot be migrated live
    return scheduling


def metadata(request: LaunchRequest, token: str) -> dict[str, str]:
    """The metadata of an instance or node: keys, first-boot data, and what it is to us."""
    items = {
        ID_KEY: request.instance_id,
        TAGS_KEY: naming.write_tags(request.tags),
        TOKEN_KEY: naming.token_mark(token),
        "enable-guest-attributes": "TRUE",  # the guest agent publishes its host keys there
        "enable-oslogin": "FALSE",  # with OS Login the keys below would be ignored
        "block-project-ssh-keys": "TRUE",
    }
    if request.ssh_public_key:
        items["ssh-keys"] = f"{request.ssh_user}:{request.ssh_public_key.strip()}"
    if request.user_data:
        items["user-data"] = request.user_data
    return items


def tpu_resource(request: LaunchRequest, token: str, name: str, node: TpuNode, settings: Settings) -> dict[str, Any]:
    """The TPU node to create, in tpu_v2's field names."""
    resource: dict[str, Any] = {
        "accelerator_type": node.accelerator_type,
        "runtime_version": node.runtime_version,
        "network_config": {"network": settings.network, "enable_external_ips": True},
        "scheduling_config": {"spot": request.use_spot},
        "labels": naming.labels(request.labels) | naming.labels(request.tags),
        "metadata": metadata(request, token),
        "tags": [naming.tag_of(name)],
    }
    if settings.service_account:
        resource["service_account"] = {
            "email": settings.service_account,
            "scope": ["https://www.googleapis.com/auth/cloud-platform"],
        }
    return resource


def read_instance(seen: Any, *, preempted: bool = False) -> Instance | None:
    """Compute Engine's instance as ours; None for one that is not ours."""
    items = {item.key: item.value for item in seen.metadata.items} if seen.metadata else {}
    if ID_KEY not in items:
        return None
    zone = seen.zone.rsplit("/", 1)[-1]
    private, public = "", ""
    for interface in seen.network_interfaces:
        private = interface.network_i_p
        public = next((config.nat_i_p for config in interface.access_configs if config.nat_i_p), "")
        break
    return Instance(
        instance_id=items[ID_KEY],
        provider_id=naming.provider_id(zone, seen.name),
        state="TERMINATED" if preempted else _STATES.get(seen.status, "PENDING"),
        address=private,
        tags=naming.read_tags(items.get(TAGS_KEY, "")),
        reason=SPOT_RECLAIM if preempted else seen.status_message,
        public_address=public,
        zone=zone,
    )


def read_node(seen: Any) -> Instance | None:
    """Cloud TPU's node as ours; None for one that is not ours."""
    items: Mapping[str, str] = seen.metadata
    if ID_KEY not in items:
        return None
    zone, name = seen.name.split("/")[3], seen.name.rsplit("/", 1)[-1]
    endpoint = next(iter(seen.network_endpoints), None)
    state = seen.state.name
    return Instance(
        instance_id=items[ID_KEY],
        provider_id=naming.provider_id(zone, name),
        state=_TPU_STATES.get(state, "PENDING"),
        address=endpoint.ip_address if endpoint else "",
        tags=naming.read_tags(items.get(TAGS_KEY, "")),
        reason="spot reclaim: Cloud TPU preempted it" if state == "PREEMPTED" else seen.health_description,
        public_address=endpoint.access_config.external_ip if endpoint else "",
        zone=zone,
    )


def token_of_instance(seen: Any) -> str:
    """The mark of the token that bought a Compute Engine instance."""
    return next((item.value for item in seen.metadata.items if item.key == TOKEN_KEY), "")


def token_of_node(seen: Any) -> str:
    """The mark of the token that bought a TPU node."""
    return str(seen.metadata.get(TOKEN_KEY, ""))

"""Names on Azure, made from ours. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping

MAX_GROUP = 90  # learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
MAX_MACHINE = 63
PREFIX = "tradewind-"
TOKEN_TAG, ID_TAG = "tradewind-token", "tradewind-id"
NETWORK, SUBNET, FIREWALL = "tradewind-network", "nodes", "tradewind-firewall"
_NAMESPACE = uuid.UUID("0b6c2a52-42b0-4f80-8b0c-6b6a1a5b6b0a")


def group_name(cluster: str, shared: Mapping[str, str], region: str) -> str:
    """The resource group of a cluster in a region. Two owners' clusters of one name get different ones."""
    tail = f"{_digest(json.dumps([cluster, sorted(shared.items())]), 10)}-{region}"
    return f"{PREFIX}{_slug(cluster)[: MAX_GROUP - len(PREFIX) - len(tail) - 1]}-{tail}"


def machine_name(instance_id: str) -> str:
    """The machine's name, which is its host name too."""
    slug = _slug(instance_id)
    if slug == instance_id and len(slug) <= MAX_MACHINE:
        return slug
    return f"{slug[: MAX_MACHINE - 9]}-{_digest(instance_id, 8)}"


def provider_id(group: str, machine: str) -> str:
    """Our name for a machine."""
    return f"{group}/{machine}"


def parts(provider_id: str) -> tuple[str, str]:
    """Group and machine."""
    group, _, machine = provider_id.partition("/")
    return group, machine


def group_of(resource_id: str) -> str:
    """The group within a resource's id."""
    found = re.search(r"/resourceGroups/([^/]+)", resource_id, re.IGNORECASE)
    return found.group(1) if found else ""


def token_mark(token: str) -> str:
    """What a machine keeps of the token that bought it: enough to know it again."""
    return _digest(token, 32)


def assignment_name(scope: str, principal: str) -> str:
    """The name of a role assignment: equal for equal arguments, so that it is made once."""
    return str(uuid.uuid5(_NAMESPACE, f"{scope}:{principal}"))


def zone_number(zone: str) -> str:
    """The logical number within a zone's name: "2" for "2" and for "eastus-2"; "" for none."""
    return zone.rpartition("-")[2]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]

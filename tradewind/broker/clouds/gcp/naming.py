"""Names and labels on Google Cloud, made from ours. Pure.

Labels may hold lower-case letters, digits, `_` and `-` only, 63 at most (cloud.google.com/compute/docs/labeling-resources), so they are for
finding; the exact tags stand beside them, in an instance's metadata and in a firewall rule's description.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping

MAX_NAME = 63
PREFIX = "tw-"
TPU_PREFIX = "twt-"
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}\Z")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
_NAMESPACE = uuid.UUID("6f1d7a0e-1e64-4d0f-9c52-0f1f3b6f6a77")


def network_tag(cluster: str, shared: Mapping[str, str], *, tpu: bool) -> str:
    """The cluster's network tag, which begins the name of everything it has. Two owners' clusters of one name get different ones."""
    return (TPU_PREFIX if tpu else PREFIX) + _digest(json.dumps([cluster, sorted(shared.items())]), 10)


def instance_name(tag: str, instance_id: str) -> str:
    """The instance's name: it begins with the cluster's network tag, so that a name alone says which cluster it was of."""
    slug = re.sub(r"[^a-z0-9]+", "-", instance_id.lower()).strip("-")
    return f"{tag}-{slug[: MAX_NAME - len(tag) - 10]}".rstrip("-") + "-" + _digest(instance_id, 8)


def tag_of(name: str) -> str:
    """The network tag within the name of an instance or rule; "" for a name that is not ours."""
    found = re.match(r"twt?-[0-9a-f]{10}(?=-)", name)
    return found.group() if found else ""


def labels(tags: Mapping[str, str]) -> dict[str, str]:
    """The labels that stand for the tags."""
    return {label_key(name): label_value(value) for name, value in tags.items()}


def label_key(name: str) -> str:
    """The label that stands for a tag's name."""
    if _LABEL_KEY.match(name):
        return name
    slug = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")
    return f"t-{slug[:48]}-{_digest(name, 10)}"


def label_value(value: str) -> str:
    """The label value that stands for a tag's value."""
    if _LABEL_VALUE.match(value):
        return value
    slug = re.sub(r"[^a-z0-9_-]+", "-", value.lower()).strip("-")
    return f"{slug[:50]}-{_digest(value, 10)}"


def label_filter(tags: Mapping[str, str]) -> str:
    """The list filter for resources that carry all of the tags."""
    return " AND ".join(f'(labels.{name} = "{value}")' for name, value in sorted(labels(tags).items()))


def write_tags(tags: Mapping[str, str]) -> str:
    """Tags as a text that `read_tags` reads."""
    return json.dumps(dict(sorted(tags.items())), separators=(",", ":"))


def read_tags(text: str) -> dict[str, str]:
    """The tags in a text; {} if there are none in it."""
    try:
        tags = json.loads(text)
    except ValueError:
        return {}
    return tags if isinstance(tags, dict) and all(isinstance(v, str) for v in tags.values()) else {}


def request_id(token: str, purpose: str) -> str:
    """The UUID that makes a call idempotent: equal for equal arguments."""
    return str(uuid.uuid5(_NAMESPACE, f"{purpose}:{token}"))


def token_mark(token: str) -> str:
    """What an instance keeps of the token that bought it: enough to know it again."""
    return _digest(token, 32)


def provider_id(zone: str, name: str) -> str:
    """Our name for an instance or TPU node: its zone and its name there."""
    return f"{zone}/{name}"


def is_tpu(provider_id: str) -> bool:
    """Whether the provider id names a TPU node."""
    return provider_id.partition("/")[2].startswith(TPU_PREFIX)


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]

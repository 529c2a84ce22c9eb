"""Tags on what a cloud holds, whatever the cloud calls them."""

from __future__ import annotations

from collections.abc import Mapping


def shared_tags(tags: Mapping[str, str], instance_id: str) -> dict[str, str]:
    """The tags that an instance has in common with its cluster: all but those that name the instance itself."""
    return {name: value for name, value in tags.items() if value != instance_id}


CLUSTER = "tradewind-cluster"


def cluster_of(tags: Mapping[str, str]) -> str:
    """The key of the cluster that a thing with these tags belongs to; "" for none."""
    return tags.get(CLUSTER, "")


def carries(found: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether `found` has every one of the `wanted` tags."""
    return wanted.items() <= found.items()

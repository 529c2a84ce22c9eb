"""Offers and requests as the tests of every cloud make them."""

from __future__ import annotations

from typing import Any

from tradewind.broker.provider import LaunchRequest
from tradewind.catalog.offer import Offer

OWNER = "Owner.1"
CLUSTER = {"tradewind-cluster": "c1"}
FIRST_BOOT = {"ssh_public_key": "ssh-ed25519 AAAAC3Nza tradewind", "user_data": "#cloud-config\nssh_keys: {}\n"}


def an_offer(cloud: str, region: str, zone: str, instance_type: str, **fields: Any) -> Offer:
    """A machine of 8 vCPUs and 32 GiB without accelerators, unless `fields` say otherwise."""
    values: dict[str, Any] = {
        "arch": "x86_64",
        "vcpus": 8.0,
        "memory_gib": 32.0,
        "accelerator": "",
        "accelerator_count": 0.0,
        "accelerator_memory_gib": None,
        "price_ondemand_usd_h": 0.39,
        "price_spot_usd_h": 0.09,
    }
    where = {"cloud": cloud, "region": region, "zone": zone, "instance_type": instance_type}
    return Offer(**(values | where | fields))


def a_request(
    offer: Offer, instance_id: str, *, cluster: str, rank: int, use_spot: bool, max_hourly_usd: float, **fields: Any
) -> LaunchRequest:
    """A request tagged with its owner, cluster and instance; equal arguments give equal requests."""
    values: dict[str, Any] = {
        "instance_id": instance_id,
        "cluster": cluster,
        "rank": rank,
        "offer": offer,
        "use_spot": use_spot,
        "max_hourly_usd": max_hourly_usd,
        "tags": {"tradewind-owner": OWNER, "tradewind-cluster": cluster, "tradewind-instance": instance_id},
        "lease_until_unix": 2_000_000_000.0,
    }
    return LaunchRequest(**(values | fields))

"""The network of a cluster in a region: one of its own, so that only its nodes are in it, and a firewall that lets SSH in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tradewind.broker.clouds.azure import naming

SSH_PRIORITY, PORTS_PRIORITY = 100, 200
PORTS_RULE = "ports"


def network(region: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """The virtual network, in the REST API's field names. Azure's own rule AllowVnetInBound lets its nodes, and nobody else, reach each other."""
    return {
        "location": region,
        "tags": dict(tags),
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": naming.SUBNET, "properties": {"addressPrefix": "10.0.0.0/17"}}],
        },
    }


def firewall(region: str, tags: Mapping[str, str], ssh_cidrs: Sequence[str]) -> dict[str, Any]:
    """The network security group: SSH from these networks. What no rule allows is refused (Azure's own rule DenyAllInBound)."""
    return {
        "location": region,
        "tags": dict(tags),
        "properties": {"securityRules": [_rule("ssh", SSH_PRIORITY, list(ssh_cidrs), ["22"])]},
    }


def ports_rule(ports: Iterable[int]) -> dict[str, Any]:
    """The rule that lets the world reach these ports."""
    return _rule(PORTS_RULE, PORTS_PRIORITY, ["0.0.0.0/0"], [str(port) for port in sorted(set(ports))])


def open_ports(seen: Any) -> set[int]:
    """The ports that the firewall's rule for ports opens already."""
    for rule in seen.properties.security_rules or ():
        if rule.name == PORTS_RULE:
            return {int(port) for port in rule.properties.destination_port_ranges or ()}
    return set()


def _rule(name: str, priority: int, sources: list[str], ports: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "properties": {
            "priority": priority,
            "direction": "Inbound",
            "access": "Allow",
            "protocol": "Tcp",
            "sourceAddressPrefixes": sources,
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            "destinationPortRanges": ports,
        },
    }

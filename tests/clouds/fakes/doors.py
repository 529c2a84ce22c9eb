"""The firewalls of the fakes as rules for the machines behind their instances: what our own calls opened there, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from clouds.fakes.arm import Arm
from clouds.fakes.aws import rules
from clouds.fakes.gce import Gce
from clouds.lab.doors import ALL_PORTS, Door

LIVE = {"pending", "running"}


def aws_doors(region: str) -> dict[str, list[Door]]:
    """By instance id, from security groups. Source: EC2 user guide, "Security group rules": only what a rule allows comes in."""
    instances = [i for i in rules.all_instances(region) if i._state.name in LIVE]

    def groups_of(instance: object) -> list[object]:
        return [group for nic in instance.nics.values() for group in nic.group_set]  # type: ignore[attr-defined]

    def members(group_id: str) -> list[str]:
        return [i.private_ip for i in instances if any(g.id == group_id for g in groups_of(i))]  # type: ignore[attr-defined]

    def of_group(group: object) -> Iterable[Door]:
        for rule in group.ingress_rules:  # type: ignore[attr-defined]
            if rule.ip_protocol not in {"tcp", "-1"}:
                continue
            ports = (rule.from_port, rule.to_port) if rule.ip_protocol == "tcp" else ALL_PORTS
            if cidr := rule.ip_range.get("CidrIp"):
                yield Door(cidr, ports)
            if source := rule.source_group.get("GroupId"):
                yield from (Door(address, ports) for address in members(source))

    return {i.id: [door for group in groups_of(i) for door in of_group(group)] for i in instances}


def gce_doors(fake: Gce) -> dict[str, list[Door]]:
    """By instance name, from firewall rules in order of priority.

    Source: cloud.google.com/firewall/docs/firewalls, "Pre-populated rules in the default network": default-allow-internal and
    default-allow-ssh at 65534.
    """
    machines = [m for m in fake.machines.values() if not m.ended]

    def tags(machine: object) -> set[str]:
        return set(machine.body.get("tags", {}).get("items", ()))  # type: ignore[attr-defined]

    def doors(machine: object) -> Iterable[Door]:
        mine = [f for f in fake.firewalls.values() if tags(machine) & set(f.get("targetTags", ()))]
        for rule in sorted(mine, key=lambda f: int(f.get("priority", 1000))):
            sources = list(rule.get("sourceRanges", ()))
            sources += [
                m.body["networkInterfaces"][0].get("networkIP")
                for m in machines
                if tags(m) & set(rule.get("sourceTags", ())) and m.body["networkInterfaces"][0].get("networkIP")
            ]
            opens = "allowed" in rule
            for entry in rule["allowed" if opens else "denied"]:
                if entry["IPProtocol"] in {"tcp", "all"}:
                    yield from (Door(s, p, opens) for s in sources for p in _ranges(entry.get("ports", ())))
        yield Door("10.128.0.0/9")
        yield Door("0.0.0.0/0", (22, 22))

    return {machine.name: list(doors(machine)) for machine in machines}


def arm_doors(fake: Arm) -> dict[str, list[Door]]:
    """By machine name, from the network security group of its resource group in order of priority, then Azure's own AllowVnetInBound.

    Source: learn.microsoft.com/azure/virtual-network/network-security-groups-overview, "Default security rules". A cluster has a group
    and a virtual network of its own.
    """
    found: dict[str, list[Door]] = {}
    for key, machine in list(fake.resources.items()):
        if "/virtualmachines/" not in key or "/extensions/" in key:
            continue
        group = key.split("/providers/")[0]
        inside = {k: b for k, b in list(fake.resources.items()) if k.startswith(f"{group}/")}
        groups = [b for b in inside.values() if b["type"] == "Microsoft.Network/networkSecurityGroups"]
        listed = [rule for body in groups for rule in body["properties"].get("securityRules", ())]
        listed += [b for b in inside.values() if b["type"].endswith("/securityRules")]
        doors = [
            Door(source, ports, rule["properties"]["access"] == "Allow")
            for rule in sorted(listed, key=lambda one: one["properties"]["priority"])
            for source in rule["properties"]["sourceAddressPrefixes"]
            for ports in _ranges(rule["properties"]["destinationPortRanges"])
        ]
        peers = [b for b in inside.values() if b["type"] == "Microsoft.Network/networkInterfaces"]
        addresses = [p["properties"]["ipConfigurations"][0]["properties"].get("privateIPAddress") for p in peers]
        found[machine["name"]] = [*doors, *(Door(address) for address in addresses if address)]
    return found


def _ranges(ports: Iterable[str]) -> list[tuple[int, int]]:
    """ "22" and "8000-8100" as first and last; no ports are all."""
    pairs = [str(port).partition("-") for port in ports]
    return [(int(first), int(last or first)) for first, _, last in pairs] or [ALL_PORTS]

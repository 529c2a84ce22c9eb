"""The network of the machines on this computer: one bridge a data directory, and a cable from it into each machine's namespace.

A cable ends with its machine's network, and that with the machine's last process; only the bridge stays, and is found by its name. There is no
way from the machines to the world: this computer's forwarding and firewall are left as they are.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import subprocess

import msgspec

from tradewind.broker.clouds.local.errors import refusal
from tradewind.broker.clouds.local.isolation import program

MOST_MACHINES = 200
_TRIES = 256
_PREFIX = "tw-"


class Network(msgspec.Struct, frozen=True):
    """A bridge and its /24: the bridge has the first address, machine N the one N above it."""

    bridge: str
    subnet: str  # "10.201.7.0/24"

    def address(self, number: int) -> str:
        """The address of machine `number` (from 1); 0 is this computer's own."""
        return str(ipaddress.ip_network(self.subnet)[1 + number])


def bridge_name(tag: str) -> str:
    """The bridge of that data directory; 15 characters are the limit (IFNAMSIZ)."""
    return _PREFIX + tag


def tag_of(bridge: str) -> str:
    """The data directory's tag in a bridge's name."""
    return bridge.removeprefix(_PREFIX)


def choose_network(tag: str, routed: list[str]) -> Network:
    """A private /24 that overlaps no network in `routed` (CIDR); the same one for the same arguments. Raises ProviderError."""
    taken = [ipaddress.ip_network(one) for one in routed]
    for attempt in range(_TRIES):
        digest = hashlib.sha256(f"{tag}/{attempt}".encode()).digest()
        subnet = ipaddress.ip_network(f"10.{192 + digest[0] % 64}.{digest[1]}.0/24")
        if not any(subnet.overlaps(one) for one in taken):
            return Network(bridge_name(tag), str(subnet))
    raise refusal("start-failed", "no private network is free for the machines: every 10.192.0.0/10 is routed already")


def routed_networks() -> list[str]:
    """Every network that this computer has a route to, the default route left out (CIDR)."""
    found = []
    for line in ip("-4", "route", "show", "table", "all").splitlines():
        words = line.split()
        word = next((one for one in words[:2] if one[0].isdigit()), "")  # a kind of route may come first
        if word:
            found.append(word if "/" in word else f"{word}/32")
    return found


def exists(link: str) -> bool:
    """Whether this computer has a network device of that name."""
    return os.path.exists(f"/sys/class/net/{link}")


def abandoned_bridges() -> list[str]:
    """Bridges without any machine whose data directory is gone: nobody else will remove them. Only root can: [] for others."""
    found = []
    for name in os.listdir("/sys/class/net") if os.geteuid() == 0 else []:
        if name.startswith(_PREFIX):
            try:
                with open(f"/sys/class/net/{name}/ifalias", encoding="utf-8") as file:
                    owner = file.read().strip()
                if owner and not os.path.isdir(owner) and not os.listdir(f"/sys/class/net/{name}/brif"):
                    found.append(name)
            except OSError:
                continue  # gone meanwhile, or no bridge
    return sorted(found)


def open_bridge(network: Network, label: str) -> None:
    """The bridge is there and has its address; `label`, the data directory, says whose it is. Raises ProviderError."""
    if not exists(network.bridge):
        ip("link", "add", network.bridge, "type", "bridge")
    ip("link", "set", network.bridge, "alias", label[:255], "up")
    ip("address", "replace", network.address(0) + "/24", "dev", network.bridge)


def plug_in(network: Network, link: str, pid: int, number: int) -> None:
    """The network namespace of that process has a cable to the bridge and its address. Raises ProviderError."""
    ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    ip("link", "set", link, "master", network.bridge, "up")
    orders = f"link set lo up\naddress add {network.address(number)}/24 dev eth0\nlink set eth0 up\n"
    _run([program("nsenter"), "-t", str(pid), "-n", program("ip"), "-batch", "-"], orders)


def remove_link(link: str) -> None:
    """There is no device of that name."""
    if exists(link):
        try:
            ip("link", "del", link)
        except Exception:
            if exists(link):  # else it ended by itself meanwhile
                raise


def ip(*arguments: str) -> str:
    """What `ip` printed. Raises ProviderError "start-failed" with its complaint."""
    return _run([program("ip"), *arguments])


def _run(argv: list[str], text: str = "") -> str:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise refusal(
            "start-failed",
            f"`{' '.join(['ip', *argv[1:]])}` failed: {' '.join(done.stderr.split()) or 'it said nothing'}",
        )
    return done.stdout

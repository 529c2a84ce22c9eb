"""What a machine of the lab lets in, as its cloud's firewall has it: rules inside its own network namespace."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterable
from typing import NamedTuple

from clouds.lab.namespaces import Host

IPTABLES = shutil.which("iptables-restore", path=os.environ["PATH"] + ":/sbin:/usr/sbin")
ALL_PORTS = (0, 65535)


class Door(NamedTuple):
    """One rule for TCP connections from `source` (an address or network) to these ports, first to last; the first that fits decides."""

    source: str
    ports: tuple[int, int] = ALL_PORTS
    opens: bool = True


def set_doors(host: Host, doors: Iterable[Door]) -> None:
    """A connection that no rule lets in is dropped, as clouds do: whoever knocks hears nothing. Without iptables here all is open."""
    if not IPTABLES or not host.alive():
        return
    lines = ["-A INPUT -i lo -j ACCEPT", "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"]
    lines += [
        f"-A INPUT -p tcp -s {door.source} --dport {door.ports[0]}:{door.ports[1]} -j {'ACCEPT' if door.opens else 'DROP'}"
        for door in doors
    ]
    text = "\n".join(["*filter", ":INPUT ACCEPT", *lines, "-A INPUT -p tcp -j DROP", "COMMIT", ""])
    subprocess.run(
        ["ip", "netns", "exec", host.name, IPTABLES], input=text.encode(), check=host.alive(), capture_output=True
    )


def cut_off(host: Host, *, cut: bool = True) -> None:
    """Every packet to and from the machine is dropped, or (`cut` False) none any more; what runs there runs on, and nobody is told."""
    for chain in ("INPUT", "OUTPUT"):
        rule = ["iptables", "-I" if cut else "-D", chain, "!", "-i" if chain == "INPUT" else "-o", "lo", "-j", "DROP"]
        subprocess.run(["ip", "netns", "exec", host.name, *rule], check=True, capture_output=True)


def knocks(host: Host, address: str, port: int, *, patience_s: float = 1.0) -> bool:
    """Whether a connection from that host comes about."""

    def knock() -> bool:
        try:
            socket.create_connection((address, port), timeout=patience_s).close()
        except OSError:
            return False
        return True

    return host.inside(knock)


def listening(host: Host) -> set[int]:
    """The TCP ports that something on the host listens on, loopback's apart."""
    table = subprocess.run(
        ["ip", "netns", "exec", host.name, "cat", "/proc/net/tcp"], capture_output=True, text=True, check=True
    )
    found = [line.split() for line in table.stdout.splitlines()[1:]]
    places = [place.split(":") for _, place, _, state, *_ in found if state == "0A"]
    return {int(port, 16) for address, port in places if not address.endswith("7F")}

"""Hosts that belong to nobody's cluster: what they hear when they knock at the ports of one."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Collection, Iterator, Sequence

from clouds.fakes.addresses import BLOCK
from clouds.lab.doors import IPTABLES, knocks, listening
from clouds.lab.namespaces import Host, Lab
from tests.broker.real import until

# Routed on this machine like the addresses of the fakes' instances, so each test run has its own, which no instance is ever given.
OUTSIDE = f"198.51.100.{BLOCK}"  # TEST-NET-2: no cloud's network
NEAR = {"aws": f"10.0.{128 + BLOCK}.7", "gcp": f"10.128.{128 + BLOCK}.7", "azure": f"10.0.{128 + BLOCK}.7"}


@contextlib.contextmanager
def strangers(lab: Lab, like: Host, *addresses: str) -> Iterator[list[Host]]:
    """A host at each address, booted; with the host key of another, since nobody logs in to them."""
    key = (like.seed / "disk/up/etc/ssh/lab_host_key").read_text()
    hosts = [lab.host((address,), user="eve", authorized=(), host_key=key) for address in addresses]
    try:
        for host in hosts:
            host.wait_ssh()
        yield hosts
    finally:
        for host in hosts:
            host.remove()


def only_peers_reach(head: Host, other: Host, ports: Collection[int], cloud: str) -> None:
    """The cluster's other node reaches these ports of its head; a machine beside it in the network, and one from outside, hear nothing.

    SSH alone is open to the world.
    """
    private, public = head.addresses[0], head.addresses[-1]
    with strangers(head.lab, head, NEAR[cloud], OUTSIDE) as (beside, outside):
        for port in ports:
            assert knocks(other, private, port), f"the other node reaches port {port}"
            for stranger, address in _pairs((beside, outside), (private, public)):
                heard = knocks(stranger, address, port, patience_s=0.3)
                assert not heard, f"{stranger.addresses[0]} reaches {address}:{port}"
        assert knocks(outside, public, 22)


def opened_to_the_world(head: Host, port: int, open_it: Callable[[], object]) -> None:
    """Nobody outside reaches the port, though somebody listens there, until `open_it` has told the cloud so; then all do."""
    with head.inside(lambda: socket.create_server(("0.0.0.0", port))):  # in the lab's own network
        assert port in listening(head)
        assert not IPTABLES or not _reached(head.addresses[-1], port)
        open_it()
        until("the world reaches it", lambda: _reached(head.addresses[-1], port))


def _reached(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _pairs(hosts: Sequence[Host], addresses: Sequence[str]) -> Iterator[tuple[Host, str]]:
    for host in hosts:
        for address in addresses:
            yield host, address

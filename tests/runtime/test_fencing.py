from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes, alive, eventually
from tests.runtime.test_direct_links import on, port_of
from tradewind.runtime import wire
from tradewind.runtime.credentials import MemberCertificate, tls_contexts
from tradewind.runtime.messages import control, neighbour
from tradewind.runtime.messages.conversation import Begin
from tradewind.runtime.util.state import list_workers


@ray.remote(num_cpus=0)
class Pid:
    def get(self):
        return os.getpid()


def say(nodes: Nodes, node: str, life: int, message: neighbour.NodeToNode) -> None:
    """The first node hears the message from a daemon that says it is this node in this life; returns when it has closed the link or 1 s has passed."""
    contexts = tls_contexts(nodes.credentials, MemberCertificate.issue(nodes.credentials))
    greeting = neighbour.Greet(control.PROTOCOL, nodes.credentials.token, node, life)
    with (
        socket.create_connection(port_of(nodes, 0), 5) as sock,
        contexts.client.wrap_socket(sock, server_hostname=contexts.server_name) as tls,
    ):
        tls.settimeout(1)
        try:
            for one in (greeting, Begin(1, 0), message):
                tls.sendall(wire.encode((one,)))
            tls.recv(1)
        except (ConnectionError, TimeoutError):
            pass


def test_a_node_that_was_lost_is_not_listened_to_before_it_has_joined_as_a_new_one(
    make_nodes: Callable[[int], Nodes],
) -> None:
    nodes = make_nodes(2)
    ray.init()
    far = next(node["NodeID"] for node in ray.nodes() if node["Labels"]["number"] == "1")
    victim = Pid.options(scheduling_strategy=on("0")).remote()
    pid = ray.get(victim.get.remote(), timeout=30)
    (process,) = [row.process for row in list_workers() if row.pid == pid]
    kill = neighbour.KillThere(process, "said by a node that was lost")

    os.kill(nodes.nodes[1].pid, signal.SIGSTOP)
    try:
        assert eventually(lambda: len(ray.nodes()) == 1, 30), "it is lost"
        say(nodes, far, 0, kill)
        assert alive(pid), "nobody listens to a lost node"
    finally:
        os.kill(nodes.nodes[1].pid, signal.SIGCONT)
    assert eventually(lambda: len(ray.nodes()) == 2, 30), "it has joined again"
    say(nodes, far, 0, kill)
    assert alive(pid), "what it had to say before is not listened to either"
    assert ray.get(victim.get.remote(), timeout=30) == pid
    say(nodes, far, 1, kill)
    assert eventually(lambda: not alive(pid)), "as a new node it is"

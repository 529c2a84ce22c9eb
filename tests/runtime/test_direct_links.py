from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import threading

import pytest

import tradewind.runtime as ray
from tests.runtime.conftest import Nodes, eventually
from tradewind.runtime import session
from tradewind.runtime.credentials import ClusterCredentials, MemberCertificate, contexts_of, tls_contexts
from tradewind.runtime.link import TlsLink
from tradewind.runtime.node.direct_links import MAGIC
from tradewind.runtime.scheduling import NodeAffinitySchedulingStrategy


@ray.remote(num_cpus=0)
class Far:
    def double(self, value):
        return 2 * value

    def call(self, other, value):
        return ray.get(other.double.remote(value))


def on(number: str) -> NodeAffinitySchedulingStrategy:
    ids = {node["Labels"]["number"]: node["NodeID"] for node in ray.nodes()}
    return NodeAffinitySchedulingStrategy(ids[number])


def port_of(nodes: Nodes, number: int) -> tuple[str, int]:
    """Where the node's daemon listens."""
    out = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    line = next(line for line in out.splitlines() if f"pid={nodes.nodes[number].pid}," in line)
    host, _, port = line.split()[3].rpartition(":")
    return host, int(port)


def test_a_number_that_nobody_expects_gets_nothing(two_nodes: Nodes) -> None:
    for opening in (MAGIC + bytes(16), MAGIC[:2], b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection(port_of(two_nodes, 0), 5) as stranger:
            stranger.settimeout(20)
            said = b""
            with contextlib.suppress(ConnectionError, BrokenPipeError):
                stranger.sendall(opening)
                with contextlib.suppress(OSError):  # closed by the other side already
                    stranger.shutdown(socket.SHUT_WR)
                said = stranger.recv(100)
            assert said == b""


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """One handshake over a socket pair. Raises ssl.SSLError when the client refuses the server."""
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(there, server_side=True).close()
        except OSError:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(here, server_hostname=name).close()
    finally:
        here.close()
        thread.join()


def test_what_processes_are_given_does_not_make_them_a_node() -> None:
    credentials = ClusterCredentials.new("cluster")
    daemon = tls_contexts(credentials, MemberCertificate.issue(credentials))
    member = MemberCertificate.issue(credentials, credentials.process_name)
    process = contexts_of(credentials.ca_certificate, credentials.process_name, member)
    shake_hands(process.server, process.client, process.server_name)
    with pytest.raises(ssl.SSLError):
        shake_hands(process.server, daemon.client, daemon.server_name)


def test_processes_that_have_ended_are_forgotten(two_nodes: Nodes) -> None:
    del two_nodes
    ray.init()

    @ray.remote(max_calls=1)
    def pid():
        return os.getpid()

    assert len(set(ray.get([pid.remote() for _ in range(12)], timeout=60))) == 12
    assert eventually(lambda: len(session.process().peers) <= 4)


def test_calls_between_nodes_need_no_daemon_once_there_is_a_link(two_nodes: Nodes) -> None:
    ray.init()
    far = Far.options(scheduling_strategy=on("1")).remote()
    near = Far.options(scheduling_strategy=on("0")).remote()
    assert ray.get([far.double.remote(1), far.call.remote(near, 2)], timeout=30) == [2, 4]
    assert ray.get(near.call.remote(far, 3), timeout=30) == 6
    process = session.process()
    assert any(isinstance(link, TlsLink) for link in process.links.values()), "the driver holds the link itself"
    stopped = [node.pid for node in two_nodes.nodes]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert ray.get([far.double.remote(number) for number in range(20)], timeout=20) == list(range(0, 40, 2))
        assert ray.get(far.call.remote(near, 5), timeout=20) == 10
        assert ray.get(near.call.remote(far, 6), timeout=20) == 12
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)

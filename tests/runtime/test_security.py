"""Strangers at every door: each gets nothing."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import subprocess
import sys

import grpc
import pytest

from tests.runtime.conftest import Nodes
from tradewind.runtime import grpc_settings, launcher, wire
from tradewind.runtime.credentials import ClusterCredentials, MemberCertificate, tls_contexts
from tradewind.runtime.exceptions import RaySystemError
from tradewind.runtime.messages import cluster, control, neighbour


def listening(pid: int) -> list[tuple[str, int]]:
    """The TCP addresses that the process listens on."""
    inodes = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    found = []
    lines = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):  # gRPC's sockets are of both families
        with open(table) as file:
            lines += file.read().splitlines()[1:]
    for line in lines:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
            address, port = fields[1].split(":")
            found.append((socket.inet_ntoa(bytes.fromhex(address[-8:])[::-1]), int(port, 16)))
    return found


def test_every_port_wants_a_certificate_of_this_cluster(two_nodes: Nodes) -> None:
    nodes = two_nodes
    ports = [*listening(nodes.head.pid), *listening(nodes.nodes[0].pid)]
    assert len(ports) == 2, "one for the head, one for the node"
    strangers = ClusterCredentials.new(nodes.credentials.cluster_id)
    foreign = tls_contexts(strangers, MemberCertificate.issue(strangers))
    for host, port in ports:
        assert host.startswith("127.9.1."), "bound to its own address only"
        with socket.create_connection((host, port), 5) as plain:
            plain.sendall(bytes(wire.encode((neighbour.Greet(control.PROTOCOL, b"", "x"),))) * 10)
            plain.settimeout(5)
            assert _silent(plain)
        naked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        naked.check_hostname = False
        naked.verify_mode = ssl.CERT_NONE
        for context in (naked, _unchecked(foreign.client)):
            with socket.create_connection((host, port), 5) as plain:
                assert not _answers(context, plain, foreign.server_name)


def _answers(context: ssl.SSLContext, plain: socket.socket, name: str) -> bool:
    """True when the other side says anything to who comes with this certificate, or none."""
    try:
        with context.wrap_socket(plain, server_hostname=name) as wrapped:
            wrapped.sendall(b"hello")
            return bool(wrapped.recv(1000))
    except (ssl.SSLError, ConnectionError):
        return False


def _silent(sock: socket.socket) -> bool:
    """True when nothing but a TLS alert or an HTTP/2 close comes before the end."""
    try:
        data = sock.recv(4096)
    except ConnectionError:
        return True
    return data == b"" or data[0] == 0x15 or len(data) < 64


def _unchecked(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_the_head_wants_the_token_too(two_nodes: Nodes) -> None:
    nodes = two_nodes
    credentials = nodes.credentials
    member = MemberCertificate.issue(credentials)
    secure = grpc.ssl_channel_credentials(credentials.ca_certificate, member.key, member.certificate)
    with grpc.secure_channel(
        nodes.head.address, secure, [("grpc.ssl_target_name_override", credentials.server_name)]
    ) as channel:
        join = channel.stream_stream(grpc_settings.PATH)
        view = cluster.NodeView("f" * 16, "h", "h:1", {"CPU": 1}, {"CPU": 1}, {})
        answers = join(iter([bytes(wire.encode((cluster.Join(control.PROTOCOL, b"wrong", view),)))]), timeout=10)
        (joined,) = wire.FrameReader(cluster.FromHead).feed(next(answers))
        assert "token" in joined.error


def test_a_node_with_foreign_credentials_does_not_join(two_nodes: Nodes, tmp_path) -> None:
    nodes = two_nodes
    with pytest.raises(RaySystemError, match="not ready"):
        launcher.start_node(
            str(tmp_path / "foreign"),
            nodes.head.address,
            "127.9.1.99",
            credentials=ClusterCredentials.new(nodes.credentials.cluster_id),
            resources={"CPU": 1},
            python=sys.executable,
            working_dir=str(tmp_path),
            env={},
            timeout_s=3,
        )


def test_the_nodes_socket_is_for_this_user_alone(two_nodes: Nodes) -> None:
    path = two_nodes.nodes[0].address.removeprefix("unix:")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
    assert len(path) < 100
    if os.getuid() != 0:
        pytest.skip("only root can become another user to try")
    # The directories are opened for the attempt, so that the daemon's own check is what is met.
    parents = [os.path.dirname(path), os.path.dirname(os.path.dirname(path))]
    script = (
        "import os, socket, sys\nos.setuid(65534)\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(5)\n"
        "try:\n    s.connect(sys.argv[1])\n    s.sendall(bytes(8))\n    print(len(s.recv(10)))\nexcept OSError:\n    print(0)"
    )
    for closed in (True, False):
        if not closed:
            os.chmod(path, 0o666)
            for parent in parents:
                os.chmod(parent, 0o711)
        try:
            done = subprocess.run(
                [sys.executable, "-S", "-c", script, path], capture_output=True, text=True, timeout=20, check=False
            )
        finally:
            for parent in parents:
                os.chmod(parent, 0o700)
        assert done.stdout.strip() in {"0", ""}, done.stdout


def test_no_secret_is_to_be_seen(two_nodes: Nodes) -> None:
    nodes = two_nodes
    secrets = [
        nodes.credentials.token,
        nodes.credentials.token.hex().encode(),
        nodes.credentials.ca_key.split(b"\n")[1],
    ]
    for process in (nodes.head, nodes.nodes[0]):
        for name in ("cmdline", "environ"):
            with open(f"/proc/{process.pid}/{name}", "rb") as file:
                content = file.read()
            assert not any(secret in content for secret in secrets)
        for root, _, files in os.walk(process.directory):
            for name in files:
                with open(os.path.join(root, name), "rb") as file:
                    content = file.read()
                assert not any(secret in content for secret in secrets), name
    assert "token=" not in repr(nodes.credentials)


def test_credentials_travel_as_bytes() -> None:
    credentials = ClusterCredentials.new("cluster")
    assert ClusterCredentials.from_bytes(credentials.to_bytes()) == credentials
    with pytest.raises(ValueError, match="."):
        ClusterCredentials.from_bytes(b"junk")

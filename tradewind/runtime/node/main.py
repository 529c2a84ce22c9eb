"""A node daemon's start: its configuration comes over standard input, never in argv or the environment."""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import sys

import msgspec

from tradewind.runtime.credentials_wire import CredentialBytes
from tradewind.runtime.labels import NODE_ID
from tradewind.runtime.loop import Loop
from tradewind.runtime.messages import cluster, control
from tradewind.runtime.node.daemon import DaemonSettings, NodeDaemon
from tradewind.runtime.node.workers import TemplateSettings

_PEER = struct.Struct("3i")


class NodeConfig(msgspec.Struct, frozen=True):
    """Everything a node daemon is told at its start. Descriptors are inherited; -1 means none."""

    node: str
    host: str
    resources: dict[str, float]
    labels: dict[str, str]
    arena_bytes: int
    python: str
    sys_path: list[str]
    extra_path: list[str]
    cwd: str
    env: dict[str, str]
    by_value: bool
    driver_fd: int = -1
    driver_pid: int = 0
    parent_pidfd: int = -1
    ready_fd: int = -1
    socket_path: str = ""
    head_address: str = ""
    credentials: CredentialBytes | None = None
    directory: str = ""


def run(config: NodeConfig) -> None:
    """Serves until the driver or parent ends, or somebody sends SIGTERM; leaves nothing behind."""
    loop = Loop()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _raise_descriptor_limit()
    settings = DaemonSettings(
        node=config.node,
        host=config.host,
        total=config.resources,
        labels={NODE_ID: config.node, **config.labels},
        arena_bytes=config.arena_bytes,
        template=TemplateSettings(
            config.python, config.sys_path, config.extra_path, config.cwd, config.env, config.by_value, config.node
        ),
        end_with_driver=config.driver_fd >= 0,
        spill_directory=config.directory,
        prestart=min(int(config.resources.get("CPU", 0)), 8),
    )
    daemon = NodeDaemon(loop, settings)
    signal.signal(signal.SIGTERM, lambda _number, _frame: daemon.stop("it was told to stop"))
    if config.parent_pidfd >= 0:
        loop.watch(config.parent_pidfd, lambda _events: daemon.stop("the process that started it has ended"))
    listener: socket.socket | None = None
    try:
        daemon.start()
        if config.driver_fd >= 0:
            daemon.drivers.adopt(socket.socket(fileno=config.driver_fd), config.driver_pid)
        if config.socket_path:
            listener = _listen(config.socket_path)
            loop.watch(listener.fileno(), lambda _events, sock=listener: _accept(daemon, sock))  # type: ignore[misc]
        if config.head_address:
            from tradewind.runtime.node.membership import join_cluster

            assert config.credentials is not None
            join_cluster(daemon, config.credentials.restore(), config.head_address, config.ready_fd)
        else:
            from tradewind.runtime.head.local import LocalHead

            daemon.head = LocalHead(loop, daemon.on_head)
            daemon.head.send(cluster.Join(control.PROTOCOL, b"", daemon.view()))
        loop.run(daemon.before_wait)
    finally:
        if listener is not None:
            listener.close()
            try:
                os.unlink(config.socket_path)
                os.rmdir(os.path.dirname(config.socket_path))
            except OSError:
                pass
        daemon.close()


def _raise_descriptor_limit() -> None:
    """Links and pipes cost a descriptor each; the soft limit of 1,024 that many systems start with is too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _listen(path: str) -> socket.socket:
    """A socket at path that only this user can reach. Raises OSError when the directory is somebody else's."""
    directory = os.path.dirname(path)
    status = os.stat(directory)
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(f"The directory {directory} must belong to this user and be closed to others (0700).")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.setblocking(False)
    listener.listen(128)
    return listener


def _accept(daemon: NodeDaemon, listener: socket.socket) -> None:
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        pid, uid, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if uid != os.getuid():
            # Another user, even root's: what it sends would be unpickled.
            sock.close()
            continue
        daemon.drivers.adopt(sock, pid)


def main() -> None:
    """Reads the configuration and runs."""
    config = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=NodeConfig)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    for descriptor in (config.driver_fd, config.parent_pidfd, config.ready_fd):
        if descriptor >= 0:
            os.set_inheritable(descriptor, False)
    run(config)


__all__ = ["NodeConfig", "main", "run"]

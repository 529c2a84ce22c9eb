"""Starts the runtime's long-lived processes on this machine: the head, and a node daemon that joins it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from tradewind.runtime.credentials import ClusterCredentials
from tradewind.runtime.credentials_wire import CredentialBytes
from tradewind.runtime.exceptions import RaySystemError
from tradewind.runtime.packages import DIRECTORY_VARIABLE
from tradewind.runtime.starting import own_path, start_daemon

__all__ = ["ClusterCredentials", "RuntimeProcess", "start_head", "start_node"]

_EMPTY: Mapping[str, str] = MappingProxyType({})
_LAST_BYTES = 2000


@dataclass
class RuntimeProcess:
    """A started process of the runtime, in a session and process group of its own."""

    pid: int
    address: str
    directory: str
    _popen: subprocess.Popen[bytes] = field(repr=False)
    _mark: str = field(default="", repr=False)

    def poll(self) -> int | None:
        """The exit status once the process has ended, else None."""
        return self._popen.poll()

    def stop(self, grace_s: float = 2.0) -> None:
        """The process and all that it started are gone when this returns; it had grace_s seconds to end by itself."""
        if self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._popen.send_signal(signal.SIGTERM)
            try:
                self._popen.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._mark:
            from tradewind.runtime.node.workers import sweep

            sweep(self._mark)
        if self.address.startswith("unix:"):
            path = self.address.removeprefix("unix:")
            with contextlib.suppress(OSError):
                os.unlink(path)
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(path))


def start_head(
    directory: str,
    host: str,
    *,
    credentials: ClusterCredentials,
    die_with_parent: bool = True,
    timeout_s: float = 10,
) -> RuntimeProcess:
    """A head that listens on host (address "host:port", gRPC, mutual TLS); its records are durable in directory.

    Raises RaySystemError with the process's last output when it is not ready within timeout_s seconds.
    """
    from tradewind.runtime.head.main import HeadConfig

    os.makedirs(directory, mode=0o700, exist_ok=True)
    ready_read, ready_write = os.pipe()
    pidfd = os.pidfd_open(os.getpid()) if die_with_parent else -1
    config = HeadConfig(directory, host, CredentialBytes(credentials.to_bytes()), ready_write, pidfd)
    popen, text = _start(
        "tradewind.runtime.head.main",
        msgspec.msgpack.encode(config),
        directory,
        "head",
        (ready_read, ready_write, pidfd),
        timeout_s,
    )
    return RuntimeProcess(popen.pid, text, directory, popen)


def start_node(
    directory: str,
    head_address: str,
    host: str,
    *,
    credentials: ClusterCredentials,
    resources: Mapping[str, float],
    python: str,
    working_dir: str,
    labels: Mapping[str, str] = _EMPTY,
    env: Mapping[str, str] = _EMPTY,
    object_store_bytes: int | None = None,
    die_with_parent: bool = True,
    timeout_s: float = 10,
) -> RuntimeProcess:
    """A node daemon that has joined the head; its address is "unix:<path>", which `init()` reads from TRADEWIND_ADDRESS.

    Workers run under python with working_dir as their directory and on their path, and env added. Raises RaySystemError with the process's
    last output when it has not joined within timeout_s seconds.
    """
    from tradewind.runtime.node.daemon import new_node_id
    from tradewind.runtime.node.main import NodeConfig
    from tradewind.runtime.session import arena_size

    os.makedirs(directory, mode=0o700, exist_ok=True)
    node = new_node_id()
    path = os.path.join(socket_directory(directory), "node")
    with contextlib.suppress(OSError):
        os.unlink(path)
    ready_read, ready_write = os.pipe()
    pidfd = os.pidfd_open(os.getpid()) if die_with_parent else -1
    memory = int(resources.get("memory", 0)) or None
    from tradewind.runtime.session import physical_memory

    config = NodeConfig(
        node=node,
        host=host,
        resources={name: float(amount) for name, amount in resources.items() if amount},
        labels=dict(labels),
        arena_bytes=object_store_bytes or arena_size(min(memory or physical_memory(), physical_memory())),
        python=python,
        sys_path=[working_dir],
        extra_path=own_path(),
        cwd=working_dir,
        env={**env, "TRADEWIND_ADDRESS": f"unix:{path}", DIRECTORY_VARIABLE: os.path.abspath(directory)},
        by_value=True,
        parent_pidfd=pidfd,
        ready_fd=ready_write,
        socket_path=path,
        head_address=head_address,
        credentials=CredentialBytes(credentials.to_bytes()),
        directory=directory,
    )
    popen, _ = _start(
        "tradewind.runtime.node.main",
        msgspec.msgpack.encode(config),
        directory,
        "node",
        (ready_read, ready_write, pidfd),
        timeout_s,
    )
    return RuntimeProcess(popen.pid, f"unix:{path}", directory, popen, node)


def _start(
    module: str, config: bytes, directory: str, name: str, fds: tuple[int, int, int], timeout_s: float
) -> tuple[subprocess.Popen[bytes], str]:
    """The process and what it said when it was ready."""
    ready_read, ready_write, pidfd = fds
    log_path = os.path.join(directory, f"{name}.log")
    try:
        with open(log_path, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as log:
            popen = start_daemon(module, config, pass_fds=[fd for fd in (ready_write, pidfd) if fd >= 0], stderr=log)
    except BaseException:
        os.close(ready_read)
        raise
    finally:
        os.close(ready_write)
        if pidfd >= 0:
            os.close(pidfd)
    text = ""
    try:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if select.select([ready_read], [], [], max(0.0, deadline - time.monotonic()))[0]:
                text = os.read(ready_read, 4096).decode()
                break
    finally:
        os.close(ready_read)
    if text.startswith("ok"):
        return popen, text.removeprefix("ok").strip()
    try:
        # The end of the pipe comes a moment before the end of the process.
        code = popen.wait(0.5)
    except subprocess.TimeoutExpired:
        code = None
    popen.kill()
    popen.wait()
    if text:
        raise RaySystemError(f"The runtime's {name} was refused: {text}.")
    with open(log_path, "rb") as log:
        last = log.read()[-_LAST_BYTES:].decode(errors="replace").strip()
    how = f"ended with exit code {code}" if code is not None else f"was not ready within {timeout_s:g} s"
    raise RaySystemError(f"The runtime's {name} {how}; its log {log_path} ends with: {last or '(nothing)'}")


def socket_directory(key: str) -> str:
    """A directory for sockets that only this user can enter, short enough for a socket's path. Raises PermissionError when it is another's."""
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    if not base or not os.path.isdir(base) or os.stat(base).st_uid != os.getuid():
        base = f"/tmp/tradewind-{os.getuid()}"  # noqa: S108  made 0700 and its owner checked just below
    else:
        base = os.path.join(base, "tradewind")
    made = os.path.join(base, hashlib.blake2b(os.path.abspath(key).encode(), digest_size=8).hexdigest())
    for path in (base, made):
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        status = os.lstat(path)
        if status.st_uid != os.getuid() or status.st_mode & 0o077 or os.path.islink(path):
            raise PermissionError(
                f"The directory {path} must belong to this user and be closed to others (0700); remove it and try again."
            )
    return made

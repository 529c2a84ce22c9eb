"""init and shutdown: this process becomes a driver, of a cluster of its own or of one that runs."""

from __future__ import annotations

import atexit
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tradewind.runtime import object_ref
from tradewind.runtime.core.process import Process
from tradewind.runtime.exceptions import RaySystemError
from tradewind.runtime.messages import control
from tradewind.runtime.messages.values import Environment
from tradewind.runtime.node.main import NodeConfig
from tradewind.runtime.packages import Packages
from tradewind.runtime.runtime_env import environment_of
from tradewind.runtime.starting import fill_standard_descriptors, own_path, start_daemon
from tradewind.runtime.worker_output import WorkerOutput

ADDRESS_VARIABLE = "TRADEWIND_ADDRESS"
_START_S = 20.0
_MIN_ARENA = 64 << 20
_ARENA_SHARE = 0.3


@dataclass
class Session:
    """One driver's time in a cluster."""

    process: Process
    daemon: subprocess.Popen[bytes] | None
    namespace: str
    generation: int
    printing: WorkerOutput
    caches: dict[Any, Any] = field(default_factory=dict)


_current: Session | None = None
_lock = threading.RLock()
_generation = 0


def current() -> Session:
    """The session, begun with defaults when there is none yet."""
    session = _current
    if session is None:
        if object_ref.bound is not None:
            raise RuntimeError("A worker has no session of its own.")
        if object_ref.is_forked:
            raise RaySystemError(
                "This process was forked by a task and cannot use the runtime, whose connections are its parent's; "
                "let the task make the calls, or start another program with subprocess."
            )
        return begin()
    return session


def process() -> Process:
    """The runtime of this driver or worker; init() is called when there is none."""
    bound = object_ref.bound
    return bound if bound is not None else current().process


def is_initialized() -> bool:
    """True between init() and shutdown(), and always in a worker."""
    return object_ref.bound is not None


def begin(
    address: str | None = None,
    *,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    resources: Mapping[str, float] | None = None,
    labels: Mapping[str, str] | None = None,
    object_store_memory: int | None = None,
    namespace: str | None = None,
    ignore_reinit_error: bool = False,
    runtime_env: Mapping[str, Any] | None = None,
    log_to_driver: bool = True,
) -> Session:
    """A session, new or (with ignore_reinit_error) the one that there is. Raises RuntimeError, ConnectionError, RaySystemError."""
    global _current, _generation  # noqa: PLW0603  one of it a process
    with _lock:
        if _current is not None:
            if _current.process.broken:
                end()
            elif ignore_reinit_error:
                return _current
            else:
                raise RuntimeError("init() was called twice; call shutdown() first, or pass ignore_reinit_error=True.")
        if object_ref.bound is not None:
            raise RuntimeError(
                "init() was called inside a task or actor, which is part of a cluster already; just call remote functions."
            )
        fill_standard_descriptors()
        where = address or os.environ.get(ADDRESS_VARIABLE, "")
        own = where in {"", "local"}
        around = environment_of(runtime_env, None, None) if own else None
        if own:
            sock, daemon = _start_own(num_cpus, num_gpus, resources, labels, object_store_memory, around)
            by_value = False
        else:
            sock, daemon, by_value = _connect(where), None, True
        made = Process(sock, by_value=by_value)
        printing = WorkerOutput(_print_lines, time.monotonic)
        made.on_output = printing.show if log_to_driver else lambda _lines, _error: None
        try:
            _hello(made)
            made.start(_START_S)
            if not own:
                made.packages = Packages(made)
                # A cluster of its own starts its workers in it anyway.
                made.environment = environment_of(runtime_env, None, made.packages)
        except BaseException:
            made.close()
            printing.close()
            if daemon is not None:
                daemon.kill()
                daemon.wait()
            raise
        _generation += 1
        made.namespace = namespace or f"anonymous-{secrets.token_hex(4)}"
        _current = Session(made, daemon, made.namespace, _generation, printing)
        atexit.register(end)
        if _generation == 1:
            os.register_at_fork(after_in_child=_forget_after_fork)
        return _current


def _hello(made: Process) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    with made.lock:
        made.tell_node(control.Hello(control.PROTOCOL, python, os.getpid(), os.getcwd(), sys.path, ""))
        made.flush_all()


def _start_own(
    num_cpus: float | None,
    num_gpus: float | None,
    resources: Mapping[str, float] | None,
    labels: Mapping[str, str] | None,
    object_store_memory: int | None,
    around: Environment | None,
) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """A one-node cluster that ends with this process: a node daemon with the head inside, no port and no file."""
    around = around or Environment()
    total: dict[str, float] = {"CPU": float(os.cpu_count() or 1) if num_cpus is None else float(num_cpus)}
    memory = physical_memory()
    total["memory"] = float(memory)
    total["GPU"] = float(_count_gpus() if num_gpus is None else num_gpus)
    total.update({name: float(amount) for name, amount in (resources or {}).items()})
    arena = object_store_memory or arena_size(memory)
    here, there = socket.socketpair()
    pidfd = os.pidfd_open(os.getpid())
    config = NodeConfig(
        node=secrets.token_hex(8),
        host="localhost",
        resources={name: amount for name, amount in total.items() if amount},
        labels=dict(labels or {}),
        arena_bytes=arena,
        python=sys.executable,
        sys_path=[*around.paths, *(os.path.abspath(entry) for entry in sys.path)],
        extra_path=own_path(),
        cwd=around.cwd or os.getcwd(),
        env=dict(around.env_vars),
        by_value=False,
        driver_fd=there.fileno(),
        driver_pid=os.getpid(),
        parent_pidfd=pidfd,
    )
    try:
        daemon = start_daemon(
            "tradewind.runtime.node.main", msgspec.msgpack.encode(config), pass_fds=[there.fileno(), pidfd]
        )
    except BaseException:
        here.close()
        raise
    finally:
        there.close()
        os.close(pidfd)
    return here, daemon


def _connect(where: str) -> socket.socket:
    if not where.startswith("unix:"):
        from tradewind.runtime import standing

        where = standing.find(where).node_socket()
    path = where.removeprefix("unix:")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if os.stat(path).st_uid != os.getuid():
            raise PermissionError("it belongs to another user")
        sock.settimeout(_START_S)
        sock.connect(path)
    except OSError as error:
        sock.close()
        raise ConnectionError(
            f"No node daemon answers at {where}: {error}; check {ADDRESS_VARIABLE}, or unset it to start a cluster of your own."
        ) from error
    return sock


def end() -> None:
    """The driver has left; a cluster of its own is gone, processes and all."""
    global _current
    with _lock:
        session, _current = _current, None
        if session is None:
            return
        atexit.unregister(end)
        session.process.close()
        session.printing.close()
        daemon = session.daemon
        if daemon is not None:
            try:
                daemon.wait(5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _forget_after_fork() -> None:
    """A forked child is no driver: it would share the parent's sockets and confuse both."""
    global _current, _lock  # noqa: PLW0603  one of it a process
    if _current is not None:
        _lock = threading.RLock()
        _current = None
        object_ref.bind(None)


def _print_lines(lines: list[str], error: bool) -> None:
    stream = sys.stderr if error else sys.stdout
    if stream is None:
        return  # it was closed before Python began
    try:
        stream.write("\n".join(lines) + "\n")
        stream.flush()
    except (OSError, ValueError):
        pass  # a driver may have closed its output; its tasks go on


def physical_memory() -> int:
    """Bytes of memory that this machine, or the control groups that hold us, have."""
    from tradewind.runtime.node.memory_use import memory_limit

    return memory_limit()


def arena_size(memory: int) -> int:
    """Bytes of address space for the arena: a share of the memory, of which only what is used is taken."""
    return max(_MIN_ARENA, int(memory * _ARENA_SHARE) // 4096 * 4096)


def _count_gpus() -> int:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([device for device in visible.split(",") if device.strip()])
    try:
        return len(os.listdir("/proc/driver/nvidia/gpus"))
    except OSError:
        return 0

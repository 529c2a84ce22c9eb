"""Clusters that outlive the process that started them: a head and nodes of this machine, and where drivers find them.

Each has a directory (0700) below the user's state directory with its record, its credentials (0600) and its logs.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from tradewind.runtime import launcher
from tradewind.runtime.credentials import ClusterCredentials
from tradewind.runtime.session import physical_memory

_STOP_S = 3.0


class Daemon(msgspec.Struct, frozen=True):
    """A process of the cluster on this machine; ticks tells it from a later one of the same number."""

    pid: int
    ticks: int
    address: str
    directory: str


class Standing(msgspec.Struct, frozen=True):
    """A cluster as this machine knows it."""

    cluster: str
    head_address: str
    daemons: list[Daemon]

    @property
    def directory(self) -> str:
        """Where its record, credentials and logs are."""
        return os.path.join(state_directory(), self.cluster)

    @property
    def credentials_file(self) -> str:
        """What a node of another machine needs to join."""
        return os.path.join(self.directory, "credentials")

    def node_socket(self) -> str:
        """The address of a living node daemon of this machine. Raises ConnectionError when there is none."""
        for daemon in self.daemons:
            if daemon.address.startswith("unix:") and alive(daemon):
                return daemon.address
        raise ConnectionError(
            f"No node of the cluster at {self.head_address} runs on this machine; start one with `tradewind runtime start --address {self.head_address} --credentials FILE`."
        )


def state_directory() -> str:
    """Where standing clusters are recorded."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "tradewind", "runtime")


def alive(daemon: Daemon) -> bool:
    """True while that very process runs."""
    return _ticks(daemon.pid) == daemon.ticks


def _ticks(pid: int) -> int:
    """When the process started, in clock ticks since boot; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


def clusters() -> list[Standing]:
    """The clusters with a living process on this machine, newest last."""
    base = state_directory()
    found: list[tuple[float, Standing]] = []
    for name in os.listdir(base) if os.path.isdir(base) else []:
        path = os.path.join(base, name, "record.json")
        try:
            with open(path, "rb") as file:
                standing = msgspec.json.decode(file.read(), type=Standing)
            stamp = os.stat(path).st_mtime
        except (OSError, msgspec.DecodeError):
            continue
        if any(alive(daemon) for daemon in standing.daemons):
            found.append((stamp, standing))
    return [standing for _, standing in sorted(found, key=lambda item: item[0])]


def find(address: str) -> Standing:
    """The cluster with this head ("host:port"), or with "auto" the newest. Raises ConnectionError when it is not known here."""
    known = clusters()
    for standing in reversed(known):
        if address in {"auto", standing.head_address}:
            return standing
    have = ", ".join(standing.head_address for standing in known) or "none"
    raise ConnectionError(
        f"No cluster at {address!r} runs on this machine (running: {have}); start one with `tradewind runtime start --head`, or join one with `--address`. A driver may also give unix:<path of a node daemon's socket>."
    )


@dataclass(frozen=True, slots=True)
class NodeOffer:
    """What a node of this machine has for the cluster."""

    resources: Mapping[str, float]
    labels: Mapping[str, str]
    object_store_bytes: int | None = None  # a share of the memory


def start_cluster(host: str, port: int, offer: NodeOffer) -> Standing:
    """A head and a node on this machine that run until stopped. Raises RaySystemError with the reason when one does not start."""
    cluster = secrets.token_hex(4)
    directory = os.path.join(state_directory(), cluster)
    os.makedirs(os.path.join(directory, "head"), mode=0o700)
    credentials = ClusterCredentials.new(cluster)
    _write(os.path.join(directory, "credentials"), credentials.to_bytes())
    if port:
        _write(os.path.join(directory, "head", "port"), str(port).encode())
    try:
        head = launcher.start_head(
            os.path.join(directory, "head"), host, credentials=credentials, die_with_parent=False, timeout_s=30
        )
        made = Standing(cluster, head.address, [_daemon(head)])
        try:
            return _add_node(made, credentials, host, offer)
        except BaseException:
            head.stop()
            raise
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def join_cluster(head_address: str, credentials_file: str, host: str, offer: NodeOffer) -> Standing:
    """A node of this machine in a cluster that runs elsewhere (or here). Raises RaySystemError, OSError for a file that cannot be read."""
    with open(credentials_file, "rb") as file:
        credentials = ClusterCredentials.from_bytes(file.read())
    for standing in clusters():
        if standing.cluster == credentials.cluster_id:
            return _add_node(standing, credentials, host, offer)
    directory = os.path.join(state_directory(), credentials.cluster_id)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    _write(os.path.join(directory, "credentials"), credentials.to_bytes())
    return _add_node(Standing(credentials.cluster_id, head_address, []), credentials, host, offer)


def _add_node(standing: Standing, credentials: ClusterCredentials, host: str, offer: NodeOffer) -> Standing:
    node = launcher.start_node(
        os.path.join(standing.directory, f"node-{secrets.token_hex(3)}"),
        standing.head_address,
        host,
        credentials=credentials,
        resources=offer.resources,
        labels=offer.labels,
        python=sys.executable,
        working_dir=os.getcwd(),
        object_store_bytes=offer.object_store_bytes,
        die_with_parent=False,
        timeout_s=30,
    )
    made = Standing(standing.cluster, standing.head_address, [*standing.daemons, _daemon(node)])
    _write(os.path.join(made.directory, "record.json"), msgspec.json.encode(made))
    return made


def _daemon(process: launcher.RuntimeProcess) -> Daemon:
    return Daemon(process.pid, _ticks(process.pid), process.address, process.directory)


def _write(path: str, data: bytes) -> None:
    """The file holds data and only this user can read it; a reader sees the old or the new, never half."""
    with open(f"{path}.new", "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)
    os.replace(f"{path}.new", path)


def stop(standing: Standing) -> int:
    """Every process of the cluster on this machine is gone, nodes before the head; returns how many there were."""
    living = [daemon for daemon in reversed(standing.daemons) if alive(daemon)]
    for daemon in living:
        _stop(daemon)
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(standing.directory, "record.json"))
    shutil.rmtree(standing.directory, ignore_errors=True)
    return len(living)


def _stop(daemon: Daemon) -> None:
    try:
        descriptor = os.pidfd_open(daemon.pid)
    except OSError:
        return
    try:
        if not alive(daemon):
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            if select.select([descriptor], [], [], _STOP_S)[0]:
                return
    finally:
        os.close(descriptor)


def machine_resources(
    num_cpus: float | None, num_gpus: float | None, others: Mapping[str, float] | None = None
) -> dict[str, float]:
    """What a node of this machine offers: all cores and memory unless said otherwise, and custom resources."""
    return {
        "CPU": float(os.cpu_count() or 1) if num_cpus is None else num_cpus,
        "GPU": num_gpus or 0.0,
        "memory": float(physical_memory()),
        **(others or {}),
    }
